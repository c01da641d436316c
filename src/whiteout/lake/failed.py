"""Rows of `failed_events`: from bad rows, and from what the loader itself cannot store."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from whiteout.enrich.atomic import ATOMIC_COLUMNS
from whiteout.enrich.event import BadRow
from whiteout.errors import WhiteoutError
from whiteout.iglu.errors import RegistryHistory, ResolutionError
from whiteout.lake.atomic import COLUMNS, AtomicFault, text_to_microseconds
from whiteout.lake.casting import CastError, clean_text
from whiteout.protocol.self_describing import CONTEXTS, UNSTRUCT_EVENT
from whiteout.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from whiteout.enrich.event import EnrichedEvent
    from whiteout.protocol.self_describing import SelfDescribingJson

_VENDOR = "iglu:com.snowplowanalytics.snowplow.badrows"
LOADER_IGLU_ERROR = f"{_VENDOR}/loader_iglu_error/jsonschema/2-0-1"
LOADER_PARSING_ERROR = f"{_VENDOR}/loader_parsing_error/jsonschema/2-0-0"
GENERIC_ERROR = f"{_VENDOR}/generic_error/jsonschema/1-0-0"
PROCESSOR = {"artifact": "whiteout-lake", "version": __version__}


@dataclass(frozen=True, slots=True)
class FailedEvent:
    """One row of `failed_events`, without its load time.

    Attributes:
        failed_at: microseconds since the epoch; None where the bad row does not say.
        type: the name of its schema, `schema_violations`.
        schema: the whole Iglu URI.
        event_id: None where there was no event yet, or several.
        app_id: None where nobody said.
        bad_row: the whole bad row as compact JSON.
    """

    failed_at: int | None
    type: str
    schema: str
    event_id: str | None
    app_id: str | None
    bad_row: str


def from_bad_row(row: BadRow) -> FailedEvent:
    """A row of what enrich, or this module, says of a failed event."""
    return _row(row.schema, row.data, row.json())


def of_event(row: BadRow, event: EnrichedEvent) -> FailedEvent:
    """A row of what the loader says of an event; it failed now, at the event's `etl_tstamp`."""
    made = from_bad_row(row)
    texts = (event[name] for name in ("event_id", "app_id"))
    event_id, app_id = (None if text is None else clean_text(text) for text in texts)
    return replace(made, failed_at=_moment(event["etl_tstamp"]), event_id=event_id, app_id=app_id)


def from_text(record: bytes, *, now_ms: int) -> FailedEvent:
    """A row of a bad row in the log; text that is none becomes a `generic_error`."""
    try:
        document = msgspec.json.decode(record)
        return _row(str(document["schema"]), document["data"], record.decode())
    except (msgspec.MsgspecError, UnicodeDecodeError, LookupError, TypeError, ValueError):
        what = f"not a bad row: {len(record)} bytes"  # nobody can say whom they are about
        return from_bad_row(generic_error(what, b"", now_ms=now_ms))


def _row(schema: str, data: Any, text: str) -> FailedEvent:  # noqa: ANN401 - JSON
    parts = schema.removeprefix("iglu:").split("/")
    event_id, app_id = _identity(_get(data, "payload"))
    return FailedEvent(
        failed_at=_moment(_get(data, "failure", "timestamp")),
        type=clean_text(parts[1]) if len(parts) > 1 else "unknown",
        schema=clean_text(schema),
        event_id=event_id,
        app_id=app_id,
        bad_row=clean_text(text),
    )


def _get(value: Any, *path: str) -> Any:  # noqa: ANN401 - JSON
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _moment(text: object) -> int | None:
    if not isinstance(text, str):
        return None
    try:
        return text_to_microseconds(text.removesuffix("Z"))
    except ValueError:
        return None


def _identity(payload: object) -> tuple[str | None, str | None]:
    """Event id and app id, wherever the type of bad row keeps them."""
    parameters = _get(payload, "raw", "parameters")
    named: dict[str, Any] = {}
    if isinstance(parameters, list):
        for pair in parameters:
            if isinstance(_get(pair, "name"), str):
                named[pair["name"]] = pair.get("value")
    found = [
        _get(payload, "enriched", "event_id") or _get(payload, "event_id") or named.get("eid"),
        _get(payload, "enriched", "app_id") or _get(payload, "app_id") or named.get("aid"),
    ]
    event_id, app_id = (clean_text(text) if isinstance(text, str) else None for text in found)
    return event_id, app_id


