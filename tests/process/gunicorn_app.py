"""A WSGI app that tracks each request; gunicorn loads it, before or after it forks its workers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tests.support.child import create

from whiteout import ScreenView

if TYPE_CHECKING:
    from collections.abc import Callable

tracker = create(os.environ["FOLDER"], os.environ["COLLECTOR"])


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    """Answer with who answers, and the id of the event that tells of it."""
    event_id = tracker.track(ScreenView(name=environ["PATH_INFO"]))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {event_id}".encode()]
