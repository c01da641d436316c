"""The emitter: from the event store, and from the journal behind it, to the collector.

One thread a tracker. Rounds are serial: read the oldest events, group them into requests, send, and
remove what was delivered or must be dropped. What is to be retried simply stays where it is. Of
several processes with one namespace one sends for all at a time: it holds the sender's lock, which
it gives up when it has nothing left to do, and which the operating system frees when it ends.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final

from whiteout.errors import EventStoreError
from whiteout.tracker.counters import DropReason
from whiteout.tracker.fresh_events import FreshEvents
from whiteout.tracker.network import SENDING_THREAD
from whiteout.tracker.process_lock import ProcessLock
from whiteout.tracker.requests import Batch, batches, request_for
from whiteout.tracker.retry import Outcome, delay_s, outcome, retry_after_s
from whiteout.tracker.template import SEPARATOR_BYTE, SEPARATORS, Template

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from whiteout.identifiers import Anonymisation
    from whiteout.tracker.clock import Clock
    from whiteout.tracker.configuration import EmitterConfiguration, NetworkConfiguration
    from whiteout.tracker.counters import Counters
    from whiteout.tracker.event_store import EventStore, WaitingEvent
    from whiteout.tracker.live import Live
    from whiteout.tracker.network import NetworkConnection
    from whiteout.tracker.storage import Storage

    EventSource = EventStore | FreshEvents

_COMPETE_S: Final = 0.5  # how often a process asks whether the sender is gone
_IDLE_S: Final = 60.0  # and looks into the store unasked, as the iOS tracker does
_STORE_FAILED_S: Final = 1.0  # cheap to look again: a failing disk is left alone meanwhile
_UNREADABLE_S: Final = 5.0  # each try may wait for a lock's time-out
_CACHED_TEMPLATES: Final = 64
_STAMPS_AHEAD_MS: Final = 1000  # further ahead, the clock was turned back: believe it


class Emitter:
    """Sends what waits.

    Owner of everything but `_state`: the emitter's thread. `_state` guards the fields that other
    threads set.

    Args:
        storage: where events wait.
        fresh: those that are not there yet.
        network: where they go; read before each request.
        configuration: how; read once a round.
        connection: what sends.
        clock: for `stm`, waiting and `Retry-After`.
        generator: for jitter.
        counters: what is dropped.
        sender_lock: the file that processes of one namespace compete for; None: none does.
        on_delivered: called after requests that may have brought cookies.
        on_blocked: called when fresh events cannot be sent for now.
        time_steps_ms: by the bits of a level: `stm` is cut to multiples of this.
    """

    def __init__(  # noqa: PLR0913 - one argument a collaborator
        self,
        storage: Storage,
        fresh: FreshEvents,
        network: Live[NetworkConfiguration],
        configuration: Live[EmitterConfiguration],
        *,
        connection: NetworkConnection,
        clock: Clock,
        generator: random.Random,
        counters: Counters,
        sender_lock: Path | None,
        on_delivered: Callable[[], None],
        on_blocked: Callable[[], None],
        time_steps_ms: tuple[int, ...],
    ) -> None:
        self._storage = storage
        self._fresh = fresh
        self._network = network
        self._configuration = configuration
        self._connection = connection
        self._clock = clock
        self._generator = generator
        self._counters = counters
        self._sender_lock_path = sender_lock
        self._on_delivered = on_delivered
        self._on_blocked = on_blocked
        self._time_steps_ms = time_steps_ms
        self._is_blocked = False
        self._sender_lock: ProcessLock | None = None
        self._templates: dict[int, Template] = {}
        self._unreadable_until_s = 0.0
        self._undeleted: dict[EventStore, set[int]] = {}
        self._failures = 0
        self._stamp_ms = 0
        self._not_before_s = 0.0
        self._state = threading.Condition()
        self._paused = False
        self._closing = False
        self._flushes = 0
        self._sending = False
        self._rounds = 0
        self._thread: threading.Thread | None = None

    @property
    def is_sending(self) -> bool:
        """Whether a round is under way."""
        return self._sending

    @property
    def sends_well(self) -> bool:
        """Whether what is tracked now is likely to go out at once."""
        return not (self._is_blocked or self._paused or self._closing)

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name=SENDING_THREAD, daemon=True)
        self._thread.start()

    @property
    def is_paused(self) -> bool:
        """Whether events are kept and not sent."""
        return self._paused

    def notify(self) -> None:
        """Something was stored, or the configuration has changed."""
        with self._state:
            self._state.notify_all()

    def try_again(self) -> None:
        """Forget about waiting: what failed so far says nothing about how it is sent now."""
        with self._state:
            self._failures = 0
            self._not_before_s = 0.0
            self._state.notify_all()

    def pause(self) -> None:
        """Store, but do not send. A request that is under way ends first."""
        with self._state:
            self._paused = self._is_blocked = True
            self._state.notify_all()

    def resume(self) -> None:
        """Send again, at once."""
        with self._state:
            self._paused = False
            self._not_before_s = 0.0
            self._state.notify_all()

    def flush(self, timeout_s: float, is_done: Callable[[], bool]) -> bool:
        """Send regardless of `buffer_option` until `is_done`; False: not within `timeout_s`."""
        deadline = self._clock.monotonic_s() + timeout_s
        with self._state:
            self._flushes += 1
            self._not_before_s = 0.0
            self._state.notify_all()
            try:
                while not is_done():
                    left = deadline - self._clock.monotonic_s()
                    if left <= 0 or self._closing:
                        return is_done()
                    self._state.wait(min(left, _COMPETE_S))
                return True
            finally:
                self._flushes -= 1

    def close(self, timeout_s: float) -> bool:
        """Stop the thread; False: a request is still under way after `timeout_s`."""
        with self._state:
            self._closing = True
            self._state.notify_all()
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout_s)
        return not thread.is_alive()

    def after_fork(self) -> None:
        """In a forked child: the parent's thread, lock and connections stay with the parent."""
        if self._sender_lock is not None:
            self._sender_lock.abandon()
            self._sender_lock = None
        self._state = threading.Condition()
        self._sending = False
        self._thread = None

    def _run(self) -> None:
        try:
            while self._wait_for_work():
                self._round()
        finally:
            self._release()
            self._connection.close()

    def _wait_for_work(self) -> bool:
        """Block until a round is due; False: time to end."""
        with self._state:
            while not self._closing:
                wait_s = self._wait_s()
                if wait_s <= 0:
                    self._sending = True
                    return True
                self._state.wait(wait_s)
            return False

    def _wait_s(self) -> float:
        """Seconds until a round could be due; the caller holds `_state`."""
        if self._paused:
            self._release()
            return _IDLE_S
        enough = 1 if self._flushes else self._configuration.current.buffer_option
        fresh = self._fresh.count
        if self._storage.count + fresh < enough and self._storage.refresh() + fresh < enough:
            self._release()
            return _IDLE_S
        left = self._not_before_s - self._clock.monotonic_s()
        if left > 0:
            return left
        if self._is_sender():
            return 0.0
        self._set_blocked(is_blocked=True)  # another process sends, from the store
        return _COMPETE_S

    def _set_blocked(self, *, is_blocked: bool) -> None:
        if is_blocked and self._fresh.waiting:
            self._on_blocked()
        self._is_blocked = is_blocked

    def _is_sender(self) -> bool:
        if self._sender_lock_path is None or self._sender_lock is not None:
            return True
        try:
            self._sender_lock = ProcessLock.acquire_shared_name(self._sender_lock_path)
        except OSError:
            self._counters.fail("sender-lock", "the sender's lock cannot be made; sending anyway")
            return True
        return self._sender_lock is not None

    def _release(self) -> None:
        if self._sender_lock is not None:
            self._sender_lock.release()
            self._sender_lock = None

    def work(self, *, flushes: bool = False) -> float:
        """Do a round if one is due, as the thread does; for tests, without a thread.

        Args:
            flushes: whatever `buffer_option` says.

        Returns:
            seconds until another could be due; 0: at once.
        """
        with self._state:
            self._flushes += flushes
            wait_s = self._wait_s()
            self._flushes -= flushes
        if wait_s <= 0:
            self._round()
            return 0.0
        return wait_s

    def _round(self) -> None:
        delivered = failed = 0
        wait_s = 0.0
        try:
            if not self._storage.is_ready():
                wait_s = _STORE_FAILED_S
            if not wait_s:
                delivered, failed, wait_s = self._send_from_all()
        except Exception as error:  # noqa: BLE001 - the top of a thread: it counts, logs, goes on
            self._counters.warn("emitter", f"the emitter failed: {type(error).__name__}")
            wait_s = _STORE_FAILED_S
        with self._state:
            self._not_before_s = self._clock.monotonic_s() + wait_s if wait_s else 0.0
            self._sending = False
            self._rounds += 1
            self._state.notify_all()
        if delivered or failed:
            self._call_back(delivered, failed)

    def _send_from_all(self) -> tuple[int, int, float]:
        """One round: events delivered, events failed, seconds to wait."""
        primary, overflow = self._storage.stores
        delivered = failed = 0
        wait_s = 0.0
        now_s = self._clock.monotonic_s()
        if now_s >= self._unreadable_until_s:
            try:
                if primary.refresh():
                    delivered, failed, wait_s = self._send_from(primary)
            except EventStoreError as error:  # no reason to keep back what waits in memory
                self._unreadable_until_s = now_s + _UNREADABLE_S
                self._storage.report(error)
        for source in (overflow, self._fresh):
            if source.count and not wait_s:
                with self._storage.overflow_in_use:
                    ok, bad, wait_s = self._send_from(source)
                delivered, failed = delivered + ok, failed + bad
        if delivered or wait_s:
            self._set_blocked(is_blocked=wait_s > 0)
        if not (delivered or failed) and (self._undeleted or now_s < self._unreadable_until_s):
            wait_s = max(wait_s, _STORE_FAILED_S)  # else the same would be found again and again
        return delivered, failed, wait_s

    def _send_from(self, store: EventSource) -> tuple[int, int, float]:
        """One round of one store: events delivered, events failed, seconds to wait."""
        if self.undeleted(store) and self._storage.disk_serves():
            self._remove(store, ())
        network, configuration = self._network.current, self._configuration.current
        events, texts = store.emittable(configuration.emit_range, without=self.undeleted(store))
        if not events:
            store.refresh()
        events = self._readable(store, events, texts)
        delivered = failed = 0
        queue = list(
            batches(
                events,
                self._templates.__getitem__,
                network=network,
                emitter=configuration,
            )
        )
        while queue and not self._stopped() and self._network.current is network:
            batch = queue.pop(0)
            if not store.waits(batch.ids, batch.level.value):
                break  # withdrawn since it was read, here or by another process
            request = request_for(batch, network, sent_ms=self._stamp(batch.level))
            answer = self._connection.send(request)
            match self._judge(answer.status, batch):
                case Outcome.DELIVERED:
                    delivered += len(batch.ids)
                    self._failures = 0
                    self._remove(store, batch.ids)
                case Outcome.DROP:
                    failed += len(batch.ids)
                    self._counters.drop(DropReason.REJECTED, len(batch.ids))
                    self._remove(store, batch.ids)
                case Outcome.SPLIT:
                    queue[:0] = batch.halves()
                case Outcome.RETRY:
                    failed += len(batch.ids)
                    self._failures += 1
                    asked = retry_after_s(answer.retry_after, self._clock.now_ms())
                    return delivered, failed, max(asked, delay_s(self._failures, self._generator))
        if delivered:
            self._on_delivered()
        return delivered, failed, 0.0

    def _stamp(self, level: Anonymisation) -> int:
        """The time of sending; a millisecond later where the request before had the same.

        Cut to the minute under a strict profile: everybody who sends in that minute says the same,
        so that it joins nothing.
        """
        now_ms = self._clock.now_ms()
        step_ms = self._time_steps_ms[level.value]
        if step_ms != 1:
            return now_ms - now_ms % step_ms
        is_taken = 0 <= self._stamp_ms - now_ms < _STAMPS_AHEAD_MS
        self._stamp_ms = self._stamp_ms + 1 if is_taken else now_ms
        return self._stamp_ms

    def undeleted(self, store: EventSource) -> Collection[int]:
        """Rows of events that are dealt with, but that the store would not delete."""
        return () if isinstance(store, FreshEvents) else self._undeleted.get(store, ())

    def _judge(self, status: int | None, batch: Batch) -> Outcome:
        return outcome(
            status,
            events=len(batch.ids),
            is_oversize=batch.is_oversize,
            retry_failed_requests=self._configuration.current.retry_failed_requests,
            custom=self._configuration.current.custom_retry_for_status_codes,
        )

    def _stopped(self) -> bool:
        return self._paused or self._closing

    def _remove(self, store: EventSource, ids: Sequence[int]) -> None:
        """Delete rows; what cannot be deleted is remembered, so that it is not sent again."""
        if isinstance(store, FreshEvents):
            for other, rows in store.finish(ids).items():
                self._remove(other, rows)
            return
        pending = self._undeleted.get(store, set()).union(ids)
        try:
            store.remove(pending)
        except EventStoreError as error:
            self._undeleted[store] = pending
            self._storage.report(error)
            return
        self._undeleted.pop(store, None)

    def _readable(
        self, store: EventSource, events: list[WaitingEvent], texts: Mapping[int, str]
    ) -> list[WaitingEvent]:
        """Learn the templates; drop events that have none or are no event: they stop the rest."""
        if len(self._templates) > _CACHED_TEMPLATES:
            self._templates.clear()
        for key, text in texts.items():
            if key not in self._templates:
                with contextlib.suppress(ValueError, TypeError, KeyError):
                    self._templates[key] = Template.from_text(text)
        readable = [
            event
            for event in events
            if event.template in self._templates and event.data.count(SEPARATOR_BYTE) == SEPARATORS
        ]
        if len(readable) < len(events):
            lost = {event.id for event in events}.difference(event.id for event in readable)
            self._counters.drop(DropReason.STORE_FAILED, len(lost))
            self._remove(store, tuple(lost))
        return readable

    def _call_back(self, delivered: int, failed: int) -> None:
        callback = self._configuration.current.request_callback
        if callback is None:
            return
        try:
            callback(delivered, failed)
        except Exception as error:  # noqa: BLE001 - the app's code
            self._counters.warn("callback", f"request_callback raised {type(error).__name__}")
