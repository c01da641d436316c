"""Where a visitor came from: campaign, referrer, another site of the same owner."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import pytest
from tests.enrich.conftest import JSON_TYPE, MINIMAL, Bench, messages, post
from tests.enrich.enrichments.support import ENRICHMENTS, SNOWPLOW, bench_of, configure

from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from whiteout.iglu import Resolver

FIELDS = {
    "mktMedium": ["utm_medium", "medium"],
    "mktSource": ["utm_source"],
    "mktTerm": ["utm_term"],
    "mktContent": ["utm_content"],
    "mktCampaign": ["utm_campaign", "cid"],
    "mktClickId": {"customid": "Custom", "gclid": "Ours"},
}
MARKETING = ("mkt_medium", "mkt_source", "mkt_term", "mkt_content", "mkt_campaign")
SITES = {
    "search": {
        "Finder": {"domains": ["find.example", "www.find.example/maps"], "parameters": ["q", "p"]},
    },
    "social": {"Chat": {"domains": ["chat.example"]}},
    "email": {"Post": {"domains": ["portal.example/mail"]}},
    "unused": {"Portal": {"domains": ["portal.example"]}},
}


@pytest.fixture
def campaigns(tmp_path: Path, resolver: Resolver) -> Bench:
    parameters = {"mapping": "static", "fields": FIELDS}
    configure(tmp_path, SNOWPLOW, "campaign_attribution", "1-0-1", parameters)
    return bench_of(tmp_path, resolver)


@pytest.fixture
def referrers(tmp_path: Path, resolver: Resolver) -> Bench:
    (tmp_path / "referers-latest.json").write_text(json.dumps(SITES))
    parameters = {
        "internalDomains": ["www.internal.example"],
        "database": "referers-latest.json",
        "uri": "https://assets.example/",
        "referrers": {"paid": {"Ads": {"domains": ["ads.example"]}}},
    }
    configure(tmp_path, SNOWPLOW, "referer_parser", "2-0-1", parameters)
    return bench_of(tmp_path, resolver)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("utm_medium=cpc&medium=other", {"mkt_medium": "cpc"}),
        ("medium=other&utm_medium=cpc", {"mkt_medium": "cpc"}),
        ("cid=spring&utm_source=a+b%21", {"mkt_campaign": "spring", "mkt_source": "a b!"}),
        ("utm%5Fterm=x&utm_content=y", {"mkt_term": "x", "mkt_content": "y"}),
        ("utm_source=&utm_source=b", {}),
        ("gclid=1", {"mkt_clickid": "1", "mkt_network": "Ours"}),
        ("msclkid=2", {"mkt_clickid": "2", "mkt_network": "Microsoft"}),
        ("dclid=3", {"mkt_clickid": "3", "mkt_network": "DoubleClick"}),
        ("customid=4&msclkid=2", {"mkt_clickid": "4", "mkt_network": "Custom"}),
        ("other=1", {}),
    ],
)
def test_BE43_the_first_parameter_of_the_configuration_wins(
    query: str, expected: dict[str, str], campaigns: Bench
) -> None:
    event = campaigns.mapped(url=f"https://shop.example/?{query}")

    found = {
        name: event[name]
        for name in (*MARKETING, "mkt_clickid", "mkt_network")
        if event[name] is not None
    }
    assert found == expected


@pytest.mark.parametrize(
    ("referrer", "medium", "source", "term"),
    [
        ("https://find.example/s?p=&q=red+shoes", "search", "Finder", None),
        ("https://find.example/s?q=red+shoes", "search", "Finder", "red shoes"),
        ("https://de.find.example/s?q=x", "search", "Finder", "x"),
        ("https://www.find.example/maps/a?q=x", "search", "Finder", "x"),
        ("https://chat.example/?q=x", "social", "Chat", None),
        ("https://portal.example/mail/inbox", "email", "Post", None),
        ("https://portal.example/news", "unused", "Portal", None),
        ("https://ads.example/", "paid", "Ads", None),
        ("https://WWW.INTERNAL.example/x", "internal", None, None),
        ("https://shop.example/other", "internal", None, None),
        ("https://somebody.example/", "unknown", None, None),
        ("mailto:somebody@find.example", None, None, None),
        ("find.example", None, None, None),
    ],
)
def test_referrers_are_sorted_by_the_list(
    referrer: str, medium: str | None, source: str | None, term: str | None, referrers: Bench
) -> None:
    event = referrers.mapped(url="https://shop.example/", refr=referrer)

    assert (event["refr_medium"], event["refr_source"], event["refr_term"]) == (
        medium,
        source,
        term,
    )


def test_a_host_with_very_many_labels_takes_no_longer(referrers: Bench) -> None:
    event = referrers.mapped(refr=f"https://{'a.' * 100}example/", url="https://shop.example/")

    assert event["refr_medium"] == "unknown"


def test_a_list_that_is_missing_or_none_stops_the_start(tmp_path: Path, resolver: Resolver) -> None:
    parameters = {"internalDomains": [], "database": "r.json", "uri": "https://assets.example/"}
    configure(tmp_path, SNOWPLOW, "referer_parser", "2-0-0", parameters)
    with pytest.raises(ConfigurationError, match=r"put the file r\.json into .* downloads nothing"):
        bench_of(tmp_path, resolver)
    (tmp_path / "r.json").write_text('{"search": []}')
    with pytest.raises(ConfigurationError, match=r"r\.json must look like"):
        bench_of(tmp_path, resolver)


# --- cross-navigation ------------------------------------------------------------------------

SESSION = "176ff68a-4769-4566-ad0e-3792c1c8148f"
SHORT = {"domain_user_id": "abc", "timestamp": "2023-10-13T05:44:03.762Z"}
EMPTY = dict.fromkeys(("session_id", "user_id", "source_id", "source_platform", "reason"))


@pytest.fixture
def navigation(tmp_path: Path, resolver: Resolver) -> Bench:
    configure(tmp_path, ENRICHMENTS, "cross_navigation_config", "1-0-0")
    return bench_of(tmp_path, resolver)


@pytest.mark.parametrize(
    ("decoration", "expected"),
    [
        ("abc.1697175843762", {**SHORT, **EMPTY}),
        (
            f"abc.1697175843762.{SESSION}.dGVzdGVy.c29tZVNvdXJjZUlk.web.dGVzdGluZ19yZWFzb24",
            {
                **SHORT,
                "session_id": SESSION,
                "user_id": "tester",
                "source_id": "someSourceId",
                "source_platform": "web",
                "reason": "testing_reason",
            },
        ),
        ("abc.1697175843762..!!!.", {**SHORT, **EMPTY}),
        ("", None),
        ("abc", None),
        (".1697175843762", None),
    ],
)
def test_BE15_the_link_decoration_becomes_an_entity(
    decoration: str, expected: dict[str, Any] | None, navigation: Bench
) -> None:
    event = navigation.event(post({**MINIMAL, "url": f"https://a.example/?_sp={decoration}"}))

    assert [entity.data for entity in event.derived_contexts] == (
        [] if expected is None else [expected]
    )


def test_BE15_a_time_that_is_none_fails(navigation: Bench) -> None:
    row = navigation.bad(post({**MINIMAL, "url": "https://a.example/?_sp=abc.xyz"}))

    assert messages(row)[0]["message"]["field"] == "sp_dtm"


def test_W14_an_anonymous_event_is_not_joined_to_another_site(navigation: Bench) -> None:
    url = f"https://a.example/?_sp=abc.1697175843762.{SESSION}"
    name = urlsafe_b64encode(b"tester").decode()

    event = navigation.event(
        post({**MINIMAL, "url": f"{url}.{name}"}, headers=("SP-Anonymous: *", JSON_TYPE))
    )

    assert event.derived_contexts == []
    assert (event["refr_domain_userid"], event["page_url"]) == (None, "https://a.example/")


# --- scrubbed URLs ---------------------------------------------------------------------------


def test_W7_urls_lose_what_is_not_named(tmp_path: Path, resolver: Resolver) -> None:
    configure(tmp_path, "whiteout", "url_scrubbing_config", "1-0-0", {"keep": ["utm_source"]})
    configure(tmp_path, SNOWPLOW, "campaign_attribution", "1-0-1", {"fields": FIELDS})
    bench = bench_of(tmp_path, resolver)
    secret = "me%40mail"  # noqa: S105 - no password

    event = bench.mapped(
        url=f"https://{secret}:pw@shop.example:8080/a/b?mail={secret}&utm_source=s&gclid={secret}"
        f"&_sp={secret}.1697175843762#{secret}",
        refr=f"https://other.example/?q={secret}",
    )

    assert secret not in event.tsv()
    assert "me@mail" not in event.tsv()
    assert event["page_url"] == "https://shop.example:8080/a/b?utm_source=s"
    assert (event["page_urlquery"], event["page_urlfragment"]) == ("utm_source=s", None)
    assert event["page_referrer"] == "https://other.example/"
    assert (event["mkt_source"], event["mkt_clickid"]) == ("s", None)
