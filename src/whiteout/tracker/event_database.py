"""The database of the event store: one SQLite file, its connection, and what can be wrong with it.

Any thread may call; one lock and one connection serve them all, since the calls are short.
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
from whiteout.tracker.event_rows import EVENT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator
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
_IS_OURS: Final = (
    f"SELECT id, {EVENT_COLUMNS} FROM events LIMIT 0",  # noqa: S608 - constants only
    "SELECT id, text FROM templates LIMIT 0",
    "SELECT instance, position FROM journals LIMIT 0",
)
_BUSY_TIMEOUT_S: Final = 2.0
_CHECKPOINT_PAGES: Final = 256  # 4 MiB of write-ahead log


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


class EventDatabase:
    """One namespace's database: made where there is none, opened by the first call that needs it.

    Owner of the connection: `_lock`, which every statement holds.

    Args:
        path: the file; None keeps it in memory.

    Attributes:
        file: which file it is, once it was opened. Rows are those of this file: where another
            stands at the path, every call fails, and a database of its own must be made.
        was_opened: whether that ever worked.
        count: how many events wait: exact after `refresh`; other processes may change it meanwhile.
            Who changes it does so within a transaction, and gets it back where that fails.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.file: FileId | None = None
        self.was_opened = False
        self.count = 0
        self._data_version = 0
        self._lock = threading.Lock()
        self._is_closed = False
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def statement(self, verb: str) -> Iterator[sqlite3.Connection]:
        """The connection, for one statement.

        Args:
            verb: what it is for, in what is raised.

        Raises:
            StoreFaultError: it failed.
        """
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

    @contextmanager
    def transaction(self, verb: str) -> Iterator[sqlite3.Connection]:
        """The connection, for statements of which all are carried out or none.

        Args:
            verb: what they are for, in what is raised.

        Raises:
            StoreFaultError: none was.
        """
        with self.statement(verb) as connection:
            connection.execute("BEGIN IMMEDIATE")
            count = self.count
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                self.count = count
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            self._check_file(verb)  # moved away meanwhile: what was written is lost with it

    def refresh(self) -> int:
        """Count anew if another process has changed the database, and say how many events wait.

        Raises:
            StoreFaultError: it cannot be read.
        """
        with self.statement("read") as connection:
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            if version != self._data_version:
                self._data_version = version
                (self.count,) = connection.execute("SELECT count(*) FROM events").fetchone()
            return self.count

    def probe(self) -> None:
        """Write something that is there already.

        Raises:
            StoreFaultError: the database cannot be written.
        """
        with self.transaction("write") as connection:
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
            (self.count,) = connection.execute("SELECT count(*) FROM events").fetchone()
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
