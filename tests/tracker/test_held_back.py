"""Order, and what becomes of it when requests fail: nothing keeps others back for ever.

The clock is by hand, and what the tracker's threads do is done step by step.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.clock import ManualClock
from tests.support.collector import session
from tests.support.trackers import CONTEXT_FREE, Wire, a_tracker, events_of

from whiteout import Anonymisation, Answer, BufferOption, EmitterConfiguration, Structured
from whiteout.errors import EventStoreError
from whiteout.tracker.emitter import Emitter
from whiteout.tracker.environment import Environment
from whiteout.tracker.event_store import EventStore
from whiteout.tracker.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from whiteout import OutgoingRequest, Tracker

NONE, SERVER = Anonymisation.NONE, Anonymisation.SERVER
DOWN = Answer(status=503)
EMIT_RANGE = 20


class Proxy(Wire):
    """Stands before the collector, and answers itself where `answer_to` says so."""

    def __init__(self) -> None:
        super().__init__()
        self.answer_to: Callable[[OutgoingRequest], Answer | None] = lambda _: None

    def send(self, request: OutgoingRequest) -> Answer:
        answer = self.answer_to(request)
        if answer is None:
            return super().send(request)
        self.requests.append(request)
        return answer


class Scene:
    """A tracker whose threads' work is done by `live`."""

    def __init__(self, tracker: Tracker, proxy: Proxy, clock: ManualClock) -> None:
        self.tracker = tracker
        self.proxy = proxy
        self.clock = clock
        self.tracked = 0

    def track(self, count: int = 1, level: Anonymisation = NONE) -> list[int]:
        first = self.tracked + 1
        for _ in range(count):
            self.tracked += 1
            event = Structured(category="c", action="a", value=self.tracked)
            assert self.tracker.track(event, anonymisation=level)
        return list(range(first, self.tracked + 1))

    def live(self, seconds: float) -> None:
        engine = self.tracker._engine
        end_s = self.clock.monotonic_s() + seconds
        while True:
            engine.writer.work(has_news=engine.writer.take_news())
            rounds = 0
            while (wait_s := engine.emitter.work()) <= 0:
                rounds += 1
                assert rounds < 100, "the emitter goes round and round"
            left_s = end_s - self.clock.monotonic_s()
            if left_s <= 0:
                return
            self.clock.advance(min(left_s, wait_s, 1.0))

    @property
    def arrived(self) -> list[int]:
        return values(self.proxy.events)


def values(events: list[dict[str, str]]) -> list[int]:
    return [int(float(event["se_va"])) for event in events]


def refuses_anonymous(request: OutgoingRequest) -> Answer | None:
    return Answer(status=404) if "SP-Anonymous" in request.headers else None


def refuses_event(number: int) -> Callable[[OutgoingRequest], Answer | None]:
    return lambda request: Answer(status=502) if number in values(events_of(request)) else None


def refuse_on_disk(add: Callable[..., int]) -> Callable[..., int]:
    def refuse(store: EventStore, *arguments: Any, **options: Any) -> int:  # noqa: ANN401 - of `add`
        if store.path is not None:
            raise EventStoreError("the event store failed to add: SQLITE_FULL")
        return add(store, *arguments, **options)

    return refuse


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    for threaded in (Writer, Emitter):
        monkeypatch.setattr(threaded, "start", lambda _: None)
    clock, proxy = ManualClock(), Proxy()
    environment = Environment(clock=clock, generator=random.Random(1))
    options = EmitterConfiguration(storage_dir=tmp_path, emit_range=EMIT_RANGE)
    with a_tracker(
        proxy.network, tmp_path, options, CONTEXT_FREE, environment=environment
    ) as tracker:
        yield Scene(tracker, proxy, clock)


