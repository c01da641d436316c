"""The event store: events that wait to be delivered, in SQLite.

A row is an event's own part and its level; what it shares with others, its template, is stored
once. Rows are read oldest first and deleted only once delivered, or dropped and counted.

Any thread may call; one lock and one connection serve them all, since the calls are short. None of
them is ever made by `track()`. Statements are few and large on purpose: each one lets go of the
interpreter lock, and while the app computes it may wait 5 ms to get it back, so a thousand
statements are five seconds.
"""

from __future__ import annotations

import contextlib
import enum
import os
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from whiteout.errors import EventStoreError
from whiteout.tracker.serialisation import loads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

_VERSION: Final = 1  # of the schema
_SCHEMA: Final = (
    """CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    level INTEGER NOT NULL,
    line INTEGER NOT NULL,
    template INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    event_index INTEGER NOT NULL,
    data TEXT NOT NULL
)""",
    "CREATE TABLE templates (id INTEGER PRIMARY KEY, text TEXT NOT NULL)",
    "CREATE TABLE journals (instance TEXT PRIMARY KEY, position INTEGER NOT NULL)",
    f"PRAGMA user_version = {_VERSION}",
)
_COLUMNS: Final = "level, line, template, event_id, created_ms, event_index, data"
_IS_OURS: Final = (
    f"SELECT id, {_COLUMNS} FROM events LIMIT 0",  # noqa: S608 - constants only
    "SELECT id, text FROM templates LIMIT 0",
    "SELECT instance, position FROM journals LIMIT 0",
)
_ROWS_A_STATEMENT: Final = (256, 32, 1)
_BUSY_TIMEOUT_S: Final = 2.0
_CHECKPOINT_PAGES: Final = 256  # 4 MiB of write-ahead log
_OLDEST: Final = f"""
SELECT coalesce(json_group_array(json_array(id, {_COLUMNS})), '[]') FROM (
    SELECT id, {_COLUMNS} FROM events
    WHERE id > ? AND id <= ? AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT ?
)
"""  # noqa: S608 - constants only

_LAST_ROW: Final = (1 << 63) - 1
_TEMPLATES: Final = "SELECT id, text FROM templates WHERE id IN (SELECT value FROM json_each(?))"


class FileId(NamedTuple):
    """Which file it is, whatever its name: one that was moved away keeps it."""

    device: int
    inode: int


class Unfit(enum.Enum):
    """Why a file will not do, now or later."""

    BROKEN = "was no database"
    FOREIGN = "was of another version"
    REPLACED = "was replaced"  # by another process, or removed: what is at its path may do


class StoreFaultError(EventStoreError):
    """What an event store raises.

    Attributes:
        unfit: why the file will not do; None: it is locked, full or the like, and may work again.
        file: the one that it came from; None: in memory, or none was opened.
    """

    def __init__(self, message: str, unfit: Unfit | None, file: FileId | None) -> None:
        super().__init__(message)
        self.unfit = unfit
        self.file = file


class NewEvent(NamedTuple):
    """An event to be stored; the fields are columns."""

    level: int
    line: int
    template: int
    event_id: str
    created_ms: int
    event_index: int
    data: str


class StoredEvent(NamedTuple):
    """A waiting event. `id` is the row, and the order in which events were stored."""

    id: int
    level: int
    line: int
    template: int
    event_id: str
    created_ms: int
    event_index: int
    data: str


class WaitingEvent(NamedTuple):
    """An event as it is sent from: text as UTF-8. `id` is its row, or its place in a journal."""

    id: int
    level: int
    line: int
    template: int
    event_id: bytes
    created_ms: int
    event_index: int
    data: bytes


def _since_ever() -> int:
    return 0


def _tell_nobody(_: int) -> None:
    """Nobody counts."""


