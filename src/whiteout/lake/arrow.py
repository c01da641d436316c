"""Lake types as Arrow types and back.

What Arrow cannot say (which property a field holds, that a text is JSON) stands in the metadata of
the Delta schema's fields, so that the tables describe themselves: neither loader nor reader needs
a schema registry to understand the columns that exist.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from whiteout.lake.types import DecimalType, LakeType, ListType, Member, Scalar, StructType

SCHEMA_VERSION = "_schema_version"
"""The field of each entity that names the version of its schema, `1-0-2`."""

TIMESTAMP = pa.timestamp("us", tz="UTC")

_KEY, _JSON, _REQUIRED, _SCHEMA = (
    b"whiteout.key",
    b"whiteout.json",
    b"whiteout.required",
    b"whiteout.schema",
)
_SCALARS: dict[Scalar, pa.DataType] = {
    Scalar.STRING: pa.string(),
    Scalar.JSON: pa.string(),
    Scalar.BOOLEAN: pa.bool_(),
    Scalar.INT: pa.int32(),
    Scalar.BIGINT: pa.int64(),
    Scalar.DOUBLE: pa.float64(),
    Scalar.TIMESTAMP: TIMESTAMP,
    Scalar.DATE: pa.date32(),
}
_KINDS = {arrow: kind for kind, arrow in _SCALARS.items() if kind is not Scalar.JSON}


def arrow_type(kind: LakeType) -> pa.DataType:
    """The Arrow type that stores `kind`."""
    if isinstance(kind, Scalar):
        return _SCALARS[kind]
    if isinstance(kind, DecimalType):
        return pa.decimal128(kind.precision, kind.scale)
    if isinstance(kind, ListType):
        return pa.list_(pa.field("element", arrow_type(kind.element)))
    return pa.struct([_arrow_field(member) for member in kind.members])


def _arrow_field(member: Member) -> pa.Field:
    metadata = {}
    if member.key is not None:
        metadata[_KEY] = member.key.encode()
    if _leaf(member.type) is Scalar.JSON:
        metadata[_JSON] = b"1"
    if member.required:
        metadata[_REQUIRED] = b"1"
    return pa.field(member.name, arrow_type(member.type), metadata=metadata or None)


def _leaf(kind: LakeType) -> LakeType:
    while isinstance(kind, ListType):
        kind = kind.element
    return kind


def event_field(name: str, kind: StructType, criterion: str) -> pa.Field:
    """The column of a self-describing event's family; `criterion` is `iglu:…/1-*-*`."""
    return pa.field(name, arrow_type(kind), metadata={_SCHEMA: criterion.encode()})


def entity_field(name: str, kind: StructType, criterion: str) -> pa.Field:
    """The column of an entity's family: a list of structs with their schema's version."""
    version = pa.field(SCHEMA_VERSION, pa.string())
    struct = pa.struct([version, *arrow_type(kind)])
    return pa.field(
        name, pa.list_(pa.field("element", struct)), metadata={_SCHEMA: criterion.encode()}
    )


def criterion_of(field: pa.Field) -> str | None:
    """The schema family that a column holds; None for columns that are not of a schema."""
    found = (field.metadata or {}).get(_SCHEMA)
    return None if found is None else str(found.decode())


def struct_of(field: pa.Field) -> StructType:
    """The lake type of a family's column, without the entities' `_schema_version`."""
    kind = field.type.value_type if pa.types.is_list(field.type) else field.type
    return StructType(tuple(_member(part) for part in kind if part.name != SCHEMA_VERSION))


def _member(field: pa.Field) -> Member:
    metadata: dict[bytes, bytes] = field.metadata or {}
    key = metadata.get(_KEY)
    return Member(
        field.name,
        None if key is None else key.decode(),
        _lake_type(field.type, is_json=_JSON in metadata),
        required=_REQUIRED in metadata,
    )


def _lake_type(kind: Any, *, is_json: bool) -> LakeType:  # noqa: ANN401 - pyarrow has no types
    if pa.types.is_list(kind):
        return ListType(_lake_type(kind.value_type, is_json=is_json))
    if pa.types.is_struct(kind):
        return StructType(tuple(_member(part) for part in kind))
    if pa.types.is_decimal(kind):
        return DecimalType(kind.precision, kind.scale)
    return Scalar.JSON if is_json else _KINDS[kind]
