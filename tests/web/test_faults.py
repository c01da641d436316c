"""Why an event failed, as the page tells it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout.web.faults import faults_of, place_in_schema

SCHEMA: dict[str, Any] = {
    "required": ["id"],
    "properties": {
        "id": {"type": "string"},
        "a/b~": {"maxLength": 3},
        "lines": {"items": {"properties": {"price": {"minimum": 0}}}},
        "pair": {"items": [{"type": "string"}, {"type": "null"}]},
        "any": {"anyOf": [{"type": "string"}]},
    },
    "additionalProperties": {"maximum": 5},
}
NAME = "iglu:com.acme/order/jsonschema/1-0-0"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "messages message error dataReports schemaIssues lookupHistory schemaKey errors"
                " path keyword targets field".split()
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def bad_row(failure: object) -> str:
    return json.dumps({"schema": "iglu:a/b/jsonschema/1-0-0", "data": {"failure": failure}})


@pytest.mark.parametrize(
    ("path", "keyword", "pointer"),
    [
        ("$", "required", "/required"),
        ("$.id", "type", "/properties/id/type"),
        ("$.a/b~", "maxLength", "/properties/a~1b~0/maxLength"),
        ("$.lines[12].price", "minimum", "/properties/lines/items/properties/price/minimum"),
        ("$.pair[1]", "type", "/properties/pair/items/1/type"),
        ("$.other", "maximum", "/additionalProperties/maximum"),
        ("$.any", "type", ""),
        ("$.id.deeper", "type", ""),
    ],
)
def test_the_place_that_refused_the_data_is_found(path: str, keyword: str, pointer: str) -> None:
    found, rule = place_in_schema(SCHEMA, path, keyword)
    assert found == pointer
    at: Any = SCHEMA
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        at = at[int(key)] if isinstance(at, list) else at[key]
    assert rule == (at if pointer else None)


def test_a_violation_tells_data_schema_and_rule() -> None:
    report = {"message": "not a string", "path": "$.id", "keyword": "type", "targets": ["string"]}
    error = {"error": "ValidationError", "dataReports": [report]}
    row = bad_row({"messages": [{"schemaKey": NAME, "error": error}]})

    [fault] = faults_of(row, lambda uri: SCHEMA if uri == NAME else None)
    assert (fault.message, fault.where, fault.schema) == ("not a string", "$.id", NAME)
    assert (fault.pointer, fault.rule) == ("/properties/id/type", '"string"')

    [without] = faults_of(row, lambda _: None)
    assert (without.pointer, without.rule) == ("", "type: string")


def test_a_schema_that_nobody_has_tells_who_was_asked() -> None:
    history = [{"repository": "Acme", "errors": [{"error": "NotFound"}], "attempts": 1}]
    error = {"error": "ResolutionError", "lookupHistory": history}
    [fault] = faults_of(
        bad_row({"messages": [{"schemaKey": NAME, "error": error}]}), lambda _: None
    )
    assert fault.message == "no registry has the schema"
    assert fault.details == (("Acme", "the registry does not have it"),)


def test_a_field_that_is_not_as_it_must_be_is_named() -> None:
    message = {"field": "tv", "value": None, "expectation": "must be there"}
    [fault] = faults_of(bad_row({"messages": [message]}), lambda _: None)
    assert (fault.where, fault.message) == ("tv", "must be there")


@given(JSON)
def test_no_bad_row_breaks_the_page(failure: object) -> None:
    assert isinstance(faults_of(bad_row(failure), lambda _: SCHEMA), list)


@given(st.text(max_size=40), st.text(max_size=10))
def test_no_path_breaks_the_search(path: str, keyword: str) -> None:
    pointer, rule = place_in_schema(SCHEMA, path, keyword)
    assert pointer or rule is None
