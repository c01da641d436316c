"""`whiteout query`: SQL over the lake."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Literal

import typer

from whiteout.cli.options import Data, LakeAddress, data_folder, lake_address
from whiteout.cli.output import json_line, print_csv, print_line, print_table
from whiteout.cli.progress import progress
from whiteout.errors import ConfigurationError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("query")(query)


def query(
    sql: Annotated[
        str,
        typer.Argument(
            metavar="SQL", help="One SELECT over events, failed_events, incomplete_events."
        ),
    ],
    data: Data = None,
    *,
    lake: LakeAddress = None,
    format_: Annotated[
        Literal["table", "json", "csv"],
        typer.Option("--format", help="A table, JSON lines, or CSV."),
    ] = "table",
) -> None:
    """Ask the lake in SQL. `whiteout query "SELECT count(*) FROM events"`."""
    from whiteout.lake.place import lake_place  # noqa: PLC0415 - heavy: only where it runs
    from whiteout.lake.reader import Lake, QueryError  # noqa: PLC0415 - heavy: only where it runs

    place = lake_place(lake_address(lake, data_folder(data)), os.environ)
    try:
        with progress("asking the lake"):
            found = Lake(place).query(sql)
    except QueryError as error:
        raise ConfigurationError(str(error)) from error
    if place.open_table("events") is None:
        sys.stderr.write(f"whiteout: there is nothing yet in {place.url}\n")
    columns = found.column_names
    rows = (
        row
        for batch in found.to_batches(max_chunksize=1_000)
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    )
    if format_ == "table":
        print_table(columns, rows)
    elif format_ == "csv":
        print_csv(columns, rows)
    else:
        for row in rows:
            print_line(json_line(dict(zip(columns, row, strict=True))))
