"""Plugins: add to events, keep some back, follow what was tracked.

    python examples/features/plugins.py http://127.0.0.1:9090

What to look at: noise is never sent; what follows an event is told of it once it is safe, on a
thread of the tracker's.
"""

from __future__ import annotations

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


def build(_event: InspectableEvent) -> list[SelfDescribingJson]:
    """Which build of the app this is."""
    return [SelfDescribingJson("iglu:com.example.shop/build/jsonschema/1-0-0", {"number": 812})]


def is_wanted(event: InspectableEvent) -> bool:
    """Keep back what happens all the time and says nothing."""
    return event.parameters["se_ac"] != "tick"


def main(collector: str, storage: str | None = None) -> None:
    """Track noise, and something that matters."""
    followed: list[str] = []
    tracker = whiteout.create_tracker(
        "plugins",
        collector,
        TrackerConfiguration(app_id="shop", install_autotracking=False),
        EmitterConfiguration(storage_dir=storage),
        PluginConfiguration(
            identifier="build",
            entities=build,
            after_track=lambda event: followed.append(event.parameters["se_ac"]),
        ),
        PluginConfiguration(identifier="quiet", filter=is_wanted, filter_schemas=["se"]),
    )
    for action in ("tick", "order", "tick"):
        tracker.track(Structured(category="shop", action=action))
    print("delivered:", tracker.close(timeout=10))
    print("followed:", followed)


if __name__ == "__main__":
    main(*sys.argv[1:])
