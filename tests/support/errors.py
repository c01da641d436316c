"""Exceptions that nobody catches, without their traces in the output of tests."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tests.support.collector import unstructured
from tests.support.trackers import STATELESS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.trackers import Wire

CANARY: Final = "canary@example.com"
ERRORS: Final[dict[str, Any]] = {
    "platform_context": False,
    **STATELESS,
    "exception_autotracking": True,
}
"""Options of a tracker that sends nothing of its own accord but errors."""


class PassedOnError(Exception):
    """Raised by tests."""


@contextmanager
def quiet_hooks() -> Iterator[list[str]]:
    """Hooks that print nothing, but note the types they are called with."""
    before = sys.excepthook, threading.excepthook
    called: list[str] = []
    sys.excepthook = lambda kind, *_: called.append(kind.__name__)
    threading.excepthook = lambda given: called.append(given.exc_type.__name__)
    mine = sys.excepthook, threading.excepthook
    try:
        yield called
        assert (sys.excepthook, threading.excepthook) == mine
    finally:
        sys.excepthook, threading.excepthook = before


def fail_in_thread(action: Callable[[], object]) -> None:
    """Let nobody catch what `action` raises."""
    thread = threading.Thread(target=action)
    thread.start()
    thread.join()


def fail() -> None:
    """Raise with a canary in the message."""
    raise PassedOnError(CANARY)


def errors_of(wire: Wire) -> list[dict[str, Any]]:
    """The data of the events for errors that arrived."""
    bodies = [unstructured(event) for event in wire.events if event["e"] == "ue"]
    return [body["data"] for body in bodies if "_error/" in body["schema"]]
