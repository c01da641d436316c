"""Snowplow's own tracker for Python, from its registry, against the real collector.

Every event that it sends is good without a registry. It cannot ask for anonymity by itself, but its
session can: then nothing that identifies arrives, whatever the app put into its events.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest
import requests
from tests.enrich.conftest import COOKIE
from tests.support.arrivals import HIDDEN_BY_SERVER

from whiteout.identifiers import Anonymisation

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.arrivals import Arrivals
    from tests.support.real_collector import RealCollector

snowplow = pytest.importorskip("snowplow_tracker", reason="snowplow-tracker is not installed")

OF_APP = {"canary-user-id", "canary-domain-user-id"}
OF_SERVER = {
    "c0ffee00-0000-4000-8000-00000000000a",
    "203.0.113.199",
    "127.0.0.1",
    "canary-cookie",
    "canary-linked-user",
}
PAGE = "http://a/?_sp=canary-linked-user.1700000000000"
ITEM = {
    "sku": "a",
    "quantity": 2,
    "name": "n",
    "category": "c",
    "unit_price": 1.5,
    "currency": "EUR",
}
FORM_ELEMENT = {"name": "q", "value": None, "nodeName": "INPUT", "type": "search"}
ORDER = ("o", 9.5, "a", 1.5, 2, "c", "s", "DE", "EUR")
ORDER_ITEM = ("o", "s", 2.5, 3, "n", "c", "EUR")
SCREEN = ("name", COOKIE, "type", "before", COOKIE, "type", "push")
SEARCH = snowplow.SelfDescribingJson(
    "iglu:com.snowplowanalytics.snowplow/site_search/jsonschema/1-0-0", {"terms": ["a"]}
)
CALLS: dict[str, Callable[[Any], Any]] = {
    "page_view": lambda t: t.track_page_view(PAGE, "Title", "http://b/"),
    "page_ping": lambda t: t.track_page_ping(PAGE, "Title", "http://b/", 1, 2, 3, 4),
    "link_click": lambda t: t.track_link_click("http://a/", "id", ["class"], "target", "content"),
    "add_to_cart": lambda t: t.track_add_to_cart(**ITEM),
    "remove_from_cart": lambda t: t.track_remove_from_cart(**ITEM),
    "form_change": lambda t: t.track_form_change("f", "id", "INPUT", "v", "text", ["class"]),
    "form_submit": lambda t: t.track_form_submit("f", ["class"], [FORM_ELEMENT]),
    "site_search": lambda t: t.track_site_search(["a", "b"], {"f": True, "g": "x"}, 10, 2),
    "ecommerce_transaction": lambda t: t.track_ecommerce_transaction(*ORDER),
    "ecommerce_transaction_item": lambda t: t.track_ecommerce_transaction_item(*ORDER_ITEM),
    "screen_view": lambda t: t.track_screen_view("name", "id"),
    "mobile_screen_view": lambda t: t.track_mobile_screen_view(*SCREEN),
    "struct_event": lambda t: t.track_struct_event("c", "a", "l", "p", 4.2),
    "self_describing_event": lambda t: t.track_self_describing_event(SEARCH),
    "unstruct_event": lambda t: t.track_unstruct_event(SEARCH),
    "PageView": lambda t: t.track(snowplow.PageView(PAGE, page_title="Title")),
    "PagePing": lambda t: t.track(snowplow.PagePing(PAGE, min_x=1)),
    "StructuredEvent": lambda t: t.track(snowplow.StructuredEvent("c", "a", value=1)),
    "ScreenView": lambda t: t.track(snowplow.ScreenView(COOKIE, "name", type="t")),
    "SelfDescribing": lambda t: t.track(snowplow.SelfDescribing(SEARCH)),
}
NAMES = {
    "form_change": "change_form",
    "form_submit": "submit_form",
    "ecommerce_transaction": "transaction",
    "ecommerce_transaction_item": "transaction_item",
    "mobile_screen_view": "screen_view",
    "struct_event": "event",
    "self_describing_event": "site_search",
    "unstruct_event": "site_search",
    "PageView": "page_view",
    "PagePing": "page_ping",
    "StructuredEvent": "event",
    "ScreenView": "screen_view",
    "SelfDescribing": "site_search",
}


def send(
    collector: RealCollector, *names: str, method: str, encode_base64: bool, anonymous: bool = False
) -> None:
    """Send an event each, and a moment later see that all were taken."""
    refused: list[Any] = []
    with requests.Session() as session:
        session.headers["Cookie"] = "other=canary-cookie"
        if anonymous:
            session.headers["SP-Anonymous"] = "*"
        emitter = snowplow.Emitter(
            collector.url,
            method=method,
            batch_size=1,
            session=session,
            request_timeout=10.0,
            on_failure=lambda _sent, failed: refused.extend(failed),
            custom_retry_codes=dict.fromkeys(range(400, 600), False),
        )
        subject = snowplow.Subject().set_screen_resolution(1, 2).set_viewport(3, 4)
        subject.set_color_depth(24).set_timezone("Europe/Berlin").set_lang("de")
        subject.set_user_id("canary-user-id").set_domain_user_id("canary-domain-user-id")
        subject.set_ip_address("203.0.113.199").set_useragent("Agent/1")
        subject.set_network_user_id("c0ffee00-0000-4000-8000-00000000000a")
        tracker = snowplow.Tracker(
            "ns", emitter, subject=subject, app_id="app", encode_base64=encode_base64
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            for name in names:
                CALLS[name](tracker)
    assert refused == []


def test_no_kind_of_event_is_left_out() -> None:
    methods = {
        name.removeprefix("track_") for name in dir(snowplow.Tracker) if name.startswith("track_")
    }
    classes = {kind.__name__ for kind in snowplow.Event.__subclasses__()}

    assert CALLS.keys() == methods | classes


@pytest.mark.parametrize(
    ("method", "encode_base64"), [("post", True), ("post", False), ("get", True)]
)
@pytest.mark.parametrize("name", CALLS)
def test_an_event_is_good(
    collector: RealCollector,
    arrivals: Arrivals,
    name: str,
    method: str,
    encode_base64: bool,  # noqa: FBT001 - parametrised
) -> None:
    send(collector, name, method=method, encode_base64=encode_base64)

    (event,) = arrivals.refresh()
    assert (event["app_id"], event["user_id"], event["br_lang"]) == ("app", "canary-user-id", "de")
    assert event["event_name"] == NAMES.get(name, name)


@pytest.mark.parametrize(
    ("method", "encode_base64", "anonymous"),
    [("post", True, True), ("post", False, True), ("get", True, True), ("post", True, False)],
)
def test_of_an_anonymous_request_nothing_that_identifies_arrives(
    collector: RealCollector,
    arrivals: Arrivals,
    method: str,
    encode_base64: bool,  # noqa: FBT001 - parametrised
    anonymous: bool,  # noqa: FBT001 - parametrised
) -> None:
    """Where nobody asked, the same searches find it."""
    send(collector, *CALLS, method=method, encode_base64=encode_base64, anonymous=anonymous)

    assert len(arrivals.refresh()) == len(CALLS)
    found, leaks = arrivals.search(OF_APP | OF_SERVER, Anonymisation.SERVER)
    assert found == (OF_APP if anonymous else OF_APP | OF_SERVER)
    assert leaks == (set() if anonymous else HIDDEN_BY_SERVER)
