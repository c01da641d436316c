"""What a test asks for: a kind of event and some of its properties.

A kind is an event type of ours, an event itself, the Iglu URI of a schema, or an event's name.
Properties have the names that the type's constructor gives them; of other kinds those of the
schema. A name that is no property of the event may be a column of the enriched event, `app_id`.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from whiteout.enrich.atomic import ATOMIC_COLUMNS
from whiteout.events.event import Event
from whiteout.events.page import PageView
from whiteout.events.properties import is_absent, properties_of
from whiteout.events.self_describing import SelfDescribing
from whiteout.events.structured import Structured
from whiteout.protocol.iglu import parse_schema_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whiteout.protocol.self_describing import SelfDescribingJson
    from whiteout.testing.received import ReceivedEvent

MISSING: Final = object()
"""What `Wanted.value_in` gives for a property that is not there."""

_COLUMNS: Final = frozenset(column.name for column in ATOMIC_COLUMNS if column.type != "json")
_PRIMITIVE: Final[Mapping[type[Event], tuple[str, Mapping[str, str]]]] = {
    PageView: (
        "page_view",
        {"page_url": "page_url", "page_title": "page_title", "referrer": "page_referrer"},
    ),
    Structured: (
        "struct",
        {name: f"se_{name}" for name in ("category", "action", "label", "property", "value")},
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for.

    Attributes:
        title: how messages call the kind.
        name: of the event, as `ReceivedEvent.name`.
        family: `iglu:vendor/name/format/model` of a self-describing event; None: it is primitive,
            or only a name was given.
        version: of its schema; None: any of the family.
        properties: by the test's names.
        wire_names: the test's name of a property to the one on the wire.
        in_columns: whether the properties of the kind are columns, as those of primitive events.
        entities: that must be among the event's.
    """

    title: str
    name: str
    family: str | None = None
    version: str | None = None
    properties: Mapping[str, Any]
    wire_names: Mapping[str, str]
    in_columns: bool = False
    entities: tuple[SelfDescribingJson, ...] = ()

    def is_of_kind(self, event: ReceivedEvent) -> bool:
        """Whether an event is of the kind, whatever its properties."""
        if self.family is None:
            return event.name == self.name and (event.schema is None or not self.in_columns)
        if event.schema is None:
            return False
        key = parse_schema_key(event.schema)
        return event.schema.rpartition("/")[0] == self.family.rpartition("/")[0] and (
            key.version == self.version
            if self.version is not None
            else key.model == int(self.family.rpartition("/")[2])
        )

    def value_in(self, event: ReceivedEvent, name: str) -> Any:  # noqa: ANN401 - any JSON
        """The event's value of a property, by the test's name; `MISSING`: it has none."""
        wire_name = self.wire_names.get(name, name)
        places = (event.columns,) if self.in_columns else (event.data, event.columns)
        for place in places:
            if wire_name in place:
                return place[wire_name]
        return MISSING

    def is_like(self, event: ReceivedEvent, name: str) -> bool:
        """Whether one property is as asked for."""
        expected = self.properties[name]
        found = self.value_in(event, name)
        if found is MISSING:
            return expected is None
        return same(expected, found)

    def matches(self, event: ReceivedEvent) -> bool:
        """Whether an event is what is asked for."""
        return (
            self.is_of_kind(event)
            and all(self.is_like(event, name) for name in self.properties)
            and not self.missing_entities(event)
        )

    def missing_entities(self, event: ReceivedEvent) -> list[SelfDescribingJson]:
        """The entities that are asked for and that the event has not."""
        return [
            wanted
            for wanted in self.entities
            if not any(
                wanted.schema == entity.schema and same(wanted.data, entity.data)
                for entity in event.entities
            )
        ]


def wanted(kind: object, properties: Mapping[str, Any]) -> Wanted:
    """What is asked for by a kind and keyword arguments.

    Raises:
        TypeError: there is no such kind, or no such property of it.
    """
    if isinstance(kind, Event):
        own = {
            field.name: value
            for field in dataclasses.fields(kind)
            if not is_absent(value := getattr(kind, field.name))
        }
        return wanted(type(kind), {**own, **properties})
    properties = dict(properties)
    if isinstance(kind, str):
        return _of_text(kind, properties)
    if not isinstance(kind, type) or not issubclass(kind, Event):
        raise TypeError(
            "an event is asked for by its type, such as ScreenView, by its Iglu URI, or by its "
            f"name, got {kind!r}"
        )
    entities = tuple(properties.pop("entities", ()))
    if "true_timestamp" in properties:
        properties["true_tstamp"] = properties.pop("true_timestamp")
    if issubclass(kind, SelfDescribing):
        return _self_describing(kind, properties, entities)
    return _of_type(kind, properties, entities)


