"""Requests become events: GET and POST of the tracker protocol."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.enrich.conftest import (
    COOKIE,
    JSON_TYPE,
    MINIMAL,
    TP2,
    Bench,
    body_of,
    get,
    kind,
    messages,
    post,
)

from whiteout.enrich import EnrichedEvent
from whiteout.protocol.self_describing import PAYLOAD_DATA

VIOLATIONS = "tracker_protocol_violations"


def test_an_empty_query_string_of_tp1_is_an_adapter_failure(bench: Bench) -> None:
    """BE3."""
    assert kind(bench.bad(get(""))) == "adapter_failures"


def test_a_query_string_alone_is_one_event(bench: Bench) -> None:
    """BE3."""
    assert bench.event(get("e=pv&p=web&aid=x", path=TP2))["app_id"] == "x"


def test_a_body_alone_is_as_many_events_as_it_has(bench: Bench) -> None:
    """BE3."""
    results = bench.all(post(*({**MINIMAL, "aid": str(number)} for number in range(50))))

    assert [r["app_id"] for r in results if isinstance(r, EnrichedEvent)] == [
        str(number) for number in range(50)
    ]


def test_parameters_of_the_query_string_count_for_every_event_and_beat_the_body(
    bench: Bench,
) -> None:
    """BE4."""
    record = post(
        {**MINIMAL, "tid": "5"}, MINIMAL, {**MINIMAL, "aid": "own"}, querystring="tid=1&cv=c&aid=q"
    )

    events = [r for r in bench.all(record) if isinstance(r, EnrichedEvent)]

    assert [(e["txn_id"], e["v_collector"], e["app_id"]) for e in events] == [("1", "c", "q")] * 3


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "application/json; charset=UTF-8"],
)
def test_content_types_of_json(bench: Bench, content_type: str) -> None:
    """BE5."""
    assert bench.event(post(MINIMAL, content_type=content_type))["event"] == "page_view"


@pytest.mark.parametrize("version", range(5))
def test_all_versions_of_payload_data(bench: Bench, version: int) -> None:
    schema = f"{PAYLOAD_DATA[:-1]}{version}"

    assert bench.event(post(body=body_of(MINIMAL, schema=schema)))["event"] == "page_view"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"content_type": None}, [("contentType", "expected one of application/json, ")]),
        ({"content_type": "text/plain"}, [("contentType", "expected one of ")]),
        (
            {"content_type": "text/plain", "querystring": "e=pv&p=web"},
            [("contentType", "expected one of ")],
        ),
        ({"body": None}, [("body", "empty body: not a valid track protocol event")]),
        (
            {"body": None, "content_type": None},
            [
                ("body", "empty body: not a valid tracker protocol event"),
                ("querystring", "empty querystring: not a valid tracker protocol event"),
            ],
        ),
    ],
)
def test_requests_that_do_not_fit_together(
    bench: Bench, fields: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    """BE5: the five mismatches."""
    row = bench.bad(post(MINIMAL, **fields))

    assert kind(row) == VIOLATIONS
    assert [message["field"] for message in messages(row)] == [field for field, _ in expected]
    for message, (_, start) in zip(messages(row), expected, strict=True):
        assert message["expectation"].startswith(start)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("not json", "error"),
        ("[" * 100_000, "error"),
        ("{}", "INVALID_DATA_PAYLOAD"),
        ("[]", "INVALID_DATA_PAYLOAD"),
        ('"x"', "INVALID_DATA_PAYLOAD"),
        ('{"schema": 1, "data": []}', "INVALID_DATA_PAYLOAD"),
        ('{"schema": "x", "data": []}', "INVALID_IGLUURI"),
        (body_of(schema="iglu:com.acme/x/jsonschema/1-0-000"), "INVALID_SCHEMAVER"),
        (body_of(MINIMAL, schema="iglu:com.acme/x/jsonschema/1-0-0"), "schemaCriterion"),
        (body_of(MINIMAL, schema=PAYLOAD_DATA.replace("1-0-4", "1-1-0")), "schemaCriterion"),
        (body_of(MINIMAL, schema=PAYLOAD_DATA.replace("1-0-4", "1-0-9")), "ResolutionError"),
        (json.dumps({"schema": PAYLOAD_DATA, "data": {}}), "ValidationError"),
        (body_of(), "ValidationError"),
        (body_of({"tv": "only"}), "ValidationError"),
        (body_of(MINIMAL, {"tv": "only"}), "ValidationError"),
        (body_of({**MINIMAL, "cv": "not allowed here"}), "ValidationError"),
        (body_of({**MINIMAL, "dtm": 5}), "ValidationError"),
        (body_of({**MINIMAL, "aid": None}), "ValidationError"),
    ],
)
def test_a_body_that_is_no_events_is_one_violation(bench: Bench, body: str, fault: str) -> None:
    """BE5: one bad element fails the whole request."""
    row = bench.bad(post(body=body))

    (message,) = messages(row)
    assert kind(row) == VIOLATIONS
    assert fault in json.dumps(message)
    assert row.data["payload"]["body"] == body
    assert (row.data["payload"]["vendor"], row.data["payload"]["version"]) == (
        "com.snowplowanalytics.snowplow",
        "tp2",
    )


def test_a_request_of_too_many_events_is_one_bad_row(bench: Bench) -> None:
    """Each of them might become a bad row with all the headers."""
    row = bench.bad(post(*([MINIMAL] * 5_001)))

    assert messages(row)[0]["expectation"] == "at most 5000 events in one request"
    assert len(bench.all(post(*([MINIMAL] * 5_000)))) == 5_000


@pytest.mark.parametrize("path", ["/com.acme/v1", "/r/tp3", "/com.mailgun/v1"])
def test_other_vendors_are_adapter_failures_that_keep_everything(bench: Bench, path: str) -> None:
    long = "x" * 2000
    row = bench.bad(post(path=path, querystring=f"u={long}", body="hello"))

    first, second = messages(row)
    assert kind(row) == "adapter_failures"
    assert first["expectation"] == "vendor/version combination is not supported"
    assert second["value"] == f"u={long}"
    assert row.data["payload"] == {
        "vendor": path.split("/")[1],
        "version": path.split("/")[2],
        "querystring": [{"name": "u", "value": "x" * 512}],
        "contentType": JSON_TYPE,
        "body": "hello",
        "collector": "whiteout-0.1.0",
        "networkUserId": COOKIE,
        "encoding": "UTF-8",
        "hostname": None,
        "timestamp": "2023-11-14T22:13:22.000Z",
        "ipAddress": "192.0.2.7",
        "useragent": None,
        "refererUri": None,
        "headers": [],
    }
