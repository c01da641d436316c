"""`whiteout doctor`: what is wrong with this installation, and the cure."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from whiteout.cli import checks, checks_of_data, checks_of_environment
from whiteout.cli.checks import Finding
from whiteout.cli.options import (
    CollectorOptions,
    Config,
    Data,
    Enrichments,
    Host,
    Iglu,
    KafkaOptions,
    LakeAddress,
    NoIgluCentral,
    Port,
    Resolver,
    data_folder,
    kafka_address,
    kafka_from,
    lake_address,
)
from whiteout.cli.output import json_line, print_line, print_table
from whiteout.cli.progress import progress
from whiteout.cli.stages import enrich_settings
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from whiteout.collector.settings import CollectorSettings

_IGLU_CENTRAL = "https://iglucentral.com"
_BROKEN = 1
_STYLES: Final[Mapping[str, str | None]] = {"ok": None, "note": "yellow", "broken": "bold red"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(  # noqa: PLR0913 - the options
    *,
    data: Data = None,
    lake: LakeAddress = None,
    host: Host = "127.0.0.1",
    port: Port = 9090,
    iglu: Iglu = None,
    no_iglu_central: NoIgluCentral = False,
    resolver: Resolver = None,
    enrichments: Enrichments = None,
    config: Config = None,
    options: CollectorOptions = None,
    kafka: Annotated[
        str | None,
        typer.Option("--kafka", metavar="HOST:PORT", help="Ask Kafka too.", show_default=False),
    ] = None,
    kafka_options: KafkaOptions = None,
    collector: Annotated[
        str | None,
        typer.Option(
            "--collector",
            metavar="URL",
            help="Ask this collector too, and compare clocks.",
            show_default=False,
        ),
    ] = None,
    format_: Annotated[
        Literal["table", "json"], typer.Option("--format", help="A table, or JSON lines.")
    ] = "table",
) -> None:
    """Check this installation: each fault with its cure. Exit status 1 if there is one."""
    if collector is not None and not collector.startswith(("http://", "https://")):
        raise ConfigurationError(
            "--collector must look like https://collector.example.com, with the scheme,"
            f" got {collector!r}"
        )
    folder = data_folder(data)
    central = None if no_iglu_central or resolver is not None else _IGLU_CENTRAL
    from whiteout.collector.settings import CollectorSettings  # noqa: PLC0415 - when it runs

    settings, finding = checks_of_environment.options(config, options)
    limits = (settings or CollectorSettings()).limits
    groups: list[tuple[str, Iterable[Finding]]] = [
        ("packages", chain(checks.python(), checks.packages())),
        ("environment", checks_of_environment.variables(os.environ)),
        ("environment", checks_of_environment.token(os.environ)),
        ("environment", [finding]),
        ("environment", _of_settings(settings, enrichments, config, options)),
        ("environment", checks_of_environment.page()),
        ("data folder", checks_of_data.data_folder(folder)),
        ("data folder", checks_of_data.disk_space(folder, limits)),
        ("log", checks_of_data.log(folder, limits)),
        ("lake", checks_of_data.lake(lake_address(lake, folder), os.environ)),
        ("port", checks.port(host, port) if port else ()),
        ("registries", checks.registries(iglu or [], iglu_central=central, resolver=resolver)),
    ]
    clocks = {f"registry {one}": one for one in iglu or () if one.startswith(("http:", "https:"))}
    if central is not None:
        clocks["Iglu Central"] = central
    if kafka is not None:
        groups.append(("Kafka", _of_kafka(kafka, config, kafka_options)))
    if collector is not None:
        groups.append(("collector", map(checks.collector, [collector])))
        clocks = {"the collector": f"{collector.rstrip('/')}/health", **clocks}
    groups.append(("time", checks.clock(clocks)))
    findings = list(_looked(groups))
    if format_ == "table":
        _print(findings)
    else:
        for one in findings:
            print_line(json_line(dataclasses.asdict(one)))
    if any(one.state == "broken" for one in findings):
        raise typer.Exit(_BROKEN)


def _of_kafka(address: str, config: Path | None, given: list[str] | None) -> Iterator[Finding]:
    try:
        broker = kafka_from(kafka_address(address), config, given)
    except ConfigurationError as error:
        cure = "mend it in the file, the variable or --kafka-set; whiteout settings kafka lists"
        yield Finding(check="kafka", state="broken", found=str(error), cure=cure)
        return
    yield from checks_of_data.kafka(broker)


def _looked(groups: Sequence[tuple[str, Iterable[Finding]]]) -> Iterator[Finding]:
    """All findings; says meanwhile what is being looked at."""
    with progress("looking") as tell:
        for done, (name, found) in enumerate(groups):
            tell(f"looking at {name}", done=done, total=len(groups))
            yield from found


def _of_settings(
    settings: CollectorSettings | None,
    enrichments: Path | None,
    config: Path | None,
    given: list[str] | None,
) -> Iterator[Finding]:
    if settings is not None:
        enrich = enrich_settings(config, given)
        yield from checks_of_environment.anonymity(settings, enrichments, enrich)
        yield from checks_of_environment.certificate(settings)
        yield from checks_of_environment.open_files(settings)


def _print(findings: Sequence[Finding]) -> None:
    """The table, and how much is wrong."""
    rows = [(one.state, one.check, one.found, one.cure) for one in findings]
    print_table(("state", "check", "found", "cure"), rows, lambda row: _STYLES[str(row[0])])
    counts = Counter(one.state for one in findings)
    told = (_counted(counts["broken"], "fault"), _counted(counts["note"], "note"))
    print_line(f"\n{', '.join(told)}")


def _counted(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
