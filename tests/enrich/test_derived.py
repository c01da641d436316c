"""Columns that follow from others."""

from __future__ import annotations

import pytest
from tests.enrich.conftest import MINIMAL, Bench, get, kind, messages, post

from whiteout.enrich.derived import _derived_timestamp
from whiteout.enrich.urls import split_url
from whiteout.protocol.cross_navigation import without_cross_navigation

DAY = 86_400_000
COLLECTOR = 1_700_000_000_000
COLLECTOR_TEXT = "2023-11-14 22:13:20.000"


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({}, COLLECTOR_TEXT),
        ({"dtm": 1}, COLLECTOR_TEXT),
        ({"stm": 1}, COLLECTOR_TEXT),
        ({"dtm": 2, "stm": 1}, COLLECTOR_TEXT),
        ({"dtm": 1, "stm": 1}, COLLECTOR_TEXT),
        ({"dtm": 1, "stm": 2}, "2023-11-14 22:13:19.999"),
        ({"dtm": 0, "stm": 40 * DAY}, "2023-10-05 22:13:20.000"),
        ({"dtm": 0, "stm": 365 * DAY}, "2022-11-14 22:13:20.000"),
        ({"dtm": 0, "stm": 4 * 365 * DAY}, "2019-11-15 22:13:20.000"),
        ({"ttm": 5, "dtm": 1, "stm": 2}, "1970-01-01 00:00:00.005"),
        ({"dtm": -62_135_596_800_000, "stm": 253_402_300_799_999}, COLLECTOR_TEXT),
    ],
)
def test_the_derived_time_takes_off_what_the_event_waited(
    times: dict[str, int], expected: str
) -> None:
    """BE12."""
    assert _derived_timestamp(COLLECTOR, times) == expected


def test_the_trackers_url_beats_the_referer_header(bench: Bench) -> None:
    """BE14."""
    both = bench.event(post({**MINIMAL, "url": "http://a"}, referer_uri="http://b/c"))
    header = bench.event(post({**MINIMAL, "e": "se"}, referer_uri="http://b/c"))
    none = bench.event(post(MINIMAL))

    assert [e["page_url"] for e in (both, header, none)] == ["http://a", "http://b/c", None]
    assert header["page_urlpath"] == "/c"


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        (
            "https://u:p@a.example:8443/b/c;d?e=f&g#h?i",
            ("https", "a.example", "8443", "/b/c;d", "e=f&g", "h?i"),
        ),
        ("http://a.example", ("http", "a.example", "80", None, None, None)),
        ("https://a.example/", ("https", "a.example", "443", "/", None, None)),
        ("http://[2001:db8::1]:81/", ("http", "[2001:db8::1]", "81", "/", None, None)),
        ("/relative?x", (None, None, "80", "/relative", "x", None)),
        ("http://a.example/b c", ("http", "a.example", "80", "/b%20c", None, None)),
        ("http://a/{x}|y", ("http", "a", "80", "/{x}|y", None, None)),
        ("file:///etc", ("file", None, "80", "/etc", None, None)),
    ],
)
def test_url_parts(bench: Bench, url: str, parts: tuple[str | None, ...]) -> None:
    event = bench.mapped(url=url, refr=url)

    for prefix in ("page", "refr"):
        found = [
            event[f"{prefix}_url{part}"]
            for part in ("scheme", "host", "port", "path", "query", "fragment")
        ]
        assert tuple(found) == parts


@pytest.mark.parametrize("url", ["http://a:99999/", "http://a:b/", "http://[::1/", "http://a]/"])
def test_a_url_with_an_impossible_host_or_port_is_an_enrichment_failure(
    bench: Bench, url: str
) -> None:
    row = bench.bad(post({**MINIMAL, "url": url}))

    (message,) = messages(row)
    assert kind(row) == "enrichment_failures"
    assert message["enrichment"] is None
    assert message["message"]["field"] == "page_url"


