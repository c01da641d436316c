"""A pipeline for tests, on a port of loopback: the real collector and enrich, all in memory.

Events are enriched before their request is answered. So once a client, in whatever language, has
its 200, the assertions see its events, and so does who asks `/micro/…`; nobody needs to sleep or
poll.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, ClassVar, Final, Self

from whiteout.collector.metrics import Metrics
from whiteout.collector.server import Server
from whiteout.errors import ConfigurationError
from whiteout.testing.arrivals import Arrivals
from whiteout.testing.questions import Questions
from whiteout.tracker.instances import live_trackers

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from types import TracebackType

    from whiteout.collector.sink import Waiter
    from whiteout.testing.pipeline import Pipeline

_HOST: Final = "127.0.0.1"
_START_S: Final = 30.0
_DRAIN_S: Final = 2.0
_STOP_S: Final = 10.0  # also for who answers questions
_SETTLE_S: Final = 5.0


class Micro(Arrivals):
    """Collector and enrich on a port of this machine, for as long as the context lasts.

    Args:
        port: 0 takes a free one.
        iglu: schema registries to ask after the embedded one: folders or HTTP addresses. Iglu
            Central is asked only if it is one of them, so that tests need no network.
        timeout: seconds that `assert_tracked` waits for an event to arrive.

    Raises:
        ConfigurationError: a registry is neither folder nor address, or the port is taken.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        iglu: Sequence[str | os.PathLike[str]] = (),
        timeout: float = 2.0,
    ) -> None:
        super().__init__(iglu, timeout=timeout)
        self._asked_port = port
        self._port: Future[int] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return super().__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, traceback)
        self.stop()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port.result(_START_S)

    @property
    def endpoint(self) -> str:
        """The collector's address, for trackers: `http://127.0.0.1:PORT`."""
        return f"http://{_HOST}:{self.port}"

    def start(self) -> None:
        """Listen; returns once connections are accepted."""
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve()), name="whiteout-micro", daemon=True
        )
        self._thread.start()
        try:
            self._port.result(_START_S)
        except OSError as error:
            raise ConfigurationError(
                f"port {self._asked_port} of {_HOST} cannot be used ({error.strerror}); "
                "0 takes a free one"
            ) from error

    def stop(self) -> None:
        """Stop listening; what arrived stays."""
        loop, stop, thread = self._loop, self._stop, self._thread
        if loop is None or stop is None or thread is None:
            return
        with contextlib.suppress(RuntimeError):  # it is closed already
            loop.call_soon_threadsafe(stop.set)
        thread.join(_STOP_S)

    def settle(self) -> None:
        """Have trackers of this process that send here deliver what they hold."""
        if self._port.done() and self._port.exception() is None:
            for tracker in live_trackers():
                if tracker.network.endpoint == self.endpoint:
                    tracker.flush(timeout=_SETTLE_S)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        sink = _EnrichingSink(self._pipeline, self._loop)
        questions = Questions(self._pipeline, self.settle)
        server = Server(self._pipeline.settings, sink, loop=self._loop, forwarder=questions)
        try:
            try:
                listener = await self._loop.create_server(
                    server.connection, _HOST, self._asked_port
                )
            except OSError as error:
                self._port.set_exception(error)
                return
            self._port.set_result(listener.sockets[0].getsockname()[1])
            await self._stop.wait()
            listener.close()
            server.drain()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(server.drained.wait(), _DRAIN_S)
        finally:
            server.close()
            questions.close()


class _EnrichingSink:
    """Enriches at once, on the event loop: a test has no throughput to care for."""

    name: ClassVar[str] = "memory"
    healthy = True
    waiting_bytes = 0

    def __init__(self, pipeline: Pipeline, loop: asyncio.AbstractEventLoop) -> None:
        self.metrics = Metrics()
        self._pipeline = pipeline
        self._loop = loop

    def submit(self, records: Sequence[bytes], bad_rows: Sequence[bytes], waiter: Waiter) -> bool:
        """Take records and bad rows; the waiter is told on the next turn of the loop."""
        self._pipeline.take(records, bad_rows)
        self._loop.call_soon(waiter.stored, True)
        return True

    def trim(self) -> None:
        """Nothing is kept that could be trimmed."""

    def close(self) -> None:
        """Nothing waits."""
