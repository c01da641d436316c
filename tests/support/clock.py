"""Time and randomness that a test decides."""

from __future__ import annotations

import random
import threading
import uuid

from whiteout.tracker.environment import Environment

FIRST_EVENT_MS = 1_654_496_481_346
"""2022-06-06T06:21:21.346Z, the moment that the reference's session tests begin at."""


class ManualClock:
    """A clock that moves only when told to. Any thread may read it.

    Args:
        now_ms: wall time, Unix epoch milliseconds.
    """

    def __init__(self, now_ms: int = FIRST_EVENT_MS) -> None:
        self._lock = threading.Lock()
        self._now_ms = now_ms
        self._monotonic_s = 1000.0

    def now_ms(self) -> int:
        """Wall time."""
        with self._lock:
            return self._now_ms

    def monotonic_s(self) -> float:
        """Seconds since an arbitrary origin."""
        with self._lock:
            return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Let both clocks go on."""
        with self._lock:
            self._now_ms += round(seconds * 1000)
            self._monotonic_s += seconds

    def set_back(self, seconds: float) -> None:
        """Let the user turn the wall clock back; monotonic time does not notice."""
        with self._lock:
            self._now_ms -= round(seconds * 1000)


class CountedUuids:
    """Version 4 UUIDs in a known order, different ones for every `seed`. Any thread may call."""

    def __init__(self, seed: int = 0) -> None:
        self._generator = random.Random(seed)
        self._lock = threading.Lock()

    def __call__(self) -> bytes:
        """The next one."""
        with self._lock:
            return uuid.UUID(int=self._generator.getrandbits(128), version=4).bytes


def fixed_environment(clock: ManualClock | None = None, seed: int = 0) -> Environment:
    """An environment in which nothing is left to chance.

    Args:
        clock: by default one that stands still.
        seed: two environments with the same seed hand out the same ids.
    """
    return Environment(
        clock=clock or ManualClock(),
        new_uuid=CountedUuids(seed),
        generator=random.Random(seed),
    )
