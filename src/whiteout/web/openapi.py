"""The OpenAPI description of the REST API: `/micro/openapi.json` serves it, `/ui/api` shows it.

Pure data, made of what the code has anyway: the filters' types and the columns of an event. Tests
hold the API against it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from whiteout.enrich.atomic import ATOMIC_COLUMNS
from whiteout.version import __version__
from whiteout.web.micro_filters import BadFilter, GoodFilter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whiteout.enrich.atomic import ColumnType

Json = dict[str, Any]

JSON, TSV, TEXT = "application/json", "text/tab-separated-values", "text/plain"
PATH: Final = "/micro/openapi.json"
_REFERENCE: Final = "#/components/schemas/{name}"
_TEXT: Final[Json] = {"type": ["string", "null"]}
_TYPES: Final[Mapping[ColumnType, str]] = {
    "string": "string",
    "timestamp": "string",
    "integer": "integer",
    "double": "number",
    "decimal": "number",
    "boolean": "boolean",
    "json": "object",
}
_SEGMENT: Final = "a segment of the schema's address: iglu:vendor/name/jsonschema/version"


def description(*, needs_token: bool) -> Json:
    """Make the description.

    Args:
        needs_token: whether the guard asks for one.
    """
    document: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "Whiteout: the API of Snowplow Micro",
            "version": __version__,
            "description": (
                "What arrived at this collector, for test suites. A question waits until all that "
                "was accepted before it has been enriched and stored."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": "events"}, {"name": "schemas"}, {"name": "description"}],
        "paths": _paths(),
        "components": {"schemas": _schemas(), "responses": _refusals()},
    }
    if needs_token:
        document["components"]["securitySchemes"] = {
            "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "printed at the start, or chosen as WHITEOUT_PAGE_TOKEN",
            }
        }
        document["security"] = [{"token": []}]
    names = ["403", "421", *(["401"] if needs_token else [])]
    for methods in document["paths"].values():
        for operation in methods.values():
            for status in names:
                operation["responses"][status] = {"$ref": f"#/components/responses/{status}"}
    return document


def _paths() -> Json:
    totals = _answer("the numbers of events", JSON, _of("Totals"))
    reset = "Forgets all events. The lake keeps them."
    key = [_parameter(name) for name in ("vendor", "name", "version")]
    return {
        "/micro/all": {
            "get": _events("countEvents", "How many events came.", totals),
            "post": _events("countEventsByPost", "The same as with GET.", totals),
        },
        "/micro/good": {
            "get": _events("listGood", "All good events, the newest first.", _list("GoodEvent")),
            "post": _events(
                "findGood", "Some good events, the newest first.", _list("GoodEvent"), "GoodFilter"
            ),
        },
        "/micro/bad": {
            "get": _events("listBad", "All failed events, the newest first.", _list("BadEvent")),
            "post": _events(
                "findBad", "Some failed events, the newest first.", _list("BadEvent"), "BadFilter"
            ),
        },
        "/micro/reset": {
            "get": _events("reset", reset, totals),
            "post": _events("resetByPost", reset, totals),
        },
        "/micro/events": {
            "get": _events(
                "listEnriched",
                "All good events and what is left of failed ones, as the analytics SDKs have them, "
                f"the newest first; with `Accept: {TSV}` as enriched lines.",
                _both(_list("EnrichedEvent"), _answer("enriched lines", TSV, {"type": "string"})),
            )
        },
        "/micro/iglu/{vendor}/{name}/jsonschema/{version}": {
            "get": {
                "tags": ["schemas"],
                "operationId": "findSchema",
                "summary": "A schema, as the registries have it.",
                "parameters": key,
                "responses": {
                    "200": _answer("the schema", JSON, {"type": "object"}),
                    "404": _both(
                        _answer("no registry has it", JSON, _of("NoSchema")),
                        _answer("no such path", TEXT, {"type": "string"}),
                    ),
                },
            }
        },
        PATH: {
            "get": {
                "tags": ["description"],
                "operationId": "describe",
                "summary": "This description.",
                "responses": {"200": _answer("OpenAPI 3.1", JSON, {"type": "object"})},
            }
        },
    }


def _events(operation_id: str, summary: str, answer: Json, body: str | None = None) -> Json:
    operation: Json = {
        "tags": ["events"],
        "operationId": operation_id,
        "summary": summary,
        "responses": {"200": answer, "503": {"$ref": "#/components/responses/503"}},
    }
    if body is not None:
        operation["requestBody"] = {"required": False, "content": {JSON: {"schema": _of(body)}}}
        operation["responses"]["400"] = _answer("the filter is wrong", JSON, _of("Problem"))
    return operation


def _schemas() -> Json:
    _, filters = msgspec.json.schema_components([GoodFilter, BadFilter], ref_template=_REFERENCE)
    columns = {column.name: {"type": [_TYPES[column.type], "null"]} for column in ATOMIC_COLUMNS}
    plain = {
        column.name: {"type": [_TYPES[column.type], "null"]}
        for column in ATOMIC_COLUMNS
        if column.type != "json"
    }
    counts = {name: {"type": "integer", "minimum": 0} for name in ("total", "good", "bad")}
    return {
        **filters,
        "Totals": _object(counts),
        "GoodEvent": _object(
            {
                "rawEvent": _of("RawEvent"),
                "eventType": {**_TEXT, "description": "the column `event`"},
                "schema": {"type": "string", "description": "of the event"},
                "contexts": {"type": "array", "items": {"type": "string"}},
                "event": {**_object(columns), "description": "all columns of the atomic event"},
                "incomplete": {"type": "boolean"},
            }
        ),
        "BadEvent": _object(
            {
                "collectorPayload": {"anyOf": [_of("CollectorPayload"), {"type": "null"}]},
                "rawEvent": {"anyOf": [_of("RawEvent"), {"type": "null"}]},
                "errors": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "a sentence, and the bad row as JSON",
                },
            }
        ),
        "EnrichedEvent": {
            **_object(plain),
            "description": (
                "columns, and for each entity and each self-describing event one named for its "
                "schema: contexts_VENDOR_NAME_MODEL, unstruct_event_VENDOR_NAME_MODEL"
            ),
        },
        **_requests(),
        "NoSchema": {
            "anyOf": [
                _of("Problem"),
                _object({"value": {"type": "object", "description": "by registry: what it said"}}),
            ]
        },
        "Problem": _object({"message": {"type": "string"}}),
    }


def _requests() -> Json:
    """What came, as far as it may be shown."""
    api = {"anyOf": [_object({"vendor": _TEXT, "version": _TEXT}), {"type": "null"}]}
    origin = {
        "contentType": _TEXT,
        "source": _object({"name": _TEXT, "encoding": _TEXT, "hostname": _TEXT}),
        "context": _object(
            {
                "timestamp": _TEXT,
                "ipAddress": _TEXT,
                "useragent": _TEXT,
                "refererUri": _TEXT,
                "headers": {"type": "array", "items": {"type": "string"}},
                "userId": _TEXT,
            }
        ),
    }
    texts = {"type": "array", "items": {"type": "string"}}
    parameters = {"type": "object", "additionalProperties": _TEXT}
    return {
        "RawEvent": _object({"api": api, "parameters": parameters, **origin}),
        "CollectorPayload": _object({"api": api, "querystring": texts, "body": _TEXT, **origin}),
    }


def _refusals() -> Json:
    sentence = {"type": "string"}
    return {
        "401": {
            **_answer("the token is missing, or another", TEXT, sentence),
            "headers": {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}},
        },
        "403": _answer("asked by a page of another site", TEXT, sentence),
        "421": _answer("asked by a name that is not this machine's", TEXT, sentence),
        "503": _answer("events are still being loaded; try again", TEXT, sentence),
    }


def _answer(what: str, media_type: str, schema: Json) -> Json:
    return {"description": what, "content": {media_type: {"schema": schema}}}


def _both(one: Json, other: Json) -> Json:
    return {**one, "content": {**one["content"], **other["content"]}}


def _list(name: str) -> Json:
    return _answer("the events", JSON, {"type": "array", "items": _of(name)})


def _of(name: str) -> Json:
    return {"$ref": _REFERENCE.format(name=name)}


def _object(properties: Json) -> Json:
    return {"type": "object", "required": list(properties), "properties": properties}


def _parameter(name: str) -> Json:
    schema = {"type": "string", "minLength": 1, "pattern": "^[A-Za-z0-9_.-]+$"}
    return {"name": name, "in": "path", "required": True, "description": _SEGMENT, "schema": schema}
