"""Promise 7: what an anonymous request leaves behind. Canaries stand for whatever identifies."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from whiteout.collector import door
from whiteout.identifiers import SERVER_PARAMETERS

Ask = Callable[..., Any]

CANARY = "CANARY-5f1d"
TP2 = "/com.snowplowanalytics.snowplow/tp2"
ID = "de305d54-75b4-431b-adb2-eb6b9e546014"
JSON = ("Content-Type", "application/json")
shared_core = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

IDENTIFYING_HEADERS = (
    "X-Forwarded-For X-Real-IP Forwarded True-Client-IP CF-Connecting-IP X-Client-IP"
    " Fastly-Client-IP X-Cluster-Client-IP X-Original-Forwarded-For Via Authorization"
    " Proxy-Authorization Cookie Cookie2 Referer Origin Accept-Language Sec-CH-UA"
    " Sec-CH-UA-Full-Version-List X-Request-Id Traceparent X-Amzn-Trace-Id DNT Host Accept From"
    " Content-Length If-None-Match ETag X-Device-Id Save-Data"
).split()

_token = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~")
header_names = st.sampled_from(IDENTIFYING_HEADERS) | _token.filter(
    lambda name: name and name.lower() not in ("user-agent", "sp-anonymous", "content-type")
)


def _everything_left_by(answer: Any) -> str:  # noqa: ANN401 - an answer of the fixture
    outcome = answer.outcome
    return b"\n".join([*outcome.records, *outcome.bad_rows]).decode("utf-8", "replace")


@shared_core
@given(
    headers=st.lists(header_names, max_size=6),
    mark=st.sampled_from(["*", "", "false", CANARY]),
    method=st.sampled_from(["GET", "POST", "HEAD"]),
    content_type=st.sampled_from(
        [
            "application/json",
            f"application/json; charset={CANARY}",
            f"{CANARY}",
            f"text/{CANARY}",
            f'application/json; x="{CANARY}"',
        ]
    ),
    max_bytes=st.sampled_from([1_000_000, 300]),
)
def test_no_header_beyond_the_allow_list_leaves_a_trace(  # noqa: PLR0913, PLR0917 - all drawn
    ask: Ask, headers: list[str], mark: str, method: str, content_type: str, max_bytes: int
) -> None:
    """W1, W6: in records and in bad rows."""
    given_headers = [(name, f"{CANARY}, for={CANARY}; a={CANARY}") for name in headers]
    body = orjson.dumps({"schema": "iglu:a", "data": [{"e": "pv", "ip": CANARY}]})
    answer = ask(
        method,
        f"{TP2}?e=pv&ip={CANARY}",
        [("SP-Anonymous", mark), ("Content-Type", content_type), *given_headers],
        body * (1 if max_bytes > 1000 else 10),
        peer=CANARY,
        max_bytes=max_bytes,
        trusted_proxies=1,
    )

    assert CANARY not in _everything_left_by(answer)
    assert answer.outcome.records or answer.outcome.bad_rows
    answered = [line for line in answer.lines if not line.startswith("Access-Control")]
    assert CANARY not in "\n".join(answered)


def test_what_stays_is_exactly_the_allow_list_BC6(ask: Ask) -> None:
    """BC6, where the allow-list is shorter than the official collector's deny-list."""
    others = [(name, CANARY) for name in IDENTIFYING_HEADERS]
    answer = ask(
        "POST",
        TP2,
        [("User-Agent", "agent"), *others, JSON, ("sp-anonymous", "*")],
        b'{"schema":"iglu:a","data":[]}',
    )

    assert answer.payload.headers == (
        "User-Agent: agent",
        "Content-Type: application/json",
        "SP-Anonymous: *",
        "application/json",
    )
    assert answer.payload.user_agent == "agent"
    assert answer.payload.referer_uri is None
    assert answer.payload.hostname is None


def test_the_host_of_a_whole_uri_is_not_stored(ask: Ask) -> None:
    answer = ask("GET", f"http://{CANARY}.example/i?e=pv", [("SP-Anonymous", "*")])

    assert CANARY not in _everything_left_by(answer)


@st.composite
def _spelled(draw: st.DrawFn) -> str:
    """One of the keys, in other letters: case, percent-encoding once or twice, padding."""
    spelled = ""
    for letter in draw(st.sampled_from(sorted(SERVER_PARAMETERS))):
        way = draw(st.integers(0, 5))
        upper = letter.upper()
        spelled += {
            0: letter,
            1: upper,
            2: f"%{ord(letter):02x}",
            3: f"%{ord(upper):02X}",
            4: f"%25{ord(letter):02x}",
            5: letter,
        }[way]
    return (
        draw(st.sampled_from(["", "+", "%20", "%00", "&"]))
        + spelled
        + draw(st.sampled_from(["", "+", "%20", "[]", "%5B%5D"]))
    )


@given(keys=st.lists(_spelled(), min_size=1, max_size=4), separators=st.text("&;", min_size=1))
def test_however_a_key_is_spelled_its_value_does_not_pass(keys: list[str], separators: str) -> None:
    """W3, in the query string."""
    pairs = ["e=pv", *(f"{key}={CANARY}" for key in keys), "aid=shop"]
    query = separators[0].join(pairs)

    stripped = door.strip_query(query.encode()).decode()

    assert CANARY not in stripped
    assert "e=pv" in stripped
    assert "aid=shop" in stripped


