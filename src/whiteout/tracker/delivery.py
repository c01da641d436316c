"""One round of sending: what of the waiting events goes, in which order, and what becomes of it.

Order is that of tracking while requests are answered with success, and while nobody answers. What
is answered with an error that asks for another try holds nothing back: the other requests of the
round are sent all the same, and if those go through, or from the third such round in a row on, what
waits behind it gets its turn too (`HeldBack`). `Retry-After` holds for everything, whoever flushes.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from whiteout.errors import EventStoreError
from whiteout.tracker.counters import DropReason
from whiteout.tracker.fresh_events import FreshEvents
from whiteout.tracker.held_back import PATIENCE, HeldBack
from whiteout.tracker.requests import Batch, batches, request_for
from whiteout.tracker.retry import Outcome, delay_s, outcome, retry_after_s
from whiteout.tracker.template import SEPARATOR_BYTE, SEPARATORS, Template

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection, Mapping, Sequence

    from whiteout.identifiers import Anonymisation
    from whiteout.tracker.clock import Clock
    from whiteout.tracker.configuration import EmitterConfiguration, NetworkConfiguration
    from whiteout.tracker.counters import Counters
    from whiteout.tracker.event_rows import WaitingEvent
    from whiteout.tracker.event_store import EventStore
    from whiteout.tracker.live import Live
    from whiteout.tracker.network import Answer, NetworkConnection
    from whiteout.tracker.storage import Storage

    EventSource = EventStore | FreshEvents

STORE_FAILED_S: Final = 1.0  # cheap to look again: a failing disk is left alone meanwhile
_UNREADABLE_S: Final = 5.0  # each try may wait for a lock's time-out
_CACHED_TEMPLATES: Final = 64
_STAMPS_AHEAD_MS: Final = 1000  # further ahead, the clock was turned back: believe it


@dataclass(slots=True)
class Round:
    """What has become of the events of one round.

    Attributes:
        delivered: how many the collector took.
        failed: how many it did not.
        is_refused: some of them will be sent again.
        is_silent: nobody answers.
        is_over: for that reason, or because the collector has asked to wait.
        wait_s: seconds to wait before the next round, because sending fails.
        idle_s: the same, because the event store does.
    """

    delivered: int = 0
    failed: int = 0
    is_refused: bool = False
    is_silent: bool = False
    is_over: bool = False
    wait_s: float = 0.0
    idle_s: float = 0.0


class Delivery:
    """Sends, one round at a time. Owner of everything: the emitter's thread.

    Args:
        storage: where events wait.
        fresh: those that are not there yet.
        network: where they go; read before each request.
        configuration: how; read once a round.
        connection: what sends.
        clock: for `stm` and `Retry-After`.
        generator: for jitter.
        counters: what is dropped.
        is_stopped: asked before each request; True: no more of them.
        time_steps_ms: by the bits of a level: `stm` is cut to multiples of this.

    Attributes:
        asked_until_s: the monotonic time that the collector has asked to wait for.
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
        is_stopped: Callable[[], bool],
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
        self._is_stopped = is_stopped
        self._time_steps_ms = time_steps_ms
        self._templates: dict[int, Template] = {}
        self._unreadable_until_s = 0.0
        self._undeleted: dict[EventStore, set[int]] = {}
        self._held: dict[EventStore, HeldBack] = {}
        self._failures = 0  # rounds in a row in which something failed and nothing went
        self._others_go = False  # something was delivered since others began to be held back
        self._stamp_ms = 0
        self.asked_until_s = 0.0

    @property
    def held_back(self) -> int:
        """How many events wait that failed and let others go first."""
        return sum(held.count for held in self._held.values())

    @property
    def next_try_s(self) -> float:
        """The monotonic time at which the first of those is tried again."""
        times = [held.not_before_s for held in self._held.values() if held.count]
        return min(times, default=float("inf"))

    def skip_back_off(self) -> None:
        """Try again at once what failed; for any thread."""
        for held in list(self._held.values()):
            held.not_before_s = 0.0

    def begin_anew(self, *, elsewhere: bool) -> None:
        """What failed so far says nothing about how it is sent now; for any thread.

        Args:
            elsewhere: another collector is meant from now on, which has not asked to wait.
        """
        self._failures = 0
        if elsewhere:
            self.asked_until_s = 0.0

    def round(self, sent: Round) -> None:
        """One round over everything that waits; `sent` tells what became of it."""
        began_s = self._clock.monotonic_s()
        self._send_from_all(began_s, sent)
        if sent.is_refused and not (sent.delivered or sent.wait_s):
            sent.wait_s = delay_s(self._failures, self._generator)
        if sent.wait_s and not sent.delivered and self.asked_until_s <= began_s:
            for held in self._held.values():  # nothing goes: the oldest first when it does again
                held.not_before_s = min(held.not_before_s, began_s + sent.wait_s)
        is_unreadable = began_s < self._unreadable_until_s
        if not (sent.delivered or sent.failed) and (self._undeleted or is_unreadable):
            sent.idle_s = STORE_FAILED_S  # else the same would be found again and again

    def _send_from_all(self, now_s: float, sent: Round) -> None:
        primary, overflow = self._storage.stores
        goes_on = True
        if now_s >= self._unreadable_until_s:
            try:
                primary.refresh()
                goes_on = self._send_from(primary, sent)
            except EventStoreError as error:  # no reason to keep back what waits in memory
                self._unreadable_until_s = now_s + _UNREADABLE_S
                self._storage.report(error)
        if goes_on:
            with self._storage.overflow_in_use:
                goes_on = self._send_from(overflow, sent)
        if goes_on and self._fresh.count:
            with self._storage.overflow_in_use:
                self._send_fresh(sent)

    def _send_from(self, store: EventStore, sent: Round) -> bool:
        """One round of a store; whether what waits elsewhere has its turn now."""
        if not store.count:
            self._held.pop(store, None)  # perhaps what failed was forgotten: no try is due
            return True
        if self.undeleted(store) and self._storage.disk_serves():
            self._remove(store, ())
        held = self._held.setdefault(store, HeldBack())
        try:
            if self._tries_held_back(store, held, sent):
                return False  # those behind them go after them, if it can be
            limit = self._configuration.current.emit_range
            events = self._read(store, limit, after=held.up_to)
            if refused := self._send(store, events, sent):
                self._refuse(sent)
                if sent.delivered or self._failures >= PATIENCE:
                    if not held.count:
                        self._others_go = sent.delivered > 0
                    held.hold(refused.ids[-1], self._failures, self._held_until_s(self._failures))
        finally:
            held.count = store.count_up_to(held.up_to) if held.up_to else 0
        return not sent.is_over and store.count <= held.count + len(self.undeleted(store))

    def _tries_held_back(self, store: EventStore, held: HeldBack, sent: Round) -> bool:
        """Try events that failed before, if it is time; True: they have the whole round."""
        if not held.up_to or self._clock.monotonic_s() < held.not_before_s:
            return False
        limit = held.most(self._configuration.current.emit_range)
        events = self._read(store, limit, after=held.after, up_to=held.up_to)
        if not events:
            held.turn()
            return False
        before = sent.delivered
        refused = self._send(store, events, sent, stops=True)
        if refused is None or sent.delivered > before:
            held.went()
        if refused is None:
            return True
        if not sent.is_silent:  # which says nothing about these events
            held.failures += 1
            until_s = self._held_until_s(held.failures)
            held.failed(refused.ids, until_s, others_go=self._others_go)
        return sent.is_over

    def _held_until_s(self, failures: int) -> float:
        """Later than the others where the collector has asked to wait: they come first then."""
        start_s = max(self._clock.monotonic_s(), self.asked_until_s)
        return start_s + delay_s(failures, self._generator)

    def _send_fresh(self, sent: Round) -> None:
        """One round of what is in the journal only. What fails is moved to the event store."""
        events = self._read(self._fresh, self._configuration.current.emit_range)
        if self._send(self._fresh, events, sent):
            self._refuse(sent)
            sent.wait_s = sent.wait_s or delay_s(self._failures, self._generator)

    def _read(self, source: EventSource, limit: int, **rows: int) -> list[WaitingEvent]:
        events, texts = source.emittable(limit, without=self.undeleted(source), **rows)
        if not events:
            source.refresh()
        self._learn(texts)
        return events

    def _send(
        self,
        source: EventSource,
        events: list[WaitingEvent],
        sent: Round,
        *,
        stops: bool = False,
    ) -> Batch | None:
        """Send events, in order; the last request that is to be sent again, or None.

        Args:
            source: where they wait.
            events: oldest first.
            sent: what has become of them.
            stops: at the first one that is to be sent again.
        """
        network = self._network.current
        refused = None
        queue = list(
            batches(
                self._readable(source, events),
                self._templates.__getitem__,
                network=network,
                emitter=self._configuration.current,
            )
        )
        while queue and not self._is_stopped() and self._network.current is network:
            batch = queue.pop(0)
            if not source.waits(batch.ids, batch.level.value):
                break  # withdrawn since it was read, here or by another process
            request = request_for(batch, network, sent_ms=self._stamp(batch.level))
            answer = self._connection.send(request)
            match self._judge(answer.status, batch):
                case Outcome.DELIVERED:
                    sent.delivered += len(batch.ids)
                    self._failures = 0
                    self._others_go = True
                    self._remove(source, batch.ids)
                case Outcome.DROP:
                    sent.failed += len(batch.ids)
                    self._counters.drop(DropReason.REJECTED, len(batch.ids))
                    self._remove(source, batch.ids)
                case Outcome.SPLIT:
                    queue[:0] = batch.halves()
                case Outcome.RETRY:
                    refused = batch
                    sent.failed += len(batch.ids)
                    self._hear(answer, sent)
                    if stops or sent.is_over:
                        break
        return refused

    def _hear(self, answer: Answer, sent: Round) -> None:
        """End the round where nobody answers, or where the collector asks to wait."""
        asked_s = retry_after_s(answer.retry_after, self._clock.now_ms())
        if answer.status is None or asked_s:
            self.asked_until_s = self._clock.monotonic_s() + asked_s
            self._refuse(sent)
            sent.is_silent = answer.status is None
            sent.is_over = True
            sent.wait_s = delay_s(self._failures, self._generator)

    def _refuse(self, sent: Round) -> None:
        """Count a failure, once a round."""
        if not sent.is_refused:
            sent.is_refused = True
            self._failures += 1

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

    def _learn(self, texts: Mapping[int, str]) -> None:
        if len(self._templates) > _CACHED_TEMPLATES:
            self._templates.clear()
        for key, text in texts.items():
            if key not in self._templates:
                with contextlib.suppress(ValueError, TypeError, KeyError):
                    self._templates[key] = Template.from_text(text)

    def _readable(self, store: EventSource, events: list[WaitingEvent]) -> list[WaitingEvent]:
        """Drop events that have no template or are no event: they stop the rest."""
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
