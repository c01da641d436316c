"""Events of your own as types: checked by a type checker, and by their schema in the pipeline.

    whiteout up --iglu examples/schemas
    python examples/features/own_event.py http://127.0.0.1:9090

What to look at: where an order is tracked nobody spells out a schema or a property.
"""

from __future__ import annotations

import sys
from collections.abc import Callable  # noqa: TC003 - dataclasses read their annotations
from dataclasses import dataclass

import whiteout
from whiteout import EmitterConfiguration, Event, SelfDescribingJson, TrackerConfiguration


@dataclass(frozen=True, kw_only=True)
class Order(Event):
    """Somebody has bought something."""

    items: int
    total_cents: int

    def self_describing(self, _new_uuid: Callable[[], str]) -> SelfDescribingJson:
        """The body of the event."""
        data = {"items": self.items, "total_cents": self.total_cents}
        return SelfDescribingJson("iglu:com.example.shop/order/jsonschema/1-0-0", data)


def main(collector: str, storage: str | None = None) -> None:
    """Order two things."""
    tracker = whiteout.create_tracker(
        "own-event",
        collector,
        TrackerConfiguration(app_id="shop", install_autotracking=False),
        EmitterConfiguration(storage_dir=storage),
    )
    tracker.track(Order(items=2, total_cents=4_990))
    print("delivered:", tracker.close(timeout=10))


if __name__ == "__main__":
    main(*sys.argv[1:])
