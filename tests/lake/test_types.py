from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whiteout.lake.arrow import (
    SCHEMA_VERSION,
    arrow_type,
    criterion_of,
    entity_field,
    event_field,
    struct_of,
)
from whiteout.lake.atomic import microseconds_to_text, text_to_microseconds
from whiteout.lake.casting import CastError, caster
from whiteout.lake.columns import part_column
from whiteout.lake.families import Placement
from whiteout.lake.rebuild import plain_rows, to_json
from whiteout.lake.types import (
    DecimalType,
    LakeType,
    ListType,
    Member,
    Scalar,
    StructType,
    accommodate,
    field_name,
    type_of_schema,
)

if TYPE_CHECKING:
    from datetime import datetime

INT32 = {"minimum": -(2**31), "maximum": 2**31 - 1}
INT64 = {"minimum": 0, "maximum": 2**63 - 1}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, Scalar.STRING),
        ({"type": ["string", "null"], "maxLength": 5}, Scalar.STRING),
        ({"type": "string", "enum": ["a", "b"], "format": "date"}, Scalar.STRING),
        ({"enum": ["a", "b", None]}, Scalar.STRING),
        ({"type": "string", "format": "date-time"}, Scalar.TIMESTAMP),
        ({"type": ["null", "string"], "format": "date"}, Scalar.DATE),
        ({"type": "string", "format": "uuid"}, Scalar.STRING),
        ({"type": "boolean"}, Scalar.BOOLEAN),
        ({"type": "integer"}, Scalar.BIGINT),
        ({"type": "integer", "minimum": 0}, Scalar.BIGINT),
        ({"type": "integer", **INT32}, Scalar.INT),
        ({"type": "integer", "minimum": -(2**31) - 1, "maximum": 0}, Scalar.BIGINT),
        ({"type": "integer", **INT64}, Scalar.BIGINT),
        ({"type": "integer", "minimum": 0, "maximum": 2**63}, DecimalType(38, 0)),
        ({"type": "integer", "minimum": 0, "maximum": 10**38}, Scalar.DOUBLE),
        ({"enum": [1, 2, 3]}, Scalar.INT),
        ({"type": "number"}, Scalar.DOUBLE),
        ({"type": ["number", "integer", "null"]}, Scalar.DOUBLE),
        (
            {"type": "number", "multipleOf": 0.01, "minimum": 0, "maximum": 999.99},
            DecimalType(5, 2),
        ),
        ({"type": "number", "multipleOf": 0.01}, Scalar.DOUBLE),
        ({"type": "array", "items": {"type": "integer"}}, ListType(Scalar.BIGINT)),
        ({"type": "array"}, ListType(Scalar.JSON)),
        ({"type": "object"}, Scalar.JSON),
        ({"type": "object", "properties": {}}, Scalar.JSON),
        ({"type": ["string", "integer"]}, Scalar.JSON),
        ({"oneOf": [{"type": "string"}]}, Scalar.JSON),
        ({}, Scalar.JSON),
        (True, Scalar.JSON),
    ],
)
def test_each_json_schema_has_its_type(schema: object, expected: LakeType) -> None:
    """Source: the Lake Loader's table of types."""
    found = type_of_schema({"type": "object", "properties": {"someKey": schema}})

    assert found == StructType((Member("some_key", "someKey", expected),))


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("userId", "user_id"),
        ("someURLPart", "some_urlpart"),
        ("URL", "url"),
        ("a.b-c", "a_b_c"),
        ("$ref", "_ref"),
        ("with space", "with_space"),
        ("Größe", "gr__e"),
        ("", "_"),
    ],
)
def test_names_are_snake_case_and_allowed_in_delta(key: str, name: str) -> None:
    assert field_name(key) == name


def test_properties_that_come_to_the_same_name_get_numbers() -> None:
    text = {"type": "string"}

    found = type_of_schema({"type": "object", "properties": {"userId": text, "user_id": text}})

    assert [(part.name, part.key) for part in found.members] == [
        ("user_id", "userId"),
        ("user_id_2", "user_id"),
    ]


