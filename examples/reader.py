"""A reading app: screens, how much of them was read, the way to the background and back, a link.

    python examples/reader.py http://127.0.0.1:9090

What to look at: the app says what happens; which screen an event belongs to, how long a screen was
seen and how far, the tracker puts together by itself.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import whiteout
from whiteout import (
    DeepLinkReceived,
    EmitterConfiguration,
    ListItemView,
    ScreenView,
    ScrollChanged,
    Structured,
    TrackerConfiguration,
)

ARTICLES = 40
PAGE_HEIGHT = 900


def create_tracker(collector: str, storage: Path | None) -> whiteout.Tracker:
    """Nobody is known; one run of the app is one session."""
    return whiteout.create_tracker(
        "reader",
        collector,
        TrackerConfiguration(app_id="reader", user_anonymisation=True, install_autotracking=False),
        EmitterConfiguration(server_anonymisation=True, storage_dir=storage),
    )


def open_by_link(tracker: whiteout.Tracker) -> None:
    """A newsletter's link opened the app: the first screen view carries it."""
    tracker.track(DeepLinkReceived(url="https://reader.example/today?utm_campaign=letter"))
    tracker.track(ScreenView(name="Today", type="list"))


def look_through_list(tracker: whiteout.Tracker) -> None:
    """None of these becomes an event: they are summed up when the screen ends."""
    for index in range(12):
        tracker.track(ListItemView(index=index, items_count=ARTICLES))


def read_article(tracker: whiteout.Tracker) -> None:
    """Opening it ends the list; in the middle of it the reader looks at another app."""
    tracker.track(ScreenView(name="Article", type="text"))
    for offset in range(0, 2 * PAGE_HEIGHT, 300):
        tracker.track(ScrollChanged(y_offset=offset, view_height=PAGE_HEIGHT, content_height=5_000))
    tracker.enter_background()
    tracker.enter_foreground()
    tracker.track(Structured(category="article", action="share"))


def main() -> None:
    """Run the app once."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collector", help="such as http://127.0.0.1:9090")
    parser.add_argument("--storage", type=Path, help="folder for what waits to be sent")
    arguments = parser.parse_args()

    tracker = create_tracker(arguments.collector, arguments.storage)
    open_by_link(tracker)
    look_through_list(tracker)
    read_article(tracker)
    tracker.track(ScreenView(name="Today", type="list"))  # ends the article
    delivered = tracker.close(timeout=10)
    print("everything was delivered" if delivered else "what was not delivered waits on disk")


if __name__ == "__main__":
    main()
