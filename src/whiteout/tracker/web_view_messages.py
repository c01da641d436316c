"""What a page says to the app's tracker: the two forms of Snowplow's WebView tracker, read.

V1 names a command; its event becomes one of the app's own event types and drives their states. V2
carries the parameters of any event as the page's tracker made it (`WebViewEvent`).
Source: reference section 8.10, and the interfaces that the WebView tracker looks for in a page.

The page is hostile: sizes and depth are bounded before anything is looked at, only known keys are
read, and whatever is wrong is a `Refusal`, never another exception. Pure functions.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from whiteout.errors import ConfigurationError
from whiteout.events.page import PageView
from whiteout.events.properties import is_uuid
from whiteout.events.screen import ScreenView
from whiteout.events.self_describing import SelfDescribing
from whiteout.events.structured import Structured
from whiteout.events.web_view import EVENT_NAMES, WebViewEvent
from whiteout.identifiers import CLIENT_SESSION
from whiteout.protocol.self_describing import SelfDescribingJson
from whiteout.strict.coarsening import is_version, looks_personal
from whiteout.tracker.serialisation import loads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from whiteout.events.event import Event

MAX_CHARACTERS: Final = 65_536  # more than the 40,000 bytes that a request carries of one event
MAX_DEPTH: Final = 20
MAX_VALUES: Final = 10_000
MAX_ENTITIES: Final = 100
MAX_TRACKERS: Final = 16
_MAX_SCHEMA: Final = 255
_SESSIONS: Final = CLIENT_SESSION.rsplit("/", 2)[0] + "/"  # in all versions


class Refusal(enum.Enum):
    """Why a message of a page was not tracked, or not by all whom it named."""

    ORIGIN = "the page's origin is not among those that the app allows"
    TOO_OFTEN = "the page sent more messages than the bridge takes"
    TOO_LARGE = "the message was too large, too deep, or named too many entities or trackers"
    NOT_JSON = "the message was no JSON"
    MALFORMED = "the message lacked what its event needs, or had it of another type"
    UNKNOWN_COMMAND = "the message named a command that does not exist"
    UNKNOWN_TRACKER = "the message named a tracker that the bridge does not serve"
    FAILED = "the tracker did not take the event"


class RefusedError(Exception):
    """A message cannot be read. Carries the reason, and nothing of the message."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class WebViewMessage:
    """A message that was understood.

    Attributes:
        event: what to track.
        trackers: the namespaces that the page named, each once; empty for the default one.
        skipped_entities: how many were left out: what is none, and the page's own session.
    """

    event: Event
    trackers: tuple[str, ...] = ()
    skipped_entities: int = field(default=0)


def read(message: object) -> WebViewMessage:
    """Read a message of either version.

    The ids that a page gives to its screens are left out where it names several trackers, so that
    each makes its own (leak L33).

    Args:
        message: a mapping as a page's message handler receives it, or JSON text of one.

    Raises:
        RefusedError: it cannot be read.
    """
    content = _mapping(_parsed(message) if isinstance(message, str) else _bounded(message))
    names = _trackers(content.get("trackers"))
    try:
        if "atomicProperties" in content:
            event, skipped = _web_view_event(content)
        else:
            event, skipped = _command(content, is_shared=len(names) > 1)
    except ConfigurationError:
        raise RefusedError(Refusal.MALFORMED) from None  # its text may tell of the page's data
    return WebViewMessage(event=event, trackers=names, skipped_entities=skipped)


# --- V2 -------------------------------------------------------------------------------------------

_V2_TEXTS: Final = {
    "useragent": "useragent",
    "pageUrl": "page_url",
    "pageTitle": "page_title",
    "referrer": "referrer",
    "category": "category",
    "action": "action",
    "label": "label",
    "property": "property",
}
_V2_OFFSETS: Final = {
    "pingXOffsetMin": "ping_x_offset_min",
    "pingXOffsetMax": "ping_x_offset_max",
    "pingYOffsetMin": "ping_y_offset_min",
    "pingYOffsetMax": "ping_y_offset_max",
}


def _web_view_event(content: Mapping[str, Any]) -> tuple[Event, int]:
    atomic = _mapping(_value(content["atomicProperties"]))
    entities, skipped = _entities(content.get("entities"))
    arguments: dict[str, Any] = {
        attribute: _text(atomic.get(key)) for key, attribute in _V2_TEXTS.items()
    }
    arguments["tracker_version"] = _version(_text(atomic.get("trackerVersion")))
    for key, attribute in _V2_OFFSETS.items():
        arguments[attribute] = _offset(atomic.get(key))
    name = atomic.get("eventName")
    if name is not None and name not in EVENT_NAMES:
        raise RefusedError(Refusal.MALFORMED)
    data = _value(content.get("selfDescribingEventData"))
    event = WebViewEvent(
        event_name=name or "ue",
        self_describing_data=None if data is None else _self_describing(data),
        value=_number(atomic.get("value")),
        entities=entities,
        **arguments,
    )
    return event, skipped


# --- V1 -------------------------------------------------------------------------------------------


def _command(content: Mapping[str, Any], *, is_shared: bool) -> tuple[Event, int]:
    command = content.get("command")
    make = _COMMANDS.get(command) if isinstance(command, str) else None
    if make is None:
        raise RefusedError(Refusal.UNKNOWN_COMMAND)
    entities, skipped = _entities(content.get("context"))
    event = make(_mapping(_value(content.get("event"))), entities, is_shared)
    return event, skipped


