"""`whiteout load`: fill a database, or files of JSON lines, from the lake."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from whiteout.cli.logs import log_to_stderr
from whiteout.cli.options import (
    CommitInterval,
    Data,
    LakeAddress,
    LogFormat,
    data_folder,
    lake_address,
    stop_when_asked,
)
from whiteout.cli.progress import progress
from whiteout.cli.report import FormatOption, Report
from whiteout.errors import ConfigurationError, WhiteoutError

if TYPE_CHECKING:
    import threading
    from collections import Counter
    from collections.abc import Callable

    from whiteout.cli.progress import Progress
    from whiteout.lake.place import LakePlace

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
    jsonl: Annotated[
        str | None,
        typer.Option(
            "--jsonl",
            metavar="DIR",
            help="A folder for events.jsonl and failed_events.jsonl, instead of a database.",
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
    log_format: LogFormat = "text",
    format_: FormatOption = "text",
) -> None:
    """Fill PostgreSQL, or files of JSON lines, from the lake."""
    from whiteout.lake.place import lake_place  # noqa: PLC0415 - heavy: only where it runs

    make, target = _destination(postgres, jsonl, schema)
    log_to_stderr(log_format)
    place = lake_place(lake_address(lake, data_folder(data)), os.environ)
    report = Report(format_)
    if follow:

        def started() -> None:
            facts = {"state": "loading", "lake": place.url}
            report.tell(facts, f"loading {place.url} into {target}")

        stop = stop_when_asked(until_eof=False)
        _follow(place, make, stop, interval_s=commit_interval, started=started)
        return
    if place.open_table("events") is None and place.open_table("failed_events") is None:
        raise ConfigurationError(
            f"--data or --lake must name a lake, and there is none in {place.url}"
        )
    with progress("loading") as tell:
        rows = _load_once(place, make, tell)
    report.tell({"rows": rows}, *(f"{name}: {count} rows added" for name, count in rows.items()))


class _Loader(Protocol):
    """What fills a destination."""

    rows: Counter[str]

    def load(self) -> int: ...

    def close(self) -> None: ...


class _Make(Protocol):
    def __call__(self, place: LakePlace, *, progress: Callable[[str], None]) -> _Loader: ...


def _destination(postgres: str | None, jsonl: str | None, schema: str) -> tuple[_Make, str]:
    """What makes the loader, and how the destination is called.

    Raises:
        ConfigurationError: there is none, or there are two.
    """
    if jsonl is not None:
        from whiteout.lake.jsonl import JsonlLoader, folder_of  # noqa: PLC0415 - heavy

        if postgres is not None:
            raise ConfigurationError("--jsonl and --postgres: one of them at a time")
        return partial(JsonlLoader, folder=Path(folder_of(jsonl))), jsonl
    address = postgres or os.environ.get(ADDRESS)
    if not address:
        raise ConfigurationError(
            f"--postgres or {ADDRESS} must name a database, or --jsonl a folder; got none of them"
        )
    from whiteout.lake.postgres import PostgresLoader, PostgresSettings  # noqa: PLC0415 - heavy

    settings = PostgresSettings(address=address, schema=schema)
    return partial(PostgresLoader, settings=settings), "PostgreSQL"


def _load_once(place: LakePlace, make: _Make, tell: Progress) -> dict[str, int]:
    from whiteout.lake.loads import TABLES  # noqa: PLC0415 - heavy: only where it runs

    loader = make(place, progress=tell)
    try:
        loader.load()
    finally:
        loader.close()
    return {name: loader.rows[name] for name in TABLES}


def _follow(
    place: LakePlace,
    make: _Make,
    stop: threading.Event,
    *,
    interval_s: float,
    started: Callable[[], None],
) -> None:
    """Load until `stop` is set, and once more; begin again after faults, later each time."""
    import logging  # noqa: PLC0415 - only here

    from deltalake.exceptions import DeltaError  # noqa: PLC0415 - heavy: only where it runs

    # The first one must succeed: whoever mistyped the address is told at once.
    loader: _Loader | None = make(place, progress=_silently)
    started()
    delay_s = interval_s
    try:
        while True:
            stopping = stop.is_set()
            try:
                loader = loader or make(place, progress=_silently)
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


def _silently(_: str) -> None:
    """Nobody watches how far it is."""
