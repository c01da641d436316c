"""Counts in which no group smaller than k can be seen, nor worked out from others.

Suppressing small cells of a table is not enough: what was left out is the difference between a
total and what is shown, between an hour and its other minutes, between two tables of the same
events, or between two exports of which one was taken an event later. So there is no table of true
counts here from which some are left out. Events are counted in *lots*: k events of one kind make a
lot, and only whole lots are ever counted, in the moment in which the last event of each came. All
that is shown or exported is a sum of lots:

- Every number is a multiple of k, and so is each sum and each difference of such numbers, whatever
  tables, ranges, filters or moments they are of.
- A kind that has no whole lot is not named.
- There are no totals but the sums of what is shown.
- What is counted stays counted: a later answer has the same lots and more of them.
- Who sees that a stretch of time has one lot, or none, cannot tell how many events it has: the lot
  may have been begun before, and another one may have begun. For no group of fewer than k events
  does one count alone explain what is shown; the tests go through all explanations.

A kind loses at most k - 1 events this way, those of its lot that is not complete. What is counted
are events, not people: k events of one kind may be one person's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

CELL_MS = 10_000
"""How exactly lots are dated; what has come in a cell is counted once the cell is over."""

MOST_KINDS = 2_000
_MINUTE_MS, _HOUR_MS, _DAY_MS = 60_000, 3_600_000, 86_400_000
KEPT_MS = 31 * _DAY_MS
# What is older than the first is dated by the second; done once an hour.
_COARSER = ((_DAY_MS, _HOUR_MS), (_HOUR_MS, _MINUTE_MS))


@dataclass(frozen=True, slots=True)
class Kind:
    """What the events of one lot have in common.

    Attributes:
        status: whether they are failed events.
        type: `screen_view` and the like; of failed events the kind of failure.
        schema: its Iglu URI.
        level: what they hide, as bits of `Anonymisation`; None for failed events.
    """

    status: Literal["good", "failed"]
    type: str
    schema: str
    level: int | None


@dataclass(frozen=True, slots=True)
class Counted:
    """Lots of one kind whose last events came in one stretch of time.

    Attributes:
        kind: of all of them.
        start_ms: of the stretch, Unix epoch. It is 10 seconds long, a minute where it is older than
            two hours at most, an hour where it is older than 25.
        events: a multiple of the least group.
    """

    kind: Kind
    start_ms: int
    events: int


class Lots:
    """Counts events in lots. Not thread-safe: its owner brings the lock.

    Args:
        least_group: events of a lot.

    Raises:
        ConfigurationError: a lot of no events.
    """

    def __init__(self, least_group: int) -> None:
        if least_group < 1:
            raise ConfigurationError(f"least_group must be 1 or more, got {least_group!r}")
        self.least_group = least_group
        self._begun: dict[Kind, int] = {}
        self._cells: dict[int, dict[Kind, int]] = {}  # in order of time
        self._last = 0

    def add(self, kind: Kind, count: int, *, at_ms: int) -> None:
        """Count `count` events that came at `at_ms`.

        Times go forward only: what seems earlier than what came before it came then. Kinds beyond
        the first 2,000 are not counted.
        """
        if kind not in self._begun and len(self._begun) >= MOST_KINDS:
            return
        cell = max(at_ms - at_ms % CELL_MS, self._last)
        if cell - cell % _HOUR_MS > self._last:
            self._coarsen(cell)
        self._last = cell
        lots, self._begun[kind] = divmod(self._begun.get(kind, 0) + count, self.least_group)
        if lots:
            found = self._cells.setdefault(cell, {})
            found[kind] = found.get(kind, 0) + lots

    def counted(self, *, since_ms: int, now_ms: int) -> Iterator[Counted]:
        """All whole lots since a moment, the oldest first, but for what is not over at `now_ms`."""
        for start, found in self._cells.items():
            if start < since_ms or start + CELL_MS > now_ms:
                continue
            for kind, lots in found.items():
                yield Counted(kind, start, lots * self.least_group)

    def clear(self) -> None:
        """Forget everything, lots that are begun as well."""
        self._begun.clear()
        self._cells.clear()

    def _coarsen(self, now_ms: int) -> None:
        cells: dict[int, dict[Kind, int]] = {}
        for start, found in self._cells.items():
            age = now_ms - start
            if age > KEPT_MS:
                continue
            width = next((width for least, width in _COARSER if age > least), CELL_MS)
            into = cells.setdefault(start - start % width, {})
            for kind, lots in found.items():
                into[kind] = into.get(kind, 0) + lots
        self._cells = cells
