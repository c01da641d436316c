"""Requests too large for the log: split into several records, or told of in a bad row.

Reference section 1.9, with two differences: events keep their order, and the bad row's text says
how large the query string and the body were, never what stood in them, and holds no address, id or
header (weakness W6).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from msgspec.structs import replace

from whiteout.collector.door import anonymous_content_type
from whiteout.errors import ProtocolError
from whiteout.protocol.collector_payload import encode
from whiteout.protocol.iglu import parse_schema_key
from whiteout.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from whiteout.protocol.collector_payload import CollectorPayload

SIZE_VIOLATION = "iglu:com.snowplowanalytics.snowplow.badrows/size_violation/jsonschema/1-0-0"

_GET = "GET requests cannot be split"
_NOT_JSON = "cannot split POST requests which are not json"
_NOT_SELF_DESCRIBING = "cannot split POST requests which are not self-describing"
_NO_ARRAY = "cannot split POST requests which do not contain a data array"
_REST_TOO_BIG = 'cannot split this POST request because event without "data" field is still too big'
_EVENT_TOO_BIG = "this POST request split is still too large"


class _NotSplittableError(Exception):
    """The reason, as the bad row states it."""


def fit(
    payload: CollectorPayload, *, size: int, max_bytes: int, max_payload_bytes: int, now_ms: int
) -> tuple[list[bytes], list[bytes]]:
    """Make records of less than `max_bytes` out of a payload that is larger.

    Args:
        payload: what is too large, already stripped where it is anonymous.
        size: of its record.
        max_bytes: a record must be smaller than that.
        max_payload_bytes: a larger payload is not split at all.
        now_ms: Unix epoch milliseconds.

    Returns:
        Records and bad rows (compact JSON).
    """
    if size > max_payload_bytes:
        text = f"Payload exceeds max size of {max_payload_bytes}. Actual length: {size}"
        return [], [_size_violation(payload, size, max_payload_bytes, text, now_ms)]
    try:
        document = _splittable(payload)
        events = [orjson.dumps(event) for event in document["data"]]
        # `data` is the last key, so the last brackets are its own.
        head, tail = orjson.dumps(document | {"data": []}).rsplit(b"[]", 1)
        room = max_bytes - len(encode(replace(payload, body=(head + b"[]" + tail).decode())))
    except _NotSplittableError as reason:
        return [], [_size_violation(payload, size, max_bytes, str(reason), now_ms)]
    if room <= 0:
        return [], [_size_violation(payload, size, max_bytes, _REST_TOO_BIG, now_ms)]
    records: list[bytes] = []
    bad_rows: list[bytes] = []
    for part in pack(events, room):
        body = (head + b"[" + b",".join(part) + b"]" + tail).decode()
        smaller = replace(payload, body=body)
        record = encode(smaller)
        if len(record) < max_bytes:
            records.append(record)
        else:
            row = _size_violation(smaller, len(record), max_bytes, _EVENT_TOO_BIG, now_ms)
            bad_rows.append(row)
    return records, bad_rows


def _splittable(payload: CollectorPayload) -> dict[str, Any]:
    if payload.body is None:
        raise _NotSplittableError(_GET)
    try:
        document = orjson.loads(payload.body)
    except orjson.JSONDecodeError as error:
        raise _NotSplittableError(_NOT_JSON) from error
    if (
        not isinstance(document, dict)
        or not isinstance(document.get("schema"), str)
        or "data" not in document
    ):
        raise _NotSplittableError(_NOT_SELF_DESCRIBING)
    if not isinstance(document["data"], list):
        raise _NotSplittableError(_NO_ARRAY)
    # Only what a self-describing JSON has; `data` then stands last.
    return {"schema": document["schema"], "data": document["data"]}


def pack(events: Sequence[bytes], room: int) -> Iterator[list[bytes]]:
    """Group events greedily, in order; each costs its size and a comma.

    An event that costs more than `room` comes alone.
    """
    part: list[bytes] = []
    used = 0
    for event in events:
        cost = len(event) + 1
        if part and used + cost > room:
            yield part
            part, used = [], 0
        part.append(event)
        used += cost
    if part:
        yield part


def _size_violation(
    payload: CollectorPayload, size: int, maximum: int, expectation: str, now_ms: int
) -> bytes:
    timestamp = datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return orjson.dumps(
        {
            "schema": SIZE_VIOLATION,
            "data": {
                "processor": {"artifact": "whiteout-collector", "version": __version__},
                "failure": {
                    "timestamp": timestamp.replace("+00:00", "Z"),
                    "maximumAllowedSizeBytes": maximum,
                    "actualSizeBytes": size,
                    "expectation": f"oversized collector payload: {expectation}",
                },
                "payload": _text(payload)[: maximum // 10],
            },
        }
    )


def _text(payload: CollectorPayload) -> str:
    """Name what helps to find the sender's mistake; nothing that anybody has written freely."""
    content_type = anonymous_content_type((payload.content_type or "").encode())
    fields = {
        "timestamp": payload.timestamp,
        "encoding": payload.encoding,
        "collector": payload.collector,
        "path": payload.path,
        "contentType": content_type.decode() if content_type is not None else None,
        "querystring": _size(payload.querystring),
        "body": _size(payload.body),
        **_contents(payload.body),
    }
    shown = ", ".join(f"{name}:{value}" for name, value in fields.items() if value is not None)
    return f"CollectorPayload({shown})"


def _size(text: str | None) -> str | None:
    return None if text is None else f"[{len(text.encode())} bytes]"


def _contents(body: str | None) -> dict[str, object]:
    """What a body says that it holds: its schema, and how many events."""
    try:
        document = orjson.loads(body or "")
        found: dict[str, object] = {"schema": parse_schema_key(document["schema"]).uri}
        data = document["data"]
        return {**found, "events": len(data)} if isinstance(data, list) else found
    except (orjson.JSONDecodeError, ProtocolError, LookupError, TypeError):
        return {}
