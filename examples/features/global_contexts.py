"""Global contexts: entities for many events, without a word where they are tracked.

    python examples/features/global_contexts.py http://127.0.0.1:9090

What to look at: the branch of the shop goes with every event, the length of a name with screen
views alone; a rule that is written wrong would be refused.
"""

from __future__ import annotations

import sys

import whiteout
from whiteout import (
    ContextGenerator,
    EmitterConfiguration,
    GlobalContext,
    GlobalContextsConfiguration,
    InspectableEvent,
    SchemaRuleset,
    ScreenView,
    SelfDescribingJson,
    Structured,
    TrackerConfiguration,
)

BRANCH = SelfDescribingJson("iglu:com.example.shop/branch/jsonschema/1-0-0", {"number": 7})
SCREENS = SchemaRuleset(allow=["iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/*-*-*"])


class Length:
    """An entity that is made for each event. A `whiteout.ContextGenerator`."""

    def filter(self, event: InspectableEvent) -> bool:
        """Whether the event gets one."""
        return bool(event.payload["name"])

    def generate(self, event: InspectableEvent) -> list[SelfDescribingJson]:
        """Make it. A plain function would do where there is nothing to decide."""
        data = {"characters": len(event.payload["name"])}
        return [SelfDescribingJson("iglu:com.example.shop/name/jsonschema/1-0-0", data)]


def main(collector: str, storage: str | None = None) -> None:
    """Track with both, then without the first."""
    length: ContextGenerator = Length()
    tracker = whiteout.create_tracker(
        "global-contexts",
        collector,
        TrackerConfiguration(app_id="shop", install_autotracking=False),
        EmitterConfiguration(storage_dir=storage),
        GlobalContextsConfiguration(
            contexts={
                "branch": GlobalContext(entities=[BRANCH]),
                "length": GlobalContext(generator=length, ruleset=SCREENS),
            }
        ),
    )
    tracker.track(ScreenView(name="Shoes"))
    tracker.track(Structured(category="shop", action="order"))
    tracker.global_contexts.remove("branch")
    tracker.track(Structured(category="shop", action="leave"))
    print("delivered:", tracker.close(timeout=10))


if __name__ == "__main__":
    main(*sys.argv[1:])
