"""Requests too large for one record (reference behaviours BC41 to BC47)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout.collector.core import collector_name
from whiteout.collector.split import SIZE_VIOLATION, pack
from whiteout.protocol.collector_payload import decode
from whiteout.protocol.self_describing import PAYLOAD_DATA

Ask = Callable[..., Any]

TP2 = "/com.snowplowanalytics.snowplow/tp2"
JSON = [("Content-Type", "application/json")]
PREFIX = "oversized collector payload: "


def _body(*sizes: int, number: bool = False) -> bytes:
    events = [
        {"e": "pv", "n": str(i) if number else "", "x": "x" * max(0, size - 23)}
        for i, size in enumerate(sizes)
    ]
    return orjson.dumps({"schema": "iglu:a", "data": events})


def _bad_rows(answer: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - an answer of the fixture
    rows = [orjson.loads(row) for row in answer.outcome.bad_rows]
    assert all(row["schema"] == SIZE_VIOLATION for row in rows)
    return [row["data"] for row in rows]


def test_events_are_packed_greedily_in_order_BC41() -> None:
    """BC41, in order where the official collector reverses."""
    assert list(pack([b'"a"', b'"b"', b'"c"'], 9)) == [[b'"a"', b'"b"'], [b'"c"']]


@given(st.lists(st.integers(0, 30)), st.integers(1, 25))
def test_packing_loses_nothing_and_keeps_every_group_within_the_room_BC42(
    sizes: list[int], room: int
) -> None:
    """BC42"""
    events = [b"x" * size for size in sizes]
    groups = list(pack(events, room))

    assert [event for group in groups for event in group] == events
    for group in groups:
        assert len(group) == 1 or sum(len(event) + 1 for event in group) <= room
    for group, following in pairwise(groups):
        assert sum(len(e) + 1 for e in group) + len(following[0]) + 1 > room


def test_a_get_cannot_be_split_BC43(ask: Ask) -> None:
    """BC43"""
    answer = ask("GET", "/i?" + "q" * 1000, max_bytes=100)

    (data,) = _bad_rows(answer)
    assert answer.status == 200
    assert answer.outcome.records == []
    assert data["failure"] == {
        "timestamp": "2023-11-14T22:13:20.123Z",
        "maximumAllowedSizeBytes": 100,
        "actualSizeBytes": data["failure"]["actualSizeBytes"],
        "expectation": PREFIX + "GET requests cannot be split",
    }
    assert data["failure"]["actualSizeBytes"] > 1000
    assert data["payload"] == "CollectorP"


def test_the_bad_row_says_what_kind_of_request_was_too_large(ask: Ask) -> None:
    """Enough to find the sender's mistake, and nothing that was in it."""
    body = orjson.dumps({"schema": PAYLOAD_DATA, "data": [{"x": "x" * 20_000}, {}]})

    answer = ask("POST", f"{TP2}?e=pv", JSON, body, max_bytes=9_000, max_payload_bytes=10_000)

    (data,) = _bad_rows(answer)
    name = collector_name("spool")
    assert data["payload"] == (
        f"CollectorPayload(timestamp:1700000000123, encoding:UTF-8, collector:{name}, "
        f"path:{TP2}, contentType:application/json, querystring:[4 bytes], "
        f"body:[{len(body)} bytes], schema:{PAYLOAD_DATA}, events:2)"
    )


@pytest.mark.parametrize("data", ["x" * 20_000, {"x": "x" * 20_000}])
def test_what_is_no_list_is_not_counted_as_events(ask: Ask, data: object) -> None:
    """A text of 20,000 letters is not 20,000 events."""
    body = orjson.dumps({"schema": PAYLOAD_DATA, "data": data})

    answer = ask("POST", TP2, JSON, body, max_bytes=9_000, max_payload_bytes=10_000)

    (row,) = _bad_rows(answer)
    assert row["payload"].endswith(f"schema:{PAYLOAD_DATA})")


