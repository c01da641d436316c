"""Diagnostics: what the tracker itself warns of, as events.

    python examples/features/diagnostics.py http://127.0.0.1:9090

What to look at: a plugin of the app fails; the event is tracked all the same, the log has a line,
and one event tells the maker of the app. It carries nothing of what the user did.
"""

from __future__ import annotations

import logging
import sys

import whiteout
from whiteout import (
    EmitterConfiguration,
    InspectableEvent,
    PluginConfiguration,
    SelfDescribingJson,
    Structured,
    TrackerConfiguration,
)


def broken(event: InspectableEvent) -> list[SelfDescribingJson]:
    """Look for what is not there."""
    raise KeyError(event.name)


def main(collector: str, storage: str | None = None) -> None:
    """Track with a plugin that fails."""
    logging.basicConfig(stream=sys.stdout, format="log: %(name)s")
    tracker = whiteout.create_tracker(
        "diagnostics",
        collector,
        TrackerConfiguration(
            app_id="shop", install_autotracking=False, diagnostic_autotracking=True
        ),
        EmitterConfiguration(storage_dir=storage),
        PluginConfiguration(identifier="broken", entities=broken),
    )
    tracker.track(Structured(category="shop", action="order"))
    print("faults:", sum(tracker.plugins.faults.values()))
    tracker.flush(10)
    print("delivered:", tracker.close(timeout=10))


if __name__ == "__main__":
    main(*sys.argv[1:])
