"""The event store: events that wait to be delivered, in SQLite.

Rows are read oldest first and deleted only once delivered, or dropped and counted.

Any thread may call, since the calls are short; none is ever made by `track()`. Statements are few
and large on purpose: each one lets go of the interpreter lock, and while the app computes it may
wait 5 ms to get it back, so a thousand statements are five seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whiteout.identifiers import Anonymisation
from whiteout.tracker.event_database import EventDatabase
from whiteout.tracker.event_rows import EVENT_COLUMNS, StoredEvent, waiting
from whiteout.tracker.serialisation import loads

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from whiteout.tracker.event_database import FileId
    from whiteout.tracker.event_rows import NewEvent, WaitingEvent

_ROWS_A_STATEMENT: Final = (256, 32, 1)
_OLDEST: Final = f"""
SELECT coalesce(json_group_array(json_array(id, {EVENT_COLUMNS})), '[]') FROM (
    SELECT id, {EVENT_COLUMNS} FROM events
    WHERE id > ? AND id <= ? AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT ?
)
"""  # noqa: S608 - constants only

_LAST_ROW: Final = (1 << 63) - 1
_TEMPLATES: Final = "SELECT id, text FROM templates WHERE id IN (SELECT value FROM json_each(?))"
_IDENTIFIED: Final = "SELECT EXISTS (SELECT 1 FROM events WHERE level & ? = 0)"


def _since_ever() -> int:
    return 0


def _tell_nobody(_: int) -> None:
    """Nobody counts."""


class EventStore:
    """One namespace's waiting events.

    Args:
        path: the database; None keeps it in memory.
        opens: False leaves the opening to the first call, and its fault too.
        not_before_ms: events of before are too old to be sent; asked at each reading for it.
        on_expired: called with how many were, once they are deleted.

    Attributes:
        is_clean: whether the files hold no trace of deleted events.

    Raises:
        StoreFaultError: the database cannot be opened.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        opens: bool = True,
        not_before_ms: Callable[[], int] = _since_ever,
        on_expired: Callable[[int], object] = _tell_nobody,
    ) -> None:
        self.path = path
        self._not_before_ms = not_before_ms
        self._on_expired = on_expired
        self._database = EventDatabase(path)
        self.is_clean = False
        if opens:
            with self._database.statement("open"):
                pass

    @property
    def file(self) -> FileId | None:
        """Which file it is the store of, once it was opened.

        Rows are those of this file: where another stands at the path, every call fails, and a store
        of its own must be made.
        """
        return self._database.file

    @property
    def was_opened(self) -> bool:
        """Whether the database could ever be opened."""
        return self._database.was_opened

    @property
    def count(self) -> int:
        """How many events wait: exact after `refresh`; other processes may change it meanwhile."""
        return self._database.count

    def refresh(self) -> int:
        """Count anew if another process has changed the database, and say how many events wait.

        Raises:
            EventStoreError: it cannot be read.
        """
        return self._database.refresh()

    def add(
        self,
        events: Sequence[NewEvent],
        templates: Mapping[int, str],
        *,
        moved: tuple[str, int] | None = None,
    ) -> int:
        """Store events, the templates they name, and how far a journal has been moved; or nothing.

        Args:
            events: in the order they were tracked.
            templates: the text of every template that `events` name, by id.
            moved: a journal's instance, and the position up to which `events` take it.

        Returns:
            the id of the first event; the others have the ids after it.

        Raises:
            EventStoreError: nothing was stored.
        """
        with self._database.transaction("add") as connection:
            # Each time: another process may have dropped a template that no event used.
            connection.executemany(
                "INSERT OR IGNORE INTO templates VALUES (?, ?)", list(templates.items())
            )
            last_id = _insert(connection, events)
            if moved is not None:
                connection.execute("INSERT OR REPLACE INTO journals VALUES (?, ?)", moved)
            self._database.count += len(events)
        return last_id - len(events) + 1

    def oldest(
        self, limit: int, *, after: int = 0, without: Iterable[int] = ()
    ) -> list[StoredEvent]:
        """The oldest waiting events, at most `limit`, with ids above `after` and not in `without`.

        Raises:
            EventStoreError: they cannot be read.
        """
        parameters = (after, _LAST_ROW, "[" + ",".join(map(str, without)) + "]", limit)
        with self._database.statement("read") as connection:
            (text,) = connection.execute(_OLDEST, parameters).fetchone()
        return [StoredEvent(*row) for row in loads(text)]

    def emittable(
        self, limit: int, *, after: int = 0, up_to: int = _LAST_ROW, without: Iterable[int] = ()
    ) -> tuple[list[WaitingEvent], dict[int, str]]:
        """The oldest waiting events, as for `oldest`, and their templates, as of one moment.

        Those that are too old to be sent are deleted instead.

        Args:
            limit: how many at most.
            after: rows above this one.
            up_to: rows up to this one.
            without: but not these.

        Raises:
            EventStoreError: they cannot be read, or not be deleted.
        """
        parameters = (after, up_to, "[" + ",".join(map(str, without)) + "]", limit)
        while True:
            events, texts = self._emittable(parameters)
            not_before_ms = self._not_before_ms()
            old = [event.id for event in events if event.created_ms < not_before_ms]
            if not old:
                return events, texts
            self._on_expired(self.remove(old))
            if len(old) < len(events):
                return [event for event in events if event.created_ms >= not_before_ms], texts

    def _emittable(
        self, parameters: tuple[int, int, str, int]
    ) -> tuple[list[WaitingEvent], dict[int, str]]:
        with self._database.statement("read") as connection:
            connection.execute("BEGIN")
            try:
                (text,) = connection.execute(_OLDEST, parameters).fetchone()
                events = [waiting(*row) for row in loads(text)]
                keys = ",".join(map(str, {event.template for event in events}))
                texts = dict(connection.execute(_TEMPLATES, (f"[{keys}]",)).fetchall())
            finally:
                connection.execute("ROLLBACK")
        return events, texts

    def waits(self, ids: Sequence[int], level: int) -> bool:
        """Whether all these events still wait, and at this level.

        Raises:
            EventStoreError: it cannot be read.
        """
        with self._database.statement("read") as connection:
            (count,) = connection.execute(
                "SELECT count(*) FROM events WHERE level = ?"
                " AND id IN (SELECT value FROM json_each(?))",
                (level, "[" + ",".join(map(str, ids)) + "]"),
            ).fetchone()
        return int(count) == len(ids)

    def template(self, template_id: int) -> str | None:
        """The text of a template; None: it is not there.

        Raises:
            EventStoreError: it cannot be read.
        """
        with self._database.statement("read") as connection:
            row = connection.execute(
                "SELECT text FROM templates WHERE id = ?", (template_id,)
            ).fetchone()
        return None if row is None else str(row[0])

    def remove(self, ids: Iterable[int]) -> int:
        """Delete events, and say how many were there.

        Raises:
            EventStoreError: they are all still there.
        """
        with self._database.transaction("remove") as connection:
            removed = connection.execute(
                "DELETE FROM events WHERE id IN (SELECT value FROM json_each(?))",
                ("[" + ",".join(map(str, ids)) + "]",),
            ).rowcount
            self._database.count = max(0, self._database.count - removed)
            if not self._database.count:
                _drop_unused_templates(connection)  # they hold identifiers as well
            self.is_clean = False
        return removed

    def last_id(self) -> int:
        """The id of the newest event; 0 where none waits.

        Raises:
            EventStoreError: it cannot be read.
        """
        with self._database.statement("read") as connection:
            return int(connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0])

    def has_up_to(self, event_row: int, *, without: Iterable[int] = ()) -> bool:
        """Whether an event with an id of at most `event_row`, and not in `without`, still waits.

        Raises:
            EventStoreError: it cannot be read.
        """
        with self._database.statement("read") as connection:
            row = connection.execute(
                "SELECT 1 FROM events WHERE id <= ?"
                " AND id NOT IN (SELECT value FROM json_each(?)) LIMIT 1",
                (event_row, "[" + ",".join(map(str, without)) + "]"),
            )
            return row.fetchone() is not None

    def count_up_to(self, event_row: int) -> int:
        """How many events with an id of at most `event_row` wait.

        Raises:
            EventStoreError: it cannot be read.
        """
        with self._database.statement("read") as connection:
            row = connection.execute("SELECT count(*) FROM events WHERE id <= ?", (event_row,))
            return int(row.fetchone()[0])

    def position(self, instance: str) -> int:
        """Up to where a journal has been moved; 0: not at all.

        Raises:
            EventStoreError: it cannot be read.
        """
        with self._database.statement("read") as connection:
            row = connection.execute(
                "SELECT position FROM journals WHERE instance = ?", (instance,)
            ).fetchone()
        return 0 if row is None else int(row[0])

    def forget_journal(self, instance: str) -> None:
        """The journal's files are gone: its position is of no use any more.

        Raises:
            EventStoreError: it cannot be written.
        """
        with self._database.transaction("write") as connection:
            connection.execute("DELETE FROM journals WHERE instance = ?", (instance,))

    def rewrite(self, change: Callable[[StoredEvent, str], tuple[NewEvent, str] | None]) -> int:
        """Pass every waiting event through `change`, in one transaction, oldest first.

        Args:
            change: from an event and its template's text to both anew; None deletes the event.
                The event itself, unchanged, leaves the row alone.

        Returns:
            how many events were deleted.

        Raises:
            EventStoreError: nothing was changed.
        """
        deleted: list[tuple[int]] = []
        with self._database.transaction("rewrite") as connection:
            texts = dict(connection.execute("SELECT id, text FROM templates"))
            rows = connection.execute(f"SELECT id, {EVENT_COLUMNS} FROM events ORDER BY id")  # noqa: S608 - constants only
            for row in rows.fetchall():
                stored = StoredEvent(*row)
                changed = change(stored, texts.get(stored.template, ""))
                if changed is None:
                    deleted.append((stored.id,))
                    continue
                event, text = changed
                if event == stored[1:]:
                    continue
                connection.execute(
                    "INSERT OR IGNORE INTO templates VALUES (?, ?)", (event.template, text)
                )
                connection.execute(
                    "UPDATE events SET level=?, line=?, template=?, event_id=?, created_ms=?,"
                    " event_index=?, data=? WHERE id=?",
                    (*event, stored.id),
                )
            connection.executemany("DELETE FROM events WHERE id = ?", deleted)
            _drop_unused_templates(connection)
            self._database.count = max(0, self._database.count - len(deleted))
        self.scrub()
        return len(deleted)

    def trim(self, *, max_events: int, not_before_ms: int) -> int:
        """Drop what is too old, then the oldest beyond `max_events`; say how many went.

        Raises:
            EventStoreError: nothing was dropped.
        """
        with self._database.transaction("trim") as connection:
            dropped = connection.execute(
                "DELETE FROM events WHERE created_ms < ?", (not_before_ms,)
            ).rowcount
            dropped += connection.execute(
                "DELETE FROM events WHERE id <= coalesce("
                "(SELECT id FROM events ORDER BY id DESC LIMIT 1 OFFSET ?), 0)",
                (max_events,),
            ).rowcount
            _drop_unused_templates(connection)
            (self._database.count,) = connection.execute("SELECT count(*) FROM events").fetchone()
        return dropped

    def drop_beyond(self, max_events: int) -> int:
        """Drop the oldest beyond `max_events`; say how many went. Cheap, unlike `trim`.

        Raises:
            EventStoreError: nothing was dropped.
        """
        too_many = self.refresh() - max_events
        if too_many <= 0:
            return 0
        with self._database.transaction("trim") as connection:
            dropped = connection.execute(
                "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY id LIMIT ?)",
                (too_many,),
            ).rowcount
            self._database.count = max(0, self._database.count - dropped)
        return dropped

    def clear(self) -> int:
        """Delete every event and template, leave no trace in the files, and say how many went.

        Raises:
            EventStoreError: nothing was deleted.
        """
        with self._database.transaction("clear") as connection:
            removed = connection.execute("DELETE FROM events").rowcount
            connection.execute("DELETE FROM templates")
            self._database.count = 0
        self.scrub()
        return removed

    def tidy(self) -> None:
        """Where no event waits that may say who the user is, leave no trace of those that did.

        Raises:
            EventStoreError: the database cannot be written.
        """
        if not self.is_clean and not (self.refresh() and self._has_identified()):
            self.scrub()

    def _has_identified(self) -> bool:
        with self._database.statement("read") as connection:
            (found,) = connection.execute(_IDENTIFIED, (Anonymisation.USER.value,)).fetchone()
            return bool(found)

    def scrub(self) -> None:
        """Leave no trace of deleted events, in templates or the write-ahead log (pages are zeroed).

        While another process reads, the log stays: see `is_clean`.

        Raises:
            EventStoreError: the database cannot be written.
        """
        with self._database.transaction("scrub") as connection:
            _drop_unused_templates(connection)
        with self._database.statement("checkpoint") as connection:
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self.is_clean = not busy

    def probe(self) -> None:
        """Write something that is there already.

        Raises:
            EventStoreError: the database cannot be written.
        """
        self._database.probe()

    def stops_waiting(self, timeout_s: float) -> bool:
        """Let no call wait for another process any more; False: one does, or would have to.

        Args:
            timeout_s: seconds that a call of another thread may take meanwhile.
        """
        return self._database.stops_waiting(timeout_s)

    def held(self) -> AbstractContextManager[None]:
        """Keep every other thread out, and have no database open: what a fork needs."""
        return self._database.held()

    def close(self) -> None:
        """Close the database for good."""
        self._database.close()


def _insert(connection: sqlite3.Connection, events: Sequence[NewEvent]) -> int:
    """Insert rows, which get ids without gaps; the last of them."""
    start = last_id = 0
    for size in _ROWS_A_STATEMENT:
        statement = (
            f"INSERT INTO events ({EVENT_COLUMNS}) VALUES "  # noqa: S608 - constants only
            + ",".join(["(?,?,?,?,?,?,?)"] * size)
        )
        while len(events) - start >= size:
            values = [value for event in events[start : start + size] for value in event]
            last_id = connection.execute(statement, values).lastrowid or 0
            start += size
    return last_id


def _drop_unused_templates(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM templates WHERE id NOT IN (SELECT template FROM events)")
