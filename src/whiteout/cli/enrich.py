"""`whiteout enrich`: read the log, enrich, load the lake."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from whiteout.cli.options import (
    DurabilityOption,
    Enrichments,
    Iglu,
    NoIgluCentral,
    PiiEvents,
    Resolver,
    check_registries,
    log_to_stderr,
    make_private,
    say,
    spool_folder,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("enrich")(enrich)


def enrich(  # noqa: PLR0913 - the options
    *,
    from_: Annotated[
        str, typer.Option("--from", metavar="spool://DIR", help="Where collected events are kept.")
    ],
    to: Annotated[
        Path, typer.Option("--to", metavar="DIR", help="The data folder whose lake is loaded.")
    ],
    iglu: Iglu = None,
    no_iglu_central: NoIgluCentral = False,
    resolver: Resolver = None,
    enrichments: Enrichments = None,
    pii_events: PiiEvents = None,
    durability: DurabilityOption = "disk",
    commit_interval: Annotated[
        float,
        typer.Option("--commit-interval", min=0, help="The least seconds between two commits."),
    ] = 1.0,
    until_eof: Annotated[
        bool,
        typer.Option(
            "--until-eof",
            help="Stop when standard input ends, after what is in the log.",
            hidden=True,
        ),
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Check the configuration and stop.", hidden=True)
    ] = False,
) -> None:
    """Read collected events, validate and enrich them, and load them into the lake."""
    source = spool_folder(from_, "--from")
    check_registries(iglu)
    log_to_stderr()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if until_eof:
        threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
    from whiteout.lake import service  # noqa: PLC0415 - heavy: only where it runs
    from whiteout.lake.settings import LoaderSettings  # noqa: PLC0415 - heavy: only where it runs

    settings = service.ServiceSettings(
        commit_interval_s=commit_interval,
        iglu=tuple(iglu or ()),
        iglu_central=not no_iglu_central,
        resolver=resolver,
        enrichments=enrichments,
        pii_events=pii_events,
        loader=LoaderSettings(durable=durability == "disk"),
    )
    if check:
        service.check(settings)
        return
    make_private(to)
    with service.open_pipeline(source, to, settings) as loader:
        if not until_eof:
            say(f"loading {source / 'log'} into {to / 'lake'}")
        service.run(loader, stop, commit_interval_s=settings.commit_interval_s)


def _stop_at_end_of_input(stop: threading.Event) -> None:
    sys.stdin.buffer.read()
    stop.set()
