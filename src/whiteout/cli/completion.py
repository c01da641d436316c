"""`whiteout completion`: what a shell needs to complete commands, options and their values.

The script that a shell reads calls `whiteout` with a variable that says what has been typed; `run`
hands such a call to `complete`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from whiteout.cli.output import print_line

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = "whiteout"
VARIABLE = "_WHITEOUT_COMPLETE"

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
    from typer._completion_shared import get_completion_script  # noqa: PLC0415 - when it runs

    print_line(get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell))


def complete(command: Any, environment: Mapping[str, str]) -> int | None:  # noqa: ANN401 - typer hides its type
    """Answer a shell that asks what can follow.

    Returns:
        The exit status; None where no shell asks.
    """
    instruction = environment.get(VARIABLE)
    if not instruction:
        return None
    from typer._completion_classes import completion_init  # noqa: PLC0415 - when a shell asks
    from typer.completion import shell_complete  # noqa: PLC0415 - the same

    completion_init()
    return shell_complete(command, {}, PROGRAM, VARIABLE, instruction)