def test_events_arrive_in_the_order_of_tracking_whatever_their_levels(scene: Scene) -> None:
    for level in (NONE, SERVER, NONE, NONE, SERVER):
        scene.track(level=level)

    scene.live(1)

    assert scene.arrived == [1, 2, 3, 4, 5]
    assert [session(event)["eventIndex"] for event in scene.proxy.events] == [1, 2, 3, 4, 5]
    assert [values(events_of(request)) for request in scene.proxy.requests] == [
        [1],
        [2],
        [3, 4],
        [5],
    ]


def test_what_waits_in_memory_for_a_failing_disk_goes_after_what_waits_on_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though more waits on the disk than one round takes."""
    scene.tracker.emitter.pause()
    scene.track(3 * EMIT_RANGE)
    scene.live(1)
    with monkeypatch.context() as patches:
        patches.setattr(EventStore, "add", refuse_on_disk(EventStore.add))
        scene.track(3)
        scene.live(1)
    scene.tracker.emitter.resume()

    scene.live(0)

    assert scene.arrived == list(range(1, scene.tracked + 1))


def test_while_nobody_answers_one_request_at_a_time_is_tried_and_order_stays(scene: Scene) -> None:
    scene.proxy.answer_to = lambda _: Answer(status=None)
    for _ in range(50):
        scene.track(level=SERVER)
        scene.track()
    scene.live(600)
    assert len(scene.proxy.requests) < 60
    assert {tuple(values(events_of(request))) for request in scene.proxy.requests} == {(1,)}

    scene.proxy.answer_to = lambda _: None
    scene.live(31)

    assert scene.arrived == list(range(1, 101))


@pytest.mark.parametrize("seconds", [1, 5, 60, 600])
def test_order_outlives_a_collector_that_answers_503(scene: Scene, seconds: float) -> None:
    """But for the event, at most, that is looked for behind the others when it is back."""
    scene.proxy.answer_to = lambda _: DOWN
    scene.track(50)
    scene.live(seconds)
    scene.track(50)
    scene.live(1)

    scene.proxy.answer_to = lambda _: None
    scene.live(31)

    arrived = scene.arrived
    assert sorted(arrived) == list(range(1, 101))
    first, *others = arrived
    assert others == sorted(others)
    assert first == 1 or seconds > 5


def test_a_collector_that_is_down_for_long_gets_few_requests_and_then_everything_once(
    scene: Scene,
) -> None:
    scene.proxy.answer_to = lambda _: DOWN
    for _ in range(10):
        scene.track(100)
        scene.live(360)
    assert len(scene.proxy.requests) < 2 * 3600 / 15

    scene.proxy.answer_to = lambda _: None
    scene.live(31)

    assert sorted(scene.arrived) == list(range(1, 1001))
    assert scene.tracker.drops == {}


def test_a_request_that_fails_holds_back_no_other_of_its_round(scene: Scene) -> None:
    scene.proxy.answer_to = refuses_anonymous
    for level in (SERVER, NONE, SERVER, NONE):
        scene.track(level=level)

    scene.live(0)

    assert scene.arrived == [2, 4]


def test_requests_that_always_fail_hold_back_nothing_for_long(scene: Scene) -> None:
    """A proxy that answers 404 to whatever is anonymous, and 1,000 such events at the front."""
    scene.proxy.answer_to = refuses_anonymous
    anonymous = scene.track(10 * EMIT_RANGE, SERVER)
    others = scene.track(10)
    scene.live(240)
    assert scene.arrived == others

    more = scene.track(10)
    scene.live(1)
    assert scene.arrived == others + more

    scene.proxy.answer_to = lambda _: None
    scene.live(31)
    assert sorted(scene.arrived[20:]) == anonymous
    assert scene.tracker.drops == {}


def test_one_event_that_always_fails_is_found_and_the_others_of_its_request_go(
    scene: Scene,
) -> None:
    scene.proxy.answer_to = refuses_event(7)
    scene.track(EMIT_RANGE)

    scene.live(180)

    assert sorted(scene.arrived) == [number for number in range(1, EMIT_RANGE + 1) if number != 7]
    assert scene.tracker.drops == {}


def test_what_is_tracked_later_goes_at_once_and_what_fails_is_tried_seldom(scene: Scene) -> None:
    scene.proxy.answer_to = refuses_event(1)
    scene.track()
    scene.live(60)
    scene.proxy.requests.clear()

    for _ in range(100):
        (number,) = scene.track()
        scene.live(1)
        assert scene.arrived[-1] == number

    failed = [request for request in scene.proxy.requests if 1 in values(events_of(request))]
    assert 2 <= len(failed) <= 8
    scene.proxy.answer_to = lambda _: None
    scene.live(31)
    assert scene.arrived[-1] == 1


def test_what_is_held_back_does_not_fill_the_buffer(scene: Scene) -> None:
    scene.proxy.answer_to = refuses_event(1)
    scene.tracker.emitter.buffer_option = BufferOption.SMALL_GROUP
    scene.track(10)
    scene.live(240)
    assert len(scene.arrived) == 9
    tried = len(scene.proxy.requests)
    while len(scene.proxy.requests) == tried:
        scene.live(1)
    scene.track(9)
    scene.live(5)  # the next try is later
    assert len(scene.arrived) == 9

    scene.track()
    scene.live(1)

    assert scene.arrived[9:] == list(range(11, 21))


def test_a_collector_that_asks_to_wait_gets_nothing_meanwhile_and_then_the_others_first(
    scene: Scene,
) -> None:
    busy = Answer(status=503, retry_after="60")
    scene.proxy.answer_to = lambda request: busy if "SP-Anonymous" in request.headers else None
    scene.track(level=SERVER)
    scene.track()
    scene.live(59)
    assert len(scene.proxy.requests) == 1

    scene.live(240)
    assert scene.arrived == [2]

    scene.track()
    scene.live(70)
    assert scene.arrived == [2, 3]


def test_flushing_in_a_loop_skips_our_own_waiting_and_not_what_the_collector_asks_for(
    scene: Scene,
) -> None:
    scene.proxy.answer_to = lambda _: Answer(status=503, retry_after="120")
    scene.track()
    scene.live(0)
    for _ in range(100):
        assert not scene.tracker.flush(0.0)
        scene.tracker.emitter.resume()
        scene.live(1)
    assert len(scene.proxy.requests) == 1

    scene.proxy.answer_to = lambda _: DOWN
    scene.live(21)
    before = len(scene.proxy.requests)
    for _ in range(5):
        scene.tracker.flush(0.0)
        scene.live(0)

    assert len(scene.proxy.requests) == before + 5


def test_another_collector_has_not_asked_to_wait(scene: Scene) -> None:
    scene.proxy.answer_to = lambda request: (
        Answer(status=503, retry_after="120") if "other.invalid" not in request.url else None
    )
    scene.track()
    scene.live(1)
    scene.tracker.network.timeout = 5
    scene.live(1)
    assert len(scene.proxy.requests) == 1

    scene.tracker.network.endpoint = "https://other.invalid"
    scene.live(1)

    assert scene.arrived == [1]


@pytest.mark.parametrize("what", ["forget", "remove_all_events", "expire"])
def test_the_emitter_rests_once_what_was_held_back_is_gone(scene: Scene, what: str) -> None:
    scene.proxy.answer_to = refuses_anonymous
    scene.track(level=SERVER)
    scene.live(60)
    scene.track()
    scene.live(60)
    assert scene.tracker._engine.emitter._delivery.held_back == 1

    if what == "forget":
        assert scene.tracker.forget()
    elif what == "remove_all_events":
        assert scene.tracker.emitter.remove_all_events()
    else:
        scene.clock.advance(scene.tracker.emitter.max_event_store_age + 1)
    scene.live(120)

    assert scene.tracker.emitter.db_count == 0
    assert scene.tracker._engine.emitter.work() > 1
