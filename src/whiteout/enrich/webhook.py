"""Events of other systems, which Snowplow takes at `/com.snowplowanalytics.iglu/v1`.

By GET each parameter is a property of the event, and `schema` names what it is; by POST the body is
the event's data, or says itself what it is.

Source: reference section 2.3, and the official description of the Iglu webhook.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from whiteout.enrich import failure
from whiteout.errors import ProtocolError
from whiteout.iglu import bounded_json
from whiteout.protocol.iglu import parse_schema_key
from whiteout.protocol.self_describing import UNSTRUCT_EVENT

if TYPE_CHECKING:
    from whiteout.enrich.failure import Message
    from whiteout.enrich.load import Request

VENDOR, VERSION = "com.snowplowanalytics.iglu", "v1"
_TRACKER = "com.snowplowanalytics.iglu-v1"
_FORM = "application/x-www-form-urlencoded"
# These say something of the event as such; the others are its data.
_TRACKER_PARAMETERS = frozenset({"p", "nuid", "aid", "cv", "eid", "ttm", "url"})
_MAX_FIELDS = 1_000


def webhook_event(request: Request) -> dict[str, str | None] | Message:
    """The event of a webhook's request: its parameters, or the message of a bad row."""
    query = dict(request.parameters)
    schema = query.pop("schema", None)
    payload = request.payload
    data: Any = None
    if payload.body is None:
        data = {name: value for name, value in query.items() if name not in _TRACKER_PARAMETERS}
    elif (payload.content_type or "").lower().startswith(_FORM):
        try:
            pairs = parse_qsl(payload.body, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
        except ValueError:
            expected = f"a form of at most {_MAX_FIELDS} fields"
            return failure.unmet_expectation("body", None, expected)
        data = dict(pairs)
        schema = data.pop("schema", schema)
    elif (payload.content_type or "").lower().startswith("application/json"):
        try:
            data = request.document or bounded_json.decode(payload.body)
        except ProtocolError as error:
            return failure.not_json("body", payload.body, str(error))
        if schema is None:
            if not isinstance(data, dict) or data.keys() != {"schema", "data"}:
                return failure.not_iglu(data, "INVALID_DATA_PAYLOAD")
            schema, data = data["schema"], data["data"]
    else:
        expected = f"expected one of application/json, {_FORM}"
        return failure.unmet_expectation("contentType", payload.content_type, expected)
    return _event(schema, data, query)


def _event(
    schema: object, data: object, query: dict[str, str | None]
) -> dict[str, str | None] | Message:
    try:
        uri = parse_schema_key(schema).uri if isinstance(schema, str) else None
    except ProtocolError:
        uri = None
    if uri is None:
        expected = "must be an Iglu URI such as iglu:com.acme/event/jsonschema/1-0-0"
        return failure.unmet_expectation(
            "schema", schema if isinstance(schema, str) else None, expected
        )
    event = {"schema": UNSTRUCT_EVENT, "data": {"schema": uri, "data": data}}
    kept = {name: value for name, value in query.items() if name in _TRACKER_PARAMETERS}
    return {
        **kept,
        "tv": _TRACKER,
        "e": "ue",
        "p": query.get("p") or "app",
        "ue_pr": msgspec.json.encode(event).decode(),
    }
