"""The seams to the system that a tracker is built on: passed in, so that tests can pass others."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from whiteout.tracker.clock import Clock, SystemClock, UuidSource, uuid_text

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
        in_memory: no file and no thread of the tracker's own: `flush` sends on its caller's thread.
            For tests of apps; see `whiteout.testing`.
    """

    clock: Clock = field(default_factory=SystemClock)
    new_uuid: Callable[[], bytes] = field(default_factory=UuidSource)
    generator: random.Random = field(default_factory=random.SystemRandom)
    platform_reader: PlatformReader | None = None
    in_memory: bool = False

    def new_id(self) -> Callable[[], str]:
        """What gives a fresh UUID as text."""
        new_uuid = self.new_uuid
        return new_uuid.text if isinstance(new_uuid, UuidSource) else lambda: uuid_text(new_uuid())

    def prepare(self) -> None:
        """Make ready what can be made ready ahead of time; for a background thread."""
        if isinstance(self.new_uuid, UuidSource):
            self.new_uuid.fill()

    def after_fork(self) -> None:
        """In a forked child: make sure that no random value is handed out twice."""
        if isinstance(self.new_uuid, UuidSource):
            self.new_uuid.reset()
