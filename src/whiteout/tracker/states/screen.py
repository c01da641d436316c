"""The screen that events happen on.

Source: events catalogue 5.2. The native state keeps the chain of all earlier screens; only one step
back is ever read, and only that is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from whiteout.events.state_entities import ScreenEntity
from whiteout.tracker.states.fact import SCREEN_VIEW, Fact
from whiteout.tracker.states.machine import Addition, Quiet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whiteout.tracker.states.machine import Entity

_PREVIOUS: Final = (("name", "previousName"), ("id", "previousId"), ("type", "previousType"))
_SCHEMA: Final = ScreenEntity.SCHEMA


class ScreenMachine(Quiet):
    """Puts the screen on every event, and the one before it into the body of a screen view."""

    schemas = adds_to = frozenset({SCREEN_VIEW})
    has_entity = True

    def __init__(self) -> None:
        self._screen: Mapping[str, Any] | None = None  # the data of the screen's view
        self._before: Mapping[str, Any] | None = None

    def transition(self, fact: Fact, now_s: float) -> None:  # noqa: ARG002 - the interface
        """Another screen; an event that only has a screen view's schema leaves none."""
        data = fact.data
        self._before = self._screen
        self._screen = data if data is not None and "name" in data and "id" in data else None

    def addition(self, fact: Fact) -> Addition | None:
        """The screen before; what the event says of it itself stays."""
        data, before = fact.data, self._before
        if data is None or before is None:
            return None
        added = None
        for name, previous in _PREVIOUS:
            if previous not in data and name in before:
                added = added or {}
                added[previous] = before[name]
        return None if added is None else Addition(body=added)

    def entity(self) -> Entity | None:
        """The screen of the last screen view."""
        screen = self._screen
        if screen is None:
            return None
        data = {"name": screen["name"], "id": screen["id"]}
        if "type" in screen:
            data["type"] = screen["type"]
        return _SCHEMA, data

    def reset(self) -> None:
        """No screen, until the next screen view."""
        self._screen = self._before = None
