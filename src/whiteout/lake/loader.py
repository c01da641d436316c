"""The loader: log records in, rows of the lake out, each exactly once.

Invariants, which `tests/e2e/test_pipeline_kills.py` attacks with `kill -9`:

1. The events table commits rows together with the next offset of the raw log; loading starts there.
   A record is therefore loaded by exactly one commit, whatever was killed when.
2. `failed_events` commits first, with the positions (offset, number of the result) of what it took.
   When the commit to `events` does not follow, the records are enriched again and results at those
   positions are passed over, even if a registry that was down now answers otherwise.
   `incomplete_events`, where it is asked for, commits between the two in the same way. Should a
   record that was killed right there pass the second time, its row there is missing.
3. The log is told of an offset only when all tables have it on the disk.
4. The index of seen events is written last, and caught up from the lake when it is behind.
"""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from whiteout.enrich.event import BadRow, EnrichedEvent
from whiteout.errors import WhiteoutError
from whiteout.lake.batch import (
    EVENTS_SCHEMA,
    FAILED_SCHEMA,
    LOAD_TSTAMP,
    Row,
    atomic_failure,
    cast_parts,
    events_table,
    failed_table,
    place_parts,
)
from whiteout.lake.clock import DAY_US, ClockError, LakeClock
from whiteout.lake.failed import (
    FailedEvent,
    error_name,
    from_bad_row,
    from_text,
    generic_error,
    reason,
)
from whiteout.lake.families import Families
from whiteout.lake.faults import is_index_broken
from whiteout.lake.housekeeping import Housekeeper
from whiteout.lake.incomplete import NAME as INCOMPLETE
from whiteout.lake.incomplete import IncompleteEvents
from whiteout.lake.keys import KEY_COLUMNS, key_of, keys_of
from whiteout.lake.loaded import Loaded, Origin
from whiteout.lake.place import LakePlace
from whiteout.lake.seen import SeenEvents
from whiteout.lake.settings import Counts, LoaderSettings, Source
from whiteout.lake.tables import LakeTable, RefusedRowsError
from whiteout.log.rewriting import is_erased

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from whiteout.enrich.event import Result
    from whiteout.lake.loaded import Observer
    from whiteout.protocol.iglu import SchemaKey

Record = tuple[int, bytes]
Position = tuple[int, int]

CONSUMER = "lake"
_POSITIONS = "whiteout.positions"
_WHOLE_RECORD = -1
_WRITE_ATTEMPTS = 3  # of a batch, before a smaller one is tried
_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class _Batch:
    """What one commit to each table will hold."""

    load_us: int
    raw_next: int | None
    bad_next: int | None
    events: pa.Table | None = None
    keys: list[bytes] = field(default_factory=list)
    failed: list[FailedEvent] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    incomplete: dict[Position, EnrichedEvent] = field(default_factory=dict)
    duplicates: int = 0
    loaded: Loaded | None = None  # for the observer, where there is one

    def fail(self, event: FailedEvent, position: Position) -> None:
        self.failed.append(event)
        self.positions.append(position)


class _WriteError(WhiteoutError):
    """A table could not be written; the message says why, as far as it may be logged."""