def test_a_schema_deeper_than_readers_like_becomes_text_there() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(1000):
        schema = {"type": "array", "items": schema}

    found = type_of_schema(schema)

    assert "JSON" in repr(found)


@pytest.mark.parametrize(
    ("column", "version", "stored"),
    [
        (Scalar.BIGINT, Scalar.INT, Scalar.BIGINT),
        (Scalar.DOUBLE, Scalar.INT, Scalar.DOUBLE),
        (Scalar.STRING, Scalar.TIMESTAMP, Scalar.STRING),
        (Scalar.JSON, Scalar.BOOLEAN, Scalar.JSON),
        (DecimalType(10, 2), DecimalType(9, 1), DecimalType(10, 2)),
        (DecimalType(38, 0), Scalar.BIGINT, DecimalType(38, 0)),
        (Scalar.INT, Scalar.BIGINT, None),
        (Scalar.DOUBLE, Scalar.BIGINT, None),
        (Scalar.TIMESTAMP, Scalar.STRING, None),
        (Scalar.STRING, Scalar.JSON, None),
        (Scalar.STRING, ListType(Scalar.STRING), None),
        (DecimalType(10, 2), DecimalType(10, 3), None),
    ],
)
def test_a_column_takes_a_version_only_if_all_its_values_fit(
    column: LakeType, version: LakeType, stored: LakeType | None
) -> None:
    found = accommodate(column, version)

    assert found == (None if stored is None else (stored, stored))


# Schemas and values that need not have to do with each other: what a registry and a tracker
# could send between them.
_LEAVES: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "date"},
        {"type": "boolean"},
        {"type": "integer"},
        {"type": "integer", **INT32},
        {"type": "integer", "minimum": 0, "maximum": 2**70},
        {"type": "number"},
        {"type": "number", "multipleOf": 0.01, "minimum": -10, "maximum": 10},
        {},
    ]
)
_KEYS = st.sampled_from(["a", "b", "aB", "a_b", "A", "", "é"])
_SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    _LEAVES,
    lambda inner: (
        inner.map(lambda items: {"type": "array", "items": items})
        | st.dictionaries(_KEYS, inner, max_size=4).map(
            lambda found: {"type": "object", "properties": found}
        )
    ),
    max_leaves=8,
)
_TEXTS = st.text(max_size=5) | st.sampled_from(
    ["2026-11-23", "2026-11-23T17:00:00Z", "2026-11-23T17:00:00.123456789+02:00", "\ud800", "1"]
)
_JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**31 - 2, 2**31 + 2)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None)
@given(_SCHEMAS, _JSON_VALUES)
def test_any_value_is_either_cast_to_what_arrow_takes_or_refused(
    schema: dict[str, Any],
    value: object,
) -> None:
    """No value stops the loader: `CastError` is the only way out."""
    kind = type_of_schema(schema)
    try:
        cast = caster(kind)(value)
    except CastError:
        return

    array = pa.array([cast, None], arrow_type(kind))

    array.validate(full=True)
    assert len(array) == 2


def _placement(own: LakeType, version: str) -> Placement:
    assert isinstance(own, StructType)
    return Placement("c", version, own, caster(own))


@settings(max_examples=300, deadline=None)
@given(
    _SCHEMAS,
    _SCHEMAS,
    st.lists(st.lists(st.tuples(st.booleans(), _JSON_VALUES), max_size=2), min_size=1, max_size=6),
    st.booleans(),
)
def test_a_column_of_parts_is_what_its_values_are_one_by_one(
    schema: dict[str, Any],
    later: dict[str, Any],
    values: list[list[tuple[bool, Any]]],
    is_entity: bool,  # noqa: FBT001 - drawn
) -> None:
    """Of two versions of a schema, whatever the values: the same column, or the same refusal."""
    kind = type_of_schema(schema)
    grown, own = accommodate(kind, type_of_schema(later)) or (kind, kind)
    assert isinstance(grown, StructType)
    versions = (_placement(kind, "1-0-0"), _placement(own, "1-0-1"))
    make = entity_field if is_entity else event_field
    field = make("c", grown, "iglu:com.acme/x/jsonschema/1-*-*")
    parts = [[(versions[is_later], value) for is_later, value in some] for some in values]
    if not is_entity:
        parts = [some[:1] for some in parts]
    try:
        cast = [[(placed, placed.cast(value)) for placed, value in some] for some in parts]
    except CastError:
        with pytest.raises(CastError):
            part_column(field, parts)
        return
    expected: list[Any] = [some[0][1] if some else None for some in cast]
    if is_entity:
        expected = [
            [{SCHEMA_VERSION: placed.version, **(value or {})} for placed, value in some] or None
            for some in cast
        ]

    column = part_column(field, [some or None for some in parts])

    column.validate(full=True)
    assert column.equals(pa.array(expected, field.type))


