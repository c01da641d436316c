"""From a request to its events: Snowplow's tracker protocol by GET (`tp1`, `tp2`) and POST (`tp2`).

Redirects and the Iglu webhook have modules of their own. Other vendors' webhooks are not read; they
become bad rows, from which they can be replayed.

Source: reference section 2.3. One bad element of a body fails the whole request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whiteout.enrich import failure, redirect, webhook
from whiteout.enrich.envelopes import usual_events
from whiteout.errors import ProtocolError
from whiteout.iglu import ResolutionError, SchemaError, bounded_json
from whiteout.protocol.iglu import SchemaKey, parse_schema_key

if TYPE_CHECKING:
    from whiteout.enrich.failure import Message
    from whiteout.enrich.load import Request
    from whiteout.iglu import Resolver

SNOWPLOW = "com.snowplowanalytics.snowplow"
CONTENT_TYPES = (
    "application/json",
    "application/json; charset=utf-8",
    "application/json; charset=UTF-8",
)
PAYLOAD_CRITERION = f"iglu:{SNOWPLOW}/payload_data/jsonschema/1-0-*"
# Each event may become a bad row that repeats the headers of the request: without a bound, one
# megabyte of the smallest events makes gigabytes. Trackers put far fewer into a request.
MAX_EVENTS = 5_000

Parameters = dict[str, str | None]
"""One event as the tracker protocol has it; None where a name of a query string has no value."""


@dataclass(frozen=True, slots=True, repr=False)
class Rejected:
    """A request that is no events: the kind of bad row, and its messages."""

    schema: str
    messages: tuple[Message, ...]


def adapt(request: Request, resolver: Resolver) -> list[Parameters] | Rejected:
    """Take a request apart into its events, at least one; never raises."""
    if request.vendor == SNOWPLOW and request.version == "tp2":
        return _tp2(request, resolver)
    if request.vendor == SNOWPLOW and request.version == "tp1":
        if request.parameters:
            return [dict(request.parameters)]
        message = failure.unmet_expectation("querystring", None, "empty querystring: no event")
    elif (request.vendor, request.version) == (redirect.VENDOR, redirect.VERSION):
        event = redirect.redirect_event(request.parameters)
        return [event] if "tv" in event else _rejected(event)
    elif (request.vendor, request.version) == (webhook.VENDOR, webhook.VERSION):
        event = webhook.webhook_event(request)
        if "tv" in event:
            return [event]
        message = event
    else:
        message = failure.unmet_expectation(
            "vendor/version",
            f"{request.vendor}/{request.version}",
            "vendor/version combination is not supported",
        )
    return Rejected(failure.ADAPTER_FAILURES, (message,))


def _tp2(request: Request, resolver: Resolver) -> list[Parameters] | Rejected:
    payload = request.payload
    if payload.body is not None and payload.content_type in CONTENT_TYPES:
        return _body(request, payload.body, resolver)
    messages: list[Message] = []
    if payload.body is not None:
        expected = ", ".join(CONTENT_TYPES)
        messages.append(
            failure.unmet_expectation(
                "contentType", payload.content_type, f"expected one of {expected}"
            )
        )
    elif payload.content_type is not None:
        messages.append(
            failure.unmet_expectation("body", None, "empty body: not a valid track protocol event")
        )
    elif not request.parameters:
        messages += [
            failure.unmet_expectation(
                field, None, f"empty {field}: not a valid tracker protocol event"
            )
            for field in ("body", "querystring")
        ]
    else:
        return [dict(request.parameters)]
    return _rejected(*messages)


def _body(request: Request, body: str, resolver: Resolver) -> list[Parameters] | Rejected:
    events: Any = None if request.document is not None else usual_events(body, resolver)
    if events is None or len(events) > MAX_EVENTS:
        events = _judged_events(request, body, resolver)
        if isinstance(events, Rejected):
            return events
    query = dict(request.parameters)
    # What the query string says counts for every event, and more than the event's own word.
    with_query: list[Parameters] = [{**event, **query} for event in events] if query else events
    return with_query


def _judged_events(request: Request, body: str, resolver: Resolver) -> list[Parameters] | Rejected:
    document: Any = request.document
    try:
        if document is None:
            document = bounded_json.decode(body)
    except ProtocolError as error:
        return _rejected(failure.not_json("body", body, str(error)))
    key = read_key(document)
    if isinstance(key, str):
        return _rejected(failure.not_iglu(document, key))
    if not _is_payload_data(key):
        return _rejected(failure.criterion_mismatch(key.uri, PAYLOAD_CRITERION, document))
    events: list[Parameters] = document["data"]
    problem = _problem(key, events, resolver)
    return events if problem is None else _rejected(problem)


def _problem(key: SchemaKey, events: list[Parameters], resolver: Resolver) -> Message | None:
    try:
        validator = resolver.validator(key)
    except (ResolutionError, SchemaError) as error:
        return failure.schema_problem(key.uri, error, events)
    if not validator.is_valid(events):
        return failure.invalid_data(key.uri, validator.reports(events), events)
    if len(events) > MAX_EVENTS:
        expectation = f"at most {MAX_EVENTS} events in one request"
        return failure.unmet_expectation("body", None, expectation)
    return None


def read_key(document: object) -> SchemaKey | str:
    """The schema that a self-describing JSON names, or Iglu's code for what it is instead."""
    if not isinstance(document, dict) or "schema" not in document or "data" not in document:
        return "INVALID_DATA_PAYLOAD"
    uri = document["schema"]
    if not isinstance(uri, str):
        return "INVALID_DATA_PAYLOAD"
    try:
        return parse_schema_key(uri)
    except ProtocolError:
        pass
    # The same path with a version that exists: was it only the version?
    family, slash, _ = uri.rpartition("/")
    try:
        parse_schema_key(f"{family}{slash}1-0-0")
    except ProtocolError:
        return "INVALID_IGLUURI"
    return "INVALID_SCHEMAVER"


def _is_payload_data(key: SchemaKey) -> bool:
    family = (key.vendor, key.name, key.format, key.model, key.revision)
    return family == (SNOWPLOW, "payload_data", "jsonschema", 1, 0)


def _rejected(*messages: Message) -> Rejected:
    return Rejected(failure.TRACKER_PROTOCOL_VIOLATIONS, messages)
