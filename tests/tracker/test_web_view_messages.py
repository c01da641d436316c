"""Reading what pages say: both versions, every key, and nothing that breaks the reader."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout import Event, PageView, ScreenView, SelfDescribing, SelfDescribingJson, Structured
from whiteout.events.web_view import WebViewEvent
from whiteout.tracker.web_view_messages import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    MAX_ENTITIES,
    MAX_TRACKERS,
    MAX_VALUES,
    Refusal,
    RefusedError,
    WebViewMessage,
    read,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA = "iglu:com.acme/user/jsonschema/1-0-0"
ENTITY = {"schema": SCHEMA, "data": {"plan": "free"}}
ENTITIES = (SelfDescribingJson(SCHEMA, {"plan": "free"}),)
SCREEN_ID = "0b7c2f66-3c5e-4a2e-8a63-5b0e6a9d5f01"
OTHER_ID = "1c8d3f77-4d6f-4b3f-9b74-6c1f7bae6f12"

SCREEN: dict[str, Any] = {
    "name": "Cart",
    "id": SCREEN_ID,
    "type": "list",
    "previousName": "Home",
    "previousId": OTHER_ID,
    "previousType": "feed",
    "transitionType": "push",
}


def v1(command: str, event: object, **more: object) -> dict[str, Any]:
    return {"command": command, "event": event, **more}


def v2(atomic: object, **more: object) -> dict[str, Any]:
    """As the WebView tracker sends it: JSON text within the message."""
    texts = {key: json.dumps(value) if key != "trackers" else value for key, value in more.items()}
    return {"atomicProperties": json.dumps(atomic), **texts}


def refusal(message: object) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        read(message)
    return caught.value.refusal


V1_EVENTS: list[tuple[str, dict[str, Any], Event]] = [
    (
        "trackSelfDescribingEvent",
        {"schema": SCHEMA, "data": {"a": [1, None]}},
        SelfDescribing(schema=SCHEMA, data={"a": [1, None]}, entities=ENTITIES),
    ),
    (
        "trackStructEvent",
        {"category": "c", "action": "a", "label": "l", "property": "p", "value": 1.5},
        Structured(category="c", action="a", label="l", property="p", value=1.5, entities=ENTITIES),
    ),
    (
        "trackScreenView",
        SCREEN,
        ScreenView(
            name="Cart",
            screen_id=SCREEN_ID,
            type="list",
            previous_name="Home",
            previous_id=OTHER_ID,
            previous_type="feed",
            transition_type="push",
            entities=ENTITIES,
        ),
    ),
    (
        "trackPageView",
        {"url": "https://shop.example/", "title": "Shop", "referrer": "https://a.example/"},
        PageView(
            page_url="https://shop.example/",
            page_title="Shop",
            referrer="https://a.example/",
            entities=ENTITIES,
        ),
    ),
]


@pytest.mark.parametrize(("command", "content", "event"), V1_EVENTS)
@pytest.mark.parametrize("form", [lambda message: message, json.dumps])
def test_a_command_becomes_the_apps_own_event(
    command: str, content: dict[str, Any], event: Event, form: Callable[[object], object]
) -> None:
    """As a mapping, which iOS hands over, or as one JSON text."""
    message = v1(command, content, context=[ENTITY], trackers=["shop", "shop", "help"])

    alone = read(form(message | {"trackers": ["shop"]}))

    assert alone == WebViewMessage(event=event, trackers=("shop",))
    assert read(form(message)).trackers == ("shop", "help")


def test_the_parts_of_a_command_may_be_json_text_as_on_android() -> None:
    message = v1(
        "trackSelfDescribingEvent",
        {"schema": SCHEMA, "data": '{"a":1}'},
        context=json.dumps([ENTITY]),
        trackers=None,
    )

    expected = SelfDescribing(schema=SCHEMA, data={"a": 1}, entities=ENTITIES)
    assert read(message) == WebViewMessage(event=expected)


def test_a_command_with_only_what_it_needs() -> None:
    assert read(v1("trackStructEvent", {"category": "c", "action": "a", "value": None})).event == (
        Structured(category="c", action="a")
    )
    assert read(v1("trackScreenView", {"name": "Cart"})).event == ScreenView(name="Cart")
    assert read(v1("trackPageView", {"url": "u"})).event == PageView(page_url="u")


@pytest.mark.parametrize("wrong", ["", "7", 7, None, "not-a-uuid"])
def test_a_screen_id_that_is_no_uuid_is_left_to_the_tracker(wrong: object) -> None:
    event = read(v1("trackScreenView", SCREEN | {"id": wrong, "previousId": wrong})).event

    assert isinstance(event, ScreenView)
    assert event.screen_id is None
    assert event.previous_id is None


def test_a_screen_view_for_several_trackers_has_no_id_that_they_would_share() -> None:
    event = read(v1("trackScreenView", SCREEN, trackers=["shop", "help"])).event

    assert isinstance(event, ScreenView)
    assert event.screen_id is None
    assert event.previous_id is None
    assert event.previous_name == "Home"


def test_every_atomic_property_of_v2_is_read() -> None:
    atomic = {
        "eventName": "pp",
        "trackerVersion": "js-4.6.0",
        "useragent": "Mozilla/5.0",
        "pageUrl": "https://shop.example/cart",
        "pageTitle": "Cart",
        "referrer": "https://shop.example/",
        "category": "basket",
        "action": "add",
        "label": "shoe",
        "property": "size",
        "value": 9.5,
        "pingXOffsetMin": 1,
        "pingXOffsetMax": 2.0,
        "pingYOffsetMin": "3",
        "pingYOffsetMax": -4,
    }

    message = read(v2(atomic, entities=[ENTITY], trackers=["shop"], selfDescribingEventData=ENTITY))

    assert message == WebViewMessage(
        event=WebViewEvent(
            event_name="pp",
            self_describing_data=ENTITIES[0],
            tracker_version="js-4.6.0",
            useragent="Mozilla/5.0",
            page_url="https://shop.example/cart",
            page_title="Cart",
            referrer="https://shop.example/",
            category="basket",
            action="add",
            label="shoe",
            property="size",
            value=9.5,
            ping_x_offset_min=1,
            ping_x_offset_max=2,
            ping_y_offset_min=3,
            ping_y_offset_max=-4,
            entities=ENTITIES,
        ),
        trackers=("shop",),
    )


def test_a_v2_event_without_a_name_is_self_describing() -> None:
    message = read(v2({}, selfDescribingEventData=ENTITY))

    assert message.event == WebViewEvent(self_describing_data=ENTITIES[0])


def test_v2_gives_null_for_what_there_is_not() -> None:
    message = {
        "atomicProperties": '{"eventName":"pv","label":null}',
        "selfDescribingEventData": None,
        "entities": None,
        "trackers": None,
    }

    assert read(message) == WebViewMessage(event=WebViewEvent(event_name="pv"))


@pytest.mark.parametrize(
    "atomic",
    [
        {"uid": "x", "userId": "x", "duid": "x", "tnuid": "x", "ip": "x", "nuid": "x", "aid": "x"},
        {"user_id": "x", "domainUserId": "x", "entities": [ENTITY], "true_timestamp": 1},
    ],
)
def test_a_page_cannot_set_a_parameter_that_is_not_its_own(atomic: dict[str, Any]) -> None:
    event = read(v2({"eventName": "pv", **atomic})).event

    assert event.parameters() == {"e": "pv"}
    assert event.entities == ()


@pytest.mark.parametrize(
    "item",
    [
        {"schema": SCHEMA},
        {"data": {}},
        {"schema": "not iglu", "data": {}},
        {"schema": SCHEMA, "data": [1]},
        {"schema": SCHEMA, "data": None},
        {"schema": "iglu:com.acme/" + "x" * 300 + "/jsonschema/1-0-0", "data": {}},
        7,
        None,
    ],
)
def test_an_entity_that_is_none_is_skipped_and_the_event_is_tracked(item: object) -> None:
    for message in (
        v2({"eventName": "pv"}, entities=[item, ENTITY]),
        v1("trackPageView", {"url": "u"}, context=[item, ENTITY]),
    ):
        read_message = read(message)

        assert read_message.event.entities == ENTITIES
        assert read_message.skipped_entities == 1


STRUCTURED = {"category": "c", "action": "a"}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("{", Refusal.NOT_JSON),
        ("", Refusal.NOT_JSON),
        ("[]", Refusal.MALFORMED),
        (None, Refusal.MALFORMED),
        (b"{}", Refusal.NOT_JSON),
        (object(), Refusal.NOT_JSON),
        ({}, Refusal.UNKNOWN_COMMAND),
        ({"command": "setAnonymisation", "event": {}}, Refusal.UNKNOWN_COMMAND),
        ({"command": ["trackPageView"]}, Refusal.UNKNOWN_COMMAND),
        (v1("trackPageView", None), Refusal.MALFORMED),
        (v1("trackPageView", {}), Refusal.MALFORMED),
        (v1("trackPageView", {"url": ["u"]}), Refusal.MALFORMED),
        (v1("trackPageView", {1: "u"}), Refusal.MALFORMED),
        (v1("trackPageView", "{"), Refusal.NOT_JSON),
        (v1("trackStructEvent", {"category": "c"}), Refusal.MALFORMED),
        (v1("trackStructEvent", STRUCTURED | {"value": "much"}), Refusal.MALFORMED),
        (v1("trackStructEvent", STRUCTURED | {"value": True}), Refusal.MALFORMED),
        (v1("trackStructEvent", STRUCTURED | {"value": float("inf")}), Refusal.MALFORMED),
        (v1("trackStructEvent", STRUCTURED | {"value": 10**400}), Refusal.MALFORMED),
        (v1("trackSelfDescribingEvent", {"schema": SCHEMA}), Refusal.MALFORMED),
        (v1("trackSelfDescribingEvent", {"schema": "x", "data": {}}), Refusal.MALFORMED),
        (v1("trackScreenView", {"id": SCREEN_ID}), Refusal.MALFORMED),
        (v1("trackPageView", {"url": "u"}, context={"schema": SCHEMA}), Refusal.MALFORMED),
        (v1("trackPageView", {"url": "u"}, trackers="shop"), Refusal.MALFORMED),
        (v1("trackPageView", {"url": "u"}, trackers=[7]), Refusal.MALFORMED),
        ({"atomicProperties": "nonsense"}, Refusal.NOT_JSON),
        ({"atomicProperties": None}, Refusal.MALFORMED),
        (v2({}), Refusal.MALFORMED),
        (v2({"eventName": "tr"}), Refusal.MALFORMED),
        (v2({"eventName": ["pv"]}), Refusal.MALFORMED),
        (v2({"eventName": "pv", "pingXOffsetMin": 1.5}), Refusal.MALFORMED),
        (v2({"eventName": "pv", "pingXOffsetMin": 2**40}), Refusal.MALFORMED),
        (v2({"eventName": "pv"}, selfDescribingEventData=[1]), Refusal.MALFORMED),
    ],
)
def test_a_message_that_cannot_be_read_is_refused(message: object, expected: Refusal) -> None:
    assert refusal(message) is expected


@pytest.mark.parametrize(
    "message",
    [
        " " * (MAX_CHARACTERS + 1),
        v1("trackPageView", {"url": "u" * (MAX_CHARACTERS + 1)}),
        {"x" * (MAX_CHARACTERS + 1): 1},
        v1("trackPageView", {"url": "u"}, context=[ENTITY] * (MAX_ENTITIES + 1)),
        v1("trackPageView", {"url": "u"}, trackers=["t"] * (MAX_TRACKERS + 1)),
        v1("trackPageView", {"url": "u"}, more=[0] * (MAX_VALUES + 1)),
        "[" * MAX_CHARACTERS,
        '{"a":' * 9000 + "1" + "}" * 9000,
        {"atomicProperties": "[" * (MAX_DEPTH + 5) + "]" * (MAX_DEPTH + 5)},
    ],
)
def test_a_message_beyond_the_bounds_is_refused(message: object) -> None:
    assert refusal(message) in {Refusal.TOO_LARGE, Refusal.NOT_JSON}


def test_a_message_that_holds_itself_is_refused() -> None:
    message: dict[str, Any] = {"command": "trackPageView"}
    message["event"] = message

    assert refusal(message) is Refusal.TOO_LARGE


def test_as_deep_as_allowed_is_read() -> None:
    data: dict[str, Any] = {}
    for _ in range(MAX_DEPTH - 4):
        data = {"a": data}

    event = read(v1("trackSelfDescribingEvent", {"schema": SCHEMA, "data": data})).event

    assert event.self_describing(str) == SelfDescribingJson(SCHEMA, data)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text("aé{\ud800", max_size=8)
    | st.sampled_from([SCHEMA, "{}", "[]", '{"eventName":"pv"}', "1e999", "\ud800"]),
    lambda values: (
        st.lists(values, max_size=4)
        | st.dictionaries(
            st.sampled_from("schema data name id url category action value context".split()),
            values,
            max_size=4,
        )
    ),
    max_leaves=12,
)
KEYS = "command event context trackers atomicProperties entities selfDescribingEventData".split()
COMMANDS = "trackSelfDescribingEvent trackStructEvent trackScreenView trackPageView".split()


@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=7), st.sampled_from([*COMMANDS, None]))
def test_whatever_a_page_says_is_read_or_refused(
    message: dict[str, Any], command: str | None
) -> None:
    if command is not None:
        message["command"] = command
    try:
        event = read(message).event
    except RefusedError:
        return

    assert isinstance(event, Event)
    assert event.parameters()["e"] in {"ue", "se", "pv", "pp"}


@given(st.text(max_size=200) | JSON.map(json.dumps))
def test_whatever_text_a_page_sends_is_read_or_refused(text: str) -> None:
    try:
        message = read(text)
    except RefusedError:
        return

    assert isinstance(message.event, Event)
