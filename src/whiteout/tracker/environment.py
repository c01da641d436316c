"""The seams to the system that a tracker is built on: passed in, so that tests can pass others."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from whiteout.tracker.clock import Clock, SystemClock, UuidSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.tracker.platform_reader import PlatformReader


@dataclass(slots=True, kw_only=True)
class Environment:
    """Time, randomness and the device.

    Attributes:
        clock: time.
        new_uuid: random UUIDs, 16 bytes each.
        generator: jitter; not for ids.
        platform_reader: what the platform entity says; None: the system's own.
    """

    clock: Clock = field(default_factory=SystemClock)
    new_uuid: Callable[[], bytes] = field(default_factory=UuidSource)
    generator: random.Random = field(default_factory=random.SystemRandom)
    platform_reader: PlatformReader | None = None

    def after_fork(self) -> None:
        """In a forked child: make sure that no random value is handed out twice."""
        if isinstance(self.new_uuid, UuidSource):
            self.new_uuid.reset()
