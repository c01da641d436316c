"""The short way through the envelopes leads to the same place as the long one."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.enrich.conftest import (
    MINIMAL,
    NOW_MS,
    THING,
    Bench,
    body_of,
    contexts,
    encode_base64,
    kind,
    make_bench,
    payload,
    post,
    thing,
    unstruct_event,
)

from whiteout.enrich import BadRow
from whiteout.enrich.anonymity import clean_payload
from whiteout.enrich.envelopes import usual_contexts, usual_events, usual_unstruct_event
from whiteout.identifiers import SERVER_PARAMETERS
from whiteout.iglu import EmbeddedRegistry, Resolver
from whiteout.iglu.embedded import SCHEMAS
from whiteout.protocol.self_describing import (
    CONTEXTS,
    PAYLOAD_DATA,
    UNSTRUCT_EVENT,
    SelfDescribingJson,
)

if TYPE_CHECKING:
    from whiteout.enrich import EnrichedEvent

ANYTHING = "iglu:com.acme/anything/jsonschema/1-0-0"
OLD_CONTEXTS = CONTEXTS.replace("1-0-1", "1-0-0")
REGISTRY = EmbeddedRegistry(
    {**SCHEMAS, THING: {"type": "object", "required": ["name"]}, ANYTHING: {}}
)
WARMING = post(
    {
        **MINIMAL,
        "e": "ue",
        "ue_pr": unstruct_event(thing(name="x")),
        "co": contexts(thing(name="x"), {"schema": ANYTHING, "data": {}}),
    },
    {**MINIMAL, "co": contexts(thing(name="x"), schema=OLD_CONTEXTS)},
)


def warm(resolver: Resolver) -> Resolver:
    """The short way is open once the schemas are at hand."""
    make_bench(resolver, []).all(WARMING)
    return resolver


@cache  # hypothesis calls a test often
def both_ways() -> tuple[Bench, Bench]:
    """One that takes the short way where it can, one that never does: its schemas grow old."""
    short = warm(Resolver([REGISTRY], now_ms=lambda: NOW_MS))
    long = warm(Resolver([REGISTRY], now_ms=lambda: NOW_MS, schema_ttl_ms=1))
    assert short.is_standard(CONTEXTS)
    assert not long.is_standard(CONTEXTS)
    assert long.compiled(THING) is None
    return make_bench(short, []), make_bench(long, [])


def told(result: EnrichedEvent | BadRow) -> object:
    """All that a result says."""
    if isinstance(result, BadRow):
        return result.json()
    return (
        result.fields,
        # As text: 1 and 1.0 are equal, but are not the same JSON.
        repr(result.unstruct_event.data) if result.unstruct_event else None,
        [(entity.schema, repr(entity.data)) for entity in result.contexts],
    )


GOOD_SCALARS = st.sampled_from(
    """0 -0 1.0 1e2 -1E-5 0.1 9007199254740993 18446744073709551616 -9223372036854775809 1e308 true
    false null "" "a" "a\\tb" "\\u0000" "\\ud83d\\ude00" "\U0001f600" "iglu:x\"""".split()
)
BAD_SCALARS = st.sampled_from(
    [
        *'1e309 01 +1 1. .5 NaN -Infinity 0x1 True "\\ud800" "\\x" "'.split(),
        *("'a'", '"\t"', "", "9" * 100, "9" * 5000),
    ]
)
DEEP = st.integers(40, 60).map(lambda depth: "[" * depth + "]" * depth)
SPACES = st.sampled_from([*[""] * 12, " ", "\n", "\t", "\r", "\x0b", "\xa0", "\ufeff"])
NAMES = st.sampled_from(['"name"', '"data"', '"schema"', '"a"', '""', '"\\u0061"'])


