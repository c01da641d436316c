"""A sender of the app's own: requests go through the HTTP client that the app has already.

    python examples/features/own_sender.py http://127.0.0.1:9090

What to look at: headers are sent as they are, no redirect is followed, and anonymous requests share
neither a connection nor a cookie with others, as each has a connection of its own here.
"""

from __future__ import annotations

import http.client
import sys
from urllib.parse import urlsplit

import whiteout
from whiteout import Answer, EmitterConfiguration, NetworkConfiguration, OutgoingRequest, ScreenView


class Sender:
    """Python's own client; it keeps nothing. A `whiteout.NetworkConnection`."""

    sends_headers = True

    def send(self, request: OutgoingRequest) -> Answer:
        """Send one request; a fault of the network is an answer without a status."""
        parts = urlsplit(request.url)
        of = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        connection = of[parts.scheme](parts.netloc, timeout=request.timeout)
        try:
            target = request.url.partition(parts.netloc)[2]
            connection.request(request.method, target, request.body, dict(request.headers))
            response = connection.getresponse()
            return Answer(status=response.status, retry_after=response.getheader("Retry-After"))
        except OSError:
            return Answer(status=None)
        finally:
            connection.close()

    def close(self) -> None:
        """Nothing is kept."""


def main(collector: str, storage: str | None = None) -> None:
    """Track one screen."""
    connection: whiteout.NetworkConnection = Sender()
    tracker = whiteout.create_tracker(
        "own-sender",
        NetworkConfiguration(endpoint=collector, network_connection=connection),
        whiteout.TrackerConfiguration(app_id="shop", install_autotracking=False),
        EmitterConfiguration(storage_dir=storage, server_anonymisation=True),
    )
    tracker.track(ScreenView(name="Start"))
    print("delivered:", tracker.close(timeout=10))


if __name__ == "__main__":
    main(*sys.argv[1:])
