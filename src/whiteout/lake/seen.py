"""The index of events that the lake holds, so that a repeated delivery is loaded once.

Derived data: the lake's own columns rebuild it (`whiteout.lake.loader`). Its watermark is the
`load_tstamp` up to which it knows the lake; loads have strictly rising ones.
"""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING

from whiteout.errors import LogError
from whiteout.lake.clock import DAY_US

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_FORMAT = 3  # of this file, and of its keys; another one is rebuilt
_SWEPT = 50_000  # keys a sweep at least looks at: 20 ms
_LOOKUP = 500  # keys a statement; SQLite allows 32,766 variables
_LOCK_TIMEOUT_S = 10.0  # a killed loader's lock goes with its process


class SeenEvents:
    """An SQLite file that only one process at a time can open. Used by one thread.

    Args:
        path: of the file; one that is broken or of another table is replaced.
        table_id: of the events table that it belongs to.
        wait_s: for another loader to let go of it.

    Attributes:
        is_lost: whether it could not be made anew, and has to be.

    Raises:
        LogError: another loader holds it.
    """

    def __init__(self, path: Path, table_id: str, *, wait_s: float | None = None) -> None:
        self._path = path
        self._wait_s = _LOCK_TIMEOUT_S if wait_s is None else wait_s
        self._table_id = table_id
        self.is_lost = False
        self._added = 0  # since the last sweep
        try:
            self._connection = self._open(table_id)
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise LogError(
                    f"another loader is at work in {path.parent}: stop it, or choose another lake"
                ) from error
            self._connection = self._replace(table_id)
        except sqlite3.DatabaseError:
            self._connection = self._replace(table_id)

    def _open(self, table_id: str) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self._path, isolation_level=None, timeout=self._wait_s, cached_statements=16
        )
        try:
            _prepare(connection, table_id)
        except BaseException:
            connection.close()
            raise
        return connection

    def replace(self) -> None:
        """Start afresh, with an empty index.

        Raises:
            sqlite3.OperationalError: the disk does not take it; call this again before any other.
        """
        self.is_lost = True
        self._connection.close()
        self._connection = self._replace(self._table_id)
        self.is_lost = False

    def _replace(self, table_id: str) -> sqlite3.Connection:
        for suffix in ("", "-wal", "-shm", "-journal"):
            with suppress(FileNotFoundError):
                self._path.with_name(self._path.name + suffix).unlink()
        return self._open(table_id)

    @property
    def watermark_us(self) -> int:
        """The `load_tstamp` up to which the index knows the lake; 0 for a new one."""
        row = self._connection.execute("SELECT value FROM state WHERE name='watermark'").fetchone()
        return int(row[0]) if row else 0

    def __len__(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM seen").fetchone()[0])

    def among(self, keys: Sequence[bytes]) -> set[bytes]:
        """Those of `keys` that the index has."""
        found: set[bytes] = set()
        for start in range(0, len(keys), _LOOKUP):
            some = keys[start : start + _LOOKUP]
            marks = ",".join("?" * len(some))
            query = f"SELECT key FROM seen WHERE key IN ({marks})"  # noqa: S608 - only marks
            found.update(row[0] for row in self._connection.execute(query, some))
        return found

    def add(self, keys: Iterable[bytes], *, day: int, watermark_us: int) -> None:
        """Remember keys loaded on `day` (days since the epoch) and set the watermark, as one."""
        keys = sorted(keys)
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany(
                "INSERT OR REPLACE INTO seen VALUES (?, ?)", ((key, day) for key in keys)
            )
            self._connection.execute("REPLACE INTO state VALUES ('watermark', ?)", (watermark_us,))
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        self._added += len(keys)

    def forget_before(self, moment_us: int) -> None:
        """Drop a part of what was loaded before `moment_us`; so many calls go through all of it.

        Each looks at twice as many keys as have come since the last, so that the index does not
        grow away from it, and goes on where the last one stopped, also after a restart.
        """
        sought, self._added = 2 * self._added + _SWEPT, 0
        execute = self._connection.execute
        row = execute("SELECT value FROM state WHERE name='swept'").fetchone()
        low = b"" if row is None else row[0]
        high, found = execute(
            "SELECT max(key), count(*) FROM"
            " (SELECT key FROM seen WHERE key > ? ORDER BY key LIMIT ?)",
            (low, sought),
        ).fetchone()
        if found:
            day = moment_us // DAY_US
            execute("DELETE FROM seen WHERE key > ? AND key <= ? AND day < ?", (low, high, day))
        # At the end from the start again: what comes goes on being added at the end.
        execute("REPLACE INTO state VALUES ('swept', ?)", (high if found == sought else b"",))

    def note(self, name: str) -> int | None:
        """A number kept under a name; None where there is none."""
        query = "SELECT value FROM state WHERE name=?"
        row = self._connection.execute(query, (f"note:{name}",)).fetchone()
        return None if row is None else int(row[0])

    def keep_note(self, name: str, value: int | None) -> None:
        """Keep a number under a name; None forgets it. It goes when the file is made anew."""
        if value is None:
            self._connection.execute("DELETE FROM state WHERE name=?", (f"note:{name}",))
        else:
            self._connection.execute("REPLACE INTO state VALUES (?, ?)", (f"note:{name}", value))

    def clear(self) -> None:
        """Forget everything, the watermark and where the last sweep stopped too."""
        self._connection.execute("DELETE FROM seen")
        self._connection.execute("DELETE FROM state WHERE name IN ('watermark', 'swept')")

    def close(self) -> None:
        """Release the file."""
        self._connection.close()


@contextmanager
def lake_lock(directory: Path) -> Iterator[bool]:
    """Keep loaders away from the lake whose indexes are in `directory`, as one of them would.

    Yields:
        False where a loader is at work; then nothing is kept away.

    Raises:
        LogError: an index is broken.
    """
    # The first is made where it is not there yet; the others are of further loaders.
    paths = {directory / "seen.sqlite3", *directory.glob("seen-*.sqlite3")}
    with ExitStack() as stack:
        # Never loaded: there is nothing to keep away from.
        yield not directory.is_dir() or all(_lock(path, stack) for path in sorted(paths))


@contextmanager
def recovery_lock(directory: Path) -> Iterator[bool]:
    """Keep erasure and recovery of one lake apart: each moves rows that the other looks for.

    Yields:
        False where the other, or another of the same kind, is at work.

    Raises:
        LogError: the file that stands for it is broken.
    """
    with ExitStack() as stack:
        yield not directory.is_dir() or _lock(directory / "recovery.sqlite3", stack)


def _lock(path: Path, stack: ExitStack) -> bool:
    connection = stack.enter_context(
        closing(sqlite3.connect(path, isolation_level=None, timeout=0.1))
    )
    try:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.DatabaseError as error:
        if "locked" not in str(error):  # a loader would make it anew
            raise LogError(f"cannot lock {path.name}: {type(error).__name__}") from error
        return False
    return True


def _prepare(connection: sqlite3.Connection, table_id: str) -> None:
    # Exclusive: the lock that keeps a second loader away, and the operating system takes it
    # back from a killed process.
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA cache_size=-8192")  # KiB
    connection.execute("BEGIN EXCLUSIVE")
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value) WITHOUT ROWID"
        )
        connection.execute(
            "CREATE TABLE IF NOT EXISTS seen (key BLOB PRIMARY KEY, day INTEGER) WITHOUT ROWID"
        )
        owner = f"{_FORMAT}:{table_id}"
        row = connection.execute("SELECT value FROM state WHERE name='owner'").fetchone()
        if row is None or row[0] != owner:
            connection.execute("DELETE FROM seen")
            connection.execute("DELETE FROM state")
            connection.execute("INSERT INTO state VALUES ('owner', ?)", (owner,))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
