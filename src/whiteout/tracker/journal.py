"""The journal: what makes an event survive `kill -9` from the moment `track()` returns.

Records go into memory-mapped files. The kernel keeps the pages of a killed process, so a record is
safe once it is copied; no disk is waited for. (Power loss is another matter: nothing is synced
before the event store is.) The writer thread moves the records on to the event store in groups, and
a later process adopts what a killed one left.

Invariants
- A record is `length, kind` and a body, numbers first and then text; zero length ends a segment. A
  segment is made of zeros and each byte written once, so what a power cut kept from the disk reads
  as zeros, which text never holds: such a record ends the segment too. (A checksum would do the
  same for 9 us of a cold caller's 130: another library's code to fetch.)
- Every segment explains itself: the template of an event stands before it in the same segment.
- A position, `segment number << 32 | offset`, only grows. The event store keeps, in the
  transaction that took the records, the position up to which a journal has been moved, so that no
  record is moved twice, whoever moves it. The oldest segment's head notes the position up to which
  records have been released, delivered ones included.
- What is written obeys its event's level of anonymisation already.
- Disk space is reserved when a segment is made: writing to a page that a full disk cannot back
  would kill the process with SIGBUS.

Measured on two shared cores: a record of 450 bytes costs about 1 us. A system call instead, such
as `os.write`, would let go of the interpreter lock, and may wait 5 ms to get it back.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from whiteout.tracker.process_lock import ProcessLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVENT: Final = 1
TEMPLATE: Final = 2

SEGMENT_BYTES: Final = 4 * 1024 * 1024
MAX_SEGMENTS: Final = 16  # 64 MiB: some 140,000 events that the writer has not moved yet
_MAGIC: Final = b"WOJ1"
_SEGMENT_HEADER: Final = struct.Struct("<4sIQ")  # magic, number, released up to
_RELEASED: Final = struct.Struct("<Q")
_RELEASED_OFFSET: Final = 8
_RECORD_HEADER: Final = struct.Struct("<IB")
_TEXT_OFFSETS: Final = {EVENT: 20, TEMPLATE: 8}  # in a body: before it are numbers
MAX_RECORD_BYTES: Final = SEGMENT_BYTES // 2
_HALF_MADE_S: Final = 60.0


class Record(NamedTuple):
    """One record. `end` is the position after it."""

    end: int
    kind: int
    body: bytes


@dataclass(slots=True)
class _Segment:
    number: int
    buffer: mmap.mmap | bytearray
    path: Path | None
    end: int = _SEGMENT_HEADER.size

    def close(self) -> None:
        if isinstance(self.buffer, mmap.mmap):
            self.buffer.close()

    def unload(self) -> None:
        if isinstance(self.buffer, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            self.buffer.madvise(mmap.MADV_DONTNEED)

    def discard(self) -> None:
        self.close()
        if self.path is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()


class Journal:
    """The journal of one tracker in one process.

    `append` belongs to the tracker's lock. `read`, `release` and `prepare` belong to whoever holds
    the lock of `FreshEvents`. The list of segments is all that both touch, one at each end.

    Args:
        folder: where the files go; None keeps the segments in memory, safe from nothing.
        name: the namespace, as it may stand in a file name.
        instance: sets this journal apart from others of the namespace; hexadecimal.
    """

    def __init__(self, folder: Path | None, name: str, instance: str) -> None:
        self.instance = instance
        self.events = 0  # appended so far
        self._folder = folder
        self._name = name
        self._lock: ProcessLock | None = None
        self._spare: _Segment | None = None
        self._next_number = 1
        if folder is not None:
            try:
                self._lock = ProcessLock.acquire(_lock_path(folder, name, instance), create=True)
            except OSError:
                self._lock = None
            if self._lock is None:
                self._folder = None
        self._segments: deque[_Segment] = deque()
        self._current: _Segment
        self._buffer: mmap.mmap | bytearray
        self.serial: int  # the current segment's number: a template is written once for each
        self._end: int
        self._limit: int
        self._enter(self._make())
        self._released = 0

    @property
    def on_disk(self) -> bool:
        """Whether all that is in it survives a kill."""
        return all(segment.path is not None for segment in tuple(self._segments))

    def append(self, kind: int, body: bytes) -> bool:
        """Write a record; False: the journal is full, or the body larger than a record may be."""
        return self.put(_RECORD_HEADER.pack(len(body), kind) + body, int(kind == EVENT))

    def put(self, record: bytes, events: int = 1) -> bool:
        """The same, of a record that is packed already.

        Args:
            record: with its length and kind.
            events: how many events it is: 1 or 0.
        """
        end = self._end
        after = end + len(record)
        if after > self._limit:
            return False
        self._buffer[end:after] = record
        self._current.end = self._end = after
        self.events += events
        return True

    def has_room(self, bytes_needed: int) -> bool:
        """Whether bodies of so many bytes fit, in a new segment if need be."""
        if self._end + bytes_needed + 2 * _RECORD_HEADER.size <= self._limit:
            return True
        if bytes_needed > MAX_RECORD_BYTES or len(self._segments) >= MAX_SEGMENTS:
            return False
        segment, self._spare = self._spare, None
        self._enter(segment or self._make())
        return True

    @property
    def is_crowded(self) -> bool:
        """Whether half of the room is taken."""
        return len(self._segments) > MAX_SEGMENTS // 2

    @property
    def is_drained(self) -> bool:
        """Whether every record has been released."""
        return self._released >= self.end or self._current.end == _SEGMENT_HEADER.size

    @property
    def end(self) -> int:
        """The position after the newest record."""
        segment = self._current
        return segment.number << 32 | segment.end

    def read(
        self, limit: int, *, after: int, up_to: int = sys.maxsize
    ) -> list[tuple[int, int, bytes]]:
        """The oldest records that end beyond the position `after`, at most `limit`.

        They are what `append` wrote in this process: none is torn.

        Args:
            limit: records.
            after: what an earlier `read` ended with; 0 for the start.
            up_to: an `end` of before; later records are left out.

        Returns:
            the position after each record, its kind and its body.
        """
        records: list[tuple[int, int, bytes]] = []
        header_bytes, unpack = _RECORD_HEADER.size, _RECORD_HEADER.unpack_from
        for segment in tuple(self._segments):
            base, buffer = segment.number << 32, segment.buffer
            offset = max(_SEGMENT_HEADER.size, after - base)
            limit_offset = min(segment.end, up_to - base)
            while offset < limit_offset and len(records) < limit:
                length, kind = unpack(buffer, offset)
                start = offset + header_bytes
                offset = start + length
                records.append((base | offset, kind, bytes(buffer[start:offset])))
        return records

    def templates(self) -> Iterator[Record]:
        """The templates in all the segments that are left."""
        for segment in tuple(self._segments):
            for record in _scan(segment.buffer, segment.number, _SEGMENT_HEADER.size, segment.end):
                if record.kind == TEMPLATE:
                    yield record

    def release(self, position: int) -> None:
        """Give up the records before `position`: they are delivered, or in the event store."""
        if position <= self._released:
            return
        self._released = position
        number = position >> 32
        while self._segments[0].number < number:
            self._segments.popleft().discard()
        _RELEASED.pack_into(self._segments[0].buffer, _RELEASED_OFFSET, position)

    def prepare(self) -> None:
        """Make the next segment ahead of time, so that `append` need not.

        Full segments that wait leave this process's memory meanwhile; the kernel keeps them.
        """
        for segment in tuple(self._segments):
            if segment.number != self.serial:
                segment.unload()
        if self._spare is None:
            self._spare = self._make()

    def rotate(self) -> None:
        """Erase what has been released; the caller holds both locks and has drained the journal."""
        segment, self._spare = self._spare, None
        self._enter(segment or self._make())
        while len(self._segments) > 1:
            self._segments.popleft().discard()
        self._released = self.end

    def close(self) -> None:
        """Erase the files if all has been released, else leave them to a later process."""
        drained = self.is_drained
        for segment in (*self._segments, *((self._spare,) if self._spare else ())):
            if drained or segment is self._spare:
                segment.discard()
            else:
                segment.close()
        if self._lock is not None:
            self._lock.release(unlink=drained)

    def abandon(self) -> None:
        """In a forked child: let go of the parent's files without touching them."""
        for segment in (*self._segments, *((self._spare,) if self._spare else ())):
            segment.close()
        if self._lock is not None:
            self._lock.abandon()

    def _enter(self, segment: _Segment) -> None:
        self._segments.append(segment)
        self._current = segment
        self._buffer = segment.buffer
        self.serial = segment.number
        self._end = segment.end
        self._limit = len(segment.buffer) - _RECORD_HEADER.size

    def _make(self) -> _Segment:
        number = self._next_number
        self._next_number += 1
        if self._folder is not None:
            path = _segment_path(self._folder, self._name, self.instance, number)
            try:
                return _Segment(number, _map_file(path, number), path)
            except (OSError, ValueError):
                with contextlib.suppress(OSError):
                    path.unlink()
        return _Segment(number, bytearray(SEGMENT_BYTES), None)


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """The journal of a process that is gone. Holding this keeps others from adopting it too."""

    instance: str
    lock: ProcessLock
    paths: tuple[Path, ...]

    def records(self) -> Iterator[Record]:
        """All its records, oldest first."""
        for path in self.paths:
            try:
                content = path.read_bytes()
            except OSError:
                continue
            if len(content) < _SEGMENT_HEADER.size:
                continue
            magic, number, _ = _SEGMENT_HEADER.unpack_from(content)
            if magic == _MAGIC:
                yield from _scan(content, number, _SEGMENT_HEADER.size, len(content))

    def released(self) -> int:
        """The position up to which it had let go of its records; 0: none."""
        position = 0
        for path in self.paths:
            with contextlib.suppress(OSError), path.open("rb") as file:
                head = file.read(_SEGMENT_HEADER.size)
                if len(head) == _SEGMENT_HEADER.size and head.startswith(_MAGIC):
                    position = max(position, _SEGMENT_HEADER.unpack(head)[2])
        return position

    def discard(self) -> None:
        """Erase it: its records are in the event store."""
        for path in self.paths:
            with contextlib.suppress(OSError):
                path.unlink()
        self.lock.release(unlink=True)