@pytest.mark.parametrize("text", ["a@" * 100_000, "http://" + "@" * 100_000 + "[", "://" * 50_000])
def test_splitting_a_url_takes_linear_time(text: str) -> None:
    try:
        split_url(text)
    except ValueError as error:
        assert len(str(error)) < 100  # noqa: PT017 - either outcome is fine, in time


@pytest.mark.parametrize(
    ("decoration", "user", "time"),
    [
        ("", None, None),
        ("abc", "abc", None),
        ("abc.1697175843762", "abc", "2023-10-13 05:44:03.762"),
        (".1697175843762", None, "2023-10-13 05:44:03.762"),
        ("abc.1697175843762.176ff68a.dGVzdGVy.c29t.web.cmVhc29u", "abc", "2023-10-13 05:44:03.762"),
        ("a%62c.", "abc", None),
    ],
)
def test_cross_navigation_fills_the_referring_user(
    bench: Bench, decoration: str, user: str | None, time: str | None
) -> None:
    """BE15."""
    event = bench.mapped(url=f"http://a/?x=1&_sp={decoration}&y")

    assert (event["refr_domain_userid"], event["refr_dvce_tstamp"]) == (user, time)


def test_a_bad_time_in_cross_navigation_is_an_enrichment_failure(bench: Bench) -> None:
    """BE15."""
    row = bench.bad(post({**MINIMAL, "url": "http://a/?_sp=abc.not-a-time"}))

    assert kind(row) == "enrichment_failures"


@pytest.mark.parametrize("collector", ["", "\n"])
def test_no_collector_version_is_an_enrichment_failure(bench: Bench, collector: str) -> None:
    """BE16."""
    row = bench.bad(post(MINIMAL, collector=collector))

    assert kind(row) == "enrichment_failures"
    assert messages(row)[0]["message"]["field"] == "v_collector"


@pytest.mark.parametrize(
    ("event", "schema"),
    [
        ("pv", ("com.snowplowanalytics.snowplow", "page_view", "jsonschema", "1-0-0")),
        ("pp", ("com.snowplowanalytics.snowplow", "page_ping", "jsonschema", "1-0-0")),
        ("tr", ("com.snowplowanalytics.snowplow", "transaction", "jsonschema", "1-0-0")),
        ("ti", ("com.snowplowanalytics.snowplow", "transaction_item", "jsonschema", "1-0-0")),
        ("se", ("com.google.analytics", "event", "jsonschema", "1-0-0")),
        ("ue", (None, None, None, None)),
    ],
)
def test_each_type_of_event_has_its_schema(
    bench: Bench, event: str, schema: tuple[str | None, ...]
) -> None:
    found = bench.event(post({**MINIMAL, "e": event}))

    assert schema == tuple(
        found[f"event_{part}"] for part in ("vendor", "name", "format", "version")
    )


@pytest.mark.parametrize("query", ["e=ad&p=web", "p=web"])
def test_an_event_without_a_type_that_has_a_schema_is_an_enrichment_failure(
    bench: Bench, query: str
) -> None:
    assert kind(bench.bad(get(query))) == "enrichment_failures"


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("http://a/?_sp=x", "http://a/"),
        ("http://a/?b=1&_sp=x&c=2", "http://a/?b=1&c=2"),
        ("http://a/?b=1;_sp=x", "http://a/?b=1"),
        ("http://a/?%5Fsp=x&b", "http://a/?b"),
        ("http://a/?%255Fsp=x", "http://a/"),
        ("http://a/?_%73p=x", "http://a/"),
        ("http://a/?_sp=x#/route?_sp=y&b", "http://a/#/route?b"),
        ("http://a/#_sp=y", "http://a/#"),
        ("http://a/?x?_sp=y", "http://a/"),
        ("http://a/?b=_sp", "http://a/?b=_sp"),
        ("http://a/_sp/?b;c&d", "http://a/_sp/?b;c&d"),
        ("http://a/?sp=1", "http://a/?sp=1"),
        ("", ""),
    ],
)
def test_link_decoration_is_taken_out_however_it_is_spelled(url: str, clean: str) -> None:
    """W14."""
    assert without_cross_navigation(url) == clean
