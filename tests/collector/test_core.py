"""What requests come to. Ids in docstrings are behaviours of the official collector (BC…)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from tests.collector.conftest import make_request

from whiteout.collector.core import Core, collector_name
from whiteout.collector.kafka_sink import KafkaSink
from whiteout.collector.settings import CollectorSettings, Limits
from whiteout.collector.sink import LogSink
from whiteout.errors import ConfigurationError
from whiteout.protocol.collector_payload import CollectorPayload, decode
from whiteout.version import __version__

Ask = Callable[..., Any]

NOW_MS = 1_700_000_000_123  # Tue, 14 Nov 2023 22:13:20 GMT
NULL = "00000000-0000-0000-0000-000000000000"
FRESH = "11111111-1111-4111-8111-111111111111"
ID = "de305d54-75b4-431b-adb2-eb6b9e546014"
OTHER = "9a0e1b5c-1111-4222-8333-123456789abc"
TP2 = "/com.snowplowanalytics.snowplow/tp2"
COOKIE = ("Cookie", f"sp={ID}")
ANONYMOUS = ("SP-Anonymous", "*")
PLAIN = "Path=/; SameSite=None; Secure; HttpOnly"
IN_A_YEAR = "Expires=Wed, 13 Nov 2024 22:13:20 GMT"
IN_A_MINUTE = "Expires=Tue, 14 Nov 2023 22:14:20 GMT"
A_YEAR_AGO = "Expires=Mon, 14 Nov 2022 22:13:20 GMT"


# Anonymity and ids


def test_an_anonymous_request_with_the_cookie_has_it_cleared_BC1(ask: Ask) -> None:
    """BC1"""
    answer = ask("POST", TP2, [ANONYMOUS, COOKIE], b"{}")

    assert answer.status == 200
    assert answer.headers("Set-Cookie") == [f"sp=; {A_YEAR_AGO}; {PLAIN}"]


def test_an_anonymous_request_without_the_cookie_has_none_set_BC2_BC12(ask: Ask) -> None:
    """BC2, BC12"""
    answer = ask("POST", TP2, [ANONYMOUS, ("Cookie", "other=1")], b"{}", client_cookie_name="spc")

    assert answer.headers("Set-Cookie") == []
    assert len(answer.outcome.records) == 1


@pytest.mark.parametrize("value", ["*", "", "false", "0", "no"])
def test_the_header_counts_with_any_value_BC3_BC5_BC8(ask: Ask, value: str) -> None:
    """BC3, BC5, BC8, W5"""
    for query in ("", f"?nuid={OTHER}"):
        for headers in ([COOKIE], []):
            forwarded = ("X-Forwarded-For", "192.0.2.3")
            answer = ask(
                "GET",
                f"/i{query}",
                [*headers, ("sp-ANONYMOUS", value), forwarded],
                trusted_proxies=1,
            )

            assert answer.payload.network_user_id == NULL
            assert answer.payload.ip_address == "unknown"


def test_the_cookies_id_is_the_network_user_id_BC4_BC7(ask: Ask) -> None:
    """BC4, BC7"""
    assert ask("POST", TP2, [COOKIE], b"{}").payload.network_user_id == ID
    assert ask("GET", f"/i?nuid={OTHER}", [COOKIE]).payload.network_user_id == OTHER
    assert ask("GET", "/i").payload.network_user_id == FRESH


def test_a_parameter_never_goes_into_a_cookie(ask: Ask) -> None:
    """W22"""
    for query in (f"nuid={OTHER}", "nuid=x;%20Domain=evil.example", "nuid=x; Domain=evil.example"):
        for headers, expected in (([COOKIE], ID), ([], FRESH)):
            (cookie,) = ask("GET", f"/i?{query}", headers).headers("Set-Cookie")
            assert cookie == f"sp={expected}; {IN_A_YEAR}; {PLAIN}"


@pytest.mark.parametrize("value", ["x", ID + "0", "", "'--", f"{{{ID}}}", ID.replace("-", "")])
def test_an_id_that_is_not_a_uuid_counts_for_nothing(ask: Ask, value: str) -> None:
    """W21"""
    answer = ask("GET", f"/i?nuid={value}", [("Cookie", f"sp={value}")])

    assert answer.payload.network_user_id == FRESH
    assert answer.headers("Set-Cookie") == [f"sp={FRESH}; {IN_A_YEAR}; {PLAIN}"]
    assert not any(header.startswith("Cookie") for header in answer.payload.headers)


def test_an_identified_request_keeps_its_headers_and_ends_with_the_content_type_BC6_BC24(
    ask: Ask,
) -> None:
    """BC6, BC24, W15: of the cookies only the collector's, and no authorization."""
    answer = ask(
        "POST",
        TP2,
        [
            ("User-Agent", "agent"),
            ("cookie", f"first=1; sp={ID}; last=2"),
            ("Referer", "https://example.com/"),
            ("Authorization", "Basic c2VjcmV0"),
            ("X-Forwarded-For", "192.0.2.3"),
            ("X-Real-IP", "192.0.2.3"),
            ("Content-Type", "application/json"),
            ("Proxy-Authorization", "Basic c2VjcmV0"),
        ],
        b"{}",
    )

    assert answer.payload.headers == (
        "User-Agent: agent",
        f"Cookie: sp={ID}",
        "Referer: https://example.com/",
        "X-Forwarded-For: 192.0.2.3",
        "X-Real-IP: 192.0.2.3",
        "Content-Type: application/json",
        "application/json",
    )


