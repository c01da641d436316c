"""Lifecycle: the app goes to the background, and comes back.

    python examples/features/lifecycle.py http://127.0.0.1:9090

What to look at: the app says so in one call each; the two events have an index, and every event
tells whether the app was visible.
"""

from __future__ import annotations

import sys

import whiteout
from whiteout import EmitterConfiguration, Structured, TrackerConfiguration


def main(collector: str, storage: str | None = None) -> None:
    """Play music while another app is in front."""
    tracker = whiteout.create_tracker(
        "lifecycle",
        collector,
        TrackerConfiguration(app_id="player", install_autotracking=False),
        EmitterConfiguration(storage_dir=storage),
    )
    tracker.track(Structured(category="player", action="play"))
    tracker.enter_background()
    tracker.track(Structured(category="player", action="next"))
    tracker.enter_foreground()
    tracker.track(Structured(category="player", action="stop"))
    print("delivered:", tracker.close(timeout=10))


if __name__ == "__main__":
    main(*sys.argv[1:])
