"""Which rows of the lake speak of a person, found by columns, not row by row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from whiteout.lake.batch import LOAD_DATE, LOAD_TSTAMP
from whiteout.lake.incomplete import NAME as INCOMPLETE
from whiteout.lake.subject import IDENTIFYING_NAME, KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from deltalake import DeltaTable

    from whiteout.lake.subject import Subject

KEY_OF = {
    "events": ("event_id", LOAD_TSTAMP, LOAD_DATE),
    "failed_events": ("bad_row", LOAD_TSTAMP, LOAD_DATE),
    INCOMPLETE: ("event_id", LOAD_TSTAMP, LOAD_DATE),
}
"""Columns that name a row well enough to delete it, for each table."""

_BATCH_ROWS = 8_192
_IDENTIFYING = frozenset(column for columns in KINDS.values() for column in columns)


def find_rows(
    table: DeltaTable,
    name: str,
    subject: Subject,
    *,
    anywhere: bool,
    seen: Callable[[int], None] | None = None,
) -> Iterator[pa.Table]:
    """The `KEY_OF` columns of the rows that speak of the subject, batch by batch.

    Args:
        table: which.
        name: of the table.
        subject: who.
        anywhere: whether a mention within a longer text counts; it always does in `failed_events`,
            and in `incomplete_events`, which repeat what could not be read.
        seen: told how many rows were looked at.
    """
    dataset = table.to_pyarrow_dataset()
    readahead = {"batch_readahead": 1, "fragment_readahead": 1}  # memory before speed
    columns = list(KEY_OF[name]) if name == "failed_events" else None
    for batch in dataset.to_batches(columns=columns, batch_size=_BATCH_ROWS, **readahead):
        if not batch.num_rows:
            continue
        if name == "failed_events":
            found = _said(batch["bad_row"], subject)
        else:
            found = rows_of(batch, subject, anywhere=anywhere or name == INCOMPLETE)
        if seen is not None:
            seen(batch.num_rows)
        keys = pa.Table.from_batches([batch.select(list(KEY_OF[name]))]).filter(found)
        if keys.num_rows:
            yield keys


def rows_of(batch: pa.RecordBatch, subject: Subject, *, anywhere: bool) -> pa.Array:
    """For each row of `events`, whether it speaks of the subject."""
    found = pa.repeat(pa.scalar(False), batch.num_rows)
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if column.null_count == len(column):
            continue
        names = field.name in _IDENTIFYING or IDENTIFYING_NAME.search(field.name) is not None
        found = pc.or_(found, _matches(column, subject, identifying=names, anywhere=anywhere))
    return found


def _matches(array: Any, subject: Subject, *, identifying: bool, anywhere: bool) -> Any:  # noqa: ANN401 - pyarrow has no types
    kind = array.type
    if pa.types.is_struct(kind):
        result = pa.repeat(pa.scalar(False), len(array))
        for number, part in enumerate(kind):
            named = IDENTIFYING_NAME.search(part.name) is not None
            inner = _matches(array.field(number), subject, identifying=named, anywhere=anywhere)
            result = pc.or_(result, inner)
        # A struct that is null may have values below it, which are none of the row's.
        return pc.and_(result, pc.is_valid(array))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _matches_in_lists(array, subject, identifying=identifying, anywhere=anywhere)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or "view" in str(kind):
        return _texts(array.cast(pa.string()), subject, identifying, anywhere)
    if identifying and (pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        return _texts(array.cast(pa.string()), subject, identifying, anywhere)
    return pa.repeat(pa.scalar(False), len(array))


def _matches_in_lists(array: Any, subject: Subject, *, identifying: bool, anywhere: bool) -> Any:  # noqa: ANN401 - pyarrow has no types
    inner = _matches(pc.list_flatten(array), subject, identifying=identifying, anywhere=anywhere)
    rows = pc.unique(pc.list_parent_indices(array).filter(inner))
    return pc.is_in(pa.array(range(len(array)), rows.type), value_set=rows)


def _texts(array: pa.Array, subject: Subject, identifying: bool, anywhere: bool) -> Any:  # noqa: ANN401, FBT001 - pyarrow has no types; private
    values = subject.values if identifying else subject.distinct()
    equal = pc.is_in(array, value_set=pa.array(sorted(values), pa.string()))
    if anywhere:
        distinct = pc.unique(array)
        said = distinct.filter(_said(distinct, subject))
        return pc.or_(equal, pc.is_in(array, value_set=said))
    # JSON text: what a schema leaves open. Only texts that look like it are read.
    maybe = pc.fill_null(pc.match_substring_regex(array, r'^[\[{"]'), False)
    if not pc.any(maybe).as_py():
        return equal
    texts = pc.unique(array.filter(maybe)).to_pylist()
    found = [text for text in texts if _has_value(text, values, subject)]
    return pc.or_(equal, pc.is_in(array, value_set=pa.array(found, pa.string())))


def _said(array: Any, subject: Subject) -> pa.Array:  # noqa: ANN401 - pyarrow has no types
    texts = array.to_pylist()
    return pa.array([text is not None and subject.is_in(text) for text in texts], pa.bool_())


def _has_value(text: str, values: frozenset[str], subject: Subject) -> bool:
    try:
        document = json.loads(text)
    except ValueError:
        return False
    return any(
        value in (subject.values if IDENTIFYING_NAME.search(name) else values)
        for name, value in _leaves("", document)
    )


def _leaves(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(str(key), inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(name, inner)
    elif isinstance(value, str | int) and not isinstance(value, bool):
        yield name, str(value)
