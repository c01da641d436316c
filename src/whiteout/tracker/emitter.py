"""The emitter: from the event store, and from the journal behind it, to the collector.

One thread a tracker. Rounds are serial; what one does is in `delivery`.

Of several processes with one namespace one sends for all at a time: it holds the sender's lock,
which it gives up when it has nothing left to do, and which the operating system frees when it ends.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from whiteout.tracker.delivery import STORE_FAILED_S, Delivery, Round
from whiteout.tracker.network import SENDING_THREAD
from whiteout.tracker.process_lock import ProcessLock

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection
    from pathlib import Path

    from whiteout.tracker.clock import Clock
    from whiteout.tracker.configuration import EmitterConfiguration, NetworkConfiguration
    from whiteout.tracker.counters import Counters
    from whiteout.tracker.event_store import EventStore
    from whiteout.tracker.fresh_events import FreshEvents
    from whiteout.tracker.live import Live
    from whiteout.tracker.network import NetworkConnection
    from whiteout.tracker.storage import Storage

_COMPETE_S: Final = 0.5  # how often a process asks whether the sender is gone
_IDLE_S: Final = 60.0  # and looks into the store unasked, as the iOS tracker does


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
        self._configuration = configuration
        self._connection = connection
        self._clock = clock
        self._counters = counters
        self._sender_lock_path = sender_lock
        self._on_delivered = on_delivered
        self._on_blocked = on_blocked
        self._delivery = Delivery(
            storage,
            fresh,
            network,
            configuration,
            connection=connection,
            clock=clock,
            generator=generator,
            counters=counters,
            is_stopped=self._stopped,
            time_steps_ms=time_steps_ms,
        )
        self._is_blocked = False
        self._sender_lock: ProcessLock | None = None
        self._not_before_s = 0.0
        self._state = threading.Condition()
        self._paused = False
        self._closing = False
        self._flushes = 0
        self._sending = False
        self._thread: threading.Thread | None = None
        self._is_running = False
        self._at_end: Callable[[], object] = lambda: None

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
        self._is_running = True
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

    def try_again(self, *, elsewhere: bool) -> None:
        """Forget about waiting: what failed so far says nothing about how it is sent now.

        Args:
            elsewhere: another collector is meant from now on, which has not asked to wait.
        """
        with self._state:
            self._delivery.begin_anew(elsewhere=elsewhere)
            self._skip_back_off()

    def _skip_back_off(self) -> None:
        """The caller holds `_state`. What the collector has asked for stays."""
        self._not_before_s = 0.0
        self._delivery.skip_back_off()
        self._state.notify_all()

    def pause(self) -> None:
        """Store, but do not send. A request that is under way ends first."""
        with self._state:
            self._paused = self._is_blocked = True
            self._state.notify_all()

    def resume(self) -> None:
        """Send again, at once; but not before the time that the collector has asked for."""
        with self._state:
            self._paused = False
            self._skip_back_off()

    def flush(self, timeout_s: float, is_done: Callable[[], bool]) -> bool:
        """Send regardless of `buffer_option` until `is_done`; False: not within `timeout_s`.

        Our own back-off is skipped, the time that the collector has asked for is not.
        """
        deadline = self._clock.monotonic_s() + timeout_s
        with self._state:
            self._flushes += 1
            self._skip_back_off()
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

    def at_end(self, action: Callable[[], object]) -> None:
        """Have `action` called once nothing is sent any more: now, or when the thread ends."""
        with self._state:
            is_running = self._is_running
            if is_running:
                self._at_end = action
        if not is_running:
            action()

    def after_fork(self) -> None:
        """In a forked child: the parent's thread, lock and connections stay with the parent."""
        if self._sender_lock is not None:
            self._sender_lock.abandon()
            self._sender_lock = None
        self._state = threading.Condition()
        self._sending = self._is_running = False
        self._thread = None

    def _run(self) -> None:
        try:
            while self._wait_for_work():
                self._round()
        finally:
            with self._state:
                self._is_running = False
            self._release()
            self._connection.close()
            self._at_end()

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
        enough += self._delivery.held_back
        fresh = self._fresh.count
        now_s = self._clock.monotonic_s()
        if self._storage.count + fresh < enough and self._storage.refresh() + fresh < enough:
            again_s = self._delivery.next_try_s - now_s
            if again_s > 0:
                self._release()
                return min(again_s, _IDLE_S)
        left = max(self._not_before_s, self._delivery.asked_until_s) - now_s
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
        sent = Round()
        try:
            if self._storage.is_ready():
                self._delivery.round(sent)
            else:
                sent.idle_s = STORE_FAILED_S
        except Exception as error:  # noqa: BLE001 - the top of a thread: it counts, logs, goes on
            self._counters.warn("emitter", f"the emitter failed: {type(error).__name__}")
            sent.idle_s = STORE_FAILED_S
        if sent.delivered:
            self._on_delivered()
        if sent.delivered or sent.wait_s:
            self._set_blocked(is_blocked=sent.wait_s > 0)
        wait_s = max(sent.wait_s, sent.idle_s)
        with self._state:
            self._not_before_s = self._clock.monotonic_s() + wait_s if wait_s else 0.0
            self._sending = False
            self._state.notify_all()
        if sent.delivered or sent.failed:
            self._call_back(sent.delivered, sent.failed)

    def undeleted(self, store: EventStore) -> Collection[int]:
        """Rows of events that are dealt with, but that the store would not delete."""
        return self._delivery.undeleted(store)

    def _stopped(self) -> bool:
        return self._paused or self._closing

    def _call_back(self, delivered: int, failed: int) -> None:
        callback = self._configuration.current.request_callback
        if callback is None:
            return
        try:
            callback(delivered, failed)
        except Exception as error:  # noqa: BLE001 - the app's code
            self._counters.warn("callback", f"request_callback raised {type(error).__name__}")
