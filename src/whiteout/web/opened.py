"""An event opened: its parts as tables and as JSON, and its way. Pure functions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whiteout.enrich.atomic import ATOMIC_COLUMNS
from whiteout.web.sessions import duration
from whiteout.web.views import moment_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whiteout.enrich.event import EnrichedEvent
    from whiteout.protocol.self_describing import SelfDescribingJson
    from whiteout.web.recent import Row

MOST_VALUES = 300
MOST_JSON = 200_000
_MOST_LETTERS = 1_000
_STEPS = (
    ("tracked", "tracked_ms", "by the device's clock"),
    ("sent", "sent_ms", "by the device's clock"),
    ("collected", "collected_ms", "by the collector's clock"),
    ("enriched", "enriched_ms", "by the pipeline's clock"),
    ("stored", "stored_ms", "by the pipeline's clock"),
)


@dataclass(frozen=True, slots=True)
class Value:
    """One value of an entity.

    Attributes:
        path: keys with dots, positions in brackets.
        text: as JSON, strings without their quotes; cut where it is long.
    """

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """An entity, or the body of an event.

    Attributes:
        schema: its Iglu URI.
        path: of the schema, as addresses have it; empty where the URI is none.
        name: what the schema is called.
        origin: `event`, `entity`, or `added by enrich`.
        values: a row each, the first `MOST_VALUES`.
        is_cut: whether there are more.
        json: its data, indented, cut at `MOST_JSON`.
    """

    schema: str
    path: str
    name: str
    origin: str
    values: tuple[Value, ...]
    is_cut: bool
    json: str


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of an event's way.

    Attributes:
        name: what happened.
        clock: whose time it is.
        moment: ISO 8601, UTC; empty where nobody said.
        delay: since the stage before it that has a time; empty for the first.
    """

    name: str
    clock: str
    moment: str
    delay: str


def parts_of(event: EnrichedEvent) -> list[Part]:
    """The body of an event and its entities."""
    body = event.unstruct_event
    return [
        *([] if body is None else [_part(body, "event")]),
        *(_part(entity, "entity") for entity in event.contexts),
        *(_part(entity, "added by enrich") for entity in event.derived_contexts),
    ]


def columns_with_values(event: EnrichedEvent) -> list[Value]:
    """The columns of an event that are not null; self-describing ones are parts."""
    return [
        Value(column.name, _cut(text))
        for column, text in zip(ATOMIC_COLUMNS, event.fields, strict=True)
        if text is not None and column.type != "json"
    ]


def way_of(row: Row) -> list[Step]:
    """When an event was tracked, sent, collected, enriched and stored.

    The device's clock may be wrong: a delay between two clocks can be negative.
    """
    steps: list[Step] = []
    before: int | None = None
    for name, column, clock in _STEPS:
        at = row[column]
        delay = "" if before is None or at is None else _delay(at - before)
        steps.append(Step(name, clock, moment_of(at), delay))
        before = before if at is None else at
    return steps


def json_of(event: EnrichedEvent) -> str:
    """The event as the analytics SDKs' JSON, without what is null; indented, cut at `MOST_JSON`."""
    held = {name: value for name, value in event.json_object().items() if value is not None}
    return _json(held)


def json_of_failed(event: EnrichedEvent) -> str:
    """The same of a failed event, whose values may not be of their columns' types: as texts."""
    held: dict[str, object] = {value.path: value.text for value in columns_with_values(event)}
    if event.unstruct_event is not None:
        held["unstruct_event"] = event.unstruct_event.as_dict()
    for name in ("contexts", "derived_contexts"):
        parts = [part.as_dict() for part in getattr(event, name)]
        held |= {name: parts} if parts else {}
    return _json(held)


def _delay(length_ms: int) -> str:
    return duration(length_ms) if length_ms >= 0 else f"-{duration(-length_ms)}"


def _part(part: SelfDescribingJson, origin: str) -> Part:
    values: list[Value] = []
    for value in _values(part.data, ""):
        values.append(value)
        if len(values) > MOST_VALUES:
            break
    pieces = part.schema.removeprefix("iglu:").split("/")
    is_uri = len(pieces) == 4  # noqa: PLR2004 - of an Iglu URI
    return Part(
        schema=part.schema,
        path="/".join(pieces) if is_uri else "",
        name=f"{pieces[1]} {pieces[3]}" if is_uri else part.schema,
        origin=origin,
        values=tuple(values[:MOST_VALUES]),
        is_cut=len(values) > MOST_VALUES,
        json=_json(part.data),
    )


def _values(data: Any, path: str) -> Iterator[Value]:  # noqa: ANN401 - any JSON
    if isinstance(data, dict) and data:
        for key, inner in data.items():
            yield from _values(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(data, list) and data:
        for position, inner in enumerate(data):
            yield from _values(inner, f"{path}[{position}]")
    else:
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        yield Value(_cut(path), _cut(text))


def _json(data: object) -> str:
    text = json.dumps(data, indent=2, ensure_ascii=False)
    return text if len(text) <= MOST_JSON else f"{text[:MOST_JSON]}\n… cut here"


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…"
