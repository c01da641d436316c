"""What enrich is told."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - read at run time, for the configuration file
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from whiteout.enrich.limits import atomic_limits
from whiteout.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrichSettings:
    """Settings of enrich.

    Attributes:
        max_record_bytes: larger records are not looked into; they become `size_violation`.
        atomic_limits: other lengths for single text columns, by name.
        accept_invalid: let columns pass that are too long.
        incomplete_events: keep what is left of an event that fails, as `BadRow.incomplete`.
        unsupported: what becomes of Snowplow's enrichments that are not here, such as JavaScript:
            `refuse` does not start, `warn` leaves them out and says so.
        keep_tracker_identifiers: let a tracker's own `ip` and `tnuid` pass although the request is
            anonymous (L15).

    Raises:
        ConfigurationError: a value is outside its range.
    """

    max_record_bytes: int = 10_000_000
    atomic_limits: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    accept_invalid: bool = False
    incomplete_events: bool = False
    unsupported: Literal["refuse", "warn"] = "refuse"
    keep_tracker_identifiers: bool = False

    def __post_init__(self) -> None:
        if self.max_record_bytes < 1:
            raise ConfigurationError(
                f"max_record_bytes must be at least 1, got {self.max_record_bytes!r}"
            )
        atomic_limits(self.atomic_limits)
