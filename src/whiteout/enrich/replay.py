"""From a bad row back to what failed: the collector's record, or the event of a loader.

Only what the row says is used, so that nothing appears that it had not: a request that was
anonymous has its header `SP-Anonymous` in the row, and enrich treats the record accordingly.

Source: the payloads of reference section 2.11, as `whiteout.enrich.failure` and
`whiteout.lake.failed` write them.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from whiteout.enrich.anonymity import UNKNOWN_ADDRESS, query_text
from whiteout.enrich.atomic import ATOMIC_COLUMNS
from whiteout.enrich.event import EnrichedEvent
from whiteout.enrich.mapping import COLUMN_OF_PARAMETER
from whiteout.enrich.schemas import write_parts
from whiteout.enrich.tsv import NotEnrichedError, read_tsv
from whiteout.errors import ProtocolError
from whiteout.protocol import collector_payload
from whiteout.protocol.collector_payload import CollectorPayload
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Mapping

_CUT_AT = 512  # characters of a parameter's value in a bad row
_EVENT_PATH = "/com.snowplowanalytics.snowplow/tp2"
_JSON_PARAMETERS = {
    "co": "contexts",
    "cx": "contexts",
    "ue_pr": "unstruct_event",
    "ue_px": "unstruct_event",
}
_BASE64 = frozenset({"cx", "ue_px"})
_NETWORK_USERID = frozenset({"nuid", "tnuid"})
_OF_RECORD = frozenset({"collector_payload_format_violation", "generic_error"})
_OF_REQUEST = frozenset({"adapter_failures", "tracker_protocol_violations"})
_OF_LOADER = frozenset({"loader_iglu_error", "loader_parsing_error"})
_OF_EVENT = frozenset({"schema_violations", "enrichment_failures"})


@dataclass(frozen=True, slots=True)
class NotReplayable:
    """A bad row that does not hold what failed.

    Attributes:
        reason: why, in words that repeat nothing of the row.
    """

    reason: str


class _CutError(Exception):
    """A bad row holds only the beginning of a value."""


def replay(bad_row: str) -> bytes | EnrichedEvent | NotReplayable:
    """What a bad row was made of; never raises.

    Args:
        bad_row: the row as JSON.

    Returns:
        A record for `Enricher.enrich`; or, of a loader's bad row, the event that enrich had made.
    """
    try:
        document = msgspec.json.decode(bad_row)
        kind = document["schema"].split("/")[1]
        return _replay(kind, document["data"])
    except (msgspec.MsgspecError, RecursionError):
        return NotReplayable("it is not JSON")
    except _CutError:
        return NotReplayable("one of its values is cut")
    except (LookupError, TypeError, ValueError, AttributeError, ProtocolError, NotEnrichedError):
        return NotReplayable("it is not as its schema says")


def _replay(kind: str, data: Any) -> bytes | EnrichedEvent | NotReplayable:  # noqa: ANN401 - JSON
    payload = data["payload"]
    if kind in _OF_RECORD and payload:  # empty where its bytes must not be kept
        return base64.b64decode(payload, validate=True)
    if kind in _OF_REQUEST:
        return _record_of_request(payload, data["failure"]["messages"])
    if kind in _OF_EVENT:
        return _record_of_event(payload)
    if kind in _OF_LOADER:
        return read_tsv(payload) if isinstance(payload, str) else _event(payload)
    return NotReplayable("it does not hold what failed")


def _record_of_request(
    payload: Mapping[str, Any], messages: list[Mapping[str, Any]]
) -> bytes | NotReplayable:
    pairs = _pairs(payload["querystring"])
    query: str | None = query_text(pairs)
    if any(value is not None and len(value) >= _CUT_AT for _, value in pairs):
        # Where values are cut, the last message has the query string as it was.
        query = messages[-1].get("value") if messages[-1].get("field") == "querystring" else None
        if query is None:
            raise _CutError
    return _record(
        payload,
        path=f"/{payload['vendor']}/{payload['version']}",
        query=query,
        body=payload["body"],
        content_type=payload["contentType"],
        collector=payload["collector"],
        network_user_id=payload["networkUserId"],
    )


def _record_of_event(payload: Mapping[str, Any]) -> bytes | NotReplayable:
    """One event as a GET: its parameters are those of its request's query string already."""
    raw, enriched = payload["raw"], payload["enriched"]
    pairs = [(name, _whole(name, value, enriched)) for name, value in _pairs(raw["parameters"])]
    if enriched["event_id"] is not None and not any(name == "eid" for name, _ in pairs):
        # The id that it was given then: a second replay is known as the same event.
        pairs.append(("eid", enriched["event_id"]))
    pseudonym = enriched["network_userid"] if raw["userId"] is None else None
    if pseudonym is not None and not any(name in _NETWORK_USERID for name, _ in pairs):
        pairs.append(("nuid", pseudonym))  # where a record has its id, it would have to be a UUID
    return _record(
        raw,
        path=_EVENT_PATH,
        query=query_text(pairs),
        body=None,
        content_type=None,
        collector=enriched["v_collector"] or "",
        network_user_id=raw["userId"],
    )


