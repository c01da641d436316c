"""Compiled schemas: formats, reports, and schemas that mean harm."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest

from whiteout.iglu import DataReport, SchemaError
from whiteout.iglu.validator import MAX_REPORTS, compile_schema
from whiteout.protocol.iglu import parse_schema_key

KEY = parse_schema_key("iglu:com.acme/thing/jsonschema/1-0-0")


def is_valid(schema: dict[str, Any], data: object) -> bool:
    return compile_schema(KEY, schema).is_valid(data)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("uuid", "3F2504E0-4f89-11d3-9a0c-0305e82c3301", "3f2504e04f8911d39a0c0305e82c3301"),
        ("uuid", "00000000-0000-0000-0000-000000000000", "3f2504e0-4f89-11d3-9a0c-0305e82c3301\n"),
        ("date-time", "2020-01-01T00:00:00.000Z", "2020-01-01 00:00"),
        ("uri", "https://a.example/{x}?é=1", "a.example/x"),
        ("uri", "//a.example", "https://a b"),
        ("ipv4", "192.0.2.1", "192.0.2"),
        ("ipv6", "2001:db8::1", "2001:db8::1::2"),
    ],
)
def test_formats_are_checked(name: str, good: str, bad: str) -> None:
    schema = {"format": name}

    assert is_valid(schema, good)
    assert not is_valid(schema, bad)
    assert is_valid(schema, 7)


def test_a_format_is_checked_beside_a_pattern_and_deep_inside_a_schema() -> None:
    schema = {
        "properties": {
            "format": {"type": "string"},
            "ids": {"items": {"format": "uuid", "pattern": "^0"}},
        }
    }

    assert is_valid(schema, {"ids": ["00000000-0000-0000-0000-000000000000"], "format": "x"})
    assert not is_valid(schema, {"ids": ["0"]})
    assert not is_valid(schema, {"ids": ["10000000-0000-0000-0000-000000000000"]})


def test_data_inside_a_schema_is_left_alone() -> None:
    assert is_valid({"enum": [{"format": "uuid"}]}, {"format": "uuid"})


def test_the_keywords_of_iglu_are_no_rules_for_the_data() -> None:
    schema = {"$schema": "http://iglucentral.com/x#", "self": {"vendor": "v"}, "type": "object"}

    assert is_valid(schema, {})


def test_a_report_says_where_and_what_but_not_the_value() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "array", "items": {"type": "string", "maxLength": 3}},
            "id": {"format": "uuid"},
        },
        "required": ["b"],
    }

    reports = compile_schema(KEY, schema).reports({"a": ["x", "SECRET"], "id": "SECRET"})

    assert sorted(reports, key=lambda report: report.path) == [
        DataReport('"b" is a required property', "$", "required", ("b",)),
        DataReport("the value is longer than 3 characters", "$.a[1]", "maxLength", ("3",)),
        DataReport('the value is not a "uuid"', "$.id", "format", ("uuid",)),
    ]


def test_valid_data_has_no_reports_and_hopeless_data_a_bounded_number() -> None:
    validator = compile_schema(KEY, {"items": {"type": "string"}})

    assert validator.reports(["x"]) == []
    assert len(validator.reports(list(range(100_000)))) == MAX_REPORTS


@pytest.mark.parametrize("schema", [{"type": "no such type"}, {"properties": []}, {"required": 1}])
def test_what_is_no_schema_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(SchemaError) as raised:
        compile_schema(KEY, schema)

    assert raised.value.issues


@pytest.mark.parametrize(
    "reference",
    ["http://127.0.0.1:1/schema", "file:///etc/passwd", "other.json", "iglu:com.acme/x"],
)
def test_a_reference_that_leads_out_of_the_schema_is_refused(reference: str) -> None:
    with pytest.raises(SchemaError, match="leads out"):
        compile_schema(KEY, {"properties": {"a": {"$ref": reference}}})


def test_an_id_does_not_turn_a_local_reference_into_a_remote_one() -> None:
    schema = {
        "id": "http://127.0.0.1:1/base",
        "definitions": {"text": {"type": "string"}},
        "items": {"$ref": "#/definitions/text"},
    }

    try:
        compiled = compile_schema(KEY, schema)
    except SchemaError:
        return
    assert not compiled.is_valid([1])


def test_a_local_reference_is_followed() -> None:
    schema = {
        "definitions": {"a/b": {"type": "string"}},
        "items": {"$ref": "#/definitions/a~1b"},
    }

    assert is_valid(schema, ["x"])
    assert not is_valid(schema, [1])


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"properties": {"child": {"$ref": "#"}}},
        {"definitions": {"a": {"$ref": "#/definitions/b"}, "b": {"$ref": "#/definitions/a"}}},
    ],
)
def test_references_in_a_circle_are_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(SchemaError, match="circle"):
        compile_schema(KEY, schema)


def test_references_that_unfold_without_end_are_refused_quickly() -> None:
    names = [f"d{number}" for number in range(9)]
    definitions: dict[str, Any] = {
        name: {"allOf": [{"$ref": f"#/definitions/{after}"}] * 8} for name, after in pairwise(names)
    }
    definitions[names[-1]] = {"type": "string"}
    started = time.monotonic()

    with pytest.raises(SchemaError, match="unfold"):
        compile_schema(KEY, {"definitions": definitions, "$ref": "#/definitions/d0"})

    assert time.monotonic() - started < 2


def test_a_long_chain_of_references_is_refused() -> None:
    definitions = {f"d{n}": {"$ref": f"#/definitions/d{n + 1}"} for n in range(5000)}

    with pytest.raises(SchemaError, match="too often"):
        compile_schema(KEY, {"definitions": definitions})


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*b$", "^(?=(a+)+b)x", r"^(a+)\1+$"])
def test_a_pattern_cannot_keep_the_validator_busy(pattern: str) -> None:
    validator = compile_schema(KEY, {"pattern": pattern})
    started = time.monotonic()

    validator.is_valid("a" * 10_000 + "!")
    validator.reports("a" * 10_000 + "!")

    assert time.monotonic() - started < 2


def test_a_pattern_that_needs_much_memory_is_refused() -> None:
    with pytest.raises(SchemaError):
        compile_schema(KEY, {"pattern": "((a{1,1000}){1,1000}){1,1000}"})
