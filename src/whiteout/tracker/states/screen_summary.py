"""What happened on a screen: how long it was seen, how much of its list and content.

Source: events catalogue 5.3 and 5.4. Time is monotonic here, so that a wall clock that is set back
makes no negative seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from whiteout.events.properties import MAX_INT32
from whiteout.events.state_entities import ScreenSummary
from whiteout.tracker.states.fact import (
    BACKGROUND,
    FOREGROUND,
    LIST_ITEM_VIEW,
    SCREEN_END,
    SCREEN_VIEW,
    SCROLL_CHANGED,
    Fact,
)
from whiteout.tracker.states.machine import Addition, Quiet

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMA: Final = ScreenSummary.SCHEMA
_MAX_SECONDS: Final = float(MAX_INT32)
_SUMMED_UP: Final = frozenset({LIST_ITEM_VIEW, SCROLL_CHANGED})
_SHOWS: Final = frozenset({SCREEN_END, BACKGROUND, FOREGROUND})
_AXES: Final = (
    ("x_offset", "view_width", "min_x_offset", "max_x_offset"),
    ("y_offset", "view_height", "min_y_offset", "max_y_offset"),
)


class ScreenSummaryMachine(Quiet):
    """Sums up a screen; has screen ends tracked, and keeps back what it sums up."""

    schemas = _SUMMED_UP | _SHOWS | {SCREEN_VIEW}
    ends_before = frozenset({SCREEN_VIEW})
    keeps_back = _SUMMED_UP | {SCREEN_END}
    adds_to = _SHOWS

    def __init__(self) -> None:
        self.wants_screen_end = False  # whether a screen is being summed up
        self._foreground_s = self._background_s = self._last_s = 0.0
        self._seen: dict[str, int] = {}

    def lets_pass(self, fact: Fact) -> bool:
        """Not what is summed up, and no end without a beginning."""
        return self.wants_screen_end and fact.schema == SCREEN_END

    def transition(self, fact: Fact, now_s: float) -> None:
        """Book the time since the last one, by the kind of the event."""
        schema = fact.schema
        if fact.data is None:
            return
        if schema == SCREEN_VIEW:
            self.wants_screen_end = True
            self._foreground_s = self._background_s = 0.0
            self._last_s = now_s
            self._seen = {}
        elif not self.wants_screen_end:
            return
        elif schema == LIST_ITEM_VIEW:
            self._see_item(fact.data)
        elif schema == SCROLL_CHANGED:
            self._see_offsets(fact.data)
        else:
            elapsed_s = now_s - self._last_s if now_s > self._last_s else 0.0
            self._last_s = now_s
            if schema == FOREGROUND:
                self._background_s += elapsed_s
            else:
                self._foreground_s += elapsed_s

    def addition(self, fact: Fact) -> Addition | None:  # noqa: ARG002 - the interface
        """The summary so far."""
        if not self.wants_screen_end:
            return None
        data: dict[str, Any] = {
            "foreground_sec": _seconds(self._foreground_s),
            "background_sec": _seconds(self._background_s),
        }
        data.update(self._seen)
        return Addition((_SCHEMA, data))

    def reset(self) -> None:
        """No summary, until the next screen view."""
        self.wants_screen_end = False
        self._seen = {}

    def _see_item(self, data: Mapping[str, Any]) -> None:
        self._raise_to("last_item_index", data["index"])
        count = data.get("items_count")
        if count is not None:
            self._raise_to("items_count", count)

    def _see_offsets(self, data: Mapping[str, Any]) -> None:
        seen = self._seen
        for offset, size, lowest, highest in _AXES:
            low = data.get(offset)
            if low is not None:
                high = min(low + (data.get(size) or 0), MAX_INT32)
                seen[lowest] = min(low, seen.get(lowest, low))
                seen[highest] = max(high, seen.get(highest, high))
        for content in ("content_width", "content_height"):
            if data.get(content) is not None:
                self._raise_to(content, data[content])

    def _raise_to(self, name: str, value: int) -> None:
        self._seen[name] = max(value, self._seen.get(name, 0))


def _seconds(value: float) -> float:
    """To the millisecond; `round` and `min` would take twice as long."""
    return int(value * 1000 + 0.5) / 1000 if value < _MAX_SECONDS else _MAX_SECONDS
