"""The privacy lens: what a stored event gives away, and what it would give away at stricter levels.

The one table of identifiers says where to look. What a stricter level leaves is asked of the gate
that trackers pass each event through, and of what `SP-Anonymous` means to collector and enrich.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from whiteout.anonymisation import Gate, strip_query
from whiteout.enrich.atomic import ATOMIC_COLUMNS, COLUMN_INDEX
from whiteout.enrich.event import EnrichedEvent
from whiteout.enrich.mapping import COLUMN_OF_PARAMETER
from whiteout.identifiers import (
    IDENTIFIERS,
    NULL_UUID,
    Anonymisation,
    Entity,
    EntityProperty,
    Identifier,
    Masked,
    Parameter,
    Request,
    UrlQuery,
)
from whiteout.web.micro import parameters_of
from whiteout.web.questions import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from whiteout.protocol.self_describing import SelfDescribingJson

_URL_COLUMNS = {"url": ("page_url", "page_urlquery"), "refr": ("page_referrer", "refr_urlquery")}
_URL_PARTS = ("page_urlquery", "page_urlfragment", "refr_urlquery", "refr_urlfragment")
_OF_CLICK_ID = ("mkt_clickid", "mkt_network")
_OF_CROSS_NAVIGATION = ("refr_domain_userid", "refr_dvce_tstamp")
# Entities that enrich makes of headers, which it has none of under `SP-Anonymous`.
_OF_HEADERS = ("iglu:org.ietf/http_cookie/", "iglu:org.ietf/http_header/")
_PACKED = frozenset({"ue_pr", "co"})
_MOST_LETTERS = 120


class State(enum.Enum):
    """What stands at an identifier's place."""

    PRESENT = "present"
    MASKED = "masked"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Sight:
    """One identifier in one event.

    Attributes:
        state: what stands there.
        value: the value, cut; of a masked one the mask in words; empty where there is nothing.
    """

    state: State
    value: str = ""


_ABSENT = Sight(State.ABSENT)


@dataclass(frozen=True, slots=True)
class LensRow:
    """One place of the event, and the identifiers that may stand there.

    Attributes:
        names: of the identifiers.
        place: the column, or the entity and its property.
        now: what stands there.
        at: what would stand there, by the bits of each stricter level.
    """

    names: tuple[str, ...]
    place: str
    now: Sight
    at: Mapping[int, Sight]


def stricter_levels(level: int) -> list[int]:
    """The levels that hide all that `level` hides, and more; in the order of `LEVELS`."""
    return [bits for bits in LEVELS if bits & level == level and bits != level]


def rows_of(
    event: EnrichedEvent, level: int, parameters: Mapping[str, str] = MappingProxyType({})
) -> list[LensRow]:
    """The lens: all places of the table, in its order.

    Args:
        event: a stored event.
        level: its own, as bits of `Anonymisation`.
        parameters: what the tracker sent besides; only bad rows keep what has no column.
    """
    stricter = {
        bits: (
            at_level(event, Anonymisation(bits)),
            _gate().parameters(parameters, Anonymisation(bits)),
        )
        for bits in stricter_levels(level)
    }
    return [
        LensRow(
            names=tuple(identifier.name for identifier in identifiers),
            place=place,
            now=_see(identifiers[0], event, parameters),
            at={bits: _see(identifiers[0], *other) for bits, other in stricter.items()},
        )
        for place, identifiers in _places()
    ]


def at_level(event: EnrichedEvent, level: Anonymisation) -> EnrichedEvent:
    """The event as it would have been stored, had it been tracked at `level`.

    Marks that an app made in schemas of its own, and its privacy profile, are not known here: of
    an app that has them, less would have been sent.
    """
    gate = _gate()
    fields = list(event.fields)
    columns = {column.name: text for column, text in zip(ATOMIC_COLUMNS, fields, strict=True)}
    before = {name: text for name, text in parameters_of(columns).items() if name not in _PACKED}
    after = gate.parameters(before, level)
    for name, text in before.items():
        position = COLUMN_OF_PARAMETER.get(name)
        if position is not None and after.get(name) != text:
            fields[position] = after.get(name) or None
    _clean_urls(fields, level)
    derived = gate.entities(event.derived_contexts, level)
    if Anonymisation.SERVER in level:
        _forget_request(fields)
        derived = [one for one in derived if not one.schema.startswith(_OF_HEADERS)]
    body = event.unstruct_event
    return EnrichedEvent(
        fields=fields,
        unstruct_event=None if body is None else gate.body(body, level),
        contexts=gate.entities(event.contexts, level),
        derived_contexts=derived,
    )


@lru_cache(maxsize=1)
def _gate() -> Gate:
    return Gate()


@lru_cache(maxsize=1)
def _places() -> list[tuple[str, tuple[Identifier, ...]]]:
    """The table by place: what trackers and the collector write to one column is one place."""
    of_request = {row.column for row in IDENTIFIERS if isinstance(row.location, Request)}
    found: dict[str, list[Identifier]] = {}
    for row in IDENTIFIERS:
        place = row.column if row.column in of_request else _place(row)
        if row.column in of_request and isinstance(row.location, Request):
            found.setdefault(place, []).insert(0, row)
        else:
            found.setdefault(place, []).append(row)
    return [(place, tuple(rows)) for place, rows in found.items()]


