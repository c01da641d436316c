"""Self-describing events, entities, and the lengths of columns."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.enrich.conftest import (
    MINIMAL,
    NEW_UUID,
    NOW_MS,
    THING,
    Bench,
    contexts,
    encode_base64,
    kind,
    make_bench,
    messages,
    post,
    thing,
    unstruct_event,
)

from whiteout.enrich import EnrichedEvent, Enricher, EnrichSettings
from whiteout.iglu import EmbeddedRegistry, HttpRegistry, Resolver
from whiteout.protocol.self_describing import CONTEXTS, UNSTRUCT_EVENT, SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whiteout.enrich.enrichments.parse_user_agent import ParseUserAgent

SELF_DESCRIBING = {**MINIMAL, "e": "ue"}
VIOLATIONS = "schema_violations"
GOOD = thing(name="x")
BAD = thing(name=5)


def faults(messages: Sequence[dict[str, Any]]) -> list[str]:
    """The kind of each message, as the bad-row schemas tell them apart."""
    kinds = []
    for message in messages:
        error = message.get("error")
        if "field" in message:
            kinds.append("NotJson")
        elif "json" in message:
            kinds.append(f"NotIglu {error}")
        elif "schemaCriterion" in message:
            kinds.append("CriterionMismatch")
        else:
            assert isinstance(error, dict)
            kinds.append(error["error"])
    return kinds


def test_a_self_describing_event_with_entities(bench: Bench) -> None:
    event = bench.event(
        post({**SELF_DESCRIBING, "ue_pr": unstruct_event(GOOD), "co": contexts(GOOD, GOOD)})
    )

    assert event.unstruct_event == SelfDescribingJson(THING, {"name": "x"})
    assert event.contexts == [SelfDescribingJson(THING, {"name": "x"})] * 2
    inner = f'{{"schema":"{THING}","data":{{"name":"x"}}}}'
    assert event["unstruct_event"] == f'{{"schema":"{UNSTRUCT_EVENT}","data":{inner}}}'
    assert event["contexts"] == f'{{"schema":"{CONTEXTS}","data":[{inner},{inner}]}}'
    assert event["event_name"] == "thing"
    assert event.json_object()["unstruct_event_com_acme_thing_1"] == {"name": "x"}


@pytest.mark.parametrize("alphabet", ["url-safe", "standard"])
@pytest.mark.parametrize("padding", [True, False])
def test_base64_of_either_alphabet_padded_or_not(
    bench: Bench,
    alphabet: str,
    padding: bool,  # noqa: FBT001 - parametrised
) -> None:
    name = "subjects?>>>~~~ÿÿ"
    encode = base64.urlsafe_b64encode if alphabet == "url-safe" else base64.b64encode
    for extra in ("", "a", "ab"):
        text = encode(unstruct_event(thing(name=name + extra)).encode()).decode()
        event = bench.event(
            post({**SELF_DESCRIBING, "ue_px": text if padding else text.rstrip("=")})
        )
        assert event.unstruct_event == SelfDescribingJson(THING, {"name": name + extra})


def test_schema_comes_first_and_white_space_goes(bench: Bench) -> None:
    text = json.dumps(
        {"data": {"data": {"name": "a\tb"}, "schema": THING}, "schema": UNSTRUCT_EVENT}
    )

    event = bench.event(post({**SELF_DESCRIBING, "ue_pr": text.replace(",", " ,\n\t")}))

    assert event["unstruct_event"] == (
        f'{{"schema":"{UNSTRUCT_EVENT}","data":{{"schema":"{THING}","data":{{"name":"a\\tb"}}}}}}'
    )


@pytest.mark.parametrize("schema", [CONTEXTS, CONTEXTS.replace("1-0-1", "1-0-0")])
def test_entities_are_written_in_the_newest_envelope(bench: Bench, schema: str) -> None:
    event = bench.event(post({**MINIMAL, "co": contexts(GOOD, schema=schema)}))

    assert (event["contexts"] or "").startswith(f'{{"schema":"{CONTEXTS}"')


def test_no_entities_are_null(bench: Bench) -> None:
    """BE17: missing or empty."""
    assert bench.event(post(MINIMAL))["contexts"] is None
    assert bench.event(post({**MINIMAL, "co": contexts()}))["contexts"] is None
    assert bench.event(post({**MINIMAL, "co": "", "cx": ""}))["contexts"] is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("not json", "NotJson"),
        ('{"schema":', "NotJson"),
        ('{"a":NaN}', "NotJson"),
        ("[" * 51 + "]" * 51, "NotJson"),
        ("[" * 200_000, "NotJson"),
        ("{}", "NotIglu INVALID_DATA_PAYLOAD"),
        ("[]", "NotIglu INVALID_DATA_PAYLOAD"),
        ('{"schema":"iglu:a/b","data":[]}', "NotIglu INVALID_IGLUURI"),
        (f'{{"schema":"{THING}","data":{{"name":"x"}}}}', "CriterionMismatch"),
    ],
)
@pytest.mark.parametrize("name", ["ue_pr", "co"])
def test_what_is_no_envelope(bench: Bench, name: str, text: str, fault: str) -> None:
    """BE17."""
    for parameters in ({name: text}, {name[:1] + ("e_px" if name == "ue_pr" else "x"): _64(text)}):
        row = bench.bad(post({**SELF_DESCRIBING, **parameters}))
        assert kind(row) == VIOLATIONS
        assert faults(messages(row)) == [fault]


def _64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("inner", "fault"),
    [
        ("text", "ValidationError"),
        ({"schema": THING}, "ValidationError"),
        ({"schema": THING, "data": {}, "more": 1}, "ValidationError"),
        ({"schema": "no uri", "data": {}}, "ValidationError"),
        (BAD, "ValidationError"),
        (thing(), "ValidationError"),
        ({"schema": THING, "data": ["no", "object"]}, "ValidationError"),
        ({"schema": THING.replace("thing", "other"), "data": {}}, "ResolutionError"),
        ({"schema": THING.replace("1-0-0", "1-0-1"), "data": {}}, "ResolutionError"),
        ({"schema": THING.replace("thing", "broken"), "data": {}}, "ValidationError"),
        ({"schema": THING.replace("1-0-0", "1-0-000000"), "data": {}}, "NotIglu INVALID_SCHEMAVER"),
        ({"schema": THING.replace("1-0-0", "0-0-0"), "data": {}}, "NotIglu INVALID_SCHEMAVER"),
        (
            {"schema": THING.replace("1-0-0", "123456789123456789-0-0"), "data": {}},
            "NotIglu INVALID_SCHEMAVER",
        ),
        ({"schema": THING.replace("thing", "x" * 129), "data": {}}, "NotIglu INVALID_IGLUURI"),
        ({"schema": THING.replace("com.acme", "x" * 129), "data": {}}, "NotIglu INVALID_IGLUURI"),
    ],
)
def test_what_is_wrong_inside_an_envelope(bench: Bench, inner: object, fault: str) -> None:
    """BE17, BE22."""
    event = bench.bad(
        post({**SELF_DESCRIBING, "ue_px": encode_base64(json.loads(unstruct_event(inner)))})
    )
    entity = bench.bad(post({**MINIMAL, "co": contexts(inner)}))

    assert faults(messages(event)) == faults(messages(entity)) == [fault]


def test_the_unstruct_event_holds_exactly_one(bench: Bench) -> None:
    row = bench.bad(post({**SELF_DESCRIBING, "ue_pr": unstruct_event([GOOD])}))

    assert faults(messages(row)) == ["ValidationError"]


def test_two_invalid_entities_are_two_messages_and_all_of_them_is_kept(bench: Bench) -> None:
    """BE18; the bad row holds the valid entity too."""
    text = contexts(BAD, GOOD, BAD)
    row = bench.bad(post({**MINIMAL, "cx": encode_base64(json.loads(text))}))

    assert faults(messages(row)) == ["ValidationError"] * 2
    assert json.loads(row.data["payload"]["enriched"]["contexts"]) == json.loads(text)


def test_everything_wrong_with_an_event_is_in_its_one_bad_row(bench: Bench) -> None:
    """BE19."""
    row = bench.bad(
        post({**SELF_DESCRIBING, "ue_pr": unstruct_event(BAD), "co": contexts(BAD), "tid": "x"})
    )

    found = messages(row)
    assert [message["schemaKey"].split("/")[1] for message in found] == ["atomic", "thing", "thing"]
    enriched = row.data["payload"]["enriched"]
    assert json.loads(enriched["unstruct_event"])["data"] == BAD
    assert (enriched["platform"], enriched["txn_id"]) == ("web", None)


def test_an_explicit_null_is_fine_where_the_schema_allows_it(bench: Bench) -> None:
    """BE20."""
    nullable = {"schema": THING.replace("thing", "nullable"), "data": {"maybe": None}}

    event = bench.event(post({**MINIMAL, "co": contexts(nullable, thing(name="x", maybe=None))}))

    assert [entity.data for entity in event.contexts] == [
        {"maybe": None},
        {"name": "x", "maybe": None},
    ]


def test_a_schema_nobody_has_names_the_registries_that_were_asked(bench: Bench) -> None:
    """W/BE17: a failed event says where its schema was looked for."""
    unknown = {"schema": "iglu:com.acme/nowhere/jsonschema/1-0-0", "data": {}}

    (message,) = messages(bench.bad(post({**MINIMAL, "co": contexts(unknown)})))

    assert [
        (entry["repository"], entry["errors"]) for entry in message["error"]["lookupHistory"]
    ] == [
        ("Whiteout embedded", [{"error": "NotFound"}]),
        ("acme", [{"error": "NotFound"}]),
    ]


def test_a_registry_that_is_down_makes_a_bad_row_and_loses_nothing(
    user_agents: ParseUserAgent,
) -> None:
    """BE30, otherwise than the official pipeline: it goes on, and the event can be replayed."""
    down = HttpRegistry("http://127.0.0.1:1", timeout_s=0.5)
    bench = make_bench(Resolver([EmbeddedRegistry(), down]), [user_agents])
    record = post({**MINIMAL, "co": contexts(GOOD), "aid": "shop"})

    rows = [bench.bad(record) for _ in range(3)]
    fine = bench.event(post({**MINIMAL, "aid": "shop"}))
    down.close()

    (message,) = messages(rows[0])
    history = message["error"]["lookupHistory"][1]
    assert history["repository"] == "http://127.0.0.1:1"
    assert history["errors"][0]["error"] == "RepoFailure"
    assert {"name": "co", "value": contexts(GOOD)} in rows[2].data["payload"]["raw"]["parameters"]
    assert fine["app_id"] == "shop"


class _Adds:
    schema = "iglu:com.acme/enrichment/jsonschema/1-0-0"
    identifier = "adds"

    def __init__(self, *entities: SelfDescribingJson) -> None:
        self._entities = entities

    def enrich(self, event: EnrichedEvent, *_: object) -> Sequence[SelfDescribingJson]:
        return self._entities


def test_an_invalid_derived_entity_is_a_violation(resolver: Resolver) -> None:
    """BE24."""
    good, bad = SelfDescribingJson(THING, {"name": "x"}), SelfDescribingJson(THING, {"name": 1})

    event = make_bench(resolver, [_Adds(good)]).event(post(MINIMAL))
    row = make_bench(resolver, [_Adds(good, bad)]).bad(post(MINIMAL))

    assert event.derived_contexts == [good]
    assert kind(row) == VIOLATIONS
    assert faults(messages(row)) == ["ValidationError"]


@pytest.mark.parametrize(
    ("parameter", "column", "limit"),
    [("aid", "app_id", 255), ("page", "page_title", 2000), ("tr_cu", "tr_currency", 3)],
)
def test_a_column_may_be_as_long_as_its_limit_and_no_longer(
    bench: Bench, parameter: str, column: str, limit: int
) -> None:
    """BE25; nothing is shortened."""
    longest = "é" * limit

    assert bench.event(post({**MINIMAL, parameter: longest}))[column] == longest
    (message,) = messages(bench.bad(post({**MINIMAL, parameter: longest + "x"})))
    assert message["error"]["dataReports"] == [
        {
            "message": f"{column}: longer than {limit} characters",
            "path": column,
            "keyword": "atomic_field_length_exceeded",
            "targets": [str(limit)],
        }
    ]


def test_all_long_columns_are_in_one_message_and_their_texts_in_the_bad_row(bench: Bench) -> None:
    row = bench.bad(post({**MINIMAL, "aid": "a" * 256, "uid": "b" * 1000, "tr_cu": "EURO"}))

    (message,) = messages(row)
    assert [report["path"] for report in message["error"]["dataReports"]] == [
        "app_id",
        "user_id",
        "tr_currency",
    ]
    assert row.data["payload"]["enriched"]["user_id"] == "b" * 1000


def test_limits_can_be_set(resolver: Resolver) -> None:
    """BE25."""
    bench = Bench(
        Enricher(
            resolver,
            EnrichSettings(atomic_limits={"app_id": 5, "user_id": 5000}),
            now_ms=lambda: NOW_MS,
            new_uuid=lambda: NEW_UUID,
            enrichments=(),
        )
    )

    assert bench.event(post({**MINIMAL, "aid": "abcde", "uid": "u" * 5000}))["app_id"] == "abcde"
    assert kind(bench.bad(post({**MINIMAL, "aid": "abcdef"}))) == VIOLATIONS


def test_large_numbers_and_texts_of_entities_come_through_exactly(resolver: Resolver) -> None:
    free = Resolver([EmbeddedRegistry(), EmbeddedRegistry({THING: {}}, name="free")])
    bench = make_bench(free, ())
    data = {"n": 2**70, "f": 0.1, "t": "\u2028é\U0001f600\x00", "deep": [[[{}]]]}

    event = bench.event(post({**MINIMAL, "co": contexts({"schema": THING, "data": data})}))

    assert json.loads(event["contexts"] or "")["data"][0]["data"] == data
    assert event.tsv().count("\t") == 130
