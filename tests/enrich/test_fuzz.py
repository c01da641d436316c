"""No bytes make enrich raise or lose an event, and nothing breaks a line."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.enrich.conftest import (
    JSON_TYPE,
    MINIMAL,
    THING,
    TP2,
    Bench,
    body_of,
    make_bench,
    payload,
    post,
)

from whiteout.enrich import BadRow, EnrichedEvent
from whiteout.enrich.atomic import ATOMIC_COLUMNS
from whiteout.iglu import EmbeddedRegistry, Resolver
from whiteout.protocol.collector_payload import encode
from whiteout.protocol.parameters import PARAMETERS
from whiteout.protocol.self_describing import CONTEXTS, PAYLOAD_DATA, UNSTRUCT_EVENT

# Characters that end lines or fields somewhere, escape, or are none.
NASTY = st.sampled_from('\t\n\r\x00\x0b\x0c\x1c\x7f\x85\u2028\ufeff\ufffd\U0001f600"\\{}[]%&=;|, ')
TEXT = st.text(max_size=20) | st.text(NASTY, max_size=20)
SCHEMAS = st.sampled_from(
    [THING, CONTEXTS, UNSTRUCT_EVENT, PAYLOAD_DATA, "iglu:a/b/c/1-0-0", "iglu:x", ""]
)
JSON = st.recursive(
    TEXT | st.none() | st.booleans() | st.integers() | st.floats() | SCHEMAS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(TEXT, inner, max_size=3)
        | st.fixed_dictionaries({"schema": SCHEMAS | inner, "data": inner})
    ),
    max_leaves=12,
)
JSON_TEXT = JSON.map(json.dumps) | TEXT
ENVELOPE = st.fixed_dictionaries({"schema": SCHEMAS, "data": JSON}).map(json.dumps)
VALUE = (
    TEXT
    | ENVELOPE
    | st.sampled_from(
        [
            "null",
            "1",
            "0",
            "-1",
            "1E9",
            "10x20",
            "1697175843762",
            "http://a:1/?_sp=b.2#c",
            "9" * 400,
        ]
    )
)
EVENT = st.dictionaries(st.sampled_from(sorted(PARAMETERS)), VALUE, max_size=12).map(
    lambda event: {**MINIMAL, **event}
)


@cache
def fuzz_bench() -> Bench:
    return make_bench(Resolver([EmbeddedRegistry(), EmbeddedRegistry({THING: {}}, "free")]), ())


def check(results: list[EnrichedEvent | BadRow]) -> None:
    assert results
    for result in results:
        if isinstance(result, EnrichedEvent):
            line = result.tsv()
            assert line.count("\t") == len(ATOMIC_COLUMNS) - 1
            assert not {"\n", "\r", "\x00", "\x0b", "\x0c", "\x1c", "\x85"} & set(line)
            assert line.encode().decode() == line
            assert json.dumps(result.json_object(), allow_nan=False)
        else:
            assert "\n" not in result.json()
            assert result.schema.split("/")[1] != "generic_error"
            assert set(json.loads(result.json())["data"]) == {"processor", "failure", "payload"}


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_accounted_for(record: bytes) -> None:
    results = fuzz_bench().all(record)

    assert len(results) == 1
    check(results)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_record_with_flipped_bytes_is_accounted_for(data: st.DataObject) -> None:
    record = bytearray(post(MINIMAL, MINIMAL, headers=("A: b", JSON_TYPE), user_agent="x"))
    for position in data.draw(st.lists(st.integers(0, len(record) - 1), min_size=1, max_size=5)):
        record[position] = data.draw(st.integers(0, 255))

    check(fuzz_bench().all(bytes(record)))


@settings(max_examples=200, deadline=None)
@given(
    fields=st.fixed_dictionaries(
        {},
        optional={
            "ip_address": TEXT,
            "timestamp": st.integers(-(2**63), 2**63 - 1),
            "encoding": TEXT | st.sampled_from(["UTF-8", "utf8", "zip", "idna", "rot13"]),
            "collector": TEXT,
            "user_agent": TEXT,
            "referer_uri": TEXT,
            "path": TEXT | st.sampled_from([TP2, "/i", None]),
            "querystring": TEXT,
            "body": JSON_TEXT,
            "headers": st.lists(TEXT | st.just("SP-Anonymous: *"), max_size=4).map(tuple),
            "content_type": TEXT | st.just(JSON_TYPE),
            "hostname": TEXT,
            "network_user_id": TEXT | st.none(),
        },
    )
)
def test_any_request_is_accounted_for(fields: dict[str, Any]) -> None:
    check(fuzz_bench().all(encode(payload(**fields))))


@settings(max_examples=300, deadline=None)
@given(events=st.lists(EVENT, min_size=1, max_size=4), anonymous=st.booleans())
def test_each_event_of_a_body_is_one_event_or_one_bad_row(
    events: list[dict[str, str]],
    anonymous: bool,  # noqa: FBT001 - drawn
) -> None:
    headers = ("SP-Anonymous: *",) if anonymous else ()

    results = fuzz_bench().all(post(*events, headers=headers))

    assert len(results) == len(events)
    check(results)


@settings(max_examples=100, deadline=None)
@given(st.text(NASTY, max_size=60))
def test_nothing_a_tracker_sends_breaks_a_line(text: str) -> None:
    event = dict.fromkeys(sorted(PARAMETERS - {"eid", "sid", "co", "cx", "ue_pr", "ue_px"}), text)

    check(fuzz_bench().all(post(body=body_of({**event, **MINIMAL}))))
    check(fuzz_bench().all(post({**MINIMAL, "aid": text, "uid": text, "page": text})))
