"""Time and random ids: the only module of the tracker that asks the system for either."""

from __future__ import annotations

import os
import time
from typing import Protocol

_READY_UUIDS = 512
_POOL_UUIDS = 256  # 4 KiB from the system at a time: 0.5 us an id instead of 2.5
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
        self._pairs: list[tuple[bytes, str]] = []

    def reset(self) -> None:
        """Throw the drawn bytes away."""
        self._pool = []
        self._pairs = []

    def fill(self) -> None:
        """Write some out ahead of time, on a thread that nobody waits for.

        To a caller that is cold, as after a sleep, writing an id out costs 13 us, taking one that
        lies ready 2.
        """
        pairs = self._pairs
        while len(pairs) < _READY_UUIDS:
            raw = self()
            pairs.append((raw, uuid_text(raw)))

    def pair(self) -> tuple[bytes, str]:
        """A fresh UUID, as bytes and as text."""
        try:
            return self._pairs.pop()
        except IndexError:
            raw = self()
            return raw, uuid_text(raw)

    def __call__(self) -> bytes:
        """A fresh UUID, version and variant bits set (RFC 9562, section 5.4)."""
        pool = self._pool
        while True:
            try:
                return pool.pop()
            except IndexError:
                pool.extend(_draw())


def _draw() -> list[bytes]:
    drawn = bytearray(os.urandom(16 * _POOL_UUIDS))
    drawn[6::16] = drawn[6::16].translate(_VERSION)
    drawn[8::16] = drawn[8::16].translate(_VARIANT)
    return [bytes(drawn[start : start + 16]) for start in range(0, len(drawn), 16)]


def uuid_text(raw: bytes) -> str:
    """16 bytes as a lower-case UUID with dashes."""
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
