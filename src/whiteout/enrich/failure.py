"""Bad rows, in the official structure, with every limit of their schemas kept.

Nothing of an event is lost when a limit shortens something: the texts of parameters longer than 512
characters stand in full in the partial event (`payload.enriched`), those of a query string in a
message of their own.

Source: reference section 2.11, and the schemas in `com.snowplowanalytics.snowplow.badrows`.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whiteout.enrich import timestamps
from whiteout.enrich.atomic import ATOMIC_COLUMNS, ATOMIC_SCHEMA
from whiteout.enrich.event import BadRow
from whiteout.iglu import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from whiteout.enrich.load import Request
    from whiteout.iglu import DataReport, LookupProblem, RegistryHistory, ResolutionError

_VENDOR = "iglu:com.snowplowanalytics.snowplow.badrows"
FORMAT_VIOLATION = f"{_VENDOR}/collector_payload_format_violation/jsonschema/1-0-0"
ADAPTER_FAILURES = f"{_VENDOR}/adapter_failures/jsonschema/1-0-0"
TRACKER_PROTOCOL_VIOLATIONS = f"{_VENDOR}/tracker_protocol_violations/jsonschema/1-0-1"
SCHEMA_VIOLATIONS = f"{_VENDOR}/schema_violations/jsonschema/2-0-1"
ENRICHMENT_FAILURES = f"{_VENDOR}/enrichment_failures/jsonschema/2-0-1"
SIZE_VIOLATION = f"{_VENDOR}/size_violation/jsonschema/1-0-0"
GENERIC_ERROR = f"{_VENDOR}/generic_error/jsonschema/1-0-0"

LOADER = "thrift"
_MAX_PARAMETER = 512
_MAX_FIELD = 64
_MAX_HEADER = 8192
_MAX_EXPECTATION = 256
_MAX_ERROR = 512

Message = dict[str, Any]


class Violation(Message):
    """A message that also knows what it is about; bad rows have that elsewhere.

    Attributes:
        data: the object, or the columns with their texts; None where it is neither.
    """

    __slots__ = ("data",)

    def __init__(self, message: Message, data: object) -> None:
        super().__init__(message)
        self.data: Mapping[str, Any] | None = data if isinstance(data, dict) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRows:
    """Makes bad rows for one processor.

    Attributes:
        artifact: what `processor.artifact` says.
        version: what `processor.version` says; begins with three numbers.
    """

    artifact: str
    version: str

    def format_violation(self, now_ms: int, message: Message, record: bytes | None) -> BadRow:
        """A record that is no request. `record` is None where its bytes must not be kept."""
        failure = {"timestamp": _iso(now_ms), "loader": LOADER, "message": message}
        payload = "" if record is None else base64.b64encode(record).decode()
        return self._row(FORMAT_VIOLATION, failure, payload)

    def adapter_failure(
        self, now_ms: int, schema: str, messages: Iterable[Message], request: Request
    ) -> BadRow:
        """A request that is no events; `schema` is one of the two kinds there are for it."""
        shortened = any(
            value is not None and len(value) > _MAX_PARAMETER for _, value in request.parameters
        )
        failure = {
            "timestamp": _iso(now_ms),
            "vendor": request.vendor[:64],
            "version": request.version[:16],
            "messages": [*messages, *([_whole_query(request)] if shortened else [])],
        }
        return self._row(schema, failure, _collector_payload(request))

    def schema_violations(
        self,
        now_ms: int,
        messages: Iterable[Message],
        request: Request,
        event: RawEvent,
    ) -> BadRow:
        """An event that breaks a schema, or a limit of a column."""
        failure = {"timestamp": _iso(now_ms), "messages": list(messages)}
        return self._row(SCHEMA_VIOLATIONS, failure, _event_payload(request, event))

    def enrichment_failures(
        self,
        now_ms: int,
        messages: Iterable[Message],
        request: Request,
        event: RawEvent,
    ) -> BadRow:
        """An event from which nothing could be derived."""
        failure = {"timestamp": _iso(now_ms), "messages": list(messages)}
        return self._row(ENRICHMENT_FAILURES, failure, _event_payload(request, event))

    def size_violation(self, now_ms: int, *, size: int, limit: int) -> BadRow:
        """A record too large to be looked into; nothing of it is kept, as it may be anonymous."""
        failure = {
            "timestamp": _iso(now_ms),
            "maximumAllowedSizeBytes": limit,
            "actualSizeBytes": size,
            "expectation": "record is too large to be enriched",
        }
        return self._row(SIZE_VIOLATION, failure, "")

    def generic_error(self, now_ms: int, error: str, record: bytes | None) -> BadRow:
        """A fault of ours; the payload is the record in Base64, empty where it may not be told."""
        failure = {"timestamp": _iso(now_ms), "errors": [error[:512]]}
        return self._row(GENERIC_ERROR, failure, base64.b64encode(record or b"").decode())

    def _row(self, schema: str, failure: Message, payload: str | Message) -> BadRow:
        processor = {"artifact": self.artifact[:512], "version": self.version[:32]}
        return BadRow(schema, {"processor": processor, "failure": failure, "payload": payload})


@dataclass(frozen=True, slots=True, repr=False)
class RawEvent:
    """An event as far as it came.

    Attributes:
        parameters: of the tracker's protocol.
        fields: the columns so far.
        texts: what the tracker sent in JSON columns, where the column does not hold all of it.
    """

    parameters: Mapping[str, str | None]
    fields: Sequence[str | None]
    texts: Mapping[str, str]


def format_error(error: str) -> Message:
    """A record that cannot be read."""
    return {"error": error[:_MAX_ERROR]}


def format_expectation(field: str, value: str | None, expectation: str) -> Message:
    """A field of a record that is not as it must be."""
    return {
        "payloadField": field[:_MAX_FIELD],
        "value": value,
        "expectation": expectation[:_MAX_EXPECTATION],
    }


def unmet_expectation(field: str, value: str | None, expectation: str) -> Message:
    """A field of a request or event that is not as it must be."""
    return {
        "field": field[:_MAX_FIELD],
        "value": value,
        "expectation": expectation[:_MAX_EXPECTATION],
    }


def not_json(field: str, value: str | None, error: str) -> Message:
    """A text that is not JSON."""
    return {"field": field[:_MAX_FIELD], "value": value, "error": error[:_MAX_ERROR]}


def not_iglu(json: object, error: str) -> Message:
    """JSON that is not self-describing; `error` is one of Iglu's four codes."""
    return Violation({"json": json, "error": error}, json)


