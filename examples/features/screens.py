"""Screens and engagement: which screen, for how long, and how much of it was seen.

    python examples/features/screens.py http://127.0.0.1:9090

What to look at: items and scrolling become no events of their own; they are summed up in the
event that ends the screen, which nobody tracks by hand.
"""

from __future__ import annotations

import sys

import whiteout
from whiteout import (
    EmitterConfiguration,
    ListItemView,
    ScreenView,
    ScrollChanged,
    TrackerConfiguration,
)


def main(collector: str, storage: str | None = None) -> None:
    """Look through a list, and open what it leads to."""
    tracker = whiteout.create_tracker(
        "screens",
        collector,
        TrackerConfiguration(app_id="shop", install_autotracking=False),
        EmitterConfiguration(storage_dir=storage),
    )
    tracker.track(ScreenView(name="Shoes", type="list"))
    for index in range(5):
        tracker.track(ListItemView(index=index, items_count=40))
    tracker.track(ScrollChanged(y_offset=600, view_height=900, content_height=4_000))
    tracker.track(ScreenView(name="Shoe", type="detail"))
    print("delivered:", tracker.close(timeout=10))


if __name__ == "__main__":
    main(*sys.argv[1:])