def left_behind(folder: Path, name: str) -> list[LeftBehind]:
    """The journals of this namespace whose processes are gone: who began first comes first."""
    _remove_half_made(folder, name)
    found = []
    for lock_path in sorted(folder.glob(f"{name}.*.lock"), key=_age):
        instance = lock_path.name.removeprefix(f"{name}.").removesuffix(".lock")
        if "." in instance or instance == "sender":
            continue
        try:
            lock = ProcessLock.acquire(lock_path, create=False)
        except OSError:
            continue
        if lock is None:
            continue
        paths = sorted(folder.glob(f"{name}.{instance}.*.journal"), key=_number)
        found.append(LeftBehind(instance, lock, tuple(paths)))
    return found


def _remove_half_made(folder: Path, name: str) -> None:
    """Locks of processes that were killed between making and naming them, which takes no time."""
    for path in folder.glob(f"{name}.*.lock.new"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _HALF_MADE_S:
                path.unlink()


def _scan(
    buffer: mmap.mmap | bytearray | bytes, number: int, offset: int, limit: int
) -> Iterator[Record]:
    """Whole records from `offset` on, up to `limit` or to the first that is not whole."""
    base = number << 32
    header_bytes = _RECORD_HEADER.size
    while offset + header_bytes <= limit:
        length, kind = _RECORD_HEADER.unpack_from(buffer, offset)
        start = offset + header_bytes
        offset = start + length
        if length == 0 or offset > limit or kind not in _TEXT_OFFSETS:
            return
        body = bytes(buffer[start:offset])
        if 0 in body[_TEXT_OFFSETS[kind] :]:
            return
        yield Record(base | offset, kind, body)


def _map_file(path: Path, number: int) -> mmap.mmap:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        _reserve(descriptor, SEGMENT_BYTES)
        mapped = mmap.mmap(descriptor, SEGMENT_BYTES)
    finally:
        os.close(descriptor)
    mapped[: _SEGMENT_HEADER.size] = _SEGMENT_HEADER.pack(_MAGIC, number, 0)
    return mapped


def _reserve(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    os.write(descriptor, bytes(size))  # macOS and Windows: reserved by writing it


def _segment_path(folder: Path, name: str, instance: str, number: int) -> Path:
    return folder / f"{name}.{instance}.{number}.journal"


def _lock_path(folder: Path, name: str, instance: str) -> Path:
    return folder / f"{name}.{instance}.lock"


def _age(lock_path: Path) -> tuple[int, str]:
    """When the process began: nothing is ever written to the file."""
    try:
        return lock_path.stat().st_mtime_ns, lock_path.name
    except OSError:
        return 0, lock_path.name  # taken over by somebody else meanwhile


def _number(path: Path) -> int:
    text = path.name.rsplit(".", 2)[-2]
    return int(text) if text.isdigit() else 0
