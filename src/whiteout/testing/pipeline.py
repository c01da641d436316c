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
from typing import TYPE_CHECKING, Any, Protocol

from whiteout.collector.core import Core
from whiteout.collector.exchange import Request
from whiteout.collector.settings import CollectorSettings
from whiteout.enrich import Dropped, EnrichedEvent, Enricher
from whiteout.enrich.adapter import Rejected, adapt
from whiteout.enrich.load import Unreadable, load
from whiteout.iglu import EmbeddedRegistry, FolderRegistry, HttpRegistry, Resolver
from whiteout.lake.loaded import Origin
from whiteout.testing.received import FailedEvent, ReceivedEvent, failed_event, received_event

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from whiteout.collector.exchange import Header, Response
    from whiteout.enrich.event import BadRow
    from whiteout.iglu import Registry

    Outcome = EnrichedEvent | BadRow | bytes

MAX_EVENTS = 20_000  # of each kind; the oldest go first: a test that tracks more counts them itself
_LOOPBACK = "127.0.0.1"


def now_ms() -> int:
    """The wall clock, Unix epoch milliseconds."""
    return time.time_ns() // 1_000_000


class Watcher(Protocol):
    """Has what the pipeline has; told by whichever thread changes it."""

    def take(self, outcome: Outcome, origin: Origin | None, /) -> None:
        """One event more: enriched, or a bad row of enrich's or, as text, of the collector's.

        Of an enriched one it is also told what it came from.
        """

    def empty(self) -> None:
        """There are none any more."""


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
        self._iglu = [str(place) for place in iglu]
        self.settings = CollectorSettings()
        self._core = Core(self.settings)
        self._resolver = self.new_resolver()
        self._enricher = Enricher(
            self._resolver,
            now_ms=now_ms,
            new_uuid=uuid.uuid4,
            enrichments=None if reads_user_agents else (),
        )
        self._changed = threading.Condition()  # guards everything here; held while enriching
        self._events: deque[ReceivedEvent] = deque(maxlen=MAX_EVENTS)
        self._failed: deque[FailedEvent] = deque(maxlen=MAX_EVENTS)
        # For who comes to watch.
        self._unwatched: deque[tuple[Outcome, Origin | None]] = deque(maxlen=MAX_EVENTS)
        self._watcher: Watcher | None = None

    def new_resolver(self) -> Resolver:
        """A resolver like the pipeline's own, which belongs to the pipeline."""
        registries: list[Registry] = [EmbeddedRegistry()]
        for place in self._iglu:
            is_http = place.startswith(("http://", "https://"))
            registries.append(HttpRegistry(place) if is_http else _folder(place))
        return Resolver(registries)

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
            self._unwatched.clear()
            if self._watcher is not None:
                self._watcher.empty()

    def watch(self, watcher: Watcher) -> None:
        """Tell `watcher` of all that is here, and of each change from now on."""
        with self._changed:
            for outcome, origin in self._unwatched:
                watcher.take(outcome, origin)
            self._unwatched.clear()
            self._watcher = watcher

    def wait_for_change(self, timeout_s: float) -> None:
        """Wait until something arrives, at most so long."""
        with self._changed:
            self._changed.wait(timeout_s)

    def answer(self, method: str, target: str, headers: Sequence[Header], body: bytes) -> Response:
        """Take one request as the collector does, and give its answer."""
        request = Request.of(method.encode(), target.encode(), headers, body, _LOOPBACK)
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
                self._show(row)
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
                self._show(result, Origin(record, number))
            elif not isinstance(result, Dropped):
                self._failed.append(
                    failed_event(
                        result.schema, result.data, parameters, is_server_anonymous=is_anonymous
                    )
                )
                self._show(result)

    def _show(self, outcome: Outcome, origin: Origin | None = None) -> None:
        if self._watcher is None:
            self._unwatched.append((outcome, origin))
        else:
            self._watcher.take(outcome, origin)


def _folder(place: str) -> FolderRegistry:
    from pathlib import Path  # noqa: PLC0415 - few name any

    return FolderRegistry(Path(place))
