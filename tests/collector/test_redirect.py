"""Redirects and the test for cookies. Ids in docstrings are the official collector's (BC…)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout.collector.redirect import location
from whiteout.collector.settings import CookieBounce, CrossDomain, RootResponse
from whiteout.errors import ConfigurationError

Ask = Callable[..., Any]

ID = "de305d54-75b4-431b-adb2-eb6b9e546014"
FRESH = "11111111-1111-4111-8111-111111111111"
NULL = "00000000-0000-0000-0000-000000000000"
SHARED = "00000000-0000-4000-a000-000000000000"
NOT_CACHED = "no-cache, no-store, must-revalidate"
REDIRECTS: dict[str, Any] = {"redirect_domains": ("shop.example",), "default_redirect": True}
BOUNCES: dict[str, Any] = {"cookie_bounce": CookieBounce()}


def to(url: str) -> str:
    return f"/r/tp2?e=pv&u={quote(url, safe='')}&p=web"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_link_leads_to_its_target_and_is_stored_BC36(ask: Ask, method: str) -> None:
    answer = ask(method, to("https://shop.example/a?b=c#d"), [("Cookie", f"sp={ID}")], **REDIRECTS)

    assert (answer.status, answer.body) == (302, b"")
    assert answer.header("Location") == "https://shop.example/a?b=c#d"
    assert answer.header("Content-Type") is None
    assert answer.header("Cache-Control") == (None if method == "POST" else NOT_CACHED)
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert answer.headers("Set-Cookie")[0].startswith(f"sp={ID};")
    assert answer.payload.path == "/r/tp2"
    assert answer.payload.network_user_id == ID


@pytest.mark.parametrize(
    "query",
    [
        "e=pv",
        "u=",
        "u=https://evil.example/",
        "u=https://shop.example.evil.example/",
        "u=https://notshop.example/",
        "u=https://a.shop.example/",
        "u=https://shop.example@evil.example/",
        "u=https://user:password@shop.example/",
        "u=https://evil.example%5C@shop.example/",
        "u=https://evil.example%5Cshop.example/",
        "u=//shop.example/",
        "u=/relative",
        "u=javascript:alert(1)",
        "u=https:shop.example",
        "u=https:///shop.example/",
        "u=https://shop.example:99999999/",
        "u=https://shop.example%0d%0aSet-Cookie:%20a=b",
        "u=https://shop.example/%0d%0aSet-Cookie:%20a=b",
        "u=https://shop.example/%09",
        "u=%20https://shop.example/",
        "u=https%253A%252F%252Fshop.example/",
        "u=https://shop.example/%ff",
        "u=https://evil.example/&u=https://shop.example/",
        "u=https://shop.example./",
        "u=https://shop.example/" + "a" * 9000,
    ],
)
def test_what_is_not_plainly_an_allowed_host_is_refused_but_stored_BC36(
    ask: Ask, query: str
) -> None:
    answer = ask("GET", f"/r/tp2?{query}", **REDIRECTS)

    assert (answer.status, answer.body) == (400, b"")
    assert answer.header("Location") is None
    assert answer.payload.path == "/r/tp2"


def test_a_target_is_decoded_once_and_written_in_ascii() -> None:
    domains = {"shop.example"}

    assert location(b"u=HTTPS://Shop.example:8443/%2541", domains) == (
        b"HTTPS://Shop.example:8443/%41"
    )
    assert location("u=https://shop.example/ä".encode(), domains) == (
        b"https://shop.example/%C3%A4"
    )
    assert location(b"e=pv;u=https://shop.example", domains) == b"https://shop.example"
    assert location(b"%75=https://shop.example", domains) == b"https://shop.example"


@given(st.text(st.sampled_from("htps:/@\\?#. \r\n\tshop.exampleevil%25"), max_size=60))
def test_no_text_leads_out_or_breaks_a_header(text: str) -> None:
    found = location(b"u=" + quote(text, safe="").encode(), {"shop.example"})

    if found is not None:
        rest = found.decode().lower().partition("://")[2]
        assert rest.startswith("shop.example")
        assert rest[12:13] in {"", "/", "?", "#", ":"}
        assert not set(found) & set(b"\r\n\t \\")


def test_any_default_path_redirects_where_that_is_on_BC32(ask: Ask) -> None:
    query = "?u=https://shop.example/"

    assert ask("GET", f"/r/abc{query}", **REDIRECTS).status == 302
    off = ask("GET", f"/r/abc{query}", redirect_domains=("shop.example",))
    assert (off.status, off.body, off.outcome.records) == (404, b"redirects disabled", ())


def test_a_path_mapped_to_the_redirect_redirects_while_default_ones_are_off_BC37(ask: Ask) -> None:
    settings: dict[str, Any] = {
        "redirect_domains": ("shop.example",),
        "paths": {"/acme/go": "/r/tp2"},
    }

    answer = ask("GET", "/acme/go?u=https://shop.example/", **settings)

    assert (answer.status, answer.payload.path) == (302, "/r/tp2")
    assert ask("GET", "/r/tp2?u=https://shop.example/", **settings).status == 404


def test_a_matching_do_not_track_cookie_redirects_and_stores_nothing_BC20(ask: Ask) -> None:
    answer = ask(
        "GET",
        to("https://shop.example/"),
        [("Cookie", "dnt=1")],
        do_not_track_cookie=("dnt", "1"),
        **REDIRECTS,
    )

    assert (answer.status, answer.outcome.records) == (302, ())
    assert answer.headers("Set-Cookie") == []


def test_a_browser_without_the_cookie_is_sent_back_with_one_BC21(ask: Ask) -> None:
    answer = ask("GET", "/i?e=pv", **BOUNCES)

    assert (answer.status, answer.body, answer.outcome.records) == (302, b"", ())
    assert answer.header("Location") == "/i?e=pv&n3pc=true"
    assert answer.header("Cache-Control") == NOT_CACHED
    assert answer.headers("Set-Cookie")[0].startswith(f"sp={FRESH};")
    assert ask("GET", "/a/b", **BOUNCES).header("Location") == "/a/b?n3pc=true"


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET", f"/i?nuid={ID}", []),
        ("GET", "/i?n3pc=true", []),
        ("GET", "/i", [("Cookie", f"sp={ID}")]),
        ("GET", "/i", [("SP-Anonymous", "*")]),
        ("GET", "/i?sp-anonymous", []),
        ("POST", "/com.snowplowanalytics.snowplow/tp2", []),
        ("POST", "/a/b", []),
    ],
)
def test_others_are_not_sent_back_BC22(
    ask: Ask, method: str, target: str, headers: list[tuple[str, str]]
) -> None:
    answer = ask(method, target, headers, b"{}", **BOUNCES)

    assert answer.status == 200
    assert answer.header("Location") is None
    assert len(answer.outcome.records) == 1


def test_pages_are_answered_where_configured_BC33(ask: Ask) -> None:
    root = ask(
        "GET", "/", root_response=RootResponse(headers=("Location: https://a.example/",), body="x")
    )
    policy = ask("GET", "/crossdomain.xml", cross_domain=CrossDomain(domains=("*.a.example",)))

    assert (root.status, root.lines, root.body) == (302, ["Location: https://a.example/"], b"x")
    assert policy.header("Content-Type") == "text/xml"
    assert b'<allow-access-from domain="*.a.example" secure="true"/>' in policy.body


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: RootResponse(status=100),
        lambda: RootResponse(headers=("A: b\r\nC: d",)),
        lambda: CrossDomain(domains=('"/><evil',)),
        lambda: CookieBounce(name="a=b"),
        lambda: CookieBounce(fallback_network_user_id="x"),
    ],
)
def test_a_wrong_part_of_the_settings_is_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(ConfigurationError):
        wrong()
