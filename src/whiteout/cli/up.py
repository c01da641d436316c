"""`whiteout up`: the whole pipeline on this machine.

The collector runs in this process; enrich and lake in a child, which is started again when it dies
and which ends when this process does, after loading what was accepted. With `--kafka` each stage is
processes of its own (`whiteout.cli.topology`).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from whiteout.cli.collector import collect, listening, settings_from
from whiteout.cli.options import (
    KAFKA,
    SPOOL,
    CollectorOptions,
    CommitInterval,
    Config,
    Data,
    DurabilityOption,
    Enrichments,
    Host,
    Iglu,
    KafkaOptions,
    LakeAddress,
    LeastGroup,
    LogFormat,
    NoIgluCentral,
    PiiEvents,
    Port,
    Resolver,
    Retention,
    check_registries,
    data_folder,
    is_kafka,
    kafka_from,
    lake_address,
    log_to_stderr,
    make_private,
    say,
)
from whiteout.cli.page import TOKEN, Page, missing, page_for
from whiteout.cli.topology import Topology
from whiteout.errors import ConfigurationError
from whiteout.supervisor import Supervisor

if TYPE_CHECKING:
    from pathlib import Path

    from whiteout.collector.forwarding import Forwarder
    from whiteout.collector.settings import CollectorSettings

# An arena of memory for each of the many threads of Arrow and Delta Lake, and memory that is kept
# in case it is needed again, would add a quarter to what the child takes.
LITTLE_MEMORY = {
    "MALLOC_ARENA_MAX": "2",
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:100,muzzy_decay_ms:0,narenas:2",
}
_DRAIN_S = 300.0  # a full log takes its time; what is not loaded then is loaded by the next `up`


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
    page: Annotated[bool, typer.Option(help="Serve the page and its API, at /ui.")] = True,
    least_group: LeastGroup = 5,
) -> None:
    """Run the whole pipeline here: collector, enrich and lake. Ctrl-C loads the rest and stops."""
    folder = data_folder(data)
    check_registries(iglu)
    settings = settings_from(config, options)
    log_to_stderr(log_format)
    make_private(folder)
    if kafka is not None:
        common = [*_repeated("--config", config), *_repeated("--kafka-set", *(kafka_options or ()))]
        schemas = [*registry_options(iglu or [], iglu_central=not no_iglu_central)]
        address = kafka if is_kafka(kafka) else f"{KAFKA}{kafka}"
        topology = Topology(
            settings=settings,
            host=host,
            port=port,
            lake=lake_address(lake, folder),
            address=address,
            kafka=kafka_from(address, config, kafka_options),
            counts={"collector": collectors, "enrich": enrichers, "loader": loaders},
            options={
                "collector": [
                    *common,
                    *_repeated("--set", *(options or ())),
                    *("--log-format", log_format),
                ],
                "enrich": [
                    *common,
                    *schemas,
                    *enrichment_options(resolver, enrichments, pii_events),
                ],
                "loader": [
                    *common,
                    *schemas,
                    *enrichment_options(resolver, None, None),
                    *("--durability", durability, "--data", str(folder)),
                    *lake_options(lake, commit_interval, retention),
                ],
            },
            environment={**os.environ, **LITTLE_MEMORY},
        )
        topology.run()
        return
    if collectors > 1 or enrichers > 1 or loaders > 1:
        raise ConfigurationError(
            "--collectors, --enrichers and --loaders need --kafka HOST:PORT between them"
        )
    command = [
        *enrich_command(
            folder, iglu or [], iglu_central=not no_iglu_central, durability=durability
        ),
        *enrichment_options(resolver, enrichments, pii_events),
        *lake_options(lake, commit_interval, retention),
    ]
    if resolver or enrichments or pii_events or lake or retention:
        # In a process of its own: what faces the network loads no more than it needs.
        checked = subprocess.run([*command, "--check"], check=False)  # noqa: S603 - our own command
        if checked.returncode:
            raise typer.Exit(checked.returncode)
    reason = missing() if page else None
    with contextlib.ExitStack() as stack:
        shown = None
        environment = {**os.environ, **LITTLE_MEMORY, "SQLITE_TMPDIR": str(folder)}
        environment.pop(TOKEN, None)
        if page and reason is None:
            shown = stack.enter_context(page_for(host, os.environ))
            command += ["--page-socket", str(shown.socket), "--least-group", str(least_group)]
            environment |= shown.environment()
        supervisor = Supervisor(command, environment=environment)

        def ready(bound: int) -> None:
            supervisor.start()
            say(listening(settings, host, bound))
            say(f"lake in {lake_address(lake, folder)}")
            say(f"log in {folder / 'log'}")
            if shown is not None:
                say(shown.line("http" if settings.tls is None else "https", host, bound))
            elif reason is not None:
                say(reason)

        forwarder = None if shown is None else _forwarder(shown, settings)
        collect(settings, folder, host, port, durability, ready=ready, forwarder=forwarder)
        supervisor.stop(timeout_s=_DRAIN_S)


def _forwarder(page: Page, settings: CollectorSettings) -> Forwarder:
    """What hands requests over to the process of the page."""
    from whiteout.collector.forwarding import Forwarder  # noqa: PLC0415 - when it runs

    own = {path.encode() for path in settings.paths}
    if settings.root_response is not None:
        own.add(b"/")
    return Forwarder(page.socket, own_paths=own)


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


def enrich_command(
    folder: Path, iglu: list[str], *, iglu_central: bool, durability: str
) -> list[str]:
    """The command line of the process that enriches and loads."""
    command = [sys.executable, "-P", "-m", "whiteout.cli", "enrich", "--until-eof"]
    command += ["--from", f"{SPOOL}{folder}", "--to", str(folder), "--durability", durability]
    return [*command, *registry_options(iglu, iglu_central=iglu_central)]


def registry_options(iglu: list[str], *, iglu_central: bool) -> list[str]:
    """The options of a command line that name registries."""
    options = _repeated("--iglu", *iglu)
    return options if iglu_central else [*options, "--no-iglu-central"]


def _repeated(option: str, *values: object) -> list[str]:
    """An option for each value that there is."""
    return [text for value in values if value is not None for text in (option, str(value))]
