"""Live changes: where events go and how, set anew while the tracker runs.

    python examples/features/live.py http://127.0.0.1:9090

What to look at: nobody listens at the first address. What waits is sent once the right one is
set, each event by GET; what was deleted unsent is counted.
"""

from __future__ import annotations

import sys

import whiteout
from whiteout import (
    BufferOption,
    DropReason,
    EmitterConfiguration,
    HttpMethod,
    Structured,
    TrackerConfiguration,
)


def main(collector: str, storage: str | None = None) -> None:
    """Start with an address that is wrong, and mend it."""
    tracker = whiteout.create_tracker(
        "live",
        "http://127.0.0.1:9",
        TrackerConfiguration(app_id="shop", install_autotracking=False),
        EmitterConfiguration(storage_dir=storage, buffer_option=BufferOption.SMALL_GROUP),
    )
    tracker.track(Structured(category="shop", action="unwanted"))
    tracker.emitter.remove_all_events()
    print("deleted:", tracker.drops[DropReason.FORGOTTEN])

    tracker.network.endpoint = collector
    tracker.network.method = HttpMethod.GET
    tracker.network.request_headers = {"X-Shop": "17"}
    tracker.emitter.buffer_option = BufferOption.SINGLE
    tracker.emitter.custom_retry_for_status_codes = {403: True}
    tracker.emitter.request_callback = lambda sent, failed: print("sent", sent, "failed", failed)
    tracker.track(Structured(category="shop", action="order"))
    print("delivered:", tracker.close(timeout=10))


if __name__ == "__main__":
    main(*sys.argv[1:])
