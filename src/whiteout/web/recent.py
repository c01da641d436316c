"""The latest events, for the page and its API: bounded, and gone with the process.

They lie in a database without a name: SQLite keeps a little of it in memory, the rest in a file
that is deleted before it is used, so that not even `kill -9` leaves anything behind. The lake is
where events are kept; this is a window on it.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from whiteout.web import entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from whiteout.lake.loaded import Loaded
    from whiteout.web.entries import Entry

MAX_EVENTS = 100_000
MAX_BYTES = 256 * 1024 * 1024
_CACHE_KIB = 4_096
_STEPS = 20_000  # of SQLite's machine, between two looks at the clock
_LOGGER = logging.getLogger(__name__)

_COLUMNS = (
    "status type name schema app_id session level event_id entities tracked_ms sent_ms collected_ms"
    " enriched_ms stored_ms vendor version repeated document"
).split()
_BRIEF = ", ".join(["number", *(name for name in _COLUMNS if name != "document")])
_MAKE = f"""
CREATE TABLE event (number INTEGER PRIMARY KEY, {", ".join(_COLUMNS)});
CREATE INDEX by_session ON event (session, number) WHERE session IS NOT NULL;
CREATE INDEX by_name ON event (status, name, number);
"""
_ADD = f"INSERT INTO event VALUES (?{', ?' * len(_COLUMNS)})"  # noqa: S608 - of literals

_CHOICES = ("name", "schema", "app_id")
_MOST_CHOICES = 50

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which events are asked for; None is no condition, and all conditions hold together.

    Attributes:
        status: good or failed ones.
        type: exactly, see `Entry`.
        name: exactly, see `Entry`.
        schema: exactly.
        app_id: exactly.
        session: exactly.
        level: the level's bits, exactly.
        entities: schemas of entities, all of which the event has.
        vendor: of a failed event's request.
        version: the same.
        text: anywhere in the event, in any case.
    """

    status: Literal["good", "failed"] | None = None
    type: str | None = None
    name: str | None = None
    schema: str | None = None
    app_id: str | None = None
    session: str | None = None
    level: int | None = None
    entities: Sequence[str] = ()
    vendor: str | None = None
    version: str | None = None
    text: str | None = None

    def condition(self) -> tuple[str, list[Any]]:
        """SQL and its arguments."""
        parts, values = ["1"], list[Any]()
        names = (
            "status",
            "type",
            "name",
            "schema",
            "app_id",
            "session",
            "level",
            "vendor",
            "version",
        )
        for name in names:
            value = getattr(self, name)
            if value is not None:
                parts.append(f"{name} = ?")
                values.append(value)
        for entity in self.entities:
            parts.append("instr(entities, ?) > 0")
            values.append(f" {entity} ")
        if self.text:
            parts.append("document LIKE ? ESCAPE '\\'")
            values.append(f"%{_escaped(self.text)}%")
        return " AND ".join(parts), values


@dataclass(frozen=True, slots=True)
class Totals:
    """How many events came since the start, or since they were last emptied."""

    good: int
    failed: int


class SearchTookTooLongError(Exception):
    """A search met its limit of time."""


