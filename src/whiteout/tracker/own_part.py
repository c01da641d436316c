"""An event's own part: gated, and written as JSON at once, so that later changes change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whiteout.protocol.self_describing import SelfDescribingJson
from whiteout.tracker.serialisation import dumps, loads
from whiteout.tracker.template import SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.anonymisation import Anonymisation, Gate
    from whiteout.events.event import Event

_SEPARATOR: Final = SEPARATOR.encode()
_SELF_DESCRIBING: Final = b'"e":"ue"'
_NOTHING: Final = b""


def own_part(event: Event, level: Anonymisation, gate: Gate, new_uuid: Callable[[], str]) -> bytes:
    """The event's parameters, body and entities as JSON fragments, joined by `SEPARATOR`.

    Raises:
        ConfigurationError: the event holds something that has no JSON form.
    """
    body = event.self_describing(new_uuid)
    parameters = event.parameters()
    if event.true_timestamp is not None:
        parameters["ttm"] = str(round(event.true_timestamp.timestamp() * 1000))
    entities = event.entities
    if level:
        parameters = gate.parameters(parameters, level)
        body = gate.body(_as_json(body, gate, level), level) if body is not None else None
        entities = gate.entities([_as_json(entity, gate, level) for entity in entities], level)
    return _SEPARATOR.join(
        (
            _SELF_DESCRIBING
            if body is not None and len(parameters) == 1
            else dumps(parameters)[1:-1],
            _NOTHING if body is None else dumps({"schema": body.schema, "data": body.data}),
            dumps([{"schema": entity.schema, "data": entity.data} for entity in entities])[1:-1]
            if entities
            else _NOTHING,
        )
    )


def _as_json(item: SelfDescribingJson, gate: Gate, level: Anonymisation) -> SelfDescribingJson:
    """What the gate looks into, as it will be written.

    The serialiser takes more than mappings and lists (dataclasses, enumerations, anything with
    `keys`); a marked property inside one of those would pass the gate unseen.
    """
    if not gate.looks_into(item.schema, level):
        return item
    return SelfDescribingJson(item.schema, loads(dumps(item.data)))