@given(st.binary(max_size=60))
def test_a_query_without_identifiers_stays_byte_for_byte(query: bytes) -> None:
    kept = b"zip=1&skip=2;x" + query.replace(b"&", b"").replace(b";", b"")

    assert door.strip_query(kept) == kept


@pytest.mark.parametrize(
    ("query", "stripped"),
    [
        (b"e=pv&ip=1.2.3.4&p=web", b"e=pv&p=web"),
        (b"ip=1.2.3.4", b""),
        (b"ip", b""),
        (b"e=pv&ip=1&nuid=2&tnuid=3", b"e=pv"),
        (b"uid=1&duid=2&_sp=3", b"uid=1&duid=2"),  # the USER group is the tracker's business
        (b"e=pv&&p=web&", b"e=pv&&p=web&"),
        (b"zip=1&nuids=2", b"zip=1&nuids=2"),
        (b"\xef\xbd\x89\xef\xbd\x90=1&e=pv", b"e=pv"),  # full-width
        (b"", b""),
    ],
)
def test_the_servers_parameters_are_dropped_from_a_query(query: bytes, stripped: bytes) -> None:
    assert door.strip_query(query) == stripped


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.text(max_size=6) | st.sampled_from(["ip", "nuid", "tnuid", "IP", "i%70", " ip "]),
            children,
            max_size=3,
        )
    ),
    max_leaves=12,
)


def _planted(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Put a canary under each identifying key, however deep."""
    if isinstance(value, dict):
        return {
            key: CANARY
            if key.strip().lower().replace("%70", "p") in SERVER_PARAMETERS
            else _planted(child)
            for key, child in value.items()
        }
    return [_planted(child) for child in value] if isinstance(value, list) else value


@given(_json)
@example([{"ip": CANARY}])
@example({"schema": "iglu:a", "data": [[{"ip": CANARY}]]})
@example({"schema": "iglu:a", "data": {"nested": [{"tnuid": [CANARY]}]}})
@example({"schema": "iglu:a", "data": [{"e": "pv"}], "ip": CANARY})
def test_no_json_body_carries_an_identifier_through(document: Any) -> None:  # noqa: ANN401 - any JSON
    for body in (document, {"schema": "iglu:a", "data": [document]}):
        stripped = door.strip_body(orjson.dumps(_planted(body)))

        assert CANARY.encode() not in stripped
        orjson.loads(stripped)  # it stays JSON


@given(st.binary(max_size=200))
def test_a_body_that_is_not_the_json_expected_is_withheld(body: bytes) -> None:
    stripped = door.strip_body(CANARY.encode() + body)

    size = len(CANARY) + len(body)
    assert orjson.loads(stripped) == f"withheld: {size} bytes that are not a self-describing JSON"


@pytest.mark.parametrize(
    ("body", "stripped"),
    [
        (
            b'{"schema": "iglu:a", "data": [{"e": "pv", "ip": "1", "uid": "u"}, {"nuid": "2"}]}',
            b'{"schema":"iglu:a","data":[{"e":"pv","uid":"u"},{}]}',
        ),
        (  # one reader takes the first of two keys, another the last
            b'{"schema":"iglu:a","data":[{"ip":"1","e":"pv","ip":"2","\\u0069p":"3"}]}',
            b'{"schema":"iglu:a","data":[{"e":"pv"}]}',
        ),
        (b'{"schema":"iglu:a","data":{"ip":"1","x":[{"tnuid":"2"}]}}', None),
        (b"", b""),
    ],
)
def test_a_self_describing_body_is_written_anew_without_them(
    body: bytes, stripped: bytes | None
) -> None:
    expected = b'{"schema":"iglu:a","data":{"x":[{}]}}' if stripped is None else stripped

    assert door.strip_body(body) == expected


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[{"e":"pv"}]}',
        b'{"schema":"iglu:a"}',
        b'{"schema":1,"data":[]}',
        b'{"schema":"iglu:a","data":"ip=1"}',
        b'{"schema":"iglu:a","data":["ip=1"]}',
        b'{"schema":"iglu:a","data":[NaN]}',
        b"ip=1.2.3.4&e=pv",
        b'"text"',
        b"\xff\xfe",
        b'{"schema":"iglu:a","data":[' + b'{"a":' * 2000 + b"1" + b"}" * 2000 + b"]}",
        b'{"schema":"iglu:a","data":[' + b'{"a":' * 60 + b"1" + b"}" * 60 + b"]}",
        b"[" * 100_000,
    ],
)
def test_odd_bodies_are_withheld(body: bytes) -> None:
    assert door.strip_body(body).startswith(b'"withheld: ')


def test_events_are_not_changed_otherwise() -> None:
    event = {"e": "ue", "ue_px": "eyJpcCI6IjEuMi4zLjQifQ", "co": '{"ip":"content"}', "aid": "é"}
    body = json.dumps({"schema": "iglu:a", "data": [event]}).encode()

    assert orjson.loads(door.strip_body(body)) == {"schema": "iglu:a", "data": [event]}


def test_nothing_of_an_anonymous_request_stays_in_memory(ask: Ask) -> None:
    """Neither the memo of content types nor any other."""
    secret = "application/json; x=" + CANARY[::-1]
    ask("POST", TP2, [("SP-Anonymous", ""), ("Content-Type", secret)], b"{}")

    gc.collect()
    from whiteout.collector import reading  # noqa: PLC0415 - to look at its memo

    before = reading._remembered.cache_info().misses
    reading._remembered(secret.encode())
    assert reading._remembered.cache_info().misses == before + 1  # it was not there
