"""Which event store serves: the database on disk, or memory while that fails.

A database that is none, or of another version, is set aside and made anew. One that is locked, full
or cannot be written is tried again every few seconds; meanwhile new events go to memory and are
sent from there, and the journal keeps its copy of them. An outage is one warning, never an
exception in the app.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from whiteout.errors import EventStoreError
from whiteout.tracker.counters import DropReason
from whiteout.tracker.event_database import (
    StoreFaultError,
    Unfit,
    file_at,
    forget_set_aside,
    set_aside,
)
from whiteout.tracker.event_rows import NewEvent, StoredEvent
from whiteout.tracker.event_store import EventStore
from whiteout.tracker.process_lock import ProcessLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from whiteout.tracker.clock import Clock
    from whiteout.tracker.counters import Counters

_RETRY_DISK_S: Final = 5.0
_MOVE_BACK_EVENTS: Final = 500
_LOCK_S: Final = 2.0  # arbitrary; who holds it renames three files
_TRIES: Final = 3  # a file each time: that of others, or an own one
_FAULT: Final = "store-failed"

if TYPE_CHECKING:
    _Change = Callable[[StoredEvent, str], tuple[NewEvent, str] | None]


class Placed(NamedTuple):
    """Where events were stored."""

    store: EventStore
    first_row: int
    is_settled: bool  # they are where they should be, so the journal may let go of them


class Storage:
    """The event store of a tracker, and its stand-in.

    Args:
        path: the database; None keeps events in memory for good.
        clock: tells when to try a failed disk again, and names a database that is set aside.
        counters: where faults are reported.
        max_events: beyond it the oldest are dropped.
        max_age_s: older ones are dropped, in seconds.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        clock: Clock,
        counters: Counters,
        max_events: int,
        max_age_s: float,
    ) -> None:
        self._path = path
        self._clock = clock
        self._counters = counters
        self._max_events = max_events
        self._max_age_ms = int(max_age_s * 1000)
        self._lock = threading.Lock()  # one add at a time, so that order is kept
        self._disk_fails_until: float | None = None
        self._moved: dict[str, int] = {}
        self._due: tuple[_Change, ...] = ()  # changes that the disk has refused so far, in order
        self.moves_back = 0  # how often events moved from memory to disk, where they get new rows
        self.overflow_in_use = threading.Lock()  # by the emitter, which sends from it
        self.overflow = self._new_store(None)
        self.primary = self._open()

    @property
    def count(self) -> int:
        """How many events wait."""
        return self.primary.count + self.overflow.count

    @property
    def stores(self) -> tuple[EventStore, EventStore]:
        """Where events wait: the older ones first."""
        return self.primary, self.overflow

    @property
    def is_settled(self) -> bool:
        """Whether memory holds nothing that belongs on the disk."""
        return not self._moved and not self.overflow.count

    def refresh(self) -> int:
        """How many events wait, those counted that other processes stored."""
        if self.disk_serves():
            try:
                self.primary.refresh()
            except EventStoreError as error:
                self.report(error)
        return self.count

    def add(
        self,
        events: Sequence[NewEvent],
        templates: Mapping[int, str],
        *,
        moved: tuple[str, int] | None = None,
    ) -> Placed:
        """Store events, on the disk or in memory, and say where."""
        with self._lock:
            first_row = self._add_to_disk(events, templates, moved)
            if first_row is not None:
                return Placed(self.primary, first_row, is_settled=True)
            first_row = self.overflow.add(events, templates)
            if moved is not None:
                self._moved[moved[0]] = moved[1]
            self._enforce_limit(self.overflow)
            return Placed(self.overflow, first_row, is_settled=False)

    def _add_to_disk(
        self,
        events: Sequence[NewEvent],
        templates: Mapping[int, str],
        moved: tuple[str, int] | None,
    ) -> int | None:
        if not self.disk_serves():
            return None
        try:
            if not self._move_back():
                return None
            first_row = self.primary.add(events, templates, moved=moved)
        except EventStoreError as error:
            self._disk_failed(error)
            return None
        self._disk_works()
        try:
            self._enforce_limit(self.primary)
        except EventStoreError as error:  # what was stored is stored: no reason to store it twice
            self._disk_failed(error)
        return first_row

    def settle(self) -> bool:
        """Move what memory holds to the disk; True: memory holds nothing any more."""
        with self._lock:
            if self.is_settled:
                return True
            if not self.disk_serves():
                return False
            try:
                if not self._move_back():
                    return False
            except EventStoreError as error:
                self._disk_failed(error)
                return False
            self._disk_works()
            return True

    def limit(self, max_events: int, max_age_s: float) -> None:
        """Keep so many events, for so many seconds, from the next `add` or `trim` on."""
        with self._lock:
            self._max_events = max_events
            self._max_age_ms = int(max_age_s * 1000)

    def trim(self) -> None:
        """Drop what is too old or too much."""
        with self._lock:
            try:
                for store in self.stores:
                    self._drop_beyond(store)
            except EventStoreError as error:
                self._disk_failed(error)

    def rewrite(self, change: _Change) -> int:
        """Pass every waiting event through `change`, and say how many were deleted.

        Where the disk refuses, nothing is sent until it has been done: see `is_ready`.
        """
        with self._lock:
            return self._rewrite((*self._due, change))

    def is_ready(self) -> bool:
        """Whether what waits may be sent: no change that is due has yet to be made."""
        if not self._due:
            return True
        with self._lock:
            if self._due and self.disk_serves():
                self._counters.drop(DropReason.WITHDRAWN, self._rewrite(self._due))
            return not self._due

    def _rewrite(self, changes: tuple[_Change, ...]) -> int:
        deleted = 0
        self._due = ()
        for store in self.stores:
            try:
                for change in changes:
                    deleted += store.rewrite(change)
            except EventStoreError as error:
                self._disk_failed(error)
                self._due = changes
        return deleted

    def scrub(self) -> None:
        """Leave no trace of events that were deleted."""
        self._clean(EventStore.scrub)

    def tidy(self) -> None:
        """The same, where no event waits; for every few seconds."""
        self._clean(EventStore.tidy)

    def _clean(self, how: Callable[[EventStore], None]) -> None:
        with self._lock:
            if not self.disk_serves():
                return
            try:
                how(self.primary)
            except EventStoreError as error:
                self._disk_failed(error)

    def forget_broken(self) -> bool:
        """Erase databases that were set aside; False: the disk refused."""
        return True if self._path is None else forget_set_aside(self._path)

    def clear(self) -> tuple[int, bool]:
        """Delete every event; how many, and whether every store was written."""
        deleted, complete = 0, True
        with self._lock:
            for store in self.stores:
                try:
                    deleted += store.clear()
                    complete &= store.is_clean
                except EventStoreError as error:
                    self._disk_failed(error)
                    complete = False
            self._moved.clear()
        return deleted, complete

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other thread out: what a fork needs (see `EventStore.held`)."""
        with self._lock, self.primary.held(), self.overflow.held():
            yield

    def stops_waiting(self, timeout_s: float) -> bool:
        """Let no call wait for another process any more; False: one does, or would have to."""
        if not self._lock.acquire(timeout=timeout_s):
            return False
        try:
            return self.disk_serves() and self.primary.stops_waiting(timeout_s)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close the databases."""
        with self._lock:
            for store in self.stores:
                store.close()

    def _new_store(self, path: Path | None) -> EventStore:
        return EventStore(
            path,
            opens=False,
            not_before_ms=self._not_before_ms,
            on_expired=lambda events: self._counters.drop(DropReason.STORE_LIMIT, events),
        )

    def _not_before_ms(self) -> int:
        return self._clock.now_ms() - self._max_age_ms

    def _open(
        self, unfit: StoreFaultError | None = None, old: EventStore | None = None
    ) -> EventStore:
        """The store of the file at the path, after making way for one; or one to be opened later.

        Args:
            unfit: what is wrong with the one that `old` is the store of.
            old: closed in any case.
        """
        fault: Exception | None = unfit
        for _ in range(_TRIES):
            store = self._new_store(self._path)
            try:
                if unfit is not None:
                    self._make_way(unfit, old)
                store.refresh()
            except StoreFaultError as error:
                unfit, fault = error, error
                if unfit.unfit is None:
                    break
            except OSError as error:
                fault = error
                break
            else:
                return store
        if old is not None:
            old.close()
        self._leave_disk_alone(fault)
        return self._new_store(self._path)

    def _make_way(self, fault: StoreFaultError, old: EventStore | None) -> None:
        """Set the file of a fault aside, unless another process of the namespace has done so.

        Raises:
            OSError: it cannot be moved.
        """
        path = self._path
        if path is None:
            return
        with _alone(path):
            is_at_path = file_at(path) == fault.file
            if old is not None:
                old.close()  # not before, so that no new file can have its number
            if not is_at_path or fault.unfit is Unfit.REPLACED or fault.unfit is None:
                return
            set_aside(path, self._clock.now_ms())
        self._counters.warn(
            "store-corrupt",
            f"the event store {fault.unfit.value}: it was set aside and made anew",
        )

    def disk_serves(self) -> bool:
        """Whether the database may be asked; False for a while after a fault."""
        until = self._disk_fails_until
        return until is None or self._clock.monotonic_s() >= until

    def report(self, error: EventStoreError) -> None:
        """A call of `primary` failed: leave the disk alone for a while, or replace the database."""
        with self._lock:
            self._disk_failed(error)

    def _disk_failed(self, error: EventStoreError) -> None:
        if isinstance(error, StoreFaultError):
            if error.file != self.primary.file:
                return  # of a file that another has replaced since
            if error.unfit is not None:
                self.primary = self._open(error, self.primary)
                return
        self._leave_disk_alone(error)

    def _leave_disk_alone(self, error: Exception | None) -> None:
        self._disk_fails_until = self._clock.monotonic_s() + _RETRY_DISK_S
        reason = str(error) if isinstance(error, EventStoreError) else type(error).__name__
        self._counters.fail(_FAULT, f"{reason}; events are kept in memory meanwhile")

    def _disk_works(self) -> None:
        self._disk_fails_until = None
        self._counters.mend(_FAULT, "the event store works again")

    def check(self) -> None:
        """Whether an outage is over that nothing else asks about: memory holds nothing."""
        if self._disk_fails_until is None or not self.disk_serves():
            return
        with self._lock:
            try:
                self.primary.probe()
            except EventStoreError as error:
                self._disk_failed(error)
            else:
                self._disk_works()

    def _move_back(self) -> bool:
        """From memory to disk, in order; False: later. The caller holds the lock.

        Later, because the emitter is sending some of them: moved now, they would be sent again.
        """
        if self.is_settled:
            return True
        if not self.overflow_in_use.acquire(blocking=False):
            return False
        try:
            self._move_overflow()
        finally:
            self.overflow_in_use.release()
        return True

    def _move_overflow(self) -> None:
        while events := self.overflow.oldest(_MOVE_BACK_EVENTS):
            texts = {
                key: self.overflow.template(key) or "" for key in {row.template for row in events}
            }
            self.primary.add([NewEvent(*row[1:]) for row in events], texts)
            self.overflow.remove(row.id for row in events)
            self.moves_back += 1
        while self._moved:
            instance, position = next(iter(self._moved.items()))
            self.primary.add((), {}, moved=(instance, position))
            del self._moved[instance]

    def _enforce_limit(self, store: EventStore) -> None:
        if store.count > self._max_events:
            self._counters.drop(DropReason.STORE_LIMIT, store.drop_beyond(self._max_events))

    def _drop_beyond(self, store: EventStore) -> None:
        dropped = store.trim(
            max_events=self._max_events,
            not_before_ms=self._not_before_ms(),
        )
        self._counters.drop(DropReason.STORE_LIMIT, dropped)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes of the namespace from moving the database.

    Raises:
        TimeoutError: one of them is at it for too long.
    """
    try:
        lock = ProcessLock.wait_for(path.with_name(f"{path.name}.lock"), _LOCK_S)
    except OSError:
        yield  # a file system without locks; what is left is the moment between look and move
        return
    if lock is None:
        raise TimeoutError
    try:
        yield
    finally:
        lock.release()