class EventStore:
    """One namespace's waiting events.

    Owner of everything: `_lock`.

    Args:
        path: the database; None keeps it in memory.
        opens: False leaves the opening to the first call, and its fault too.
        not_before_ms: events of before are too old to be sent; asked at each reading for it.
        on_expired: called with how many were, once they are deleted.

    Attributes:
        file: which file it is the store of, once it was opened. Rows are those of this file: where
            another stands at the path, every call fails, and a store of its own must be made.

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
        self.file: FileId | None = None
        self._not_before_ms = not_before_ms
        self._on_expired = on_expired
        self._lock = threading.Lock()
        self._count = 0
        self._data_version = 0
        self._is_closed = False
        self.was_opened = False
        self.is_clean = False  # whether the files hold no trace of deleted events
        self._connection: sqlite3.Connection | None = None
        if opens:
            with self._statement("open"):
                pass

    @property
    def count(self) -> int:
        """How many events wait: exact after `refresh`; other processes may change it meanwhile."""
        return self._count

    def refresh(self) -> int:
        """Count anew if another process has changed the database, and say how many events wait.

        Raises:
            EventStoreError: it cannot be read.
        """
        with self._statement("read") as connection:
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            if version != self._data_version:
                self._data_version = version
                (self._count,) = connection.execute("SELECT count(*) FROM events").fetchone()
            return self._count

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
        with self._transaction("add") as connection:
            # Each time: another process may have dropped a template that no event used.
            connection.executemany(
                "INSERT OR IGNORE INTO templates VALUES (?, ?)", list(templates.items())
            )
            last_id = _insert(connection, events)
            if moved is not None:
                connection.execute("INSERT OR REPLACE INTO journals VALUES (?, ?)", moved)
            self._count += len(events)
        return last_id - len(events) + 1

    def oldest(
        self, limit: int, *, after: int = 0, without: Iterable[int] = ()
    ) -> list[StoredEvent]:
        """The oldest waiting events, at most `limit`, with ids above `after` and not in `without`.

        Raises:
            EventStoreError: they cannot be read.
        """
        parameters = (after, _LAST_ROW, "[" + ",".join(map(str, without)) + "]", limit)
        with self._statement("read") as connection:
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
        with self._statement("read") as connection:
            connection.execute("BEGIN")
            try:
                (text,) = connection.execute(_OLDEST, parameters).fetchone()
                events = [_waiting(*row) for row in loads(text)]
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
        with self._statement("read") as connection:
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
        with self._statement("read") as connection:
            row = connection.execute(
                "SELECT text FROM templates WHERE id = ?", (template_id,)
            ).fetchone()
        return None if row is None else str(row[0])

    def remove(self, ids: Iterable[int]) -> int:
        """Delete events, and say how many were there.

        Raises:
            EventStoreError: they are all still there.
        """
        with self._transaction("remove") as connection:
            removed = connection.execute(
                "DELETE FROM events WHERE id IN (SELECT value FROM json_each(?))",
                ("[" + ",".join(map(str, ids)) + "]",),
            ).rowcount
            self._count = max(0, self._count - removed)
            if not self._count:
                _drop_unused_templates(connection)  # they hold identifiers as well
            self.is_clean = False
        return removed

    def last_id(self) -> int:
        """The id of the newest event; 0 where none waits.

        Raises:
            EventStoreError: it cannot be read.
        """
        with self._statement("read") as connection:
            return int(connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0])

    def has_up_to(self, event_row: int, *, without: Iterable[int] = ()) -> bool:
        """Whether an event with an id of at most `event_row`, and not in `without`, still waits.

        Raises:
            EventStoreError: it cannot be read.
        """
        with self._statement("read") as connection:
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
        with self._statement("read") as connection:
            row = connection.execute("SELECT count(*) FROM events WHERE id <= ?", (event_row,))
            return int(row.fetchone()[0])

    def position(self, instance: str) -> int:
        """Up to where a journal has been moved; 0: not at all.

        Raises:
            EventStoreError: it cannot be read.
        """
        with self._statement("read") as connection:
            row = connection.execute(
                "SELECT position FROM journals WHERE instance = ?", (instance,)
            ).fetchone()
        return 0 if row is None else int(row[0])

    def forget_journal(self, instance: str) -> None:
        """The journal's files are gone: its position is of no use any more.

        Raises:
            EventStoreError: it cannot be written.
        """
        with self._transaction("write") as connection:
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
        with self._transaction("rewrite") as connection:
            texts = dict(connection.execute("SELECT id, text FROM templates"))
            rows = connection.execute(f"SELECT id, {_COLUMNS} FROM events ORDER BY id")  # noqa: S608 - constants only
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
            self._count = max(0, self._count - len(deleted))
        self.scrub()
        return len(deleted)

    def trim(self, *, max_events: int, not_before_ms: int) -> int:
        """Drop what is too old, then the oldest beyond `max_events`; say how many went.

        Raises:
            EventStoreError: nothing was dropped.
        """
        with self._transaction("trim") as connection:
            dropped = connection.execute(
                "DELETE FROM events WHERE created_ms < ?", (not_before_ms,)
            ).rowcount
            dropped += connection.execute(
                "DELETE FROM events WHERE id <= coalesce("
                "(SELECT id FROM events ORDER BY id DESC LIMIT 1 OFFSET ?), 0)",
                (max_events,),
            ).rowcount
            _drop_unused_templates(connection)
            (self._count,) = connection.execute("SELECT count(*) FROM events").fetchone()
        return dropped

    def drop_beyond(self, max_events: int) -> int:
        """Drop the oldest beyond `max_events`; say how many went. Cheap, unlike `trim`.

        Raises:
            EventStoreError: nothing was dropped.
        """
        too_many = self.refresh() - max_events
        if too_many <= 0:
            return 0
        with self._transaction("trim") as connection:
            dropped = connection.execute(
                "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY id LIMIT ?)",
                (too_many,),
            ).rowcount
            self._count = max(0, self._count - dropped)
        return dropped

    def clear(self) -> int:
        """Delete every event and template, leave no trace in the files, and say how many went.

        Raises:
            EventStoreError: nothing was deleted.
        """
        with self._transaction("clear") as connection:
            removed = connection.execute("DELETE FROM events").rowcount
            connection.execute("DELETE FROM templates")
            self._count = 0
        self.scrub()
        return removed

    def tidy(self) -> None:
        """Where no event waits any more, leave no trace of those that did.

        Raises:
            EventStoreError: the database cannot be written.
        """
        if not self.is_clean and not self.refresh():
            self.scrub()

    def scrub(self) -> None:
        """Leave no trace of deleted events, in templates or the write-ahead log (pages are zeroed).

        While another process reads, the log stays: see `is_clean`.

        Raises:
            EventStoreError: the database cannot be written.
        """
        with self._transaction("scrub") as connection:
            _drop_unused_templates(connection)
        with self._statement("checkpoint") as connection:
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self.is_clean = not busy

    def probe(self) -> None:
        """Write something that is there already.

        Raises:
            EventStoreError: the database cannot be written.
        """
        with self._transaction("write") as connection:
            connection.execute(f"PRAGMA user_version = {_VERSION}")

    def stops_waiting(self, timeout_s: float) -> bool:
        """Let no call wait for another process any more; False: one does, or would have to.

        Args:
            timeout_s: seconds that a call of another thread may take meanwhile.
        """
        if not self._lock.acquire(timeout=timeout_s):
            return False
        try:
            if self._connection is None:
                return False
            self._connection.execute("PRAGMA busy_timeout = 0")
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            return False
        else:
            return True
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close the database for good."""
        with self._lock:
            self._is_closed = True
            self._disconnect()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other thread out, and have no database open: what a fork needs.

        SQLite's locks belong to a process, but what it knows of them is copied by a fork. With a
        connection open, the child would believe that it holds locks which only its parent has, and
        the parent, on closing, would delete the write-ahead log that the child still writes to.
        The next call opens the database again, in each process anew.
        """
        with self._lock:
            if self.path is not None:
                self._disconnect()
            yield

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        if self.path is not None:
            _make_private(self.path)
            self.file = self.file or file_at(self.path)
        connection = sqlite3.connect(
            ":memory:" if self.path is None else self.path,
            timeout=_BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute(
                "PRAGMA page_size = 16384"
            )  # rows of half a kilobyte: fewer pages to a group than with 4096
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            self._make_or_check_tables(connection)
            (self._data_version,) = connection.execute("PRAGMA data_version").fetchone()
            (self._count,) = connection.execute("SELECT count(*) FROM events").fetchone()
            self._check_file("open")
        except BaseException:
            connection.close()
            raise
        self.was_opened = True
        return connection

    def _make_or_check_tables(self, connection: sqlite3.Connection) -> None:
        if not _makes_or_has_tables(connection):
            raise self._unfit("open", Unfit.FOREIGN)

    def _check_file(self, verb: str) -> None:
        """SQLite goes on with a file that was moved away, and nobody else finds what it writes."""
        if self.path is not None and self.file is not None and file_at(self.path) != self.file:
            raise self._unfit(verb, Unfit.REPLACED)

    def _unfit(self, verb: str, why: Unfit) -> StoreFaultError:
        message = f"the event store failed to {verb}: the file {why.value}"
        return StoreFaultError(message, why, self.file)

    @contextmanager
    def _transaction(self, verb: str) -> Iterator[sqlite3.Connection]:
        with self._statement(verb) as connection:
            connection.execute("BEGIN IMMEDIATE")
            count = self._count
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                self._count = count
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            self._check_file(verb)  # moved away meanwhile: what was written is lost with it

    @contextmanager
    def _statement(self, verb: str) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._is_closed:
                    raise sqlite3.ProgrammingError("closed")
                self._check_file(verb)
                if self._connection is None:
                    self._connection = self._open()
                yield self._connection
            except sqlite3.Error as error:
                raise self._fault(verb, error) from error

    def _fault(self, verb: str, error: sqlite3.Error) -> StoreFaultError:
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        is_broken = name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
        message = f"the event store failed to {verb}: {name}"
        return StoreFaultError(message, Unfit.BROKEN if is_broken else None, self.file)


def file_at(path: Path) -> FileId | None:
    """Which file stands there; None: none that can be seen.

    Never by opening it: closing any descriptor of a file drops SQLite's locks on it.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    return FileId(found.st_dev, found.st_ino)


