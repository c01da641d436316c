"""An event's own part: gated, and written as JSON at once, so that later changes change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whiteout.identifiers import Anonymisation
from whiteout.protocol.self_describing import SelfDescribingJson
from whiteout.tracker.serialisation import dumps, loads
from whiteout.tracker.template import SEPARATOR

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from whiteout.anonymisation import Gate
    from whiteout.events.event import Event

_SEPARATOR: Final = SEPARATOR.encode()
_SELF_DESCRIBING: Final = b'"e":"ue"'
_NOTHING: Final = b""
_NONE: Final = Anonymisation.NONE


def own_part(event: Event, level: Anonymisation, gate: Gate, new_uuid: Callable[[], str]) -> bytes:
    """The event's parameters, body and entities as JSON fragments, joined by `SEPARATOR`.

    Raises:
        ConfigurationError: the event holds something that has no JSON form.
    """
    body = event.self_describing(new_uuid)
    parameters = event.parameters()
    if event.true_timestamp is not None:
        parameters["ttm"] = str(_epoch_ms(event.true_timestamp))
    entities = event.entities
    if level is not _NONE:
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


def _epoch_ms(moment: dt.datetime) -> int:
    import datetime as dt  # noqa: PLC0415 - loaded by whoever made `moment`

    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(milliseconds=1)


def _as_json(item: SelfDescribingJson, gate: Gate, level: Anonymisation) -> SelfDescribingJson:
    """What the gate looks into, as it will be written.

    The serialiser takes more than mappings and lists (dataclasses, enumerations, anything with
    `keys`); a marked property inside one of those would pass the gate unseen.
    """
    if not gate.looks_into(item.schema, level):
        return item
    return SelfDescribingJson(item.schema, loads(dumps(item.data)))
