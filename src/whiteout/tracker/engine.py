"""The moving parts behind a tracker: journal, storage, writer, emitter. One engine a process.

A forked child leaves the parent's engine alone and starts one of its own.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from whiteout.errors import EventStoreError
from whiteout.tracker.counters import DropReason
from whiteout.tracker.emitter import Emitter
from whiteout.tracker.event_database import forget_set_aside
from whiteout.tracker.event_store import EventStore
from whiteout.tracker.fresh_events import FreshEvents
from whiteout.tracker.journal import MAX_RECORD_BYTES, TEMPLATE, Journal, left_behind
from whiteout.tracker.records import TEMPLATE_HEADER
from whiteout.tracker.storage import Storage
from whiteout.tracker.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from whiteout.tracker.configuration import EmitterConfiguration, NetworkConfiguration
    from whiteout.tracker.counters import Counters
    from whiteout.tracker.environment import Environment
    from whiteout.tracker.journal import LeftBehind
    from whiteout.tracker.live import Live
    from whiteout.tracker.network import NetworkConnection
    from whiteout.tracker.pending import IdentifiedChange, PendingChange
    from whiteout.tracker.template import Template

    KeepingOut = Callable[[], AbstractContextManager[None]]

MAX_EVENT_BYTES: Final = 1_000_000  # what collectors take in one request
_ADOPT_EVERY_S: Final = 5.0
_TRIM_EVERY_S: Final = 3600.0  # it reads the whole store
_STORED_AT_EXIT: Final = 500  # events: one transaction


class Engine:
    """Takes events from `track()`, and sees to it that they arrive.

    Args:
        folder: for the journal, the event store and the locks; None keeps all in memory.
        name: the namespace, as it may stand in a file name.
        network: where events go.
        emitter: how they are kept and sent.
        connection: what sends.
        environment: time and randomness.
        counters: what is dropped.
        housekeeping: called on the writer's thread every few seconds and after each move.
        on_delivered: called on the emitter's thread after requests were answered.
        time_steps_ms: see `Gate`.
        left: journals of processes that are gone, already locked.
    """

    def __init__(  # noqa: PLR0913 - one argument a collaborator
        self,
        folder: Path | None,
        name: str,
        *,
        network: Live[NetworkConfiguration],
        emitter: Live[EmitterConfiguration],
        connection: NetworkConnection,
        environment: Environment,
        counters: Counters,
        housekeeping: Callable[[], None],
        on_delivered: Callable[[], None],
        time_steps_ms: tuple[int, ...],
        left: list[LeftBehind],
    ) -> None:
        self._folder = folder
        self._name = name
        self._clock = environment.clock
        self._has_threads = not environment.in_memory
        self._counters = counters
        self._housekeeping = housekeeping
        self._adopt_at_s = self._clock.monotonic_s() + _ADOPT_EVERY_S
        self._trim_at_s = 0.0
        self._is_closed = False
        self._written: dict[int, int] = {}  # template id -> segment that holds it
        self.journal = Journal(folder, name, environment.new_uuid().hex())
        self.storage = Storage(
            folder / f"{name}.events.sqlite" if folder is not None else None,
            clock=environment.clock,
            counters=counters,
            max_events=emitter.current.max_event_store_size,
            max_age_s=emitter.current.max_event_store_age,
        )
        self.fresh = FreshEvents(self.journal, self.storage)
        self.emitter = Emitter(
            self.storage,
            self.fresh,
            network,
            emitter,
            connection=connection,
            clock=environment.clock,
            generator=environment.generator,
            counters=counters,
            sender_lock=folder / f"{name}.sender.lock" if folder is not None else None,
            on_delivered=on_delivered,
            time_steps_ms=time_steps_ms,
            on_blocked=self._wake_writer,
        )
        self.writer = Writer(
            self.journal,
            self.fresh,
            self.storage,
            clock=environment.clock,
            counters=counters,
            sends_well=lambda: self.emitter.sends_well,
            on_stored=self.emitter.notify,
            housekeeping=self._keep_house,
            left=left,
        )

    def start(self) -> None:
        """Start the threads; the writer's first act is to take over what others left."""
        if not self._has_threads:
            return
        self.writer.start()
        self.writer.wake()
        self.emitter.start()

    def append(self, template: Template, record: bytes) -> DropReason | None:
        """Journal an event; the reason where that cannot be. Under the tracker's lock.

        Never waits: with no segment at hand and 64 MiB waiting, the event is dropped and counted.

        Args:
            template: what the event shares with others.
            record: `EVENT_RECORD` and the event's own part.
        """
        journal = self.journal
        size = len(record)
        if size > MAX_EVENT_BYTES:
            return DropReason.TOO_LARGE
        serial = journal.serial
        if self._written.get(template.id) == serial and journal.put(record):
            return None  # nearly always
        text = template.text
        # A template may be as large as the app's subject makes it: bytes, not characters.
        if not journal.has_room(size + 4 * len(text) + TEMPLATE_HEADER.size):
            return (
                DropReason.TOO_LARGE
                if size + 4 * len(text) > MAX_RECORD_BYTES
                else DropReason.JOURNAL_FULL
            )
        serial = journal.serial
        if self._written.get(template.id) != serial:
            if len(self._written) > 1024:  # noqa: PLR2004 - arbitrary; written again if needed
                self._written.clear()
            journal.append(TEMPLATE, TEMPLATE_HEADER.pack(template.id) + text.encode())
            self._written[template.id] = serial
        journal.put(record)
        return None

    def resume(self) -> None:
        """Send again, what was tracked until now first."""
        self.writer.pass_on()
        self.emitter.resume()

    def limit(self, max_events: int, max_age_s: float) -> None:
        """Keep so many events, for so long; those beyond are dropped on the writer's thread."""
        self.storage.limit(max_events, max_age_s)
        self._trim_at_s = 0.0
        self.writer.wake()

    def _wake_writer(self) -> None:
        self.writer.wake()

    def drain(self) -> None:
        """Move everything journalled to the event store, what others left first."""
        self.writer.drain()

    def flush(self, timeout_s: float) -> bool:
        """Send until all that is tracked now is delivered; False: not within `timeout_s`."""
        if not self._has_threads:
            return self._send_here()
        self.writer.pass_on()
        moves, targets, fresh_target = self._targets()

        def is_done() -> bool:
            nonlocal moves, targets, fresh_target
            if moves != self._moves():  # the events have other numbers now
                moves, targets, fresh_target = self._targets()
            if self.fresh.has_up_to(fresh_target):
                return False
            if any(self._has_up_to(store, target) for store, target in targets):
                return False
            return moves == self._moves()  # else some were nowhere to be seen

        return self.emitter.flush(timeout_s, is_done)

    def _send_here(self) -> bool:
        """What the threads would do, on the caller's: until nothing is due."""
        self.writer.work(has_news=self.writer.take_news())
        while self.emitter.work(flushes=True) <= 0:
            continue
        return self.waiting == 0

    @property
    def waiting(self) -> int:
        """How many events wait, wherever."""
        return self.storage.count + self.fresh.waiting

    def _moves(self) -> int:
        return self.storage.moves_back + self.fresh.moves

    def _targets(self) -> tuple[int, list[tuple[EventStore, int]], int]:
        moves, fresh_target = self._moves(), self.fresh.end()
        return moves, [(store, _last_id(store)) for store in self.storage.stores], fresh_target

    def _has_up_to(self, store: EventStore, event_row: int) -> bool:
        if not event_row:
            return False
        try:
            return store.has_up_to(event_row, without=self.emitter.undeleted(store))
        except EventStoreError:
            return True

    def apply(
        self,
        change: PendingChange | IdentifiedChange | None,
        keeping_out: KeepingOut,
        reason: DropReason = DropReason.WITHDRAWN,
    ) -> None:
        """Pass every waiting event through `change`, and leave no older trace on the disk.

        Args:
            change: decides event by event; None leaves them all as they are.
            keeping_out: keeps events from being journalled.
            reason: under which dropped events are counted.
        """
        with self.writer.lock:
            self._adopt()
            if change is not None:
                self._counters.drop(reason, self.storage.rewrite(change))
                self.storage.forget_broken()
            with keeping_out():
                self.writer.drain()
                # A journal that could not be moved to disk is the events' only copy there: it
                # goes only where the app wants them changed, which memory has done by now.
                if self.journal.is_drained or change is not None:
                    self.fresh.rotate()
                    self._written.clear()
            self.storage.scrub()

    def forget(self, keeping_out: KeepingOut) -> bool:
        """Erase every waiting event; False: the disk refused. The caller keeps events out."""
        with self.writer.lock:
            self._adopt()
            with keeping_out():
                self.fresh.rotate()
                self._written.clear()
            deleted, complete = self.storage.clear()
            self.writer.discard_kept()
            complete &= self.storage.forget_broken()
        self._counters.drop(DropReason.FORGOTTEN, deleted)
        return complete

    def _adopt(self) -> None:
        """Drain, with what processes that are gone have left until now."""
        if self._folder is not None:
            self.writer.left.extend(left_behind(self._folder, self._name))
        self.drain()

    def close(self, timeout_s: float) -> bool:
        """Send what can be sent within the time, store the rest, stop; True: all was delivered."""
        started = self._clock.monotonic_s()
        delivered = self.flush(timeout_s) if timeout_s > 0 else self.waiting == 0
        left_s = max(0.02, timeout_s - (self._clock.monotonic_s() - started))
        self.emitter.close(left_s)
        self.writer.close(1.0)
        self.drain()
        with self.writer.lock:
            self._close_journal()
        # A request that is still under way needs the store: what it delivers is to be deleted.
        self.emitter.at_end(self.storage.close)
        return delivered

    def stop(self) -> None:
        """At the end of the process: let the threads come to theirs; nobody waits for that."""
        self.fresh.is_ending = True
        self.emitter.close(0.0)
        self.writer.close(0.0)

    def close_at_exit(self, left_s: Callable[[], float]) -> None:
        """Close at the end of the process: in the time that is left, or as a kill would.

        The journal outlives the process, and the next start takes it up. So what waits is only
        moved to the event store where that takes no time, or where the disk has no journal of it.

        Args:
            left_s: seconds until the end.
        """
        if self._folder is None:
            return
        if not self.writer.close(left_s()) or not self.writer.lock.acquire(timeout=left_s()):
            return
        try:
            if not self.storage.stops_waiting(left_s()):
                return
            to_store = self.fresh.waiting + self.storage.overflow.count
            is_little = to_store <= _STORED_AT_EXIT and not self.writer.left
            if not self.fresh.survives_kill or (is_little and left_s() > 0):
                self.fresh.is_ending = False
                self.drain()
            # SQLite syncs its file to the disk. And whoever still waits for an answer has to find
            # the file open: else what was accepted would be sent again.
            if left_s() > 0 and self.emitter.close(0.0):
                self._close_journal()
                self.storage.close()
        finally:
            self.writer.lock.release()

    def _close_journal(self) -> None:
        self._is_closed = True
        self.fresh.close()
        if self.journal.is_drained:
            self._forget_own_journal()
        self.journal.close()

    def _forget_own_journal(self) -> None:
        try:
            self.storage.primary.forget_journal(self.journal.instance)
        except EventStoreError as error:
            self.storage.report(error)

    def abandon(self) -> None:
        """In a forked child: let go of everything of the parent's without touching it."""
        self.journal.abandon()
        self.emitter.after_fork()
        self.writer.abandon()

    def _tell_of_journal(self) -> None:
        if self._folder is None:
            return  # which was told, or is wanted
        if self.fresh.survives_kill:
            self._counters.mend("journal", "what is tracked survives a kill again")
        else:
            self._counters.fail(
                "journal",
                "the journal cannot be kept on the disk: until it can, a kill loses what waits",
            )

    def _keep_house(self) -> None:
        self._housekeeping()
        self.emitter.notify()  # perhaps other processes have stored events
        self.storage.check()
        self._tell_of_journal()
        now_s = self._clock.monotonic_s()
        if now_s >= self._trim_at_s:
            self._trim_at_s = now_s + _TRIM_EVERY_S
            self.storage.trim()
        if self._folder is None or now_s < self._adopt_at_s:
            return
        self._adopt_at_s = now_s + _ADOPT_EVERY_S
        with self.writer.lock:
            if not self._is_closed:
                self._adopt()
                self.storage.tidy()


def forget_stored(folder: Path, name: str) -> bool:
    """Erase what waits on the disk for a tracker that is closed; False: the disk refused."""
    for left in left_behind(folder, name):
        left.discard()
    path = folder / f"{name}.events.sqlite"
    complete = forget_set_aside(path)
    if not path.exists():
        return complete
    try:
        store = EventStore(path)
        try:
            store.clear()
        finally:
            store.close()
    except EventStoreError:
        return False
    return complete and store.is_clean


def _last_id(store: EventStore) -> int:
    try:
        return store.last_id()
    except EventStoreError:
        return sys.maxsize if store.was_opened else 0  # never opened: nothing of ours is in it
