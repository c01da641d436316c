"""The latest events, for the page and its API: bounded, and gone with the process.

They lie in a database without a name: SQLite keeps a little of it in memory, the rest in a file
that is deleted before it is used, so that not even `kill -9` leaves anything behind. The lake is
where events are kept; this is a window on it.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whiteout.web import entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from whiteout.lake.loaded import Loaded
    from whiteout.web.entries import Entry
    from whiteout.web.filter import Filter

MAX_EVENTS = 100_000
MAX_BYTES = 256 * 1024 * 1024
MAX_WAITING = 32 * 1024 * 1024
_CACHE_KIB = 4_096
_STEPS = 20_000  # of SQLite's machine, between two looks at the clock
_LOGGER = logging.getLogger(__name__)

_COLUMNS = entries.Entry._fields[:-1]  # an origin is kept apart: events of a request share it
_ENTITIES = _COLUMNS.index("entities")
_WHOLE = ", ".join(["number", "request", "place", *_COLUMNS])
_BRIEF = _WHOLE.removesuffix(", document")
# What is searched in is the document, without case; `LIKE` passes over that of ASCII by itself.
# A request has the number of the last of its events, and is forgotten with it.
_MAKE = f"""
CREATE TABLE event (number INTEGER PRIMARY KEY, {", ".join(_COLUMNS)}, folded, request, place);
CREATE TABLE request (number INTEGER PRIMARY KEY, record BLOB);
CREATE INDEX by_session ON event (session, number) WHERE session IS NOT NULL;
CREATE INDEX by_name ON event (status, name, number);
"""
_ONE = f"SELECT {_WHOLE} FROM event WHERE number = ?"  # noqa: S608 - of literals
# The request's number comes as how many events later the last of its events is.
_ADD = f"INSERT INTO event VALUES (?1{', ?' * (len(_COLUMNS) + 1)}, ?1 + ?, ?)"  # noqa: S608 - of literals

# Of a failed event its own schema, which its view is of, and not that of its bad row.
_CHOICES = {"name": "name", "schema": "coalesce(event_schema, schema)", "app_id": "app_id"}
_MOST_CHOICES = 50
_CHOSEN_FROM = 10_000  # the latest events: 20 ms, and no index that each event would pay for

Row = dict[str, Any]


def first_of_run(epoch_s: int) -> int:
    """The number of the first event of a run that begins then.

    It is beyond those of earlier runs, as long as none had 100,000 events a second all along: an
    address of theirs leads nowhere, and not to another event.
    """
    return epoch_s * 100_000


@dataclass(frozen=True, slots=True)
class Totals:
    """How many events came since the start, or since they were last emptied."""

    good: int
    failed: int


class SearchTookTooLongError(Exception):
    """A search met its limit of time."""


class RecentEvents:
    """The latest events. Any thread may call.

    Whoever has the database writes what came meanwhile, before asking and after it: so a search
    holds up other searches, and never the loader, nor those who only ask for numbers.

    Owners: `_working` guards the database and `_sizes`; `_state` everything else, and is never
    held while the database works. Listeners are called with neither.

    Args:
        max_events: beyond them the oldest go.
        max_bytes: of their texts, the same; the newest event stays whatever its size.
        search_s: how long one search may take.
        first: the number of the first event. Where it is beyond those of earlier runs, no number
            means two events.
        max_waiting: bytes that may wait for a search to end; beyond them the loader waits, too.
    """

    def __init__(
        self,
        *,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
        search_s: float = 3.0,
        first: int = 1,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._max_events, self._max_bytes, self._search_s = max_events, max_bytes, search_s
        self._max_waiting = max_waiting
        self._working = threading.Lock()
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._database.row_factory = sqlite3.Row
        self._database.executescript(
            f"PRAGMA cache_size=-{_CACHE_KIB}; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            f"{_MAKE}"
        )
        self._sizes = deque[int]()  # of all that are kept, in bytes; the last is of `_next - 1`
        self._bytes = 0
        self._state = threading.Condition()
        self._waiting: list[_Batch] = []
        self._first = self._next = first
        self._totals = Totals(0, 0)
        self._clearings = 0
        self._done = (0, 0)
        self._listeners: list[Callable[[int], None]] = []

    def observe(self, loaded: Loaded) -> None:
        """Take what a commit brought. Never raises: the loader does not stop for a page."""
        stored_ms = loaded.load_us // 1000
        try:
            origins = iter(loaded.origins)
            found = [
                entries.of_event(event, stored_ms=stored_ms, origin=next(origins, None))
                for event in loaded.events
            ]
            found += [
                entries.of_event(
                    event, stored_ms=stored_ms, repeated=True, origin=next(origins, None)
                )
                for event in loaded.repeated
            ]
            found += [entries.of_failed(failed, stored_ms=stored_ms) for failed in loaded.failed]
            # In the order of their coming, as far as the collector's clock tells it.
            found.sort(key=lambda entry: entry.collected_ms or entry.enriched_ms or 0)
            self.add(found, done=(loaded.raw_next, loaded.bad_next))
        except Exception as error:  # noqa: BLE001 - whatever it is, the lake has the events
            _LOGGER.warning("the page misses events: %s", type(error).__name__)

    def add(self, found: Iterable[Entry], *, done: tuple[int, int] | None = None) -> None:
        """Add events, the oldest first; those that a search holds up are there when it ends.

        Args:
            found: the events.
            done: offsets of the two logs before which everything is here then.
        """
        batch = _Batch.of(found, done)
        with self._state:
            held = sum(sum(one.sizes) for one in self._waiting)
            self._waiting.append(batch)
        self._take_in(is_patient=held >= self._max_waiting)

    def _take_in(self, *, is_patient: bool = False) -> None:
        """Write what waits. Who has the database does it as well: waiting is for the patient."""
        while self._waiting and self._working.acquire(blocking=is_patient):
            try:
                self._write()
            finally:
                self._working.release()
            self._tell()

    def _write(self) -> bool:
        """Write what waits, with the database in hand; whether there was anything."""
        with self._state:
            batches, self._waiting, number = self._waiting, [], self._next
        requests = list[tuple[int, bytes]]()
        numbered = list[tuple[Any, ...]]()
        for batch in batches:
            requests += [(number + at, record) for at, record in batch.requests]
            numbered += [(at, *values) for at, values in enumerate(batch.rows, number)]
            number += len(batch.rows)
            self._sizes.extend(batch.sizes)
            self._bytes += sum(batch.sizes)
        try:
            self._database.executemany("INSERT INTO request VALUES (?, ?)", requests)
            self._database.executemany(_ADD, numbered)
            self._forget_oldest(number)
        except sqlite3.Error as error:  # such as a full disk: the lake has the events
            _LOGGER.warning("the page misses events: %s", type(error).__name__)
        with self._state:
            self._next = number
            for batch in batches:
                good, failed = self._totals.good, self._totals.failed
                self._totals = Totals(good + batch.good, failed + len(batch.rows) - batch.good)
                self._done = batch.done or self._done
            self._state.notify_all()
        return bool(batches)

    def _forget_oldest(self, following: int) -> None:
        count = len(self._sizes)
        while len(self._sizes) > self._max_events or (
            self._bytes > self._max_bytes and len(self._sizes) > 1
        ):
            self._bytes -= self._sizes.popleft()
        if len(self._sizes) < count:
            oldest = following - len(self._sizes)
            self._database.execute("DELETE FROM event WHERE number < ?", (oldest,))
            self._database.execute("DELETE FROM request WHERE number < ?", (oldest,))

    def _tell(self) -> None:
        with self._state:
            last, listeners = self._next - 1, list(self._listeners)
        for tell in listeners:
            tell(last)

    def totals(self) -> Totals:
        """How many came, also of those that are no longer kept."""
        with self._state:
            return self._totals

    def first_number(self) -> int:
        """The number that the first event had, or will have, since all were forgotten."""
        with self._state:
            return self._first

    def last_number(self) -> int:
        """The number of the latest event; they go up, and on after `clear`."""
        with self._state:
            return self._next - 1

    def clearings(self) -> int:
        """How often all events were forgotten."""
        with self._state:
            return self._clearings

    def clear(self) -> None:
        """Forget all events. The lake keeps them."""
        with self._working:
            self._write()
            self._database.execute("DELETE FROM event")
            self._database.execute("DELETE FROM request")
            with contextlib.suppress(sqlite3.Error):  # such as a full disk
                # Else what was deleted lies in free pages of the file, as long as it is open.
                self._database.execute("VACUUM")
            self._sizes.clear()
            self._bytes = 0
            with self._state:
                self._totals = Totals(0, 0)
                self._clearings += 1
                # No event has the number in between: who knows the last one before it can tell
                # that it is gone, also while none has come since.
                self._next += 1
                self._first = self._next
        self._tell()
        self._take_in()

    def wait_until_done(self, raw: int, bad: int, *, timeout_s: float) -> bool:
        """Wait until everything before these offsets of the logs is here; False: not in time."""
        with self._state:
            return self._state.wait_for(
                lambda: self._done[0] >= raw and self._done[1] >= bad, timeout_s
            )

    def listen(self, tell: Callable[[int], None]) -> Callable[[], None]:
        """Call `tell` with the latest number after each change; returns what ends that.

        It is called on whichever thread wrote, which may be one that asks: it must not wait for a
        lock that is held while asking.
        """
        with self._state:
            self._listeners.append(tell)

        def end() -> None:
            with self._state:
                if tell in self._listeners:
                    self._listeners.remove(tell)

        return end

    def find(
        self,
        wanted: Filter,
        *,
        limit: int,
        before: int | None = None,
        after: int | None = None,
        brief: bool = True,
    ) -> list[Row]:
        """The newest events that `wanted` describes, the newest first.

        Args:
            wanted: the filter.
            limit: at most that many.
            before: only events with lower numbers.
            after: only events with higher numbers.
            brief: without their documents.

        Raises:
            SearchTookTooLongError: it did.
        """
        condition, values = wanted.condition()
        if before is not None:
            condition += " AND number < ?"
            values.append(before)
        if after is not None:
            condition += " AND number > ?"
            values.append(after)
        columns = _BRIEF if brief else _WHOLE
        found = self.query(
            f"SELECT {columns} FROM event WHERE {condition} ORDER BY number DESC LIMIT ?",  # noqa: S608 - of literals
            [*values, limit],
        )
        return [_row(row) for row in found]

    def choices(self) -> dict[str, list[str]]:
        """What is filtered by: the most frequent values of the latest 10,000 events, by the column.

        In alphabetical order; empty where that takes too long: filters can be typed as well.
        """
        found: dict[str, list[str]] = {}
        after = self.last_number() - _CHOSEN_FROM
        for column, value in _CHOICES.items():
            try:
                rows = self.query(
                    f"SELECT {value} AS value FROM event WHERE number > ? AND value <> ''"  # noqa: S608 - of literals
                    " GROUP BY value ORDER BY count(*) DESC LIMIT ?",
                    [after, _MOST_CHOICES],
                )
            except SearchTookTooLongError:
                rows = []
            found[column] = sorted(row[0] for row in rows)
        return found

    def get(self, number: int) -> Row | None:
        """One event with its document; None where it is not kept."""
        found = self.query(_ONE, [number])
        return _row(found[0]) if found else None

    def record(self, number: int) -> bytes | None:
        """The record of the request of that number; None where it is not kept."""
        found = self.query("SELECT record FROM request WHERE number = ?", [number])
        return found[0][0] if found else None

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Run a SELECT of this package, within the limit of time.

        Raises:
            SearchTookTooLongError: it took longer.
        """
        with self.asking() as database:
            deadline = time.monotonic() + self._search_s
            database.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
            try:
                return list(database.execute(sql, values))
            except sqlite3.OperationalError as error:
                if time.monotonic() < deadline:
                    raise
                raise SearchTookTooLongError from error
            finally:
                database.set_progress_handler(None, 0)

    @contextlib.contextmanager
    def asking(self) -> Iterator[sqlite3.Connection]:
        """Have the database, with all that has come; what comes meanwhile is written after it."""
        try:
            with self._working:
                is_changed = self._write()
                yield self._database
        finally:
            self._take_in()
        if is_changed:
            self._tell()

    def close(self) -> None:
        """Forget everything."""
        with self._working:
            self._database.close()


