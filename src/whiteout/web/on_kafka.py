"""The page of a pipeline on Kafka, in a process of its own: it shows what the topics bring."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from whiteout.kafka.ends import SHOWN, Ends
from whiteout.kafka.service import run_show
from whiteout.kafka.showing import KafkaFreshness, Window
from whiteout.kafka.topics import wait_for_brokers
from whiteout.lake.service import make_resolver
from whiteout.web.app import Parts
from whiteout.web.guard import Access
from whiteout.web.process import PageServer
from whiteout.web.recent import MAX_EVENTS, RecentEvents, first_of_run
from whiteout.web.schemas import Schemas

if TYPE_CHECKING:
    import socket
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from whiteout.kafka.ends import Offsets
    from whiteout.kafka.settings import KafkaSettings
    from whiteout.lake.service import ServiceSettings


def run_page(  # noqa: PLR0913 - all keyword-only, most with no sensible default
    *,
    kafka: KafkaSettings,
    settings: ServiceSettings,
    place: Path | socket.socket,
    begin: Offsets | None,
    token: str | None,
    least_group: int,
    stop: threading.Event,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve the page until `stop` is set.

    Args:
        kafka: the brokers, and the topics.
        settings: the registries of the schema browser.
        place: see `PageServer`.
        begin: where to begin to read, unless that is more than the page keeps; None: with what
            comes from now on.
        token: see `Access`.
        least_group: see `Parts`.
        stop: set to stop.
        ready: called once the page can be asked.

    Raises:
        LogError: the topics cannot be used.
    """
    if not wait_for_brokers(kafka, stop):
        return
    window = Window(_begin(Ends(kafka, SHOWN).latest(*SHOWN), begin or {}))
    with contextlib.ExitStack() as stack:
        recent = stack.enter_context(
            contextlib.closing(RecentEvents(first=first_of_run(int(time.time()))))
        )
        freshness = stack.enter_context(contextlib.closing(KafkaFreshness(kafka, window)))
        parts = Parts(
            recent=recent,
            freshness=freshness,
            schemas=Schemas(lambda: make_resolver(settings)),
            access=Access(token=token),
            least_group=least_group,
        )
        stack.enter_context(PageServer(parts, place))
        ready()
        run_show(kafka, window, recent.observe, stop)


def _begin(ends: Offsets, wanted: Offsets) -> Offsets:
    """Where to begin: `wanted` where it says so, but no further back than the page keeps."""
    return {
        name: {
            partition: max(end - MAX_EVENTS, min(wanted.get(name, {}).get(partition, end), end))
            for partition, end in offsets.items()
        }
        for name, offsets in ends.items()
    }
