"""Events that go out straight from the journal, and what becomes of those that do not."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.support.clock import ManualClock
from tests.support.collector import Collector, Reply
from tests.support.trackers import a_tracker

from whiteout import Anonymisation, Structured
from whiteout.tracker import journal as journal_module
from whiteout.tracker.counters import Counters
from whiteout.tracker.event_store import EventStore
from whiteout.tracker.fresh_events import FreshEvents
from whiteout.tracker.journal import EVENT, TEMPLATE, Journal, left_behind
from whiteout.tracker.records import EVENT_HEADER, TEMPLATE_HEADER, decode
from whiteout.tracker.storage import Storage
from whiteout.tracker.template import Template

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TEMPLATE_OF_ALL = Template(
    Anonymisation.NONE, 0, base64=False, parameters='"tv":"t"', entities="", session=""
)


def nothing() -> None:
    """Nobody waits for what is stored."""


class Bench:
    """A journal, its reading end, and a store on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.instances = 0
        self.tracked = 0
        self.storage = Storage(
            folder / "app.events.sqlite",
            clock=ManualClock(),
            counters=Counters(ManualClock()),
            max_events=10_000,
            max_age_s=3600,
        )
        self.start()

    def start(self) -> None:
        self.instances += 1
        self.journal = Journal(self.folder, "app", f"{self.instances:x}")
        self.fresh = FreshEvents(self.journal, self.storage)
        self.serial = 0

    def track(self) -> str:
        text = TEMPLATE_OF_ALL.text.encode()
        assert self.journal.has_room(len(text) + 200)
        if self.serial != self.journal.serial:
            self.serial = self.journal.serial
            header = TEMPLATE_HEADER.pack(TEMPLATE_OF_ALL.id)
            assert self.journal.append(TEMPLATE, header + text)
        event_id = f"00000000-0000-4000-8000-{self.tracked:012}"
        header = EVENT_HEADER.pack(TEMPLATE_OF_ALL.id, self.tracked, 1, event_id.encode())
        assert self.journal.append(EVENT, header + b'"e":"ue"\x1e\x1e')
        self.tracked += 1
        return event_id

    def track_many(self, count: int) -> list[str]:
        ids = [self.track() for _ in range(count)]
        assert self.fresh.publish(0)
        return ids

    def take(self, limit: int = 100) -> list[int]:
        return [event.id for event in self.fresh.emittable(limit)[0]]

    def deliver(self, ids: Sequence[int]) -> None:
        for store, rows in self.fresh.finish(ids).items():
            store.remove(rows)

    def stored(self) -> list[str]:
        return [event.event_id for event in self.storage.primary.oldest(10_000)]

    def die_and_adopt(self) -> list[str]:
        """Which events a later process finds in the journal."""
        self.journal.abandon()
        (left,) = left_behind(self.folder, "app")
        start = max(self.storage.primary.position(left.instance), left.released())
        events, _ = decode(left.records(), {})
        left.discard()
        return [event.event_id.decode() for event in events if event.id > start]

    def close(self) -> None:
        self.storage.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def test_events_go_out_in_order_and_leave_the_journal(bench: Bench) -> None:
    ids = bench.track_many(3)

    events, texts = bench.fresh.emittable(100)

    assert [event.event_id.decode() for event in events] == ids
    assert texts == {TEMPLATE_OF_ALL.id: TEMPLATE_OF_ALL.text}
    bench.deliver([event.id for event in events])
    assert bench.journal.is_drained
    assert bench.fresh.count == bench.fresh.waiting == 0
    assert bench.stored() == []


def test_what_still_gathers_is_not_sent(bench: Bench) -> None:
    bench.track_many(2)
    bench.track()

    assert len(bench.take()) == bench.fresh.count == 2
    assert bench.fresh.waiting == 3


def test_what_was_delivered_is_not_found_again_after_a_kill(bench: Bench) -> None:
    ids = bench.track_many(3)
    taken = bench.take()

    bench.deliver(taken[:2])

    assert bench.die_and_adopt() == ids[2:]


def test_what_was_delivered_out_of_order_is_not_stored(bench: Bench) -> None:
    ids = bench.track_many(3)
    taken = bench.take()
    bench.deliver(taken[1:2])

    bench.fresh.move(nothing)

    assert bench.stored() == [ids[0], ids[2]]


def test_what_is_moved_while_it_is_being_sent_is_sent_once(bench: Bench) -> None:
    bench.track_many(2)
    taken = bench.take()
    later = bench.track()

    bench.fresh.move(nothing)
    assert len(bench.stored()) == 3
    bench.deliver(taken)

    assert bench.stored() == [later]


def test_what_was_moved_no_longer_waits_here(bench: Bench) -> None:
    """A withdrawal moves and changes it: a request that is made but not sent must not go out."""
    bench.track_many(1)
    taken = bench.take()
    assert bench.fresh.waits(taken, 0)

    bench.fresh.move(nothing)

    assert not bench.fresh.waits(taken, 0)


