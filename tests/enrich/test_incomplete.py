"""What is left of an event that fails, with what went wrong as entities."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.enrich.conftest import (
    MINIMAL,
    NEW_UUID,
    NOW_MS,
    Bench,
    body_of,
    contexts,
    kind,
    messages,
    post,
    thing,
    unstruct_event,
)

from whiteout.enrich import DROPPED, Enriched, EnrichedEvent, Enricher, EnrichSettings
from whiteout.enrich.enrichments.anonymise_ip import AnonymiseIp
from whiteout.enrich.enrichments.interface import EnrichmentError
from whiteout.iglu import EmbeddedRegistry, Resolver

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILURE = "iglu:com.snowplowanalytics.snowplow/failure/jsonschema/1-0-0"


class Fails:
    """An enrichment that cannot do its work."""

    schema = "iglu:com.acme/fails/jsonschema/1-0-0"
    identifier = "fails"

    def enrich(self, *_: object) -> tuple[()]:
        raise EnrichmentError("it is broken")


def bench_with(resolver: Resolver, *enrichments: Any, **settings: Any) -> Bench:  # noqa: ANN401
    return Bench(
        Enricher(
            resolver,
            EnrichSettings(**{"incomplete_events": True, **settings}),
            now_ms=lambda: NOW_MS,
            new_uuid=lambda: NEW_UUID,
            enrichments=enrichments,
        )
    )


def rest_of(bench: Bench, **parameters: str) -> EnrichedEvent:
    row = bench.bad(post({**MINIMAL, **parameters}))
    assert row.incomplete is not None
    return row.incomplete


def kinds(event: EnrichedEvent) -> list[str]:
    return [str(entity.data.get("failureType")) for entity in event.derived_contexts]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"tid": "x"}, ["ValidationError"]),
        ({"co": "no json"}, ["NotJSON"]),
        ({"co": "{}"}, ["NotIglu"]),
        ({"co": contexts(schema=thing()["schema"])}, ["CriterionMismatch"]),
        ({"co": contexts(thing(wrong=1))}, ["ValidationError"]),
        ({"co": contexts({"schema": "iglu:com.acme/none/jsonschema/1-0-0", "data": {}})},
         ["ResolutionError"]),
        ({"co": contexts({"schema": "iglu:com.acme/broken/jsonschema/1-0-0", "data": {}})},
         ["ValidationError"]),
        ({"e": "ad"}, ["EnrichmentError: event"]),
        ({"aid": "x" * 999}, ["ValidationError"]),
    ],
)  # fmt: skip
def test_BE27_each_failure_becomes_an_entity_that_its_schema_allows(
    parameters: dict[str, str], expected: list[str], resolver: Resolver
) -> None:
    event = rest_of(bench_with(resolver), **parameters)

    assert kinds(event) == expected
    for entity in event.derived_contexts:
        assert entity.schema == FAILURE
        assert resolver.validator(entity.key).is_valid(entity.data)
        assert entity.data["errors"]
        assert all(error["message"] for error in entity.data["errors"])
    assert json.loads(event["derived_contexts"] or "")["data"][0]["schema"] == FAILURE
    assert len(event.tsv().split("\t")) == 131


def test_BE23_a_bad_event_is_taken_out_and_the_rest_stays(resolver: Resolver) -> None:
    event = rest_of(bench_with(resolver), e="ue", ue_pr=unstruct_event(thing(wrong=1)), aid="shop")

    assert (event["app_id"], event["unstruct_event"], event.unstruct_event) == ("shop", None, None)
    assert kinds(event) == ["ValidationError"]


def test_BE23_of_two_entities_the_good_one_stays(resolver: Resolver) -> None:
    event = rest_of(bench_with(resolver), co=contexts(thing(wrong=1), thing(name="good")))

    assert [entity.as_dict() for entity in event.contexts] == [thing(name="good")]
    assert json.loads(event["contexts"] or "")["data"] == [thing(name="good")]


def test_BE23_an_enrichment_that_fails_leaves_the_event(resolver: Resolver) -> None:
    event = rest_of(bench_with(resolver, Fails()), aid="shop")

    assert kinds(event) == ["EnrichmentError: fails"]
    assert event.derived_contexts[0].data["errors"] == [
        {"message": "it is broken", "source": "fails"}
    ]
    assert event["app_id"] == "shop"


def test_BE23_violation_and_enrichment_failure_make_one_bad_row_and_two_entities(
    resolver: Resolver,
) -> None:
    bench = bench_with(resolver, Fails())
    row = bench.bad(post({**MINIMAL, "co": contexts(thing(wrong=1))}))

    assert kind(row) == "schema_violations"
    assert len(messages(row)) == 1
    assert row.incomplete is not None
    assert kinds(row.incomplete) == ["ValidationError", "EnrichmentError: fails"]


def test_BE25_an_over_long_column_is_null_in_the_failed_event(resolver: Resolver) -> None:
    event = rest_of(bench_with(resolver), aid="x" * 999, page="kept")

    assert (event["app_id"], event["page_title"]) == (None, "kept")
    assert event.derived_contexts[0].data["errors"][0]["path"] == "app_id"


def test_BE25_over_long_columns_pass_where_that_is_accepted(resolver: Resolver) -> None:
    bench = bench_with(resolver, accept_invalid=True)

    assert bench.event(post({**MINIMAL, "aid": "x" * 999}))["app_id"] == "x" * 999


NONE = {"schema": "iglu:com.acme/none/jsonschema/1-0-0", "data": {"a": 1}}


@pytest.mark.parametrize(
    ("parameters", "data"),
    [
        ({"tid": "x", "res": "1"}, {"txn_id": "x", "dvce_screenwidth": "1"}),
        ({"co": "no json"}, {"co": "no json"}),
        ({"co": '{"a": 1}'}, {"a": 1}),
        ({"co": "[]"}, None),
        ({"co": json.dumps(thing(name="x"))}, thing(name="x")),
        ({"co": contexts(thing(wrong=1))}, {"wrong": 1}),
        ({"co": contexts(NONE)}, {"a": 1}),
        ({"e": "ue", "ue_pr": unstruct_event(thing(wrong=1))}, {"wrong": 1}),
        ({"url": "http://a:x/"}, {"page_url": "http://a:x/"}),
        ({"aid": "x" * 999}, {"app_id": "x" * 999}),
    ],
)
def test_an_entity_holds_what_was_wrong(
    parameters: dict[str, str], data: object, resolver: Resolver
) -> None:
    (failure,) = rest_of(bench_with(resolver), **parameters).derived_contexts

    assert failure.data["data"] == data
    assert resolver.validator(failure.key).is_valid(failure.data)


def test_an_enrichment_that_fails_is_about_nothing_in_particular(resolver: Resolver) -> None:
    (failure,) = rest_of(bench_with(resolver, Fails())).derived_contexts

    assert failure.data["data"] is None


@pytest.mark.parametrize("mark", ["anonymous", "masked"])
def test_W6_the_entities_do_not_hold_what_is_taken_away(mark: str, resolver: Resolver) -> None:
    """Where privacy enrichments are on, or the request is anonymous."""
    enrichments = [AnonymiseIp(octets=1)] if mark == "masked" else []
    headers = ("SP-Anonymous: *",) if mark == "anonymous" else ()
    parameters = {**MINIMAL, "co": contexts(thing(name=["secret"])), "tid": "secret"}

    row = bench_with(resolver, *enrichments).bad(post(parameters, headers=headers))

    assert row.incomplete is not None
    assert "secret" not in row.incomplete.tsv()
    assert {entity.data["data"] for entity in row.incomplete.derived_contexts} == {None}


def test_without_the_setting_there_is_none(bench: Bench) -> None:
    assert bench.bad(post({**MINIMAL, "tid": "x"})).incomplete is None


def test_BE28_results_are_sorted_by_where_they_go(resolver: Resolver) -> None:
    bench = bench_with(resolver)
    body = body_of({**MINIMAL, "aid": "a"}, {**MINIMAL, "aid": "b", "tid": "x"}, MINIMAL)
    results = [
        *bench.enricher.enrich(post(body=body)),
        DROPPED,
        *bench.enricher.enrich(b"no record"),
    ]

    enriched = Enriched.sort(results)

    assert [event["app_id"] for event in enriched.good] == ["a", None]
    assert list(map(kind, enriched.failed)) == [
        "schema_violations",
        "collector_payload_format_violation",
    ]
    assert [event["app_id"] for event in enriched.incomplete] == ["b"]
    assert enriched.dropped == 1
    assert repr(enriched) == "Enriched(good=2, failed=2, incomplete=1)"


# --- superseded schemas ----------------------------------------------------------------------

OLD, NEW = (f"iglu:com.acme/grown/jsonschema/1-0-{addition}" for addition in (0, 1))


def grown(superseding: str, properties: Sequence[str] = ("a",)) -> Resolver:
    open_object = {"type": "object", "additionalProperties": False}
    schemas = {
        OLD: {**open_object, "properties": {"a": {}}, "$supersededBy": superseding},
        NEW: {**open_object, "properties": {name: {} for name in properties}},
    }
    return Resolver([EmbeddedRegistry(), EmbeddedRegistry(schemas, name="acme")])


def test_BE21_a_superseded_schema_gives_way_to_the_newer_one() -> None:
    bench = bench_with(grown("1-0-1", ("a", "b")))
    entity = {"schema": OLD, "data": {"b": 1}}
    sent = {"e": "ue", "ue_pr": unstruct_event(entity), "co": contexts(entity, entity)}

    for _ in range(2):  # the second time schemas are at hand
        event = bench.event(post({**MINIMAL, **sent}))

        assert event.unstruct_event is not None
        assert event.unstruct_event.schema == NEW
        assert [one.schema for one in event.contexts] == [NEW, NEW]
        assert (event["event_name"], event["event_version"]) == ("grown", "1-0-1")
        (information,) = event.derived_contexts
        assert information.data == {"originalSchema": OLD, "validatedWith": "1-0-1"}


@pytest.mark.parametrize("version", ["1-0-0", "0-0-1", "nonsense", ""])
def test_BE21_a_version_that_is_no_greater_one_does_not_count(version: str) -> None:
    event = bench_with(grown(version)).event(
        post({**MINIMAL, "co": contexts({"schema": OLD, "data": {"a": 1}})})
    )

    assert [one.schema for one in event.contexts] == [OLD]
    assert event.derived_contexts == []


def test_BE21_a_newer_version_that_nobody_has_is_a_resolution_error() -> None:
    row = bench_with(grown("1-0-9")).bad(
        post({**MINIMAL, "co": contexts({"schema": OLD, "data": {"a": 1}})})
    )

    assert messages(row)[0]["error"]["error"] == "ResolutionError"
