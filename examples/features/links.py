"""Link decoration: let another site know whose visit it is, while it may.

    python examples/features/links.py http://127.0.0.1:9090

What to look at: the link gets `_sp` while the user is known. While hidden it gets none, and loses
the one it came with.
"""

from __future__ import annotations

import sys

import whiteout
from whiteout import (
    Anonymisation,
    CrossDeviceParameterConfiguration,
    EmitterConfiguration,
    ScreenView,
    TrackerConfiguration,
)

LINK = "https://shop.example/offer?id=7&_sp=somebody-else#top"


def main(collector: str, storage: str | None = None) -> None:
    """Decorate a link, first known, then hidden."""
    tracker = whiteout.create_tracker(
        "links",
        collector,
        TrackerConfiguration(app_id="reader", install_autotracking=False),
        EmitterConfiguration(storage_dir=storage),
    )
    tracker.track(ScreenView(name="Offers"))
    known = tracker.decorate_link(LINK) or ""
    print("known:", known.partition("_sp=")[0], len(known.partition("_sp=")[2].split(".")), "parts")
    short = CrossDeviceParameterConfiguration(session_id=False, source_id=False)
    print("short:", len((tracker.decorate_link(LINK, short) or "").split(".")) - 1, "parts")
    tracker.anonymisation = Anonymisation.FULL
    print("hidden:", tracker.decorate_link(LINK))
    print("delivered:", tracker.close(timeout=10))


if __name__ == "__main__":
    main(*sys.argv[1:])
