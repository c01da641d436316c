"""One segment file: records one after the other, each as length, checksum, bytes.

::

    record = length (4 bytes, big-endian) + CRC-32 (4 bytes, big-endian) + bytes

The checksum starts from a seed, so that a stretch of zeros, which a file system may leave at the
end of a file after a power loss, is not a record.
"""

from __future__ import annotations

import os
from struct import Struct
from typing import TYPE_CHECKING
from zlib import crc32

from whiteout.errors import LogError
from whiteout.log.files import read_at

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_RECORD_BYTES = 64 * 1024 * 1024
HEADER_BYTES = 8
_CHUNK_BYTES = 1024 * 1024
_SEED = 0x57484954  # arbitrary

_header = Struct(">II")
_pack_header = _header.pack
_unpack_header = _header.unpack_from


def pack(records: Sequence[bytes]) -> list[bytes]:
    """Return `records` as they stand in a segment, in parts.

    Raises:
        LogError: one of them is larger than `MAX_RECORD_BYTES`.
    """
    parts: list[bytes] = []
    for record in records:
        if len(record) > MAX_RECORD_BYTES:
            raise LogError(f"a record of {len(record)} bytes is larger than {MAX_RECORD_BYTES}")
        parts += (_pack_header(len(record), crc32(record, _SEED)), record)
    return parts


class Cursor:
    """A place between two records of an open segment.

    Attributes:
        base: offset of the segment's first record.
        offset: of the record that starts here.
        position: in bytes.
    """

    __slots__ = ("base", "descriptor", "offset", "position")

    def __init__(self, descriptor: int, base: int) -> None:
        self.descriptor = descriptor
        self.base = base
        self.offset = base
        self.position = 0

    def skip_to(self, offset: int) -> bool:
        """Move on to the record `offset`. False: the segment ends before it."""
        while self.offset < offset:
            if not self._advance(self._chunk(_CHUNK_BYTES), offset - self.offset):
                return False
        return True

    def at_segment_end(self) -> bool:
        """Tell whether nothing at all follows."""
        return os.fstat(self.descriptor).st_size <= self.position

    def _chunk(self, size: int) -> bytes:
        """Read `size` bytes from here, or more where the first record is larger."""
        chunk = read_at(self.descriptor, self.position, size)
        if len(chunk) < HEADER_BYTES:
            return b""
        length, _ = _unpack_header(chunk, 0)
        if length > MAX_RECORD_BYTES:
            return b""
        if length + HEADER_BYTES > size:
            chunk = read_at(self.descriptor, self.position, length + HEADER_BYTES)
        return chunk

    def _advance(self, chunk: bytes, count: int) -> bool:
        """Step over up to `count` records that are whole in `chunk`, by their lengths alone."""
        at = 0
        while count and at + HEADER_BYTES <= len(chunk):
            end = at + HEADER_BYTES + _unpack_header(chunk, at)[0]
            if end > len(chunk):
                break
            at = end
            count -= 1
            self.offset += 1
        self.position += at
        return at > 0

    def take(
        self, max_records: int, max_bytes: int, *, alone: bool = True
    ) -> list[tuple[int, bytes]]:
        """Return the next records and move behind them; none at the end or at a damaged one.

        One chunk at most is read, so fewer may come than there are. `alone` also lets the first
        one through where it is larger than `max_bytes`.
        """
        size = min(max_bytes, _CHUNK_BYTES) + HEADER_BYTES
        chunk = self._chunk(size) if alone else read_at(self.descriptor, self.position, size)
        taken: list[tuple[int, bytes]] = []
        at = 0
        while len(taken) < max_records and at + HEADER_BYTES <= len(chunk):
            length, checksum = _unpack_header(chunk, at)
            start = at + HEADER_BYTES
            record = chunk[start : start + length]
            if len(record) < length or crc32(record, _SEED) != checksum:
                break
            taken.append((self.offset, record))
            self.offset += 1
            at = start + length
        self.position += at
        return taken


def whole_records(descriptor: int, base: int) -> tuple[int, int]:
    """Check a segment from its start.

    Returns:
        The offset behind its last whole record, and the position there; what follows is torn.
    """
    cursor = Cursor(descriptor, base)
    while cursor.take(_CHUNK_BYTES, _CHUNK_BYTES):
        pass
    return cursor.offset, cursor.position
