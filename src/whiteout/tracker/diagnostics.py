"""Diagnostics: the tracker's own troubles, as events, where the app asks for it.

`note` takes what is logged, on any thread; `drain` tracks it later, on the writer's thread. Bounds:
a few reports wait, each kind is reported once an hour, and all kinds together a few times an hour,
so that trouble with reports cannot feed on itself. What goes wrong while one is being tracked is
not noted. Texts lose whatever could name somebody or something of theirs.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from whiteout.events.error import TrackerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.tracker.clock import Clock

_WAITING: Final = 16  # arbitrary; more kinds of trouble at once would say little more
_PER_HOUR: Final = 12  # arbitrary: one in five minutes
_KINDS: Final = 256  # the tracker has some thirty
_HOUR_S: Final = 3600.0
_LEFT_OUT: Final = "..."
_MAX_TEXT: Final = 512  # characters; the schema allows 2048

_QUOTED: Final = re.compile(r"""'[^']*'|"[^"]*\"""")
_WORD: Final = re.compile(r"[A-Za-z_-]+|[0-9]{1,2}")
_PUNCTUATION: Final = ".,:;()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One report.

    Attributes:
        kind: of trouble, `store-failed`; the `className` of the event.
        message: a sentence of the tracker's own, at most 512 characters, without identifiers.
    """

    kind: str
    message: str


def tracker_error(diagnostic: Diagnostic) -> TrackerError:
    """The event for a report."""
    return TrackerError(source=diagnostic.kind, message=diagnostic.message)


class Diagnostics:
    """Collects reports on any thread, and tracks them on the thread that calls `drain`.

    Args:
        track: tracks one; may raise.
        clock: for the rates.
    """

    # Any thread: `_waiting` and `_here`. The others: the thread that drains.

    def __init__(self, track: Callable[[Diagnostic], object], *, clock: Clock) -> None:
        self._track = track
        self._clock = clock
        self._waiting: deque[Diagnostic] = deque(maxlen=_WAITING)
        self._here = threading.local()
        self._quiet_until_s: dict[str, float] = {}
        self._recent_s: deque[float] = deque(maxlen=_PER_HOUR)

    def note(self, kind: str, message: str) -> None:
        """Remember a report; the oldest goes where too many wait. Never blocks, never raises.

        Args:
            kind: reports of one kind count as one.
            message: as it is logged.
        """
        if getattr(self._here, "is_tracking", False):
            return
        self._waiting.append(Diagnostic(kind=kind, message=message))

    def drain(self) -> int:
        """Track what waits and is due; the rest is forgotten. Returns how many were tracked."""
        tracked = 0
        self._here.is_tracking = True
        try:
            while self._waiting:
                waiting = self._waiting.popleft()
                if self._is_due(waiting.kind):
                    tracked += self._track_one(waiting)
        finally:
            self._here.is_tracking = False
        return tracked

    def _track_one(self, waiting: Diagnostic) -> bool:
        text = without_personal(waiting.message)
        try:
            self._track(Diagnostic(kind=without_personal(waiting.kind), message=text))
        except Exception:  # noqa: BLE001 - a report about a report would have no end
            return False
        return True

    def _is_due(self, kind: str) -> bool:
        now_s = self._clock.monotonic_s()
        if now_s < self._quiet_until_s.get(kind, now_s):
            return False
        recent = self._recent_s
        if len(recent) == _PER_HOUR and now_s - recent[0] < _HOUR_S:
            return False
        if len(self._quiet_until_s) >= _KINDS:
            self._quiet_until_s.clear()
        self._quiet_until_s[kind] = now_s + _HOUR_S
        recent.append(now_s)
        return True


def without_personal(text: str) -> str:
    """`text` without what could be a path, a URL, an address, an id or a value of the app's.

    At most 512 characters, and never empty. Only plain words and numbers of two digits stay.
    """
    words = _QUOTED.sub(_LEFT_OUT, text[:_MAX_TEXT]).split()
    kept = (word if _WORD.fullmatch(word.strip(_PUNCTUATION)) else _LEFT_OUT for word in words)
    return " ".join(kept)[:_MAX_TEXT] or _LEFT_OUT
