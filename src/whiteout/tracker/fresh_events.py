"""Fresh events: in the journal only. While sending goes well they go straight out.

The way through SQLite costs an event about as much as all the rest, and a phone's storage a write;
the journal makes it safe from a kill already. So the store gets only what does not go out soon:
because the collector cannot be reached, another process sends, or the app wants it so.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from whiteout.tracker.records import decode, learn, row

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from whiteout.tracker.event_rows import WaitingEvent
    from whiteout.tracker.event_store import EventStore
    from whiteout.tracker.journal import Journal
    from whiteout.tracker.storage import Storage
    from whiteout.tracker.template import Template

_GROUP: Final = 500  # events a transaction
_CACHED_TEMPLATES: Final = 256
_STUCK_S: Final = 2.0


class FreshEvents:
    """The reading end of a journal. An event's id here is the position after it.

    Owner of everything: `lock`. It is never held while something is sent.

    Args:
        journal: where they are.
        storage: where they are moved to.
    """

    def __init__(self, journal: Journal, storage: Storage) -> None:
        self.lock = threading.RLock()
        self.is_ending = False  # moving stops after the next group: the process ends
        self.moves = 0  # how often events were moved, which gives them other ids
        self._journal = journal
        self._storage = storage
        self._templates: dict[int, Template] = {}
        self._position = 0  # everything before it is delivered or moved
        self._published = 0  # and everything beyond this is still to gather
        self._counted = 0  # how many events were published
        self._finished = 0  # and how many of them are delivered or moved
        self._taken: deque[int] = deque()  # by the emitter
        self._done: set[int] = set()  # of those, the delivered ones
        self._rows: dict[int, tuple[EventStore, int]] = {}  # and the ones moved meanwhile
        self._waiting_since_s: float | None = None
        self._is_closed = False
        self._gave_up = False  # the journal has no copy of some events that memory has taken over

    @property
    def survives_kill(self) -> bool:
        """Whether what is tracked, and not delivered, is on the disk, in one place or another."""
        return self._journal.on_disk and (not self._gave_up or self._storage.is_settled)

    @property
    def count(self) -> int:
        """How many events may be sent from here."""
        return self._counted - self._finished

    @property
    def waiting(self) -> int:
        """How many events are neither delivered nor moved, those counted that still gather."""
        return self._journal.events - self._finished

    def publish(self, now_s: float) -> bool:
        """Let the emitter have what there is; False: it has made no use of it for too long."""
        with self.lock:
            if not self.count:
                self._waiting_since_s = None
            if self._waiting_since_s is None:
                self._waiting_since_s = now_s
            self._counted = self._journal.events
            self._published = self._journal.end
            self._journal.prepare()
            return now_s - self._waiting_since_s < _STUCK_S

    def end(self) -> int:
        """The id of the newest event that was published."""
        return self._published

    def has_up_to(self, event_row: int) -> bool:
        """Whether an event up to this id is still to be delivered from here."""
        return self.count > 0 and self._position < event_row

    # --- for the emitter ------------------------------------------------------------------------

    def refresh(self) -> int:
        """How many events may be sent from here."""
        return self.count

    def emittable(
        self, limit: int, *, without: Collection[int] = ()
    ) -> tuple[list[WaitingEvent], dict[int, str]]:
        """The oldest events, at most `limit`, and their templates."""
        with self.lock:
            self._taken.clear()
            self._rows.clear()
            found: list[WaitingEvent] = []
            texts: dict[int, str] = {}
            after = self._position
            while not found and (
                records := self._journal.read(
                    limit + len(self._done), after=after, up_to=self._published
                )
            ):
                found, texts = self._decode(records)
                after = records[-1][0]  # perhaps there were templates only
            self._taken.extend([event.id for event in found])
            if self._done or without:
                found = [e for e in found if e.id not in self._done and e.id not in without]
            return found, texts

    def waits(self, ids: Sequence[int], level: int) -> bool:  # noqa: ARG002 - it never changes here
        """Whether all these events are still to be sent from here."""
        with self.lock:
            return not self._is_closed and ids[0] > self._position and ids[0] not in self._rows

    def finish(self, ids: Iterable[int]) -> Mapping[EventStore, list[int]]:
        """These events are dealt with; the rows of those that were moved meanwhile are returned."""
        rows: dict[EventStore, list[int]] = {}
        with self.lock:
            for position in ids:
                if position in self._rows:
                    store, row = self._rows.pop(position)
                    rows.setdefault(store, []).append(row)
                elif position > self._position:
                    self._done.add(position)
                    self._finished += 1
            self._waiting_since_s = None
            self._advance()
        return rows

    def _advance(self) -> None:
        end = self._position
        while self._taken and self._taken[0] in self._done:
            end = self._taken.popleft()
            self._done.remove(end)
        if end > self._position and not self._is_closed:
            self._position = end
            self._journal.release(end)

    # --- to the event store ---------------------------------------------------------------------

    def move(self, on_stored: Callable[[], None]) -> None:
        """Move everything that is in the journal now to the event store."""
        with self.lock:
            end = self._journal.end
            while self._position < end and not self.is_ending:
                records = self._journal.read(_GROUP, after=self._position)
                if not records:
                    break
                self._move(records)
                on_stored()
                self._journal.prepare()
            is_settled = self._storage.settle()
            if is_settled or self._journal.is_crowded:
                # Crowded: no room for a copy of what memory has taken over, new events need it.
                self._gave_up = not is_settled
                self._journal.release(self._position)

    def _move(self, records: list[tuple[int, int, bytes]]) -> None:
        found, texts = self._decode(records)
        moved = [event for event in found if event.id not in self._done]
        position = records[-1][0]
        placed = self._storage.add(
            [row(event) for event in moved], texts, moved=(self._journal.instance, position)
        )
        taken = set(self._taken)
        for number, event in enumerate(moved, placed.first_row):
            if event.id in taken:
                self._rows[event.id] = placed.store, number
        self._done.difference_update([event.id for event in found])
        self._finished += len(moved)
        self._counted = max(self._counted, self._finished)
        self._published = max(self._published, position)
        self._position = position
        self.moves += 1
        if placed.is_settled:
            self._journal.release(position)

    def rotate(self) -> None:
        """Erase the journal, with what was not moved; the caller keeps events out."""
        with self.lock:
            self._journal.rotate()
            self._position = self._published = self._journal.end
            self._finished = self._counted = self._journal.events
            self._taken.clear()
            self._done.clear()
            self._gave_up = not self._storage.is_settled

    def close(self) -> None:
        """The journal is about to be closed: let go of it."""
        with self.lock:
            self._is_closed = True

    def _decode(
        self, records: list[tuple[int, int, bytes]]
    ) -> tuple[list[WaitingEvent], dict[int, str]]:
        if len(self._templates) > _CACHED_TEMPLATES:
            self._templates.clear()
        try:
            return decode(records, self._templates)
        except KeyError:  # forgotten: the segment of the event still has it
            for record in self._journal.templates():
                learn(record.body, self._templates)
            return decode(records, self._templates)
