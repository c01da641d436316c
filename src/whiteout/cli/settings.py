"""`whiteout settings`: what `--set` and `--kafka-set` know, what it means, and what holds here."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from whiteout.cli.options import CollectorOptions, Config, KafkaOptions, configured
from whiteout.cli.output import json_line, print_line, print_table
from whiteout.cli.stages import PREFIXED, check_all_known, split, stage_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whiteout.cli.stages import StageName

Listed = Literal["collector", "enrich", "lake", "kafka"]

_ENTRY = re.compile(r"^ {4}(\w+(?:, \w+)*): (.*)$")
_HIDDEN = frozenset({"client", "producer", "consumer"})  # they hold passwords
_SOMEWHERE = "kafka://localhost:9092"  # the address is no option


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One option of a stage.

    Attributes:
        stage: whose it is.
        option: as `--set` and `--kafka-set` name it.
        variable: of the environment, that sets it too.
        value: that holds with the file, the environment and the command line as they are.
        default: that holds without them.
        meaning: in words.
    """

    stage: Listed
    option: str
    variable: str
    value: Any
    default: Any
    meaning: str


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("settings")(settings)


def settings(  # noqa: PLR0913 - the options
    stage: Annotated[
        Listed | None,
        typer.Argument(metavar="STAGE", help="collector, enrich, lake or kafka; by default all."),
    ] = None,
    *,
    config: Config = None,
    options: CollectorOptions = None,
    kafka_options: KafkaOptions = None,
    changed: Annotated[
        bool, typer.Option("--changed", help="Only those that are not at their defaults.")
    ] = False,
    format_: Annotated[
        Literal["table", "json"], typer.Option("--format", help="A table, or JSON lines.")
    ] = "table",
) -> None:
    """List what --set and --kafka-set know, and what holds here."""
    check_all_known(options, "collector", *PREFIXED)
    found: list[Setting] = []
    for name in ("collector", *PREFIXED):
        if stage in (None, name):
            found += options_of(name, config, options)
    if stage in (None, "kafka"):
        found += kafka_options_of(config, kafka_options)
    if changed:
        found = [one for one in found if one.value != one.default]
    if format_ == "json":
        for one in found:
            print_line(json_line(dataclasses.asdict(one)))
        return
    print_table(
        ("stage", "option", "value", "default", "meaning"),
        ((one.stage, one.option, one.value, one.default, one.meaning) for one in found),
    )


def options_of(name: StageName, config: Path | None, given: list[str] | None) -> Iterator[Setting]:
    """The options of a stage.

    Raises:
        ConfigurationError: one that is given is wrong.
    """
    stage = stage_of(name)
    now = stage.read(configured(config, name), os.environ, split(given)[name])
    before = stage.kind()
    for option, part in stage.options().items():
        yield Setting(
            stage=name,
            option=stage.prefix + option,
            variable=stage.variable(option),
            value=_at(now, option),
            default=_at(before, option),
            meaning=meanings(part).get(option.rpartition(".")[2], ""),
        )


def kafka_options_of(config: Path | None, given: list[str] | None) -> Iterator[Setting]:
    """Kafka's options; of those that are the client's own, only that they exist.

    Raises:
        ConfigurationError: one that is given is wrong.
    """
    from whiteout.kafka.settings import (  # noqa: PLC0415 - when it runs
        TABLE,
        VARIABLES,
        KafkaSettings,
        kafka_settings,
    )

    before = kafka_settings(_SOMEWHERE, {}, {}, [])
    now = kafka_settings(_SOMEWHERE, configured(config, TABLE), os.environ, given or [])
    texts = meanings(KafkaSettings)
    for field in dataclasses.fields(KafkaSettings):
        if field.name == "servers":
            continue
        hidden = field.name in _HIDDEN
        yield Setting(
            stage="kafka",
            option=f"{field.name}.…" if hidden else field.name,
            variable=VARIABLES + field.name.upper() + ("_…" if hidden else ""),
            value=None if hidden else getattr(now, field.name),
            default=None if hidden else getattr(before, field.name),
            meaning=texts.get(field.name, ""),
        )


def names(stage: Listed) -> list[str]:
    """The names of a stage's options; those that hold further ones end in a dot."""
    if stage != "kafka":
        described = stage_of(stage)
        return [described.prefix + option for option in described.options()]
    from whiteout.kafka.settings import KafkaSettings  # noqa: PLC0415 - when it runs

    fields = [field.name for field in dataclasses.fields(KafkaSettings) if field.name != "servers"]
    return [f"{name}." if name in _HIDDEN else name for name in fields]


def _at(settings: Any, option: str) -> Any:  # noqa: ANN401 - of any type
    """The value of an option; None where its part is not there at all."""
    for step in option.split("."):
        settings = None if settings is None else getattr(settings, step)
    if isinstance(settings, Mapping):
        return dict(settings)
    return list(settings) if isinstance(settings, tuple) else settings


def meanings(documented: type) -> dict[str, str]:
    """What a class's docstring says of its attributes, each on one line."""
    found: dict[str, str] = {}
    names: list[str] = []
    _, _, text = (inspect.getdoc(documented) or "").partition("Attributes:\n")
    for line in text.splitlines():
        entry = _ENTRY.match(line)
        if entry:
            names = entry[1].split(", ")
            found |= dict.fromkeys(names, entry[2])
        elif line.startswith("     ") and names:
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
        else:
            break
    return found
