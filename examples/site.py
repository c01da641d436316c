"""A web site of the standard library's WSGI server: many visitors, one tracker.

    python examples/site.py http://127.0.0.1:9090 --port 8000
    curl --header "Cookie: customer=17" http://127.0.0.1:8000/shoes/42
    curl --header "Sec-GPC: 1" --header "Cookie: customer=17" http://127.0.0.1:8000/shoes/42

What to look at: each request has its own user, whatever other requests are answered meanwhile; a
browser that asks for privacy gets it; views are named by their route, never by what was asked for.
"""

from __future__ import annotations

import argparse
import signal
import threading
from http.cookies import SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import whiteout
from whiteout import (
    DevicePlatform,
    EmitterConfiguration,
    Structured,
    SubjectConfiguration,
    TrackerConfiguration,
)
from whiteout.integrations.wsgi import WsgiMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable

    Environ = dict[str, Any]


class Site:
    """The app: it knows nothing of users or consent, it only tracks what happens."""

    def __init__(self, tracker: whiteout.Tracker) -> None:
        self._tracker = tracker

    def __call__(self, environ: Environ, start_response: Callable[..., object]) -> list[bytes]:
        """Show a pair of shoes."""
        action = "look" if environ["REQUEST_METHOD"] == "GET" else "something else"
        self._tracker.track(Structured(category="shoes", action=action))
        start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"A nice pair of shoes.\n"]


def customer_of(environ: Environ) -> SubjectConfiguration:
    """Who asks. A real shop would look the session up."""
    cookie = SimpleCookie(environ.get("HTTP_COOKIE", ""))
    return SubjectConfiguration(user_id=cookie["customer"].value if "customer" in cookie else None)


def view_of(environ: Environ) -> str:
    """What a view is called, without anything of what was asked for."""
    return "/shoes/:id" if environ["PATH_INFO"].startswith("/shoes/") else "/"


class QuietHandler(WSGIRequestHandler):
    """Writes no line for each request: an access log holds addresses."""

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002, ANN401 - the base's
        """Say nothing."""


def main() -> None:
    """Serve until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collector", help="such as http://127.0.0.1:9090")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    parser.add_argument("--storage", type=Path, help="folder for what waits to be sent")
    arguments = parser.parse_args()

    tracker = whiteout.create_tracker(
        "site",
        arguments.collector,
        TrackerConfiguration(
            app_id="site",
            device_platform=DevicePlatform.SERVER,
            install_autotracking=False,  # no visitor has installed anything
        ),
        EmitterConfiguration(storage_dir=arguments.storage),
    )
    app = WsgiMiddleware(Site(tracker), tracker, subject_of=customer_of, name_of=view_of)
    with make_server("127.0.0.1", arguments.port, app, handler_class=QuietHandler) as server:

        def stop(*_: object) -> None:
            """Let the request that is under way end first, and wait for it elsewhere."""
            threading.Thread(target=server.shutdown).start()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever(poll_interval=0.05)
    print("everything was delivered" if tracker.close(timeout=10) else "some waits on disk")


if __name__ == "__main__":
    main()