def test_cookies_in_several_headers_are_read_and_the_first_counts(ask: Ask) -> None:
    answer = ask("GET", "/i", [("Cookie", "a=1"), COOKIE, ("A", "b"), ("Cookie", f"sp={OTHER}")])

    assert answer.payload.network_user_id == ID
    assert sorted(answer.payload.headers) == ["A: b", f"Cookie: sp={ID}"]


def test_other_cookies_alone_are_not_kept(ask: Ask) -> None:
    """W15"""
    answer = ask("GET", "/i", [("Cookie", f"spx={ID}; session=secret"), ("A", "b")])

    assert answer.payload.headers == ("A: b",)


def test_both_cookies_are_set_with_one_value_and_scripts_read_only_the_clients_BC9(
    ask: Ask,
) -> None:
    """BC9"""
    answer = ask("GET", "/i", [COOKIE], client_cookie_name="spc")

    assert answer.headers("Set-Cookie") == [
        f"sp={ID}; {IN_A_YEAR}; {PLAIN}",
        f"spc={ID}; {IN_A_YEAR}; Path=/; SameSite=None; Secure",
    ]


def test_without_cookies_the_event_is_stored_all_the_same_BC10(ask: Ask) -> None:
    """BC10"""
    answer = ask("GET", "/i", [COOKIE], cookie_enabled=False)

    assert answer.headers("Set-Cookie") == []
    assert answer.payload.network_user_id == ID
    assert ask("GET", "/i", [ANONYMOUS, COOKIE], cookie_enabled=False).headers("Set-Cookie") == []


@pytest.mark.parametrize("cookie", [f"sp={ID}", "sp=garbage", f"spc={ID}"])
def test_either_cookie_of_the_collector_has_both_cleared_BC11(ask: Ask, cookie: str) -> None:
    """BC11, W17"""
    answer = ask("GET", "/i", [ANONYMOUS, ("Cookie", cookie)], client_cookie_name="spc")

    assert answer.headers("Set-Cookie") == [
        f"sp=; {A_YEAR_AGO}; {PLAIN}",
        f"spc=; {A_YEAR_AGO}; Path=/; SameSite=None; Secure",
    ]


def test_the_cookie_is_cleared_wherever_it_may_have_been_set(ask: Ask) -> None:
    """W17: without an `Origin` too."""
    answer = ask(
        "GET",
        "/i",
        [ANONYMOUS, COOKIE],
        cookie_domains=("a.example", "b.example"),
        cookie_fallback_domain="c.example",
    )

    domains = ["", "Domain=a.example; ", "Domain=b.example; ", "Domain=c.example; "]
    assert answer.headers("Set-Cookie") == [f"sp=; {A_YEAR_AGO}; {d}{PLAIN}" for d in domains]


