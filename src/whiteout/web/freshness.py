"""Answers that know everything which the collector accepted before they were asked for.

Test suites send an event, get their 200, and ask for it at once. So a question waits until what the
logs held when it came has been loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.web.recent import RecentEvents

WAIT_S = 10.0


class Waits(Protocol):
    """Knows when everything that was accepted before has come."""

    def wait(self) -> bool:
        """Wait for it; False: it takes too long."""
        ...


@dataclass(frozen=True, slots=True)
class Freshness:
    """Waits for the loader.

    Attributes:
        recent: what the loader tells.
        ends: the ends of the raw and of the bad log, now.
        hurry: asks the loader to begin at once.
    """

    recent: RecentEvents
    ends: Callable[[], tuple[int, int]]
    hurry: Callable[[], None]

    def wait(self) -> bool:
        """Wait until what is in the logs now has been loaded; False: it takes too long."""
        raw, bad = self.ends()
        self.hurry()
        return self.recent.wait_until_done(raw, bad, timeout_s=WAIT_S)
