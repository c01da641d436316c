"""The writer: from the journal to the event store, in groups, on a thread of its own.

The thread sleeps until an event is tracked, lingers a moment so that more can gather, and moves
what there is. The same `drain` serves `flush`, `close` and a change of the level, on their callers'
threads, one at a time.
"""

from __future__ import annotations

import struct
import threading
from typing import TYPE_CHECKING, Final

from whiteout.errors import EventStoreError
from whiteout.tracker.event_store import NewEvent
from whiteout.tracker.journal import EVENT, TEMPLATE, LeftBehind, Record
from whiteout.tracker.template import Template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from whiteout.tracker.counters import Counters
    from whiteout.tracker.journal import Journal
    from whiteout.tracker.storage import Storage

# After a pause an event is moved almost at once; in a steady stream they gather, since at low rates
# what an event costs is the waking of threads (measured at 250 events/s).
_FIRST_LINGER_S: Final = 0.02
_STEADY_LINGER_S: Final = 0.25
_GROUP: Final = 500  # events a transaction
_HOUSEKEEPING_S: Final = 5.0
_CACHED_TEMPLATES: Final = 256

EVENT_HEADER: Final = struct.Struct("<QqI36s")  # template, created_ms, event_index, event id
TEMPLATE_HEADER: Final = struct.Struct("<Q")


class Writer:
    """Moves records.

    Args:
        journal: the source.
        storage: the target.
        counters: where faults are reported.
        on_stored: called after events were stored.
        housekeeping: called on the thread, every few seconds and after each move.
        left: journals of processes that are gone, to be moved first.
    """

    def __init__(  # noqa: PLR0913 - one argument a collaborator
        self,
        journal: Journal,
        storage: Storage,
        *,
        counters: Counters,
        on_stored: Callable[[], None],
        housekeeping: Callable[[], None],
        left: Iterable[LeftBehind] = (),
    ) -> None:
        self._journal = journal
        self._storage = storage
        self._counters = counters
        self._on_stored = on_stored
        self._housekeeping = housekeeping
        self._templates: dict[int, Template] = {}
        self._position = 0  # moved up to here, though perhaps into memory only
        self.left = list(left)
        self._kept: list[LeftBehind] = []  # moved into memory only: their files stay
        self.lock = threading.RLock()
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

    def drain(self) -> None:
        """Move every record that is in the journal now, what others left first."""
        with self.lock:
            while self.left:
                self._adopt(self.left.pop(0))
            end = self._journal.end
            while self._position < end:
                records = self._journal.read(_GROUP, after=self._position)
                if not records:
                    break
                self._move(records)
                self._on_stored()
                self._journal.prepare()
            if self._storage.settle():
                self._journal.release(self._position)
                while self._kept:
                    self._discard(self._kept.pop())
            elif self._journal.is_crowded:
                # No room for a copy of what memory has taken over: new events need the journal.
                self._journal.release(self._position)

    def discard_kept(self) -> None:
        """Erase journals whose events are in memory only, or are to be forgotten."""
        with self.lock:
            while self._kept:
                self._discard(self._kept.pop())

    def _move(self, records: list[Record]) -> None:
        if len(self._templates) > _CACHED_TEMPLATES:
            self._templates.clear()
        try:
            events, texts = _decode(records, self._templates)
        except KeyError:  # forgotten: the segment of the event still has it
            for record in self._journal.templates():
                _learn(record, self._templates)
            events, texts = _decode(records, self._templates)
        position = records[-1].end
        stored = self._storage.add(events, texts, moved=(self._journal.instance, position))
        self._position = position
        if stored:
            self._journal.release(position)

    def _adopt(self, left: LeftBehind) -> None:
        """Store what a process that is gone had journalled and not stored yet."""
        try:
            start = self._storage.primary.position(left.instance)
        except EventStoreError as error:
            self._counters.warn("store-failed", str(error))
            start = 0  # sent twice rather than never: the lake keeps one
        templates: dict[int, Template] = {}
        group: list[Record] = []
        is_stored = True
        for record in left.records():
            if record.kind == TEMPLATE:
                _learn(record, templates)
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
        events, texts = _decode(group, templates)
        moved = (left.instance, group[-1].end)
        group.clear()
        return self._storage.add(events, texts, moved=moved)

    def _discard(self, left: LeftBehind) -> None:
        left.discard()
        try:
            self._storage.primary.forget_journal(left.instance)
        except EventStoreError as error:
            self._counters.warn("store-failed", str(error))

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
            try:
                if woken and not self._closing.wait(linger_s):
                    linger_s = _STEADY_LINGER_S
                    self.is_awake = False
                    self.drain()
                elif not self._storage.is_settled:
                    self.drain()  # perhaps the disk works again
                self._housekeeping()
            except Exception as error:  # noqa: BLE001 - the top of a thread: it counts, goes on
                self._counters.warn("writer", f"the writer failed: {type(error).__name__}")


def _decode(
    records: Iterable[Record], templates: dict[int, Template]
) -> tuple[list[NewEvent], dict[int, str]]:
    """Journal records as rows, and the texts of the templates that they name."""
    events: list[NewEvent] = []
    texts: dict[int, str] = {}
    header_bytes = EVENT_HEADER.size
    for record in records:
        if record.kind == TEMPLATE:
            _learn(record, templates)
            continue
        if record.kind != EVENT:
            continue
        key, created_ms, event_index, event_id = EVENT_HEADER.unpack_from(record.body)
        template = templates[key]
        texts[key] = template.text
        events.append(
            NewEvent(
                template.bits,
                template.line,
                key,
                event_id.decode(),
                created_ms,
                event_index,
                record.body[header_bytes:].decode(),
            )
        )
    return events, texts


def _learn(record: Record, templates: dict[int, Template]) -> None:
    (key,) = TEMPLATE_HEADER.unpack_from(record.body)
    if key not in templates:
        templates[key] = Template.from_text(record.body[TEMPLATE_HEADER.size :].decode())
