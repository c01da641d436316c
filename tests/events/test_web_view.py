"""The event that a page forwards: each parameter in its place, and nothing that is none of its."""

from __future__ import annotations

from typing import Any

import pytest

from whiteout import ConfigurationError, SelfDescribingJson
from whiteout.events.web_view import WebViewEvent

LINK_CLICK = SelfDescribingJson(
    "iglu:com.snowplowanalytics.snowplow/link_click/jsonschema/1-0-1",
    {"targetUrl": "https://shop.example/"},
)


def uuid() -> str:
    raise AssertionError("a page's event needs no id of ours but its own")


def test_every_atomic_property_becomes_its_parameter() -> None:
    event = WebViewEvent(
        event_name="pp",
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
        ping_x_offset_min=0,
        ping_x_offset_max=10,
        ping_y_offset_min=-3,
        ping_y_offset_max=400,
    )

    assert event.parameters() == {
        "e": "pp",
        "tv": "js-4.6.0",
        "ua": "Mozilla/5.0",
        "url": "https://shop.example/cart",
        "page": "Cart",
        "refr": "https://shop.example/",
        "se_ca": "basket",
        "se_ac": "add",
        "se_la": "shoe",
        "se_pr": "size",
        "se_va": "9.5",
        "pp_mix": "0",
        "pp_max": "10",
        "pp_miy": "-3",
        "pp_may": "400",
    }
    assert event.self_describing(uuid) is None


def test_a_body_alone_is_a_self_describing_event() -> None:
    event = WebViewEvent(self_describing_data=LINK_CLICK, entities=[LINK_CLICK], label="")

    assert event.parameters() == {"e": "ue"}
    assert event.self_describing(uuid) is LINK_CLICK


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("event_name", {"event_name": "tr"}),
        ("event_name", {"event_name": ""}),
        ("self_describing_data", {"event_name": "ue"}),
        ("self_describing_data", {"self_describing_data": {"schema": "x", "data": {}}}),
        ("page_url", {"page_url": 7}),
        ("value", {"value": float("nan")}),
        ("value", {"value": True}),
        ("ping_x_offset_min", {"ping_x_offset_min": 1.5}),
        ("ping_y_offset_max", {"ping_y_offset_max": 2**31}),
        ("entities", {"entities": "none"}),
    ],
)
def test_a_wrong_value_is_refused_by_name(field: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"^{field} must be"):
        WebViewEvent(**{"event_name": "pv", **wrong})


def test_what_a_page_said_is_not_in_its_text() -> None:
    assert repr(WebViewEvent(event_name="pv", page_url="https://secret.example")) == (
        "WebViewEvent(...)"
    )
