"""`whiteout up`: the whole pipeline on this machine.

The collector runs in this process; enrich and lake in a child, which is started again when it dies
and which ends when this process does, after loading what was accepted. With `--kafka` each stage is
processes of its own (`whiteout.cli.topology`).
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from whiteout.cli.alone import LITTLE_MEMORY, Alone
from whiteout.cli.collector import settings_from
from whiteout.cli.logs import log_to_stderr
from whiteout.cli.options import (
    SPOOL,
    CollectorOptions,
    CommitInterval,
    Config,
    Data,
    DurabilityOption,
    Enrichments,
    Host,
    Iglu,
    Incomplete,
    KafkaOptions,
    LakeAddress,
    LeastGroup,
    LogFormat,
    NoIgluCentral,
    PiiEvents,
    Port,
    Resolver,
    Retention,
    check_enrichments,
    check_no_kafka,
    check_registries,
    data_folder,
    kafka_address,
    kafka_from,
    lake_address,
    make_private,
)
from whiteout.cli.report import FormatOption, Report
from whiteout.cli.stages import (
    enrich_settings,
    is_anything_set,
    loader_settings,
    prefixed,
    split,
)
from whiteout.cli.topology import Topology
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("up")(up)


def up(  # noqa: PLR0913 - the options
    *,
    data: Data = None,
    host: Host = "127.0.0.1",
    port: Port = 9090,
    iglu: Iglu = None,
    no_iglu_central: NoIgluCentral = False,
    resolver: Resolver = None,
    enrichments: Enrichments = None,
    pii_events: PiiEvents = None,
    durability: DurabilityOption = "disk",
    lake: LakeAddress = None,
    commit_interval: CommitInterval = 1.0,
    retention: Retention = None,
    config: Config = None,
    options: CollectorOptions = None,
    incomplete: Incomplete = False,
    kafka: Annotated[
        str | None,
        typer.Option(
            "--kafka",
            metavar="HOST:PORT",
            help="Put Kafka between the stages, and run each as processes of its own.",
            show_default=False,
        ),
    ] = None,
    kafka_options: KafkaOptions = None,
    collectors: Annotated[
        int, typer.Option("--collectors", min=1, max=64, help="How many, with --kafka.")
    ] = 1,
    enrichers: Annotated[
        int, typer.Option("--enrichers", min=1, max=64, help="How many, with --kafka.")
    ] = 1,
    loaders: Annotated[
        int, typer.Option("--loaders", min=1, max=8, help="How many, with --kafka.")
    ] = 1,
    log_format: LogFormat = "text",
    format_: FormatOption = "text",
    page: Annotated[bool, typer.Option(help="Serve the page and its API, at /ui.")] = True,
    least_group: LeastGroup = 5,
) -> None:
    """Run the whole pipeline here: collector, enrich and lake. Ctrl-C loads the rest and stops."""
    folder = data_folder(data)
    check_registries(iglu)
    check_enrichments(enrichments, pii_events)
    given = split(options)
    settings = settings_from(config, given["collector"])
    log_to_stderr(log_format)
    make_private(folder)
    report = Report(format_)
    logging = ["--log-format", log_format]
    loading = ["--durability", durability, *lake_options(lake, commit_interval, retention)]
    registries = registry_options(iglu or [], iglu_central=not no_iglu_central)
    enriching = [*registries, *enrichment_options(resolver, enrichments, pii_events)]
    enriching += repeated("--set", *prefixed(given, "enrich"))
    loading += repeated("--set", *prefixed(given, "lake"))
    kept = ["--incomplete"] if incomplete else []
    if kafka is not None:
        enrich_settings(config, options)
        loader_settings(config, options)
        common = [*repeated("--config", config), *repeated("--kafka-set", *(kafka_options or ()))]
        common += logging
        address = kafka_address(kafka)
        Topology(
            settings=settings,
            host=host,
            port=port,
            lake=lake_address(lake, folder),
            address=address,
            kafka=kafka_from(address, config, kafka_options),
            counts={"collector": collectors, "enrich": enrichers, "loader": loaders},
            options={
                "collector": [*common, *repeated("--set", *given["collector"])],
                "enrich": [*common, *enriching, *kept],
                "loader": [
                    *(*common, *registries, *enrichment_options(resolver, None, None)),
                    *("--data", str(folder), *loading, *kept),
                ],
                "page": [
                    *(*common, *registries, *enrichment_options(resolver, None, None)),
                    *("--least-group", str(least_group)),
                ],
            },
            environment={**os.environ, **LITTLE_MEMORY, "SQLITE_TMPDIR": str(folder)},
            page=page,
            report=report,
        ).run()
        return
    check_no_kafka(kafka_options, "--kafka HOST:PORT")
    if collectors > 1 or enrichers > 1 or loaders > 1:
        raise ConfigurationError(
            "--collectors, --enrichers and --loaders need --kafka HOST:PORT between them"
        )
    Alone(
        settings=settings,
        host=host,
        port=port,
        folder=folder,
        lake=lake_address(lake, folder),
        durability=durability,
        command=[
            *(sys.executable, "-P", "-m", "whiteout.cli", "enrich", "--until-eof"),
            *("--from", f"{SPOOL}{folder}", "--to", str(folder)),
            *(*enriching, *kept, *loading, *logging, "--least-group", str(least_group)),
            *repeated("--config", config),
        ],
        must_check=bool(resolver or enrichments or pii_events or lake or retention)
        or is_anything_set(config, options),
        page=page,
        report=report,
    ).run()


def enrichment_options(
    resolver: Path | None, enrichments: Path | None, pii_events: Path | None
) -> list[str]:
    """The options of that command line that name files."""
    given = {"--resolver": resolver, "--enrichments": enrichments, "--pii-events": pii_events}
    return [text for name, path in given.items() if path for text in (name, str(path))]


def lake_options(
    lake: str | None, commit_interval: float, retention: list[str] | None
) -> list[str]:
    """The options of that command line that say where and how the lake is kept."""
    options = ["--commit-interval", str(commit_interval)]
    if lake:
        options += ["--lake", lake]
    return options + [text for one in retention or () for text in ("--retention", one)]


def registry_options(iglu: list[str], *, iglu_central: bool) -> list[str]:
    """The options of a command line that name registries."""
    options = repeated("--iglu", *iglu)
    return options if iglu_central else [*options, "--no-iglu-central"]


def repeated(option: str, *values: object) -> list[str]:
    """An option for each value that there is."""
    return [text for value in values if value is not None for text in (option, str(value))]
