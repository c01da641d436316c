"""From answers that wait to records that are durable: group commit.

Invariant: a waiter is told True only after the log has said that its records are durable (W20). All
that arrives while the log is busy goes in one batch, so one sync serves many requests.

Owner: everything here belongs to the event loop, except the two logs, which belong to the writer
thread while it runs.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import TYPE_CHECKING, ClassVar, Protocol

from whiteout.collector.metrics import Metrics
from whiteout.collector.room import Room
from whiteout.errors import LogError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from whiteout.collector.settings import Limits
    from whiteout.log import Log

_logger = logging.getLogger("whiteout.collector")
_LOG_LINE_EVERY_S = 60.0
_MEASURE_EVERY_S = 1.0


class Waiter(Protocol):
    """Whoever waits for its records."""

    def stored(self, ok: bool) -> None:  # noqa: FBT001 - a callback with one meaning
        """Called once on the event loop: whether the records are durable."""
        ...


class Sink(Protocol):
    """Where a collector's records go. Belongs to the event loop.

    Attributes:
        name: one word; the records' collector is named after it.
        metrics: where the sink counts what became of its records, and its owner all else.
    """

    name: ClassVar[str]
    metrics: Metrics

    @property
    def healthy(self) -> bool:
        """Whether what was last written was stored, and more can be."""
        ...

    @property
    def waiting_bytes(self) -> int:
        """What has been taken and not been told of yet."""
        ...

    def submit(self, records: Sequence[bytes], bad_rows: Sequence[bytes], waiter: Waiter) -> bool:
        """Take records and bad rows; `waiter` is told when they are durable.

        Returns:
            False where too much waits already: nothing was taken, the waiter is not told.
        """
        ...

    def trim(self) -> None:
        """Drop what nobody needs any more; called now and then, from a thread of its own."""
        ...

    def close(self) -> None:
        """Write what waits and tell the waiters. No `submit` may follow."""
        ...


class _Batch:
    __slots__ = ("bad_rows", "error", "raw", "seconds", "size", "waiters")

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.bad_rows: list[bytes] = []
        self.waiters: list[Waiter] = []
        self.size = 0
        self.seconds = 0.0  # that the append took
        self.error: LogError | None = None


class LogSink:
    """Appends to the log of records and the log of bad rows.

    Args:
        raw: CollectorPayloads go here.
        bad: bad rows go here.
        loop: whose callbacks the waiters are.
        threaded: appends in a thread of its own, because a sync blocks. Without a sync the append
            is a copy to the page cache, cheaper than waking a thread: it is made on the event
            loop, at the end of the turn in which the requests came.
        limits: `pending_bytes`, `log_bytes` and `free_bytes`; what does not fit is refused.

    Attributes:
        metrics: what has been stored.
    """

    name: ClassVar[str] = "spool"

    def __init__(
        self,
        raw: Log,
        bad: Log,
        loop: asyncio.AbstractEventLoop,
        *,
        threaded: bool = True,
        limits: Limits,
    ) -> None:
        self.metrics = Metrics()
        self._raw = raw
        self._bad = bad
        self._loop = loop
        self._pending_bytes = limits.pending_bytes
        self._room = Room((raw, bad), log_bytes=limits.log_bytes, free_bytes=limits.free_bytes)
        self._measure_at = float("-inf")
        self._batch = _Batch()
        self._being_written = 0  # bytes
        self._busy = False  # a batch is being written, or about to be taken
        self._closed: Callable[[], None] | None = None
        self._appends_succeed = True
        self._logged_at = float("-inf")
        self._work: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        if threaded:
            self._thread = threading.Thread(target=self._run, name="whiteout-sink", daemon=True)
            self._thread.start()

    def submit(self, records: Sequence[bytes], bad_rows: Sequence[bytes], waiter: Waiter) -> bool:
        """Take records and bad rows; `waiter` is told when they are durable.

        Returns:
            False where too much waits already: nothing was taken, the waiter is not told.
        """
        batch = self._batch
        if batch.size > self._pending_bytes or (
            batch.size >= self._room.left and not self._has_room(batch.size)
        ):
            self.metrics.unavailable += 1
            return False
        batch.raw += records
        batch.waiters.append(waiter)
        for record in records:
            batch.size += len(record)
        if bad_rows:
            batch.bad_rows += bad_rows
            batch.size += sum(len(row) for row in bad_rows)
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._start)
        return True

    def _has_room(self, waiting: int) -> bool:
        """Whether there is more room than was known; looks once a second."""
        now = self._loop.time()
        if now >= self._measure_at:
            self._measure_at = now + _MEASURE_EVERY_S
            self._room.measure()
        if self._room.left > waiting:
            return True
        self.metrics.log_full += 1
        self._report("is full", self._room.reason)
        return False

    @property
    def healthy(self) -> bool:
        """Whether the last append succeeded, and there is room for another."""
        return self._appends_succeed and self._room.left > 0

    @property
    def waiting_bytes(self) -> int:
        """What has been taken and not been told of yet."""
        return self._batch.size + self._being_written

    def trim(self) -> None:
        """Drop what all consumers have committed, and see what room there is now."""
        for log in (self._raw, self._bad):
            try:
                log.trim()
            except LogError as error:
                self._report("failed", error)
        self._room.measure()

    def close(self) -> None:
        """Write what waits, and stop the thread. No `submit` may follow."""
        if self._thread is not None:
            self._work.put(None)
            self._thread.join()
            self._thread = None
        if self._batch.waiters:
            batch, self._batch = self._batch, _Batch()
            self._append(batch)
            self._tell(batch)

    def _start(self) -> None:
        batch, self._batch = self._batch, _Batch()
        self._being_written = batch.size
        if self._thread is not None:
            self._work.put(batch)
        else:
            self._append(batch)
            self._busy = False
            self._tell(batch)

    def _run(self) -> None:
        while (batch := self._work.get()) is not None:
            self._append(batch)
            self._loop.call_soon_threadsafe(self._finish, batch)

    def _finish(self, batch: _Batch) -> None:
        self._tell(batch)
        if self._batch.waiters:
            # At the end of this turn, not now: requests that have come meanwhile share the sync.
            self._loop.call_soon(self._start)
        else:
            self._busy = False

    def _append(self, batch: _Batch) -> None:
        started = time.perf_counter()
        try:
            # First the bad rows: where they fail, nothing is stored, and a client that tries again
            # makes no event twice.
            if batch.bad_rows:
                self._bad.append(batch.bad_rows)
            if batch.raw:
                self._raw.append(batch.raw)
        except LogError as error:
            batch.error = error
        batch.seconds = time.perf_counter() - started

    def _tell(self, batch: _Batch) -> None:
        ok = self._appends_succeed = batch.error is None
        self._being_written = 0
        metrics = self.metrics
        metrics.appends += 1
        metrics.append_seconds += batch.seconds
        if batch.error is None:
            metrics.stored += len(batch.waiters)
            metrics.records += len(batch.raw)
            metrics.bad_rows += len(batch.bad_rows)
            metrics.record_bytes += batch.size
            self._room.left -= batch.size
        else:
            metrics.unavailable += len(batch.waiters)
            self._report("failed", batch.error)
        for waiter in batch.waiters:
            waiter.stored(ok)

    def _report(self, what: str, why: LogError | str) -> None:
        now = self._loop.time()
        if now - self._logged_at >= _LOG_LINE_EVERY_S:
            self._logged_at = now
            _logger.error("the log %s, events are being refused: %s", what, why)
