"""An event's own part: gated, and written as JSON at once, so that later changes change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whiteout.events.event import Event
from whiteout.identifiers import Anonymisation
from whiteout.protocol.self_describing import SelfDescribingJson
from whiteout.tracker.serialisation import dumps, loads
from whiteout.tracker.template import SEPARATOR

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from whiteout.anonymisation import Gate

_SEPARATOR: Final = SEPARATOR.encode()
_SELF_DESCRIBING: Final = b'"e":"ue"'
_PLAIN: Final = Event.parameters  # of events with no parameter but `e`: most of them
_NONE: Final = Anonymisation.NONE


def own_part(event: Event, level: Anonymisation, gate: Gate, new_uuid: Callable[[], str]) -> bytes:
    """The event's parameters, body and entities as JSON fragments, joined by `SEPARATOR`.

    Raises:
        ConfigurationError: the event holds something that has no JSON form.
    """
    return encode(event, event.self_describing(new_uuid), event.entities, level, gate)


def encode(  # noqa: PLR0913, PLR0917 - all that an own part is made of; names cost time here
    event: Event,
    body: SelfDescribingJson | None,
    entities: Sequence[SelfDescribingJson],
    level: Anonymisation,
    gate: Gate,
    more: Mapping[str, str] | None = None,
) -> bytes:
    """The same, of an event whose body and entities are there already.

    Args:
        event: its parameters and true timestamp are read.
        body: of the event.
        entities: the event's, and what was added.
        level: of the event.
        gate: what `level` lets through.
        more: parameters besides the event's own, which win.

    Raises:
        ConfigurationError: the event holds something that has no JSON form.
    """
    is_plain = (
        event.__class__.parameters is _PLAIN and event.true_timestamp is None and more is None
    )
    if level is not _NONE:
        body = gate.body(_as_json(body, gate, level), level) if body is not None else None
        entities = gate.entities([_as_json(entity, gate, level) for entity in entities], level)
    own = _SELF_DESCRIBING if is_plain else _parameters(event, level, gate, more)
    own += _SEPARATOR
    if body is not None:
        own += dumps({"schema": body.schema, "data": body.data})
    own += _SEPARATOR
    if entities:
        items = [{"schema": entity.schema, "data": entity.data} for entity in entities]
        own += dumps(items)[1:-1]
    return own


def regate(own: bytes, level: Anonymisation, gate: Gate) -> bytes:
    """An own part, written for a less anonymous level, as `level` lets it through."""
    parameters, body, entities = own.split(_SEPARATOR)
    parameters = dumps(gate.parameters(loads(b"{" + parameters + b"}"), level))[1:-1]
    if body:
        body = dumps(gate.body(SelfDescribingJson(**loads(body)), level).as_dict())
    items = [SelfDescribingJson(**item) for item in loads(b"[" + entities + b"]")]
    passed = [entity.as_dict() for entity in gate.entities(items, level)]
    return _SEPARATOR.join((parameters, body, dumps(passed)[1:-1]))


def _parameters(
    event: Event, level: Anonymisation, gate: Gate, more: Mapping[str, str] | None
) -> bytes:
    parameters = event.parameters()
    if more is not None:
        parameters = {**more, **parameters}
    if event.true_timestamp is not None:
        parameters[event.TIME_PARAMETER] = str(_epoch_ms(event.true_timestamp))
    return dumps(gate.parameters(parameters, level) if level else parameters)[1:-1]


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
