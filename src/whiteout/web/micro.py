"""Events in the form in which Snowplow's Micro gives them: pure functions over what is stored.

Micro shows the request as it came; so does `raw_events`, where nothing is hidden of it. Elsewhere
it is made again from the stored event, so that this shows nothing that enrichments have taken out
of it (reference section 3.2, W6).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from whiteout.enrich.atomic import ATOMIC_COLUMNS
from whiteout.enrich.conversions import EVENT_TYPES
from whiteout.enrich.event import EnrichedEvent, read_column
from whiteout.enrich.mapping import COLUMN_OF_PARAMETER
from whiteout.protocol.self_describing import SelfDescribingJson
from whiteout.web.entries import columns_of, epoch_ms, fields_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whiteout.web.recent import Row

_CODES = {name: code for code, name in reversed([*EVENT_TYPES.items()])}  # `se`, not `ev`
_PAIRS = {
    "res": ("dvce_screenwidth", "dvce_screenheight"),
    "vp": ("br_viewwidth", "br_viewheight"),
    "ds": ("doc_width", "doc_height"),
}
# What the collector may have filled as well: nobody can tell whether the tracker sent it.
_NOT_THE_TRACKERS = frozenset({"e", "ip", "ua", "cv", "nuid", "tnuid", *_PAIRS})
_PARAMETERS: dict[str, str] = {}
for _name, _position in COLUMN_OF_PARAMETER.items():
    if _name not in _NOT_THE_TRACKERS:
        _PARAMETERS.setdefault(ATOMIC_COLUMNS[_position].name, _name)
_VALIDATING = "Error while validating the event."
_ERRORS = {
    "schema_violations": _VALIDATING,
    "enrichment_failures": _VALIDATING,
    "adapter_failures": (
        "Error while extracting event(s) from collector payload and validating it/them."
    ),
    "tracker_protocol_violations": (
        "Error while extracting event(s) from collector payload and validating it/them."
    ),
    "collector_payload_format_violation": "Can't deserialize Thrift bytes.",
    "size_violation": "The request is too large.",
    "loader_iglu_error": "Error while storing the event.",
    "loader_parsing_error": "Error while storing the event.",
}
_TP2 = {"vendor": "com.snowplowanalytics.snowplow", "version": "tp2"}


def enriched(line: str) -> EnrichedEvent:
    """A stored line as an event again."""
    fields = fields_of(line)
    event = EnrichedEvent(fields=fields, unstruct_event=None, contexts=[], derived_contexts=[])
    event.contexts = _entities(event["contexts"])
    event.derived_contexts = _entities(event["derived_contexts"])
    unstruct = json.loads(event["unstruct_event"] or "null")
    if unstruct is not None:
        inner = unstruct["data"]
        event.unstruct_event = SelfDescribingJson(inner["schema"], inner["data"])
    return event


def lossy(line: str) -> dict[str, Any]:
    """The event as the analytics SDKs' lossy JSON; see `EnrichedEvent.json_object`."""
    return enriched(line).json_object()


def whole(line: str) -> dict[str, Any]:
    """All 131 columns, typed; self-describing JSON in its envelopes, `{}` where there is none."""
    event: dict[str, Any] = {}
    for column, text in zip(ATOMIC_COLUMNS, fields_of(line), strict=True):
        if column.type != "json":
            event[column.name] = None if text is None else read_column(column.name, text)
        elif column.name == "unstruct_event":
            event[column.name] = None if text is None else json.loads(text)
        else:
            event[column.name] = {} if text is None else json.loads(text)
    return event


def good_event(row: Row, raw: Mapping[str, Any] | None) -> dict[str, Any]:
    """Micro's *GoodEvent* of a good event; `raw` is its *RawEvent*, None where it is not kept."""
    line: str = row["document"]
    return {
        "rawEvent": raw or _raw_event(columns_of(line)),
        "eventType": row["type"],
        "schema": row["schema"],
        "contexts": row["entities"],
        "event": whole(line),
        "incomplete": False,
    }


