"""Everything that Snowplow's own Python tracker sends is understood without any registry."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest
from tests.enrich.conftest import COOKIE, JSON_TYPE, make_bench, post

from whiteout.iglu import EmbeddedRegistry, Resolver

if TYPE_CHECKING:
    from collections.abc import Callable

snowplow = pytest.importorskip("snowplow_tracker", reason="snowplow-tracker is not installed")

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
CALLS: dict[str, Callable[[Any], Any]] = {
    "page_view": lambda t: t.track_page_view("http://a/", "Title", "http://b/"),
    "page_ping": lambda t: t.track_page_ping("http://a/", "Title", "http://b/", 1, 2, 3, 4),
    "link_click": lambda t: t.track_link_click("http://a/", "id", ["class"], "target", "content"),
    "add_to_cart": lambda t: t.track_add_to_cart(**ITEM),
    "remove_from_cart": lambda t: t.track_remove_from_cart(**ITEM),
    "change_form": lambda t: t.track_form_change("f", "id", "INPUT", "v", "text", ["class"]),
    "submit_form": lambda t: t.track_form_submit("f", ["class"], [FORM_ELEMENT]),
    "site_search": lambda t: t.track_site_search(["a", "b"], {"f": True, "g": "x"}, 10, 2),
    "transaction": lambda t: t.track_ecommerce_transaction(*ORDER),
    "transaction_item": lambda t: t.track_ecommerce_transaction_item(*ORDER_ITEM),
    "screen_view": lambda t: t.track_screen_view("name", "id"),
    "mobile screen_view": lambda t: t.track_mobile_screen_view(*SCREEN),
    "struct": lambda t: t.track_struct_event("c", "a", "l", "p", 4.2),
    "new PageView": lambda t: t.track(snowplow.PageView("http://a/", page_title="Title")),
    "new PagePing": lambda t: t.track(snowplow.PagePing("http://a/", min_x=1)),
    "new StructuredEvent": lambda t: t.track(snowplow.StructuredEvent("c", "a", value=1)),
    "new ScreenView": lambda t: t.track(snowplow.ScreenView(COOKIE, "name", type="t")),
}


@pytest.mark.parametrize("encode_base64", [True, False])
@pytest.mark.parametrize("name", CALLS)
def test_an_event_of_the_official_tracker_is_good(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    encode_base64: bool,  # noqa: FBT001 - parametrised
) -> None:
    bodies: list[str] = []

    def http_post(body: str) -> int:
        bodies.append(body)
        return 200

    emitter = snowplow.Emitter("127.0.0.1", batch_size=1)
    monkeypatch.setattr(emitter, "http_post", http_post)
    subject = snowplow.Subject().set_user_id("u").set_screen_resolution(1, 2).set_viewport(3, 4)
    subject.set_color_depth(24).set_timezone("Europe/Berlin").set_lang("de").set_domain_user_id("d")
    subject.set_ip_address("192.0.2.1").set_useragent("Agent/1").set_network_user_id(COOKIE)
    tracker = snowplow.Tracker(
        "ns", emitter, subject=subject, app_id="app", encode_base64=encode_base64
    )
    bench = make_bench(Resolver([EmbeddedRegistry()]), ())

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        CALLS[name](tracker)

    (body,) = bodies
    event = bench.event(post(body=body, content_type=JSON_TYPE))
    assert (event["app_id"], event["user_id"], event["br_lang"]) == ("app", "u", "de")
    if not name.startswith(("new", "struct")):
        assert event["event_name"] == name.rpartition(" ")[2]
