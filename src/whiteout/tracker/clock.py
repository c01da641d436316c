"""Time and random ids: the only module of the tracker that asks the system for either."""

from __future__ import annotations

import os
import struct
import time
from typing import Protocol

_READY_UUIDS = 512
_BLOCK_UUIDS = 64  # 1 KiB from the system at a time: 0.5 us an id instead of 2.5
_GROUPS = struct.Struct("8s4s4s4s12s")  # of the digits of a text, between dashes
_VERSION = bytes(byte & 0x0F | 0x40 for byte in range(256))
_VARIANT = bytes(byte & 0x3F | 0x80 for byte in range(256))


class Clock(Protocol):
    """The only way to ask for the time. Wall time may step backwards; monotonic time never does."""

    def now_ms(self) -> int:
        """Wall time: Unix epoch milliseconds, UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds since an arbitrary origin."""
        ...


class SystemClock:
    """The system's clocks."""

    def now_ms(self) -> int:
        """Wall time: Unix epoch milliseconds, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds since an arbitrary origin."""
        return time.monotonic()


class UuidSource:
    """Random version 4 UUIDs, drawn from the system's generator in blocks.

    Any thread may call: taking one from a list is a single step of the interpreter. A fork must
    call `reset`, or parent and child would hand out the same ids.
    """

    def __init__(self) -> None:
        self._pool: list[bytes] = []
        self._texts: list[str] = []

    def reset(self) -> None:
        """Throw the drawn bytes away."""
        self._pool = []
        self._texts = []

    def fill(self) -> None:
        """Write some out ahead of time, on a thread that nobody waits for."""
        texts = self._texts
        while len(texts) < _READY_UUIDS:
            texts.extend(_write_out(_draw()))

    def text(self) -> str:
        """A fresh UUID as text."""
        while True:
            try:
                return self._texts.pop()
            except IndexError:
                self._texts.extend(_write_out(_draw()))

    def __call__(self) -> bytes:
        """A fresh UUID, version and variant bits set (RFC 9562, section 5.4)."""
        pool = self._pool
        while True:
            try:
                return pool.pop()
            except IndexError:
                drawn = _draw()
                pool.extend([drawn[start : start + 16] for start in range(0, len(drawn), 16)])


def _draw() -> bytes:
    drawn = bytearray(os.urandom(16 * _BLOCK_UUIDS))
    drawn[6::16] = drawn[6::16].translate(_VERSION)
    drawn[8::16] = drawn[8::16].translate(_VARIANT)
    return bytes(drawn)


def _write_out(drawn: bytes) -> list[str]:
    """A block as texts, in half the time that `uuid_text` would take for each."""
    digits = _GROUPS.iter_unpack(drawn.hex().encode())
    return [(b"%b-%b-%b-%b-%b" % groups).decode() for groups in digits]


def uuid_text(raw: bytes) -> str:
    """16 bytes as a lower-case UUID with dashes."""
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
