"""The bridge: whom a page may speak to, from where, how often, and how anonymously."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.clock import ManualClock
from tests.support.collector import entities, entity, unstructured
from tests.support.trackers import Wire, a_tracker

import whiteout
from whiteout import (
    Anonymisation,
    ConfigurationError,
    EmitterConfiguration,
    Event,
    InspectableEvent,
    PluginConfiguration,
    ScreenView,
    SelfDescribingJson,
    SubjectConfiguration,
    TrackerConfiguration,
)
from whiteout.identifiers import NULL_UUID
from whiteout.tracker.web_view import WebViewBridge, origin_of
from whiteout.tracker.web_view_messages import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whiteout import Tracker

ORIGIN = "https://shop.example"
PAGE_VIEW = {"command": "trackPageView", "event": {"url": "https://shop.example/"}}
SCREEN_ID = "0b7c2f66-3c5e-4a2e-8a63-5b0e6a9d5f01"
SCREEN_VIEW = {"command": "trackScreenView", "event": {"name": "Cart", "id": SCREEN_ID}}
LINK_CLICK: dict[str, Any] = {
    "schema": "iglu:com.snowplowanalytics.snowplow/link_click/jsonschema/1-0-1",
    "data": {"targetUrl": "https://other.example/"},
}


def v2(atomic: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    return {"atomicProperties": json.dumps(atomic), **more}


def to(message: dict[str, Any], *trackers: str) -> dict[str, Any]:
    return message | {"trackers": [*trackers]}


class Scribe:
    """A tracker that only writes down."""

    def __init__(self, level: Anonymisation = Anonymisation.NONE, *, raises: bool = False) -> None:
        self.effective_anonymisation = level
        self.raises = raises
        self.tracked: list[tuple[Event, Anonymisation]] = []

    def track(self, event: Event, *, anonymisation: Anonymisation) -> str | None:
        if self.raises:
            raise ConfigurationError("wrong")
        self.tracked.append((event, anonymisation))
        return "an id"


def a_bridge(*, clock: ManualClock | None = None, limit: int = 600, **trackers: Scribe) -> Any:  # noqa: ANN401 - a bridge
    return WebViewBridge(
        list(trackers),
        allowed_origins=[ORIGIN],
        max_events_per_minute=limit,
        find_tracker=trackers.get,
        clock=clock or ManualClock(),
    )


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def tracker(wire: Wire, tmp_path: Path) -> Iterator[Tracker]:
    subject = SubjectConfiguration(user_id="canary-user", user_agent="the app's own")
    with a_tracker(wire.network, tmp_path, subject, namespace="shop") as tracker:
        yield tracker


# --- M4: from the page to the wire ----------------------------------------------------------------


def test_a_v2_event_arrives_as_the_page_made_it(tracker: Tracker, wire: Wire) -> None:
    bridge = WebViewBridge(["shop"], allowed_origins=[ORIGIN])
    atomic = {"eventName": "pp", "pageUrl": "https://shop.example/", "pingYOffsetMax": 7}

    bridge.receive(v2(atomic, entities=json.dumps([LINK_CLICK])), origin=ORIGIN)

    assert tracker.flush()
    (event,) = wire.events
    assert event["e"] == "pp"
    assert event["url"] == "https://shop.example/"
    assert event["pp_may"] == "7"
    assert event["tna"] == "shop"
    assert event["tv"].startswith("whiteout-")
    assert event["ua"] == "the app's own"
    assert LINK_CLICK in entities(event)
    assert bridge.tracked == 1
    assert bridge.refusals == {}


def test_a_v2_event_without_a_name_arrives_with_its_body(tracker: Tracker, wire: Wire) -> None:
    bridge = WebViewBridge(["shop"], allowed_origins=[ORIGIN])

    bridge.receive(v2({}, selfDescribingEventData=json.dumps(LINK_CLICK)), origin=ORIGIN)

    assert tracker.flush()
    (event,) = wire.events
    assert event["e"] == "ue"
    assert unstructured(event) == LINK_CLICK


def test_version_and_user_agent_of_the_page_replace_the_apps(tracker: Tracker, wire: Wire) -> None:
    """Each name once: what a reader makes of a repeated one is its own decision."""
    bridge = WebViewBridge(["shop"], allowed_origins=[ORIGIN])

    bridge.receive(
        v2({"eventName": "pv", "trackerVersion": "js-4", "useragent": "Mozilla"}), origin=ORIGIN
    )
    bridge.receive(PAGE_VIEW, origin=ORIGIN)

    assert tracker.flush()
    by_version = {event["tv"]: event["ua"] for event in wire.events}
    assert by_version.pop("js-4") == "Mozilla"
    assert list(by_version.values()) == ["the app's own"]
    body = b"".join(request.body or b"" for request in wire.requests)
    assert body.count(b'"tv":') == body.count(b'"ua":') == 2


def test_while_anonymous_a_page_cannot_bring_an_identifier_back(
    tracker: Tracker, wire: Wire
) -> None:
    """Parameters, links and entities of a page pass the gate (leak L32)."""
    tracker.anonymisation = Anonymisation.USER
    bridge = WebViewBridge(["shop"], allowed_origins=[ORIGIN])
    session = {
        "schema": "iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2",
        "data": {"userId": "canary-session-user", "previousSessionId": "canary-previous"},
    }
    url = "https://shop.example/?_sp=canary-link.1&gclid=canary-click&page=2"
    atomic = {"eventName": "pv", "pageUrl": url, "referrer": url, "uid": "canary-uid"}

    bridge.receive(v2(atomic | {"userId": "canary-uid"}, entities=[session]), origin=ORIGIN)

    assert tracker.flush()
    (event,) = wire.events
    assert event["url"] == event["refr"] == "https://shop.example/?page=2"
    assert "uid" not in event
    assert "canary" not in json.dumps([event, entities(event)])
    forged = [item["data"] for item in entities(event) if item["schema"] == session["schema"]]
    assert {data["userId"] for data in forged} == {NULL_UUID}


def test_M4_a_page_s_screen_view_of_the_second_form_is_no_view_of_the_app(  # noqa: N802 - its id
    wire: Wire, tmp_path: Path
) -> None:
    """Whatever a page says: it moves no screen, no summary, no lifecycle and no deep link."""
    mobile, web = "iglu:com.snowplowanalytics.mobile", "iglu:com.snowplowanalytics.snowplow"
    with a_tracker(
        wire.network,
        tmp_path,
        TrackerConfiguration(platform_context=False, install_autotracking=False),
        namespace="states",
    ) as tracker:
        bridge = WebViewBridge(["states"], allowed_origins=[ORIGIN])
        tracker.track(ScreenView(name="of the app"))
        for schema, data in (
            (f"{mobile}/screen_view/jsonschema/1-0-0", {"name": "of the page", "id": NULL_UUID}),
            (f"{mobile}/screen_end/jsonschema/1-0-0", {}),
            (f"{mobile}/list_item_view/jsonschema/1-0-0", {"index": 3}),
            (f"{web}/application_background/jsonschema/1-0-0", {"backgroundIndex": 1}),
            (f"{mobile}/deep_link_received/jsonschema/1-0-0", {"url": "https://h/"}),
        ):
            message = {"schema": schema, "data": data}
            bridge.receive(v2({}, selfDescribingEventData=json.dumps(message)), origin=ORIGIN)
        tracker.track(ScreenView(name="the next"))
        assert tracker.flush()

    assert bridge.tracked == 5
    names = [unstructured(event)["schema"].split("/")[1] for event in wire.events]
    assert names.count("screen_end") == 2  # the page's own, and that of the app's screen
    assert [(entity(event, "screen") or {})["name"] for event in wire.events] == [
        *["of the app"] * 7,
        "the next",
    ]
    assert all((entity(event, "application_lifecycle") or {})["isVisible"] for event in wire.events)
    summary = entity(wire.events[-2], "screen_summary")
    assert summary is not None
    assert "last_item_index" not in summary
    assert entity(wire.events[-1], "deep_link") is None


def test_a_message_that_arrives_in_a_scope_is_as_anonymous_as_that_for_all(
    tracker: Tracker, wire: Wire, tmp_path: Path
) -> None:
    """The identified copy would say whose the anonymous one is."""
    with a_tracker(wire.network, tmp_path, namespace="support"):
        bridge = WebViewBridge(["shop", "support"], allowed_origins=[ORIGIN])
        with tracker.scope(anonymisation=Anonymisation.FULL):
            bridge.receive(to(PAGE_VIEW, "support", "shop"), origin=ORIGIN)
        support = whiteout.get_tracker("support")
        assert support is not None
        assert support.flush()
        assert tracker.flush()

    assert len(wire.requests) == 2
    assert all("SP-Anonymous" in request.headers for request in wire.requests)
    assert "canary" not in str(wire.events)


@pytest.mark.parametrize(
    "version",
    [
        "ada@example.com",
        "8d3f6a3e-1111-4c4c-8888-00000000000a",
        "js/4",
        "x" * 65,
        "4917012345678",
        "js-4\n",
        "",
    ],
)
@pytest.mark.parametrize("level", [Anonymisation.NONE, Anonymisation.USER])
def test_a_version_that_is_none_of_a_tracker_does_not_replace_the_apps(
    tracker: Tracker, wire: Wire, version: str, level: Anonymisation
) -> None:
    tracker.anonymisation = level
    bridge = WebViewBridge(["shop"], allowed_origins=[ORIGIN])

    bridge.receive(v2({"eventName": "pv", "trackerVersion": version}), origin=ORIGIN)

    assert tracker.flush()
    (event,) = wire.events
    assert event["tv"].startswith("whiteout-")


def test_M4_plugins_see_the_name_and_the_schema_of_a_page_s_event(  # noqa: N802 - its id
    wire: Wire, tmp_path: Path
) -> None:
    seen: list[tuple[str, str | None]] = []

    def entities(event: InspectableEvent) -> list[SelfDescribingJson]:
        seen.append((event.name, event.schema))
        return [SelfDescribingJson("iglu:com.acme/seen/jsonschema/1-0-0", {"by": "plugin"})]

    link = PluginConfiguration(
        identifier="links", entities=entities, entities_schemas=[LINK_CLICK["schema"]]
    )
    veto = PluginConfiguration(identifier="no-pings", filter=lambda event: event.name != "pp")
    with a_tracker(wire.network, tmp_path, link, veto, namespace="plugged") as tracker:
        bridge = WebViewBridge(["plugged"], allowed_origins=[ORIGIN])
        bridge.receive(v2({}, selfDescribingEventData=json.dumps(LINK_CLICK)), origin=ORIGIN)
        bridge.receive(v2({"eventName": "pp", "pageUrl": "https://h/"}), origin=ORIGIN)
        bridge.receive(v2({"eventName": "pv", "pageUrl": "https://h/"}), origin=ORIGIN)
        assert tracker.flush()

    assert seen == [("ue", LINK_CLICK["schema"])]
    assert [event["e"] for event in wire.events] == ["ue", "pv"]
    assert [entity(event, "seen") for event in wire.events] == [{"by": "plugin"}, None]


# --- whom, from where -----------------------------------------------------------------------------


def test_a_message_that_names_no_tracker_goes_to_the_first() -> None:
    shop, support = Scribe(), Scribe()
    bridge = a_bridge(shop=shop, support=support)

    bridge.receive(PAGE_VIEW, origin=ORIGIN)
    bridge.receive(to(PAGE_VIEW), origin=ORIGIN)
    bridge.receive(to(PAGE_VIEW, "support"), origin=ORIGIN)

    assert (len(shop.tracked), len(support.tracked)) == (2, 1)


def test_a_page_cannot_speak_to_a_tracker_that_the_bridge_does_not_serve() -> None:
    served, private = Scribe(), Scribe()
    everybody = {"served": served, "private": private}
    bridge = WebViewBridge(["served"], allowed_origins=[ORIGIN], find_tracker=everybody.get)

    bridge.receive(to(PAGE_VIEW, "private", "served", "nobody"), origin=ORIGIN)

    assert private.tracked == []
    assert len(served.tracked) == 1
    assert bridge.refusals == {Refusal.UNKNOWN_TRACKER: 2}


def test_a_tracker_that_is_made_again_goes_on_being_served() -> None:
    trackers = {"shop": Scribe()}
    bridge = WebViewBridge(["shop"], allowed_origins=[ORIGIN], find_tracker=trackers.get)
    del trackers["shop"]
    bridge.receive(PAGE_VIEW, origin=ORIGIN)

    trackers["shop"] = Scribe()
    bridge.receive(PAGE_VIEW, origin=ORIGIN)

    assert len(trackers["shop"].tracked) == 1
    assert bridge.refusals == {Refusal.UNKNOWN_TRACKER: 1}


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "",
        "null",
        "http://shop.example",
        "https://shop.example.evil",
        "https://shop.example@evil",
        "https://shop.example:444",
        "https://shop.example\\@evil",
        "https://evil/?https://shop.example",
        "https://sub.shop.example",
        "https://shop.example\n",
        "about:blank",
        "data:text/html,x",
        "file:///etc/passwd",
        "javascript:https://shop.example",
    ],
)
def test_a_page_from_elsewhere_is_not_listened_to(origin: str | None) -> None:
    scribe = Scribe()
    bridge = a_bridge(shop=scribe)

    bridge.receive(PAGE_VIEW, origin=origin)

    assert scribe.tracked == []
    assert bridge.refusals == {Refusal.ORIGIN: 1}


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example",
        "https://shop.example/",
        "https://shop.example:443/cart?id=1#top",
        "HTTPS://Shop.Example/cart",
        "https://shop.example?x",
    ],
)
def test_any_page_of_an_allowed_origin_is_listened_to(url: str) -> None:
    scribe = Scribe()

    a_bridge(shop=scribe).receive(PAGE_VIEW, origin=url)

    assert len(scribe.tracked) == 1


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://127.0.0.1:8080/index.html", "http://127.0.0.1:8080"),
        ("http://[::1]:080/", "http://[::1]"),
        ("file:///home/app/index.html", "file://"),
        ("ftp://shop.example/", None),
        ("http://", None),
    ],
)
def test_the_origin_of_a_url(url: str, origin: str | None) -> None:
    assert origin_of(url) == origin


# --- several trackers -----------------------------------------------------------------------------


def test_an_event_for_several_trackers_is_as_anonymous_as_the_strictest_of_them() -> None:
    levels = (Anonymisation.NONE, Anonymisation.USER, Anonymisation.SERVER)
    trackers = [Scribe(level) for level in levels]
    bridge = a_bridge(a=trackers[0], b=trackers[1], c=trackers[2], other=Scribe(Anonymisation.FULL))

    bridge.receive(to(PAGE_VIEW, "a", "b", "c"), origin=ORIGIN)
    bridge.receive(to(PAGE_VIEW, "a"), origin=ORIGIN)

    together = Anonymisation.USER | Anonymisation.SERVER
    assert [tracker.tracked[0][1] for tracker in trackers] == [together] * 3
    assert trackers[0].tracked[1][1] is Anonymisation.NONE


def test_each_of_several_trackers_makes_its_own_ids(wire: Wire, tmp_path: Path) -> None:
    anonymous = TrackerConfiguration(
        platform_context=False, user_anonymisation=True, install_autotracking=False
    )
    storage = EmitterConfiguration(storage_dir=tmp_path)
    with (
        a_tracker(wire.network, tmp_path, storage, namespace="identified") as identified,
        a_tracker(wire.network, tmp_path, storage, anonymous, namespace="anonymous") as other,
    ):
        bridge = WebViewBridge(["identified", "anonymous"], allowed_origins=[ORIGIN])
        bridge.receive(to(SCREEN_VIEW, "identified", "anonymous"), origin=ORIGIN)
        assert identified.flush()
        assert other.flush()

    first, second = wire.events
    assert first["eid"] != second["eid"]
    screens = [unstructured(event)["data"]["id"] for event in (first, second)]
    assert len({*screens, SCREEN_ID}) == 3
    sessions = [entity(event, "client_session") for event in (first, second)]
    assert [session and session["userId"] for session in sessions] == [NULL_UUID, NULL_UUID]
    assert len({session["sessionId"] for session in sessions if session}) == 2


# --- faults and limits ----------------------------------------------------------------------------


@pytest.mark.parametrize("tracker", [Scribe(raises=True), None])
def test_nothing_is_raised_into_the_page(tracker: Scribe | None) -> None:
    def find(namespace: str) -> Scribe:
        if tracker is None:
            raise RuntimeError(namespace)
        return tracker

    bridge = WebViewBridge(["shop"], allowed_origins=[ORIGIN], find_tracker=find)

    bridge.receive(PAGE_VIEW, origin=ORIGIN)
    bridge.receive("{", origin=ORIGIN)

    assert bridge.refusals == {Refusal.FAILED: 1, Refusal.NOT_JSON: 1}
    assert bridge.tracked == 0


def test_entities_that_were_left_out_are_counted() -> None:
    bridge = a_bridge(shop=Scribe())

    bridge.receive(PAGE_VIEW | {"context": [LINK_CLICK, {"schema": "x"}, 7]}, origin=ORIGIN)

    assert bridge.skipped_entities == 2


def test_a_page_that_floods_is_cut_off_and_listened_to_again_later() -> None:
    clock = ManualClock()
    scribe = Scribe()
    bridge = a_bridge(shop=scribe, clock=clock, limit=60)
    for _ in range(100):
        bridge.receive(PAGE_VIEW, origin=ORIGIN)
    assert len(scribe.tracked) == 60

    clock.advance(2)
    for _ in range(100):
        bridge.receive(PAGE_VIEW, origin=ORIGIN)

    assert len(scribe.tracked) == 62
    assert bridge.refusals == {Refusal.TOO_OFTEN: 138}


def test_a_page_from_elsewhere_does_not_use_up_the_limit() -> None:
    scribe = Scribe()
    bridge = a_bridge(shop=scribe, limit=1)
    bridge.receive(PAGE_VIEW, origin="https://evil.example")

    bridge.receive(PAGE_VIEW, origin=ORIGIN)

    assert len(scribe.tracked) == 1


def test_logs_say_why_but_not_what(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bridge = a_bridge(shop=Scribe(raises=True))
    for message, origin in (
        (PAGE_VIEW, ORIGIN),
        (PAGE_VIEW, "https://canary.example/?canary"),
        ({"command": "canary"}, ORIGIN),
        ({"command": "trackPageView", "event": {"url": ["canary"]}}, ORIGIN),
        (to(PAGE_VIEW, "canary"), ORIGIN),
    ):
        bridge.receive(message, origin=origin)

    assert len(caplog.messages) == 5
    assert not [message for message in caplog.messages if "canary" in message]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"trackers": []}, "trackers"),
        ({"trackers": "shop"}, "trackers"),
        ({"trackers": [""]}, "trackers"),
        ({"allowed_origins": []}, "allowed_origins"),
        ({"allowed_origins": "https://shop.example"}, "allowed_origins"),
        ({"allowed_origins": ["*"]}, "allowed_origins"),
        ({"allowed_origins": ["https://*.shop.example"]}, "allowed_origins"),
        ({"allowed_origins": ["https://shop.example/cart"]}, "allowed_origins"),
        ({"allowed_origins": ["null"]}, "allowed_origins"),
        ({"allowed_origins": [None]}, "allowed_origins"),
        ({"max_events_per_minute": 0}, "max_events_per_minute"),
        ({"max_events_per_minute": True}, "max_events_per_minute"),
    ],
)
def test_a_bridge_that_is_wrongly_made_is_refused(wrong: dict[str, Any], field: str) -> None:
    arguments: dict[str, Any] = {"trackers": ["shop"], "allowed_origins": [ORIGIN], **wrong}
    with pytest.raises(ConfigurationError, match=f"^{field} must"):
        WebViewBridge(**arguments)
