"""`whiteout completion`: what a shell needs to complete commands, options and their values.

The script that a shell reads calls `whiteout` with a variable that says what has been typed; `run`
hands such a call to `complete`. Scripts and answers are typer's, which is asked in the way that is
open to all: a command's `main` looks at the variable that it is told of.
"""

from __future__ import annotations

import contextlib
import io
import os
from typing import Annotated, Literal

import typer

from whiteout.cli.output import print_line

PROGRAM = "whiteout"
VARIABLE = "_WHITEOUT_COMPLETE"
_OPTIONS_OF_TYPER = ("install_completion", "show_completion")

Shell = Literal["bash", "zsh", "fish", "powershell"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("completion")(completion)


def completion(
    shell: Annotated[
        Shell, typer.Argument(metavar="SHELL", help="One of bash, zsh, fish, powershell.")
    ],
) -> None:
    """Print what makes a shell complete this command line."""
    script = io.StringIO()
    os.environ[VARIABLE] = f"source_{shell}"
    try:
        with contextlib.redirect_stdout(script):
            status = complete()
    finally:
        del os.environ[VARIABLE]
    if status:
        raise typer.Exit(status)
    print_line(script.getvalue().strip())  # zsh wants its mark in the first line


def complete() -> int | None:
    """Answer a shell that asks what can follow.

    Returns:
        The exit status; None where no shell asks.
    """
    if not os.environ.get(VARIABLE):
        return None
    import typer.main  # noqa: PLC0415 - when a shell asks

    from whiteout.cli import application  # noqa: PLC0415 - it imports this module

    # With its own options for completion typer knows the shells; here a command is for that.
    command = typer.main.get_command(application(knows_shells=True))
    command.params = [one for one in command.params if one.name not in _OPTIONS_OF_TYPER]
    try:
        command.main([], prog_name=PROGRAM, complete_var=VARIABLE)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0
