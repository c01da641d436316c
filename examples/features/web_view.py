"""Web views: pages inside the app track through the app's tracker.

    python examples/features/web_view.py http://127.0.0.1:9090

What to look at: messages of both forms become events with the app's session; what a page of
another origin says is refused, and the page learns nothing. A toolkit brings the messages: for
pywebview it is `whiteout.integrations.pywebview.attach`.
"""

from __future__ import annotations

import logging
import sys

import whiteout
from whiteout import EmitterConfiguration, TrackerConfiguration, WebViewBridge

SHOP = "https://shop.example"
OLD_FORM = {"command": "trackScreenView", "event": {"name": "Size guide"}}
NEW_FORM = {
    "atomicProperties": {
        "eventName": "pv",
        "trackerVersion": "js-4.1.0",
        "pageUrl": f"{SHOP}/sizes",
    }
}


def main(collector: str, storage: str | None = None) -> None:
    """Take what two pages send."""
    logging.getLogger("whiteout").addHandler(logging.NullHandler())  # refusals are logged there
    tracker = whiteout.create_tracker(
        "web-view",
        collector,
        TrackerConfiguration(app_id="shop", install_autotracking=False),
        EmitterConfiguration(storage_dir=storage),
    )
    bridge = WebViewBridge(["web-view"], allowed_origins=[SHOP])
    bridge.receive(OLD_FORM, origin=SHOP)
    bridge.receive(NEW_FORM, origin=SHOP)
    bridge.receive(OLD_FORM, origin="https://elsewhere.example")
    print("tracked:", bridge.tracked)
    print("refused:", [refusal.name for refusal in bridge.refusals])
    print("delivered:", tracker.close(timeout=10))


if __name__ == "__main__":
    main(*sys.argv[1:])
