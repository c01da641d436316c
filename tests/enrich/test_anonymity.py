"""What must never come out of an anonymous request, as an event or as a bad row."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.enrich.conftest import (
    ACME_SCHEMAS,
    COOKIE,
    JSON_TYPE,
    MINIMAL,
    NEW_UUID,
    TP2,
    Bench,
    body_of,
    contexts,
    kind,
    make_bench,
    messages,
    post,
    thing,
)

from whiteout.enrich import BadRow, EnrichedEvent
from whiteout.enrich.anonymity import is_anonymous
from whiteout.identifiers import NULL_UUID, SERVER_PARAMETERS
from whiteout.iglu import EmbeddedRegistry, Resolver
from whiteout.protocol.collector_payload import decode, encode

if TYPE_CHECKING:
    from whiteout.protocol.collector_payload import CollectorPayload

ADDRESS = "203.0.113.77"
CANARIES = {
    "address": ADDRESS,
    "cookie": "c00c1e00-0000-4000-8000-000000000001",
    "forwarded": "198.51.100.88",
    "query": "canary-query",
    "body": "canary-body",
    "referer": "canary-referer",
    "link": "canary-link",
}
HEADERS = (
    "Host: collector.example",
    f"X-Forwarded-For: {CANARIES['forwarded']}",
    f"Forwarded: for={CANARIES['forwarded']}",
    f"CF-Connecting-IP: {CANARIES['forwarded']}",
    f"True-Client-IP: {CANARIES['forwarded']}",
    f"Cookie: sp={CANARIES['cookie']}",
    f"Authorization: Bearer {CANARIES['cookie']}",
    f"Referer: http://a/{CANARIES['referer']}",
    f"sp-anonymous: {CANARIES['cookie']}",
    "User-Agent: Agent/1",
    JSON_TYPE,
)
IDENTIFYING = dict.fromkeys(SERVER_PARAMETERS, CANARIES["body"])
URLS = {
    "url": f"https://a.example/?_sp={CANARIES['link']}.1697175843762&utm_source=x",
    "refr": f"https://b.example/?%5Fsp={CANARIES['link']}#/r?_sp={CANARIES['link']}",
}
QUERY = "&".join(f"{name}={CANARIES['query']}" for name in sorted(SERVER_PARAMETERS))
FIELDS: dict[str, Any] = {
    "ip_address": ADDRESS,
    "network_user_id": CANARIES["cookie"],
    "referer_uri": f"http://a/{CANARIES['referer']}",
    "headers": HEADERS,
    "querystring": QUERY,
    "user_agent": "Agent/1",
}


def anonymous(*events: dict[str, str], **fields: Any) -> bytes:  # noqa: ANN401 - different types
    full = ({**MINIMAL, **IDENTIFYING, **URLS, **event} for event in events or ({},))
    return post(*full, **{**FIELDS, **fields})


def all_text(result: EnrichedEvent | BadRow) -> str:
    if isinstance(result, EnrichedEvent):
        return result.tsv() + json.dumps(result.json_object())
    payload = result.data["payload"]
    inner = ""
    if isinstance(payload, str):
        inner = base64.b64decode(payload).decode("utf-8", "replace")
    return result.json() + inner


def assert_no_canary(results: list[EnrichedEvent | BadRow]) -> None:
    text = "".join(map(all_text, results))
    assert [name for name, canary in CANARIES.items() if canary in text] == []


def test_the_canaries_do_come_out_when_the_request_is_not_anonymous(bench: Bench) -> None:
    """Else the tests below would prove nothing."""
    headers = tuple(header for header in HEADERS if "sp-anonymous" not in header)
    text = "".join(map(all_text, bench.all(anonymous({"tid": "x"}, headers=headers))))

    missing = [name for name, canary in CANARIES.items() if canary not in text]
    assert missing == ["body"]  # the query string beats the body
    text += "".join(map(all_text, bench.all(anonymous({"tid": "x"}, headers=(), querystring=""))))
    assert CANARIES["body"] in text


def test_a_good_event_has_no_address_no_cookie_and_no_link_decoration(bench: Bench) -> None:
    event = bench.event(anonymous())

    assert_no_canary([event])
    columns = ("user_ipaddress", "network_userid", "refr_domain_userid", "refr_dvce_tstamp")
    assert [event[column] for column in columns] == [None, NULL_UUID, None, None]
    assert event["page_url"] == "https://a.example/?utm_source=x"
    assert event["page_referrer"] == "https://b.example/#/r"
    assert event["useragent"] == "Agent/1"


def test_the_referer_does_not_become_the_page(bench: Bench) -> None:
    """W14."""
    assert bench.event(post(MINIMAL, **FIELDS))["page_url"] is None


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(anonymous(path="/nowhere"), id="wrong path"),
        pytest.param(anonymous(path=None), id="no path"),
        pytest.param(anonymous(encoding="no-such"), id="wrong encoding"),
        pytest.param(anonymous(path="/com.acme/v1"), id="other vendor"),
        pytest.param(anonymous(content_type=f"text/{ADDRESS}"), id="content type"),
        pytest.param(anonymous(body=None), id="no body"),
        pytest.param(anonymous(body=f"ip={CANARIES['body']}"), id="no json"),
        pytest.param(anonymous(body=json.dumps(IDENTIFYING)), id="no iglu"),
        pytest.param(anonymous(body=json.dumps([[[{"a": IDENTIFYING}]]])), id="deep inside"),
        pytest.param(
            anonymous(body=json.dumps({" IP ": CANARIES["body"], "TNUID": CANARIES["body"]})),
            id="other spellings",
        ),
        pytest.param(
            anonymous(body='{"\\u0069p":"' + CANARIES["body"] + '"}'), id="escaped spelling"
        ),
        pytest.param(anonymous(body='{"ip":' * 60 + '"canary-body"' + "}" * 60), id="too deep"),
        pytest.param(anonymous(body=body_of({**IDENTIFYING, **URLS})), id="invalid"),
        pytest.param(anonymous({"tid": "x"}), id="bad column"),
        pytest.param(anonymous({"aid": "x" * 999}), id="long column"),
        pytest.param(anonymous({"e": "ad"}), id="no schema"),
        pytest.param(anonymous({"co": contexts(thing())}), id="bad entity"),
        pytest.param(anonymous(timestamp=2**62), id="bad clock"),
    ],
)
def test_a_bad_row_of_an_anonymous_request_is_as_clean_as_an_event(
    bench: Bench, record: bytes
) -> None:
    """W6, for every kind of failure."""
    row = bench.bad(record)

    assert_no_canary([row])


def test_a_record_cut_short_gives_nothing_away(bench: Bench) -> None:
    """The header that would say it is anonymous may be in the part that is missing."""
    record = anonymous()
    for length in range(0, len(record), 7):
        assert_no_canary(bench.all(record[:length]))


def test_a_cookie_that_is_no_uuid_does_not_fail_an_anonymous_event(bench: Bench) -> None:
    assert bench.event(anonymous(network_user_id="canary"))["network_userid"] == NULL_UUID


def test_what_is_kept_of_headers_is_an_allow_list(bench: Bench) -> None:
    """W1."""
    row = bench.bad(anonymous({"tid": "x"}))

    raw = row.data["payload"]["raw"]
    assert raw["headers"] == ["SP-Anonymous: *", JSON_TYPE]
    assert (raw["ipAddress"], raw["userId"], raw["refererUri"]) == (None, NULL_UUID, None)


def test_a_clean_request_of_a_bad_row_can_be_replayed(bench: Bench) -> None:
    row = bench.bad(anonymous(path="/nowhere"))

    replay: CollectorPayload = decode(base64.b64decode(row.data["payload"]))
    (event,) = bench.all(encode(_with_path(replay)))

    assert isinstance(event, EnrichedEvent)
    assert event["page_url"] == "https://a.example/?utm_source=x"
    assert_no_canary([event])


def _with_path(payload: CollectorPayload) -> CollectorPayload:
    from msgspec.structs import replace  # noqa: PLC0415 - only here

    return replace(payload, path=TP2)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("SP-Anonymous: *", True),
        ("sp-anonymous: *", True),
        ("SP-ANONYMOUS:", True),
        ("SP-Anonymous: false", True),
        ("SP-Anonymous", True),
        ("  SP-Anonymous  : *", True),
        ("SP-Anonymous-Not: *", False),
        ("X-SP-Anonymous: *", False),
        ("Access-Control-Request-Headers: SP-Anonymous", False),
        ("", False),
    ],
)
def test_the_exact_name_of_the_header_decides_and_not_its_value(
    header: str,
    expected: bool,  # noqa: FBT001 - parametrised
) -> None:
    """W5."""
    assert is_anonymous(("Host: a", header)) is expected


def test_everything_else_of_an_anonymous_event_is_as_of_one_that_is_not(bench: Bench) -> None:
    """Non-interference the other way: anonymity takes away what it must, and no more."""
    event = {**MINIMAL, "aid": "shop", "co": contexts(thing(name="x")), "url": "http://a/?b=_sp"}
    anonymous_event = bench.event(post(event, headers=("SP-Anonymous: *", JSON_TYPE)))
    identified = bench.event(post(event, ip_address="unknown", network_user_id=NULL_UUID))

    assert anonymous_event.fields == identified.fields


TEXTS = st.text(max_size=8)
JSON_VALUES = st.recursive(
    TEXTS | st.integers(-9, 9) | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            TEXTS | st.sampled_from(["ip", "nuid", "tnuid", "url", "data", "schema", "cx", "e"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@settings(max_examples=150, deadline=None)
@given(
    shape=JSON_VALUES,
    keys=st.lists(st.sampled_from(sorted(SERVER_PARAMETERS)), min_size=1, max_size=3),
    path=st.sampled_from([TP2, "/i", "/a/b", "/broken", None]),
    content_type=st.sampled_from([JSON_TYPE, None, "text/plain", f"x/{ADDRESS}"]),
    events=st.booleans(),
)
def test_no_shape_of_a_request_lets_a_canary_through(
    shape: Any,  # noqa: ANN401 - any JSON
    keys: list[str],
    path: str | None,
    content_type: str | None,
    events: bool,  # noqa: FBT001 - drawn
) -> None:
    secret = dict.fromkeys(keys, CANARIES["body"])
    document = {**shape, **secret} if isinstance(shape, dict) else [shape, secret]
    body = body_of({**MINIMAL, **secret}, document) if events else json.dumps(document)
    resolver = Resolver([EmbeddedRegistry(), EmbeddedRegistry(ACME_SCHEMAS, name="acme")])
    bench = make_bench(resolver, ())

    results = bench.all(anonymous(body=body, path=path, content_type=content_type))

    assert results
    assert_no_canary(results)


def test_ids_of_our_own_are_not_taken_from_the_request(bench: Bench) -> None:
    event = bench.event(anonymous())

    assert event["event_id"] == str(NEW_UUID)
    assert COOKIE not in event.tsv()
    assert kind(bench.bad(anonymous({"tid": "x"}))) == "schema_violations"
    assert len(messages(bench.bad(anonymous({"tid": "x"})))) == 1
