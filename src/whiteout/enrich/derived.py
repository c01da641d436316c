"""Columns that follow from others: URL parts, the derived timestamp, the event's schema.

Source: reference section 2.5.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from whiteout.enrich import conversions, timestamps
from whiteout.enrich.atomic import COLUMN_INDEX
from whiteout.enrich.conversions import ConversionError
from whiteout.enrich.failure import enrichment_failure, unmet_expectation
from whiteout.enrich.urls import cross_navigation, split_url
from whiteout.protocol.iglu import parse_schema_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whiteout.enrich.failure import Message
    from whiteout.enrich.load import Request
    from whiteout.enrich.mapping import Mapped
    from whiteout.protocol.self_describing import SelfDescribingJson

_EVENT = COLUMN_INDEX["event"]
_V_COLLECTOR = COLUMN_INDEX["v_collector"]
_PAGE_URL, _PAGE_REFERRER = COLUMN_INDEX["page_url"], COLUMN_INDEX["page_referrer"]
_REFR_DOMAIN_USERID = COLUMN_INDEX["refr_domain_userid"]
_REFR_DVCE_TSTAMP = COLUMN_INDEX["refr_dvce_tstamp"]
_DERIVED_TSTAMP = COLUMN_INDEX["derived_tstamp"]
# The six parts of a URL stand side by side: scheme, host, port, path, query, fragment.
_PAGE_PARTS = slice(COLUMN_INDEX["page_urlscheme"], COLUMN_INDEX["page_urlfragment"] + 1)
_REFERRER_PARTS = slice(COLUMN_INDEX["refr_urlscheme"], COLUMN_INDEX["refr_urlfragment"] + 1)
_PAGE_QUERY = COLUMN_INDEX["page_urlquery"]
# event_vendor, event_name, event_format and event_version stand side by side.
_SCHEMA_COLUMNS = slice(COLUMN_INDEX["event_vendor"], COLUMN_INDEX["event_version"] + 1)

_SNOWPLOW = "com.snowplowanalytics.snowplow"
_SCHEMAS: Mapping[str, tuple[str, str, str, str]] = {
    **{
        name: (_SNOWPLOW, name, "jsonschema", "1-0-0")
        for name in ("page_view", "page_ping", "transaction", "transaction_item")
    },
    "struct": ("com.google.analytics", "event", "jsonschema", "1-0-0"),
}


def derive(
    request: Request, mapped: Mapped, unstruct_event: SelfDescribingJson | None
) -> list[Message]:
    """Fill the derived columns; what could not be derived is returned as failures."""
    fields = mapped.fields
    failures: list[Message] = []
    if fields[_V_COLLECTOR] is None:
        failures.append(_failure("v_collector", None, "must be set"))
    if fields[_PAGE_URL] is None and request.payload.referer_uri is not None:
        fields[_PAGE_URL] = conversions.text(request.payload.referer_uri)
    if fields[_PAGE_URL] is not None:
        failures += _derive_url(fields, _PAGE_URL, _PAGE_PARTS, "page_url")
        failures += _derive_cross_navigation(fields)
    if fields[_PAGE_REFERRER] is not None:
        failures += _derive_url(fields, _PAGE_REFERRER, _REFERRER_PARTS, "page_referrer")
    fields[_DERIVED_TSTAMP] = _derived_timestamp(request.payload.timestamp, mapped.times)
    failures += derive_schema(fields, unstruct_event)
    return failures


def _derive_url(fields: list[str | None], column: int, parts: slice, name: str) -> list[Message]:
    url = (fields[column] or "").replace(" ", "%20")
    fields[column] = url
    try:
        scheme, host, port, path, query, fragment = split_url(url)
    except ConversionError as error:
        return [_failure(name, url, str(error))]
    fields[parts] = scheme, host, str(port), path, query, fragment
    return []


def _derive_cross_navigation(fields: list[str | None]) -> list[Message]:
    query = fields[_PAGE_QUERY]
    decoration = None if query is None else cross_navigation(query)
    if decoration is None:
        return []
    domain_user_id, _, rest = decoration.partition(".")
    time = rest.partition(".")[0]
    fields[_REFR_DOMAIN_USERID] = conversions.text(domain_user_id)
    if not time:
        return []
    try:
        fields[_REFR_DVCE_TSTAMP] = timestamps.to_text(conversions.epoch_ms(time))
    except ConversionError as error:
        return [_failure("sp_dtm", time, str(error))]
    return []


def _derived_timestamp(collector: int, times: Mapping[str, int]) -> str | None:
    """The true time, else the collector's time minus what the event had waited on the device."""
    derived = times.get("ttm")
    if derived is None:
        created, sent = times.get("dtm"), times.get("stm")
        derived = collector
        if created is not None and sent is not None and created < sent:
            derived = collector - (sent - created)
            # A device clock that is millennia off leads out of the calendar.
            if not timestamps.is_writable(derived):
                derived = collector
    return timestamps.to_text(derived) if timestamps.is_writable(derived) else None


def derive_schema(
    fields: list[str | None], unstruct_event: SelfDescribingJson | None
) -> list[Message]:
    """Fill the columns that name the event's schema; a type that has none is a failure."""
    event = fields[_EVENT]
    if event == "unstruct":
        if unstruct_event is not None:
            fields[_SCHEMA_COLUMNS] = _schema_parts(unstruct_event.schema)
        return []
    schema = _SCHEMAS.get(event or "")
    if schema is None:
        return [_failure("event", event, "event type has no schema")]
    fields[_SCHEMA_COLUMNS] = schema
    return []


@lru_cache(maxsize=1024)  # an application has few kinds of events
def _schema_parts(uri: str) -> tuple[str, str, str, str]:
    key = parse_schema_key(uri)
    return key.vendor, key.name, key.format, key.version


def _failure(field: str, value: str | None, expectation: str) -> Message:
    return enrichment_failure(unmet_expectation(field, value, expectation))
