"""Enriched events to Arrow tables, and failed events too: pure functions over a batch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from whiteout.enrich.atomic import COLUMN_INDEX
from whiteout.identifiers import NULL_UUID
from whiteout.lake import atomic
from whiteout.lake.arrow import TIMESTAMP
from whiteout.lake.casting import CastError
from whiteout.lake.columns import part_column
from whiteout.lake.failed import (
    FailedEvent,
    cast_failure,
    iglu_error,
    lookup_failure,
    of_event,
    parsing_error,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from whiteout.enrich.event import EnrichedEvent
    from whiteout.lake.columns import Placed
    from whiteout.lake.families import Families, Part
    from whiteout.protocol.self_describing import SelfDescribingJson

_NETWORK_USERID = COLUMN_INDEX["network_userid"]
LOAD_TSTAMP = "load_tstamp"
LOAD_DATE = "load_tstamp_date"
_LOAD_FIELDS = (pa.field(LOAD_TSTAMP, TIMESTAMP), pa.field(LOAD_DATE, pa.date32()))

EVENTS_SCHEMA = pa.schema([*atomic.FIELDS, *_LOAD_FIELDS])
"""The events table before its first event."""

FAILED_SCHEMA = pa.schema(
    [
        *_LOAD_FIELDS,
        pa.field("failure_tstamp", TIMESTAMP),
        pa.field("type", pa.string()),
        pa.field("schema", pa.string()),
        pa.field("event_id", pa.string()),
        pa.field("app_id", pa.string()),
        pa.field("bad_row", pa.string()),
    ]
)
"""The failed events table."""

SCHEMAS: Mapping[str, pa.Schema] = {
    "events": EVENTS_SCHEMA,
    "failed_events": FAILED_SCHEMA,
    "incomplete_events": EVENTS_SCHEMA,
}
"""The tables of a lake, before their first rows; the last is there only where it is asked for."""


@dataclass(slots=True)
class Row:
    """One event, its self-describing parts placed.

    Attributes:
        event: the event.
        key: by which a repeated delivery is known.
        position: of the event in the log: offset, number among the results of that record.
        parts: column name to what the event has for it.
    """

    event: EnrichedEvent
    key: bytes
    position: tuple[int, int]
    parts: dict[str, list[Placed]] = field(default_factory=dict)


def place_parts(row: Row, families: Families, *, now_ms: int) -> FailedEvent | None:
    """Fill the row's parts, which `events_table` casts; what has no column makes a failed event."""
    try:
        for part, json in _parts_of(row.event):
            placement = families.place(part, json)
            row.parts.setdefault(placement.column, []).append((placement, json.data))
    except Exception:  # noqa: BLE001 - a registry's failure, of whatever class: told of with others
        row.parts.clear()
        return cast_parts(row, families, now_ms=now_ms)
    return None


def cast_parts(row: Row, families: Families, *, now_ms: int) -> FailedEvent | None:
    """Fill the row's parts; what a column cannot hold makes a failed event of all of it."""
    failures: list[dict[str, Any]] = []
    for part, json in _parts_of(row.event):
        try:
            placement = families.place(part, json)
        except Exception as error:  # noqa: BLE001 - a registry's failure, of whatever class
            failures.append(lookup_failure(json.schema, error, now_ms=now_ms))
            continue
        try:
            placement.cast(json.data)
        except CastError as error:
            failures.append(cast_failure(json.schema, error))
        row.parts.setdefault(placement.column, []).append((placement, json.data))
    return of_event(iglu_error(row.event, failures), row.event) if failures else None


def _parts_of(event: EnrichedEvent) -> Iterator[tuple[Part, SelfDescribingJson]]:
    if event.unstruct_event is not None:
        yield "event", event.unstruct_event
    for entity in event.contexts:
        yield "entity", entity
    for entity in event.derived_contexts:
        yield "entity", entity


def atomic_failure(row: Row) -> FailedEvent | None:
    """The failed event, where an atomic column does not hold what its type allows."""
    faults = atomic.faults_of(row.event)
    return of_event(parsing_error(row.event, faults), row.event) if faults else None


def events_table(rows: Sequence[Row], families: Families, *, load_us: int) -> pa.Table:
    """The rows as Arrow, with the atomic columns and those that they use; `load_us` for all.

    Anonymous ones stand behind the others, in the order of their keys: which came together, or
    beside whom, their places do not tell (W23).

    Raises:
        ValueError or ArithmeticError: a row has an `atomic_failure`, or `cast_parts` finds one.
    """
    rows = sorted(rows, key=_place)
    columns = atomic.arrays([row.event for row in rows])
    fields = [*atomic.FIELDS]
    used = dict.fromkeys(name for row in rows for name in row.parts)
    for name in used:
        family = families.field(name)
        columns.append(part_column(family, [row.parts.get(name) for row in rows]))
        fields.append(family)
    columns.extend(_load_columns(load_us, len(rows)))
    return pa.Table.from_arrays(columns, schema=pa.schema([*fields, *_LOAD_FIELDS]))


def _place(row: Row) -> bytes:
    return row.key if row.event.fields[_NETWORK_USERID] == NULL_UUID else b""


def any_place(text: str) -> bytes:
    """16 bytes to sort by, where the order of arrival must not show."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def failed_table(rows: Sequence[FailedEvent], *, load_us: int) -> pa.Table:
    """The failed events as Arrow, in no order: of a bad row nobody asks whether it is anonymous."""
    rows = sorted(rows, key=lambda row: any_place(row.bad_row))
    columns = [
        *_load_columns(load_us, len(rows)),
        pa.array([row.failed_at for row in rows], TIMESTAMP),
        pa.array([row.type for row in rows], pa.string()),
        pa.array([row.schema for row in rows], pa.string()),
        pa.array([row.event_id for row in rows], pa.string()),
        pa.array([row.app_id for row in rows], pa.string()),
        pa.array([row.bad_row for row in rows], pa.string()),
    ]
    return pa.Table.from_arrays(columns, schema=FAILED_SCHEMA)


def _load_columns(load_us: int, count: int) -> list[pa.Array]:
    moment = pa.scalar(load_us, TIMESTAMP)
    day = datetime.fromtimestamp(load_us // 1_000_000, UTC).date()
    return [pa.repeat(moment, count), pa.repeat(pa.scalar(day, pa.date32()), count)]