@settings(max_examples=300, deadline=None)
@given(_SCHEMAS, _SCHEMAS)
def test_types_survive_the_tables_schema(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Loader and reader learn a column's type from the Delta schema's fields and their metadata."""
    kind, other = type_of_schema(first), type_of_schema(second)
    for field in (event_field("e", kind, "iglu:x"), entity_field("c", kind, "iglu:x")):
        assert struct_of(field) == kind

    both = accommodate(kind, other)

    if both is not None:
        grown, own = both
        assert accommodate(grown, kind) == (grown, kind)
        again = accommodate(grown, other)
        assert again == (grown, own)


def _millisecond_text(moment: datetime) -> str:
    return f"{moment.isoformat(timespec='milliseconds')}Z"


def _valid_values(  # noqa: PLR0911 - one return for each type
    schema: dict[str, Any],
) -> st.SearchStrategy[Any]:
    """Values that validate, without what the lake is documented to change."""
    if schema.get("properties"):
        parts = {key: _valid_values(part) for key, part in schema["properties"].items()}
        return st.fixed_dictionaries({}, optional=parts)
    match schema.get("type"):
        case "string" if "format" not in schema:
            return st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
        case "string" if schema["format"] == "date":
            return st.dates().map(str)
        case "string":
            return st.datetimes().map(_millisecond_text)
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(schema.get("minimum", -(2**63)), schema.get("maximum", 2**63 - 1))
        case "number" if "multipleOf" in schema:
            return st.integers(-999, 999).map(lambda cents: cents / 100)
        case "number":
            return st.floats(allow_nan=False, allow_infinity=False)
        case "array":
            return st.lists(_valid_values(schema["items"]), max_size=3)
        case _:
            return st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3)).filter(
                lambda value: "\\ud" not in json.dumps(value)
            )


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_valid_value_comes_back_from_its_column(data: st.DataObject) -> None:
    schema = data.draw(_SCHEMAS)
    value = data.draw(_valid_values(schema))
    kind = type_of_schema(schema)
    field = event_field("unstruct_event_x_1", kind, "iglu:com.acme/x/jsonschema/1-*-*")

    column = pa.array([caster(kind)(value)], field.type)

    (row,) = plain_rows(pa.table({"c": column}))
    assert to_json(row["c"], kind) == value


@pytest.mark.parametrize(
    "text", ["2026-11-23 17:00:00.000", "0000-01-01 00:00:00.001", "9999-12-31 23:59:59.999"]
)
def test_times_of_all_years_that_trackers_send_survive(text: str) -> None:
    assert microseconds_to_text(text_to_microseconds(text)) == text


def test_money_is_exact_and_text_is_clean() -> None:
    cast = caster(DecimalType(5, 2))

    assert cast(1.1) == Decimal("1.10")
    assert caster(Scalar.STRING)("a\ud800b") == "a\ufffdb"
    for value in (1.001, 1000, "1", True, 1e300):
        with pytest.raises(CastError):
            cast(value)


def test_entities_know_their_version_and_their_family() -> None:
    kind = type_of_schema({"type": "object", "properties": {"a": {"type": "string"}}})

    field = entity_field("contexts_com_acme_x_1", kind, "iglu:com.acme/x/jsonschema/1-*-*")

    assert field.type.value_type.field(0).name == SCHEMA_VERSION
    assert criterion_of(field) == "iglu:com.acme/x/jsonschema/1-*-*"
