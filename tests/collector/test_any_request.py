"""Whatever bodies and headers are: no 5xx, no crash, and good events beside them are loaded."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.collector.conftest import FRESH, NOW_MS, TP2, make_request
from tests.fuzz.campaign import exchange
from tests.fuzz.checks import check_answers

from whiteout.collector.core import Core
from whiteout.collector.exchange import Request
from whiteout.collector.settings import CollectorSettings
from whiteout.enrich import EnrichedEvent, Enricher
from whiteout.iglu import EmbeddedRegistry, Resolver
from whiteout.lake.loader import Loader
from whiteout.lake.reader import Lake
from whiteout.lake.settings import LoaderSettings, Source
from whiteout.protocol.parameters import PARAMETERS
from whiteout.protocol.self_describing import PAYLOAD_DATA

if TYPE_CHECKING:
    from pathlib import Path

Start = Callable[..., Any]

_TOKEN = "!#$%&'*+-.^_`|~0123456789abcXYZ"  # noqa: S105 - what names of headers are made of
_names = st.sampled_from(
    "Accept Authorization Content-Type Cookie DNT Forwarded Origin Referer SP-Anonymous Sec-GPC "
    "User-Agent X-Forwarded-For X-Forwarded-Proto".split()
).map(str.encode) | st.text(_TOKEN, min_size=1, max_size=8).map(str.encode)
_values = st.one_of(
    st.binary(max_size=30).map(lambda raw: bytes(byte for byte in raw if byte not in b"\r\n\0")),
    st.sampled_from(
        [
            *(b"*", b"", b"1", b"application/json; charset=idna", b"text/plain; charset=\xff"),
            *(b"sp=" + FRESH.encode(), b"sp=x; =;;sp", b"null, http://[::1]:99999", b"a" * 3000),
            *(b'for="[2001:db8::1]:80", for=_x', b"203.0.113.9, unknown,,", b"multipart/x; y"),
        ]
    ),
)
_texts = st.text(max_size=20) | st.sampled_from(["", "\0", "\ud800", "1e999", "x" * 2000, "null"])
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=6,
)
_parameters = st.dictionaries(st.sampled_from(sorted(PARAMETERS)) | _texts, _texts, max_size=6)
_events = st.lists(_parameters | _json, max_size=3).map(
    lambda data: {"schema": PAYLOAD_DATA, "data": data}
)
_bodies = st.one_of(
    st.binary(max_size=200),
    (_events | _json).map(lambda data: json.dumps(data).encode()),
    st.tuples(_events, st.integers(0, 60)).map(lambda it: json.dumps(it[0]).encode()[: -it[1] - 1]),
    st.integers(1, 3000).map(lambda deep: b'{"data":' + b"[" * deep),
)
_methods = st.sampled_from([b"POST", b"POST", b"POST", b"GET", b"HEAD", b"PUT", b"OPTIONS"])
_targets = st.sampled_from([TP2, "/i", "/r/tp2", "/com.acme/v1", "/", "*", "//", "/a/b/c"]).map(
    str.encode
)
_queries = st.binary(max_size=30).map(
    lambda raw: bytes(byte for byte in raw if byte not in b" \r\n\0")
)
_heads = st.tuples(_methods, _targets, _queries, st.lists(st.tuples(_names, _values), max_size=5))
SOME = 5  # of each: drawing costs more than asking, so each head is asked with each body
_some = st.tuples(
    st.lists(_heads, min_size=SOME, max_size=SOME), st.lists(_bodies, min_size=SOME, max_size=SOME)
)
ALWAYS_THE_SAME = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
Head = tuple[bytes, bytes, bytes, list[tuple[bytes, bytes]]]


def request_of(head: Head, body: bytes) -> Request:
    method, target, query, headers = head
    if query:
        target += b"?" + query
    return Request.of(method, target, headers, body, "198.51.100.7")


def good_event(number: int) -> tuple[str, bytes]:
    event_id = str(uuid.UUID(int=number, version=4))
    event = {"e": "pv", "p": "pc", "tv": "t-1", "aid": "shop", "eid": event_id}
    return event_id, json.dumps({"schema": PAYLOAD_DATA, "data": [event]}).encode()


def new_enricher(resolver: Resolver) -> Enricher:
    return Enricher(resolver, now_ms=lambda: NOW_MS, new_uuid=uuid.uuid4)


def ask_the_core(examples: int) -> int:
    """Ask, and enrich a good event after each example; how many requests that were."""
    core = Core(CollectorSettings(trusted_proxies=1, max_bytes=3000))
    enricher = new_enricher(Resolver([EmbeddedRegistry()]))
    count = 0

    @settings(ALWAYS_THE_SAME, max_examples=examples)
    @given(_some)
    def ask(some: tuple[list[Head], list[bytes]]) -> None:
        nonlocal count
        for head, content in itertools.product(*some):
            outcome = core.handle(request_of(head, content), NOW_MS, uuid.uuid4)
            assert 200 <= outcome.response.status < 500
            for row in outcome.bad_rows:
                json.loads(row)
            count += 1
        event_id, body = good_event(count)
        headers = [("Content-Type", "application/json")]
        beside = core.handle(make_request("POST", TP2, headers, body), NOW_MS, uuid.uuid4)
        (record,) = beside.records
        (event,) = enricher.enrich(record)
        assert isinstance(event, EnrichedEvent)
        assert event["event_id"] == event_id

    ask()
    return count


def test_ten_thousand_requests_of_any_kind_have_answers_and_lose_no_good_event() -> None:
    assert ask_the_core(400) >= 10_000


@pytest.mark.long
def test_quarter_of_a_million_requests_of_any_kind_have_answers() -> None:
    """Of ten thousand times some heads and bodies."""
    assert ask_the_core(10_000) >= 250_000


def test_good_events_between_hundreds_of_other_requests_are_rows_of_the_lake(
    start: Start, tmp_path: Path
) -> None:
    """Over sockets, and what was taken of the others goes the same way."""
    collector = start(CollectorSettings(trusted_proxies=1))
    good: list[str] = []

    @settings(ALWAYS_THE_SAME, max_examples=300)
    @given(_heads, _bodies)
    def send(head: Head, content: bytes) -> None:
        check_answers(exchange(collector.port, as_bytes(request_of(head, content))))
        event_id, body = good_event(len(good))
        headers = [(b"Content-Type", b"application/json")]
        beside = Request.of(b"POST", TP2.encode(), headers, body, "")
        assert check_answers(exchange(collector.port, as_bytes(beside)))["stored"] == 1
        good.append(event_id)

    send()
    load(collector.raw, collector.bad, tmp_path / "lake")

    rows = Lake(tmp_path / "lake").query("SELECT event_id FROM events WHERE v_tracker = 't-1'")
    assert len(good) >= 300
    assert sorted(rows["event_id"].to_pylist()) == sorted(good)


def as_bytes(request: Request) -> bytes:
    head = [b"%b %b HTTP/1.1" % (request.method, request.target), b"Host: localhost"]
    head += [b"%b: %b" % header for header in request.headers]
    head.append(b"Content-Length: %d" % len(request.body))
    return b"\r\n".join(head) + b"\r\n\r\n" + request.body


def load(raw: Any, bad: Any, lake: Path) -> None:  # noqa: ANN401 - the fixture's logs
    resolver = Resolver([EmbeddedRegistry()])
    enricher = new_enricher(resolver)
    loader = Loader(
        lake,
        raw=Source(log=raw, name="raw"),
        bad=Source(log=bad, name="bad"),
        enrich=enricher.enrich_all,
        fault=enricher.fault,
        lookup=resolver.lookup,
        settings=LoaderSettings(durable=False),
        now_ms=lambda: NOW_MS,
    )
    try:
        while loader.load():
            pass
        assert loader.counts.quarantined == 0
    finally:
        loader.close()
