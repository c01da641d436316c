"""The writer: sees to it that what is journalled goes on, on a thread of its own.

The thread sleeps until an event is tracked, lingers a moment so that more can gather, and passes
them on: to the emitter while sending goes well, else to the event store, in groups. The same serves
`flush`, `close` and a change of the level, on their callers' threads, one at a time.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from whiteout.errors import EventStoreError
from whiteout.tracker.journal import TEMPLATE, LeftBehind, Record
from whiteout.tracker.records import decode, learn, row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from whiteout.tracker.clock import Clock
    from whiteout.tracker.counters import Counters
    from whiteout.tracker.fresh_events import FreshEvents
    from whiteout.tracker.journal import Journal
    from whiteout.tracker.storage import Storage
    from whiteout.tracker.template import Template

# After a pause an event is passed on almost at once; in a steady stream they gather, since at low
# rates what an event costs is the waking of threads (measured at 250 events/s).
_FIRST_LINGER_S: Final = 0.02
_STEADY_LINGER_S: Final = 0.25
_GROUP: Final = 500  # events a transaction
_HOUSEKEEPING_S: Final = 5.0


class Writer:
    """Passes events on.

    Args:
        journal: where events come from.
        fresh: its reading end.
        storage: where they wait if they cannot be sent.
        clock: tells for how long.
        counters: where faults are reported.
        sends_well: whether events may go out without a stay in the event store.
        on_stored: called when the emitter has something to do.
        housekeeping: called on the thread, every few seconds and after each move.
        left: journals of processes that are gone, to be moved first.
    """

    def __init__(  # noqa: PLR0913 - one argument a collaborator
        self,
        journal: Journal,
        fresh: FreshEvents,
        storage: Storage,
        *,
        clock: Clock,
        counters: Counters,
        sends_well: Callable[[], bool],
        on_stored: Callable[[], None],
        housekeeping: Callable[[], None],
        left: Iterable[LeftBehind] = (),
    ) -> None:
        self._journal = journal
        self._fresh = fresh
        self._storage = storage
        self._clock = clock
        self._counters = counters
        self._sends_well = sends_well
        self._on_stored = on_stored
        self._housekeeping = housekeeping
        self.left = list(left)
        self._kept: list[LeftBehind] = []  # moved into memory only: their files stay
        self.lock = fresh.lock
        self._wake = threading.Lock()  # as a semaphore: released by `wake`, taken by the thread
        self._wake.acquire()
        self.is_awake = False
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="whiteout-writer", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """An event was journalled. Cheap: only the first call after a move does anything."""
        if not self.is_awake:
            self.is_awake = True
            try:
                self._wake.release()
            except RuntimeError:
                return  # another thread was as quick

    def pass_on(self) -> None:
        """Let go what is in the journal now: straight to the emitter, or else to the store."""
        with self.lock:
            is_direct = (
                not self.left
                and not self._storage.count
                and self._storage.is_settled
                and not self._journal.is_crowded
                and self._sends_well()
                and self._fresh.publish(self._clock.monotonic_s())
            )
            if not is_direct:
                self.drain()
                return
        self._on_stored()

    def drain(self) -> None:
        """Move every record that is in the journal now to the store, what others left first."""
        with self.lock:
            while self.left:
                self._adopt(self.left.pop(0))
            self._fresh.move(self._on_stored)
            if self._storage.is_settled:
                while self._kept:
                    self._discard(self._kept.pop())

    def discard_kept(self) -> None:
        """Erase journals whose events are in memory only, or are to be forgotten."""
        with self.lock:
            while self._kept:
                self._discard(self._kept.pop())

    def _adopt(self, left: LeftBehind) -> None:
        """Store what a process that is gone had journalled and not stored yet."""
        try:
            start = max(self._storage.primary.position(left.instance), left.released())
        except EventStoreError as error:
            self._storage.report(error)
            start = left.released()  # sent twice rather than never: the lake keeps one
        templates: dict[int, Template] = {}
        group: list[Record] = []
        is_stored = True
        for record in left.records():
            if record.kind == TEMPLATE:
                learn(record.body, templates)
            elif record.end > start:
                group.append(record)
            if len(group) >= _GROUP:
                is_stored &= self._adopt_group(left, group, templates)
        if group:
            is_stored &= self._adopt_group(left, group, templates)
        if is_stored:
            self._discard(left)
        else:
            self._kept.append(left)
        self._on_stored()

    def _adopt_group(
        self, left: LeftBehind, group: list[Record], templates: dict[int, Template]
    ) -> bool:
        found, texts = decode(group, templates)
        moved = (left.instance, group[-1].end)
        group.clear()
        return self._storage.add([row(event) for event in found], texts, moved=moved).is_settled

    def _discard(self, left: LeftBehind) -> None:
        left.discard()
        try:
            self._storage.primary.forget_journal(left.instance)
        except EventStoreError as error:
            self._storage.report(error)

    def close(self, timeout_s: float) -> bool:
        """Stop the thread; False: it is still busy after `timeout_s`."""
        self._closing.set()
        self.is_awake = False
        self.wake()
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout_s)
        return not thread.is_alive()

    def abandon(self) -> None:
        """In a forked child: journals that the parent is about to move stay the parent's."""
        for left in (*self.left, *self._kept):
            left.lock.abandon()

    def _run(self) -> None:
        linger_s = _FIRST_LINGER_S
        while not self._closing.is_set():
            woken = self._wake.acquire(timeout=_STEADY_LINGER_S)
            if not woken:
                linger_s = _FIRST_LINGER_S
                woken = self._wake.acquire(timeout=_HOUSEKEEPING_S)
            if woken:
                woken = not self._closing.wait(linger_s)
                linger_s = _STEADY_LINGER_S
            try:
                self.work(has_news=woken)
            except Exception as error:  # noqa: BLE001 - the top of a thread: it counts, goes on
                self._counters.warn("writer", f"the writer failed: {type(error).__name__}")

    def work(self, *, has_news: bool) -> None:
        """What the thread does each time it wakes; for tests also without a thread.

        Args:
            has_news: whether something was journalled since the last time.
        """
        if has_news:
            self.is_awake = False
            self.pass_on()
        elif self._fresh.waiting or not self._storage.is_settled:
            self.drain()  # sent long ago if all were well; perhaps the disk works again
        self._housekeeping()

    def take_news(self) -> bool:
        """Whether `wake` was called since the last time; for a caller that does the work itself."""
        return self._wake.acquire(blocking=False)
