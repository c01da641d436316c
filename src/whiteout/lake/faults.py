"""Whose fault it is that something cannot be written: the store's, or that of what is written.

A store that is full, forbidden, away or odd refuses good rows too: what it refuses is kept, and
tried again later. Delta Lake's errors do not tell the one from the other. So rows are at fault only
where the store takes bytes, more than they have, and a table like theirs elsewhere does not take
them either.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import uuid
from typing import TYPE_CHECKING

from deltalake.exceptions import CommitFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.lake.place import LakePlace

_ROOM = 1024 * 1024  # of a commit beside its rows: its log entry, an index, statistics
_MEMORY = "/dev/shm"  # noqa: S108 - within it, a folder of a name that nobody knows, for us alone
_BLOCK = bytes(64 * 1024)
_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})


def is_index_broken(error: sqlite3.DatabaseError) -> bool:
    """Whether an index of seen events has to be made anew; else its disk is at fault."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code & 0xFF in _BROKEN  # the rest says more of the same


def are_rows_at_fault(
    place: LakePlace, error: Exception, size: int, write_to: Callable[[str], None]
) -> bool:
    """Whether rows would be refused by any store.

    Args:
        place: of the lake.
        error: what came of writing them.
        size: of the rows, bytes.
        write_to: makes a table like theirs in a folder, and writes them there.
    """
    if isinstance(error, (CommitFailedError, OSError)) or not takes_bytes(place, size + _ROOM):
        return False
    # In memory where there is such a folder: they are of people.
    memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="whiteout-", dir=memory) as folder:
        if shutil.disk_usage(folder).free < size + _ROOM:
            return False  # it proves nothing
        try:
            write_to(folder)
        except Exception:  # noqa: BLE001 - whatever it is, it is of the rows
            return True
    return False


def takes_bytes(place: LakePlace, size: int) -> bool:
    """Whether the store has room, and lets us write."""
    try:
        _write(place, size)
    except Exception:  # noqa: BLE001 - each client of a store has its own
        return False
    return True


def _write(place: LakePlace, size: int) -> None:
    folder = place.folder
    if folder is None:  # has room for ever, or at least does not run out of it by the byte
        table = place.open_table("events")
        if table is not None:
            table.create_checkpoint()
        return
    path = folder / f"probe-{uuid.uuid4()}"
    try:
        with path.open("wb") as file:
            for _ in range(-(-size // len(_BLOCK))):
                file.write(_BLOCK)
            file.flush()
            os.fsync(file.fileno())
    finally:
        path.unlink(missing_ok=True)