class RecentEvents:
    """The latest events. Any thread may call; a lock keeps one at a time.

    Args:
        max_events: beyond them the oldest go.
        max_bytes: of their texts, the same.
        search_s: how long one search may take.
    """

    def __init__(
        self,
        *,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
        search_s: float = 3.0,
    ) -> None:
        self._max_events, self._max_bytes, self._search_s = max_events, max_bytes, search_s
        self._changed = threading.Condition()
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._database.row_factory = sqlite3.Row
        self._database.executescript(
            f"PRAGMA cache_size=-{_CACHE_KIB}; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            f"{_MAKE}"
        )
        self._next = 1
        self._bytes = 0
        self._totals = Totals(0, 0)
        self._clearings = 0
        self._done = (0, 0)
        self._is_broken = False
        self._listeners: list[Callable[[int], None]] = []

    def observe(self, loaded: Loaded) -> None:
        """Take what a commit brought. Never raises: the loader does not stop for a page."""
        stored_ms = loaded.load_us // 1000
        try:
            found = [entries.of_event(event, stored_ms=stored_ms) for event in loaded.events]
            found += [
                entries.of_event(event, stored_ms=stored_ms, repeated=True)
                for event in loaded.repeated
            ]
            found += [entries.of_failed(failed, stored_ms=stored_ms) for failed in loaded.failed]
            # In the order of their coming, as far as the collector's clock tells it.
            found.sort(key=lambda entry: entry.collected_ms or entry.enriched_ms or 0)
            self.add(found, done=(loaded.raw_next, loaded.bad_next))
        except Exception as error:  # noqa: BLE001 - whatever it is, the lake has the events
            _LOGGER.warning("the page misses events: %s", type(error).__name__)

    def add(self, found: Iterable[Entry], *, done: tuple[int, int] | None = None) -> None:
        """Add events, the oldest first.

        Args:
            found: the events.
            done: offsets of the two logs before which everything is here now.
        """
        with self._changed:
            good = failed = 0
            rows = []
            for entry in found:
                rows.append((self._next, *_values(entry)))
                self._next += 1
                self._bytes += len(entry.document)
                if entry.status == "good":
                    good += 1
                else:
                    failed += 1
            self._database.executemany(_ADD, rows)
            self._totals = Totals(self._totals.good + good, self._totals.failed + failed)
            self._forget_oldest()
            if done is not None:
                self._done = done
            self._changed.notify_all()
            last, listeners = self._next - 1, list(self._listeners)
        for tell in listeners:
            tell(last)

    def _forget_oldest(self) -> None:
        first = self._database.execute("SELECT min(number) FROM event").fetchone()[0]
        if first is None:
            return
        excess = self._next - first - self._max_events
        while excess > 0 or self._bytes > self._max_bytes:
            until = first + max(excess, self._max_events // 100, 1)
            gone = self._database.execute(
                "SELECT total(length(document)) FROM event WHERE number < ?", (until,)
            ).fetchone()[0]
            self._database.execute("DELETE FROM event WHERE number < ?", (until,))
            self._bytes -= int(gone)
            excess, first = excess - (until - first), until
            if first >= self._next:
                return

    def totals(self) -> Totals:
        """How many came, also of those that are no longer kept."""
        with self._changed:
            return self._totals

    def last_number(self) -> int:
        """The number of the latest event; they go up from 1, and on after `clear`."""
        with self._changed:
            return self._next - 1

    def clearings(self) -> int:
        """How often all events were forgotten."""
        with self._changed:
            return self._clearings

    def clear(self) -> None:
        """Forget all events. The lake keeps them."""
        with self._changed:
            self._database.execute("DELETE FROM event")
            self._bytes = 0
            self._totals = Totals(0, 0)
            self._clearings += 1
            last, listeners = self._next - 1, list(self._listeners)
        for tell in listeners:
            tell(last)

    def wait_until_done(self, raw: int, bad: int, *, timeout_s: float) -> bool:
        """Wait until everything before these offsets of the logs is here; False: not in time."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._done[0] >= raw and self._done[1] >= bad, timeout_s
            )

    def listen(self, tell: Callable[[int], None]) -> Callable[[], None]:
        """Call `tell` with the latest number after each change; returns what ends that."""
        with self._changed:
            self._listeners.append(tell)

        def end() -> None:
            with self._changed:
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
        columns = _BRIEF if brief else "*"
        found = self.query(
            f"SELECT {columns} FROM event WHERE {condition} ORDER BY number DESC LIMIT ?",  # noqa: S608 - of literals
            [*values, limit],
        )
        return [_row(row) for row in found]

    def choices(self) -> dict[str, list[str]]:
        """The most frequent values of what is filtered by, by the column, in alphabetical order.

        Empty where that takes too long: filters can be typed as well.
        """
        found: dict[str, list[str]] = {}
        for column in _CHOICES:
            try:
                rows = self.query(
                    f"SELECT {column} FROM event WHERE {column} <> '' GROUP BY {column}"  # noqa: S608 - of literals
                    " ORDER BY count(*) DESC LIMIT ?",
                    [_MOST_CHOICES],
                )
            except SearchTookTooLongError:
                rows = []
            found[column] = sorted(row[0] for row in rows)
        return found

    def get(self, number: int) -> Row | None:
        """One event with its document; None where it is not kept."""
        found = self.query("SELECT * FROM event WHERE number = ?", [number])
        return _row(found[0]) if found else None

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Run a SELECT of this package, within the limit of time.

        Raises:
            SearchTookTooLongError: it took longer.
        """
        with self._changed:
            deadline = time.monotonic() + self._search_s
            self._database.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
            try:
                return list(self._database.execute(sql, values))
            except sqlite3.OperationalError as error:
                if time.monotonic() < deadline:
                    raise
                raise SearchTookTooLongError from error
            finally:
                self._database.set_progress_handler(None, 0)

    def close(self) -> None:
        """Forget everything."""
        with self._changed:
            self._database.close()


def _values(entry: Entry) -> list[Any]:
    values = [getattr(entry, name) for name in _COLUMNS]
    values[_COLUMNS.index("entities")] = f" {' '.join(entry.entities)} "
    values[_COLUMNS.index("repeated")] = int(entry.repeated)
    return values


def _row(row: sqlite3.Row) -> Row:
    found = dict(row)
    found["entities"] = found["entities"].split()
    found["repeated"] = bool(found["repeated"])
    return found


def _escaped(text: str) -> str:
    for mark in "\\%_":
        text = text.replace(mark, f"\\{mark}")
    return text
