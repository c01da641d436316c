"""Events as the page keeps them, for tests of the page."""

from __future__ import annotations

import json
from typing import Any

from whiteout.enrich.atomic import ATOMIC_COLUMNS
from whiteout.web.entries import Entry, columns_of

NOW = 1_800_000_000_000
SESSION = "6f0ec5c4-0000-4000-8000-000000000001"
BEFORE = "6f0ec5c4-0000-4000-8000-000000000000"
SCREEN = "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0"
ENTITY = "iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2"
UNSTRUCT = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"
CONTEXTS = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1"


def document(index: int | None, name: str = "", **columns: str) -> str:
    """An enriched line of a screen view with a session entity.

    Args:
        index: of the event in its session; None is an event without the entity.
        name: of the screen; empty is an event without data.
        **columns: of the atomic event.
    """
    values = dict(columns)
    if name:
        screen = {"schema": SCREEN, "data": {"name": name, "id": SESSION}}
        values["unstruct_event"] = json.dumps({"schema": UNSTRUCT, "data": screen})
    if index is not None:
        data: dict[str, Any] = {
            "sessionId": SESSION,
            "previousSessionId": BEFORE,
            "sessionIndex": 3,
            "eventIndex": index,
        }
        values["contexts"] = json.dumps(
            {"schema": CONTEXTS, "data": [{"schema": ENTITY, "data": data}]}
        )
    line = "\t".join(values.get(column.name, "") for column in ATOMIC_COLUMNS)
    assert columns_of(line)["contexts"] == values.get("contexts")
    return line


def entry(seconds: float, text: str, *, session: str | None = SESSION, level: int = 1) -> Entry:
    """An event that was tracked `seconds` after `NOW`."""
    return Entry(
        status="good",
        type="unstruct",
        name="screen_view",
        schema=SCREEN,
        event_schema=None,
        app_id="shop",
        session=session,
        level=level,
        event_id=None,
        entities=(),
        tracked_ms=NOW + int(seconds * 1_000),
        sent_ms=None,
        collected_ms=NOW,
        enriched_ms=NOW,
        stored_ms=NOW,
        vendor=None,
        version=None,
        repeated=False,
        document=text,
    )
