"""From answers that wait to records that Kafka has acknowledged.

Invariant: a waiter is told True only after all replicas in sync have all of its records (W20).
Nothing has a key, so that no partition belongs to anybody.

Owner: `submit`, `_finish` and the counters belong to the event loop; `_Delivery` to it until its
records are handed to the producer, then to the thread that polls. The producer is thread-safe.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, ClassVar

from whiteout.collector.metrics import Metrics
from whiteout.kafka import clients

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from confluent_kafka import KafkaError, Producer

    from whiteout.collector.sink import Waiter
    from whiteout.kafka.settings import KafkaSettings

_LOGGER = logging.getLogger("whiteout.collector")
_LOG_LINE_EVERY_S = 60.0
_POLL_S = 0.1
_ANSWER_MS = 20_000  # until a client is told to come again; it waits no longer itself
# Clients wait meanwhile. What comes during a round trip goes together anyway; with 3 ms, 64 clients
# had half the answers a second, and each cost a quarter more.
_LINGER_MS = 0.5
_CLOSE_S = 25.0  # a little more than the longest delivery


class _Delivery:
    """The records of one request on their way."""

    __slots__ = ("bad_rows", "left", "ok", "records", "settled", "size", "started", "waiter")

    def __init__(
        self,
        records: Sequence[bytes],
        bad_rows: Sequence[bytes],
        waiter: Waiter,
        settled: Callable[[_Delivery, KafkaError | None], None],
    ) -> None:
        self.records, self.bad_rows = len(records), len(bad_rows)
        self.size = sum(map(len, records)) + sum(map(len, bad_rows))
        self.left = self.records + self.bad_rows
        self.ok = True
        self.waiter = waiter
        self.settled = settled
        self.started = time.perf_counter()

    def acknowledged(self, problem: KafkaError | None, _: object) -> None:
        """The producer's word on one record, in the thread that polls."""
        self.left -= 1
        if problem is not None:
            self.ok = False
        if not self.left or problem is not None:
            self.settled(self, problem)


class KafkaSink:
    """Sends records and bad rows to their topics.

    Args:
        settings: of Kafka. The topics must be there (`topics.ensure_topics`).
        loop: whose callbacks the waiters are.
        pending_bytes: how much may wait for its acknowledgement; more is refused.
        answer_ms: after which a record that is not acknowledged is not stored.

    Attributes:
        healthy: whether what was last sent was acknowledged.
        metrics: what has been stored.

    Raises:
        ConfigurationError: the library is not installed, or does not take an option.
    """

    name: ClassVar[str] = "kafka"

    def __init__(
        self,
        settings: KafkaSettings,
        loop: asyncio.AbstractEventLoop,
        *,
        pending_bytes: int = 64 * 1024 * 1024,
        answer_ms: int = _ANSWER_MS,
    ) -> None:
        self.metrics = Metrics()
        self.healthy = True
        self._settings = settings
        self._loop = loop
        self._pending_bytes, self._answer_ms = pending_bytes, answer_ms
        self._waiting_bytes = 0
        self._logged_at = float("-inf")
        self._raw, self._bad = settings.topic("raw"), settings.topic("bad")
        self._done: list[_Delivery] = []  # of the polling thread
        self._refused: deque[tuple[_Delivery, int]] = deque()  # to it; how many were not taken
        self._kafka_error = clients.library().KafkaException
        self._broken = threading.Event()
        self._stopping = threading.Event()
        self._producer = self._make()
        self._thread = threading.Thread(target=self._run, name="whiteout-sink", daemon=True)
        self._thread.start()

    def _make(self) -> Producer:
        return clients.producer(
            self._settings,
            # The library counts more than the records: it must not be full before we say so.
            waiting_bytes=2 * self._pending_bytes + 16 * 1024 * 1024,
            message_timeout_ms=self._answer_ms,
            linger_ms=_LINGER_MS,
        )

    @property
    def waiting_bytes(self) -> int:
        """What has been taken and not been told of yet."""
        return self._waiting_bytes

    def submit(self, records: Sequence[bytes], bad_rows: Sequence[bytes], waiter: Waiter) -> bool:
        """Take records and bad rows; `waiter` is told when they are acknowledged.

        Returns:
            False where too much waits already: nothing was taken, the waiter is not told.
        """
        if self._waiting_bytes > self._pending_bytes or self._broken.is_set():
            self.metrics.unavailable += 1
            return False
        delivery = _Delivery(records, bad_rows, waiter, self._settled)
        if not delivery.left:
            self._loop.call_soon(self._finish, [delivery])
            return True
        self._waiting_bytes += delivery.size
        unsent = delivery.left
        try:
            for topic, values in ((self._bad, bad_rows), (self._raw, records)):
                for value in values:
                    self._producer.produce(topic, value, on_delivery=delivery.acknowledged)
                    unsent -= 1
        except BufferError:
            self._refused.append((delivery, unsent))
        except self._kafka_error as error:
            if error.args[0].fatal():
                self._broken.set()
            self._refused.append((delivery, unsent))
        return True

    def trim(self) -> None:
        """Nothing: Kafka's retention does it."""

    def close(self) -> None:
        """Wait for what is under way, and tell the waiters. No `submit` may follow."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._thread.join()
        self._producer.flush(_CLOSE_S)
        self._producer.purge()
        self._producer.flush(1.0)
        self._take_back()
        done, self._done = self._done, []
        self._finish(done)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(_POLL_S)
            self._take_back()
            if self._done:
                done, self._done = self._done, []
                self._loop.call_soon_threadsafe(self._finish, done)
            if self._broken.is_set():
                self._renew()

    def _take_back(self) -> None:
        """Let requests fail whose rest the producer did not take; the others are under way."""
        while self._refused:
            delivery, unsent = self._refused.popleft()
            delivery.ok = False
            delivery.left -= unsent
            self._settled(delivery, None)

    def _settled(self, delivery: _Delivery, problem: KafkaError | None) -> None:
        if problem is not None and (problem.fatal() or problem.code() == problem._MSG_TIMED_OUT):  # noqa: SLF001 - its public name
            self._broken.set()
        if not delivery.left:
            self._done.append(delivery)

    def _renew(self) -> None:
        """Make another producer, after an error that this one may not get over.

        It happens where a cluster has lost what it acknowledged, or who its producers are. What was
        under way fails and is sent again by the trackers; the lake knows it then if it did arrive.
        """
        broken, self._producer = self._producer, self._make()
        self._broken.clear()
        broken.purge()
        broken.flush(1.0)

    def _finish(self, done: list[_Delivery]) -> None:
        metrics = self.metrics
        now = time.perf_counter()
        for delivery in done:
            self._waiting_bytes -= delivery.size
            self.healthy = delivery.ok
            metrics.appends += 1
            metrics.append_seconds += now - delivery.started
            if delivery.ok:
                metrics.stored += 1
                metrics.records += delivery.records
                metrics.bad_rows += delivery.bad_rows
                metrics.record_bytes += delivery.size
            else:
                metrics.unavailable += 1
                self._report()
            delivery.waiter.stored(delivery.ok)

    def _report(self) -> None:
        now = self._loop.time()
        if now - self._logged_at >= _LOG_LINE_EVERY_S:
            self._logged_at = now
            _LOGGER.error("Kafka does not acknowledge, events are being refused")
