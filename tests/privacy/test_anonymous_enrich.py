"""An anonymous event stays anonymous in enrich, whatever is switched on there.

Two ways to see it: no identifier of the request is in what comes out, and what comes out is the
same to the byte for two people whose requests differ in nothing but their identifiers.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.enrich.conftest import (
    ACME_SCHEMAS,
    JSON_TYPE,
    TP2,
    Bench,
    body_of,
    contexts,
    encode_base64,
    payload,
    thing,
    unstruct_event,
)
from tests.enrich.enrichments.support import bench_of
from tests.support.all_enrichments import configure_all

from whiteout.enrich import BadRow, EnrichedEvent, read_folder
from whiteout.enrich.enrichments import KINDS
from whiteout.iglu import EmbeddedRegistry, Resolver
from whiteout.protocol.collector_payload import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

AGENT = "Mozilla/5.0 (Windows NT 10.0; rv:120.0) Gecko/20100101 Firefox/120.0"
FEW = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@dataclass(frozen=True)
class Person:
    """All by which one request can be told from another; each a word found nowhere else."""

    address: str
    cookie: str
    word: str

    def words(self) -> Iterator[str]:
        yield from (self.address, self.cookie, self.word)
        yield self.address.rpartition(":" if ":" in self.address else ".")[0]
        for word in (self.address, self.cookie, self.word):
            yield from (word.encode().hex(), base64.b64encode(word.encode()).decode()[:-4])


ALICE = Person("203.0.113.77", "a11ce000-0000-4000-8000-00000000a11c", "canaryalice")
BOB = Person("2001:db8:b0b::b0b", "b0b00000-0000-4000-8000-000000000b0b", "canarybob")


@dataclass(frozen=True)
class Shape:
    """A request but for the person: what is random, and the same for two people."""

    way: str
    event: dict[str, str]
    server: tuple[str, ...]
    headers: tuple[str, ...]
    mark: str
    decorated: tuple[str, ...]
    events: int
    fails: bool

    def record(self, person: Person, *, anonymous: bool = True) -> bytes:
        """The request of a person."""
        own = {
            name: person.address if name.strip().lower() == "ip" else person.cookie
            for name in self.server
        }
        link = f"https://a.example/p?_sp={person.word}.1697175843762.{person.cookie}&utm_source=s"
        encoded = f"https://find.example/s?%5Fsp={person.word}.1697175843762&q=shoes#x"
        urls = {"url": link, "refr": encoded}
        event = {**self.event, **{name: urls[name] for name in self.decorated if name in urls}}
        if self.fails:
            event["tid"] = "no number"
        headers = [header.format(p=person) for header in self.headers]
        if anonymous:
            headers.insert(len(headers) // 2, self.mark)
        common: dict[str, Any] = {
            "ip_address": person.address,
            "network_user_id": person.cookie,
            "referer_uri": f"https://b.example/?{person.word}"
            if "referer" in self.decorated
            else None,
            "user_agent": AGENT,
        }
        if self.way == "post":
            events = [{**event, **own, "page": f"p{number}"} for number in range(self.events)]
            content = {"body": body_of(*events), "content_type": JSON_TYPE, "path": TP2}
            headers.append(JSON_TYPE)
        elif self.way == "query":
            content = {
                "body": body_of(event),
                "content_type": JSON_TYPE,
                "path": TP2,
                "querystring": urlencode(own),
            }
        elif self.way == "redirect":
            click = {"u": link, **own, **{k: v for k, v in event.items() if k != "tv"}}
            content = {"path": "/r/tp2", "querystring": urlencode(click)}
        else:
            content = {"path": "/i", "querystring": urlencode({**event, **own}, quote_via=quote)}
        return encode(payload(**common, headers=tuple(headers), **content))


HEADERS = (
    "X-Forwarded-For: {p.address}",
    "x-forwarded-for: {p.address}, 10.0.0.1",
    "Forwarded: for={p.address}",
    "True-Client-IP: {p.address}",
    "CF-Connecting-IP: {p.address}",
    "Fastly-Client-IP: {p.address}",
    "X-Original-Forwarded-For: {p.address}",
    "Via: 1.1 {p.word}",
    "Cookie: sp={p.cookie}; id={p.word}",
    "Authorization: Bearer {p.word}",
    "Referer: https://b.example/?mail={p.word}",
    "Origin: https://{p.word}.example",
    "Accept-Language: x-{p.word}",
    "X-{p.word}: x",
    "Sec-CH-UA: {p.word}",
)
MARKS = ("SP-Anonymous: *", "sp-anonymous: false", "SP-ANONYMOUS:", "Sp-Anonymous : *")
ENTITIES = contexts(thing(name="a"))
EVENTS = st.sampled_from(
    [
        {"e": "pv"},
        {"e": "pp", "pp_mix": "1"},
        {"e": "se", "se_ca": "c", "se_ac": "a", "se_va": "1.5"},
        {"e": "tr", "tr_id": "o-1", "tr_tt": "7"},
        {"e": "ti", "ti_id": "o-1", "ti_sk": "s"},
        {"e": "ue", "ue_pr": unstruct_event(thing(name="a"))},
        {"e": "ue", "ue_px": encode_base64(json.loads(unstruct_event(thing(name="a"))))},
    ]
)
EXTRAS = st.fixed_dictionaries(
    {"p": st.sampled_from(["web", "mob"]), "tv": st.just("t-1")},
    optional={
        "co": st.just(ENTITIES),
        "cx": st.just(encode_base64(json.loads(ENTITIES))),
        "aid": st.just("shop"),
        "dtm": st.just("1700000000000"),
        "stm": st.just("1700000001000"),
        "uid": st.just("kept-user"),  # the app's own word, which this mark is not about
        "ua": st.just(AGENT),
    },
)
SHAPES = st.builds(
    Shape,
    way=st.sampled_from(["post", "query", "redirect", "get"]),
    event=st.builds(lambda event, extras: {**event, **extras}, EVENTS, EXTRAS),
    server=st.lists(
        st.sampled_from(["ip", "nuid", "tnuid", "IP", "Nuid", " tnuid"]), unique=True
    ).map(tuple),
    headers=st.lists(st.sampled_from(HEADERS), max_size=6).map(tuple),
    mark=st.sampled_from(MARKS),
    decorated=st.lists(st.sampled_from(["url", "refr", "referer"]), unique=True).map(tuple),
    events=st.integers(1, 3),
    fails=st.booleans(),
)


@pytest.fixture(scope="module")
def resolver() -> Resolver:
    schemas = {f"iglu:com.acme/{name}/jsonschema/1-0-0": s for name, s in ACME_SCHEMAS.items()}
    return Resolver([EmbeddedRegistry(), EmbeddedRegistry(schemas, name="acme")])


@pytest.fixture(scope="module", params=[True, False], ids=["masking", "plain"])
def bench(
    request: pytest.FixtureRequest, resolver: Resolver, tmp_path_factory: pytest.TempPathFactory
) -> Bench:
    """Every enrichment at once, with and without those that take away."""
    folder = tmp_path_factory.mktemp("enrichments")
    configure_all(folder, privacy=request.param)
    assert len(read_folder(folder).enrichments) == len(KINDS) - (0 if request.param else 4)
    return bench_of(folder, resolver, incomplete_events=True)


def lines(results: Iterable[EnrichedEvent | BadRow]) -> list[str]:
    """All that results say."""
    found = []
    for result in results:
        if isinstance(result, EnrichedEvent):
            found.append(result.tsv())
        else:
            found += [result.json(), result.incomplete.tsv() if result.incomplete else ""]
    return found


@FEW
@given(shape=SHAPES)
def test_no_identifier_of_an_anonymous_request_is_in_what_comes_out(
    shape: Shape, bench: Bench
) -> None:
    for person in (ALICE, BOB):
        text = "\n".join(lines(bench.all(shape.record(person)))).lower()

        assert [word for word in person.words() if word.lower() in text] == []


@FEW
@given(shape=SHAPES)
def test_two_people_s_anonymous_requests_come_out_the_same(shape: Shape, bench: Bench) -> None:
    """Also hashes, places, networks and lengths: nothing is made of the identifiers either."""
    alice, bob = (lines(bench.all(shape.record(person))) for person in (ALICE, BOB))

    assert alice == bob


@FEW
@given(shape=SHAPES)
def test_of_a_request_that_is_not_anonymous_it_does_come_out(shape: Shape, bench: Bench) -> None:
    """Else the tests before would prove nothing."""
    alice, bob = (
        lines(bench.all(shape.record(person, anonymous=False))) for person in (ALICE, BOB)
    )

    assert alice != bob


def test_an_anonymous_event_is_enriched_all_the_same(bench: Bench) -> None:
    """What says nothing of a person is read: the user agent, the campaign, the referrer."""
    shape = Shape(
        way="post",
        event={"e": "pv", "p": "web", "tv": "t"},
        server=("ip", "tnuid"),
        headers=HEADERS,
        mark=MARKS[0],
        decorated=("url", "refr"),
        events=1,
        fails=False,
    )

    event = bench.event(shape.record(ALICE))

    assert (event["mkt_source"], event["refr_medium"], event["refr_term"]) == (
        "s",
        "search",
        "shoes",
    )
    names = [entity.key.name for entity in event.derived_contexts]
    assert names == ["spiders_and_robots", "ua_parser_context", "bot_detection"]
    assert event["event_fingerprint"] is not None
    for column in ("geo_country", "ip_isp", "ip_domain", "user_ipaddress", "refr_domain_userid"):
        assert event[column] is None


def test_one_that_is_not_anonymous_has_all_of_it(bench: Bench) -> None:
    shape = Shape("post", {"e": "pv", "p": "web", "tv": "t"}, (), HEADERS, "", ("url",), 1, False)

    event = bench.event(shape.record(ALICE, anonymous=False))

    names = {entity.key.name for entity in event.derived_contexts}
    assert {"asn", "http_cookie", "http_header"} <= names
    assert (event["geo_country"], event["ip_isp"]) == ("DE", "Example ISP")
