"""What state machines know of an event: taken from it before it passes, outside the lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from whiteout.anonymisation import Gate
from whiteout.events.deep_link import DeepLinkReceived
from whiteout.events.lifecycle import Background, Foreground
from whiteout.events.screen import ScreenView
from whiteout.events.screen_engagement import ListItemView, ScreenEnd, ScrollChanged
from whiteout.events.self_describing import SelfDescribing
from whiteout.identifiers import Anonymisation
from whiteout.tracker.own_part import own_part
from whiteout.tracker.serialisation import dumps, loads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whiteout.events.event import Event
    from whiteout.protocol.self_describing import SelfDescribingJson

BACKGROUND: Final = Background.SCHEMA
DEEP_LINK_RECEIVED: Final = DeepLinkReceived.SCHEMA
FOREGROUND: Final = Foreground.SCHEMA
LIST_ITEM_VIEW: Final = ListItemView.SCHEMA
SCREEN_END: Final = ScreenEnd.SCHEMA
SCREEN_VIEW: Final = ScreenView.SCHEMA
SCROLL_CHANGED: Final = ScrollChanged.SCHEMA

SCREEN_END_PART: Final = own_part(ScreenEnd(), Anonymisation.NONE, Gate(()), str)
"""The own part of a screen end, which says nothing that any level would hide."""

_MOVING: Final[dict[type[Event], str]] = {
    moving: moving.SCHEMA
    for moving in (
        Background,
        DeepLinkReceived,
        Foreground,
        ListItemView,
        ScreenEnd,
        ScreenView,
        ScrollChanged,
    )
}
_SCHEMAS: Final = frozenset(_MOVING.values())


class Fact:
    """An event that state machines look at.

    Attributes:
        schema: of its body, one of the constants above.
        data: its body, plain JSON; None for a `SelfDescribing` with that schema, which is offered
            to the machines like any other, but which none of them reads.
        end: the own part of the screen end that may have to precede it, with what plugins add;
            None: a filter vetoed that.
        ended: what was stored of it.
    """

    __slots__ = ("data", "end", "ended", "schema")

    def __init__(self, schema: str, data: Mapping[str, Any] | None) -> None:
        self.schema = schema
        self.data = data
        self.end: bytes | None = SCREEN_END_PART
        self.ended: bytes | None = None


class MovingClasses(dict[type, str | None]):
    """Which schema's machines a class of events moves; of most classes none.

    One look-up for each event. A class that is not known yet, such as a subclass of the app's, is
    looked at once.
    """

    def __init__(self) -> None:
        super().__init__(_MOVING)
        self[SelfDescribing] = ""

    def __missing__(self, kind: type) -> str | None:
        schema = next((self[base] for base in kind.__mro__[1:] if base in self), None)
        self[kind] = schema
        return schema


def fact_of(kind: str, event: Event, body: SelfDescribingJson | None) -> Fact | None:
    """The fact of an event whose class `MovingClasses` knows as `kind`."""
    if body is None:
        return None
    if kind and body.schema == kind:
        data = body.data
        # Of the app's own subclasses anything may come; the machines read plain values only.
        is_ours = event.__class__ in _MOVING
        return Fact(kind, data if is_ours else loads(dumps(data)))
    return Fact(body.schema, None) if body.schema in _SCHEMAS else None