def _self_describing(
    kind: type[Event], properties: dict[str, Any], entities: tuple[SelfDescribingJson, ...]
) -> Wanted:
    schema = properties.pop("schema", None)
    if not isinstance(schema, str):
        raise TypeError(f"{kind.__name__} needs its schema: assert_tracked('iglu:com.acme/…', …)")
    asked = _of_text(schema, {**properties.pop("data", {}), **properties})
    return dataclasses.replace(asked, entities=entities)


def _of_type(
    kind: type[Event], properties: dict[str, Any], entities: tuple[SelfDescribingJson, ...]
) -> Wanted:
    primitive = next((_PRIMITIVE[one] for one in kind.__mro__ if one in _PRIMITIVE), None)
    if primitive is not None:
        name, wire_names = primitive
        _check_names(kind.__name__, properties, wire_names)
        return Wanted(
            title=kind.__name__,
            name=name,
            properties=properties,
            wire_names=wire_names,
            in_columns=True,
            entities=entities,
        )
    schema = getattr(kind, "SCHEMA", None)
    if not isinstance(schema, str):
        raise TypeError(f"{kind.__name__} has no schema of its own: ask for the event by its name")
    key = parse_schema_key(schema)
    wire_names = {name: one.name for name, one in properties_of(kind).items()}
    _check_names(kind.__name__, properties, wire_names)
    return Wanted(
        title=kind.__name__,
        name=key.name,
        family=f"iglu:{key.vendor}/{key.name}/{key.format}/{key.model}",
        properties=properties,
        wire_names=wire_names,
        entities=entities,
    )


def _of_text(text: str, properties: dict[str, Any]) -> Wanted:
    entities = tuple(properties.pop("entities", ()))
    if not text.startswith("iglu:"):
        return Wanted(
            title=text, name=text, properties=properties, wire_names={}, entities=entities
        )
    key = parse_schema_key(text)
    return Wanted(
        title=text,
        name=key.name,
        family=f"iglu:{key.vendor}/{key.name}/{key.format}/{key.model}",
        version=key.version,
        properties=properties,
        wire_names={},
        entities=entities,
    )


def _check_names(kind: str, properties: Mapping[str, Any], known: Mapping[str, str]) -> None:
    """A misspelt property would never match, and the message would blame the app."""
    names = {*known, *known.values(), *_COLUMNS}
    for name in properties:
        if name not in names:
            close = difflib.get_close_matches(name, sorted(names), n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(known)}"
            raise TypeError(f"{kind} has no property {name!r}; {hint}")


def same(expected: Any, found: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether a value is the expected one, as JSON would have it.

    Anything with an `==` of its own may be expected, such as `unittest.mock.ANY` or
    `pytest.approx(1.5)`. True is not 1; a UUID is its text, a datetime its moment.
    """
    if isinstance(expected, enum.Enum):
        expected = expected.value
    if isinstance(expected, UUID):
        expected, found = str(expected), found.lower() if isinstance(found, str) else found
    elif isinstance(expected, datetime):
        expected, found = expected.astimezone(UTC), _moment(found)
    elif isinstance(expected, Decimal) and isinstance(found, float):
        found = Decimal(str(found))
    if isinstance(expected, bool) or isinstance(found, bool):
        return bool(expected == found) and (
            isinstance(expected, bool) == isinstance(found, bool) or not _is_plain(expected)
        )
    if isinstance(expected, list | tuple) and isinstance(found, list | tuple):
        return len(expected) == len(found) and all(map(same, expected, found))
    if hasattr(expected, "keys") and isinstance(found, dict):
        return expected.keys() == found.keys() and all(
            same(expected[name], found[name]) for name in expected
        )
    return bool(expected == found)


def _is_plain(value: object) -> bool:
    return isinstance(value, int | float | str | None)


def _moment(found: object) -> datetime | None:
    if not isinstance(found, str):
        return None
    try:
        return datetime.fromisoformat(found).astimezone(UTC)
    except ValueError:
        return None
