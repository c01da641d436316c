"""A WSGI app that tracks before and while it answers; gunicorn loads it before it forks."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from tests.support.child import create

from whiteout import Structured, SubjectConfiguration
from whiteout.integrations.wsgi import WsgiMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

tracker = create(os.environ["FOLDER"], os.environ["COLLECTOR"])
tracker.subject.user_id = "user-of-the-server"


def _answer(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterator[bytes]:
    label = environ["HTTP_X_NUMBER"]
    tracker.track(Structured(category="wsgi", action="before", label=label))
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield f"{os.getpid()} ".encode()
    time.sleep(0.02)  # others are answered meanwhile
    tracker.track(Structured(category="wsgi", action="after", label=label))
    yield label.encode()


def _user_of(environ: dict[str, Any]) -> SubjectConfiguration:
    return SubjectConfiguration(user_id=environ["HTTP_X_USER"])


application = WsgiMiddleware(_answer, tracker, subject_of=_user_of)
