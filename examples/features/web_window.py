"""A window of pywebview: its pages track through the app's tracker.

    pip install pywebview
    python examples/features/web_window.py http://127.0.0.1:9090

What to look at: the page finds what Snowplow's WebView tracker looks for, and speaks as that does;
its event has the app's session.
"""

from __future__ import annotations

import sys

import webview  # type: ignore[import-not-found, unused-ignore] # lint can do without

import whiteout
from whiteout import EmitterConfiguration, TrackerConfiguration, WebViewBridge
from whiteout.integrations.pywebview import attach

PORT = 8765  # a fixed one, so that the app's own pages have a known origin


def main(collector: str, storage: str | None = None) -> None:
    """Show one page until the window is closed."""
    tracker = whiteout.create_tracker(
        "web-window",
        collector,
        TrackerConfiguration(app_id="shop", install_autotracking=False),
        EmitterConfiguration(storage_dir=storage),
    )
    bridge = WebViewBridge(["web-window"], allowed_origins=[f"http://127.0.0.1:{PORT}"])
    attach(webview.create_window("Shop", "web_window.html"), bridge)
    webview.start(http_port=PORT)
    print("tracked:", bridge.tracked)
    print("delivered:", tracker.close(timeout=10))


if __name__ == "__main__":
    main(*sys.argv[1:])
