"""The collector's settings from a TOML file, the environment and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whiteout.collector.settings import CollectorSettings
from whiteout.configuration import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COLLECTOR = Stage(CollectorSettings, "collector", "the collector")


def collector_settings(
    table: Mapping[str, Any], environment: Mapping[str, str], assignments: Sequence[str]
) -> CollectorSettings:
    """Make the settings; see `Stage.read`.

    Args:
        table: `[collector]` of a TOML file, read.
        environment: variables; of these `WHITEOUT_COLLECTOR_…` count.
        assignments: `option=value`.

    Raises:
        ConfigurationError: an option is not known, or its value is wrong.
    """
    return COLLECTOR.read(table, environment, assignments)