# Cookies, domains, do-not-track


def test_the_cookies_attributes_are_the_configurations_BC13_BC23(ask: Ask) -> None:
    """BC13, BC23"""
    assert ask("GET", "/i").headers("Set-Cookie") == [f"sp={FRESH}; {IN_A_YEAR}; {PLAIN}"]
    assert ask(
        "GET",
        "/i",
        cookie_name="nuid",
        cookie_expiration_s=60,
        cookie_secure=False,
        cookie_http_only=False,
        cookie_same_site="Lax",
        cookie_fallback_domain="example.com",
    ).headers("Set-Cookie") == [
        f"nuid={FRESH}; {IN_A_MINUTE}; Domain=example.com; Path=/; SameSite=Lax"
    ]
    (none,) = ask("GET", "/i", cookie_same_site=None, cookie_secure=False).headers("Set-Cookie")
    assert none.endswith("Path=/; HttpOnly")


def test_an_insecure_cookie_for_all_sites_is_secure_all_the_same(ask: Ask) -> None:
    (cookie,) = ask("GET", "/i", cookie_secure=False).headers("Set-Cookie")

    assert cookie.endswith(PLAIN)


@pytest.mark.parametrize(
    ("origin", "domains", "fallback", "expected"),
    [
        ("https://a.com", (), None, None),  # BC15
        ("https://a.com", (), "f.com", "f.com"),
        (None, ("a.com",), None, None),  # BC16
        (None, ("a.com",), "f.com", "f.com"),
        ("https://b.com", ("a.com",), "f.com", "f.com"),
        ("https://b.com", ("a.com",), None, None),
        ("https://a.com", ("b.com", "a.com"), None, "a.com"),  # BC17
        ("https://a.com https://b.com:8080", ("b.com", "a.com"), None, "b.com"),
        ("https://x.b.com https://a.com", ("a.com", "b.com"), None, "a.com"),
        ("https://snplow.com", ("snplow.com",), None, "snplow.com"),  # BC18
        ("https://blog.snplow.com", ("snplow.com",), None, "snplow.com"),
        ("https://blog.snplow.com.snplow.com", ("snplow.com",), None, "snplow.com"),
        ("https://notsnplow.com", ("snplow.com",), None, None),
        ("https://blog.snplow.comsnplow.com", ("snplow.com",), None, None),
        ("https://BLOG.SNPLOW.COM:443", ("snplow.com",), None, "snplow.com"),
        ("null", ("snplow.com",), None, None),
    ],
)
def test_the_cookies_domain_follows_the_origin_BC15_BC16_BC17_BC18(
    ask: Ask,
    origin: str | None,
    domains: tuple[str, ...],
    fallback: str | None,
    expected: str | None,
) -> None:
    headers = [] if origin is None else [("Origin", origin)]
    (cookie,) = ask(
        "GET", "/i", headers, cookie_domains=domains, cookie_fallback_domain=fallback
    ).headers("Set-Cookie")

    domain = [part[7:] for part in cookie.split("; ") if part.startswith("Domain=")]
    assert domain == ([] if expected is None else [expected])


def test_a_matching_do_not_track_cookie_is_answered_but_not_stored_BC14_BC19_BC20(ask: Ask) -> None:
    """BC14, BC19, BC20"""
    setting = {"do_not_track_cookie": ("dnt", "yes.*")}

    matched = ask("GET", "/i", [("Cookie", f"dnt=yes-please; sp={ID}")], **setting)
    assert (matched.status, matched.outcome.records) == (200, ())
    assert matched.headers("Set-Cookie") == []
    for cookie in ("dnt=no", "dnt=oh yes", "other=yes", "a=b"):
        assert len(ask("GET", "/i", [("Cookie", cookie)], **setting).outcome.records) == 1
    assert len(ask("GET", "/i", **setting).outcome.records) == 1