def test_beyond_the_largest_payload_nothing_is_split_BC44(ask: Ask) -> None:
    """BC44"""
    answer = ask("POST", TP2, JSON, _body(900, 900), max_bytes=1000, max_payload_bytes=1500)

    (data,) = _bad_rows(answer)
    size = data["failure"]["actualSizeBytes"]
    text = f"Payload exceeds max size of 1500. Actual length: {size}"
    assert size > 1800
    assert data["failure"]["maximumAllowedSizeBytes"] == 1500
    assert data["failure"]["expectation"] == PREFIX + text


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"s" * 2000, "cannot split POST requests which are not json"),  # BC45
        (b'"' + b"s" * 2000 + b'"', "cannot split POST requests which are not self-describing"),
        (b'{"schema":"iglu:a","data":"' + b"s" * 2000 + b'"}',
         "cannot split POST requests which do not contain a data array"),
    ],
)  # fmt: skip
def test_only_self_describing_arrays_are_split_BC45(ask: Ask, body: bytes, reason: str) -> None:
    (data,) = _bad_rows(ask("POST", TP2, JSON, body, max_bytes=1000))

    assert data["failure"]["expectation"] == PREFIX + reason


def test_a_request_too_big_without_its_events_is_not_split_BC46(ask: Ask) -> None:
    """BC46"""
    answer = ask("POST", TP2 + "?" + "q" * 2000, JSON, _body(10), max_bytes=1000)

    (data,) = _bad_rows(answer)
    assert data["failure"]["expectation"] == (
        PREFIX
        + 'cannot split this POST request because event without "data" field is still too big'
    )


def test_what_fits_is_stored_and_what_does_not_becomes_bad_rows_BC47(ask: Ask) -> None:
    """BC47"""
    body = _body(500, 30, 500, 1000, 1000, 1000, 1000, number=True)
    answer = ask("POST", TP2, JSON, body, max_bytes=1200)

    payloads = [decode(record) for record in answer.outcome.records]
    numbers = [[e["n"] for e in orjson.loads(p.body or "")["data"]] for p in payloads]
    assert numbers == [["0", "1"], ["2"]]
    assert all(len(record) < 1200 for record in answer.outcome.records)
    assert len({(p.headers, p.timestamp, p.network_user_id, p.path) for p in payloads}) == 1
    reasons = [data["failure"]["expectation"] for data in _bad_rows(answer)]
    assert reasons == [PREFIX + "this POST request split is still too large"] * 4


@given(sizes=st.lists(st.integers(23, 900), min_size=1, max_size=12))
def test_no_event_is_lost_in_a_split(sizes: list[int]) -> None:
    from uuid import UUID  # noqa: PLC0415 - used here only

    from whiteout.collector.core import Core  # noqa: PLC0415
    from whiteout.collector.exchange import Request  # noqa: PLC0415
    from whiteout.collector.settings import CollectorSettings  # noqa: PLC0415

    body = _body(*sizes, number=True)
    core = Core(CollectorSettings(max_bytes=1000))
    request = Request.of(b"POST", TP2.encode(), (), body, "192.0.2.1")
    outcome = core.handle(request, 0, lambda: UUID(int=1))

    stored = [
        event["n"]
        for record in outcome.records
        for event in orjson.loads(decode(record).body or "")["data"]
    ]
    assert all(len(record) < 1000 for record in outcome.records)
    assert len(stored) + len(outcome.bad_rows) == len(sizes)
    assert stored == sorted(stored, key=int)


def test_a_bad_row_holds_no_address_id_or_header(ask: Ask) -> None:
    """W6"""
    canary = "CANARY-77aa"
    headers = [("Cookie", f"a={canary}"), ("User-Agent", canary), ("Referer", canary), *JSON]
    answer = ask("POST", TP2, headers, b"s" * 200_000, peer=canary, max_bytes=100_000)

    (row,) = answer.outcome.bad_rows
    assert canary.encode() not in row
    assert b"sp=" not in row


def test_bad_rows_are_valid(ask: Ask) -> None:
    schema_file = (
        Path(__file__).parents[3]
        / "shared/iglu-central/schemas/com.snowplowanalytics.snowplow.badrows"
        / "size_violation/jsonschema/1-0-0"
    )
    if not schema_file.exists():
        pytest.skip("no copy of Iglu Central beside the repository")
    import jsonschema_rs  # noqa: PLC0415 - only where the schema is

    schema = orjson.loads(schema_file.read_bytes())
    del schema["$schema"], schema["self"]
    validator = jsonschema_rs.Draft4Validator(schema)
    answers = [
        ask("GET", "/i?" + "q" * 1000, max_bytes=100),
        ask("POST", TP2, JSON, b"s" * 2000, max_bytes=1000),
        ask("POST", TP2, [("SP-Anonymous", "")], _body(1000, 2000), max_bytes=1000),
    ]
    for answer in answers:
        assert answer.outcome.bad_rows
        for data in _bad_rows(answer):
            validator.validate(data)
