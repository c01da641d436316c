"""The page in the process that enriches and loads: what it needs of the data folder."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

from whiteout.lake.erased import Erasures
from whiteout.lake.service import make_resolver
from whiteout.log import open_log
from whiteout.web.app import Parts
from whiteout.web.freshness import Freshness
from whiteout.web.guard import Access
from whiteout.web.process import PageServer
from whiteout.web.recent import RecentEvents, first_of_run
from whiteout.web.schemas import Schemas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from whiteout.lake.loaded import Observer
    from whiteout.lake.service import ServiceSettings

_LOOK_S = 0.5
_LOGGER = logging.getLogger(__name__)


@contextlib.contextmanager
def page_beside(  # noqa: PLR0913 - all keyword-only, none with a sensible default
    *,
    source: Path,
    lake: Path,
    settings: ServiceSettings,
    socket: Path,
    hurry: Callable[[], None],
    token: str | None,
    least_group: int,
) -> Iterator[Observer]:
    """Serve the page; gives what the loader tells of its commits.

    Args:
        source: the folder whose `log` is read.
        lake: the folder of the lake's indexes, where erasures are told of.
        settings: the registries of the schema browser.
        socket: where to listen.
        hurry: asks the loader to begin at once.
        token: see `Access`.
        least_group: see `Parts`.
    """
    with contextlib.ExitStack() as stack:
        recent = RecentEvents(first=first_of_run(int(time.time())))
        stack.callback(recent.close)
        logs = []
        for name in ("raw", "bad"):
            log = open_log(source / "log" / name, writer=False)
            stack.callback(log.close)
            logs.append(log)
        raw, bad = logs
        parts = Parts(
            recent=recent,
            freshness=Freshness(recent, lambda: (raw.end_offset(), bad.end_offset()), hurry),
            schemas=Schemas(lambda: make_resolver(settings)),
            access=Access(token=token),
            least_group=least_group,
        )
        stack.enter_context(PageServer(parts, socket))
        stack.enter_context(_forgetting(recent, Erasures(lake)))
        yield recent.observe


@contextlib.contextmanager
def _forgetting(recent: RecentEvents, erasures: Erasures) -> Iterator[None]:
    """Forget all events soon after somebody was erased from the lake."""
    stop = threading.Event()

    def watch() -> None:
        is_due = False
        while not stop.wait(_LOOK_S):
            is_due = erasures.is_new() or is_due
            if is_due:
                try:
                    recent.clear()
                    is_due = False
                except sqlite3.Error as error:  # such as a full disk: the next look tries again
                    _LOGGER.warning("the page cannot forget: %s", type(error).__name__)

    thread = threading.Thread(target=watch, name="whiteout-erasures", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
