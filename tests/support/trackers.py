"""Trackers for tests: in a folder of their own, without what differs from machine to machine."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

import whiteout
from whiteout import Answer, EmitterConfiguration, NetworkConfiguration, TrackerConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from whiteout import (
        FocalMeterConfiguration,
        GdprConfiguration,
        GlobalContextsConfiguration,
        OutgoingRequest,
        PluginConfiguration,
        SessionConfiguration,
        SubjectConfiguration,
        Tracker,
    )
    from whiteout.tracker.environment import Environment

    Configuration = (
        TrackerConfiguration
        | EmitterConfiguration
        | SessionConfiguration
        | SubjectConfiguration
        | GdprConfiguration
        | PluginConfiguration
        | GlobalContextsConfiguration
        | FocalMeterConfiguration
    )

STATELESS: Final[dict[str, Any]] = {
    "screen_context": False,
    "screen_engagement_autotracking": False,
    "lifecycle_autotracking": False,
    "deep_link_context": False,
    "exception_autotracking": False,
    "install_autotracking": False,
}
"""Options of a tracker that sends nothing but what it is given: for tests of other things."""

CONTEXT_FREE = TrackerConfiguration(platform_context=False, **STATELESS)


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


class Wire:
    """A network connection that goes nowhere: it remembers requests and answers as told.

    Attributes:
        status: of every answer; None is no answer.
        requests: all of them.
        events: the payloads of the requests that were answered with 2xx.
    """

    sends_headers: Final = True

    def __init__(self, status: int | None = 200) -> None:
        self.status = status
        self.requests: list[OutgoingRequest] = []
        self.events: list[dict[str, str]] = []

    def send(self, request: OutgoingRequest) -> Answer:
        """Remember and answer."""
        self.requests.append(request)
        status = self.status
        if status is not None and 200 <= status <= 299:
            self.events += events_of(request)
        return Answer(status=status)

    def close(self) -> None:
        """Nothing is kept."""

    @property
    def network(self) -> NetworkConfiguration:
        """What to give a tracker, so that it sends here."""
        return NetworkConfiguration(endpoint="https://collector.invalid", network_connection=self)


def events_of(request: OutgoingRequest) -> list[dict[str, str]]:
    """The payloads of a request."""
    if request.body is None:
        return [dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))]
    data: list[dict[str, str]] = json.loads(request.body)["data"]
    return data
