"""FocalMeter: tell Kantar's audience meter in the house who this installation is.

    python examples/features/focal_meter.py http://127.0.0.1:9090

What to look at: the meter, which is a small server here, hears nothing while the user is hidden,
one hash after the first event of a known user, and nothing after the second.
"""

from __future__ import annotations

import hashlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import whiteout
from whiteout import (
    EmitterConfiguration,
    FocalMeterConfiguration,
    Structured,
    TrackerConfiguration,
)

EVENT = Structured(category="video", action="watch")


class Meter(BaseHTTPRequestHandler):
    """Stands for the meter in the house."""

    heard: list[str] = []  # noqa: RUF012 - of the one meter
    has_heard = threading.Event()

    def do_GET(self) -> None:
        """Take note."""
        self.heard.append(parse_qs(urlsplit(self.path).query)["cs_fpid"][0])
        self.send_response(204)
        self.end_headers()
        self.has_heard.set()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def hashed(user_id: str) -> str:
    """What the meter is told instead of the id."""
    return hashlib.sha256(user_id.encode()).hexdigest()


def main(collector: str, storage: str | None = None) -> None:
    """Watch something, first hidden, then known."""
    with HTTPServer(("127.0.0.1", 0), Meter) as meter:
        threading.Thread(target=meter.serve_forever, daemon=True).start()
        tracker = whiteout.create_tracker(
            "focal-meter",
            collector,
            TrackerConfiguration(app_id="tv", user_anonymisation=True, install_autotracking=False),
            EmitterConfiguration(storage_dir=storage),
            FocalMeterConfiguration(
                kantar_endpoint=f"http://127.0.0.1:{meter.server_port}", process_user_id=hashed
            ),
        )
        tracker.track(EVENT)
        tracker.flush(10)
        print("while hidden:", len(Meter.heard))
        tracker.user_anonymisation = False
        tracker.track(EVENT)
        Meter.has_heard.wait(10)
        tracker.track(EVENT)
        print("delivered:", tracker.close(timeout=10))
        meter.shutdown()
    print("the meter heard:", [len(told) for told in Meter.heard])


if __name__ == "__main__":
    main(*sys.argv[1:])
