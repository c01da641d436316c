"""Counts what comes into the window of latest events, in lots; see `whiteout.web.lots`."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from whiteout.web.lots import CELL_MS, Kind, Lots
from whiteout.web.recent import SearchTookTooLongError

if TYPE_CHECKING:
    from whiteout.web.lots import Counted
    from whiteout.web.recent import RecentEvents
    from whiteout.web.spans import Span

_AT_ONCE = 5_000  # events read in one question, and how far behind this may be
_LOGGER = logging.getLogger(__name__)
_NEW = (
    "SELECT status, name, schema, CASE status WHEN 'good' THEN level END AS kind_level,"  # noqa: S608 - of literals
    f" stored_ms / {CELL_MS} AS cell, count(*) AS events"
    " FROM event WHERE number > ? AND number <= ? AND NOT repeated"
    " GROUP BY status, name, schema, kind_level, cell ORDER BY cell"
)


class Counting:
    """Counts each event that comes once. Any thread may call; a lock keeps one at a time.

    Events are dated by when they came into the lake, which goes forward only. What the lake had
    already is not counted again. After `RecentEvents.clear` counting begins afresh.

    Args:
        recent: the events. What was counted stays counted when they are too old for it.
        least_group: see `Lots`.
    """

    def __init__(self, recent: RecentEvents, least_group: int) -> None:
        self._recent, self._lots = recent, Lots(least_group)
        self._lock = threading.Lock()
        self._seen, self._clearings = recent.last_number(), recent.clearings()
        recent.listen(self._tell)

    @property
    def least_group(self) -> int:
        """The events of a lot."""
        return self._lots.least_group

    def counted(self, span: Span, *, now_ms: int) -> list[Counted]:
        """The whole lots of a span, the oldest first."""
        with self._lock:
            self._catch_up()
            return list(self._lots.counted(since_ms=span.starts(now_ms)[0], now_ms=now_ms))

    def _tell(self, last: int) -> None:
        """Keep up while nobody asks: the window forgets what is too old for it."""
        if last - self._seen >= _AT_ONCE and self._lock.acquire(blocking=False):
            try:
                self._catch_up()
            finally:
                self._lock.release()

    def _catch_up(self) -> None:
        clearings, last = self._recent.clearings(), self._recent.last_number()
        if clearings != self._clearings:
            self._lots.clear()
            self._clearings = clearings
        while self._seen < last:
            until = min(self._seen + _AT_ONCE, last)
            try:
                rows = self._recent.query(_NEW, [self._seen, until])
            except SearchTookTooLongError:
                _LOGGER.warning("charts wait: counting took too long")
                return  # and is tried again
            self._seen = until
            for row in rows:
                kind = Kind(row["status"], row["name"], row["schema"], row["kind_level"])
                self._lots.add(kind, row["events"], at_ms=row["cell"] * CELL_MS)
