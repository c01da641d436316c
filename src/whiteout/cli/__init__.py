"""The command line: `whiteout …`.

Each command lives in a module of its own with a function `register(app)`, named in `COMMANDS`.
Importing those modules is cheap: what a command needs it imports when it runs, so that a collector
does not load the lake and `--help` loads neither.

Exit status: 0 done, 1 the check failed, 2 wrong use (the message says what to write instead), 130
ended by Ctrl-C before it was done. A command that runs until Ctrl-C is done then.
"""

from __future__ import annotations

import importlib
import os
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

from whiteout.errors import ConfigurationError, WhiteoutError
from whiteout.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    import typer

COMMANDS = (
    *"up demo collector enrich loader page load events query".split(),
    *"recover erase doctor settings completion".split(),
)
"""Modules of this package, in the order in which help shows their commands."""

FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that `arguments`, by default the process's own, name; ends the process."""
    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))


def run(arguments: Sequence[str]) -> int:  # noqa: PLR0911 - one for each way to end
    """Run a command and return its exit status."""
    if list(arguments) == ["--version"]:  # at once
        _say_version()
        return 0
    try:
        _invoke(list(arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_left()
    except ConfigurationError as error:
        return _complain(str(error), WRONG_USE, arguments)
    except WhiteoutError as error:
        return _complain(str(error), FAILED, arguments)
    except KeyboardInterrupt:
        return _complain("stopped before it was done", INTERRUPTED, arguments)
    except Exception as error:  # noqa: BLE001 - what is not ours is raised again
        return _status_of(error, arguments)
    return 0


def _invoke(arguments: list[str]) -> None:
    """Parse and run, without typer's own ways to end a process."""
    import typer.main  # noqa: PLC0415 - --version does without

    from whiteout.cli.completion import complete  # noqa: PLC0415 - the same

    status = complete()
    if status is not None:
        raise typer.Exit(status)
    command = typer.main.get_command(application())
    with command.make_context("whiteout", arguments) as context:
        command.invoke(context)


def _status_of(error: Exception, arguments: Sequence[str]) -> int:
    """The exit status that typer's parser asks for; its message is printed.

    Raises:
        Exception: `error`, where it is not the parser's.
    """
    status = getattr(error, "exit_code", None)
    if type(error).__name__ == "Abort":  # Ctrl-C or Ctrl-D where a question was asked
        return _complain("nothing was done", FAILED, arguments)
    if not isinstance(status, int):
        raise error
    show = getattr(error, "show", None)
    if show is not None and type(error).__name__ == "NoArgsIsHelpError":
        show()
    elif show is not None:
        from whiteout.cli.usage import message_of  # noqa: PLC0415 - where something is wrong

        return _complain(message_of(error, arguments), status, arguments)
    return status


def application(*, knows_shells: bool = False) -> typer.Typer:
    """The application with all its commands.

    Args:
        knows_shells: with typer's own options for completion.
    """
    import typer  # noqa: PLC0415 - the same

    app = typer.Typer(
        name="whiteout",
        help="Privacy-first event tracking: the pipeline and its tools.",
        no_args_is_help=True,
        add_completion=knows_shells,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    @app.callback()
    def options(
        *,
        version: bool = typer.Option(
            False, "--version", help="Show the version and exit.", is_eager=True
        ),
    ) -> None:
        if version:
            _say_version()
            raise typer.Exit

    for name in COMMANDS:
        importlib.import_module(f"whiteout.cli.{name}").register(app)
    return app


def _complain(message: str, status: int, arguments: Sequence[str]) -> int:
    """Say what is wrong, as what was asked for is said: `arguments` may not be parsed by then."""
    line = f"whiteout: {message}"
    if any(" ".join(pair) == "--format json" for pair in pairwise(arguments)) or (
        "--format=json" in arguments
    ):
        from whiteout.cli.output import json_line  # noqa: PLC0415 - where something is wrong

        line = json_line({"error": message, "status": status})
    sys.stderr.write(f"{line}\n")
    return status


def _say_version() -> None:
    sys.stdout.write(f"whiteout {__version__}\n")


def _reader_left() -> int:
    """Whoever read our output (`| head`) has enough; that is no error of ours."""
    # The interpreter would flush into the closed pipe at exit and complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