def criterion_mismatch(schema: str, criterion: str, json: object) -> Message:
    """Self-describing JSON of another schema than the one that belongs there."""
    return Violation({"schemaKey": schema, "schemaCriterion": criterion}, json)


def schema_problem(schema: str, error: ResolutionError | SchemaError, data: object) -> Message:
    """A schema that could not be found, or not be used; `data` is what it was to judge."""
    return Violation(_schema_problem(schema, error), data)


def _schema_problem(schema: str, error: ResolutionError | SchemaError) -> Message:
    if isinstance(error, SchemaError):
        issues = [{"path": issue.path, "message": issue.message} for issue in error.issues]
        return {"schemaKey": schema, "error": {"error": "ValidationError", "schemaIssues": issues}}
    history = [_history(entry) for entry in error.history] or [
        {
            "repository": "none",
            "errors": [{"error": "ClientFailure", "message": "there is no registry"}],
            "attempts": 0,
            "lastAttempt": _iso(0),
        }
    ]
    return {"schemaKey": schema, "error": {"error": "ResolutionError", "lookupHistory": history}}


def invalid_data(schema: str, reports: Iterable[DataReport], data: object) -> Message:
    """Data that its schema does not allow."""
    found = [
        {
            "message": report.message,
            "path": report.path,
            "keyword": report.keyword,
            "targets": list(report.targets),
        }
        for report in reports
    ]
    error = {"error": "ValidationError", "dataReports": found}
    return Violation({"schemaKey": schema, "error": error}, data)


