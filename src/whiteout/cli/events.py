"""`whiteout events`: show what the lake has."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from whiteout.cli.options import Data, LakeAddress, data_folder, lake_address
from whiteout.cli.output import cell, json_line, print_line, print_table
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    import pyarrow as pa

    from whiteout.lake.reader import Lake, Position, Table

Format = Literal["table", "json", "tsv"]

_POLL_S = 0.5
_FOLLOW_ROWS = 1_000  # at once, so that memory stays bounded
_OF_EVENTS = ("collector_tstamp", "app_id", "platform", "event_name", "event_id")
_SHOWN: dict[Table, tuple[str, ...]] = {
    "events": _OF_EVENTS,
    "failed_events": ("load_tstamp", "type", "app_id", "event_id"),
    "incomplete_events": _OF_EVENTS,
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("events")(events)


def events(  # noqa: PLR0913 - the options
    data: Data = None,
    *,
    lake: LakeAddress = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is loaded, until Ctrl-C.")
    ] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Show failed events.")] = False,
    incomplete: Annotated[
        bool,
        typer.Option("--incomplete", help="Show what is left of failed events, where it is kept."),
    ] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="How many of the last.")] = 20,
    format_: Annotated[
        Format, typer.Option("--format", help="A table, JSON lines, or lines with tabs.")
    ] = "table",
) -> None:
    """Show the events that were loaded last, the newest at the end."""
    from whiteout.lake.place import lake_place  # noqa: PLC0415 - heavy: only where it runs
    from whiteout.lake.reader import Lake  # noqa: PLC0415 - heavy: only where it runs

    place = lake_place(lake_address(lake, data_folder(data)), os.environ)
    opened = Lake(place)
    if failed and incomplete:
        raise ConfigurationError("--failed and --incomplete are two tables; choose one")
    table: Table = "events"
    if failed or incomplete:
        table = "failed_events" if failed else "incomplete_events"
    rows = opened.rows(table, limit=limit)
    if not rows.table.num_rows and not follow:
        sys.stderr.write(f"whiteout: no {table.replace('_', ' ')} yet in {place.url}\n")
    _show(opened, table, rows.reversed(), format_)
    if follow:
        with contextlib.suppress(KeyboardInterrupt):
            _follow(opened, table, rows.position, format_)


def _follow(lake: Lake, table: Table, position: Position, format_: Format) -> None:
    version = None
    while True:
        found = lake.version(table)
        if found == version:
            time.sleep(_POLL_S)
            continue
        rows = lake.rows(table, since=position, order="oldest", limit=_FOLLOW_ROWS)
        position = rows.position
        _show(lake, table, rows.table, format_)
        if rows.table.num_rows < _FOLLOW_ROWS:
            version = found


def _show(lake: Lake, table: Table, rows: pa.Table, format_: Format) -> None:
    if not rows.num_rows:
        return
    if format_ == "table":
        shown = rows.select(_SHOWN[table])
        print_table(shown.column_names, zip(*(c.to_pylist() for c in shown.columns), strict=True))
    elif table != "failed_events":
        as_json = format_ == "json"
        objects, lines = lake.json_objects(rows, table), lake.tsv_lines(rows, table)
        for line in map(json_line, objects) if as_json else lines:
            print_line(line)
    elif format_ == "json":
        for text in rows["bad_row"].to_pylist():
            print_line(text)
    else:
        for row in rows.to_pylist():
            print_line("\t".join(cell(value) for value in row.values()))
    sys.stdout.flush()
