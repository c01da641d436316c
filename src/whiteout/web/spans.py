"""Stretches of time that charts show: buckets on a grid of their own, so that all charts agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECOND_MS = 1_000
_MINUTE_MS = 60 * _SECOND_MS
_HOUR_MS = 60 * _MINUTE_MS
_DAY_MS = 24 * _HOUR_MS


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time up to now.

    Attributes:
        name: as in the address of the page.
        label: in words.
        bucket_ms: a bucket's length; buckets begin at its multiples in Unix epoch, UTC.
        count: how many buckets there are, with the one that is not over.
    """

    name: str
    label: str
    bucket_ms: int
    count: int

    def starts(self, now_ms: int) -> tuple[int, ...]:
        """Where each bucket begins, the oldest first; the last one contains `now_ms`."""
        last = now_ms - now_ms % self.bucket_ms
        return tuple(last - back * self.bucket_ms for back in range(self.count - 1, -1, -1))


SPANS: Mapping[str, Span] = {
    span.name: span
    for span in (
        Span("10m", "10 minutes", 10 * _SECOND_MS, 60),
        Span("1h", "hour", _MINUTE_MS, 60),
        Span("1d", "day", 30 * _MINUTE_MS, 48),
        Span("30d", "30 days", _DAY_MS, 30),
    )
}
"""The stretches to choose from, by name; the first is the default."""


def read_span(text: str) -> Span:
    """The span of that name; the first where there is none."""
    return SPANS.get(text) or next(iter(SPANS.values()))
