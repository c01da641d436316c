"""Track one event to a server on loopback and check that it arrived.

For the wheel, installed without extras in an environment of its own.
"""

from __future__ import annotations

import json
import queue
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import distributions
from pathlib import Path

import whiteout

ALLOWED = {"whiteout", "urllib3", "platformdirs", "pip", "setuptools"}
BODIES: queue.SimpleQueue[bytes] = queue.SimpleQueue()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        BODIES.put(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    others = {distribution.name.lower() for distribution in distributions()} - ALLOWED
    if others:
        sys.exit(f"the wheel should be alone, but there are {sorted(others)}")
    if Path(whiteout.__file__).is_relative_to(Path(__file__).parent.parent):
        sys.exit("this is the checkout, not the wheel")
    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        tracker = whiteout.create_tracker(
            "wheel",
            f"http://127.0.0.1:{server.server_port}",
            whiteout.TrackerConfiguration(install_autotracking=False),
            whiteout.EmitterConfiguration(storage_dir=folder),
        )
        event_id = tracker.track(whiteout.ScreenView(name="First"))
        if not tracker.flush(timeout=20.0):
            sys.exit(f"not delivered; dropped: {dict(tracker.drops)}")
        tracker.close()
    server.shutdown()
    server.server_close()
    sent = json.loads(BODIES.get_nowait())["data"]
    if [event["eid"] for event in sent] != [event_id]:
        sys.exit("another event arrived than was tracked")
    print(f"whiteout {whiteout.__version__}: event {event_id} arrived")


main()
