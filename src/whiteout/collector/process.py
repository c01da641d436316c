"""The collector as a process: logs, sink, server, signals."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from typing import TYPE_CHECKING

from whiteout.collector.server import Server
from whiteout.collector.sink import Sink
from whiteout.log import open_log

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from whiteout.collector.settings import CollectorSettings
    from whiteout.log import Durability, Log

_logger = logging.getLogger("whiteout.collector")
_TRIM_EVERY_S = 10.0
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
) -> None:
    """Collect until stopped; then answer what is in flight and return.

    Stopped by SIGINT or SIGTERM (where this runs in the main thread), or by `stop`. The logs stay
    open: they are the caller's.

    Args:
        settings: how to answer.
        raw_log: a writer, for records.
        bad_log: a writer, for bad rows.
        host: address to bind, such as `127.0.0.1` or `::`.
        port: 0 takes a free one.
        durability: of `raw_log`; with `process`, appends are made on the event loop.
        ready: called with the port once connections are accepted.
        stop: set it to stop.

    Raises:
        OSError: the address cannot be bound.
    """
    loop = asyncio.get_running_loop()
    stop = stop if stop is not None else asyncio.Event()
    sink = Sink(
        raw_log,
        bad_log,
        loop,
        threaded=durability == "disk",
        pending_bytes=settings.limits.pending_bytes,
    )
    server = Server(settings, sink, loop=loop)
    try:
        listener = await loop.create_server(server.connection, host, port, backlog=_BACKLOG)
        with _signals(loop, stop):
            if ready is not None:
                ready(listener.sockets[0].getsockname()[1])
            trimming = loop.create_task(_trim(sink))
            await stop.wait()
            trimming.cancel()
            listener.close()
            await _drain(server, settings.limits.drain_s)
    finally:
        server.close()
        sink.close()


async def _drain(server: Server, seconds: float) -> None:
    """Let what has begun be answered, within `seconds`."""
    server.drain()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(server.drained.wait(), seconds)


async def _trim(sink: Sink) -> None:
    """Now and then delete what all consumers have committed: addresses must not lie about."""
    while True:
        await asyncio.sleep(_TRIM_EVERY_S)
        await asyncio.get_running_loop().run_in_executor(None, sink.trim)


@contextlib.contextmanager
def _signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Iterator[None]:
    taken: list[signal.Signals] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        # Not in the main thread, or Windows: the caller stops us.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stop.set)
            taken.append(number)
    try:
        yield
    finally:
        for number in taken:
            loop.remove_signal_handler(number)


def run_collector(  # noqa: PLR0913 - the options of the command line
    settings: CollectorSettings,
    directory: Path,
    host: str = "127.0.0.1",
    port: int = 9090,
    *,
    durability: Durability = "disk",
    ready: Callable[[int], None] | None = None,
) -> int:
    """Run a collector that writes to `directory/log/raw` and `directory/log/bad`, until stopped.

    Args:
        settings: how to answer.
        directory: the pipeline's data folder.
        host: address to bind.
        port: 0 takes a free one.
        durability: `disk` answers once records are synced, `process` once they are written.
        ready: called with the port once connections are accepted.

    Returns:
        The exit status, 0.

    Raises:
        LogError: a log has another writer, or cannot be opened.
        OSError: the address cannot be bound.
    """
    raw_log = open_log(directory / "log" / "raw", writer=True, durability=durability)
    try:
        bad_log = open_log(directory / "log" / "bad", writer=True, durability=durability)
        try:
            run(serve(settings, raw_log, bad_log, host, port, durability=durability, ready=ready))
        finally:
            bad_log.close()
    finally:
        raw_log.close()
    return 0


def run(main: Coroutine[None, None, None]) -> None:
    """Run `main` on uvloop where it is installed, on the standard event loop where not."""
    try:
        import uvloop  # noqa: PLC0415 - absent on Windows
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)
