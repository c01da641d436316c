"""What was lost, and why: every drop has a reason and is counted under it.

Also the one place that logs: at most one line a minute for each kind, of what lasts one when it
begins and one when it is over, and never a payload, an identifier, an address or a URL (leak L28).
"""

from __future__ import annotations

import enum
import logging
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.tracker.clock import Clock

_LOGGER = logging.getLogger("whiteout")
_QUIET_S: Final = 60.0


class DropReason(enum.Enum):
    """Why an event was not delivered, and will not be."""

    JOURNAL_FULL = "the journal was full: events came faster than they could be stored"
    TOO_LARGE = "the event was larger than a megabyte"
    STORE_LIMIT = "the event store was over its maximum size or age: the oldest went"
    STORE_FAILED = "the event store failed"
    REJECTED = "the collector refused the event, or it was above the byte limit"
    WITHDRAWN = "consent was withdrawn, with pending=drop"
    FORGOTTEN = "forget() or remove_all_events() was called"
    FILTER_FAILED = "a plugin's filter failed, and the event might be one that it keeps back"


class Counters:
    """How many events were dropped, by reason, and how many faults met. Any thread may call.

    Attributes:
        on_warning: called with what is logged, its kind first, on any thread and under any lock;
            must neither block nor raise.
    """

    def __init__(self, clock: Clock) -> None:
        self.on_warning: Callable[[str, str], object] | None = None
        self._clock = clock
        self._lock = threading.RLock()
        self._drops: dict[DropReason, int] = {}
        self._quiet_until: dict[str, float] = {}
        self._failing: set[str] = set()  # of which a line was logged

    def drop(self, reason: DropReason, events: int = 1) -> None:
        """Count dropped events."""
        if events <= 0:
            return
        with self._lock:
            self._drops[reason] = self._drops.get(reason, 0) + events
        self.warn(reason.name, f"events dropped: {reason.value}")

    def drops(self) -> dict[DropReason, int]:
        """The counts so far."""
        with self._lock:
            return dict(self._drops)

    def warn(self, kind: str, message: str) -> bool:
        """Log one line, unless one of this kind was logged within the last minute.

        Returns:
            whether it was logged.
        """
        now = self._clock.monotonic_s()
        with self._lock:
            if now < self._quiet_until.get(kind, 0.0):
                return False
            self._quiet_until[kind] = now + _QUIET_S
        _LOGGER.warning("%s", message)
        on_warning = self.on_warning
        if on_warning is not None:
            on_warning(kind, message)
        return True

    def fail(self, kind: str, message: str) -> None:
        """Log one line where a fault begins that lasts until `mend`; the next times none."""
        if kind not in self._failing and self.warn(kind, message):
            self._failing.add(kind)

    def mend(self, kind: str, message: str) -> None:
        """Log one line if such a fault lasted until now."""
        if kind in self._failing:
            self._failing.discard(kind)
            _LOGGER.info("%s", message)

    def after_fork(self) -> None:
        """In a forked child: a lock that another thread held would never be freed."""
        self._lock = threading.RLock()
