"""The pipeline in memory: the collector's core and enrich, without socket, log and lake.

What it is given is enriched before the call returns, so that whoever was answered 200 finds the
event already here.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any

from whiteout.collector.core import Core
from whiteout.collector.exchange import Request
from whiteout.collector.settings import CollectorSettings
from whiteout.enrich import Dropped, EnrichedEvent, Enricher
from whiteout.enrich.adapter import Rejected, adapt
from whiteout.enrich.load import Unreadable, load
from whiteout.iglu import EmbeddedRegistry, FolderRegistry, HttpRegistry, Resolver
from whiteout.testing.received import FailedEvent, ReceivedEvent, failed_event, received_event

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from whiteout.collector.exchange import Header, Response
    from whiteout.iglu import Registry

MAX_EVENTS = 20_000  # of each kind; the oldest go first: a test that tracks more counts them itself
_LOOPBACK = "127.0.0.1"


def now_ms() -> int:
    """The wall clock, Unix epoch milliseconds."""
    return time.time_ns() // 1_000_000


class Pipeline:
    """Takes requests, or records, and keeps what becomes of their events. Any thread may call.

    Args:
        iglu: registries to ask after the embedded one, in order: folders or HTTP addresses.
        reads_user_agents: as the pipeline does where nothing else is configured; its patterns take
            0.1 s to be loaded.

    Raises:
        ConfigurationError: a registry is neither.
    """

    def __init__(
        self, iglu: Sequence[str | os.PathLike[str]] = (), *, reads_user_agents: bool
    ) -> None:
        registries: list[Registry] = [EmbeddedRegistry()]
        for place in map(str, iglu):
            is_http = place.startswith(("http://", "https://"))
            registries.append(HttpRegistry(place) if is_http else _folder(place))
        self.settings = CollectorSettings()
        self._core = Core(self.settings)
        self._resolver = Resolver(registries)
        self._enricher = Enricher(
            self._resolver,
            now_ms=now_ms,
            new_uuid=uuid.uuid4,
            enrichments=None if reads_user_agents else (),
        )
        self._changed = threading.Condition()  # guards everything here; held while enriching
        self._events: deque[ReceivedEvent] = deque(maxlen=MAX_EVENTS)
        self._failed: deque[FailedEvent] = deque(maxlen=MAX_EVENTS)

    @property
    def events(self) -> list[ReceivedEvent]:
        """Good events, in the order of their arrival."""
        with self._changed:
            return list(self._events)

    @property
    def failed_events(self) -> list[FailedEvent]:
        """Failed events, in the order of their arrival."""
        with self._changed:
            return list(self._failed)

    def clear(self) -> None:
        """Forget everything that arrived."""
        with self._changed:
            self._events.clear()
            self._failed.clear()

    def wait_for_change(self, timeout_s: float) -> None:
        """Wait until something arrives, at most so long."""
        with self._changed:
            self._changed.wait(timeout_s)

    def answer(self, method: str, target: str, headers: Sequence[Header], body: bytes) -> Response:
        """Take one request as the collector does, and give its answer."""
        values = {name.lower(): value for name, value in headers}
        request = Request(method.encode(), target.encode(), headers, values, body, _LOOPBACK)
        outcome = self._core.handle(request, now_ms(), uuid.uuid4)
        self.take(outcome.records, outcome.bad_rows)
        return outcome.response

    def take(self, records: Sequence[bytes], bad_rows: Sequence[bytes]) -> None:
        """Take what the collector's core makes of a request."""
        with self._changed:
            for record in records:
                self._take_record(record)
            for row in bad_rows:
                document = json.loads(row)
                self._failed.append(failed_event(document["schema"], document["data"]))
            self._changed.notify_all()

    def _take_record(self, record: bytes) -> None:
        request = load(record)
        is_anonymous = not isinstance(request, Unreadable) and request.anonymous
        found = None if isinstance(request, Unreadable) else adapt(request, self._resolver)
        sent: list[Any] = [] if found is None or isinstance(found, Rejected) else found
        for number, result in enumerate(self._enricher.enrich(record)):
            parameters = sent[number] if number < len(sent) else {}
            if isinstance(result, EnrichedEvent):
                self._events.append(
                    received_event(result, parameters, is_server_anonymous=is_anonymous)
                )
            elif not isinstance(result, Dropped):
                self._failed.append(
                    failed_event(
                        result.schema, result.data, parameters, is_server_anonymous=is_anonymous
                    )
                )


def _folder(place: str) -> FolderRegistry:
    from pathlib import Path  # noqa: PLC0415 - few name any

    return FolderRegistry(Path(place))
