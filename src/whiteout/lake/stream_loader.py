"""The loader of streams with several partitions: rows of the lake out, each exactly once.

As `whiteout.lake.loader`, for events that are enriched already and for several loaders at once,
each with partitions of its own that may be taken from it at any moment. Invariants:

1. The events table commits rows together with the next offset of each partition they came from; a
   partition is read from there, whoever takes it over.
2. A commit is refused by Delta Lake when another one has moved the offset of one of its partitions
   since the table was read, and by this loader when one had before. A loader that lost a partition
   without noticing therefore commits nothing of it.
3. `failed_events` commits first what cannot be stored of a batch of events, with the offsets of
   these. When the commit to `events` does not follow, they are passed over the second time.
4. A bad row that enrich wrote twice is known by the place of its record: within a partition nobody
   writes a place before all earlier ones, so one that is not greater than the last is a repetition.
5. The index of seen events is derived. It is brought up to the lake whenever partitions are taken
   over.
"""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from whiteout.errors import LogError
from whiteout.lake.batch import (
    EVENTS_SCHEMA,
    FAILED_SCHEMA,
    LOAD_TSTAMP,
    Row,
    atomic_failure,
    cast_parts,
    events_table,
    failed_table,
)
from whiteout.lake.clock import DAY_US, ClockError, LakeClock
from whiteout.lake.failed import FailedEvent, error_name, from_text, reason
from whiteout.lake.families import Families
from whiteout.lake.faults import is_index_broken
from whiteout.lake.housekeeping import Housekeeper
from whiteout.lake.incomplete import IncompleteEvents
from whiteout.lake.incomplete_stream import IncompleteStream
from whiteout.lake.keys import KEY_COLUMNS, keys_of
from whiteout.lake.place import LakePlace
from whiteout.lake.seen import SeenEvents
from whiteout.lake.settings import Counts, LoaderSettings
from whiteout.lake.stream_records import (
    NOT_STORED,
    StreamRecord,
    TakenOverError,
    as_bytes,
    read_record,
)
from whiteout.lake.tables import LakeTable, RefusedRowsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from whiteout.protocol.iglu import SchemaKey

_LOGGER = logging.getLogger(__name__)
_POSITIONS = "whiteout.positions."
_SLACK_US = 3_600 * 1_000_000  # how far the clocks of loaders may be apart
_WRITE_ATTEMPTS = 3  # of a batch, before a smaller one is tried
_LOADERS = 8  # loaders on one folder, at most


@dataclass(slots=True)
class _Batch:
    load_us: int
    rows: list[Row] = field(default_factory=list)
    table: pa.Table | None = None
    failed: list[FailedEvent] = field(default_factory=list)
    event_offsets: dict[str, int] = field(default_factory=dict)
    failed_offsets: dict[str, int] = field(default_factory=dict)
    ranks: dict[str, int] = field(default_factory=dict)
    unstorable: dict[str, set[int]] = field(default_factory=dict)
    duplicates: int = 0

    def fail(self, event: FailedEvent, record: StreamRecord) -> None:
        self.failed.append(event)
        self.unstorable.setdefault(record.source, set()).add(record.offset)


