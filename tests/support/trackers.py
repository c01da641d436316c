"""Trackers for tests: in a folder of their own, without what differs from machine to machine."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import whiteout
from whiteout import EmitterConfiguration, NetworkConfiguration, TrackerConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from whiteout import SessionConfiguration, SubjectConfiguration, Tracker
    from whiteout.tracker.environment import Environment

    Configuration = (
        TrackerConfiguration | EmitterConfiguration | SessionConfiguration | SubjectConfiguration
    )

CONTEXT_FREE = TrackerConfiguration(platform_context=False)


@contextmanager
def a_tracker(
    network: str | NetworkConfiguration,
    folder: Path,
    *configurations: Configuration,
    namespace: str = "app",
    environment: Environment | None = None,
) -> Iterator[Tracker]:
    """A tracker that is closed at the end, without waiting for what is not delivered.

    Args:
        network: the collector.
        folder: for its files, unless an emitter configuration names another.
        *configurations: a tracker configuration is `CONTEXT_FREE` where none is given.
        namespace: as usual.
        environment: as usual.
    """
    kinds = {type(configuration) for configuration in configurations}
    if TrackerConfiguration not in kinds:
        configurations += (CONTEXT_FREE,)
    if EmitterConfiguration not in kinds:
        configurations += (EmitterConfiguration(storage_dir=folder),)
    tracker = whiteout.create_tracker(namespace, network, *configurations, environment=environment)
    try:
        yield tracker
    finally:
        if whiteout.get_tracker(namespace) is tracker:
            whiteout.remove_tracker(namespace, timeout=0)
        tracker.close(timeout=0)


def poll(condition: Callable[[], bool], timeout_s: float = 10.0) -> bool:
    """Wait until `condition` holds; False: not within the time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