def set_aside(path: Path, now_ms: int) -> Path:
    """Move a database and its side files out of the way; the new name is returned.

    What was set aside before is erased: one is enough to look into, and events in it will never be
    sent. The side files go first: left behind, they would be taken for those of the new database.

    Raises:
        OSError: it cannot be moved.
    """
    target = path.with_name(f"{path.name}.corrupt-{now_ms}")
    for suffix in ("-wal", "-shm"):
        side = path.with_name(path.name + suffix)
        if side.exists():
            side.replace(target.with_name(target.name + suffix))
    path.replace(target)
    forget_set_aside(path, keep=target)
    return target


def forget_set_aside(path: Path, *, keep: Path | None = None) -> bool:
    """Erase what `set_aside` moved away from `path`, but for `keep`; False: the disk refused."""
    complete = True
    for broken in path.parent.glob(f"{path.name}.corrupt-*"):
        if keep is not None and broken.name.startswith(keep.name):
            continue
        try:
            broken.unlink(missing_ok=True)
        except OSError:
            complete = False
    return complete


def _makes_or_has_tables(connection: sqlite3.Connection) -> bool:
    """Make the tables where there are none; False: those that are there are not ours."""
    if not _version(connection):
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Asked again: another process may have made them just now.
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            for statement in () if tables else _SCHEMA:
                connection.execute(statement)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    if _version(connection) != _VERSION:
        return False
    try:
        for question in _IS_OURS:
            connection.execute(question)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname == "SQLITE_ERROR":  # no such table, or column
            return False
        raise
    return True


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _make_private(path: Path) -> None:
    """Make the file before SQLite does, which would let anybody read it; its logs follow suit."""
    with contextlib.suppress(OSError):
        # Never one that is there: closing any descriptor of a file drops SQLite's locks on it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _waiting(  # noqa: PLR0913, PLR0917 - the columns
    row: int,
    level: int,
    line: int,
    template: int,
    event_id: str,
    created_ms: int,
    event_index: int,
    data: str,
) -> WaitingEvent:
    return WaitingEvent(
        row, level, line, template, event_id.encode(), created_ms, event_index, data.encode()
    )


def _insert(connection: sqlite3.Connection, events: Sequence[NewEvent]) -> int:
    """Insert rows, which get ids without gaps; the last of them."""
    start = last_id = 0
    for size in _ROWS_A_STATEMENT:
        statement = (
            f"INSERT INTO events ({_COLUMNS}) VALUES "  # noqa: S608 - constants only
            + ",".join(["(?,?,?,?,?,?,?)"] * size)
        )
        while len(events) - start >= size:
            values = [value for event in events[start : start + size] for value in event]
            last_id = connection.execute(statement, values).lastrowid or 0
            start += size
    return last_id


def _drop_unused_templates(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM templates WHERE id NOT IN (SELECT template FROM events)")
