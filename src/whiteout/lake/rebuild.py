"""Rows of the lake back to events: canonical JSON objects and enriched TSV lines.

The JSON object has the form of the official analytics SDKs (`EnrichedEvent.json_object`). What the
lake does not keep, and what therefore comes back otherwise:

- Tracker and derived entities share a column. In JSON the lists hold both (the SDKs let derived
  ones replace the tracker's of the same schema); in TSV all are in `contexts`.
- Properties that no version of the schema names are not in the lake. A null comes back where the
  schema demands the property, and is left out where not.
- Money has two decimals; times have the lake's form (`2026-11-23T17:00:00.000Z`), with an offset
  brought to UTC; whole numbers in number fields come back as such (`3.0`).
- Where two schemas share a column (`com.acme-x` and `com.acme.x`), all entities bear the name of
  the first.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from whiteout.enrich.atomic import ATOMIC_COLUMNS, COLUMN_INDEX
from whiteout.lake import atomic
from whiteout.lake.arrow import SCHEMA_VERSION, criterion_of, struct_of
from whiteout.lake.types import DecimalType, LakeType, ListType, Scalar, StructType
from whiteout.protocol.self_describing import CONTEXTS, UNSTRUCT_EVENT

if TYPE_CHECKING:
    from collections.abc import Iterator

_EPOCH_DAY = date(1970, 1, 1)
_RECOVERED = "_recovered_"
_US_DIGITS = 1_000


class Rebuilder:
    """Turns the rows of one Arrow table of the events table's columns back.

    Args:
        schema: the events table's schema, with its metadata.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._families = [
            (field.name, struct_of(field), pa.types.is_list(field.type), criterion)
            for field in schema
            if (criterion := criterion_of(field)) is not None
        ]

    def json_objects(self, rows: pa.Table) -> Iterator[dict[str, Any]]:
        """Each row as the official analytics SDKs' JSON object."""
        for row in plain_rows(rows):
            yield self._json_object(row)

    def tsv_lines(self, rows: pa.Table) -> Iterator[str]:
        """Each row as an enriched TSV line of 131 columns, without newline."""
        for row in plain_rows(rows):
            yield self._tsv(row)

    def _json_object(self, row: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = {
            column.name: _json_value(row[column.name], column.type) for _, column in atomic.COLUMNS
        }
        for name, data, version in self._parts(row):
            key = name.partition(_RECOVERED)[0]
            if version is None:
                result[key] = data
            else:
                whole = {**data, SCHEMA_VERSION: version} if isinstance(data, dict) else data
                result.setdefault(key, []).append(whole)
        if row["geo_latitude"] is not None and row["geo_longitude"] is not None:
            result["geo_location"] = f"{row['geo_latitude']},{row['geo_longitude']}"
        return result

    def _parts(self, row: dict[str, Any]) -> Iterator[tuple[str, Any, str | None]]:
        """Column, data and version (None: it is the event) of each self-describing part."""
        for name, kind, is_entity, _ in self._families:
            value = row.get(name)
            if value is None:
                continue
            if not is_entity:
                yield name, to_json(value, kind), None
                continue
            for entity in value:
                yield name, to_json(entity, kind), entity[SCHEMA_VERSION]

    def _tsv(self, row: dict[str, Any]) -> str:
        fields = [""] * len(ATOMIC_COLUMNS)
        for position, column in atomic.COLUMNS:
            fields[position] = atomic.text_of(row[column.name], column) or ""
        criteria = {name: criterion for name, _, _, criterion in self._families}
        entities = []
        for name, data, version in self._parts(row):
            if version is None:
                names = ("event_vendor", "event_name", "event_format", "event_version")
                uri = "iglu:" + "/".join(str(row[part]) for part in names)
                event = _envelope(UNSTRUCT_EVENT, {"schema": uri, "data": data})
                fields[COLUMN_INDEX["unstruct_event"]] = event
            else:
                uri = f"{criteria[name].rpartition('/')[0]}/{version}"
                entities.append({"schema": uri, "data": data})
        if entities:
            fields[COLUMN_INDEX["contexts"]] = _envelope(CONTEXTS, entities)
        return "\t".join(fields)


def plain_rows(rows: pa.Table) -> Iterator[dict[str, Any]]:
    """Rows as dicts; times as microseconds, which hold years that Python's datetime does not."""
    for batch in rows.to_batches(max_chunksize=1_000):
        columns = [_plain(column) for column in batch.columns]
        names = batch.schema.names
        for values in zip(*columns, strict=True):
            yield dict(zip(names, values, strict=True))


def _plain(column: pa.Array) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    elif pa.types.is_nested(column.type):
        column = column.cast(_without_times(column.type))
    return list(column.to_pylist())


def _without_times(kind: Any) -> pa.DataType:  # noqa: ANN401 - pyarrow has no types
    """The same type with integers in place of times and dates."""
    if pa.types.is_timestamp(kind):
        return pa.int64()
    if pa.types.is_date32(kind):
        return pa.int32()
    if pa.types.is_list(kind):
        return pa.list_(_without_times(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(part.name, _without_times(part.type)) for part in kind])
    return kind


def to_json(  # noqa: PLR0911 - one return for each type reads best
    value: Any,  # noqa: ANN401 - a value of any type
    kind: LakeType,
) -> Any:  # noqa: ANN401
    """The JSON value that a column's value stands for, as `whiteout.lake.casting` made it."""
    if value is None:
        return None
    if isinstance(kind, ListType):
        return [to_json(item, kind.element) for item in value]
    if isinstance(kind, StructType):
        return _object(value, kind)
    if isinstance(kind, DecimalType):
        return _number(value)
    if kind is Scalar.JSON:
        return json.loads(value)
    if kind is Scalar.TIMESTAMP:
        return _iso_time(value)
    if kind is Scalar.DATE:
        return (_EPOCH_DAY + timedelta(days=value)).isoformat()
    return value


def _object(value: dict[str, Any], kind: StructType) -> Any:  # noqa: ANN401 - JSON
    result: dict[str, Any] = {}
    for member in kind.members:
        inner = to_json(value.get(member.name), member.type)
        if member.key is None:
            if inner is not None:
                return inner
        elif inner is not None or member.required:
            result[member.key] = inner
    return result


def _iso_time(value: int) -> str:
    text = atomic.microseconds_to_text(value)
    rest = value % _US_DIGITS
    return f"{text[:10]}T{text[11:]}{f'{rest:03}' if rest else ''}Z"


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _json_value(value: Any, column_type: str) -> Any:  # noqa: ANN401 - JSON
    if value is None:
        return None
    if column_type == "timestamp":
        return _iso_time(value)
    return float(value) if isinstance(value, Decimal) else value


def _envelope(schema: str, data: object) -> str:
    document = {"schema": schema, "data": data}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
