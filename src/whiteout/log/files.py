"""What the log needs of the file system: whole writes, syncs, a lock, files replaced at once."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from whiteout.errors import LogError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Only the data and the size: half the journal traffic of fsync. Absent on macOS and Windows.
sync_data = getattr(os, "fdatasync", os.fsync)
_write_parts = getattr(os, "pwritev", None)  # absent on Windows
_MAX_PARTS = 1024  # IOV_MAX of Linux and macOS
_BINARY = getattr(os, "O_BINARY", 0)  # Windows


def make_directory(directory: Path) -> None:
    """Create `directory` and its parents, itself for its owner only."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)


def open_file(path: Path, *, write: bool) -> int:
    """Open `path`; for writing it is created, for its owner only."""
    if write:
        return os.open(path, os.O_RDWR | os.O_CREAT | _BINARY, 0o600)
    return os.open(path, os.O_RDONLY | _BINARY)


def read_at(descriptor: int, position: int, size: int) -> bytes:
    """Read `size` bytes, fewer only at the end of the file."""
    os.lseek(descriptor, position, os.SEEK_SET)
    data = os.read(descriptor, size)
    while 0 < len(data) < size:
        more = os.read(descriptor, size - len(data))
        if not more:
            break
        data += more
    return data


def write_at(descriptor: int, position: int, parts: Sequence[bytes]) -> int:
    """Write all of `parts`, one behind the other, in one call where the system takes it in one.

    Returns:
        How many bytes that were.

    Raises:
        OSError: some or none of it was written.
    """
    if _write_parts is not None and len(parts) <= _MAX_PARTS:
        # Without a copy and without a seek: groups of 4 records of 2 kB in 0.8 of the time.
        size = sum(map(len, parts))
        done: int = _write_parts(descriptor, parts, position)
        if done == size:
            return size
    else:
        done = 0
    data = b"".join(parts)
    os.lseek(descriptor, position + done, os.SEEK_SET)
    while done < len(data):
        done += os.write(descriptor, memoryview(data)[done:])
    return done


def cut(descriptor: int, size: int) -> None:
    """Drop what is behind `size` bytes, if there is anything.

    Not asked of an empty file: ext4 takes that for the first half of replacing its content, and
    begins to write all of the file out when it is closed, which takes 5 to 30 ms for a segment.
    """
    if os.fstat(descriptor).st_size > size:
        os.ftruncate(descriptor, size)


def sync_directory(directory: Path) -> None:
    """Make created and renamed files of `directory` survive a power loss."""
    if sys.platform == "win32":
        return  # directories cannot be opened there; NTFS journals names
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, data: bytes) -> None:
    """Make `data` the content of `path`: readers see the old or the new, after a crash too."""
    # The process id keeps two processes that replace the same file from sharing a draft.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _BINARY, 0o600)
    try:
        write_at(descriptor, 0, (data,))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.replace(path)
    sync_directory(path.parent)


def lock_file(path: Path) -> int:
    """Take the exclusive lock of `path`; it is held until the descriptor is closed.

    Raises:
        LogError: another process, or another log object of this one, holds it.
    """
    descriptor = open_file(path, write=True)
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - exists there only

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - does not exist on Windows

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise LogError(
            f"{path.parent} already has a writer, and a log has one at a time: stop the other"
            " process, or choose another data folder"
        ) from error
    return descriptor
