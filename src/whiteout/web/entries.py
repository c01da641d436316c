"""What the page keeps of one event: the stored event as text, and what is filtered by.

A good event is its enriched line, and the record of its request where that may be shown; a failed
one its bad row.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from whiteout.enrich.atomic import ATOMIC_COLUMNS, COLUMN_INDEX
from whiteout.identifiers import NULL_UUID, Anonymisation
from whiteout.lake.atomic import text_to_microseconds
from whiteout.web.failed import body_of, epoch_text, payload_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from whiteout.enrich.event import EnrichedEvent
    from whiteout.lake.failed import FailedEvent
    from whiteout.lake.loaded import Origin
    from whiteout.protocol.self_describing import SelfDescribingJson

Status = Literal["good", "failed"]
_SESSION = "/client_session/jsonschema/"
_USER_COLUMNS = tuple(COLUMN_INDEX[name] for name in ("user_id", "domain_userid"))
_ADDRESS, _NETWORK = COLUMN_INDEX["user_ipaddress"], COLUMN_INDEX["network_userid"]
_DOMAIN_SESSION = COLUMN_INDEX["domain_sessionid"]


class Entry(NamedTuple):
    """One event as the page keeps it; a tuple, since there are thousands a second.

    Attributes:
        status: `failed` for bad rows of every kind.
        type: `page_view`, `unstruct`, …: the column `event`; None for failed events.
        name: `screen_view`, `page_view`, …; of a failed event the kind of its bad row.
        schema: of the event; of a failed event the schema of its bad row.
        event_schema: of a failed event the schema of the event itself; None where it names none.
        app_id: None where nobody said.
        session: the session's id; None where the event is of none.
        level: what the event hides, as bits of `Anonymisation`; None for bad rows without an event.
        event_id: None where there is none.
        entities: Iglu URIs of the entities.
        tracked_ms: by the device's clock; None where it did not say.
        sent_ms: the same.
        collected_ms: by the collector's clock; None where a bad row does not say.
        enriched_ms: when the event was enriched, or failed.
        stored_ms: when it came into the lake.
        vendor: of a failed event, the first segment of the request's path.
        version: of a failed event, the second segment.
        repeated: the lake had it already.
        document: the enriched line, or the bad row.
        origin: of a good event, what it came from; None where nobody may be told.
    """

    status: Status
    type: str | None
    name: str
    schema: str
    event_schema: str | None
    app_id: str | None
    session: str | None
    level: int | None
    event_id: str | None
    entities: tuple[str, ...]
    tracked_ms: int | None
    sent_ms: int | None
    collected_ms: int | None
    enriched_ms: int | None
    stored_ms: int
    vendor: str | None
    version: str | None
    repeated: bool
    document: str
    origin: Origin | None = None

    def __repr__(self) -> str:
        """The kind alone: what people did never reaches a log."""
        return f"Entry({self.status}, {self.type})"


def of_event(
    event: EnrichedEvent, *, stored_ms: int, repeated: bool = False, origin: Origin | None = None
) -> Entry:
    """What is kept of a good event."""
    entities = (*event.contexts, *event.derived_contexts)
    session = session_of(event.contexts)
    parts = (event["event_vendor"], event["event_name"], event["event_format"])
    version = event["event_version"]
    return Entry(
        status="good",
        type=event["event"],
        name=event["event_name"] or event["event"] or "unknown",
        schema=f"iglu:{'/'.join(part or '' for part in parts)}/{version}" if version else "",
        event_schema=None,
        app_id=event["app_id"],
        session=_text(session.get("sessionId")) or event["domain_sessionid"],
        level=level_of(event.fields, session).value,
        event_id=event["event_id"],
        entities=tuple([entity.schema for entity in entities]),
        tracked_ms=epoch_ms(event["dvce_created_tstamp"]),
        sent_ms=epoch_ms(event["dvce_sent_tstamp"]),
        collected_ms=epoch_ms(event["collector_tstamp"]),
        enriched_ms=epoch_ms(event["etl_tstamp"]),
        stored_ms=stored_ms,
        vendor=None,
        version=None,
        repeated=repeated,
        document=event.tsv(),
        origin=origin,
    )


def of_failed(failed: FailedEvent, *, stored_ms: int) -> Entry:
    """What is kept of a bad row."""
    payload = payload_of(failed.bad_row)
    request: Any = payload if isinstance(payload, dict) else {}
    raw = request.get("raw", request)
    raw = raw if isinstance(raw, dict) else {}
    body = body_of(payload)
    if body is None:
        collected = epoch_ms(epoch_text(raw.get("timestamp")))
        return _failed(failed, raw, stored_ms=stored_ms, collected_ms=collected)
    event = body.event
    session = session_of(event.contexts)
    collected = epoch_ms(event["collector_tstamp"])
    return _failed(failed, raw, stored_ms=stored_ms, collected_ms=collected)._replace(
        event_schema=body.schema,
        session=_text(session.get("sessionId")) or event["domain_sessionid"],
        level=level_of(event.fields, session).value,
        entities=tuple(entity.schema for entity in (*event.contexts, *event.derived_contexts)),
        tracked_ms=epoch_ms(event["dvce_created_tstamp"]),
        sent_ms=epoch_ms(event["dvce_sent_tstamp"]),
    )


def _failed(
    failed: FailedEvent, raw: Mapping[str, Any], *, stored_ms: int, collected_ms: int | None
) -> Entry:
    return Entry(
        status="failed",
        type=None,
        name=failed.type,
        schema=failed.schema,
        event_schema=None,
        app_id=failed.app_id,
        session=None,
        level=None,
        event_id=failed.event_id,
        entities=(),
        tracked_ms=None,
        sent_ms=None,
        collected_ms=collected_ms,
        enriched_ms=None if failed.failed_at is None else failed.failed_at // 1000,
        stored_ms=stored_ms,
        vendor=_text(raw.get("vendor")),
        version=_text(raw.get("version")),
        repeated=False,
        document=failed.bad_row,
    )


def session_of(entities: Sequence[SelfDescribingJson]) -> Mapping[str, Any]:
    """The data of the session entity; empty where there is none."""
    for entity in entities:
        if _SESSION in entity.schema and isinstance(entity.data, dict):
            return entity.data
    return {}


def level_of(fields: Sequence[str | None], session: Mapping[str, Any]) -> Anonymisation:
    """What a stored event hides: read from what it lacks, since the wire does not tell.

    An app that never names its user looks like one that hides it: for who reads the lake the two
    are the same.
    """
    level = Anonymisation.NONE
    user = session.get("userId")
    if all(fields[column] is None for column in _USER_COLUMNS) and user in (None, NULL_UUID):
        level |= Anonymisation.USER
    if not session and fields[_DOMAIN_SESSION] is None:
        level |= Anonymisation.SESSION
    if fields[_NETWORK] in (None, NULL_UUID) and fields[_ADDRESS] is None:
        level |= Anonymisation.SERVER
    return level


def fields_of(line: str) -> list[str | None]:
    """The columns of an enriched line; empty is null."""
    return [text or None for text in line.split("\t")]


def columns_of(line: str) -> dict[str, str | None]:
    """The same by name, in the order of the atomic event."""
    names = (column.name for column in ATOMIC_COLUMNS)
    return dict(zip(names, fields_of(line), strict=True))


@lru_cache(maxsize=1024)  # events of a batch share three of their four times
def epoch_ms(text: str | None) -> int | None:
    """Unix epoch milliseconds of a timestamp column's text."""
    if text is None:
        return None
    try:
        return text_to_microseconds(text) // 1000
    except ValueError:
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
