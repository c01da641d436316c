"""`whiteout enrich`: read the log, enrich, load the lake."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whiteout.cli.logs import log_to_stderr
from whiteout.cli.options import (
    DRAIN_S,
    CommitInterval,
    Config,
    DurabilityOption,
    Enrichments,
    Iglu,
    Incomplete,
    KafkaOptions,
    LakeAddress,
    LeastGroup,
    LogFormat,
    NoIgluCentral,
    PiiEvents,
    Resolver,
    Retention,
    StageOptions,
    UntilEof,
    check_enrichments,
    check_no_kafka,
    check_not_given,
    check_registries,
    data_address,
    is_kafka,
    kafka_from,
    lake_address,
    make_private,
    spool_folder,
    stop_when_asked,
)
from whiteout.cli.page_place import TOKEN
from whiteout.cli.report import FormatOption, Report
from whiteout.cli.stages import check_all_known, enrich_settings, loader_settings
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from whiteout.kafka.settings import KafkaSettings


_OF_THE_LAKE = {
    "lake": "--lake",
    "durability": "--durability",
    "commit_interval": "--commit-interval",
    "retention": "--retention",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("enrich")(enrich)


def enrich(  # noqa: PLR0913 - the options
    context: typer.Context,
    *,
    from_: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="ADDRESS",
            help="Where collected events are kept: spool://DIR or kafka://HOST:PORT/PREFIX.",
        ),
    ],
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="ADDRESS",
            help="The data folder whose lake is loaded, also as spool://DIR; "
            "from Kafka events go back to Kafka.",
            show_default=False,
        ),
    ] = None,
    lake: LakeAddress = None,
    iglu: Iglu = None,
    no_iglu_central: NoIgluCentral = False,
    resolver: Resolver = None,
    enrichments: Enrichments = None,
    pii_events: PiiEvents = None,
    durability: DurabilityOption = "disk",
    commit_interval: CommitInterval = 1.0,
    retention: Retention = None,
    config: Config = None,
    options: StageOptions = None,
    incomplete: Incomplete = False,
    kafka: KafkaOptions = None,
    log_format: LogFormat = "text",
    format_: FormatOption = "text",
    until_eof: UntilEof = False,
    page_socket: Annotated[
        Path | None, typer.Option("--page-socket", help="Serve the page here.", hidden=True)
    ] = None,
    least_group: LeastGroup = 5,
    check: Annotated[
        bool, typer.Option("--check", help="Check the configuration and stop.", hidden=True)
    ] = False,
) -> None:
    """Validate and enrich collected events. Loads the lake, or Kafka's topics."""
    if is_kafka(from_):
        check_not_given(context, _OF_THE_LAKE, f"whiteout loader --from {from_}")
        check_not_given(context, {"least_group": "--least-group"}, f"whiteout page --from {from_}")
    source, broker, target = _places(from_, to, config, kafka)
    check_registries(iglu)
    check_enrichments(enrichments, pii_events)
    check_all_known(options, *(("enrich",) if broker else ("enrich", "lake")))
    log_to_stderr(log_format)
    stop = stop_when_asked(until_eof=until_eof)
    from whiteout.lake import service  # noqa: PLC0415 - heavy: only where it runs
    from whiteout.lake.place import lake_place  # noqa: PLC0415 - heavy: only where it runs
    from whiteout.lake.settings import parse_retention  # noqa: PLC0415 - heavy: only where it runs

    enriching = enrich_settings(config, options)
    keep = incomplete or enriching.incomplete_events or (broker and broker.keep_incomplete)
    settings = service.ServiceSettings(
        commit_interval_s=commit_interval,
        iglu=tuple(iglu or ()),
        iglu_central=not no_iglu_central,
        resolver=resolver,
        enrichments=enrichments,
        pii_events=pii_events,
        place=lake_place(lake_address(lake, target), os.environ),
        enrich=replace(enriching, incomplete_events=bool(keep)),
        loader=replace(
            loader_settings(config, options),
            durable=durability == "disk",
            retention_days=parse_retention(retention or ()),
        ),
    )
    if check:
        service.check(settings)
        return
    if broker is not None:
        from whiteout.kafka import service as on_kafka  # noqa: PLC0415 - only where Kafka is

        if not until_eof:
            topics = {"from": broker.topic("raw"), "to": broker.topic("enriched")}
            Report(format_).tell(
                {"state": "enriching", **topics},
                f"enriching topic {topics['from']} into {topics['to']}",
            )
        drain_s = DRAIN_S if until_eof else on_kafka.DRAIN_S
        broker = replace(broker, keep_incomplete=bool(keep))
        on_kafka.run_enrich(broker, settings, stop, drain_s=drain_s)
        return
    is_there = (source / "log" / "raw").is_dir()
    make_private(target, "--to")
    hurry = threading.Event()
    with contextlib.ExitStack() as stack:
        observe = None
        if page_socket is not None:
            from whiteout.web.beside import page_beside  # noqa: PLC0415 - an extra of its own

            observe = stack.enter_context(
                page_beside(
                    source=source,
                    lake=target / "lake",
                    settings=settings,
                    socket=page_socket,
                    hurry=hurry.set,
                    token=os.environ.get(TOKEN),
                    least_group=least_group,
                )
            )
        loader = stack.enter_context(
            service.open_pipeline(source, target, settings, observe=observe)
        )
        if not until_eof:
            places = {"log": str(source / "log"), "lake": lake_address(lake, target)}
            text = f"loading {places['log']} into {places['lake']}"
            if not is_there:
                text += f", once a collector writes there: whiteout collector --to {from_}"
            Report(format_).tell({"state": "loading", **places}, text)
        # What is there now stays. Not to look through it for garbage saves 12% of all CPU here.
        gc.collect()
        gc.freeze()
        service.run(loader, stop, commit_interval_s=settings.commit_interval_s, hurry=hurry)


def _places(
    from_: str, to: str | None, config: Path | None, kafka: list[str] | None
) -> tuple[Path, KafkaSettings | None, Path]:
    """The folder to read, or Kafka's settings; and the folder to write.

    Raises:
        ConfigurationError: one of them is missing, or does not go with the other.
    """
    if is_kafka(from_):
        if to is not None and to != from_:
            raise ConfigurationError(
                "--to is not needed with Kafka: enrich writes to topics beside those it reads, and "
                f"whiteout loader --from {from_} loads a lake from them; got --to {to!r}"
            )
        return Path(), kafka_from(from_, config, kafka), Path()
    check_no_kafka(kafka, "--from kafka://HOST:PORT/PREFIX")
    source = spool_folder(from_, "--from")
    if to is not None and is_kafka(to):
        raise ConfigurationError(
            "--to must be a folder where --from is one: what is read from a folder is enriched and"
            f" loaded in one step. To have Kafka between: whiteout collector --to {to}, and"
            f" whiteout enrich --from {to}"
        )
    return source, None, data_address(to, "--to")
