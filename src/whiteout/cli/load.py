"""`whiteout load`: fill a database from the lake."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from whiteout.cli.options import (
    CommitInterval,
    Data,
    LakeAddress,
    data_folder,
    lake_address,
    log_to_stderr,
    stop_when_asked,
)
from whiteout.cli.progress import progress
from whiteout.cli.report import FormatOption, Report
from whiteout.errors import ConfigurationError, WhiteoutError

if TYPE_CHECKING:
    import threading

    from whiteout.cli.progress import Progress
    from whiteout.lake.place import LakePlace
    from whiteout.lake.postgres import PostgresSettings

ADDRESS = "WHITEOUT_POSTGRES"
"""The variable for the address, since others on the machine may read a command line."""

_LAST_DELAY_S = 30.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("load")(load)


def load(  # noqa: PLR0913 - the options
    *,
    postgres: Annotated[
        str | None,
        typer.Option(
            "--postgres",
            metavar="URL",
            help="A PostgreSQL database, such as postgresql://user@host:5432/database; "
            "by default WHITEOUT_POSTGRES.",
            show_default=False,
        ),
    ] = None,
    schema: Annotated[
        str, typer.Option("--schema", metavar="NAME", help="The database's schema for the tables.")
    ] = "atomic",
    data: Data = None,
    lake: LakeAddress = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with what the lake gets, until Ctrl-C.")
    ] = False,
    commit_interval: CommitInterval = 1.0,
    format_: FormatOption = "text",
) -> None:
    """Fill a PostgreSQL database from the lake."""
    address = postgres or os.environ.get(ADDRESS)
    if not address:
        raise ConfigurationError(f"--postgres or {ADDRESS} must name a database, got neither")
    from whiteout.lake.place import lake_place  # noqa: PLC0415 - heavy: only where it runs
    from whiteout.lake.postgres import PostgresSettings  # noqa: PLC0415 - the same

    log_to_stderr()
    place = lake_place(lake_address(lake, data_folder(data)), os.environ)
    settings = PostgresSettings(address=address, schema=schema)
    report = Report(format_)
    if follow:
        _follow(place, settings, report, stop_when_asked(until_eof=False), commit_interval)
        return
    if place.open_table("events") is None and place.open_table("failed_events") is None:
        raise ConfigurationError(
            f"--data or --lake must name a lake, and there is none in {place.url}"
        )
    with progress("loading") as tell:
        rows = _load_once(place, settings, tell)
    report.tell({"rows": rows}, *(f"{name}: {count} rows added" for name, count in rows.items()))


def _load_once(place: LakePlace, settings: PostgresSettings, tell: Progress) -> dict[str, int]:
    from whiteout.lake.postgres import TABLES, PostgresLoader  # noqa: PLC0415 - heavy

    loader = PostgresLoader(place, settings, progress=tell)
    try:
        loader.load()
    finally:
        loader.close()
    return {name: loader.rows[name] for name in TABLES}


def _follow(
    place: LakePlace,
    settings: PostgresSettings,
    report: Report,
    stop: threading.Event,
    interval_s: float,
) -> None:
    """Load until `stop` is set, and once more; begin again after faults, later each time."""
    import logging  # noqa: PLC0415 - only here

    from deltalake.exceptions import DeltaError  # noqa: PLC0415 - heavy: only where it runs

    from whiteout.lake.postgres import PostgresLoader  # noqa: PLC0415 - the same

    # The first connection must succeed: whoever mistyped the address is told at once.
    loader: PostgresLoader | None = PostgresLoader(place, settings)
    report.tell({"state": "loading", "lake": place.url}, f"loading {place.url} into PostgreSQL")
    delay_s = interval_s
    try:
        while True:
            stopping = stop.is_set()
            try:
                loader = loader or PostgresLoader(place, settings)
                loader.load()
                delay_s = interval_s
            except (WhiteoutError, DeltaError, OSError) as error:
                name = str(error) if isinstance(error, WhiteoutError) else type(error).__name__
                logging.getLogger(__name__).warning("loading failed (%s), trying again", name)
                delay_s = min(max(delay_s, 0.1) * 2, _LAST_DELAY_S)
                if loader is not None:
                    loader.close()
                loader = None
                if stopping:
                    raise
            if stopping:
                return
            stop.wait(max(delay_s, 0.05))
    finally:
        if loader is not None:
            loader.close()
