"""Several trackers: side by side without anything in common, unless the app asks for it.

    python examples/features/several_trackers.py http://127.0.0.1:9090

What to look at: shop and help name a group, so they share the installation's id; crashes has
nothing of them. What one of the group forgets, both forget.
"""

from __future__ import annotations

import sys

import whiteout
from whiteout import (
    EmitterConfiguration,
    SessionConfiguration,
    Structured,
    TrackerConfiguration,
)

EVENT = Structured(category="app", action="start")


def create_tracker(
    namespace: str, collector: str, storage: str | None, group: str | None
) -> whiteout.Tracker:
    """A tracker of the app."""
    return whiteout.create_tracker(
        namespace,
        collector,
        TrackerConfiguration(app_id="app", install_autotracking=False),
        EmitterConfiguration(storage_dir=storage),
        SessionConfiguration(identity_group=group),
    )


def main(collector: str, storage: str | None = None) -> None:
    """Track with all of them, and again after the shop was told to forget."""
    groups = {"shop": "house", "help": "house", "crashes": None}
    trackers = {
        name: create_tracker(name, collector, storage, group) for name, group in groups.items()
    }
    for forgets in (False, True):
        if forgets:
            trackers["shop"].forget()
        for tracker in trackers.values():
            tracker.track(EVENT)
            tracker.flush(10)
    for tracker in trackers.values():
        tracker.close(timeout=10)


if __name__ == "__main__":
    main(*sys.argv[1:])