def bad_event(row: Row) -> dict[str, Any]:
    """Micro's *BadEvent* of a failed event."""
    document: str = row["document"]
    payload: Any = None
    try:
        payload = json.loads(document)["data"].get("payload")
    except (ValueError, LookupError, TypeError, AttributeError):
        payload = None  # a bad row of nobody's making: there is only its text
    if not isinstance(payload, dict):
        payload = {}
    raw = payload.get("raw")
    request = raw if isinstance(raw, dict) else payload
    has_request = "vendor" in request
    kind = row["name"]
    return {
        "collectorPayload": _collector_payload(request) if has_request else None,
        "rawEvent": _raw_of_bad_row(request) if isinstance(raw, dict) and has_request else None,
        "errors": [_ERRORS.get(kind, f"The event failed: {kind}."), document],
    }


def _raw_event(columns: Mapping[str, str | None]) -> dict[str, Any]:
    """A request that would have made the stored event."""
    return {
        "api": _TP2,
        "parameters": parameters_of(columns),
        "contentType": "application/json",
        "source": {"name": columns["v_collector"], "encoding": "UTF-8", "hostname": None},
        "context": {
            "timestamp": _iso(columns["collector_tstamp"]),
            "ipAddress": columns["user_ipaddress"],
            "useragent": columns["useragent"],
            "refererUri": None,
            "headers": [],
            "userId": columns["network_userid"],
        },
    }


def parameters_of(columns: Mapping[str, str | None]) -> dict[str, str]:
    """The tracker's parameters that would have filled these columns."""
    found: dict[str, str] = {}
    event = columns["event"]
    if event is not None:
        found["e"] = _CODES.get(event, event)
    for column, parameter in _PARAMETERS.items():
        text = columns[column]
        if text is None:
            continue
        moment = epoch_ms(text) if column.endswith("_tstamp") else None
        found[parameter] = text if moment is None else str(moment)
    for parameter, (width, height) in _PAIRS.items():
        if columns[width] and columns[height]:
            found[parameter] = f"{columns[width]}x{columns[height]}"
    for parameter, column in (("ue_pr", "unstruct_event"), ("co", "contexts")):
        text = columns[column]
        if text is not None:
            found[parameter] = text
    return found


def _collector_payload(request: Mapping[str, Any]) -> dict[str, Any]:
    pairs = request.get("querystring") or []
    return {
        "api": {"vendor": request.get("vendor"), "version": request.get("version")},
        "querystring": [f"{pair['name']}={pair['value'] or ''}" for pair in pairs],
        "contentType": request.get("contentType"),
        "body": request.get("body"),
        **_origin(request),
    }


def _raw_of_bad_row(request: Mapping[str, Any]) -> dict[str, Any]:
    pairs = request.get("parameters") or []
    return {
        "api": {"vendor": request.get("vendor"), "version": request.get("version")},
        "parameters": {pair["name"]: pair["value"] for pair in pairs},
        "contentType": request.get("contentType"),
        **_origin(request),
    }


def _origin(request: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "source": {
            "name": request.get("collector") or request.get("loaderName"),
            "encoding": request.get("encoding"),
            "hostname": request.get("hostname"),
        },
        "context": {
            "timestamp": request.get("timestamp"),
            "ipAddress": request.get("ipAddress"),
            "useragent": request.get("useragent"),
            "refererUri": request.get("refererUri"),
            "headers": request.get("headers") or [],
            "userId": request.get("userId") or request.get("networkUserId"),
        },
    }


def _entities(text: str | None) -> list[SelfDescribingJson]:
    if text is None:
        return []
    return [SelfDescribingJson(item["schema"], item["data"]) for item in json.loads(text)["data"]]


def _iso(text: str | None) -> str | None:
    return None if text is None else f"{text[:10]}T{text[11:]}Z"
