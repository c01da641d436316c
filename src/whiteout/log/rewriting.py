"""Changing records where they stand in a segment: for erasing a person, and for nothing else.

A record keeps its length, so every other record keeps its place; one that is erased altogether
becomes zeros, which readers of a log pass over (`is_erased`).

The new bytes are written to a file of their own first, and from there into the segments. Where that
is interrupted, whoever opens the log next finishes it: a record that is half changed would look
like the torn end of the log.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING
from zlib import crc32

from whiteout.errors import LogError
from whiteout.log.files import open_file, replace_file, sync_data, sync_directory, write_at
from whiteout.log.segment import HEADER_BYTES, Cursor, pack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Change = Callable[[bytes], bytes | None]
"""The record to put in the place of one, of the same length; None leaves it."""

_PLAN = "rewriting"
_SUFFIX = ".segment"
_AT_ONCE = 1000  # records
_CHUNK_BYTES = 1024 * 1024
_place = Struct(">QQI")  # segment, position, length
_checksum = Struct(">I")
_Edit = tuple[int, int, bytes]


def is_erased(record: bytes) -> bool:
    """Tell whether a record was erased: zeros and nothing else."""
    return bool(record) and not record.strip(b"\0")


def rewrite(
    directory: Path, change: Change, *, until: int, seen: Callable[[int], None] | None = None
) -> int:
    """Change records before the offset `until`.

    No reader may be at work before that offset; the writer may, at the log's end.

    Args:
        directory: of the log.
        change: called with each record that is not erased yet.
        until: the first offset that is left alone.
        seen: told how many records were looked at, now and then.

    Returns:
        How many records were changed.

    Raises:
        LogError: the files cannot be read or written; what was changed stays changed.
    """
    try:
        finish(directory)
        changed = 0
        for base in segment_bases(directory):
            if base < until:
                changed += _rewrite_segment(directory, base, change, until, seen)
    except OSError as error:
        raise LogError(f"cannot rewrite the log: {error.strerror}") from error
    return changed


def count(directory: Path, change: Change, *, until: int) -> int:
    """How many records `rewrite` would change."""
    total = 0
    for base in segment_bases(directory):
        if base < until:
            total += sum(len(edits) for edits, _ in _edits(directory, base, change, until))
    return total


def finish(directory: Path) -> None:
    """Carry out a plan that was interrupted, if there is one."""
    try:
        data = (directory / _PLAN).read_bytes()
    except FileNotFoundError:
        return
    if len(data) < _checksum.size or crc32(data[4:]) != _checksum.unpack_from(data)[0]:
        raise LogError(f"the file {_PLAN!r} of the log is damaged")
    at, edits = _checksum.size, []
    while at < len(data):
        base, position, length = _place.unpack_from(data, at)
        at += _place.size
        edits.append((base, position, data[at : at + length]))
        at += length
    _apply(directory, edits)


def segment_bases(directory: Path) -> list[int]:
    """The offsets of the first records of the segments there are."""
    names = (path.name for path in directory.glob(f"*{_SUFFIX}"))
    return sorted(int(name[: -len(_SUFFIX)]) for name in names)


def _rewrite_segment(
    directory: Path,
    base: int,
    change: Change,
    until: int,
    seen: Callable[[int], None] | None,
) -> int:
    changed = 0
    for edits, looked_at in _edits(directory, base, change, until):
        if seen is not None:
            seen(looked_at)
        if edits:
            _carry_out(directory, edits)
            changed += len(edits)
    return changed


def _edits(
    directory: Path, base: int, change: Change, until: int
) -> Iterator[tuple[list[_Edit], int]]:
    """For each stretch of a segment: the new bytes and their places, and how many were read."""
    try:
        descriptor = open_file(_segment(directory, base), write=False)
    except FileNotFoundError:  # trimmed meanwhile
        return
    try:
        cursor = Cursor(descriptor, base)
        while cursor.offset < until:
            position = cursor.position
            records = cursor.take(min(_AT_ONCE, until - cursor.offset), _CHUNK_BYTES)
            if not records:
                return
            edits = []
            for _, record in records:
                new = None if is_erased(record) else change(record)
                if new is not None:
                    if len(new) != len(record):
                        raise LogError("a record may only be changed to one of its length")
                    edits.append((base, position, b"".join(pack([new]))))
                position += HEADER_BYTES + len(record)
            yield edits, len(records)
    finally:
        os.close(descriptor)


def _carry_out(directory: Path, edits: list[_Edit]) -> None:
    plan = b"".join(_place.pack(base, at, len(data)) + data for base, at, data in edits)
    replace_file(directory / _PLAN, _checksum.pack(crc32(plan)) + plan)
    _apply(directory, edits)


def _apply(directory: Path, edits: list[_Edit]) -> None:
    for base in {base for base, _, _ in edits}:
        path = _segment(directory, base)
        if not path.exists():  # trimmed meanwhile, and with it what was to be changed
            continue
        descriptor = open_file(path, write=True)
        try:
            for other, position, data in edits:
                if other == base:
                    write_at(descriptor, position, (data,))
            sync_data(descriptor)
        finally:
            os.close(descriptor)
    (directory / _PLAN).unlink(missing_ok=True)
    sync_directory(directory)


def _segment(directory: Path, base: int) -> Path:
    return directory / f"{base:020d}{_SUFFIX}"
