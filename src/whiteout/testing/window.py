"""The page's window on a pipeline for tests, and who serves it. Loaded with the first question."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whiteout.enrich import EnrichedEvent
from whiteout.enrich.event import BadRow
from whiteout.lake.failed import from_bad_row, from_text
from whiteout.lake.loaded import Loaded
from whiteout.web.app import Parts
from whiteout.web.guard import Access
from whiteout.web.process import PageServer
from whiteout.web.recent import RecentEvents
from whiteout.web.schemas import Schemas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from whiteout.lake.loaded import Origin
    from whiteout.testing.pipeline import Outcome, Pipeline


@contextlib.contextmanager
def serve(pipeline: Pipeline, settle: Callable[[], None], place: Path) -> Iterator[None]:
    """Answer questions about a pipeline.

    Args:
        pipeline: what is asked about.
        settle: has what is still on its way arrive.
        place: the Unix socket to listen on.
    """
    window = _Window(pipeline)
    parts = Parts(
        recent=window,
        freshness=_Settled(settle),
        schemas=Schemas(pipeline.new_resolver),
        access=Access(),
    )
    with contextlib.closing(window), PageServer(parts, place):
        yield


class _Window(RecentEvents):
    """Has what the pipeline has: who empties one empties both."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__()
        self._pipeline = pipeline
        pipeline.watch(self)

    def take(self, outcome: Outcome, origin: Origin | None) -> None:
        """See `pipeline.Watcher`."""
        stored_us = time.time_ns() // 1_000
        loaded = Loaded(stored_us)
        if isinstance(outcome, EnrichedEvent):
            loaded.events.append(outcome)
            loaded.origins += [] if origin is None else [origin]
        elif isinstance(outcome, BadRow):
            loaded.failed.append(from_bad_row(outcome))
        else:
            loaded.failed.append(from_text(outcome, now_ms=stored_us // 1_000))
        self.observe(loaded)

    def empty(self) -> None:
        """See `pipeline.Watcher`."""
        super().clear()

    def clear(self) -> None:
        """Forget all events, and have the pipeline forget them."""
        self._pipeline.clear()


@dataclass(frozen=True, slots=True)
class _Settled:
    """What was accepted is here already; trackers of this process may hold more."""

    settle: Callable[[], None]

    def wait(self) -> bool:
        """Have it arrive."""
        self.settle()
        return True
