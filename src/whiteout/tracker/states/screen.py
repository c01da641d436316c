"""The screen that events happen on.

Source: events catalogue 5.2. The native state keeps the chain of all earlier screens; only one step
back is ever read, and only that is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from whiteout.events.event import body
from whiteout.events.state_entities import ScreenEntity
from whiteout.tracker.states.fact import SCREEN_VIEW, Fact
from whiteout.tracker.states.machine import Addition, Quiet

if TYPE_CHECKING:
    from whiteout.protocol.self_describing import SelfDescribingJson

_PREVIOUS: Final = (("name", "previousName"), ("id", "previousId"), ("type", "previousType"))
_OF_SCREEN: Final = ("name", "id", "type")
_SCHEMA: Final = ScreenEntity.SCHEMA


class ScreenMachine(Quiet):
    """Puts the screen on every event, and the one before it into the body of a screen view."""

    schemas = frozenset({SCREEN_VIEW})
    has_entity = True

    def __init__(self) -> None:
        self._screen: dict[str, Any] | None = None
        self._before: dict[str, Any] | None = None

    def transition(self, fact: Fact, now_s: float) -> None:  # noqa: ARG002 - the interface
        """Another screen; an event that only has a screen view's schema leaves none."""
        data = fact.data
        self._before = self._screen
        self._screen = None
        if data is not None and "name" in data and "id" in data:
            self._screen = {name: data[name] for name in _OF_SCREEN if name in data}

    def add(self, fact: Fact, addition: Addition) -> None:
        """The screen before; what the event says of it itself stays."""
        data, before = fact.data, self._before
        if data is None or before is None:
            return
        for name, previous in _PREVIOUS:
            if name in before and previous not in data:
                addition.body[previous] = before[name]

    def entity(self) -> SelfDescribingJson | None:
        """The screen of the last screen view."""
        return body(_SCHEMA, self._screen) if self._screen is not None else None

    def reset(self) -> None:
        """No screen, until the next screen view."""
        self._screen = self._before = None
