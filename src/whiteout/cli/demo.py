"""`whiteout demo`: see what each level of anonymity hides, from an app to the lake."""

from __future__ import annotations

import contextlib
import importlib.util
import signal
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whiteout.cli.options import Data, Port, data_folder, make_private, say
from whiteout.cli.report import FormatOption, Report
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whiteout.demo.run import Outcome

_NOT_RIGHT = 1
_HINTS = """
lake       {lake}
logs       {log}
look       whiteout events --data {data}
query      whiteout query "SELECT event_name, count(*) FROM events GROUP BY ALL" --data {data}
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    *,
    data: Data = None,
    once: Annotated[
        bool, typer.Option("--once", help="Stop after the table; exit status 1 if it is wrong.")
    ] = False,
    port: Port = 0,
    format_: FormatOption = "text",
) -> None:
    """Visit a small shop at every level, and see what arrives."""
    if importlib.util.find_spec("snowplow_tracker") is None:
        raise ConfigurationError(
            "the demo's second client is missing: pip install 'whiteout[demo]'"
        )
    from whiteout.demo.run import pipeline, run  # noqa: PLC0415 - when it runs

    folder = _folder(data, once=once)
    make_private(folder)
    # A supervisor's polite stop ends the demo as Ctrl-C does: the pipeline is stopped with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    report = Report(format_)
    with pipeline(folder, port) as endpoint:
        report.note(f"collector  {endpoint}")
        outcome = run(folder, endpoint, report.note)
        if format_ == "json":
            report.tell(_facts(outcome, endpoint, folder))
        else:
            _print(outcome)
        hints = _HINTS.format(lake=folder / "lake", log=folder / "log", data=folder)
        report.note(hints.rstrip())
        if not once:
            with _ctrl_c() as pressed:  # heard before anybody is told of it
                report.note(f"\nsend more events to {endpoint}; Ctrl-C stops")
                pressed.wait()
            report.note("stopping: what was accepted is loaded first")
    if not outcome.is_right:
        raise typer.Exit(_NOT_RIGHT)


def _facts(outcome: Outcome, endpoint: str, folder: Path) -> dict[str, object]:
    """What the tables show, for programs."""
    return {
        "collector": endpoint,
        "data": str(folder),
        "is_right": outcome.is_right,
        "identifiers": {
            identifier: {
                level: {
                    "arrived": cell.arrived,
                    "expected": cell.expected,
                    "is_right": cell.is_right,
                }
                for level, cell in levels.items()
            }
            for identifier, levels in outcome.cells.items()
        },
        "official": {
            event: {"identified": identified, "anonymous": anonymous, "sent": sent}
            for event, (identified, anonymous, sent) in outcome.official.items()
        },
        "official_leaks": outcome.official_leaks,
        "failed_events": outcome.failed_events,
    }


def _folder(data: Path | None, *, once: bool) -> Path:
    if data is None and once:
        return Path(tempfile.mkdtemp(prefix="whiteout-demo-"))
    return data_folder(data).absolute()


@contextlib.contextmanager
def _ctrl_c() -> Iterator[threading.Event]:
    """Set once Ctrl-C is pressed, or a polite stop asked for."""
    pressed = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: pressed.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield pressed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print(outcome: Outcome) -> None:
    from rich.console import Console  # noqa: PLC0415 - when it prints
    from rich.table import Table  # noqa: PLC0415 - when it prints

    # Wide enough for the table where the output goes to a file or a pipe.
    console = Console(width=None if Console().is_terminal else 200, highlight=False)
    levels = list(next(iter(outcome.cells.values())))
    table = Table(title="what arrived in the lake → what should have", title_justify="left")
    table.add_column("identifier")
    for level in levels:
        table.add_column(level)
    for identifier, cells in outcome.cells.items():
        table.add_row(
            identifier,
            *(
                f"[green]{cell.arrived} → {cell.expected}[/]"
                if cell.is_right
                else f"[bold red]{cell.arrived} → {cell.expected} ✗[/]"
                for cell in (cells[level] for level in levels)
            ),
        )
    console.print(table)
    official = Table(
        title="the official snowplow-tracker: good events in the lake of events sent",
        title_justify="left",
    )
    for column in ("event", "identified", "anonymous"):
        official.add_column(column)
    for event, (identified, anonymous, sent) in outcome.official.items():
        official.add_row(event, f"{identified} of {sent}", f"{anonymous} of {sent}")
    console.print(official)
    wrong = sum(not cell.is_right for cells in outcome.cells.values() for cell in cells.values())
    say(
        f"{wrong} cells are wrong; {outcome.failed_events} failed events; "
        f"{outcome.official_leaks} anonymous rows of the official client with an address or id"
    )
    say("everything is as it should be" if outcome.is_right else "THE DEMO IS NOT RIGHT")
