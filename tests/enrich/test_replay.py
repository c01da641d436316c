"""A bad row gives back what failed: all of it, and no more."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.enrich.conftest import (
    COOKIE,
    MINIMAL,
    Bench,
    contexts,
    encode_base64,
    payload,
    post,
    thing,
    unstruct_event,
)
from tests.enrich.enrichments.support import bench_of
from tests.support.all_enrichments import configure_privacy

from whiteout.enrich.event import BadRow, EnrichedEvent
from whiteout.enrich.failure import GENERIC_ERROR
from whiteout.enrich.load import Request, load
from whiteout.enrich.replay import NotReplayable, ReplayedIds, replay
from whiteout.lake.failed import generic_error, iglu_error, parsing_error
from whiteout.protocol.collector_payload import encode

if TYPE_CHECKING:
    from pathlib import Path

    from whiteout.enrich import Enricher
    from whiteout.iglu import Resolver

SECRETS = ("192.0.2.7", COOKIE, "sp=cookie-9f31", "https://shop.example/?mail=a%40b.example")


@pytest.fixture
def enricher(bench: Bench) -> Enricher:
    return bench.enricher


def only_row(enricher: Enricher, record: bytes) -> BadRow:
    (row,) = enricher.enrich(record)
    assert isinstance(row, BadRow)
    return row


def replayed_row(enricher: Enricher, record: bytes) -> tuple[BadRow, BadRow]:
    """The bad row of a record, and the one that its replay makes."""
    row = only_row(enricher, record)
    again = replay(row.json())
    assert isinstance(again, bytes)
    return row, only_row(enricher, again)


@pytest.mark.parametrize(
    "parameters",
    [
        {"co": contexts(thing(name=3))},
        {"cx": encode_base64(json.loads(contexts(thing(name=3))))},
        {"cx": encode_base64(json.loads(contexts(thing(name="x" * 2_000, wrong=1))))},
        {"e": "ue", "ue_pr": unstruct_event(thing(wrong="ü" * 700))},
        {"e": "ue", "ue_px": encode_base64(json.loads(unstruct_event(thing(wrong="y" * 700))))},
        {"co": contexts(thing(name=3)), "url": f"https://a.example/{'p' * 900}?q=a+b%20c"},
        {"co": contexts(thing(name=3)), "uid": "a&b=c+d%é"},
        {"dtm": "never", "eid": "not-a-uuid"},
        {"e": "nothing"},
    ],
)
def test_an_event_that_failed_fails_the_same_way_again(
    enricher: Enricher, parameters: dict[str, str]
) -> None:
    """Nothing changed in between; so the whole payload and every message are the same."""
    row, again = replayed_row(enricher, post({**MINIMAL, **parameters}))

    assert again.data["failure"] == row.data["failure"]
    assert again.data["payload"]["enriched"] == row.data["payload"]["enriched"]
    same = ("userId", "ipAddress", "useragent", "refererUri", "headers", "timestamp", "hostname")
    raw, raw_again = row.data["payload"]["raw"], again.data["payload"]["raw"]
    assert [raw_again[name] for name in same] == [raw[name] for name in same]


@pytest.mark.parametrize(
    "record",
    [
        post({"wrong": 1}),
        encode(payload(path="/com.acme/v1", querystring="a=b+c&d", headers=("Host: a",))),
        encode(
            payload(path="/com.acme/v1", querystring=f"a={'b%2B' * 300}&c", headers=("Host: a",))
        ),
        encode(payload(body="{", content_type="application/json")),
    ],
)
def test_a_request_that_failed_fails_the_same_way_again(enricher: Enricher, record: bytes) -> None:
    row, again = replayed_row(enricher, record)

    assert again.json() == row.json()


@pytest.mark.parametrize("record", [encode(payload(path="/")), b"no thrift at all"])
def test_a_record_that_is_no_request_is_given_back_as_it_was(
    enricher: Enricher, record: bytes
) -> None:
    """Where its bytes may be kept at all: without headers nobody knows whether it is anonymous."""
    row = only_row(enricher, record)

    assert replay(row.json()) in (record, NotReplayable("it does not hold what failed"))
    assert replay(generic_error("fault", record, now_ms=0).json()) == record


@pytest.mark.parametrize("event", [{"co": contexts(thing(name=3))}, {"wrong": 1}])
def test_an_anonymous_request_stays_anonymous(enricher: Enricher, event: dict[str, Any]) -> None:
    """The header stands in the row; and what was taken away cannot be in the record."""
    record = post(
        {**MINIMAL, **event, "ip": "192.0.2.7", "tnuid": COOKIE},
        headers=("SP-Anonymous: *", "Cookie: sp=cookie-9f31", "X-Forwarded-For: 192.0.2.7"),
        referer_uri="https://shop.example/?mail=a%40b.example",
    )

    again = replay(only_row(enricher, record).json())

    assert isinstance(again, bytes)
    request = load(again)
    assert isinstance(request, Request)
    assert request.anonymous
    assert not [secret for secret in SECRETS if secret.encode() in again]


def test_an_event_keeps_the_id_that_it_was_given(enricher: Enricher) -> None:
    """A tracker sent none: made anew, it would be another event in every replay."""
    row = only_row(enricher, post({**MINIMAL, "co": contexts(thing(name=3))}))

    again = replay(row.json())

    assert isinstance(again, bytes)
    assert row.data["payload"]["enriched"]["event_id"].encode() in again


@pytest.mark.parametrize("event", [{"co": contexts(thing(name=3))}, {"wrong": 1}])
def test_a_row_with_a_pseudonym_for_the_cookies_id_can_be_replayed(
    resolver: Resolver, tmp_path: Path, event: dict[str, Any]
) -> None:
    """A pseudonym is no UUID, and a record with another id is none that enrich reads."""
    configure_privacy(tmp_path)
    bench = bench_of(tmp_path, resolver)

    row, again = replayed_row(bench.enricher, post({**MINIMAL, **event}))

    assert again.schema == row.schema
    assert COOKIE not in row.json()


def test_an_events_pseudonym_for_the_cookies_id_outlives_the_replay(
    resolver: Resolver, tmp_path: Path
) -> None:
    configure_privacy(tmp_path)
    row = bench_of(tmp_path, resolver).bad(post({**MINIMAL, "co": contexts(thing(name=3))}))
    pseudonym = row.data["payload"]["enriched"]["network_userid"]

    again = replay(row.json())

    assert isinstance(again, bytes)
    request = load(again)
    assert isinstance(request, Request)
    assert dict(request.parameters)["nuid"] == pseudonym


def test_ids_are_the_same_for_the_same_row_and_differ_within_it() -> None:
    ids = ReplayedIds()
    ids.begin("a")
    first = [ids() for _ in range(3)]
    ids.begin("a")
    assert [ids() for _ in range(3)] == first
    assert len(set(first)) == len(first)
    ids.begin("b")
    assert ids() not in first


def test_what_a_loader_could_not_store_is_given_back_as_the_event(enricher: Enricher) -> None:
    """Enrich has passed it; it is the same in every column."""
    parameters = {
        **MINIMAL,
        "co": contexts(thing(name="a")),
        "e": "ue",
        "ue_pr": unstruct_event(thing(name="b")),
        "res": "800x600",
        "cookie": "1",
        "dtm": "1700000000123",
    }
    (event,) = enricher.enrich(post(parameters))
    assert isinstance(event, EnrichedEvent)

    for row in (iglu_error(event, []), parsing_error(event, [])):
        again = replay(row.json())
        assert isinstance(again, EnrichedEvent)
        assert again.tsv() == event.tsv()
        assert again.unstruct_event == event.unstruct_event
        assert again.contexts == event.contexts


def test_a_value_that_is_cut_for_good_is_not_taken_for_whole(enricher: Enricher) -> None:
    """A text that is no JSON stands nowhere in full; half of it is another event."""
    row = only_row(enricher, post({**MINIMAL, "co": "[" + "1," * 600}))

    assert replay(row.json()) == NotReplayable("one of its values is cut")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.sampled_from(
        "schema_violations adapter_failures generic_error loader_iglu_error "
        "loader_parsing_error size_violation else".split()
    ),
)
def test_whatever_a_row_holds_it_never_raises(data: object, kind: str) -> None:
    """Rows come from other programs too."""
    for document in (data, {"payload": data}):
        schema = GENERIC_ERROR.replace("generic_error", kind)
        text = json.dumps({"schema": schema, "data": document})
        assert isinstance(replay(text), bytes | EnrichedEvent | NotReplayable)
    assert isinstance(replay(json.dumps(data)), NotReplayable)


def test_base64_that_is_none_is_not_replayed() -> None:
    text = json.dumps({"schema": GENERIC_ERROR, "data": {"payload": "%%%"}})
    assert isinstance(replay(text), NotReplayable)
    whole = json.dumps(
        {"schema": GENERIC_ERROR, "data": {"payload": base64.b64encode(b"x").decode()}}
    )
    assert replay(whole) == b"x"
