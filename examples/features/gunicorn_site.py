"""gunicorn: a site in several processes that share one event store.

    gunicorn --workers 2 --preload --chdir examples/features \
        "gunicorn_site:site('http://127.0.0.1:9090')"

What to look at: the tracker is made before gunicorn forks its workers; each goes on with threads
and connections of its own, and what one that is killed has tracked, another sends. Needs `pip
install gunicorn`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import whiteout
from whiteout import DevicePlatform, EmitterConfiguration, Structured, TrackerConfiguration
from whiteout.integrations.wsgi import WsgiMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable


def site(collector: str, storage: str | None = None) -> WsgiMiddleware:
    """The application, as gunicorn asks for it."""
    tracker = whiteout.create_tracker(
        "gunicorn",
        collector,
        TrackerConfiguration(
            app_id="site", device_platform=DevicePlatform.SERVER, install_autotracking=False
        ),
        EmitterConfiguration(storage_dir=storage),
    )

    def page(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        tracker.track(Structured(category="page", action=environ["PATH_INFO"].strip("/")))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(os.getpid()).encode()]

    return WsgiMiddleware(page, tracker, track=None)
