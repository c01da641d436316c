"""The embedded engine of the log: append-only segment files, group commit, committed offsets.

::

    directory/
      00000000000000000000.segment   named for the offset of its first record
      00000000000000041237.segment   the last one is the one that grows
      end                            offset behind the last durable record, with a checksum
      writer.lock
      consumers/lake                 the offset that a consumer committed

Invariants:

- The writer publishes an offset in `end` only after the records before it are as durable as asked.
  Readers return nothing at or behind it, so no reader ever sees a record that a crash could undo.
- An append is one write (and one sync). Where it fails, the segment is cut back to where it was,
  then or before the next append.
- A crash can tear the last segment only; the next writer cuts a torn tail off, and begins behind
  every offset that `end`, a segment or a consumer names, so that none is given twice. (Without
  syncs, a power loss can tear others too: readers pass over what is lost there and say so.)
- Whole segments are deleted, never parts, and never the last one. The writer begins a new one when
  all is committed, so that an idle log keeps nothing.

Why not SQLite: `benchmarks/log.py` measures both in one run. On a virtual disk with ext4, medians
of 5 rounds, the time for a record of 1.5 kB was this share of a SQLite WAL table's, one transaction
a group: synced, in groups of 1 / 10 / 100, 0.70 / 0.87 / 0.35; not synced 0.30 / 0.23 / 0.19;
reading all 0.86.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import threading
from bisect import bisect_right
from itertools import pairwise
from struct import Struct
from typing import TYPE_CHECKING
from zlib import crc32

from whiteout.errors import ConfigurationError, LogError
from whiteout.log.files import (
    cut,
    lock_file,
    make_directory,
    open_file,
    read_at,
    replace_file,
    sync_data,
    sync_directory,
    write_at,
)
from whiteout.log.rewriting import finish
from whiteout.log.segment import Cursor, pack, whole_records
from whiteout.log.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_logger = logging.getLogger("whiteout.log")

SEGMENT_BYTES = 64 * 1024 * 1024
_CONSUMER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SUFFIX = ".segment"
_end_record = Struct(">QI")
_READ_ATTEMPTS = 100  # of `end`, should a reader catch it half written


class SegmentLog:
    """A log in a directory of this machine; see `whiteout.log.Log`.

    Two locks: `_writing` owns the growing segment, `_reading` the cursor. Neither waits for the
    other, except that a trim by the writer takes `_writing`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        writer: bool,
        sync: bool = True,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._directory = directory
        self._consumers = directory / "consumers"
        self._reading = threading.Lock()
        self._cursor: Cursor | None = None
        self._end_descriptor: int | None = None
        self._writing = threading.Lock()
        self._writer: _Writer | None = None
        try:
            make_directory(directory)
            make_directory(self._consumers)
            if writer:
                floor = max((offset for _, offset in self._all_committed()), default=0)
                self._writer = _Writer(directory, sync, segment_bytes, floor)
        except OSError as error:
            raise LogError(f"cannot open the log in {directory}: {error.strerror}") from error

    def append(self, records: Sequence[bytes]) -> int:
        """See `whiteout.log.Log.append`."""
        with self._writing:
            if self._writer is None:
                raise LogError("this log was opened for reading, or is closed")
            return self._writer.append(records)

    def end_offset(self) -> int:
        """See `whiteout.log.Log.end_offset`."""
        with self._reading:
            return self._read_end()

    def read(self, offset: int, *, max_records: int, max_bytes: int) -> list[tuple[int, bytes]]:
        """See `whiteout.log.Log.read`."""
        if offset < 0 or max_records < 1 or max_bytes < 1:
            raise ConfigurationError(
                "read needs an offset of 0 or more, and max_records and max_bytes of 1 or more,"
                f" got {offset}, {max_records}, {max_bytes}"
            )
        with self._reading:
            try:
                return self._read(offset, max_records, max_bytes)
            except OSError as error:
                raise LogError(f"cannot read the log: {error.strerror}") from error

    def usage(self) -> Usage:
        """See `whiteout.log.Log.usage`."""
        kept = 0
        try:
            for entry in os.scandir(self._directory):
                if entry.name.endswith(_SUFFIX):
                    with contextlib.suppress(FileNotFoundError):  # trimmed meanwhile
                        kept += entry.stat().st_size
            return Usage(kept, shutil.disk_usage(self._directory).free)
        except OSError as error:
            raise LogError(f"cannot measure the log: {error.strerror}") from error

    def commit(self, consumer: str, offset: int) -> None:
        """See `whiteout.log.Log.commit`."""
        end = self.end_offset()
        if not 0 <= offset <= end:
            raise ConfigurationError(f"offset must be 0 to {end}, the log's end, got {offset}")
        try:
            replace_file(self._consumer_file(consumer), f"{offset}\n".encode())
        except OSError as error:
            raise LogError(f"cannot commit an offset: {error.strerror}") from error

    def committed(self, consumer: str) -> int:
        """See `whiteout.log.Log.committed`."""
        return _committed(self._consumer_file(consumer))

    def trim(self) -> None:
        """See `whiteout.log.Log.trim`."""
        needed = min((offset for _, offset in self._all_committed()), default=0)
        try:
            with self._writing:
                if self._writer is not None:
                    self._writer.begin_segment_if_all_is_committed(needed)
            bases = _bases(self._directory)
            for base, following in pairwise(bases):
                if following <= needed:
                    _segment_file(self._directory, base).unlink(missing_ok=True)
        except OSError as error:
            raise LogError(f"cannot trim the log: {error.strerror}") from error

    def close(self) -> None:
        """See `whiteout.log.Log.close`."""
        with self._writing:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
        with self._reading:
            self._leave_segment()
            if self._end_descriptor is not None:
                os.close(self._end_descriptor)
                self._end_descriptor = None

    def _consumer_file(self, consumer: str) -> Path:
        if not _CONSUMER.fullmatch(consumer):
            raise ConfigurationError(
                "consumer must be 1 to 64 letters, digits, '_', '.' or '-', beginning with a"
                f" letter or digit, got {consumer!r}"
            )
        return self._consumers / consumer

    def _all_committed(self) -> list[tuple[str, int]]:
        names = [entry.name for entry in os.scandir(self._consumers)]
        return [(name, _committed(self._consumers / name)) for name in names if name[0] != "."]

    def _read_end(self) -> int:
        try:
            if self._end_descriptor is None:
                self._end_descriptor = open_file(self._directory / "end", write=False)
            for _ in range(_READ_ATTEMPTS):
                end = _parse_end(read_at(self._end_descriptor, 0, _end_record.size))
                if end is not None:
                    return end
        except FileNotFoundError:
            return 0  # never written
        except OSError as error:
            raise LogError(f"cannot read the log's end: {error.strerror}") from error
        raise LogError("the file 'end' of the log is damaged; the next writer will repair it")

    def _read(self, offset: int, max_records: int, max_bytes: int) -> list[tuple[int, bytes]]:
        end = self._read_end()
        if offset >= end:
            return []
        cursor = self._seek(offset)
        records: list[tuple[int, bytes]] = []
        size = 0
        while len(records) < max_records and cursor.offset < end and size < max_bytes:
            room = min(max_records - len(records), end - cursor.offset)
            taken = cursor.take(room, max_bytes - size, alone=not records)
            if not taken:
                if records and not cursor.at_segment_end():
                    break  # the next one is too large for this batch, or damaged
                following = self._base_after(cursor.base)
                if following is None or following < cursor.offset:
                    if records:
                        break
                    raise LogError(f"record {cursor.offset} of the log is damaged")
                if following > cursor.offset and not cursor.at_segment_end():
                    _logger.error("records %d to %d are lost", cursor.offset, following - 1)
                cursor = self._enter_segment(following)
                continue
            records += taken
            size += sum(len(record) for _, record in taken)
        return records

    def _seek(self, offset: int) -> Cursor:
        """Stand before the record `offset`, or the first one kept behind it."""
        cursor = self._cursor
        if cursor is not None and cursor.offset == offset:
            return cursor
        bases = _bases(self._directory)
        place = bisect_right(bases, offset) - 1
        if place < 0:  # trimmed
            return self._enter_segment(bases[0])
        if cursor is None or cursor.base != bases[place] or cursor.offset > offset:
            cursor = self._enter_segment(bases[place])
        if not cursor.skip_to(offset) and place + 1 < len(bases):
            cursor = self._enter_segment(bases[place + 1])
        return cursor

    def _base_after(self, base: int) -> int | None:
        return next((other for other in _bases(self._directory) if other > base), None)

    def _enter_segment(self, base: int) -> Cursor:
        self._leave_segment()
        descriptor = open_file(_segment_file(self._directory, base), write=False)
        self._cursor = Cursor(descriptor, base)
        return self._cursor

    def _leave_segment(self) -> None:
        if self._cursor is not None:
            os.close(self._cursor.descriptor)
            self._cursor = None


