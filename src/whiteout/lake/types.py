"""The types of lake columns, how JSON Schema maps to them, and how versions share a column.

Source of the mapping: the tables of Snowplow's Lake Loader (reference section 4.2). Everything is
nullable, because a Delta column that exists can only grow by nullable fields.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, replace
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_DEPTH = 16  # arbitrary; deeper schemas become JSON text there, and readers stay fast
MAX_FIELDS = 1024  # arbitrary; a wider object becomes JSON text

_INT32 = 2**31
_INT64 = 2**63
_DECIMAL_38 = 10**38
_MAX_PRECISION = 38
_SNAKE_BOUNDARY = re.compile(r"([^A-Z_])([A-Z])")
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9_]")


class Scalar(enum.Enum):
    """A type without parts."""

    STRING = "string"
    JSON = "json"
    """Text of a JSON value: what the schema leaves open."""
    BOOLEAN = "boolean"
    INT = "int"
    BIGINT = "bigint"
    DOUBLE = "double"
    TIMESTAMP = "timestamp"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class DecimalType:
    """A number of at most `precision` digits, `scale` of them after the point."""

    precision: int
    scale: int


@dataclass(frozen=True, slots=True)
class ListType:
    """A list of one type."""

    element: LakeType


@dataclass(frozen=True, slots=True)
class Member:
    """One field of a struct.

    Attributes:
        name: of the field in the lake, snake_case.
        key: the property of the JSON object; None where the field holds the whole value, because
            it is no object with known properties.
        type: of the field.
        required: the schema demands the property, so a null is written out again when the row is
            turned back to JSON.
    """

    name: str
    key: str | None
    type: LakeType
    required: bool = False


@dataclass(frozen=True, slots=True)
class StructType:
    """An object with known properties."""

    members: tuple[Member, ...]


LakeType = Scalar | DecimalType | ListType | StructType


def field_name(key: str) -> str:
    """The column name of a JSON property: snake_case, without what Delta forbids in names."""
    snake = _SNAKE_BOUNDARY.sub(r"\1_\2", re.sub(r"[.-]", "_", key)).lower()
    return _NOT_IN_A_NAME.sub("_", snake) or "_"


def type_of_schema(schema: Mapping[str, Any]) -> StructType:
    """The struct that holds what `schema`, a whole JSON Schema, describes.

    What is no object with properties is kept as JSON text (or list) in one field, `value`.
    """
    found = _type_of(schema, 0)
    if isinstance(found, StructType):
        return found
    return StructType((Member("value", None, found),))


def _type_of(  # noqa: PLR0911 - one return for each type reads best
    schema: object, depth: int
) -> LakeType:
    if not isinstance(schema, dict) or depth >= MAX_DEPTH:
        return Scalar.JSON
    names = _type_names(schema)
    match sorted(names):
        case ["string"]:
            return _text_type(schema)
        case ["boolean"]:
            return Scalar.BOOLEAN
        case ["integer"]:
            return _integer_type(schema)
        case ["number"] | ["integer", "number"]:
            return _number_type(schema)
        case ["array"]:
            return ListType(_type_of(schema.get("items"), depth + 1))
        case ["object"]:
            return _object_type(schema, depth)
        case _:
            return Scalar.JSON


def _type_names(schema: Mapping[str, Any]) -> set[str]:
    declared = schema.get("type")
    names = [declared] if isinstance(declared, str) else declared
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return set(names) - {"null"}
    values = schema.get("enum")
    if declared is None and isinstance(values, list):
        kinds = {type(value) for value in values if value is not None}
        return {"string"} if kinds == {str} else {"integer"} if kinds == {int} else set()
    return set()


def _text_type(schema: Mapping[str, Any]) -> LakeType:
    if "enum" in schema:
        return Scalar.STRING
    formats = {"date-time": Scalar.TIMESTAMP, "date": Scalar.DATE}
    declared = schema.get("format")
    return formats.get(declared, Scalar.STRING) if isinstance(declared, str) else Scalar.STRING


def _integer_type(schema: Mapping[str, Any]) -> LakeType:
    low, high = schema.get("minimum"), schema.get("maximum")
    values = schema.get("enum")
    if isinstance(values, list):
        numbers = [value for value in values if isinstance(value, int)]
        low, high = min(numbers, default=None), max(numbers, default=None)
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return Scalar.BIGINT
    largest = max(-low - 1, high)
    if largest < _INT32:
        return Scalar.INT
    if largest < _INT64:
        return Scalar.BIGINT
    if largest < _DECIMAL_38 - 1:
        return DecimalType(_MAX_PRECISION, 0)
    return Scalar.DOUBLE


def _number_type(schema: Mapping[str, Any]) -> LakeType:
    low, high, step = (schema.get(name) for name in ("minimum", "maximum", "multipleOf"))
    if not all(isinstance(bound, int | float) and isfinite(bound) for bound in (low, high, step)):
        return Scalar.DOUBLE
    exponent = Decimal(str(step)).normalize().as_tuple().exponent
    largest = max(abs(Decimal(str(low))), abs(Decimal(str(high))))
    scale = max(-int(exponent), 0)
    precision = max(largest.adjusted() + 1, 1) + scale
    return DecimalType(precision, scale) if precision <= _MAX_PRECISION else Scalar.DOUBLE


def _object_type(schema: Mapping[str, Any], depth: int) -> LakeType:
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not 0 < len(properties) <= MAX_FIELDS:
        return Scalar.JSON
    required = schema.get("required")
    demanded = (
        {key for key in required if isinstance(key, str)} if isinstance(required, list) else ()
    )
    members: list[Member] = []
    for key in sorted(properties):
        name = free_name(field_name(key), members)
        kind = _type_of(properties[key], depth + 1)
        members.append(Member(name, key, kind, required=key in demanded))
    return StructType(tuple(members))


def free_name(name: str, members: Iterable[Member]) -> str:
    """`name`, or the first of `name_2`, `name_3`, … that none of `members` has."""
    taken = {member.name for member in members}
    if name not in taken:
        return name
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def accommodate(column: LakeType, version: LakeType) -> tuple[LakeType, LakeType] | None:
    """Make room in a column for a version of its schema.

    Returns:
        The column's type grown by what is new, and the type by which the version's data is cast to
        it (the version's own properties, under the column's names and types); None where a change
        breaks the column: a Delta column never changes its type.
    """
    if isinstance(column, StructType) and isinstance(version, StructType):
        return _accommodate_struct(column, version)
    if isinstance(column, ListType) and isinstance(version, ListType):
        inner = accommodate(column.element, version.element)
        return None if inner is None else (ListType(inner[0]), ListType(inner[1]))
    if column == version or _holds(column, version):
        return column, column
    return None


def _accommodate_struct(
    column: StructType, version: StructType
) -> tuple[LakeType, LakeType] | None:
    members = list(column.members)
    places = {member.key: place for place, member in enumerate(members)}
    wanted: list[Member] = []
    for new in version.members:
        place = places.get(new.key)
        if place is None:
            added = replace(new, name=free_name(new.name, members))
            members.append(added)
            wanted.append(added)
            continue
        old = members[place]
        both = accommodate(old.type, new.type)
        if both is None:
            return None
        members[place] = replace(old, type=both[0])
        wanted.append(replace(old, type=both[1]))
    return StructType(tuple(members)), StructType(tuple(wanted))


def _holds(column: LakeType, version: LakeType) -> bool:
    """Whether every value of `version` fits into `column`, with nothing lost."""
    if column is Scalar.JSON:
        return True
    if column is Scalar.STRING:
        return version in (Scalar.TIMESTAMP, Scalar.DATE)
    if column is Scalar.BIGINT:
        return version is Scalar.INT
    if column is Scalar.DOUBLE:
        return version is Scalar.INT
    if isinstance(column, DecimalType):
        return _decimal_holds(column, version)
    return False


def _decimal_holds(column: DecimalType, version: LakeType) -> bool:
    digits = column.precision - column.scale
    if isinstance(version, DecimalType):
        return column.scale >= version.scale and digits >= version.precision - version.scale
    whole = {Scalar.INT: 10, Scalar.BIGINT: 19}  # digits of the largest value
    return isinstance(version, Scalar) and whole.get(version, digits + 1) <= digits
