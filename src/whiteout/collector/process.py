"""The collector as a process: logs, sink, server, signals."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from typing import TYPE_CHECKING

from whiteout.collector.handshakes import TlsListener
from whiteout.collector.server import Server
from whiteout.collector.sink import LogSink
from whiteout.collector.tls import Certificates
from whiteout.log import open_log

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from whiteout.collector.forwarding import Forwarder
    from whiteout.collector.settings import CollectorSettings
    from whiteout.collector.sink import Sink
    from whiteout.kafka.settings import KafkaSettings
    from whiteout.log import Durability, Log

_logger = logging.getLogger("whiteout.collector")
_UPKEEP_EVERY_S = 10.0
_BACKLOG = 1024


async def serve(  # noqa: PLR0913 - each names one thing that the caller owns or chooses
    settings: CollectorSettings,
    raw_log: Log,
    bad_log: Log,
    host: str,
    port: int,
    *,
    durability: Durability = "disk",
    ready: Callable[[int], None] | None = None,
    stop: asyncio.Event | None = None,
    forwarder: Forwarder | None = None,
) -> None:
    """Collect until stopped; then answer what is in flight and return.

    Stopped by SIGINT or SIGTERM (where this runs in the main thread), or by `stop`. From then on
    `/health` says 503. For `Limits.notice_s`, or until a second signal, all goes on as before; then
    no more connections are accepted, and those that are there get their answers. SIGHUP reads the
    certificate again. The logs stay open: they are the caller's.

    Args:
        settings: how to answer.
        raw_log: a writer, for records.
        bad_log: a writer, for bad rows.
        host: address to bind, such as `127.0.0.1` or `::`.
        port: 0 takes a free one.
        durability: of `raw_log`; with `process`, appends are made on the event loop.
        ready: called with the port once connections are accepted.
        stop: set it to stop.
        forwarder: for the page and its API; None where there are none.

    Raises:
        ConfigurationError: the certificate cannot be used.
        OSError: the address cannot be bound.
    """
    sink = LogSink(
        raw_log,
        bad_log,
        asyncio.get_running_loop(),
        threaded=durability == "disk",
        limits=settings.limits,
    )
    await serve_to(sink, settings, host, port, ready=ready, stop=stop, forwarder=forwarder)


async def serve_to(  # noqa: PLR0913 - as `serve`
    sink: Sink,
    settings: CollectorSettings,
    host: str,
    port: int,
    *,
    reuse_port: bool = False,
    ready: Callable[[int], None] | None = None,
    stop: asyncio.Event | None = None,
    forwarder: Forwarder | None = None,
) -> None:
    """Collect into a sink until stopped, as `serve` does; the sink is closed in the end.

    Args:
        sink: of this event loop.
        settings: how to answer.
        host: address to bind.
        port: 0 takes a free one.
        reuse_port: other processes may listen on the same port, and the system shares out
            connections among them.
        ready: called with the port once connections are accepted.
        stop: set it to stop.
        forwarder: for the page and its API; None where there are none.

    Raises:
        ConfigurationError: the certificate cannot be used.
        OSError: the address cannot be bound.
    """
    loop = asyncio.get_running_loop()
    stop = stop if stop is not None else asyncio.Event()
    server = Server(settings, sink, loop=loop, forwarder=forwarder)
    try:
        certificates = None if settings.tls is None else Certificates(settings.tls)
        listener = await _listen(loop, server, host, port, certificates, reuse_port=reuse_port)
        signals = _Signals(loop, stop, certificates)
        with signals.taken():
            if ready is not None:
                ready(listener.sockets[0].getsockname()[1])
            upkeep = loop.create_task(_keep_up(sink, certificates))
            await stop.wait()
            server.operations.leaving = True
            await _wait(signals.hurry, settings.limits.notice_s)
            upkeep.cancel()
            listener.close()
            server.drain()
            await _wait(server.drained, settings.limits.drain_s)
    finally:
        server.close()
        sink.close()


async def _listen(  # noqa: PLR0913 - for one caller
    loop: asyncio.AbstractEventLoop,
    server: Server,
    host: str,
    port: int,
    certificates: Certificates | None,
    *,
    reuse_port: bool,
) -> asyncio.Server | TlsListener:
    listener = await loop.create_server(
        server.connection,
        host,
        port,
        backlog=_BACKLOG,
        reuse_port=reuse_port or None,
        start_serving=certificates is None,
    )
    if certificates is None:
        return listener
    sockets = [bound.dup() for bound in listener.sockets]
    listener.close()
    return TlsListener(server, sockets, certificates.context, backlog=_BACKLOG)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for `event`, at most so long."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


async def _keep_up(sink: Sink, certificates: Certificates | None) -> None:
    """Now and then delete what all consumers have committed: addresses must not lie about.

    And look whether the certificate's files have changed.
    """
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_UPKEEP_EVERY_S)
        await loop.run_in_executor(None, sink.trim)
        if certificates is not None:
            certificates.reload_if_changed()


class _Signals:
    """What signals ask for, where this runs in the main thread.

    Attributes:
        hurry: set by a second signal to stop.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        stop: asyncio.Event,
        certificates: Certificates | None,
    ) -> None:
        self._loop = loop
        self._stop = stop
        self.hurry = asyncio.Event()
        self._actions: dict[str, Callable[[], object]] = {
            "SIGINT": self._end,
            "SIGTERM": self._end,
        }
        if certificates is not None:
            self._actions["SIGHUP"] = certificates.reload

    def _end(self) -> None:
        (self.hurry if self._stop.is_set() else self._stop).set()

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Take the signals, and give them back in the end."""
        taken: list[int] = []
        for name, action in self._actions.items():
            # Not in the main thread, or Windows: the caller stops us.
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError, AttributeError):
                number = getattr(signal, name)
                self._loop.add_signal_handler(number, action)
                taken.append(number)
        try:
            yield
        finally:
            for number in taken:
                self._loop.remove_signal_handler(number)


def run_collector(  # noqa: PLR0913 - the options of the command line
    settings: CollectorSettings,
    directory: Path,
    host: str = "127.0.0.1",
    port: int = 9090,
    *,
    durability: Durability = "disk",
    ready: Callable[[int], None] | None = None,
    forwarder: Forwarder | None = None,
) -> int:
    """Run a collector that writes to `directory/log/raw` and `directory/log/bad`, until stopped.

    Args:
        settings: how to answer.
        directory: the pipeline's data folder.
        host: address to bind.
        port: 0 takes a free one.
        durability: `disk` answers once records are synced, `process` once they are written.
        ready: called with the port once connections are accepted.
        forwarder: for the page and its API; None where there are none.

    Returns:
        The exit status, 0.

    Raises:
        ConfigurationError: the certificate cannot be used.
        LogError: a log has another writer, or cannot be opened.
        OSError: the address cannot be bound.
    """
    raw_log = open_log(directory / "log" / "raw", writer=True, durability=durability)
    try:
        bad_log = open_log(directory / "log" / "bad", writer=True, durability=durability)
        try:
            run(
                serve(
                    settings,
                    raw_log,
                    bad_log,
                    host,
                    port,
                    durability=durability,
                    ready=ready,
                    forwarder=forwarder,
                )
            )
        finally:
            bad_log.close()
    finally:
        raw_log.close()
    return 0


def run_to_kafka(  # noqa: PLR0913 - the options of the command line
    settings: CollectorSettings,
    kafka: KafkaSettings,
    host: str = "127.0.0.1",
    port: int = 9090,
    *,
    reuse_port: bool = False,
    ready: Callable[[int], None] | None = None,
    stop: threading.Event | None = None,
    forwarder: Forwarder | None = None,
) -> None:
    """Run a collector that sends to Kafka, until stopped; makes the topics that do not exist.

    Args:
        settings: how to answer.
        kafka: the brokers, and the topics.
        host: address to bind.
        port: 0 takes a free one.
        reuse_port: other processes may listen on the same port.
        ready: called with the port once connections are accepted.
        stop: set it to stop, from any thread.
        forwarder: for the page and its API; None where there are none.

    Raises:
        ConfigurationError: the certificate cannot be used.
        LogError: the topics cannot be used.
        OSError: the address cannot be bound.
    """
    from whiteout.collector.kafka_sink import KafkaSink  # noqa: PLC0415 - only where Kafka is
    from whiteout.kafka.topics import check_room, ensure_topics  # noqa: PLC0415 - the same

    ensure_topics(kafka, ("raw", "bad"))
    check_room(kafka, ("raw", "bad"), settings.max_bytes)

    async def collect() -> None:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        if stop is not None:
            threading.Thread(target=_pass_on, args=(stop, loop, stopped), daemon=True).start()
        sink = KafkaSink(kafka, loop, pending_bytes=settings.limits.pending_bytes)
        await serve_to(
            sink,
            settings,
            host,
            port,
            reuse_port=reuse_port,
            ready=ready,
            stop=stopped,
            forwarder=forwarder,
        )

    run(collect())


def _pass_on(
    stop: threading.Event, loop: asyncio.AbstractEventLoop, stopped: asyncio.Event
) -> None:
    stop.wait()
    with contextlib.suppress(RuntimeError):  # the loop is closed: it has stopped already
        loop.call_soon_threadsafe(stopped.set)


def run(main: Coroutine[None, None, None]) -> None:
    """Run `main` on uvloop where it is installed, on the standard event loop where not."""
    try:
        import uvloop  # noqa: PLC0415 - absent on Windows
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)
