"""Bad rows have the official structure, keep its limits and lose nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.enrich.conftest import (
    JSON_TYPE,
    MINIMAL,
    TP2,
    Bench,
    body_of,
    contexts,
    encode_base64,
    get,
    make_bench,
    post,
    thing,
)
from tests.enrich.enrichments.support import bench_of
from tests.support.all_enrichments import configure_privacy

from whiteout.enrich import BadRow
from whiteout.iglu import Resolver
from whiteout.iglu.validator import compile_schema
from whiteout.protocol.collector_payload import encode
from whiteout.protocol.iglu import parse_schema_key

CENTRAL = Path(__file__).resolve().parents[3] / "shared" / "iglu-central" / "schemas"

LONG = "x" * 20_000
LONG_REQUEST: dict[str, Any] = {
    "collector": "c" * 90,
    "encoding": "UTF-8",
    "user_agent": LONG,
    "referer_uri": f"http://a/{LONG}",
    "hostname": LONG,
    "headers": (f"X: {LONG}", JSON_TYPE),
    "ip_address": LONG,
}
UNKNOWN = {"schema": "iglu:com.acme/nowhere/jsonschema/1-0-0", "data": {}}
BROKEN = {"schema": "iglu:com.acme/broken/jsonschema/1-0-0", "data": {}}

RECORDS: dict[str, bytes] = {
    "truncated": post(MINIMAL)[:-40],
    "no path": post(MINIMAL, path=None),
    "wrong path": post(MINIMAL, path="/" + LONG, **LONG_REQUEST),
    "wrong id": post(MINIMAL, network_user_id=LONG),
    "wrong encoding": post(MINIMAL, querystring="a=b", **{**LONG_REQUEST, "encoding": LONG}),
    "other vendor": post(path=f"/{LONG}/{LONG}", querystring=f"{LONG}={LONG}", **LONG_REQUEST),
    "empty query": get(""),
    "no clock": get("", timestamp=2**62),
    "content type": post(MINIMAL, content_type=LONG),
    "empty": post(body=None, content_type=None),
    "body not json": post(body=LONG, **LONG_REQUEST),
    "body not iglu": post(body='[{"a": [1, null, 2.5]}]'),
    "body not ours": post(body=body_of(MINIMAL, schema="iglu:com.acme/x/jsonschema/1-0-0")),
    "body invalid": post(body=body_of(*([{}] * 1000))),
    "body unresolved": post(
        body=body_of(
            MINIMAL, schema="iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-77"
        )
    ),
    "columns": post({**MINIMAL, "eid": LONG, "res": LONG, "aid": LONG}, **LONG_REQUEST),
    "too long": post({**MINIMAL, "aid": LONG, "url": LONG}, user_agent=LONG),
    "entities": post(
        {
            **MINIMAL,
            "co": contexts(
                thing(), thing(name=1, **{LONG: LONG}), UNKNOWN, BROKEN, {**UNKNOWN, "schema": "x"}
            ),
        }
    ),
    "more entities": post(
        {**MINIMAL, "co": contexts(thing(), thing(name=[LONG] * 3), UNKNOWN, BROKEN)}
    ),
    "entities not json": post({**MINIMAL, "cx": LONG}),
    "entities not iglu": post({**MINIMAL, "co": "[1]"}),
    "entities not entities": post({**MINIMAL, "co": json.dumps(thing(name="x"))}),
    "everything": post(
        {
            **MINIMAL,
            "tid": "x",
            "vid": "7",
            "f_pdf": "1",
            "se_va": "1.5",
            "dtm": "1",
            "res": "1x2",
            "ue_pr": "{}",
        }
    ),
    "page url": post({**MINIMAL, "url": "http://a:b"}, **LONG_REQUEST),
    "no type": get(f"p=web&{LONG}={LONG}&empty"),
}
KINDS = {
    "collector_payload_format_violation",
    "adapter_failures",
    "tracker_protocol_violations",
    "schema_violations",
    "enrichment_failures",
}


@pytest.mark.parametrize("name", RECORDS)
def test_each_is_one_line_with_processor_failure_and_payload(bench: Bench, name: str) -> None:
    row = bench.bad(RECORDS[name])

    text = row.json()
    document = json.loads(text)
    assert "\n" not in text
    assert document == {"schema": row.schema, "data": row.data}
    assert set(document["data"]) == {"processor", "failure", "payload"}
    assert document["data"]["processor"] == {"artifact": "whiteout-enrich", "version": "0.1.0"}
    assert document["data"]["failure"]["timestamp"] == "2023-11-14T22:13:23.000Z"


@pytest.mark.skipif(not CENTRAL.is_dir(), reason="no copy of Iglu Central beside the repository")
@pytest.mark.parametrize("name", RECORDS)
def test_each_is_valid_under_its_official_schema(bench: Bench, name: str) -> None:
    assert_official(bench.bad(RECORDS[name]))


@pytest.fixture(scope="session")
def masking_bench(resolver: Resolver, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """One whose every privacy enrichment is on; it pseudonymises the cookie's id too."""
    folder = tmp_path_factory.mktemp("enrichments")
    configure_privacy(folder)
    return bench_of(folder, resolver)


