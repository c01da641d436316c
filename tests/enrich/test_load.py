"""Records become requests, or the bad rows that say why not."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from tests.enrich.conftest import (
    COOKIE,
    MINIMAL,
    NEW_UUID,
    TP2,
    Bench,
    get,
    kind,
    messages,
    payload,
    post,
)

from whiteout.enrich import BadRow, Enricher, EnrichSettings
from whiteout.errors import ConfigurationError
from whiteout.protocol.collector_payload import encode

if TYPE_CHECKING:
    from whiteout.iglu import Resolver

FORMAT = "collector_payload_format_violation"


def test_truncated_bytes_are_one_violation_that_withholds_them(bench: Bench) -> None:
    """BE1; whether the record was anonymous nobody can say, so none of it is kept."""
    row = bench.bad(post(MINIMAL)[:-40])

    assert kind(row) == FORMAT
    assert row.data["payload"] == ""
    assert row.data["failure"]["loader"] == "thrift"
    assert messages(row)[0]["error"].startswith("error deserializing raw event")


def test_another_schema_is_one_violation(bench: Bench) -> None:
    """BE1."""
    record = post(MINIMAL).replace(
        b"CollectorPayload/thrift/1-0-0", b"CollectorPayload/thrift/2-0-0"
    )

    assert kind(bench.bad(record)) == FORMAT


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"path": None}, "path"),
        ({"path": "/"}, "path"),
        ({"path": "/one"}, "path"),
        ({"path": "/a/b/c"}, "path"),
        ({"path": "/index"}, "path"),
        ({"network_user_id": "not-a-uuid"}, "networkUserId"),
        ({"querystring": "a=b", "encoding": "no-such"}, "querystring"),
        ({"querystring": "a=b", "encoding": "zlib"}, "querystring"),
    ],
)
def test_a_request_that_is_none_is_one_violation_that_can_be_replayed(
    bench: Bench, fields: dict[str, str], field: str
) -> None:
    """BE1 and W21."""
    record = post(MINIMAL, **fields)

    row = bench.bad(record)

    assert kind(row) == FORMAT
    assert messages(row)[0]["payloadField"] == field
    assert base64.b64decode(row.data["payload"]) == record


@pytest.mark.parametrize(
    "path", [TP2, f"{TP2}/", TP2[1:], "/i", "/ice.png", "/i/", "/i?x", "/ice.png?x"]
)
def test_paths_of_the_tracker_protocol(bench: Bench, path: str) -> None:
    assert bench.event(get("e=pv&p=web", path=path))["event"] == "page_view"


def test_no_network_user_id_is_fine(bench: Bench) -> None:
    assert bench.event(post(MINIMAL, network_user_id=None))["network_userid"] is None
    assert bench.event(post(MINIMAL, network_user_id=COOKIE))["network_userid"] == COOKIE


def test_query_strings_are_decoded_and_broken_escapes_stay(bench: Bench) -> None:
    event = bench.event(get("e=pv&p=web&aid=a+b%26%C3%A9&uid=%zz%&page=%ff"))

    assert (event["app_id"], event["user_id"], event["page_title"]) == ("a b&é", "%zz%", "\ufffd")


def test_the_encoding_of_the_query_string_is_respected(bench: Bench) -> None:
    event = bench.event(get("e=pv&p=web&aid=%e9", encoding="ISO-8859-1"))

    assert event["app_id"] == "é"


def test_a_record_over_the_limit_is_not_looked_into(resolver: Resolver, bench: Bench) -> None:
    settings = EnrichSettings(max_record_bytes=1000)
    enricher = Enricher(
        resolver, settings, now_ms=lambda: 0, new_uuid=lambda: NEW_UUID, enrichments=()
    )
    record = post({**MINIMAL, "page": "SECRET" * 1000})

    (row,) = enricher.enrich(record)

    assert isinstance(row, BadRow)
    assert kind(row) == "size_violation"
    assert row.data["failure"]["actualSizeBytes"] == len(record)
    assert "SECRET" not in row.json()


@pytest.mark.parametrize(
    "settings",
    [
        {"max_record_bytes": 0},
        {"atomic_limits": {"no_such_column": 5}},
        {"atomic_limits": {"txn_id": 5}},
        {"atomic_limits": {"app_id": 0}},
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        EnrichSettings(**settings)


def test_an_empty_record_is_accounted_for(bench: Bench) -> None:
    assert kind(bench.bad(b"")) == FORMAT
    assert kind(bench.bad(encode(payload(path=None)))) == FORMAT