@dataclass(frozen=True, slots=True)
class _Batch:
    """Events that came at once, and the records of their requests.

    Attributes:
        rows: their columns.
        sizes: in bytes; that of a record is in that of the last event of its request.
        good: how many are.
        requests: records, each after the place of that event in `rows`.
        done: see `RecentEvents.add`.
    """

    rows: list[list[Any]]
    sizes: list[int]
    good: int
    requests: list[tuple[int, bytes]]
    done: tuple[int, int] | None

    @classmethod
    def of(cls, found: Iterable[Entry], done: tuple[int, int] | None) -> _Batch:
        rows: list[list[Any]] = []
        sizes: list[int] = []
        good = 0
        last: dict[int, int] = {}  # of a record, by its identity: the place of its last event
        found = list(found)
        for at, entry in enumerate(found):
            document = entry.document
            folded, size = None, len(document)
            if not document.isascii():
                folded = document.casefold()
                size = sum(len(text.encode("utf-8", "replace")) for text in (document, folded))
            row: list[Any] = [*entry[:-1], folded, None, None]
            row[_ENTITIES] = f" {' '.join(entry.entities)} "
            rows.append(row)
            sizes.append(size)
            good += entry.status == "good"
            if entry.origin is not None:
                last[id(entry.origin.record)] = at
        requests: list[tuple[int, bytes]] = []
        for at, entry in enumerate(found if last else ()):
            if entry.origin is not None:
                record, rows[at][-1] = entry.origin
                rows[at][-2] = later = last[id(record)] - at
                if not later:
                    requests.append((at, record))
                    sizes[at] += len(record)
        return cls(rows, sizes, good, requests, done)


def _row(row: sqlite3.Row) -> Row:
    found = dict(row)
    found["entities"] = found["entities"].split()
    found["repeated"] = bool(found["repeated"])
    return found