class StreamLoader:
    """Loads a lake from partitions that it is given. Used by one thread.

    Args:
        directory: holds the index of seen events, and the lake itself where `place` is None.
        lookup: the JSON Schema of a key.
        settings: see there.
        now_ms: the wall clock.
        place: of the lake, where it is elsewhere.
        incomplete: whether what is left of failed events is loaded too.

    Attributes:
        incomplete: loads that; None where it is not asked for.

    Raises:
        LogError: too many loaders are at work in `directory`.
    """

    def __init__(  # noqa: PLR0913 - all keyword-only, none with a sensible default
        self,
        directory: Path,
        *,
        lookup: Callable[[SchemaKey], Mapping[str, Any]],
        settings: LoaderSettings,
        now_ms: Callable[[], int],
        place: LakePlace | None = None,
        incomplete: bool = False,
    ) -> None:
        self.counts = Counts()
        self._lookup, self._settings, self._now_ms = lookup, settings, now_ms
        durable = settings.durable
        place = place or LakePlace(str(directory))
        self._events = LakeTable(place, "events", EVENTS_SCHEMA, durable=durable)
        self._failed = LakeTable(place, "failed_events", FAILED_SCHEMA, durable=durable)
        self._seen = _own_index(directory, self._events.table_id)
        self._fields = self._events.fields()
        self._families = Families(lookup, self._fields)
        self._next: dict[str, int] = {}
        self._failed_until: dict[str, int] = {}
        self._passed_over: dict[str, frozenset[int]] = {}
        self._ranks: dict[str, int] = {}
        self._last_load_us = max(self._events.last_load_us(), self._failed.last_load_us())
        self._clock = LakeClock(
            now_ms,
            self._seen,
            load_us=self._last_load_us,
            commit_us=self._events.last_commit_us(),
        )
        self._housekeeper = Housekeeper(place, settings, self._clock, self._seen)
        self.incomplete: IncompleteStream | None = None
        if incomplete:
            table = IncompleteEvents(place, lookup, now_ms, durable=durable)
            self.incomplete = IncompleteStream(table, self._clock.load_us)
        self._alone = True
        self._assigned: tuple[list[str], list[str]] = ([], [])
        self._limit = settings.max_records
        self._failures = 0
        self._outcast: tuple[str, int] | None = None

    def take_over(self, events: Iterable[str], failed: Iterable[str]) -> dict[str, int]:
        """Load from these partitions from now on, and from no others.

        Args:
            events: partitions of enriched events.
            failed: partitions of bad rows.

        Returns:
            The offset to read each of them from.
        """
        self._assigned = events, failed = list(events), list(failed)
        self._events.reload()
        self._failed.reload()
        self._fields = self._events.fields()
        self._families = Families(self._lookup, self._fields)
        self._ranks = {}
        self._next = {source: self._failed.offset(source) for source in failed}
        self._failed_until, self._passed_over = {}, {}
        for source in events:
            self._next[source] = self._events.offset(source)
            until = self._failed_until[source] = self._failed.offset(source)
            if until > self._next[source]:
                note = self._failed.last_note(_POSITIONS + source) or ""
                self._passed_over[source] = frozenset(map(int, note.split()))
        last_event_us = self._events.last_load_us()
        self._last_load_us = max(last_event_us, self._failed.last_load_us(), self._last_load_us)
        try:
            if self._seen.is_lost:
                self._seen.replace()
            self._catch_up(last_event_us)
        except sqlite3.DatabaseError as error:
            self._mend_index(error)
        return dict(self._next)

    def _mend_index(self, error: sqlite3.DatabaseError) -> None:
        if not is_index_broken(error):  # its disk is: it is brought up to the lake later
            raise error
        _LOGGER.warning("the index of seen events is broken and is made anew")
        self._seen.replace()
        self._catch_up(self._events.last_load_us())

    def _catch_up(self, last_event_us: int) -> None:
        """Bring the index of seen events to the state of the lake."""
        watermark = self._seen.watermark_us
        if watermark > last_event_us:  # an older lake was put back
            self._seen.clear()
            watermark = 0
        # Not by the clock alone: one that is ahead would leave out what is young.
        newest = min(self._now_ms() * 1000, last_event_us)
        oldest = newest - self._settings.seen_days * DAY_US
        after = max(watermark - _SLACK_US, oldest, 0)
        batches = self._events.dataset().to_batches(
            columns=[*KEY_COLUMNS, LOAD_TSTAMP],
            filter=pc.field(LOAD_TSTAMP) > pa.scalar(after, pa.timestamp("us", tz="UTC")),
            batch_size=10_000,
        )
        day = last_event_us // DAY_US
        for batch in batches:
            self._seen.add(keys_of(batch), day=day, watermark_us=watermark)
        self._seen.add((), day=day, watermark_us=last_event_us)
        self._alone = True

    def load(self, events: Sequence[StreamRecord], failed: Sequence[StreamRecord]) -> None:
        """Load a batch, in one commit unless something in it cannot be stored.

        Args:
            events: of partitions of enriched events, each partition in order.
            failed: of partitions of bad rows, the same.

        Raises:
            TakenOverError: another loader was there.
            Exception: the lake cannot be written. In any case nothing is lost or doubled: take over
                again, and read from where that says.
        """
        waiting = [*((one, True) for one in events), *((one, False) for one in failed)]
        while waiting:
            some = waiting[: self._limit]
            records = [record for record, _ in some]
            try:
                batch = self._prepare(some)
            except (LogError, ClockError, sqlite3.DatabaseError):
                raise
            except Exception as error:  # noqa: BLE001 - one bad record stops nothing
                self._after_failure(records, error)
                continue
            try:
                self._commit(batch)
            except RefusedRowsError as error:
                self._after_failure(records, error)
                continue
            del waiting[: len(some)]
            self._failures = 0
            self._limit = min(self._limit * 4, self._settings.max_records)

    def _prepare(self, some: Sequence[tuple[StreamRecord, bool]]) -> _Batch:
        batch = _Batch(self._clock.load_us(self._last_load_us))
        events = [record for record, is_event in some if is_event]
        self._add_events([one for one in events if self._is_next(one, batch.event_offsets)], batch)
        for record, is_event in some:
            if not is_event and self._is_next(record, batch.failed_offsets):
                self._add_failed(record, batch)
        return batch

    def _after_failure(self, records: Sequence[StreamRecord], error: Exception) -> None:
        """Try a smaller batch; a record that fails alone becomes a failed event, as bytes."""
        _LOGGER.warning("loading a batch failed: %s", reason(error))
        if self._outcast is not None and len(records) == 1:
            raise error  # as bytes neither: that is for whoever reads the log
        self._failures += 1
        if self._failures >= _WRITE_ATTEMPTS:
            self._limit = max(len(records) // 2, 1)
            if len(records) == 1:
                self._outcast = (records[0].source, records[0].offset)
        # What was committed before it failed is known again then.
        self.take_over(*self._assigned)

    def _is_next(self, record: StreamRecord, offsets: dict[str, int]) -> bool:
        """Whether it is of our partitions and not loaded; then the offset behind it is kept."""
        at = offsets.get(record.source, self._next.get(record.source))
        if at is None or record.offset < at:
            return False
        offsets[record.source] = record.offset + 1
        return True

    def _add_failed(self, record: StreamRecord, batch: _Batch) -> None:
        if record.origin is not None:
            source, rank = record.origin
            name = f"{record.source}<{source}"
            known = batch.ranks.get(name, self._ranks.get(name))
            if known is None:
                known = self._failed.offset(name)
            if rank < known:
                batch.duplicates += 1
                return
            batch.ranks[name] = rank + 1
        if self._is_outcast(record):
            batch.failed.append(as_bytes(record, NOT_STORED, now_ms=self._now_ms()))
        else:
            batch.failed.append(from_text(record.value, now_ms=self._now_ms()))

    def _add_events(self, records: Sequence[StreamRecord], batch: _Batch) -> None:
        now_ms = self._now_ms()
        read: list[tuple[StreamRecord, Row]] = []
        for record in records:
            if record.offset in self._passed_over.get(record.source, ()):
                continue
            row = self._read(record, batch)
            if row is not None:
                read.append((record, row))
        known = self._seen.among([row.key for _, row in read])
        sound: list[tuple[StreamRecord, Row]] = []
        for record, row in read:
            if row.key in known:
                batch.duplicates += 1
                continue
            failed = cast_parts(row, self._families, now_ms=now_ms)
            if failed is None:
                known.add(row.key)
                sound.append((record, row))
            else:
                batch.fail(failed, record)
        self._make_table(sound, batch)

    def _is_outcast(self, record: StreamRecord) -> bool:
        return self._outcast == (record.source, record.offset)

    def _read(self, record: StreamRecord, batch: _Batch) -> Row | None:
        now_ms = self._now_ms()
        if self._is_outcast(record):
            self.counts.quarantined += 1
            batch.fail(as_bytes(record, NOT_STORED, now_ms=now_ms), record)
            return None
        read = read_record(record, now_ms=now_ms)
        if isinstance(read, FailedEvent):
            batch.fail(read, record)
            return None
        return read

    def _make_table(self, pairs: list[tuple[StreamRecord, Row]], batch: _Batch) -> None:
        """The rows as a table; one that is poison to it becomes a failed event alone."""
        batch.rows = [row for _, row in pairs]
        if not pairs:
            return
        try:
            batch.table = events_table(batch.rows, self._families, load_us=batch.load_us)
        except Exception as error:  # noqa: BLE001 - whatever it is, what is behind it must go on
            if len(pairs) == 1:
                record, row = pairs[0]
                self._quarantine(record, row, batch, error)
                batch.rows = []
                return
            sound = [pair for pair in pairs if self._is_sound(pair, batch)]
            self._make_table(sound, batch)

    def _is_sound(self, pair: tuple[StreamRecord, Row], batch: _Batch) -> bool:
        record, row = pair
        try:
            events_table([row], self._families, load_us=batch.load_us)
        except Exception as error:  # noqa: BLE001 - as above
            self._quarantine(record, row, batch, error)
            return False
        return True

    def _quarantine(self, record: StreamRecord, row: Row, batch: _Batch, error: Exception) -> None:
        self.counts.quarantined += 1
        failed = as_bytes(record, error_name(error), now_ms=self._now_ms())
        batch.fail(atomic_failure(row) or failed, record)

    def _commit(self, batch: _Batch) -> None:
        """Failed events, then events, then the index: the order that the invariants rest on."""
        if batch.failed or batch.failed_offsets:
            self._commit_failed(batch)
        if batch.event_offsets:
            for source in batch.event_offsets:
                _expect(self._events, source, self._next[source])
            version = self._events.version
            self._events.append(batch.table, batch.event_offsets)
            if self._events.version != version + 1:
                self._alone = False
                self._read_columns()
        self._last_load_us = batch.load_us
        self._housekeeper.committed()
        self._next.update(batch.event_offsets)
        self._next.update(batch.failed_offsets)
        self._outcast = None
        self._count(batch)
        if batch.rows:
            self._remember(batch)

    def _read_columns(self) -> None:
        """Others have written: their columns, and how ours have grown."""
        fields = self._events.fields()
        if fields != self._fields:
            self._fields = fields
            self._families = Families(self._lookup, fields)

    def _commit_failed(self, batch: _Batch) -> None:
        offsets = dict(batch.failed_offsets)
        notes: dict[str, str] = {}
        for source in batch.failed_offsets:
            _expect(self._failed, source, self._next[source])
        for source, unstorable in batch.unstorable.items():
            until = self._failed_until[source]
            _expect(self._failed, source, until)
            offsets[source] = max(until, batch.event_offsets[source])
            stored = unstorable.union(self._passed_over.get(source, ()))
            notes[_POSITIONS + source] = " ".join(map(str, sorted(stored)))
        offsets.update(batch.ranks)
        self._failed.append(failed_table(batch.failed, load_us=batch.load_us), offsets, notes=notes)
        for source in batch.unstorable:
            self._failed_until[source] = offsets[source]
        self._ranks.update(batch.ranks)

    def _remember(self, batch: _Batch) -> None:
        """Put the batch's events into the index.

        The watermark stays where it is once others have written: their rows are not in the index.
        """
        watermark = batch.load_us if self._alone else self._seen.watermark_us
        keys = [row.key for row in batch.rows]
        try:
            self._seen.add(keys, day=batch.load_us // DAY_US, watermark_us=watermark)
        except sqlite3.DatabaseError as error:
            self._mend_index(error)

    def _count(self, batch: _Batch) -> None:
        counts = self.counts
        counts.commits += 1
        counts.records += len(batch.rows) + len(batch.failed) + batch.duplicates
        counts.events += len(batch.rows)
        counts.failed += len(batch.failed)
        counts.duplicates += batch.duplicates

    def maintain(self, *, force: bool = False) -> bool:
        """Retention, fewer files, no dead ones, where it is time to; True where it was.

        Args:
            force: now, and be done with it on return; else it goes on beside the loading, where
                files are kept long enough for readers that they outlive what is being written.
        """
        tables = {"events": self._events, "failed_events": self._failed}
        return self._housekeeper.tend(tables, force=force)

    def close(self) -> None:
        """Release the index."""
        self._housekeeper.close()
        self._seen.close()


def _expect(table: LakeTable, source: str, offset: int) -> None:
    if table.offset(source) != offset:
        raise TakenOverError("another loader has loaded from a partition of this one")


def _own_index(directory: Path, table_id: str) -> SeenEvents:
    """The index of this loader: the first that no other one has open."""
    for number in range(_LOADERS):
        name = f"seen-{number}.sqlite3" if number else "seen.sqlite3"
        try:
            return SeenEvents(directory / name, table_id, wait_s=0.2)
        except LogError:
            continue
    raise LogError(f"{_LOADERS} loaders are at work in {directory} already")