class Loader:
    """Loads one lake from its logs. Used by one thread; one loader a lake.

    Args:
        directory: holds the index of seen events, and the lake itself where `place` is None.
        place: of the lake, where it is elsewhere.
        raw: CollectorPayload records.
        bad: the collector's bad rows, one JSON each; None where there is no such log.
        enrich: the events and bad rows of each record, in the order of the records.
        lookup: the JSON Schema of a key.
        now_ms: the wall clock.
        observe: is told of each commit.
        tells_origins: whether the observer is told what the events came from.
        incomplete: whether what is left of failed events is loaded, into `incomplete_events`.
        fault: the bad row of a record that could not be stored, and the kind of fault; by default
            it keeps nothing of the record, which may be anonymous.

    Attributes:
        is_behind: whether the log held more than the last batch could take.

    Raises:
        LogError: another loader is at work in `directory`.
        LakeError: the lake cannot be reached.
    """

    def __init__(  # noqa: PLR0913 - all keyword-only, none with a sensible default
        self,
        directory: Path,
        *,
        raw: Source,
        bad: Source | None,
        enrich: Callable[[Iterable[bytes]], Iterable[Sequence[Result]]],
        lookup: Callable[[SchemaKey], Mapping[str, Any]],
        settings: LoaderSettings,
        now_ms: Callable[[], int],
        place: LakePlace | None = None,
        observe: Observer | None = None,
        tells_origins: bool = False,
        fault: Callable[[bytes, str], BadRow] | None = None,
        incomplete: bool = False,
    ) -> None:
        self.counts = Counts()
        self.is_behind = False
        self._observe, self._tells_origins = observe, tells_origins
        self._raw, self._bad = raw, bad
        self._enrich, self._lookup, self._now_ms = enrich, lookup, now_ms
        self._fault = fault or (lambda _, what: generic_error(what, b"", now_ms=now_ms()))
        self._settings = settings
        self._limit = settings.max_records
        self._failures = 0
        durable = settings.durable
        place = place or LakePlace(str(directory))
        self._events = LakeTable(place, "events", EVENTS_SCHEMA, durable=durable)
        self._failed = LakeTable(place, "failed_events", FAILED_SCHEMA, durable=durable)
        self._incomplete = (
            IncompleteEvents(place, lookup, now_ms, durable=durable) if incomplete else None
        )
        self._seen = SeenEvents(directory / "seen.sqlite3", self._events.table_id)
        self._is_stale = True
        try:
            self._resume()
            self._clock = LakeClock(
                now_ms,
                self._seen,
                load_us=self._last_load_us,
                commit_us=self._events.last_commit_us(),
            )
            self._housekeeper = Housekeeper(place, settings, self._clock, self._seen)
            self._tell(_Batch(self._last_load_us, None, None))
        except BaseException:
            self._seen.close()  # else it keeps the next loader from its lake
            raise

    def _resume(self) -> None:
        """Take up the state that the tables hold."""
        self._events.reload()
        self._failed.reload()
        self._families = Families(self._lookup, self._events.fields())
        self._raw_next = self._events.offset(self._raw.name)
        self._bad_next = 0 if self._bad is None else self._failed.offset(self._bad.name)
        self._failed_until = self._failed.offset(self._raw.name)
        self._stored_failed: frozenset[Position] = frozenset()
        if self._failed_until > self._raw_next:
            self._stored_failed = _positions(self._failed.last_note(_POSITIONS))
        self._stored_incomplete: frozenset[Position] = frozenset()
        if self._incomplete is not None:
            self._incomplete.reload()
            if self._incomplete.table.offset(self._raw.name) > self._raw_next:
                note = self._incomplete.table.last_note(_POSITIONS)
                self._stored_incomplete = _positions(note)
        last_event_us = self._events.last_load_us()
        self._last_load_us = max(last_event_us, self._failed.last_load_us())
        self._catch_up(last_event_us)
        self._is_stale = False

    def _catch_up(self, last_event_us: int) -> None:
        """Bring the index of seen events to the state of the lake."""
        if self._seen.watermark_us > last_event_us:  # an older lake was put back
            self._seen.clear()
        if self._seen.watermark_us == last_event_us:
            return
        import pyarrow.compute as pc  # noqa: PLC0415 - 9 MB, which loading does without

        # Not by the clock alone: one that is ahead would leave out what is young.
        newest = min(self._now_ms() * 1000, last_event_us)
        oldest = newest - self._settings.seen_days * DAY_US
        after = max(self._seen.watermark_us, oldest)
        moment = pa.scalar(after, pa.timestamp("us", tz="UTC"))
        batches = self._events.dataset().to_batches(
            columns=[*KEY_COLUMNS, LOAD_TSTAMP],
            filter=pc.field(LOAD_TSTAMP) > moment,
            batch_size=10_000,
        )
        day = last_event_us // DAY_US
        for batch in batches:
            # The watermark moves only at the end: the files of a table come in no set order.
            self._seen.add(keys_of(batch), day=day, watermark_us=self._seen.watermark_us)
        self._seen.add((), day=day, watermark_us=last_event_us)

    def load(self) -> int:
        """Load one batch.

        Returns:
            How many records were taken; 0 where there is nothing new.

        Raises:
            Exception: the lake cannot be written. Nothing is lost or doubled: call again, later.
        """
        try:
            if self._seen.is_lost:
                self._seen.replace()
            if self._is_stale:
                self._resume()
            return self._load()
        except sqlite3.ProgrammingError:  # another thread's loader; no fault of the file
            raise
        except sqlite3.DatabaseError as error:
            self._is_stale = True
            if not is_index_broken(error):
                raise
            _LOGGER.warning("the index of seen events is broken and is made anew")
            self._seen.replace()
            return 1  # it is worth calling again at once

    def _load(self) -> int:
        raw = self._raw.log.read(
            self._raw_next, max_records=self._limit, max_bytes=self._settings.max_bytes
        )
        bad: list[Record] = []
        if self._bad is not None:
            bad = self._bad.log.read(
                self._bad_next, max_records=self._limit, max_bytes=self._settings.max_bytes
            )
        self.is_behind = bool(raw) and self._raw.log.end_offset() > raw[-1][0] + 1
        if not raw and not bad:
            return 0
        try:
            self._commit(self._prepare(raw, bad))
        except (ClockError, sqlite3.DatabaseError):
            raise
        except Exception as error:
            self._is_stale = True
            is_write = isinstance(error, _WriteError)
            if is_write and not isinstance(error.__cause__, RefusedRowsError):
                raise
            self._resume()
            self._after_failure(raw, error)
        else:
            self._failures = 0
            self._limit = min(self._limit * 4, self._settings.max_records)
            self.counts.records += len(raw) + len(bad)
        return len(raw) + len(bad)

    def _after_failure(self, raw: Sequence[Record], error: Exception) -> None:
        """Take a smaller batch next time; a record that fails alone becomes a failed event."""
        self._failures += 1
        is_lake = isinstance(error, _WriteError)
        _LOGGER.warning("loading a batch failed: %s", reason(error))
        if is_lake and self._failures < _WRITE_ATTEMPTS:
            raise error
        if len(raw) > 1:
            self._limit = len(raw) // 2
            return
        self._failures = 0
        if not raw:
            raise error
        self._quarantine(raw[0], error)

    def _quarantine(self, record: Record, error: Exception) -> None:
        offset, data = record
        if offset < self._raw_next:
            return
        what = error_name(error.__cause__ if isinstance(error.__cause__, Exception) else error)
        bad_row = self._fault(data, what)
        batch = _Batch(self._next_load_us(), offset + 1, None)
        batch.fail(from_bad_row(bad_row), (offset, _WHOLE_RECORD))
        self._commit(batch)
        self.counts.quarantined += 1

    def _next_load_us(self) -> int:
        return self._clock.load_us(self._last_load_us)

    def _prepare(self, raw: Sequence[Record], bad: Sequence[Record]) -> _Batch:
        """Enrich, look for repeated events, cast: all that can be done before writing."""
        now_ms = self._now_ms()
        batch = _Batch(
            self._next_load_us(),
            raw[-1][0] + 1 if raw else None,
            bad[-1][0] + 1 if bad else None,
        )
        if self._observe is not None:
            batch.loaded = Loaded(batch.load_us)
        events: list[tuple[Position, EnrichedEvent]] = []
        records = [
            (offset, record)
            for offset, record in raw
            if not is_erased(record) and (offset, _WHOLE_RECORD) not in self._stored_failed
        ]
        enriched = self._enrich(record for _, record in records)
        for (offset, _), results in zip(records, enriched, strict=True):
            self._take(offset, results, batch, events)
        if events:
            found = self._add_events(events, batch, now_ms)
            if batch.loaded is not None:
                found.tell(batch.loaded, dict(records) if self._tells_origins else {})
        batch.failed.extend(
            from_text(record, now_ms=now_ms) for _, record in bad if not is_erased(record)
        )
        return batch

    def _take(
        self,
        offset: int,
        results: Sequence[Result],
        batch: _Batch,
        events: list[tuple[Position, EnrichedEvent]],
    ) -> None:
        for number, result in enumerate(results):
            position = (offset, number)
            if self._incomplete is not None and position not in self._stored_incomplete:
                rest = result.incomplete if isinstance(result, BadRow) else None
                if rest is not None:
                    batch.incomplete[position] = rest
            if position in self._stored_failed:
                continue
            if isinstance(result, BadRow):
                batch.fail(from_bad_row(result), position)
            elif isinstance(result, EnrichedEvent):
                events.append((position, result))

    def _add_events(
        self, events: Sequence[tuple[Position, EnrichedEvent]], batch: _Batch, now_ms: int
    ) -> _Found:
        """What is new, as a table. Rows are looked at one by one where a table cannot be made."""
        keys = [key_of(event) for _, event in events]
        stored = self._seen.among(keys)
        found = _sift(events, keys, stored, lambda row: self._place(row, now_ms))
        try:
            table = self._table(found.rows, batch)
        except (ValueError, ArithmeticError):  # enrich has let through what it should not have
            found = _sift(events, keys, stored, lambda row: self._check(row, now_ms))
            table = self._table(found.rows, batch)
        batch.events = table
        batch.keys = [row.key for row in found.rows]
        batch.duplicates = len(found.repeated)
        for failed, position in found.failed:
            batch.fail(failed, position)
        return found

    def _place(self, row: Row, now_ms: int) -> FailedEvent | None:
        return place_parts(row, self._families, now_ms=now_ms)

    def _check(self, row: Row, now_ms: int) -> FailedEvent | None:
        return cast_parts(row, self._families, now_ms=now_ms) or atomic_failure(row)

    def _table(self, rows: Sequence[Row], batch: _Batch) -> pa.Table | None:
        return events_table(rows, self._families, load_us=batch.load_us) if rows else None

    def _commit(self, batch: _Batch) -> None:
        """Failed events, then events, then the index: the order that the invariants rest on."""
        try:
            if batch.failed or batch.bad_next is not None:
                self._commit_failed(batch)
            if batch.incomplete:
                self._commit_incomplete(batch)
            if batch.raw_next is not None:
                self._events.append(batch.events, {self._raw.name: batch.raw_next})
        except Exception as error:
            raise _WriteError(reason(error)) from error
        self._last_load_us = batch.load_us
        if batch.raw_next is not None:
            self._raw_next = batch.raw_next
        if batch.bad_next is not None:
            self._bad_next = batch.bad_next
        self._housekeeper.committed()
        self._count(batch)
        self._tell(batch)
        if batch.keys:
            day = batch.load_us // DAY_US
            self._seen.add(batch.keys, day=day, watermark_us=batch.load_us)

    def _tell(self, batch: _Batch) -> None:
        if self._observe is not None:
            loaded = batch.loaded or Loaded(batch.load_us)
            loaded.load_us = self._now_ms() * 1000  # by now it can be queried
            loaded.failed = batch.failed
            loaded.raw_next, loaded.bad_next = self._raw_next, self._bad_next
            self._observe(loaded)

    def _commit_failed(self, batch: _Batch) -> None:
        offsets: dict[str, int] = {}
        notes: dict[str, str] = {}
        if batch.raw_next is not None:
            self._failed_until = max(self._failed_until, batch.raw_next)
            offsets[self._raw.name] = self._failed_until
            stored = self._stored_failed.union(batch.positions)
            notes[_POSITIONS] = _note(stored)
        if batch.bad_next is not None and self._bad is not None:
            offsets[self._bad.name] = batch.bad_next
        self._failed.append(failed_table(batch.failed, load_us=batch.load_us), offsets, notes=notes)

    def _commit_incomplete(self, batch: _Batch) -> None:
        if self._incomplete is None or batch.raw_next is None:
            return
        name = self._raw.name
        stored = self._stored_incomplete.union(batch.incomplete)
        self._incomplete.append(
            [*batch.incomplete.values()],
            {name: max(self._incomplete.table.offset(name), batch.raw_next)},
            load_us=batch.load_us,
            notes={_POSITIONS: _note(stored)},
        )

    def _count(self, batch: _Batch) -> None:
        counts = self.counts
        counts.commits += 1
        counts.events += len(batch.keys)
        counts.failed += len(batch.failed)
        counts.incomplete += len(batch.incomplete)
        counts.duplicates += batch.duplicates
        if self._raw_next >= self._failed_until:
            self._stored_failed = frozenset()
        if self._incomplete is not None and self._raw_next >= self._incomplete.table.offset(
            self._raw.name
        ):
            self._stored_incomplete = frozenset()

    def settle(self) -> None:
        """Tell the logs what the lake has, so that they can drop it."""
        for source, offset in ((self._raw, self._raw_next), (self._bad, self._bad_next)):
            if source is not None and offset > source.log.committed(CONSUMER):
                source.log.commit(CONSUMER, offset)
                source.log.trim()

    def maintain(self, *, force: bool = False) -> bool:
        """Retention, fewer files, no dead ones, where it is time to; True where it was.

        Args:
            force: now, and be done with it on return; else it goes on beside the loading, where
                files are kept long enough for readers that they outlive what is being written.
        """
        tables = {"events": self._events, "failed_events": self._failed}
        if self._incomplete is not None:
            tables[INCOMPLETE] = self._incomplete.table
        return self._housekeeper.tend(tables, force=force)

    def close(self) -> None:
        """Release the lake for another loader."""
        self._housekeeper.close()
        self._seen.close()