@pytest.mark.skipif(not CENTRAL.is_dir(), reason="no copy of Iglu Central beside the repository")
@pytest.mark.parametrize("name", RECORDS)
def test_each_is_valid_when_it_is_masked_too(masking_bench: Bench, name: str) -> None:
    assert_official(masking_bench.bad(RECORDS[name]))


@pytest.mark.skipif(not CENTRAL.is_dir(), reason="no copy of Iglu Central beside the repository")
def test_the_rare_kinds_are_valid_too(resolver: Resolver) -> None:
    bench = make_bench(resolver, [None])  # what is no enrichment makes our own code fail
    assert_official(bench.bad(post(MINIMAL)))
    bench.enricher._max_record_bytes = 10
    assert_official(bench.bad(post(MINIMAL)))
    assert_official(make_bench(Resolver([]), ()).bad(post(MINIMAL)))


def assert_official(row: BadRow) -> None:
    key = parse_schema_key(row.schema)
    official = compile_schema(key, json.loads((CENTRAL / key.path).read_text()))
    assert official.reports(row.data) == []


def test_the_records_above_make_every_kind_of_bad_row(bench: Bench) -> None:
    assert {bench.bad(record).schema.split("/")[1] for record in RECORDS.values()} == KINDS


def test_parameters_longer_than_a_bad_row_may_repeat_stand_in_the_partial_event(
    bench: Bench,
) -> None:
    entity = thing(name="n" * 3000)
    sent = {
        **MINIMAL,
        "url": "http://a/" + "u" * 3000,
        "page": "t" * 1000,
        "cx": encode_base64(json.loads(contexts(entity, thing()))),
        "tid": "no number",
    }

    payload = bench.bad(post(sent)).data["payload"]

    raw = {pair["name"]: pair["value"] for pair in payload["raw"]["parameters"]}
    assert {name: value[:512] for name, value in sent.items()} == raw
    enriched = payload["enriched"]
    assert (enriched["page_url"], enriched["page_title"]) == (sent["url"], sent["page"])
    assert json.loads(enriched["contexts"])["data"] == [entity, thing()]


def test_the_partial_event_has_all_columns_with_their_types(bench: Bench) -> None:
    enriched = bench.bad(RECORDS["everything"]).data["payload"]["enriched"]

    assert len(enriched) == 131
    found = {
        column: enriched[column]
        for column in (
            "event",
            "domain_sessionidx",
            "br_features_pdf",
            "se_value",
            "dvce_created_tstamp",
            "dvce_screenwidth",
            "txn_id",
        )
    }
    assert found == {
        "event": "page_view",
        "domain_sessionidx": 7,
        "br_features_pdf": 1,
        "se_value": "1.5",
        "dvce_created_tstamp": "1970-01-01 00:00:00.001",
        "dvce_screenwidth": 1,
        "txn_id": None,
    }


def test_one_bad_event_of_a_request_does_not_touch_the_others(bench: Bench) -> None:
    results = bench.all(post(MINIMAL, {**MINIMAL, "tid": "x"}, MINIMAL))

    assert [isinstance(result, BadRow) for result in results] == [False, True, False]


def test_a_bad_row_of_bytes_that_are_no_text_is_still_text(bench: Bench) -> None:
    record = encode_with(b'"aid": "\xff\xfe"')

    assert json.loads(bench.bad(record).json())["data"]["payload"]["body"] is not None


def encode_with(body: bytes) -> bytes:
    record = post(body="PLACEHOLDER......", path=TP2)
    assert len(body) <= 17
    return record.replace(b"PLACEHOLDER......", body.ljust(17))


def test_encode_is_what_the_tests_think_it_is() -> None:
    assert encode.__module__ == "whiteout.protocol.collector_payload"