def _place(row: Identifier) -> str:
    match row.location:
        case Parameter(name):
            return row.column or f"parameter {name}"
        case UrlQuery():
            return f"links ({row.name.partition('.')[2].replace('_', ' ')})"
        case Entity(_, name):
            return name
        case EntityProperty(_, name, path):
            return ".".join((name, *path))
        case Request(what):
            return what


def _see(row: Identifier, event: EnrichedEvent, parameters: Mapping[str, str]) -> Sight:
    found = _find(row, event)
    if isinstance(row.location, Parameter) and row.column not in COLUMN_INDEX:
        found = iter([parameters[name]] if (name := row.location.name) in parameters else [])
    sights = [_judge(row, one) for one in found]
    for state in (State.PRESENT, State.MASKED):
        for sight in sights:
            if sight.state is state:
                return sight
    return _ABSENT


def _judge(row: Identifier, found: object) -> Sight:
    if found is None:
        can_be_null = Masked.NULL in row.masks.values()
        return Sight(State.MASKED, Masked.NULL.value) if can_be_null else _ABSENT
    if found == NULL_UUID:
        return Sight(State.MASKED, Masked.NULL_UUID.value)
    text = found if isinstance(found, str) else str(found)
    return Sight(State.PRESENT, text[:_MOST_LETTERS])


def _find(row: Identifier, event: EnrichedEvent) -> Iterator[object]:
    match row.location:
        case Parameter() | Request():
            text = event[row.column]
            if text is not None:
                yield text
        case UrlQuery():
            yield from _find_in_links(row.location, event)
            for column in _derived_columns(row.location):
                text = event[column]
                if text is not None:
                    yield text
        case Entity(vendor, name):
            for part in _parts(event, vendor, name):
                count = len(part.data) if isinstance(part.data, dict) else 0
                yield f"{count} {'property' if count == 1 else 'properties'}"
        case EntityProperty(vendor, name, path):
            for part in _parts(event, vendor, name):
                yield from _values(part.data, path)


def _find_in_links(location: UrlQuery, event: EnrichedEvent) -> Iterator[str]:
    keys = frozenset(key.casefold() for key in location.keys)
    for parameter in location.parameters:
        for column in _URL_COLUMNS[parameter]:
            text = event[column]
            if text is not None and _names_one(_as_url(column, text), keys):
                yield f"in {column}"
                break
    for link in location.properties:
        for part in _parts(event, link.vendor, link.schema_name):
            for value in _values(part.data, link.path):
                if isinstance(value, str) and _names_one(value, keys):
                    yield f"in {'.'.join((link.schema_name, *link.path))}"


def _names_one(url: str, keys: frozenset[str]) -> bool:
    return strip_query(url, keys) != strip_query(url, frozenset())


def _as_url(column: str, text: str) -> str:
    return f"?{text}" if column in _URL_PARTS else text


def _derived_columns(location: UrlQuery) -> Sequence[str]:
    """What enrich reads out of such links."""
    return _OF_CROSS_NAVIGATION[:1] if "_sp" in location.keys else _OF_CLICK_ID[:1]


def _parts(event: EnrichedEvent, vendor: str, name: str) -> Iterator[SelfDescribingJson]:
    family = f"iglu:{vendor}/{name}/"
    body = event.unstruct_event
    for part in (*event.contexts, *event.derived_contexts, *([] if body is None else [body])):
        if part.schema.startswith(family):
            yield part


def _values(data: Any, path: tuple[str, ...]) -> Iterator[object]:  # noqa: ANN401 - any JSON
    if isinstance(data, list):
        for item in data:
            yield from _values(item, path)
    elif not path:
        yield data
    elif isinstance(data, dict) and path[0] in data:
        yield from _values(data[path[0]], path[1:])


def _clean_urls(fields: list[str | None], level: Anonymisation) -> None:
    """What enrich would have made of the cleaned URLs."""
    for row in IDENTIFIERS:
        if not isinstance(row.location, UrlQuery) or row.masked_at(level) is None:
            continue
        keys = frozenset(key.casefold() for key in row.location.keys)
        for column in _URL_PARTS:
            position = COLUMN_INDEX[column]
            text = fields[position]
            if text is not None:
                fields[position] = strip_query(f"?{text}", keys).removeprefix("?") or None
        derived = _OF_CROSS_NAVIGATION if "_sp" in keys else _OF_CLICK_ID
        for column in derived:
            fields[COLUMN_INDEX[column]] = None


def _forget_request(fields: list[str | None]) -> None:
    """What `SP-Anonymous` leaves of the request: no address, nothing looked up by it, no cookie."""
    fields[COLUMN_INDEX["user_ipaddress"]] = None
    fields[COLUMN_INDEX["network_userid"]] = NULL_UUID
    for position, column in enumerate(ATOMIC_COLUMNS):
        if column.name.startswith(("geo_", "ip_")):
            fields[position] = None
