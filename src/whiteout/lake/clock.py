"""What time it is, as far as a lake may act on it.

A clock that is wrong for a while must not delete what is young, nor date what is loaded so far
ahead that retention would never reach it. So the clock is held against what was known before: the
time at which this loader last looked, kept beside its index, or else the lake's newest load or
commit.

- Within a day of that it is right.
- Further away, in either direction, it is believed once it has stood by it for a day: until then
  nothing is deleted for its age and nothing is forgotten.
- A year ahead and more, until then nothing is loaded either; it waits where it is.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from whiteout.errors import WhiteoutError

if TYPE_CHECKING:
    from collections.abc import Callable

DAY_US = 86_400_000_000
_LEAP_US = DAY_US  # a lake that nobody touched for longer waits a day with its retention
_PROBATION_US = DAY_US
_ABSURD_US = 366 * DAY_US
_KEPT_EVERY_US = 3_600_000_000
_FIRST_US = 1_735_689_600_000_000  # 2025: an earlier clock was never set, and proves nothing
_KNOWN, _LEAPT = "clock", "clock-leapt"
_LOGGER = logging.getLogger(__name__)


class ClockError(WhiteoutError):
    """The clock says what cannot be; the message says what to do."""


class Notes(Protocol):
    """Where what is known outlives the process."""

    def note(self, name: str) -> int | None:
        """A number that was kept; None where there is none."""
        ...

    def keep_note(self, name: str, value: int | None) -> None:
        """Keep a number; None forgets it."""
        ...


class LakeClock:
    """A wall clock that is not believed at its word. Used by one thread.

    Args:
        now_ms: the wall clock.
        notes: keeps what is known.
        load_us: the lake's newest load, microseconds since the epoch; 0 where there is none, and
            then any time is right.
        commit_us: the lake's newest commit, which may have brought no row.
    """

    def __init__(
        self, now_ms: Callable[[], int], notes: Notes, *, load_us: int, commit_us: int
    ) -> None:
        self._now_ms, self._notes = now_ms, notes
        self._kept_us = notes.note(_KNOWN)
        now_us = self.now_us()
        newest_us = min(load_us, commit_us, key=lambda one: abs(one - now_us)) if load_us else 0
        self._known_us = self._kept_us or newest_us
        self._leapt_us = notes.note(_LEAPT)

    def now_us(self) -> int:
        """What the wall clock says, microseconds since the epoch."""
        return self._now_ms() * 1000

    def believed_us(self) -> int | None:
        """The time, where it can be believed; else None."""
        now_us = self.now_us()
        if self._known_us < _FIRST_US or abs(now_us - self._known_us) <= _LEAP_US:
            self._believe(now_us)
            return now_us
        if self._leapt_us is None or now_us < self._leapt_us:
            self._leapt_us = now_us
            self._notes.keep_note(_LEAPT, now_us)
            _LOGGER.warning(
                "the clock says %s, and %s was the last that is known: retention waits until it"
                " has said so for a day",
                _shown(now_us),
                _shown(self._known_us),
            )
        elif now_us - self._leapt_us >= _PROBATION_US:
            self._believe(now_us)
            return now_us
        return None

    def _believe(self, now_us: int) -> None:
        self._known_us = now_us
        if self._leapt_us is not None:
            self._leapt_us = None
            self._notes.keep_note(_LEAPT, None)
        if self._kept_us is None or abs(now_us - self._kept_us) >= _KEPT_EVERY_US:
            self._notes.keep_note(_KNOWN, now_us)
            self._kept_us = now_us

    def load_us(self, last_us: int) -> int:
        """The time of a load: later than the last one, in whole milliseconds.

        Whole ones, as Delta keeps no finer statistics, and the last one is read from them.

        Args:
            last_us: the time of the lake's newest load.

        Raises:
            ClockError: the clock is more than a year ahead.
        """
        now_us = self.now_us()
        if self.believed_us() is None and now_us - max(self._known_us, last_us) > _ABSURD_US:
            raise ClockError(
                f"the clock says {_shown(now_us)}, which is more than a year after"
                f" {_shown(self._known_us)}, the last that is known: set it right; if it is right,"
                " loading goes on by itself after a day"
            )
        return max(now_us, last_us + 1_000)


def _shown(moment_us: int) -> str:
    try:
        return f"{datetime.fromtimestamp(moment_us // 1_000_000, UTC):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):  # no year that a date can have
        return f"{moment_us} µs"
