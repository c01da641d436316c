"""What a loader is told, and what it counts."""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003 - read at run time, for the configuration file
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whiteout.log import Log


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderSettings:
    """How much the loader takes at once, and how it keeps the tables.

    Attributes:
        max_records: log records a commit.
        max_bytes: of log records a commit; bounds the memory that a commit takes.
        seen_days: how long a repeated delivery is recognised.
        merged_bytes: files smaller than that are merged, up to that size. A merge to 1 MiB takes
            some 17 MiB of memory for a moment, one to 4 MiB 28 (screen views); a lake of many
            events, above all in an object store, is read faster with larger files.
        compact_after: commits after which small files are merged.
        tidy_after_s: seconds after which the tables are tidied though no file was added.
        retention_hours: how long files that are no longer part of the table are kept for readers.
        orphan_hours: how long files that no version names are kept: a loader may be about to name
            them.
        retention_days: for each table, how many days its rows are kept; a table that is not named
            keeps them for ever.
        durable: whether commits are brought to the disk before the log forgets their records.

    Raises:
        ConfigurationError: a value is outside its range.
    """

    max_records: int = 5_000
    max_bytes: int = 2 * 1024 * 1024
    seen_days: int = 45
    merged_bytes: int = 1024 * 1024
    compact_after: int = 60
    tidy_after_s: float = 3600.0
    retention_hours: int = 1
    orphan_hours: int = 24
    retention_days: Mapping[str, int] = field(default_factory=dict)
    durable: bool = True

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value < least:
                raise ConfigurationError(f"{name} must be at least {least}, got {value!r}")


_LEAST = {
    "max_records": 1,
    "max_bytes": 1,
    "merged_bytes": 1024,
    "seen_days": 1,
    "compact_after": 1,
    "retention_hours": 0,
}
TABLES = ("events", "failed_events", "incomplete_events")

_DAYS = re.compile(r"([0-9]{1,5})d")


def parse_retention(texts: Iterable[str]) -> dict[str, int]:
    """Read `events=30d` and the like: table to days.

    Raises:
        ConfigurationError: a text is something else, or a table is named twice.
    """
    days: dict[str, int] = {}
    for text in texts:
        table, _, kept = text.partition("=")
        match = _DAYS.fullmatch(kept)
        if table not in TABLES or table in days or match is None or int(match[1]) < 1:
            raise ConfigurationError(
                f"--retention must look like events=30d, once for each of {', '.join(TABLES)},"
                f" got {text!r}"
            )
        days[table] = int(match[1])
    return days


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A log to load from.

    Attributes:
        log: opened for reading.
        name: what its offsets are stored under; a log that was made anew has another name.
    """

    log: Log
    name: str


@dataclass(slots=True)
class Counts:
    """What the loader did since it started."""

    records: int = 0
    events: int = 0
    duplicates: int = 0
    failed: int = 0
    incomplete: int = 0
    quarantined: int = 0
    commits: int = 0
