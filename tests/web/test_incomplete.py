"""What is left of a failed event, read from its bad row: what the pipeline itself would keep."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.enrich.conftest import (
    ACME_SCHEMAS,
    JSON_TYPE,
    MINIMAL,
    NEW_UUID,
    NOW_MS,
    contexts,
    post,
    thing,
    unstruct_event,
)
from tests.enrich.enrichments.support import ENRICHMENTS, bench_of, configure

from whiteout.enrich import BadRow, Enricher, EnrichSettings
from whiteout.enrich.failure import SCHEMA_VIOLATIONS
from whiteout.iglu import EmbeddedRegistry, FolderRegistry, Resolver
from whiteout.protocol.self_describing import CONTEXTS
from whiteout.web.incomplete import rest_of
from whiteout.web.schemas import Schemas

if TYPE_CHECKING:
    from pathlib import Path


NONE = {"schema": "iglu:com.acme/none/jsonschema/1-0-0", "data": {}}
CANARY = "canary-9043"
ANONYMOUS = ("SP-Anonymous: *", JSON_TYPE)
EMBEDDED = Schemas(lambda: Resolver([EmbeddedRegistry()]))
ANY_JSON = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda one: st.lists(one) | st.dictionaries(st.text(), one),
)


@pytest.fixture
def resolver(tmp_path: Path) -> Resolver:
    for name, schema in ACME_SCHEMAS.items():
        path = tmp_path / "schemas" / "com.acme" / name / "jsonschema" / "1-0-0"
        path.parent.mkdir(parents=True)
        described = {"vendor": "com.acme", "name": name, "format": "jsonschema"}
        path.write_text(json.dumps({"self": {**described, "version": "1-0-0"}, **schema}), "utf-8")
    return Resolver([EmbeddedRegistry(), FolderRegistry(tmp_path)])


def failed(resolver: Resolver, parameters: dict[str, str], *, keep: bool) -> BadRow:
    enricher = Enricher(
        resolver,
        EnrichSettings(incomplete_events=keep),
        now_ms=lambda: NOW_MS,
        new_uuid=lambda: NEW_UUID,
        enrichments=(),
    )
    (row,) = enricher.enrich(post({**MINIMAL, **parameters}))
    assert isinstance(row, BadRow)
    return row


@pytest.mark.parametrize(
    "parameters",
    [
        {"tid": "x", "page": "kept"},
        {"co": "no json"},
        {"co": "{}"},
        {"co": contexts(schema=thing()["schema"])},
        {"co": contexts(thing(wrong=1), thing(name="good"))},
        {"co": json.dumps({"schema": CONTEXTS, "data": thing(name="good")})},
        {"co": contexts(NONE, thing(name="good"))},
        {"e": "ue", "ue_pr": unstruct_event(thing(wrong=1)), "co": contexts(thing(name="good"))},
        {"e": "ue", "ue_pr": unstruct_event(thing(name="good")), "co": contexts(thing(wrong=1))},
        {"e": "ue", "ue_pr": contexts(thing(name="good"))},
        {"e": "ad"},
        {"ip": "x" * 300, "eid": "no uuid", "res": "wide", "tid": "x"},
        {"co": contexts(thing(first=1), NONE, thing(second=2), thing(name="good"))},
        {"cx": "no json"},
        {"aid": "x" * 999},
    ],
    ids=str,
)  # fmt: skip
def test_it_is_what_the_pipeline_itself_would_keep(
    resolver: Resolver, parameters: dict[str, str]
) -> None:
    """Save for what is derived after the first failures."""
    kept = failed(resolver, parameters, keep=True).incomplete
    assert kept is not None

    rest = rest_of(failed(resolver, parameters, keep=False).json(), Schemas(lambda: resolver))

    assert rest is not None
    found, wanted = rest.json_object(), kept.json_object()
    for event in (found, wanted):
        del event["derived_tstamp"]
    assert found == wanted
    assert len(rest.tsv().split("\t")) == 131


def test_an_anonymous_event_is_not_repeated_by_its_failures(resolver: Resolver) -> None:
    """As in what the pipeline itself would keep."""
    record = post({**MINIMAL, "tid": "x", "co": contexts(thing(wrong=1))}, headers=ANONYMOUS)
    enricher = Enricher(resolver, now_ms=lambda: NOW_MS, new_uuid=lambda: NEW_UUID, enrichments=())
    (row,) = enricher.enrich(record)
    assert isinstance(row, BadRow)

    rest = rest_of(row.json(), Schemas(lambda: resolver))

    assert rest is not None
    failures = rest.json_object()["contexts_com_snowplowanalytics_snowplow_failure_1"]
    assert [one["data"] for one in failures] == [None, None]


def test_failures_show_nothing_that_a_mask_has_taken_from_the_bad_row(
    resolver: Resolver, tmp_path: Path
) -> None:
    name = {"schemaCriterion": "iglu:com.acme/thing/jsonschema/1-*-*", "jsonPath": "$.name"}
    folder = configure(
        tmp_path / "enrichments",
        ENRICHMENTS,
        "pii_enrichment_config",
        "2-0-1",
        {
            "pii": [{"json": {"field": "contexts", **name}}, {"pojo": {"field": "user_id"}}],
            "strategy": {"pseudonymize": {"hashFunction": "SHA-256", "salt": "a" * 32}},
        },
    )
    event = {"co": contexts(thing(name=CANARY, wrong=1)), "uid": CANARY * 30, "tid": CANARY}
    row = bench_of(folder, resolver).bad(post({**MINIMAL, **event}))

    rest = rest_of(row.json(), Schemas(lambda: resolver))

    assert rest is not None
    failures = rest.json_object()["contexts_com_snowplowanalytics_snowplow_failure_1"]
    assert [one["schema"] for one in failures if one["data"]][-1] == thing()["schema"]
    assert CANARY not in json.dumps(rest.json_object())


@settings(max_examples=30)
@given(data=ANY_JSON, messages=ANY_JSON, columns=ANY_JSON)
def test_a_bad_row_of_anybodys_making_leaves_an_event_or_nothing(
    data: object, messages: object, columns: object
) -> None:
    known = {"event_id": data, "event": "unstruct", "unstruct_event": columns, "txn_id": messages}
    for payload in (data, {"enriched": columns}, {"enriched": known}):
        row = {
            "schema": SCHEMA_VIOLATIONS,
            "data": {
                "payload": payload,
                "failure": {"timestamp": data, "messages": messages},
                "processor": {"artifact": data, "version": "1"},
            },
        }
        rest = rest_of(json.dumps(row), EMBEDDED)
        assert rest is None or rest.json_object()