class _Writer:
    """The growing end of the log. Used under the log's `_writing` lock only."""

    def __init__(self, directory: Path, sync: bool, segment_bytes: int, floor: int) -> None:  # noqa: FBT001 - private, called once
        self._directory = directory
        self._sync = sync
        self._segment_bytes = segment_bytes
        self._lock = lock_file(directory / "writer.lock")
        self._descriptor: int | None = None
        try:
            finish(directory)
            self._end_file = open_file(directory / "end", write=True)
            self._recover(floor)
        except BaseException:
            os.close(self._lock)
            raise

    def _recover(self, floor: int) -> None:
        """Cut a torn tail off and find the first offset that was never given to a record."""
        published = _parse_end(read_at(self._end_file, 0, _end_record.size)) or 0
        bases = _bases(self._directory)
        self._base = bases[-1] if bases else max(published, floor)
        self._descriptor = open_file(_segment_file(self._directory, self._base), write=True)
        self._end, self._position = whole_records(self._descriptor, self._base)
        cut(self._descriptor, self._position)
        self._torn = False
        sync_data(self._descriptor)
        sync_directory(self._directory)
        next_offset = max(self._end, published, floor)
        if next_offset > self._end:
            self._end = next_offset
            self._begin_segment()
        self._publish()

    def append(self, records: Sequence[bytes]) -> int:
        parts = pack(records)
        first = self._end
        if not records:
            return first
        try:
            if self._torn:
                self._cut_back()
            if self._position >= self._segment_bytes:
                self._begin_segment()
            descriptor = self._descriptor
            if descriptor is None:
                raise LogError("the log is closed")
            self._torn = True  # until all of it has succeeded
            written = write_at(descriptor, self._position, parts)
            if self._sync:
                sync_data(descriptor)
            self._end = first + len(records)
            self._publish()
        except OSError as error:
            self._end = first
            self._cut_back_if_possible()
            raise LogError(f"cannot append to the log: {error.strerror}") from error
        self._position += written
        self._torn = False
        return first

    def _cut_back_if_possible(self) -> None:
        try:
            self._cut_back()
        except OSError:
            self._torn = True  # the next append tries again, and fails if it cannot

    def _cut_back(self) -> None:
        if self._torn and self._descriptor is not None:
            cut(self._descriptor, self._position)
            self._torn = False

    def begin_segment_if_all_is_committed(self, needed: int) -> None:
        """Make the growing segment one that can be deleted, where nobody needs it any more."""
        if needed >= self._end and self._position > 0 and not self._torn:
            self._begin_segment()

    def _begin_segment(self) -> None:
        """Let the segment `_end` follow. The old one is synced already, where syncs are asked."""
        old = self._descriptor
        new = open_file(_segment_file(self._directory, self._end), write=True)
        try:
            cut(new, 0)  # left by an attempt that failed after this
            if self._sync:
                sync_directory(self._directory)
        except OSError:
            os.close(new)
            raise
        self._descriptor, self._base, self._position = new, self._end, 0
        if old is not None:
            os.close(old)

    def _publish(self) -> None:
        number = self._end.to_bytes(8, "big")
        write_at(self._end_file, 0, (_end_record.pack(self._end, crc32(number)),))

    def close(self) -> None:
        for descriptor in (self._descriptor, self._end_file, self._lock):
            if descriptor is not None:
                os.close(descriptor)
        self._descriptor = None


def _segment_file(directory: Path, base: int) -> Path:
    return directory / f"{base:020d}{_SUFFIX}"


def _bases(directory: Path) -> list[int]:
    names = (entry.name for entry in os.scandir(directory))
    return sorted(int(name[: -len(_SUFFIX)]) for name in names if name.endswith(_SUFFIX))


def _parse_end(data: bytes) -> int | None:
    if len(data) != _end_record.size:
        return None
    end, checksum = _end_record.unpack(data)
    return end if crc32(data[:8]) == checksum else None


def _committed(path: Path) -> int:
    try:
        return int(path.read_bytes())
    except FileNotFoundError:
        return 0
    except (OSError, ValueError) as error:
        raise LogError(f"cannot read the committed offset of {path.name}") from error