def test_what_was_erased_no_longer_waits_here(bench: Bench) -> None:
    bench.track_many(1)
    taken = bench.take()

    bench.fresh.rotate()

    assert not bench.fresh.waits(taken, 0)
    assert bench.fresh.waiting == 0
    bench.deliver(taken)
    assert bench.fresh.waiting == 0


def test_events_that_nobody_takes_for_too_long_are_told_of(bench: Bench) -> None:
    bench.track()
    assert bench.fresh.publish(10.0)
    assert bench.fresh.publish(11.9)

    assert not bench.fresh.publish(12.1)


def test_progress_begins_the_wait_anew(bench: Bench) -> None:
    bench.track()
    bench.track()
    assert bench.fresh.publish(10.0)
    bench.deliver(bench.take()[:1])

    assert bench.fresh.publish(12.1)
    assert not bench.fresh.publish(14.2)


def test_an_event_that_goes_out_at_once_never_enters_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise AssertionError("stored")

    monkeypatch.setattr(EventStore, "add", refuse)
    with Collector() as collector, a_tracker(collector.url, tmp_path) as tracker:
        event_id = tracker.track(Structured(category="a", action="b"))

        assert tracker.flush(10)
    assert list(collector.accepted_ids) == [event_id]


def test_an_event_that_fails_to_go_out_enters_the_store(tmp_path: Path) -> None:
    with Collector() as collector, a_tracker(collector.url, tmp_path) as tracker:
        collector.reply(*[Reply(status=500)] * 50)
        tracker.track(Structured(category="a", action="b"))
        assert not tracker.flush(0.2)
        tracker.close(timeout=0)
        store = EventStore(tmp_path / "app.events.sqlite")
        assert store.count == 1
        store.close()


class FreshMachine(RuleBasedStateMachine):
    """Whatever happens between tracking and delivery: nothing is lost, nothing doubled."""

    def __init__(self) -> None:
        super().__init__()
        self._patches = pytest.MonkeyPatch()
        self._patches.setattr(journal_module, "SEGMENT_BYTES", 4096)
        self._patches.setattr(journal_module, "MAX_RECORD_BYTES", 2048)
        self._folder = tempfile.TemporaryDirectory()
        self.bench = Bench(Path(self._folder.name))
        self.tracked: list[str] = []
        self.delivered: list[str] = []
        self.taken: dict[int, str] = {}

    @rule(count=st.integers(1, 15), published=st.booleans())
    def track(self, count: int, published: bool) -> None:  # noqa: FBT001 - by hypothesis
        for _ in range(count):
            if not self.bench.journal.has_room(500):
                return
            self.tracked.append(self.bench.track())
        if published:
            self.bench.fresh.publish(0)

    @rule(limit=st.integers(1, 20))
    def take(self, limit: int) -> None:
        events, _ = self.bench.fresh.emittable(limit)
        self.taken = {event.id: event.event_id.decode() for event in events}

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def deliver_some(self, data: st.DataObject) -> None:
        ids = data.draw(st.lists(st.sampled_from(sorted(self.taken)), unique=True, min_size=1))
        self.delivered += [self.taken.pop(position) for position in ids]
        self.bench.deliver(ids)

    @rule()
    def move(self) -> None:
        self.bench.fresh.move(nothing)

    @rule()
    def send_from_the_store(self) -> None:
        """Only between rounds: the emitter's thread does one thing at a time."""
        self.taken = {}
        self.bench.fresh.emittable(1)
        rows = self.bench.storage.primary.oldest(5)
        self.delivered += [event.event_id for event in rows]
        self.bench.storage.primary.remove([event.id for event in rows])

    @rule()
    def die(self) -> None:
        """What had been delivered behind a gap may be sent again: the lake keeps one of them."""
        behind_a_gap = len(self.bench.fresh._done)
        found = self.bench.die_and_adopt()
        again = set(found) & set(self.delivered)
        assert len(again) <= behind_a_gap
        self.delivered += [event_id for event_id in found if event_id not in again]
        self.taken = {}
        self.bench.start()

    @invariant()
    def every_event_is_in_one_place(self) -> None:
        assert len(self.delivered) == len(set(self.delivered))
        waiting = self.bench.fresh.waiting + self.bench.storage.count
        assert len(self.delivered) + waiting == len(self.tracked)

    def teardown(self) -> None:
        try:
            self.bench.fresh.publish(0)
            while events := self.bench.fresh.emittable(50)[0]:
                self.delivered += [event.event_id.decode() for event in events]
                self.bench.deliver([event.id for event in events])
            assert sorted(self.delivered + self.bench.stored()) == sorted(self.tracked)
        finally:
            self.bench.journal.close()
            self.bench.close()
            self._patches.undo()
            self._folder.cleanup()


TestFreshMachine = FreshMachine.TestCase
TestFreshMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