def test_global_privacy_control_is_honoured_where_configured(ask: Ask) -> None:
    """W18"""
    headers = [("Sec-GPC", "1"), COOKIE]

    assert ask("GET", "/i", headers).payload.network_user_id == ID
    honoured = ask("GET", "/i", headers, honour_global_privacy_control=True)
    assert honoured.payload.network_user_id == NULL
    assert honoured.payload.headers == ("SP-Anonymous: *",)  # enrich reads the decision there
    refused = ask("GET", "/i", [("Sec-GPC", "0")], honour_global_privacy_control=True)
    assert refused.payload.network_user_id == FRESH


# Address, CORS, routes, answers


@pytest.mark.parametrize(
    ("forwarded", "proxies", "expected"),
    [
        ([], 0, "198.51.100.7"),  # BC25
        (["192.0.2.3"], 0, "198.51.100.7"),  # W11: anyone can send the header
        (["192.0.2.3"], 1, "192.0.2.3"),
        (["1.1.1.1, 192.0.2.3"], 1, "192.0.2.3"),
        (["1.1.1.1, 192.0.2.3, 10.0.0.1"], 2, "192.0.2.3"),
        (["1.1.1.1", "192.0.2.3,10.0.0.1"], 2, "192.0.2.3"),
        (["192.0.2.3"], 3, "192.0.2.3"),
        ([], 1, "198.51.100.7"),
        (["192.0.2.3:8080"], 1, "192.0.2.3"),
        (["[2001:DB8::1]:443"], 1, "2001:db8::1"),
        (["2001:db8:0:0::1"], 1, "2001:db8::1"),
        (["::ffff:192.0.2.3"], 1, "192.0.2.3"),
        (["fe80::1%eth0"], 1, "fe80::1"),
        (["unknown"], 1, "unknown"),
        (["host.example"], 1, "unknown"),
        (["1.2.3"], 1, "unknown"),
        ([""], 1, "unknown"),
        (["9" * 5000], 1, "unknown"),
    ],
)
def test_the_address_is_counted_from_the_right_BC25(
    ask: Ask, forwarded: list[str], proxies: int, expected: str
) -> None:
    headers = [("X-Forwarded-For", value) for value in forwarded]

    assert ask("GET", "/i", headers, trusted_proxies=proxies).payload.ip_address == expected


def test_origins_are_echoed_BC27(ask: Ask) -> None:
    """BC27"""
    for origin, expected in (
        (None, "*"),
        ("null", "*"),
        ("not an origin", "*"),
        ("https://a.com\x01", "*"),
        ("https://a.com", "https://a.com"),
        ("https://a.com:8443", "https://a.com:8443"),
        ("https://a.com https://b.com", "https://a.com"),
        ("http://[::1]:80", "http://[::1]:80"),
    ):
        answer = ask("POST", TP2, [] if origin is None else [("Origin", origin)], b"{}")
        assert answer.header("Access-Control-Allow-Origin") == expected
        assert answer.header("Access-Control-Allow-Credentials") == "true"
        assert answer.header("Vary") == "Origin"


@pytest.mark.parametrize("path", [TP2, "/health", "/", "/unknown", "*"])
def test_a_preflight_is_answered_on_any_path_BC28(ask: Ask, path: str) -> None:
    """BC28"""
    answer = ask("OPTIONS", path, [("Origin", "https://a.com")])

    assert (answer.status, answer.body, answer.outcome.records) == (200, b"", ())
    assert answer.lines == [
        "Access-Control-Allow-Origin: https://a.com",
        "Access-Control-Allow-Credentials: true",
        "Vary: Origin",
        "Access-Control-Allow-Headers: Content-Type, SP-Anonymous",
        "Access-Control-Max-Age: 3600",
    ]


def test_a_post_is_an_event_with_its_body_BC29(ask: Ask) -> None:
    """BC29"""
    answer = ask(
        "POST", "/p3/p4?a=b", [("Content-Type", "Application/JSON;Charset=UTF-8")], b"body"
    )

    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.header("Content-Type") == "text/plain"
    assert answer.payload.path == "/p3/p4"
    assert answer.payload.body == "body"
    assert answer.payload.content_type == "application/json; charset=utf-8"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/p3/p4", "/i", "/ice.png"])