@dataclass(frozen=True, slots=True, repr=False)
class ColumnFault:
    """A column whose text could not be converted, or is too long.

    Attributes:
        column: its name.
        message: what is wrong with it.
        keyword: the same as Snowplow's word for it.
        value: the text.
        targets: what the text would have to be.
    """

    column: str
    message: str
    keyword: str
    value: str | None
    targets: tuple[str, ...] = ()


def atomic_violation(faults: Iterable[ColumnFault]) -> Message:
    """All columns of one phase that are not as they must be, in one message."""
    faults = list(faults)
    reports = [
        {
            "message": f"{fault.column}: {fault.message}",
            "path": fault.column,
            "keyword": fault.keyword,
            "targets": list(fault.targets),
        }
        for fault in faults
    ]
    error = {"error": "ValidationError", "dataReports": reports}
    data = {fault.column: fault.value for fault in faults}
    return Violation({"schemaKey": ATOMIC_SCHEMA, "error": error}, data)


def enrichment_failure(
    message: Message, *, schema: str | None = None, identifier: str = ""
) -> Message:
    """What went wrong in an enrichment; without a schema in a step that has no configuration."""
    enrichment = {"schemaKey": schema, "identifier": identifier[:256]} if schema else None
    return {"enrichment": enrichment, "message": message}


def _history(entry: RegistryHistory) -> Message:
    return {
        "repository": entry.repository,
        "errors": [_lookup_problem(problem) for problem in entry.problems],
        "attempts": entry.attempts,
        "lastAttempt": _iso(entry.last_attempt_ms),
    }


def _lookup_problem(problem: LookupProblem) -> Message:
    if problem.kind == "NotFound":
        return {"error": problem.kind}
    return {"error": problem.kind, "message": problem.message[:_MAX_EXPECTATION]}


def _whole_query(request: Request) -> Message:
    return unmet_expectation(
        "querystring",
        request.payload.querystring,
        f"in the payload, values are cut to {_MAX_PARAMETER} characters",
    )


def _collector_payload(request: Request) -> Message:
    payload = request.payload
    return {
        "vendor": request.vendor[:64],
        "version": request.version[:16],
        "querystring": _pairs(request.parameters),
        "contentType": _cut(payload.content_type, 256),
        "body": request.body,
        "collector": payload.collector[:32],
        "networkUserId": payload.network_user_id,
        **_origin(request),
    }


def _event_payload(request: Request, event: RawEvent) -> Message:
    payload = request.payload
    raw = {
        "vendor": request.vendor[:64],
        "version": request.version[:16],
        "parameters": _pairs(event.parameters.items()),
        "contentType": _cut(payload.content_type, 256),
        "loaderName": LOADER,
        "userId": payload.network_user_id,
        **_origin(request),
    }
    return {"enriched": _partial_event(event), "raw": raw}


def _origin(request: Request) -> Message:
    """What both kinds of payload say of the request."""
    payload = request.payload
    writable = timestamps.is_writable(payload.timestamp)
    return {
        "encoding": payload.encoding[:32],
        "hostname": _cut(payload.hostname, 8192),
        "timestamp": timestamps.to_iso(payload.timestamp) if writable else None,
        "ipAddress": None if request.anonymous else payload.ip_address[:128],
        "useragent": _cut(payload.user_agent, 4096),
        "refererUri": _cut(payload.referer_uri, 8192),
        "headers": [header[:_MAX_HEADER] for header in payload.headers],
    }


def _partial_event(event: RawEvent) -> Message:
    enriched: Message = {}
    for column, text in zip(ATOMIC_COLUMNS, event.fields, strict=True):
        value: object = text
        if text is not None and column.type in ("integer", "boolean"):
            value = int(text)
        elif text is not None and column.type == "double":
            value = float(text)
        enriched[column.name] = value
    enriched.update(event.texts)
    return enriched


def _pairs(pairs: Iterable[tuple[str, str | None]]) -> list[Message]:
    return [
        {"name": name[:_MAX_PARAMETER], "value": _cut(value, _MAX_PARAMETER)}
        for name, value in pairs
    ]


def _cut(text: str | None, length: int) -> str | None:
    return None if text is None else text[:length]


def _iso(epoch_ms: int) -> str:
    return timestamps.to_iso(epoch_ms)
