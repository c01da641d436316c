"""Whose fault it is that something cannot be written: the store's, or that of what is written.

A store that is full, forbidden or away refuses good events too: what it refuses is kept, and tried
again later. Delta Lake's errors do not tell the one from the other, so the store is asked: whether
it takes bytes, some more than the batch has.
"""

from __future__ import annotations

import os
import sqlite3
import uuid
from typing import TYPE_CHECKING

from deltalake.exceptions import CommitFailedError

if TYPE_CHECKING:
    from whiteout.lake.place import LakePlace

_ROOM = 1024 * 1024  # of a commit beside its rows: its log entry, an index, statistics
_BLOCK = bytes(64 * 1024)
_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})


def is_index_broken(error: sqlite3.DatabaseError) -> bool:
    """Whether an index of seen events has to be made anew; else its disk is at fault."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code & 0xFF in _BROKEN  # the rest says more of the same


def is_store_at_fault(place: LakePlace, error: BaseException, size: int) -> bool:
    """Whether the store would refuse anything that large, whatever it is.

    Args:
        place: of the lake.
        error: what came of writing.
        size: of what was to be written, bytes.
    """
    if isinstance(error, (CommitFailedError, OSError)):
        return True
    try:
        _write(place, size + _ROOM)
    except Exception:  # noqa: BLE001 - each client of a store has its own
        return True
    return False


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