def test_a_get_or_head_is_an_event_answered_with_the_pixel_BC30_BC35(
    ask: Ask, method: str, path: str
) -> None:
    """BC30, BC35"""
    answer = ask(method, f"{path}?e=pv", [("Content-Type", "text/plain")], b"not stored")

    assert answer.status == 200
    assert answer.body == base64.b64decode(
        "R0lGODlhAQABAPAAAP///wAAACH5BAUAAAAALAAAAAABAAEAAAICRAEAOw=="
    )
    assert len(answer.body) == 43
    assert answer.header("Content-Type") == "image/gif"
    assert answer.header("Cache-Control") == "no-cache, no-store, must-revalidate"
    assert (answer.payload.path, answer.payload.querystring) == (path, "e=pv")
    assert (answer.payload.body, answer.payload.content_type) == (None, None)


def test_the_iglu_webhook_is_stored_by_get_and_post_BC31(ask: Ask) -> None:
    """BC31"""
    path = "/com.snowplowanalytics.iglu/v1"

    assert ask("GET", f"{path}?schema=iglu:a").payload.path == path
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    assert ask("POST", path, form, b"schema=iglu:a&b=c").payload.body == "schema=iglu:a&b=c"


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "PUT"])
def test_redirects_are_disabled_BC32(ask: Ask, method: str) -> None:
    """BC32: by default (W19)."""
    answer = ask(method, "/r/tp2?u=https://evil.example")

    assert (answer.status, answer.body) == (404, b"redirects disabled")
    assert answer.outcome.records == ()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),  # BC33
        ("GET", "/crossdomain.xml"),
        ("GET", "/one"),
        ("GET", "/a/b/"),
        ("GET", "/a/b/c"),
        ("GET", "//b"),
        ("POST", "/i"),
        ("POST", "/health"),
        ("PUT", TP2),
        ("DELETE", TP2),
        ("GET", "*"),
        ("GET", "http://host"),
    ],
)
def test_everything_else_is_not_found_and_not_stored(ask: Ask, method: str, path: str) -> None:
    answer = ask(method, path)

    assert (answer.status, answer.body, answer.outcome.records) == (404, b"Not found", ())


def test_a_mapped_path_is_the_one_stored_BC37(ask: Ask) -> None:
    """BC37"""
    paths = {"/com.acme/track": TP2}

    assert ask("POST", "/com.acme/track", [], b"{}", paths=paths).payload.path == TP2
    assert ask("POST", "/com.acme/other", [], b"{}", paths=paths).payload.path == "/com.acme/other"


def test_a_record_holds_what_the_request_held_BC38(ask: Ask) -> None:
    """BC38"""
    answer = ask(
        "POST",
        f"https://collector.example:443{TP2}?a=b#fragment",
        [
            ("User-Agent", "agent"),
            ("Referer", "https://example.com/"),
            ("Content-Type", "text/html"),
            COOKIE,
        ],
        b"body",
    )

    assert answer.payload == CollectorPayload(
        ip_address="198.51.100.7",
        timestamp=NOW_MS,
        encoding="UTF-8",
        collector=collector_name("spool"),
        user_agent="agent",
        referer_uri="https://example.com/",
        path=TP2,
        querystring="a=b",
        body="body",
        headers=(
            "User-Agent: agent",
            "Referer: https://example.com/",
            "Content-Type: text/html",
            f"Cookie: sp={ID}",
            "text/html",
        ),
        content_type="text/html",
        hostname="collector.example:443",
        network_user_id=ID,
    )


def test_what_is_absent_stays_absent_BC38(ask: Ask) -> None:
    """BC38"""
    assert ask("GET", "/i").payload == CollectorPayload(
        ip_address="198.51.100.7",
        timestamp=NOW_MS,
        collector=collector_name("spool"),
        path="/i",
        querystring="",
        network_user_id=FRESH,
    )