def _whole(name: str, value: str | None, enriched: Mapping[str, Any]) -> str | None:
    """The value, or what the partial event has of one that may be cut.

    Raises:
        _CutError: the partial event has nothing of it.
    """
    if value is None or len(value) < _CUT_AT:
        return value
    column = COLUMN_OF_PARAMETER.get(name)
    if name in _JSON_PARAMETERS:
        text = enriched[_JSON_PARAMETERS[name]]
    elif column is None:
        return value  # enrich reads no such parameter
    elif ATOMIC_COLUMNS[column].type == "string":
        text = enriched[ATOMIC_COLUMNS[column].name]
    else:
        text = None
    if text is None:
        raise _CutError
    return base64.urlsafe_b64encode(text.encode()).decode() if name in _BASE64 else str(text)


def _pairs(pairs: list[Mapping[str, Any]]) -> list[tuple[str, str | None]]:
    return [(str(pair["name"]), pair["value"]) for pair in pairs]


def _record(  # noqa: PLR0913 - what the two kinds of payload name differently
    origin: Mapping[str, Any],
    *,
    path: str,
    query: str | None,
    body: str | None,
    content_type: str | None,
    collector: str,
    network_user_id: str | None,
) -> bytes | NotReplayable:
    if origin["timestamp"] is None:
        return NotReplayable("nobody knows when it was sent")
    moment = datetime.fromisoformat(origin["timestamp"])
    return collector_payload.encode(
        CollectorPayload(
            ip_address=origin["ipAddress"] or UNKNOWN_ADDRESS,
            timestamp=int(moment.timestamp()) * 1000 + moment.microsecond // 1000,
            collector=collector,
            user_agent=origin["useragent"],
            referer_uri=origin["refererUri"],
            path=path,
            querystring=query or None,
            body=body,
            headers=tuple(origin["headers"]),
            content_type=content_type,
            hostname=origin["hostname"],
            network_user_id=network_user_id,
        )
    )


def _event(payload: Mapping[str, Any]) -> EnrichedEvent:
    fields = [
        None if column.type == "json" else _text(payload[column.name], column.type)
        for column in ATOMIC_COLUMNS
    ]
    unstruct = payload["unstruct_event"]
    event = EnrichedEvent(
        fields=fields,
        unstruct_event=_part(unstruct["data"]) if unstruct else None,
        contexts=_parts(payload["contexts"]),
        derived_contexts=_parts(payload["derived_contexts"]),
    )
    write_parts(event)
    return event


def _text(value: Any, kind: str) -> str | None:  # noqa: ANN401 - JSON
    """The TSV text of what `EnrichedEvent.json_object` gave."""
    if value is None or isinstance(value, str):
        return f"{value[:10]} {value[11:-1]}" if value and kind == "timestamp" else value
    if kind == "boolean":
        return "1" if value else "0"
    return str(value)


def _part(document: Mapping[str, Any]) -> SelfDescribingJson:
    return SelfDescribingJson(document["schema"], document["data"])


def _parts(envelope: Mapping[str, Any] | None) -> list[SelfDescribingJson]:
    return [_part(document) for document in envelope["data"]] if envelope else []


class ReplayedIds:
    """Ids for events that came without one: the same for the same bad row, in every replay."""

    def __init__(self) -> None:
        self._seed, self._number = b"", 0

    def begin(self, bad_row: str) -> None:
        """Begin with the ids of another bad row."""
        self._seed, self._number = bad_row.encode("utf-8", "replace"), 0

    def __call__(self) -> UUID:
        """The next id of the row."""
        self._number += 1
        digest = blake2b(self._seed, digest_size=16, salt=self._number.to_bytes(16, "big"))
        return UUID(bytes=digest.digest(), version=4)
