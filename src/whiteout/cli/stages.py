"""Settings of enrich and of the lake, as the command line, the environment and the file have them.

The collector's options stand bare after `--set`; theirs begin with the stage: `enrich.…`, `lake.…`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

from whiteout.cli.options import configured
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from whiteout.configuration import Stage
    from whiteout.enrich import EnrichSettings
    from whiteout.lake.settings import LoaderSettings

StageName = Literal["collector", "enrich", "lake"]
PREFIXED: tuple[StageName, ...] = ("enrich", "lake")
"""Stages whose options have their name in front on the command line."""


def stage_of(name: StageName) -> Stage[Any]:
    """What there is to set; loads what the stage needs, so only when it is asked for."""
    if name == "collector":
        from whiteout.collector.configuration import COLLECTOR  # noqa: PLC0415 - as above

        return COLLECTOR
    from whiteout.configuration import Stage  # noqa: PLC0415 - as above

    if name == "enrich":
        from whiteout.enrich.settings import EnrichSettings  # noqa: PLC0415 - as above

        hidden = frozenset({"keep_tracker_identifiers"})  # of anonymity_config
        return Stage(EnrichSettings, name, "enrich", hidden, "enrich.")
    from whiteout.lake.settings import LoaderSettings  # noqa: PLC0415 - as above

    hidden = frozenset({"retention_days", "durable"})  # --retention, --durability
    return Stage(LoaderSettings, name, "the lake", hidden, "lake.")


def split(given: Iterable[str] | None) -> dict[StageName, list[str]]:
    """The assignments of `--set` by stage, without the stage's name."""
    found: dict[StageName, list[str]] = {"collector": [], "enrich": [], "lake": []}
    for assignment in given or ():
        first, dot, rest = assignment.partition(".")
        name: StageName = "enrich" if first == "enrich" else "lake"
        if dot and first == name:
            found[name].append(rest)
        else:
            found["collector"].append(assignment)
    return found


def prefixed(given: Mapping[StageName, list[str]], *names: StageName) -> list[str]:
    """Assignments as they were given: what `split` undoes."""
    return [f"{name}.{assignment}" for name in names for assignment in given[name]]


def enrich_settings(config: Path | None, given: list[str] | None) -> EnrichSettings:
    """The settings of enrich.

    Raises:
        ConfigurationError: one is not known, or wrong.
    """
    settings: EnrichSettings = _settings("enrich", config, given)
    return settings


def loader_settings(config: Path | None, given: list[str] | None) -> LoaderSettings:
    """The settings of a loader, but for what has an option of its own.

    Raises:
        ConfigurationError: one is not known, or wrong.
    """
    settings: LoaderSettings = _settings("lake", config, given)
    return settings


def check_all_known(given: list[str] | None, *names: StageName) -> None:
    """Complain about an assignment for a stage that the command does not run.

    Raises:
        ConfigurationError: there is one.
    """
    for name, assignments in split(given).items():
        if assignments and name not in names:
            written = assignments[0] if name == "collector" else f"{name}.{assignments[0]}"
            options = " and ".join(f"{one}.…" for one in names)
            raise ConfigurationError(f"--set takes {options} here, got {written!r}")


def is_anything_set(config: Path | None, given: list[str] | None) -> bool:
    """Whether enrich or the lake may be told something: what is said must be looked at."""
    variables = tuple(f"WHITEOUT_{name.upper()}_" for name in PREFIXED)
    return (
        any(split(given)[name] for name in PREFIXED)
        or any(name.startswith(variables) for name in os.environ)
        or any(configured(config, name) for name in PREFIXED)
    )


def _settings(name: StageName, config: Path | None, given: list[str] | None) -> Any:  # noqa: ANN401 - of the stage
    return stage_of(name).read(configured(config, name), os.environ, split(given)[name])
