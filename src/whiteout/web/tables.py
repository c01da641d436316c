"""What charts and exports show, from lots alone: sums of them, never a count of anything else."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, astuple, dataclass, fields
from typing import TYPE_CHECKING, Any

from whiteout.lake.failed import iso_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from whiteout.web.lots import Counted
    from whiteout.web.spans import Span

REST = "all others"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets would run


@dataclass(frozen=True, slots=True)
class Series:
    """One name and its number of events in each bucket."""

    name: str
    values: tuple[int, ...]

    @property
    def total(self) -> int:
        """Of all buckets."""
        return sum(self.values)


@dataclass(frozen=True, slots=True)
class Table:
    """Events over time, by one property.

    Attributes:
        starts_ms: where each bucket begins, Unix epoch.
        bucket_ms: how long it is.
        series: the largest first; `REST` at the end where there were too many.
    """

    starts_ms: tuple[int, ...]
    bucket_ms: int
    series: tuple[Series, ...]

    @property
    def total(self) -> int:
        """Of all series."""
        return sum(series.total for series in self.series)

    def sums(self) -> list[int]:
        """Of all series, in each bucket; empty where there is no series."""
        return [sum(values) for values in zip(*(one.values for one in self.series), strict=True)]


def over_time(
    counted: Iterable[Counted],
    name_of: Callable[[Counted], str | None],
    *,
    span: Span,
    now_ms: int,
    most: int,
) -> Table:
    """Events in each bucket of `span`, by what `name_of` says; None is left out.

    Args:
        counted: lots.
        name_of: the series that lots belong to.
        span: the buckets.
        now_ms: the moment in the last of them.
        most: how many series there may be, with `REST`.
    """
    starts = span.starts(now_ms)
    found: dict[str, list[int]] = {}
    for lots in counted:
        name, bucket = name_of(lots), (lots.start_ms - starts[0]) // span.bucket_ms
        if name is None or not 0 <= bucket < len(starts):
            continue
        found.setdefault(name, [0] * len(starts))[bucket] += lots.events
    ranked = sorted(found.items(), key=lambda item: (-sum(item[1]), item[0]))
    kept = ranked if len(ranked) <= most else ranked[: most - 1]
    series = [Series(name, tuple(values)) for name, values in kept]
    if len(kept) < len(ranked):
        rest = zip(*(values for _, values in ranked[len(kept) :]), strict=True)
        series.append(Series(REST, tuple(sum(values) for values in rest)))
    return Table(starts, span.bucket_ms, tuple(series))


def top(
    counted: Iterable[Counted], name_of: Callable[[Counted], str | None], *, most: int
) -> list[tuple[str, int]]:
    """The `most` names with most events, and how many these are; None is left out."""
    found: dict[str, int] = {}
    for lots in counted:
        name = name_of(lots)
        if name is not None:
            found[name] = found.get(name, 0) + lots.events
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))[:most]


@dataclass(frozen=True, slots=True)
class Row:
    """The events of one kind in one bucket, as others may have them.

    Attributes:
        start: of the bucket, ISO 8601, UTC.
        status: `good` or `failed`.
        type: see `Kind`.
        schema: see `Kind`.
        level: in words; empty for failed events.
        events: how many.
    """

    start: str
    status: str
    type: str
    schema: str
    level: str
    events: int


_COLUMNS = tuple(field.name for field in fields(Row))


@dataclass(frozen=True, slots=True)
class Export:
    """All lots of a span.

    Attributes:
        rows: in order.
        least_group: the events of a lot.
        start: where the span begins, ISO 8601, UTC.
        bucket_s: the length of its buckets.
    """

    rows: tuple[Row, ...]
    least_group: int
    start: str
    bucket_s: int


def export(
    counted: Iterable[Counted],
    *,
    span: Span,
    now_ms: int,
    least_group: int,
    level_names: Mapping[int, str],
) -> Export:
    """What a span has, by every property that is counted."""
    starts = span.starts(now_ms)
    found: dict[tuple[int, str, str, str, str], int] = {}
    for lots in counted:
        bucket, kind = (lots.start_ms - starts[0]) // span.bucket_ms, lots.kind
        if 0 <= bucket < len(starts):
            level = "" if kind.level is None else level_names[kind.level]
            place = (starts[bucket], kind.status, kind.type, kind.schema, level)
            found[place] = found.get(place, 0) + lots.events
    rows = (
        Row(iso_time(start), status, type_, schema, level, events)
        for (start, status, type_, schema, level), events in sorted(found.items())
    )
    return Export(tuple(rows), least_group, iso_time(starts[0]), span.bucket_ms // 1_000)


def to_json(exported: Export) -> dict[str, Any]:
    """The export as an object; its number of events is the sum of its rows'."""
    return {
        "least_group": exported.least_group,
        "start": exported.start,
        "bucket_s": exported.bucket_s,
        "events": sum(row.events for row in exported.rows),
        "rows": [asdict(row) for row in exported.rows],
    }


def to_csv(exported: Export) -> str:
    """The export as RFC 4180; texts that a spreadsheet would run begin with an apostrophe."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(_COLUMNS)
    for row in exported.rows:
        writer.writerow([_harmless(value) for value in astuple(row)])
    return file.getvalue()


def _harmless(value: str | int) -> str | int:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
