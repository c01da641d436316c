"""Values that are erased, of whatever type."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.enrich.conftest import (
    JSON_TYPE,
    MINIMAL,
    Bench,
    contexts,
    kind,
    messages,
    post,
    thing,
    unstruct_event,
)
from tests.enrich.enrichments.support import SNOWPLOW, as_pairs, bench_of, configure

from whiteout.enrich import read_folder
from whiteout.enrich.enrichments.erase_values import COLUMNS, EraseValues
from whiteout.enrich.enrichments.pseudonymise import Locator
from whiteout.enrich.event import EnrichedEvent
from whiteout.enrich.json_path import JsonPath
from whiteout.errors import ConfigurationError
from whiteout.iglu import EmbeddedRegistry, Resolver
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from pathlib import Path

FREE = "iglu:com.acme/free/jsonschema/1-0-0"


@pytest.fixture(scope="module")
def free() -> Resolver:
    """A schema that allows everything."""
    return Resolver([EmbeddedRegistry(), EmbeddedRegistry({FREE: {"type": "object"}}, name="a")])


def place(path: str, field: str = "contexts", schema: str = FREE) -> dict[str, str]:
    return {
        "field": field,
        "schemaCriterion": schema.replace("1-0-0", "1-*-*"),
        "jsonPath": path,
    }


def erasing(
    folder: Path,
    resolver: Resolver,
    data: dict[str, Any] | None = None,
    **what: Any,  # noqa: ANN401 - of different types
) -> Bench:
    configure(folder, "whiteout", "value_erasure_config", "1-0-0", what, **(data or {}))
    return bench_of(folder, resolver)


def test_columns_are_null_and_the_others_are_not(tmp_path: Path, resolver: Resolver) -> None:
    bench = erasing(tmp_path, resolver, columns=["page_title", "useragent", "dvce_screenwidth"])

    event = bench.event(
        post({**MINIMAL, "page": "t", "res": "3x4", "aid": "a"}, user_agent="Mozilla/5.0")
    )

    names = ("page_title", "useragent", "dvce_screenwidth", "dvce_screenheight", "app_id")
    assert [event[name] for name in names] == [None, None, None, "4", "a"]


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("$.number", {"list": [1, "b", {"c": True}], "deep": {"number": 2}}),
        ("$..number", {"list": [1, "b", {"c": True}], "deep": {}}),
        ("$.list", {"number": 1, "deep": {"number": 2}}),
        ("$.list[0,1]", {"number": 1, "list": [{"c": True}], "deep": {"number": 2}}),
        ("$.list[1,0]", {"number": 1, "list": [{"c": True}], "deep": {"number": 2}}),
        ("$.list[*]", {"number": 1, "list": [], "deep": {"number": 2}}),
        ("$..c", {"number": 1, "list": [1, "b", {}], "deep": {"number": 2}}),
        ("$..*", {}),
        ("$.nowhere", {"number": 1, "list": [1, "b", {"c": True}], "deep": {"number": 2}}),
    ],
)
def test_W7_numbers_booleans_and_objects_can_be_erased(
    path: str, left: dict[str, Any], tmp_path: Path, free: Resolver
) -> None:
    entity = {
        "schema": FREE,
        "data": {"number": 1, "list": [1, "b", {"c": True}], "deep": {"number": 2}},
    }
    bench = erasing(tmp_path, free, json=[place(path), place(path, "unstruct_event"), place("$.x")])

    event = bench.event(
        post({**MINIMAL, "e": "ue", "co": contexts(entity), "ue_pr": unstruct_event(entity)})
    )

    assert as_pairs(event.contexts) == [("free", left)]
    assert json.loads(event["contexts"] or "")["data"] == [{"schema": FREE, "data": left}]
    assert event.unstruct_event is not None
    assert event.unstruct_event.data == left


def test_entities_of_enrichments_lose_theirs_in_every_event(
    tmp_path: Path, resolver: Resolver
) -> None:
    configure(tmp_path, SNOWPLOW, "ua_parser_config", "1-0-0")
    schema = "iglu:com.snowplowanalytics.snowplow/ua_parser_context/jsonschema/1-0-0"
    bench = erasing(tmp_path, resolver, json=[place("$.osMinor", "derived_contexts", schema)])

    for _ in range(2):
        event = bench.event(post(MINIMAL, user_agent="Mozilla/5.0 (Windows NT 10.0) Firefox/9.1"))

        ((_, data),) = as_pairs(event.derived_contexts)
        assert "osMinor" not in data
        assert "osFamily" in data
        assert "osMinor" not in (event["derived_contexts"] or "")


def test_what_a_schema_requires_makes_the_event_fail_without_telling_it(
    tmp_path: Path, resolver: Resolver
) -> None:
    schema = thing()["schema"]
    bench = erasing(tmp_path, resolver, json=[place("$.name", "contexts", schema)])

    row = bench.bad(post({**MINIMAL, "co": contexts(thing(name="canary"))}))

    assert kind(row) == "schema_violations"
    assert messages(row)[0]["schemaKey"] == schema
    assert "canary" not in row.json()


def test_W6_what_is_erased_is_not_in_a_bad_row(tmp_path: Path, resolver: Resolver) -> None:
    schema = thing()["schema"]
    bench = erasing(
        tmp_path,
        resolver,
        columns=["page_title", "useragent"],
        json=[place("$.maybe", "contexts", schema)],
    )
    sent = {
        "tid": "x",
        "page": "canary-title",
        "ua": "canary-agent",
        "co": contexts(thing(name="good", maybe="canary-entity")),
    }

    row = bench.bad(post({**MINIMAL, **sent}, user_agent="canary-header"))

    assert "canary" not in row.json()
    assert "good" in row.json()


@pytest.mark.parametrize(
    ("only", "mark", "title"),
    [(True, True, None), (True, False, "t"), (False, False, None), (False, True, None)],
)
def test_anonymous_only(
    only: bool,  # noqa: FBT001 - the case's
    mark: bool,  # noqa: FBT001 - the case's
    title: str | None,
    tmp_path: Path,
    resolver: Resolver,
) -> None:
    bench = erasing(tmp_path, resolver, {"anonymousOnly": only}, columns=["page_title"])
    headers = ("SP-Anonymous: *", JSON_TYPE) if mark else (JSON_TYPE,)

    assert bench.event(post({**MINIMAL, "page": "t"}, headers=headers))["page_title"] == title


@pytest.mark.parametrize("column", ["event_id", "event_name", "contexts", "no_column"])
def test_what_an_event_cannot_be_without_cannot_be_erased(column: str, tmp_path: Path) -> None:
    name = "value_erasure_config"
    configure(tmp_path, "whiteout", name, "1-0-0", {"columns": ["page_title", column]})

    with pytest.raises(ConfigurationError, match=rf"{name}\.json: .*{column}"):
        read_folder(tmp_path)
    assert column not in COLUMNS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=20,
)


@given(data=st.dictionaries(st.sampled_from("abc"), JSON), name=st.sampled_from("abc"))
def test_of_any_data_nothing_of_that_name_is_left(data: dict[str, Any], name: str) -> None:
    path = JsonPath(f"$..{name}")
    before = json.dumps(data)
    erase = EraseValues(columns=(), locators=[Locator("contexts", FREE, path)])
    entity = SelfDescribingJson(FREE, data)
    event = EnrichedEvent(fields=[], unstruct_event=None, contexts=[entity], derived_contexts=[])

    erase.mask_parts(event)

    assert path.find(event.contexts[0].data) == []
    assert json.dumps(data) == before