def iso_time(now_ms: int) -> str:
    """`2026-11-23T17:00:00.000Z`."""
    moment = datetime.fromtimestamp(now_ms / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{now_ms % 1000:03}Z"


def generic_error(what: str, record: bytes, *, now_ms: int) -> BadRow:
    """What is left when nothing better can be said: the record itself, base64.

    `what` says no more than the kind of failure: messages of exceptions may repeat the payload.
    """
    failure = {"timestamp": iso_time(now_ms), "errors": [what]}
    payload = base64.b64encode(record).decode()
    return BadRow(GENERIC_ERROR, {"processor": PROCESSOR, "failure": failure, "payload": payload})


def parsing_error(event: EnrichedEvent, faults: Iterable[AtomicFault]) -> BadRow:
    """An event with atomic columns that do not fit their types."""
    errors = [
        {
            "type": "InvalidValue",
            "key": fault.column,
            "value": fault.text,
            "message": f"expected {fault.expected}",
        }
        for fault in faults
    ]
    failure = {"type": "RowDecodingError", "errors": errors}
    data = {"processor": PROCESSOR, "payload": event.tsv(), "failure": failure}
    return BadRow(LOADER_PARSING_ERROR, data)


def cast_failure(schema: str, error: CastError) -> dict[str, Any]:
    """One entry of a `loader_iglu_error`: a value of the wrong type."""
    return {"schemaKey": schema, "value": error.value, "expected": error.expected}


def lookup_failure(schema: str, error: Exception, *, now_ms: int) -> dict[str, Any]:
    """One entry of a `loader_iglu_error`: a schema that cannot be had, and who was asked."""
    if isinstance(error, ResolutionError):
        history = [_asked(entry) for entry in error.history]
    else:
        failure = {"error": "ClientFailure", "message": error_name(error)}
        history = [
            {
                "repository": "lake",
                "errors": [failure],
                "attempts": 1,
                "lastAttempt": iso_time(now_ms),
            }
        ]
    problem = {"error": "ResolutionError", "lookupHistory": history}
    return {"schemaKey": schema, "error": problem}


def _asked(entry: RegistryHistory) -> dict[str, Any]:
    errors = [
        {"error": problem.kind, **({"message": problem.message[:256]} if problem.message else {})}
        for problem in entry.problems
    ]
    return {
        "repository": entry.repository,
        "errors": errors,
        "attempts": entry.attempts,
        "lastAttempt": iso_time(entry.last_attempt_ms),
    }


def iglu_error(event: EnrichedEvent, failures: Sequence[dict[str, Any]]) -> BadRow:
    """An event whose self-describing parts cannot be stored, with all that is in it."""
    flat = event.json_object()
    payload: dict[str, Any] = {column.name: flat[column.name] for _, column in COLUMNS}
    unstruct = event.unstruct_event
    payload["unstruct_event"] = unstruct and _envelope(UNSTRUCT_EVENT, unstruct.as_dict())
    payload["contexts"] = _entities(event.contexts)
    payload["derived_contexts"] = _entities(event.derived_contexts)
    ordered = {column.name: payload[column.name] for column in ATOMIC_COLUMNS}
    data = {"processor": PROCESSOR, "failure": list(failures), "payload": ordered}
    return BadRow(LOADER_IGLU_ERROR, data)


def _envelope(schema: str, data: object) -> dict[str, Any]:
    return {"schema": schema, "data": data}


def _entities(entities: Sequence[SelfDescribingJson]) -> dict[str, Any] | None:
    if not entities:
        return None
    return _envelope(CONTEXTS, [entity.as_dict() for entity in entities])


def error_name(error: Exception) -> str:
    """The kind of an exception: what may be stored or logged of it."""
    return type(error).__name__


def reason(error: Exception) -> str:
    """Why something failed, as far as it may be logged: what repeats nothing of the data."""
    if isinstance(error, WhiteoutError) and not isinstance(error, ValueError):
        return str(error)
    return (isinstance(error, OSError) and error.strerror) or error_name(error)
