"""Columns of the lake as columns of PostgreSQL: names, types, and values as COPY reads them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pyarrow as pa

from whiteout.lake.arrow import SCHEMA_VERSION, criterion_of, struct_of
from whiteout.lake.atomic import microseconds_to_text
from whiteout.lake.batch import LOAD_TSTAMP
from whiteout.lake.rebuild import plain_rows, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whiteout.lake.types import StructType

KEY = "row_key"
"""The column that makes a row the same row when it comes again."""

_NAME_BYTES = 63  # PostgreSQL cuts longer names, and two may become one
_HASH_CHARACTERS = 8
_SCALARS = {
    pa.string(): "text",
    pa.large_string(): "text",
    pa.bool_(): "boolean",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.float64(): "double precision",
    pa.date32(): "date",
}


@dataclass(frozen=True, slots=True)
class PostgresColumn:
    """A column, on both sides.

    Attributes:
        lake_name: in the lake.
        name: in PostgreSQL; the same, where it is not too long.
        type: as PostgreSQL writes it.
        struct: of a schema's data; None for other columns.
        is_list: whether the column holds entities.
    """

    lake_name: str
    name: str
    type: str
    struct: StructType | None = None
    is_list: bool = False

    def text(self, value: Any) -> str | None:  # noqa: ANN401 - a value of any column
        """What COPY takes for a value, as `plain_rows` gives it; None is null."""
        if value is None:
            return None
        if self.struct is not None:
            return _json(_document(value, self.struct, is_list=self.is_list))
        if self.type == "timestamptz":
            return _moment(value)
        if self.type == "boolean":
            return "t" if value else "f"
        return str(value).replace("\x00", "\ufffd")


def columns_of(schema: pa.Schema) -> list[PostgresColumn]:
    """The columns that a table of the lake needs in PostgreSQL, in its order."""
    return [_column(field) for field in schema]


def _column(field: pa.Field) -> PostgresColumn:
    name, kind = postgres_name(field.name), field.type
    if criterion_of(field) is not None:
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        return PostgresColumn(field.name, name, "jsonb", struct_of(field), is_list)
    if pa.types.is_timestamp(kind):
        return PostgresColumn(field.name, name, "timestamptz")
    if pa.types.is_decimal(kind):
        return PostgresColumn(field.name, name, f"numeric({kind.precision},{kind.scale})")
    return PostgresColumn(field.name, name, _SCALARS[kind])


def postgres_name(name: str) -> str:
    """The name; where PostgreSQL would cut it, its beginning and a hash of all of it."""
    data = name.encode()
    if len(data) <= _NAME_BYTES:
        return name
    digest = blake2b(data, digest_size=_HASH_CHARACTERS // 2).hexdigest()
    return f"{data[: _NAME_BYTES - _HASH_CHARACTERS - 1].decode(errors='ignore')}_{digest}"


def rows_of(table: pa.Table, columns: list[PostgresColumn]) -> Iterator[list[str | None]]:
    """The rows of a table of the lake as COPY takes them."""
    for row in plain_rows(table):
        yield [column.text(row[column.lake_name]) for column in columns]


def failed_keys(table: pa.Table) -> list[UUID]:
    """A key for each row of `failed_events`: of its content, and its number among equal rows.

    The numbers are the same whenever all rows of a load are read together.
    """
    counts: dict[bytes, int] = {}
    keys = []
    moments = table[LOAD_TSTAMP].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist()
    for moment, bad_row in zip(moments, table["bad_row"].to_pylist(), strict=True):
        content = f"{moment}:{bad_row}".encode()
        number = counts.get(content, 0)
        counts[content] = number + 1
        digest = blake2b(content, digest_size=16, salt=number.to_bytes(16, "big"))
        keys.append(UUID(bytes=digest.digest()))
    return keys


def _document(value: Any, kind: StructType, *, is_list: bool) -> Any:  # noqa: ANN401 - JSON
    if not is_list:
        return to_json(value, kind)
    entities = []
    for entity in value:
        data = to_json(entity, kind)
        version = entity[SCHEMA_VERSION]
        entities.append({**data, SCHEMA_VERSION: version} if isinstance(data, dict) else data)
    return entities


def _json(document: object) -> str:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    if "\\u0000" in text:  # jsonb takes no such character
        text = json.dumps(_without_nul(document), ensure_ascii=False, separators=(",", ":"))
    return text


def _without_nul(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    return value


def _moment(value: int) -> str:
    text = f"{microseconds_to_text(value)}{value % 1000:03}+00"
    # The year that trackers can send and PostgreSQL calls the first one before Christ.
    return f"0001{text[4:]} BC" if text.startswith("0000-") else text