@dataclass(slots=True)
class _Found:
    """Events of a batch, by what becomes of them."""

    rows: list[Row] = field(default_factory=list)
    failed: list[tuple[FailedEvent, Position]] = field(default_factory=list)
    repeated: list[tuple[Position, EnrichedEvent]] = field(default_factory=list)

    def tell(self, loaded: Loaded, records: Mapping[int, bytes]) -> None:
        """What an observer is told of them; `records` by their offsets, none to keep silent."""
        loaded.events = [row.event for row in self.rows]
        loaded.repeated = [event for _, event in self.repeated]
        if records:
            positions = [row.position for row in self.rows]
            positions += [position for position, _ in self.repeated]
            loaded.origins = [Origin(records[offset], number) for offset, number in positions]


def _sift(
    events: Sequence[tuple[Position, EnrichedEvent]],
    keys: Sequence[bytes],
    stored: set[bytes],
    failure_of: Callable[[Row], FailedEvent | None],
) -> _Found:
    """Tell repeated events and those that `failure_of` finds at fault from the others."""
    found, known = _Found(), stored.copy()
    for key, (position, event) in zip(keys, events, strict=True):
        if key in known:
            found.repeated.append((position, event))
            continue
        row = Row(event, key, position)
        failed = failure_of(row)
        if failed is None:
            known.add(key)
            found.rows.append(row)
        else:
            found.failed.append((failed, position))
    return found


def _note(positions: Iterable[Position]) -> str:
    return " ".join(f"{offset}:{number}" for offset, number in sorted(positions))


def _positions(note: str | None) -> frozenset[Position]:
    pairs = (pair.partition(":") for pair in (note or "").split())
    return frozenset((int(offset), int(number)) for offset, _, number in pairs)