@st.composite
def json_objects(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    """Text that is an object, or nearly: names may come twice, spaces may be none."""
    members = draw(st.lists(st.tuples(NAMES, SPACES, values, SPACES), max_size=3))
    return "{" + ",".join(f"{name}{a}:{value}{b}" for name, a, value, b in members) + "}"


def json_lists(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(values, max_size=3).map(lambda items: f"[{','.join(items)}]")


ANY = st.recursive(
    GOOD_SCALARS | BAD_SCALARS | DEEP, lambda inner: json_lists(inner) | json_objects(inner)
)
FLAT = json_objects(GOOD_SCALARS | json_lists(GOOD_SCALARS))


def usual(schemas: st.SearchStrategy[str], data: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(schemas, data).map(lambda it: f'{{"schema":"{it[0]}","data":{it[1]}}}')


@st.composite
def unusual(draw: st.DrawFn, schemas: st.SearchStrategy[str], data: st.SearchStrategy[str]) -> str:
    """In any order, with members that come twice, that are missing, or that nobody knows."""
    members = [
        f'"schema":"{draw(schemas)}"',
        f'"data":{draw(SPACES)}{draw(data)}',
        f'"schema":{draw(ANY)}',
        f'"data":{draw(data)}',
        f'"more":{draw(ANY)}',
    ]
    chosen = draw(st.lists(st.sampled_from(members), max_size=4, unique=True))
    return f"{{{','.join(chosen)}}}"


# `thing` wants a name; `anything` wants nothing.
GOOD_ENTITIES = usual(st.just(ANYTHING), FLAT) | usual(
    st.just(THING), FLAT.map(lambda text: f'{{"name":"x",{text[1:]}' if text[1:-1] else text)
)
ENTITY_SCHEMAS = st.sampled_from(
    [THING, ANYTHING, "iglu:com.acme/none/jsonschema/1-0-0", "iglu:x", CONTEXTS]
)
ENTITIES = GOOD_ENTITIES | usual(ENTITY_SCHEMAS, FLAT | ANY) | unusual(ENTITY_SCHEMAS, FLAT | ANY)
ENVELOPES = st.sampled_from(
    [CONTEXTS, OLD_CONTEXTS, UNSTRUCT_EVENT, PAYLOAD_DATA, CONTEXTS[:-1] + "2", THING]
)
CONTEXTS_TEXTS = (
    usual(st.sampled_from([CONTEXTS, OLD_CONTEXTS]), json_lists(GOOD_ENTITIES))
    | usual(ENVELOPES, json_lists(ENTITIES) | ANY)
    | unusual(ENVELOPES, json_lists(ENTITIES) | ANY)
)
UNSTRUCT_EVENT_TEXTS = (
    usual(st.just(UNSTRUCT_EVENT), GOOD_ENTITIES)
    | usual(ENVELOPES, ENTITIES | ANY)
    | unusual(ENVELOPES, ENTITIES | ANY)
)


@given(CONTEXTS_TEXTS)
def test_entities_come_out_the_same_by_either_way(text: str) -> None:
    record = post({**MINIMAL, "co": text})
    short, long = both_ways()

    assert list(map(told, short.all(record))) == list(map(told, long.all(record)))


@given(UNSTRUCT_EVENT_TEXTS)
def test_self_describing_events_come_out_the_same_by_either_way(text: str) -> None:
    record = post({**MINIMAL, "e": "ue", "ue_pr": text})
    short, long = both_ways()

    assert list(map(told, short.all(record))) == list(map(told, long.all(record)))


EVENT_TEXT = json.dumps(MINIMAL)
EVENTS = st.just(EVENT_TEXT) | st.tuples(
    NAMES | st.sampled_from(['"aid"', '"e"', '"tnuid"']), GOOD_SCALARS | ANY
).map(lambda it: EVENT_TEXT.replace("{", f"{{{it[0]}:{it[1]},", 1))
PAYLOADS = st.sampled_from(
    [PAYLOAD_DATA, *(f"{PAYLOAD_DATA[:-1]}{addition}" for addition in "035"), CONTEXTS, "x"]
)
BODIES = (
    usual(st.just(PAYLOAD_DATA), json_lists(EVENTS))
    | usual(PAYLOADS, json_lists(EVENTS | ANY) | ANY)
    | unusual(PAYLOADS, json_lists(EVENTS | ANY) | ANY)
)


@given(BODIES, st.sampled_from(["", "aid=q"]))
def test_bodies_come_out_the_same_by_either_way(body: str, query: str) -> None:
    record = post(body=body, querystring=query)
    short, long = both_ways()

    assert list(map(told, short.all(record))) == list(map(told, long.all(record)))


# Every one by turns, in spellings that count and in some that do not.
NAMED = st.sampled_from(
    sorted(
        {*SERVER_PARAMETERS, *map(str.upper, SERVER_PARAMETERS), " ip", "url", "refr", "aid"}
        | {"cx", "ue_px", "CX", "co", "ue_pr", "%63o", "_sp", "other"}
    )
)
URLS = ("", "a", "http://a/?_sp=b.1&c", "http://a/?%5Fsp=b.1", "a#b?_sp=c")
PACKED = tuple(f'{{"url":"{url}"}}' for url in (*URLS, "?\\u005fsp=b", "?_sP=b"))
VALUES = st.sampled_from([*URLS, *PACKED, *map(encode_base64, map(json.loads, PACKED))])


@given(st.lists(st.dictionaries(NAMED, VALUES, max_size=4), max_size=3))
def test_anonymous_bodies_are_cleaned_the_same_by_either_way(
    events: list[dict[str, str]],
) -> None:
    """What nobody knows, beside the events, closes the short way."""
    usual = body_of(*events)
    request = payload(body=usual)

    _, short = clean_payload(request, [])
    _, long = clean_payload(replace(request, body=f'{usual[:-1]},"more":0}}'), [])

    assert isinstance(long, dict)
    assert short == {name: value for name, value in long.items() if name != "more"}


def test_the_usual_forms_take_the_short_way() -> None:
    """Without this the tests above could compare the long way with itself."""
    resolver = warm(Resolver([REGISTRY]))
    inner = {"name": "x", "numbers": [1, 2.5], "none": None}
    expected = SelfDescribingJson(THING, inner)

    event = usual_unstruct_event(unstruct_event(thing(**inner)).encode(), resolver)
    entities = usual_contexts(contexts(thing(**inner), schema=OLD_CONTEXTS).encode(), resolver)

    assert event == expected
    assert entities == [expected]
    assert entities[0].key == expected.key
    assert usual_events(body_of(MINIMAL), resolver) == [MINIMAL]


TOO_DEEP = "[" * 60 + "]" * 60


@pytest.mark.parametrize("inside", ["the envelope", "the entity"])
@pytest.mark.parametrize("parameter", ["co", "ue_pr"])
def test_depth_is_bounded_where_nobody_looks_at_the_data(parameter: str, inside: str) -> None:
    """The short way does not count brackets: its classes have no room for many."""
    data = f'{{"a":{TOO_DEEP}}}' if inside == "the entity" else "{}"
    entity = f'{{"schema":"{ANYTHING}","data":{data}}}'
    envelope = (
        f'{{"schema":"{CONTEXTS}","data":[{entity}]'
        if parameter == "co"
        else f'{{"schema":"{UNSTRUCT_EVENT}","data":{entity}'
    )
    text = envelope + (f',"more":{TOO_DEEP}}}' if inside == "the envelope" else "}")

    row = both_ways()[0].bad(post({**MINIMAL, "e": "ue", parameter: text}))

    assert "nested deeper than 50" in row.data["failure"]["messages"][0]["error"]


def test_depth_is_bounded_beside_the_events_too() -> None:
    row = both_ways()[0].bad(post(body=f'{body_of(MINIMAL)[:-1]},"more":{TOO_DEEP}}}'))

    assert "nested deeper than 50" in row.data["failure"]["messages"][0]["error"]


@pytest.mark.parametrize("uri", [CONTEXTS, UNSTRUCT_EVENT])
def test_a_registry_with_its_own_envelope_has_the_last_word(uri: str) -> None:
    """The classes of the short way stand for our schemas of the envelopes, for no others."""
    strict: dict[str, Any] = {uri: {"not": {}}}
    bench = make_bench(warm(Resolver([EmbeddedRegistry({**REGISTRY.schemas, **strict})])), [])
    parts = {"ue_pr": unstruct_event(thing(name="x"))} if uri == UNSTRUCT_EVENT else {}
    entities = {"co": contexts(thing(name="x"))} if uri == CONTEXTS else {}

    for _ in range(2):
        row = bench.bad(post({**MINIMAL, "e": "ue", **parts, **entities}))
        assert kind(row) == "schema_violations"
