"""What those who run the collector ask it: is it well, and how much has it done?

Both servers answer these here, since a pure core knows nothing of logs that fail or of an end that
is near.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whiteout.collector.exchange import UNAVAILABLE, Response
from whiteout.collector.metrics import CONTENT_TYPE
from whiteout.collector.pages import HEALTH_PATHS
from whiteout.collector.reading import parse_target

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.collector.exchange import Answer, Request
    from whiteout.collector.settings import CollectorSettings
    from whiteout.collector.sink import Sink


class Operations:
    """The answers that depend on the state of the process.

    Args:
        settings: where the metrics are.
        sink: whose health counts, and whose metrics are shown.
        connections: how many there are now; None where another server has them.

    Attributes:
        leaving: the process is about to end; `/health` says so.
    """

    def __init__(
        self,
        settings: CollectorSettings,
        sink: Sink,
        connections: Callable[[], int] | None = None,
    ) -> None:
        path = settings.metrics_path
        self._metrics_path = None if path is None else path.encode()
        self._sink = sink
        self._metrics = sink.metrics
        self._connections = connections
        self.leaving = False

    def answer(self, request: Request, response: Answer) -> Answer:
        """Return the answer to a request that is no event.

        Args:
            request: as it came.
            response: the core's answer.
        """
        self._metrics.other += 1
        path = parse_target(request.target).path
        if path in HEALTH_PATHS and (self.leaving or not self._sink.healthy):
            return UNAVAILABLE
        if path == self._metrics_path and request.method == b"GET":
            return Response(200, CONTENT_TYPE, self._metrics.text(self._gauges()))
        return response

    def _gauges(self) -> dict[str, int]:
        gauges = {
            "healthy": int(self._sink.healthy and not self.leaving),
            "pending_bytes": self._sink.waiting_bytes,
        }
        if self._connections is not None:
            gauges["connections"] = self._connections()
        return gauges
