"""Timestamps as enriched events write them: `yyyy-MM-dd HH:mm:ss.SSS`, UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Snowplow allows the years 0 to 9999; Python and many readers begin with the year 1.
_FIRST_MS = -62_135_596_800_000
_LAST_MS = 253_402_300_799_999
_MILLISECONDS = tuple(f".{number:03d}" for number in range(1000))  # formatting takes as long as all


def is_writable(epoch_ms: int) -> bool:
    """Tell whether the year of `epoch_ms` has at most four digits."""
    return _FIRST_MS <= epoch_ms <= _LAST_MS


def to_text(epoch_ms: int) -> str:
    """Write `epoch_ms`, which must be writable."""
    return _seconds_to_text(epoch_ms // 1000) + _MILLISECONDS[epoch_ms % 1000]


def to_iso(epoch_ms: int) -> str:
    """Write `epoch_ms`, which must be writable, as bad rows have it: `1970-01-01T00:00:00.000Z`."""
    text = to_text(epoch_ms)
    return f"{text[:10]}T{text[11:]}Z"


@lru_cache(maxsize=4096)  # the timestamps of one moment's events fall into few seconds
def _seconds_to_text(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat(" ")[:19]
