"""What pages in a web view bring along that would outlast a change of the level (promise 2).

A page has a tracker of its own, which knows nothing of the app's level: its session, its page view
and its tab go on when that changes.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.privacy.support import (
    ANONYMOUS,
    NONE,
    USER,
    Recorder,
    Scene,
    recorded,
    sent_text,
    session_of,
)

from whiteout import Anonymisation, WebViewBridge

ORIGIN = "https://shop.example"
VENDOR = "iglu:com.snowplowanalytics.snowplow"
PAGE = {
    "session": "5e551011-0000-4000-8000-000000000001",
    "first event": "5e551011-0000-4000-8000-000000000002",
    "page view": "5e551011-0000-4000-8000-000000000003",
    "tab": "5e551011-0000-4000-8000-000000000004",
}
ENTITIES: list[dict[str, Any]] = [
    {
        "schema": f"{VENDOR}/client_session/jsonschema/1-0-2",
        "data": {
            "userId": "5e551011-0000-4000-8000-000000000005",
            "sessionId": PAGE["session"],
            "sessionIndex": 7,
            "eventIndex": 41,
            "previousSessionId": None,
            "storageMechanism": "COOKIE_1",
            "firstEventId": PAGE["first event"],
            "firstEventTimestamp": "2026-01-01T00:00:00.000Z",
        },
    },
    {"schema": f"{VENDOR}/web_page/jsonschema/1-0-0", "data": {"id": PAGE["page view"]}},
    {
        "schema": f"{VENDOR}/browser_context/jsonschema/2-0-0",
        "data": {
            "viewport": "800x600",
            "documentSize": "800x2000",
            "resolution": "800x600",
            "colorDepth": 24,
            "cookiesEnabled": True,
            "online": True,
            "tabId": PAGE["tab"],
        },
    },
]
PING = {
    "atomicProperties": json.dumps({"eventName": "pp", "pageUrl": f"{ORIGIN}/sizes"}),
    "entities": json.dumps(ENTITIES),
}


@pytest.mark.parametrize("level", [level for level in ANONYMOUS if USER in level])
def test_L22_what_a_page_made_while_identified_is_on_no_anonymous_event(
    scene: Scene, level: Anonymisation
) -> None:
    recorder = Recorder()
    tracker = recorded(scene, recorder, NONE)
    bridge = WebViewBridge([scene.namespace], allowed_origins=[ORIGIN])

    bridge.receive(PING, origin=ORIGIN)
    tracker.anonymisation = level
    bridge.receive(PING, origin=ORIGIN)

    assert tracker.flush()
    identified, anonymous = map(sent_text, recorder.requests)
    assert PAGE["page view"] in identified
    assert PAGE["tab"] in identified
    assert not [name for name, value in PAGE.items() if value in anonymous]
    assert "800x2000" in anonymous  # what a browser is like passes, as far as the profile lets it


def test_L1_a_page_s_session_stands_beside_the_app_s_on_no_event(scene: Scene) -> None:
    """It would go on across the boundary, and name who it was before."""
    recorder = Recorder()
    tracker = recorded(scene, recorder, NONE)
    bridge = WebViewBridge([scene.namespace], allowed_origins=[ORIGIN])

    bridge.receive(PING, origin=ORIGIN)

    assert tracker.flush()
    assert PAGE["session"] not in sent_text(recorder.requests[0])
    (event,) = recorder.events
    assert session_of(event)["sessionIndex"] == 1
    assert bridge.skipped_entities == 1
