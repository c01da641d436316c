"""Install: the first start of the app on this device, once.

    python examples/features/install.py http://127.0.0.1:9090 /tmp/install

What to look at: the first run tracks one event more than the next ones. It says that somebody has
installed the app and not who, since the tracker is anonymous from the start.
"""

from __future__ import annotations

import sys

import whiteout
from whiteout import (
    EmitterConfiguration,
    InstallReferrer,
    ScreenView,
    SelfDescribingJson,
    TrackerConfiguration,
)


def referrer() -> SelfDescribingJson:
    """What the shop says that the app came from: asked for once, at the first start."""
    return InstallReferrer(
        google_play_instant_param=False,
        install_referrer="utm_source=newsletter&gclid=Cj0KCQ",
    ).self_describing()


def main(collector: str, storage: str | None = None) -> None:
    """Start the app."""
    tracker = whiteout.create_tracker(
        "install",
        collector,
        TrackerConfiguration(app_id="notes", user_anonymisation=True, install_referrer=referrer),
        EmitterConfiguration(storage_dir=storage, server_anonymisation=True),
    )
    tracker.track(ScreenView(name="Notes"))
    print("delivered:", tracker.close(timeout=10))


if __name__ == "__main__":
    main(*sys.argv[1:])
