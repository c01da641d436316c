"""An app with a real pywebview window, for the test that starts it. Prints what was tracked.

Started with two URLs: a page that is listened to, and one that is not.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import webview  # type: ignore[import-not-found, import-untyped, unused-ignore]

from whiteout.integrations.pywebview import attach
from whiteout.tracker.web_view import WebViewBridge

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout import Anonymisation, Event

DEADLINE_S = 30.0


class Scribe:
    def __init__(self, anonymisation: Anonymisation) -> None:
        self.effective_anonymisation = anonymisation
        self.events: list[Event] = []

    def track(self, event: Event, *, anonymisation: Anonymisation) -> str:
        self.events.append(event)
        return "an id"


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)


def main(allowed: str, other: str) -> None:
    from whiteout import Anonymisation  # noqa: PLC0415 - used here alone at run time

    scribe = Scribe(Anonymisation.NONE)
    bridge = WebViewBridge(
        ["shop"],
        allowed_origins=[allowed.rpartition("/")[0]],
        find_tracker={"shop": scribe}.get,
    )
    window: Any = webview.create_window("shop", allowed)
    attach(window, bridge)
    seen: dict[str, Any] = {}

    def play() -> None:
        wait_for(lambda: bridge.tracked >= 6)
        seen["tracked"] = [[type(e).__name__, e.parameters()] for e in scribe.events]
        seen["refusals"] = {reason.name: count for reason, count in bridge.refusals.items()}
        window.load_url(other)
        wait_for(lambda: sum(bridge.refusals.values()) > sum(seen["refusals"].values()))
        seen["elsewhere"] = window.evaluate_js("typeof window.SnowplowWebInterfaceV2")
        seen["tracked_elsewhere"] = len(scribe.events) - len(seen["tracked"])
        seen["refused_elsewhere"] = [reason.name for reason in bridge.refusals]
        window.destroy()

    watchdog = threading.Timer(2 * DEADLINE_S, window.destroy)
    watchdog.daemon = True
    watchdog.start()
    webview.start(play, gui="qt")
    sys.stdout.write(json.dumps(seen) + "\n")


main(*sys.argv[1:])