_Entities = tuple[SelfDescribingJson, ...]


def _self_describing_event(event: Mapping[str, Any], entities: _Entities, _: bool) -> Event:  # noqa: FBT001 - the interface
    return SelfDescribing.from_json(_self_describing(event), entities=entities)


def _structured(event: Mapping[str, Any], entities: _Entities, _: bool) -> Event:  # noqa: FBT001 - the interface
    return Structured(
        category=_text(event.get("category")) or "",  # refused there, as every missing text is
        action=_text(event.get("action")) or "",
        label=_text(event.get("label")),
        property=_text(event.get("property")),
        value=_number(event.get("value")),
        entities=entities,
    )


def _screen_view(event: Mapping[str, Any], entities: _Entities, is_shared: bool) -> Event:  # noqa: FBT001 - the interface
    return ScreenView(
        name=_text(event.get("name")) or "",
        screen_id=None if is_shared else _uuid(event.get("id")),
        type=_text(event.get("type")),
        previous_name=_text(event.get("previousName")),
        previous_id=None if is_shared else _uuid(event.get("previousId")),
        previous_type=_text(event.get("previousType")),
        transition_type=_text(event.get("transitionType")),
        entities=entities,
    )


def _page_view(event: Mapping[str, Any], entities: _Entities, _: bool) -> Event:  # noqa: FBT001 - the interface
    return PageView(
        page_url=_text(event.get("url")) or "",
        page_title=_text(event.get("title")),
        referrer=_text(event.get("referrer")),
        entities=entities,
    )


_COMMANDS: Final[Mapping[str, Callable[[Mapping[str, Any], _Entities, bool], Event]]] = {
    "trackSelfDescribingEvent": _self_describing_event,
    "trackStructEvent": _structured,
    "trackScreenView": _screen_view,
    "trackPageView": _page_view,
}


# --- values ---------------------------------------------------------------------------------------


def _parsed(text: str) -> object:
    if len(text) > MAX_CHARACTERS:
        raise RefusedError(Refusal.TOO_LARGE)
    try:
        value = loads(text)
    except RecursionError:
        raise RefusedError(Refusal.TOO_LARGE) from None
    except ValueError:
        raise RefusedError(Refusal.NOT_JSON) from None
    return _bounded(value)


def _bounded(value: object) -> object:
    """`value`, if it is JSON within the bounds; without recursion, since that has bounds too."""
    characters = values = 0
    layer: list[object] = [value]
    for _ in range(MAX_DEPTH + 1):
        below: list[object] = []
        for item in layer:
            values += 1
            if isinstance(item, str):
                characters += len(item)
            elif isinstance(item, dict):
                below += item.keys()
                below += item.values()
            elif isinstance(item, list | tuple):
                below += item
            elif not (item is None or isinstance(item, bool | int | float)):
                raise RefusedError(Refusal.NOT_JSON)
            if characters > MAX_CHARACTERS or values + len(below) > MAX_VALUES:
                raise RefusedError(Refusal.TOO_LARGE)
        if not below:
            return value
        layer = below
    raise RefusedError(Refusal.TOO_LARGE)


def _value(value: object) -> object:
    """A value that a page gives as JSON or, as V2 and Android's V1 do, as JSON text."""
    return _parsed(value) if isinstance(value, str) else value


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise RefusedError(Refusal.MALFORMED)
    return value


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise RefusedError(Refusal.MALFORMED)


def _version(text: str | None) -> str | None:
    """A version that can be none counts as none: every level lets it pass, whatever it says."""
    return None if text is None or not is_version(text) or looks_personal(text) else text


def _uuid(value: object) -> str | None:
    """An id that is no UUID counts as none: the tracker makes one."""
    return value if isinstance(value, str) and is_uuid(value) else None


def _number(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, str):  # as Snowplow's protocol has it
        try:
            value = float(value)
        except ValueError:
            raise RefusedError(Refusal.MALFORMED) from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RefusedError(Refusal.MALFORMED)
    return value


def _offset(value: object) -> int | None:
    number = _number(value)
    if number is None or isinstance(number, int):
        return number
    if not number.is_integer():
        raise RefusedError(Refusal.MALFORMED)
    return int(number)


def _self_describing(value: object) -> SelfDescribingJson:
    content = _mapping(value)
    schema, data = content.get("schema"), _value(content.get("data"))
    if not isinstance(schema, str) or len(schema) > _MAX_SCHEMA:
        raise RefusedError(Refusal.MALFORMED)
    return SelfDescribingJson(schema, _mapping(data))


def _entities(value: object) -> tuple[_Entities, int]:
    """The entities, and how many items were left out.

    What is none is skipped, as in native trackers. So is the session of the page's own tracker: the
    event is in the app's, and that one would go on when the app's level changes (leak L1).
    """
    items = _value(value)
    if items is None:
        return (), 0
    if not isinstance(items, list | tuple):
        raise RefusedError(Refusal.MALFORMED)
    if len(items) > MAX_ENTITIES:
        raise RefusedError(Refusal.TOO_LARGE)
    entities = []
    for item in items:
        try:
            entity = _self_describing(item)
        except (RefusedError, ConfigurationError):
            continue
        if not entity.schema.startswith(_SESSIONS):
            entities.append(entity)
    return tuple(entities), len(items) - len(entities)


def _trackers(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise RefusedError(Refusal.MALFORMED)
    if len(value) > MAX_TRACKERS:
        raise RefusedError(Refusal.TOO_LARGE)
    return tuple(dict.fromkeys(value))
