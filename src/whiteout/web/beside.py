"""The page in the process that enriches and loads: what it needs of the data folder."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

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


@contextlib.contextmanager
def page_beside(  # noqa: PLR0913 - all keyword-only, none with a sensible default
    *,
    source: Path,
    settings: ServiceSettings,
    socket: Path,
    hurry: Callable[[], None],
    token: str | None,
    least_group: int,
) -> Iterator[Observer]:
    """Serve the page; gives what the loader tells of its commits.

    Args:
        source: the folder whose `log` is read.
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
        yield recent.observe
