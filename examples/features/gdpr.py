"""The legal basis: why events are processed, on each of them.

    python examples/features/gdpr.py http://127.0.0.1:9090

What to look at: the basis changes while the tracker runs, and is on the next event; switched off,
it is on none.
"""

from __future__ import annotations

import sys

import whiteout
from whiteout import (
    BasisForProcessing,
    EmitterConfiguration,
    GdprConfiguration,
    Structured,
    TrackerConfiguration,
)


def main(collector: str, storage: str | None = None) -> None:
    """Order something, which a contract asks for; then write to the user, who has agreed to it."""
    tracker = whiteout.create_tracker(
        "gdpr",
        collector,
        TrackerConfiguration(app_id="shop", install_autotracking=False),
        EmitterConfiguration(storage_dir=storage),
        GdprConfiguration(
            basis_for_processing=BasisForProcessing.CONTRACT,
            document_id="terms-of-use",
            document_version="3.1",
        ),
    )
    tracker.track(Structured(category="shop", action="order"))
    tracker.gdpr.reset(GdprConfiguration(basis_for_processing=BasisForProcessing.CONSENT))
    tracker.track(Structured(category="shop", action="newsletter"))
    tracker.gdpr.disable()
    tracker.track(Structured(category="shop", action="look"))
    print("delivered:", tracker.close(timeout=10))


if __name__ == "__main__":
    main(*sys.argv[1:])
