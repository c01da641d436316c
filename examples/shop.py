"""A small shop, from before consent to after its withdrawal.

Start a pipeline that knows the shop's own schemas, then the shop::

    whiteout up --iglu examples/schemas
    python examples/shop.py http://127.0.0.1:9090

What to look at: nobody is known before consent; consent changes one line; withdrawing it reaches
the events that wait.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import whiteout
from whiteout import (
    Anonymisation,
    EmitterConfiguration,
    PageView,
    ScreenView,
    SelfDescribing,
    SelfDescribingJson,
    SessionConfiguration,
    Structured,
    Timing,
    TrackerConfiguration,
)

ORDER = "iglu:com.example.shop/order/jsonschema/1-0-0"
SALE = "iglu:com.example.shop/sale/jsonschema/1-0-0"


def create_tracker(collector: str, storage: Path | None) -> whiteout.Tracker:
    """The tracker of the shop, as anonymous as can be until the user says otherwise."""
    return whiteout.create_tracker(
        "shop",
        collector,
        TrackerConfiguration(
            app_id="shop-desktop",
            application_version="1.4.2",
            application_build="1042",
            install_autotracking=False,  # see `consent.py` for one that tracks it
            # The three switches of `Anonymisation.FULL`: two of them here, one below.
            user_anonymisation=True,
            session_context=False,
            # A property of the shop's own schema that must not leave while the user is anonymous.
            identifying_properties=(
                whiteout.identifying_property("iglu:com.example.shop/order", "customer_email"),
            ),
        ),
        EmitterConfiguration(server_anonymisation=True, storage_dir=storage),
        SessionConfiguration(foreground_timeout=1800),
    )


def browse(tracker: whiteout.Tracker) -> None:
    """What everybody does, known or not."""
    started = time.perf_counter()
    tracker.track(ScreenView(name="Shoes", type="list"))
    tracker.track(
        Timing(
            category="screen",
            variable="Shoes",
            timing=round((time.perf_counter() - started) * 1000, 3),  # the shop counts in ms
        )
    )
    tracker.track(Structured(category="basket", action="add", label="red shoes", value=49.9))
    tracker.track(PageView(page_url="https://shop.example/size-guide", page_title="Sizes"))


def order(tracker: whiteout.Tracker) -> None:
    """An event with a schema of the shop's own, and an entity that says in which sale it was."""
    sale = SelfDescribingJson(SALE, {"name": "Winter", "percent_off": 20})
    tracker.track(
        SelfDescribing(
            schema=ORDER,
            data={"items": 1, "total_cents": 4990, "customer_email": "alice@example.com"},
            entities=[sale],
        )
    )


def main() -> None:
    """Run the shop once."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collector", help="such as http://127.0.0.1:9090")
    parser.add_argument("--storage", type=Path, help="folder for what waits to be sent")
    arguments = parser.parse_args()

    tracker = create_tracker(arguments.collector, arguments.storage)

    print("before consent: nobody is known, nothing about anybody is stored")
    browse(tracker)

    print("consent: from here on events belong to a user and a session")
    tracker.anonymisation = Anonymisation.NONE
    tracker.subject.user_id = "customer-4711"
    browse(tracker)
    order(tracker)
    # One event that is nobody's business, whatever the user agreed to.
    tracker.track(ScreenView(name="Health advice"), anonymisation=Anonymisation.FULL)

    print("consent withdrawn: what still waits is made anonymous as well")
    tracker.set_anonymisation(Anonymisation.FULL, pending="anonymise")
    tracker.subject.user_id = None
    browse(tracker)
    order(tracker)  # without the e-mail address: see `identifying_properties`

    delivered = tracker.close(timeout=10)
    print("everything was delivered" if delivered else "what was not delivered waits on disk")
    for reason, count in tracker.drops.items():
        print(f"{count} dropped: {reason.value}")


if __name__ == "__main__":
    main()
