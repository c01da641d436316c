"""Trackers for unit tests: the real one, with neither thread nor disk nor network.

Events pass the same gate, templates and requests as those of any tracker; the requests go to a
pipeline in memory, on the caller's thread, when somebody looks.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

import whiteout
from whiteout import NetworkConfiguration
from whiteout.errors import ConfigurationError
from whiteout.testing.arrivals import Arrivals
from whiteout.tracker.clock import SystemClock
from whiteout.tracker.environment import Environment
from whiteout.tracker.focal_meter import FocalMeterConfiguration
from whiteout.tracker.network import Answer

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from types import TracebackType

    from whiteout import Event, OutgoingRequest, Tracker
    from whiteout.testing.pipeline import Pipeline
    from whiteout.tracker.instances import Configuration

_ENDPOINT: Final = "https://memory.invalid"


class MemoryTracker(Arrivals):
    """A tracker, and what of its events would have arrived. Made by `memory_tracker`.

    Attributes:
        tracker: the real tracker; `whiteout.get_tracker` finds it by its namespace.

    Args:
        namespace: as of `whiteout.create_tracker`.
        configurations: as of `whiteout.create_tracker`; `storage_dir` is passed over.
        iglu: schema registries to ask after the embedded one: folders or HTTP addresses.

    Raises:
        ConfigurationError: as `whiteout.create_tracker`; or one of them is for FocalMeter, which
            needs the network.
    """

    def __init__(
        self,
        namespace: str,
        configurations: Sequence[Configuration],
        iglu: Sequence[str | os.PathLike[str]] = (),
    ) -> None:
        super().__init__(iglu, timeout=0, reads_user_agents=False)  # all are the same
        if any(isinstance(one, FocalMeterConfiguration) for one in configurations):
            raise ConfigurationError("a tracker in memory asks no FocalMeter: leave it out")
        self._namespace = namespace
        self._clock = _MovableClock()
        self.tracker: Tracker = whiteout.create_tracker(
            namespace,
            NetworkConfiguration(
                endpoint=_ENDPOINT, network_connection=_ToPipeline(self._pipeline)
            ),
            *configurations,
            environment=Environment(clock=self._clock, in_memory=True),
        )

    def __enter__(self) -> Self:
        return super().__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, traceback)
        self.close()

    def track(self, event: Event) -> str | None:
        """As `Tracker.track`."""
        return self.tracker.track(event)

    def advance(self, seconds: float) -> None:
        """Let the tracker's clock go on: sessions time out without anybody waiting."""
        self._clock.advance(seconds)

    def settle(self) -> None:
        """Send what was tracked."""
        self.tracker.flush(timeout=0)

    def close(self) -> None:
        """Close the tracker; what arrived stays."""
        with ExitStack() as stack:
            if whiteout.get_tracker(self._namespace) is self.tracker:
                stack.callback(whiteout.remove_tracker, self._namespace, timeout=0.1)
            else:  # another one has taken its place
                stack.callback(self.tracker.close, timeout=0.1)

    def _may_still_come(self) -> bool:
        return False


def memory_tracker(
    namespace: str = "app",
    *configurations: Configuration,
    iglu: Sequence[str | os.PathLike[str]] = (),
) -> MemoryTracker:
    """A tracker in memory, to be used as a context manager.

    Args:
        namespace: as of `whiteout.create_tracker`.
        *configurations: as of `whiteout.create_tracker`.
        iglu: schema registries to ask after the embedded one: folders or HTTP addresses.

    Raises:
        ConfigurationError: as `MemoryTracker`.
    """
    return MemoryTracker(namespace, configurations, iglu)


class _MovableClock:
    """The system's clocks, some seconds ahead."""

    def __init__(self) -> None:
        self._system = SystemClock()
        self._ahead_s = 0.0

    def now_ms(self) -> int:
        return self._system.now_ms() + int(self._ahead_s * 1000)

    def monotonic_s(self) -> float:
        return self._system.monotonic_s() + self._ahead_s

    def advance(self, seconds: float) -> None:
        self._ahead_s += seconds


class _ToPipeline:
    """A network connection that is none."""

    sends_headers: Final = True

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def send(self, request: OutgoingRequest) -> Answer:
        url = urlsplit(request.url)
        headers = [(name.encode(), value.encode()) for name, value in request.headers.items()]
        target = f"{url.path}?{url.query}" if url.query else url.path
        answer = self._pipeline.answer(request.method, target, headers, request.body or b"")
        return Answer(status=answer.status)

    def close(self) -> None:
        """Nothing is open."""
