"""`whiteout loader`: load enriched and failed events from Kafka into the lake."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Annotated

import typer

from whiteout.cli.logs import log_to_stderr
from whiteout.cli.options import (
    DRAIN_S,
    CommitInterval,
    Config,
    Data,
    DurabilityOption,
    Iglu,
    Incomplete,
    KafkaOptions,
    LogFormat,
    NoIgluCentral,
    Resolver,
    Retention,
    StageOptions,
    UntilEof,
    check_registries,
    data_folder,
    kafka_from,
    lake_address,
    make_private,
    stop_when_asked,
)
from whiteout.cli.report import FormatOption, Report
from whiteout.cli.stages import check_all_known, loader_settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("loader")(loader)


def loader(  # noqa: PLR0913 - the options
    *,
    from_: Annotated[
        str,
        typer.Option(
            "--from", metavar="kafka://HOST:PORT/PREFIX", help="Where enriched events are."
        ),
    ],
    data: Data = None,
    iglu: Iglu = None,
    no_iglu_central: NoIgluCentral = False,
    resolver: Resolver = None,
    durability: DurabilityOption = "disk",
    lake: Annotated[
        str | None,
        typer.Option(
            "--to",
            "--lake",
            metavar="FOLDER_OR_URL",
            help="The lake; by default WHITEOUT_LAKE, or the folder lake in the data folder.",
            show_default=False,
        ),
    ] = None,
    commit_interval: CommitInterval = 1.0,
    retention: Retention = None,
    config: Config = None,
    options: StageOptions = None,
    incomplete: Incomplete = False,
    kafka: KafkaOptions = None,
    log_format: LogFormat = "text",
    format_: FormatOption = "text",
    until_eof: UntilEof = False,
) -> None:
    """Load enriched events from Kafka into the lake. Several share the partitions."""
    settings = kafka_from(from_, config, kafka)
    settings = replace(settings, keep_incomplete=incomplete or settings.keep_incomplete)
    check_registries(iglu)
    check_all_known(options, "lake")
    log_to_stderr(log_format)
    stop = stop_when_asked(until_eof=until_eof)
    from whiteout.kafka import service  # noqa: PLC0415 - heavy: only where it runs
    from whiteout.lake.place import lake_place  # noqa: PLC0415 - heavy: only where it runs
    from whiteout.lake.service import ServiceSettings  # noqa: PLC0415 - heavy: only where it runs
    from whiteout.lake.settings import parse_retention  # noqa: PLC0415 - heavy: only where it runs

    folder = data_folder(data)
    make_private(folder)
    if not until_eof:
        places = {"topic": settings.topic("enriched"), "lake": lake_address(lake, folder)}
        Report(format_).tell(
            {"state": "loading", **places}, f"loading topic {places['topic']} into {places['lake']}"
        )
    service.run_load(
        settings,
        folder,
        ServiceSettings(
            commit_interval_s=commit_interval,
            iglu=tuple(iglu or ()),
            iglu_central=not no_iglu_central,
            resolver=resolver,
            place=lake_place(lake_address(lake, folder), os.environ),
            loader=replace(
                loader_settings(config, options),
                durable=durability == "disk",
                retention_days=parse_retention(retention or ()),
            ),
        ),
        stop,
        drain_s=DRAIN_S if until_eof else service.DRAIN_S,
    )
