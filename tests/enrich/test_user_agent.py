"""The entity that tells browser, system and device from the user agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.enrich.conftest import MINIMAL, Bench, make_bench, post

from whiteout.enrich.enrichments.interface import EnrichmentError
from whiteout.enrich.enrichments.parse_user_agent import ParseUserAgent, builtin_parser

if TYPE_CHECKING:
    from ua_parser.core import Domain, PartialResult

    from whiteout.enrich import EnrichedEvent
    from whiteout.iglu import Resolver

PIXEL = (
    "Mozilla/5.0 (Linux; Android 13; Pixel 7) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/114.0.0.0 Mobile Safari/537.36"
)
UA_PARSER_CONTEXT = "iglu:com.snowplowanalytics.snowplow/ua_parser_context/jsonschema/1-0-0"


def test_a_known_user_agent_becomes_one_entity(bench: Bench) -> None:
    event = bench.event(post(MINIMAL, user_agent=PIXEL))

    (entity,) = event.derived_contexts
    assert entity.schema == UA_PARSER_CONTEXT
    assert entity.data == {
        "useragentFamily": "Chrome Mobile",
        "useragentMajor": "114",
        "useragentMinor": "0",
        "useragentPatch": "0",
        "useragentVersion": "Chrome Mobile 114.0.0",
        "osFamily": "Android",
        "osMajor": "13",
        "osMinor": None,
        "osPatch": None,
        "osPatchMinor": None,
        "osVersion": "Android 13",
        "deviceFamily": "Pixel 7",
    }
    assert UA_PARSER_CONTEXT in (event["derived_contexts"] or "")


def test_an_unknown_user_agent_is_other_and_none_is_no_entity(bench: Bench) -> None:
    unknown = bench.event(post({**MINIMAL, "ua": "zzz"})).derived_contexts[0].data

    assert (unknown["useragentFamily"], unknown["osVersion"]) == ("Other", "Other")
    assert unknown["deviceFamily"] == "Other"
    assert bench.event(post(MINIMAL)).derived_contexts == []


def test_user_agents_are_read_once_and_what_is_kept_is_bounded(resolver: Resolver) -> None:
    asked: list[str] = []

    def parse(user_agent: str, domain: Domain) -> PartialResult:
        asked.append(user_agent)
        return builtin_parser()(user_agent, domain)

    bench = make_bench(resolver, [ParseUserAgent(cache_size=3, parse=parse)])

    for user_agent in ("a", "a", "b", "c", "a", "d", "a", "b"):
        bench.event(post({**MINIMAL, "ua": user_agent}))

    assert asked == ["a", "b", "c", "d", "b"]


def test_the_definitions_are_loaded_once_however_many_need_them() -> None:
    """They take 25 MB; the enrichment that fills columns has the same."""
    assert builtin_parser() is builtin_parser()


@pytest.mark.parametrize(
    "text", ["a" * 1000, "Mozilla/5.0 (" * 76, "(" * 1000, "\U0001f600" * 1000]
)
def test_a_hostile_user_agent_of_the_greatest_length_is_read(bench: Bench, text: str) -> None:
    assert len(bench.event(post({**MINIMAL, "ua": text})).derived_contexts) == 1


class _Fails:
    schema = "iglu:com.acme/enrichment/jsonschema/1-0-0"
    identifier = "fails"

    def __init__(self, error: Exception) -> None:
        self._error = error

    def enrich(self, event: EnrichedEvent, *_: object) -> tuple[()]:
        raise self._error


def test_an_enrichment_that_fails_makes_a_bad_row_and_the_later_ones_still_run(
    resolver: Resolver, user_agents: ParseUserAgent
) -> None:
    failing = _Fails(EnrichmentError("no database"))
    row = make_bench(resolver, [failing, user_agents, failing]).bad(post(MINIMAL, user_agent=PIXEL))

    assert row.schema.split("/")[1] == "enrichment_failures"
    assert (
        row.data["failure"]["messages"]
        == [
            {
                "enrichment": {"schemaKey": failing.schema, "identifier": "fails"},
                "message": {"error": "no database"},
            }
        ]
        * 2
    )
    assert UA_PARSER_CONTEXT in row.data["payload"]["enriched"]["derived_contexts"]


def test_a_schema_violation_wins_over_an_enrichment_failure(resolver: Resolver) -> None:
    """BE23: the earlier phase makes the bad row."""
    row = make_bench(resolver, [_Fails(EnrichmentError("x"))]).bad(post({**MINIMAL, "tid": "x"}))

    assert row.schema.split("/")[1] == "schema_violations"


def test_a_fault_of_our_own_is_a_bad_row_that_keeps_the_request(resolver: Resolver) -> None:
    bench = make_bench(resolver, [_Fails(ZeroDivisionError("SECRET"))])

    row = bench.bad(post(MINIMAL))

    assert row.schema.split("/")[1] == "generic_error"
    assert row.data["failure"]["errors"] == ["fault in enrich: ZeroDivisionError"]
    assert row.data["payload"]
