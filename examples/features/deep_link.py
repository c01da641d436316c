"""Deep links: which link opened the app, and which screen it led to.

    python examples/features/deep_link.py http://127.0.0.1:9090

What to look at: the first screen after the link carries it, the second does not; and while the
user is hidden, the click id and the address that was put into the link are gone.
"""

from __future__ import annotations

import sys

import whiteout
from whiteout import DeepLinkReceived, EmitterConfiguration, ScreenView, TrackerConfiguration

LINK = "https://shop.example/shoes?utm_campaign=winter&gclid=Cj0KCQ"


def main(collector: str, storage: str | None = None) -> None:
    """Open the app from a newsletter, first known, then hidden."""
    tracker = whiteout.create_tracker(
        "deep-link",
        collector,
        TrackerConfiguration(app_id="shop", install_autotracking=False),
        EmitterConfiguration(storage_dir=storage),
    )
    for is_hidden in (False, True):
        tracker.user_anonymisation = is_hidden
        tracker.track(DeepLinkReceived(url=LINK, referrer="https://news.example/"))
        tracker.track(ScreenView(name="Shoes"))
        tracker.track(ScreenView(name="Basket"))
    print("delivered:", tracker.close(timeout=10))


if __name__ == "__main__":
    main(*sys.argv[1:])