@pytest.mark.parametrize("sink", [LogSink, KafkaSink], ids=["spool", "kafka"])
def test_the_collector_is_named_after_its_sink_and_fits_bad_rows_BC38(sink: Any) -> None:  # noqa: ANN401 - a class
    name = collector_name(sink.name)

    assert name == f"whiteout-{__version__}-{sink.name}"
    assert len(name) <= 32
    core = Core(CollectorSettings(), sink.name)
    (record,) = core.handle(make_request("GET", "/i"), 0, uuid4).records
    assert decode(record).collector == name


def test_health_and_robots_BC39(ask: Ask) -> None:
    """BC39"""
    assert (ask("GET", "/health").status, ask("GET", "/health").body) == (200, b"ok")
    assert ask("GET", "/robots.txt").body == (
        b"User-agent: *\nDisallow: /\n\nUser-agent: Googlebot\nDisallow: /\n\n"
        b"User-agent: AdsBot-Google\nDisallow: /"
    )


@pytest.mark.parametrize(
    ("content_type", "body", "stored"),
    [
        ("application/json", "é".encode(), "é"),
        ("text/plain; charset=ISO-8859-1", "é".encode("latin-1"), "é"),
        ("application/json", b"\xff", "\N{REPLACEMENT CHARACTER}"),
        ("application/json; charset=nonsense", "é".encode(), "é"),
    ],
)
def test_a_body_is_stored_as_text(ask: Ask, content_type: str, body: bytes, stored: str) -> None:
    assert ask("POST", TP2, [("Content-Type", content_type)], body).payload.body == stored


def test_header_bytes_that_are_not_utf_8_do_not_spoil_the_record(ask: Ask) -> None:
    payload = ask("GET", "/i", [("User-Agent", "caf\xe9")]).payload

    assert payload.user_agent == "caf\N{REPLACEMENT CHARACTER}"
    assert payload.headers == ("User-Agent: caf\N{REPLACEMENT CHARACTER}",)


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ({"cookie_name": "a b"}, "cookie_name"),
        ({"client_cookie_name": "a;b"}, "client_cookie_name"),
        ({"cookie_same_site": "none"}, "cookie_same_site"),
        ({"cookie_expiration_s": 0}, "cookie_expiration_s"),
        ({"cookie_domains": ("a.com; Path=/x",)}, "cookie domains"),
        ({"cookie_fallback_domain": ""}, "cookie domains"),
        ({"do_not_track_cookie": ("a", "(")}, "do_not_track_cookie"),
        ({"trusted_proxies": -1}, "trusted_proxies"),
        ({"max_bytes": 1}, "max_bytes"),
        ({"paths": {"/one": TP2}}, "paths"),
        ({"paths": {"/a/b": "/r/tp2"}}, "redirect_domains"),
        ({"paths": {"/r/b": TP2}}, "default_redirect"),
        ({"paths": {TP2: "/r/tp2"}, "redirect_domains": ("a.example",)}, "a path of your own"),
        ({"default_redirect": True}, "redirect_domains"),
        ({"redirect_domains": ("https://a.example",)}, "redirect_domains"),
        ({"trusted_networks": ("10.0.0.0/8",)}, "trusted_proxies"),
        ({"trusted_networks": ("ten",), "trusted_proxies": 1}, "trusted_networks"),
        ({"forwarded_header": "X-Real-IP"}, "forwarded_header"),
        ({"cors_origins": ("a.example",)}, "cors_origins"),
        ({"anonymous_parameter": "a b"}, "anonymous_parameter"),
        ({"metrics_path": "/health"}, "metrics_path"),
        ({"stored_cookies": ("a b",)}, "stored_cookies"),
    ],
)
def test_a_wrong_setting_is_named(setting: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        CollectorSettings(**setting)


def test_a_wrong_limit_is_named() -> None:
    with pytest.raises(ConfigurationError, match="body_bytes must be more than 0, got 0"):
        Limits(body_bytes=0)
