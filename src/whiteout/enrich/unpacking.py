"""Compressed records: many payloads in one, as Snowplow's collector writes them since 3.6.

Unpacked, such a record is two bytes (format and version, 1 and 1), then for each payload its
length (four bytes, the greatest first) and its bytes. It is unpacked as a stream: what is in memory
at once is one payload and a buffer, and the whole is bounded, whatever the bytes claim.

Source: reference sections 1.11 and 2.13. Snowplow's enrich divides batches of more than 5,242,880
bytes; here nothing holds a whole batch, so there is nothing to divide.
"""

from __future__ import annotations

import gzip
import io
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_UNPACKED_BYTES = 64 * 1024 * 1024
"""Of one record: what a collector writes into one megabyte is a third of that at most."""

_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"
_HEAD = b"\x01\x01"
_LENGTH_BYTES = 4
_CHUNK_BYTES = 64 * 1024
_LEAST_COST_BYTES = 512  # of a payload: a bad row for each of millions of empty ones is too much
_WINDOW_BYTES = 8 * 1024 * 1024  # zstandard: what all readers must allow; level 9 takes 4 MiB


@dataclass(frozen=True, slots=True)
class TooLarge:
    """What is not looked into.

    Attributes:
        size: bytes, as far as is known.
        limit: bytes.
    """

    size: int
    limit: int


@dataclass(frozen=True, slots=True)
class Broken:
    """From here on nothing can be read.

    Attributes:
        why: in words, with nothing of the record.
    """

    why: str


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes:
        """Some of the next bytes, at most `size`; none at the end."""


def is_packed(record: bytes) -> bool:
    """Whether a record is compressed."""
    return record.startswith((_ZSTD, _GZIP))


def unpack(record: bytes, *, max_payload_bytes: int) -> Iterator[bytes | TooLarge | Broken]:
    """The payloads of a compressed record, in order; never raises.

    Args:
        record: for which `is_packed` holds.
        max_payload_bytes: a larger one is passed over.
    """
    import zstandard  # noqa: PLC0415 - few collectors compress

    try:
        yield from _payloads(_opened(record), max_payload_bytes)
    except (OSError, EOFError, zlib.error, zstandard.ZstdError):  # their messages may repeat bytes
        yield Broken("the compressed record is damaged")


def _opened(record: bytes) -> _Stream:
    import zstandard  # noqa: PLC0415 - as above

    if record.startswith(_ZSTD):
        decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES)
        return decompressor.stream_reader(record, read_across_frames=True)
    return gzip.GzipFile(fileobj=io.BytesIO(record))


def _payloads(stream: _Stream, max_payload_bytes: int) -> Iterator[bytes | TooLarge | Broken]:
    if _exactly(stream, len(_HEAD)) != _HEAD:
        yield Broken("the compressed record has another format or version than 1, 1")
        return
    left = MAX_UNPACKED_BYTES
    while True:
        head = _exactly(stream, _LENGTH_BYTES)
        if not head:
            return
        size = int.from_bytes(head)
        if len(head) < _LENGTH_BYTES or not size:
            yield Broken("the compressed record has a payload without a length")
            return
        left -= max(size, _LEAST_COST_BYTES)
        if left < 0:
            yield TooLarge(MAX_UNPACKED_BYTES - left, MAX_UNPACKED_BYTES)
            return
        if size > max_payload_bytes:
            if not _skip(stream, size):
                yield Broken("the compressed record ends within a payload")
                return
            yield TooLarge(size, max_payload_bytes)
            continue
        payload = _exactly(stream, size)
        if len(payload) < size:
            yield Broken("the compressed record ends within a payload")
            return
        yield payload


def _exactly(stream: _Stream, size: int) -> bytes:
    """So many bytes; fewer where it ends before."""
    parts: list[bytes] = []
    while size and (part := stream.read(min(size, _CHUNK_BYTES))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _skip(stream: _Stream, size: int) -> bool:
    while size and (part := stream.read(min(size, _CHUNK_BYTES))):
        size -= len(part)
    return not size
