"""A day in the life of an app, in simulated time: a real tracker, no thread, no luck.

A state machine tracks, moves between screens and to the background, switches levels, withdraws,
forgets, restarts and is killed, while the wall clock jumps and the network does its worst. What the
tracker's threads do is done step by step, and what the collector accepted is held against a model:

- events arrive in the order in which they were tracked, those of all levels and lines, but for the
  ones that waited while an answer asked for another try;
- none is lost that was not counted as dropped, and none comes twice unless an answer was lost or
  the process was killed between an answer and the end of what was sent before it;
- nothing that the tracker made up joins events of two lines, not even by way of others;
- what waits, what is remembered and what lies on the disk stays within bounds.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run
from tests.privacy.support import (
    CLIENT,
    LEVELS,
    NONE,
    SERVER,
    SESSION,
    SUBJECT,
    USER,
    Scene,
    events_of,
    found_in,
    sent_text,
)
from tests.support.clock import CountedUuids
from tests.support.collector import entities, entity, unstructured

import whiteout
from whiteout import (
    Answer,
    BufferOption,
    DeepLinkReceived,
    DropReason,
    PageView,
    Pending,
    ScreenView,
    SessionConfiguration,
    Structured,
    Timing,
)
from whiteout.identifiers import NULL_UUID
from whiteout.tracker.emitter import Emitter
from whiteout.tracker.environment import Environment
from whiteout.tracker.journal import MAX_SEGMENTS
from whiteout.tracker.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout import Anonymisation, Event, OutgoingRequest, Tracker

DAY_S = 24 * 3600
FIRST_MS = 1_654_496_481_346
STORE_LIMIT = 100
EMIT_RANGE = 7
MOST_EVENTS_A_REQUEST = 3  # while the collector finds more too large
MOST_BYTES_ON_DISK = 16_000_000
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
MARKER = re.compile(r"marker-\d+")
OF_THE_APP = re.compile(r"c0ffee00-")  # device ids that the app supplies, as canaries

UNHEARD = {
    "refused": Answer(status=None),
    "failing": Answer(status=500, retry_after="nonsense"),
    "busy": Answer(status=503, retry_after="90"),
}
WEATHERS = [*UNHEARD, "fair", "picky", "raising", "narrow", "strict", "answers lost", "slow"]

levels = st.sampled_from(LEVELS)


class DayClock:
    """Wall time that jumps, but never says the same millisecond twice; it skips whole seconds.

    Equal times mean a bridge then, and times that were cut to the second do not.
    """

    def __init__(self) -> None:
        self.wall_ms = FIRST_MS
        self.passed_s = 0.0
        self._said: set[int] = set()

    def now_ms(self) -> int:
        self.wall_ms += 1
        while self.wall_ms in self._said or not self.wall_ms % 1000:
            self.wall_ms += 1
        self._said.add(self.wall_ms)
        return self.wall_ms

    def monotonic_s(self) -> float:
        return 1000.0 + self.passed_s

    def advance(self, seconds: float) -> None:
        self.wall_ms += round(seconds * 1000)
        self.passed_s += seconds


@dataclass
class Known:
    """What the model knows of an event that waits.

    Attributes:
        number: its place in the order of tracking.
        side: the line it is on, or what became of that.
        level: that it must be sent under.
    """

    number: int
    side: str
    level: Anonymisation


@dataclass
class Accepted:
    """An event that the collector has taken.

    Attributes:
        key: of the model: the app's marker, or the event's id.
        known: as it was when the request left; None: an event of the tracker's own.
    """

    key: str
    known: Known | None
    event: dict[str, str]


class Weather:
    """The network, and a collector behind it.

    Attributes:
        kind: what becomes of the next requests.
        meanwhile: what the app does while the next slow request is under way.
        broken: a promise that a request has broken.
    """

    sends_headers = True

    def __init__(self, day: Day) -> None:
        self.kind = "fair"
        self.meanwhile: list[Callable[[], None]] = []
        self.broken: AssertionError | None = None
        self._day = day

    def send(self, request: OutgoingRequest) -> Answer:
        before = self._day.snapshot(request)
        kind = self.kind
        if kind == "raising":
            raise ValueError("a network connection of the app's own, with a fault")
        if kind == "narrow" and len(events_of(request)) > MOST_EVENTS_A_REQUEST:
            return Answer(status=413)
        if kind == "picky" and any(_is_picked(event) for event in events_of(request)):
            kind = "failing"
        if kind in UNHEARD:
            answer = UNHEARD[kind]
            if answer.status is not None:
                self._day.may_be_late |= self._day.waiting.keys()
            return answer
        if kind == "strict":
            self._day.refuse(request)
            return Answer(status=400)
        if kind == "slow":
            self._day.clock.advance(20)
            if self.meanwhile:
                self.meanwhile.pop()()
        is_answered = kind != "answers lost"
        try:
            self._day.receive(request, before, is_answered=is_answered)
        except AssertionError as error:  # the emitter survives whatever a connection raises
            self.broken = error
            raise
        return Answer(status=200 if is_answered else None)

    def close(self) -> None:
        """Nothing is kept."""


class Day(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self._patches = pytest.MonkeyPatch()
        for threaded in (Writer, Emitter):
            self._patches.setattr(threaded, "start", lambda _: None)
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)
        self.scene = Scene(self.folder, "http://collector.invalid")
        self.clock = DayClock()
        self.weather = Weather(self)
        self.uuids = CountedUuids()
        self.numbers = itertools.count(1)
        self.waiting: dict[str, Known] = {}
        self.refused: set[str] = set()
        self.accepted: list[Accepted] = []
        self.taken: set[str] = set()  # the keys of those
        self.may_come_twice: set[str] = set()
        self.may_be_late: set[str] = set()
        self.appended = 0  # by engines that are gone
        self.dropped = 0  # by trackers that are gone
        self.limited = 0  # of those, for want of room or for age
        self.ambiguous = 0  # events that may be counted both as accepted and as dropped, or anew
        self.identified = "identified 0"
        self.level = NONE
        self.side = self.identified
        self.tracker: Tracker

    # --- what the app does --------------------------------------------------------------------

    @initialize(level=levels, continues=st.booleans(), buffer=st.sampled_from(BufferOption))
    def install(self, level: Anonymisation, buffer: BufferOption, *, continues: bool) -> None:
        self.continues = continues
        self.buffer = buffer
        self._start(level)

    @rule(
        kinds=st.lists(
            st.sampled_from(["screen", "page", "structured", "timing", "link"]), max_size=12
        ),
        extra=st.just(NONE) | levels,
    )
    def track(self, kinds: list[str], extra: Anonymisation) -> None:
        for kind in kinds:
            marker = f"marker-{next(self.numbers)}"
            self._expect(marker, extra)
            event_id = self.tracker.track(_event(kind, marker), anonymisation=extra)
            if not self.tracker.is_tracking:
                assert event_id is None
                del self.waiting[marker]

    @rule(is_visible=st.booleans())
    def move(self, *, is_visible: bool) -> None:
        move = self.tracker.enter_foreground if is_visible else self.tracker.enter_background
        event_id = move()
        if event_id is not None:
            self._expect(event_id, NONE)

    @rule(level=levels, pending=st.sampled_from(Pending))
    def switch(self, level: Anonymisation, pending: Pending) -> None:
        self._use_the_app()
        self._switch(level, pending)
        self._use_the_app()

    @rule(pending=st.sampled_from(Pending), level=levels)
    def switch_while_a_request_is_under_way(self, pending: Pending, level: Anonymisation) -> None:
        self._do_in_a_slow_request(lambda: self._switch(level, pending))

    @rule(kinds=st.lists(st.sampled_from(["screen", "structured"]), min_size=1, max_size=4))
    def track_while_a_request_is_under_way(self, kinds: list[str]) -> None:
        self._do_in_a_slow_request(lambda: self.track(kinds, NONE))

    @rule()
    def forget_while_a_request_is_under_way(self) -> None:
        self._do_in_a_slow_request(self.forget)

    @precondition(lambda self: self.tracker.session is not None)
    @rule(what=st.sampled_from(["pause", "resume", "start_new_session"]))
    def act_on_the_session(self, what: str) -> None:
        getattr(self.tracker.session, what)()

    @rule(pauses=st.booleans())
    def pause_or_resume_tracking(self, *, pauses: bool) -> None:
        (self.tracker.pause if pauses else self.tracker.resume)()

    @rule(pauses=st.booleans())
    def pause_or_resume_sending(self, *, pauses: bool) -> None:
        (self.tracker.emitter.pause if pauses else self.tracker.emitter.resume)()

    @rule()
    def forget(self) -> None:
        assert self.tracker.forget()
        self.ambiguous += len(self.waiting.keys() & self.taken)
        self.ambiguous += len(self._under_way)
        self.waiting.clear()
        self.identified = f"identified {next(self.numbers)}"
        self._begin_side()

    # --- what the world does ------------------------------------------------------------------

    @rule(kind=st.sampled_from(WEATHERS))
    def change_the_weather(self, kind: str) -> None:
        self.weather.kind = kind
        self._use_the_app()
        self._live(5)

    @rule(hours=st.sampled_from([-30, -1, 1, 2, 30, 24 * 40]))
    def let_the_wall_clock_jump(self, hours: int) -> None:
        self._use_the_app()
        self.clock.wall_ms += hours * 3_600_000

    @rule(seconds=st.sampled_from([0.1, 1, 5, 30, 301, 601, 1800, 7200]))
    def live(self, seconds: float) -> None:
        self._use_the_app()
        self._live(seconds)

    @rule(level=st.none() | levels)
    def restart(self, level: Anonymisation | None) -> None:
        self._use_the_app()
        self.tracker.close(0.0)
        self.tracker._engine.emitter._release()  # as its thread does when it ends
        self._count_tracker()
        self._start(level)

    @rule(level=st.none() | levels)
    def be_killed(self, level: Anonymisation | None) -> None:
        self._use_the_app()
        if self.waiting:
            oldest = min(known.number for known in self.waiting.values())
            self.may_come_twice |= {
                sent.key
                for sent in self.accepted
                if sent.known is None or sent.known.number > oldest
            }
        self._count_tracker()
        _kill(self.tracker)
        self._start(level)

    # --- the model ----------------------------------------------------------------------------

    _under_way: frozenset[str] = frozenset()

    def _start(self, level: Anonymisation | None) -> None:
        self.tracker = self.scene.tracker(
            level,
            network={"network_connection": self.weather},
            tracker={
                "screen_context": True,
                "screen_engagement_autotracking": True,
                "lifecycle_autotracking": True,
                "deep_link_context": True,
            },
            emitter={
                "max_event_store_size": STORE_LIMIT,
                "emit_range": EMIT_RANGE,
                "buffer_option": self.buffer,
            },
            session=SessionConfiguration(
                foreground_timeout=600,
                background_timeout=300,
                continue_session_on_restart=self.continues,
            ),
            environment=Environment(
                clock=self.clock, generator=random.Random(0), new_uuid=self.uuids
            ),
        )
        if level is not None:
            self.level = level
        assert self.tracker.anonymisation is self.level
        self._begin_side()

    def _begin_side(self) -> None:
        anonymous = f"anonymous {next(self.numbers)}"
        self.side = anonymous if self.level & CLIENT else self.identified

    def _expect(self, key: str, extra: Anonymisation) -> None:
        level = self.level | extra
        side = f"single {key}" if (level ^ self.level) & CLIENT else self.side
        self.waiting[key] = Known(next(self.numbers), side, level)

    def _switch(self, level: Anonymisation, pending: Pending) -> None:
        self.tracker.set_anonymisation(level, pending=pending)
        crosses = (level ^ self.level) & CLIENT
        self.level = level
        if crosses:
            self._begin_side()
        if pending is Pending.KEEP:
            return
        self.ambiguous += len(self._under_way)
        self.ambiguous += len(self.may_come_twice)  # the tracker's own get other ids
        change = next(self.numbers)
        for key, known in list(self.waiting.items()):
            after = known.level | level
            if after == known.level:
                continue
            if pending is Pending.DROP:
                del self.waiting[key]
                self.ambiguous += key in self.taken
                continue
            if (after ^ known.level) & CLIENT and not key.startswith("marker-"):
                del self.waiting[key]  # it gets another id: no telling it from others then
                continue
            if (after ^ known.level) & CLIENT:
                known.side = f"{known.side}, anonymised {change}"
            known.level = after

    def _use_the_app(self) -> None:
        self.track(["screen", "structured", "timing"], NONE)

    def _do_in_a_slow_request(self, act: Callable[[], None]) -> None:
        self.weather.kind = "fair"
        self._live(1)
        self._use_the_app()
        self.weather.kind = "slow"
        self.weather.meanwhile = [act]
        self._live(1)
        self.weather.meanwhile = []

    def snapshot(self, request: OutgoingRequest) -> dict[str, Known]:
        """What is known of a request's events when it leaves."""
        keys = [_key(event) for event in events_of(request)]
        self._under_way = frozenset(keys)
        return {key: Known(**vars(self.waiting[key])) for key in keys if key in self.waiting}

    def receive(
        self, request: OutgoingRequest, before: dict[str, Known], *, is_answered: bool
    ) -> None:
        """The collector takes a request."""
        self._under_way = frozenset()
        events = events_of(request)
        keys = [_key(event) for event in events]
        assert len(set(keys)) == len(keys)
        again = {key for key in keys if key in self.taken}
        assert again <= self.may_come_twice, "an event came twice, and nothing excuses it"
        levels_of_it = {known.level for known in before.values()}
        assert len(levels_of_it) <= 1
        assert len({known.side for known in before.values()}) <= 1
        for level in levels_of_it:
            self._check_request(request, level)
        for key, event in zip(keys, events, strict=True):
            if key.startswith("marker-"):
                assert key in before or key in again, "an event came that was not to be sent"
            self.taken.add(key)
            if key not in again:
                self.accepted.append(Accepted(key, before.get(key), event))
            if is_answered:
                self.waiting.pop(key, None)
            else:
                self.may_come_twice.add(key)

    def refuse(self, request: OutgoingRequest) -> None:
        """The collector refuses a request for good."""
        self._under_way = frozenset()
        for event in events_of(request):
            key = _key(event)
            self.waiting.pop(key, None)
            self.ambiguous += key in self.taken
            self.refused.add(key)

    def _count_tracker(self) -> None:
        self.appended += self.tracker._engine.journal.events
        drops = self.tracker.drops
        self.dropped += sum(drops.values())
        self.limited += drops.get(DropReason.STORE_LIMIT, 0)

    # --- time ---------------------------------------------------------------------------------

    def _live(self, seconds: float) -> None:
        """Let time pass, and the tracker's threads do what they do in it."""
        end = self.clock.passed_s + seconds
        while True:
            wait_s = self._work()
            left = end - self.clock.passed_s
            if left <= 0:
                break
            self.clock.advance(min(left, max(wait_s, 0.05), 60.0))
        # Here, since what killed processes leave is taken over when time passes.
        on_disk = sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file())
        assert on_disk < MOST_BYTES_ON_DISK

    def _work(self) -> float:
        engine = self.tracker._engine
        engine.writer.work(has_news=engine.writer.take_news())
        for _ in range(200):
            wait_s = engine.emitter.work()
            if self.weather.broken is not None:
                raise self.weather.broken
            if wait_s > 0:
                return wait_s
        raise AssertionError("the emitter goes round and round")

    # --- the promises -------------------------------------------------------------------------

    @invariant()
    def what_is_kept_is_bounded(self) -> None:
        if not hasattr(self, "tracker"):
            return
        engine = self.tracker._engine
        for store in engine.storage.stores:
            assert store.count <= STORE_LIMIT
        assert len(engine.journal._segments) <= MAX_SEGMENTS
        assert len(engine.emitter._delivery._templates) <= 64 + EMIT_RANGE
        assert len(engine.fresh._taken) + len(engine.fresh._done) <= 2000
        assert len(engine.fresh._rows) <= EMIT_RANGE
        assert len(self.tracker._lines._templates) <= 64

    def teardown(self) -> None:
        try:
            if hasattr(self, "tracker"):
                self._end_the_day()
                self._check_counts()
                self._check_order()
                self._check_bridges()
                self._check_sessions()
        finally:
            self.scene.close()
            self._patches.undo()
            self._folder.cleanup()

    def _end_the_day(self) -> None:
        """The rest of 24 hours in fair weather, with a few events; all that waits goes out."""
        self.weather.kind = "fair"
        self.weather.meanwhile = []
        self.tracker.resume()
        self.tracker.emitter.resume()
        while (left := DAY_S - self.clock.passed_s) > 0:
            self.track(["screen", "structured"], NONE)
            self._live(min(left, 3 * 3600))
        self.tracker._engine.emitter._flushes += 1  # as while `flush` waits
        self._live(1)
        assert self.tracker.emitter.db_count == 0
        self._count_tracker()

    def _check_counts(self) -> None:
        """Each event is accepted or counted as dropped, those of the tracker's own too."""
        accepted = len(self.taken)
        excess = accepted + self.dropped - self.appended
        assert excess >= 0, "an event was lost and not counted"
        assert excess <= self.ambiguous + len(self.may_come_twice)
        assert len(self.waiting) <= self.limited, "lost, and not for want of room"

    def _check_order(self) -> None:
        in_order = [
            sent.known.number
            for sent in self.accepted
            if sent.known is not None and sent.key not in self.may_be_late
        ]
        assert in_order == sorted(in_order), "out of order"

    def _check_request(self, request: OutgoingRequest, level: Anonymisation) -> None:
        assert (request.headers.get("SP-Anonymous") == "*") is (SERVER in level)
        assert request.is_anonymous is bool(level)
        if USER in level:
            assert not found_in(sent_text(request), SUBJECT.values())
        for event in events_of(request):
            session = entity(event, "client_session")
            assert session is None or SESSION not in level
            assert session is None or USER not in level or session["userId"] == NULL_UUID

    def _check_bridges(self) -> None:
        """Values join events to groups, the tracker's own too; no group has two sides."""
        parents: dict[str, str] = {}

        def root(node: str) -> str:
            while (parent := parents.setdefault(node, node)) != node:
                parents[node] = node = parents[parent]
            return node

        for number, sent in enumerate(self.accepted):
            for value in _generated(sent.event):
                parents[root(value)] = root(f"event {number}")
        sides: dict[str, set[str]] = defaultdict(set)
        for number, sent in enumerate(self.accepted):
            if sent.known is not None:
                sides[root(f"event {number}")].add(sent.known.side)
        assert [group for group in sides.values() if len(group) > 1] == []

    def _check_sessions(self) -> None:
        """On a line each index is one session; indexes of events in it are each given once."""
        sessions: dict[tuple[str, int], str] = {}
        places: dict[tuple[str, int], str] = {}
        for sent in self.accepted:
            data = entity(sent.event, "client_session")
            if data is None or sent.known is None:
                continue
            session_id = data["sessionId"]
            place = (sent.known.side, data["sessionIndex"])
            assert sessions.setdefault(place, session_id) == session_id
            assert places.setdefault((session_id, data["eventIndex"]), sent.key) == sent.key


def _event(kind: str, marker: str) -> Event:
    match kind:
        case "screen":
            return ScreenView(name=marker)
        case "page":
            return PageView(page_url=f"https://shop.example/{marker}", page_title=marker)
        case "structured":
            return Structured(category="c", action="a", label=marker)
        case "link":
            return DeepLinkReceived(url=f"https://shop.example/{marker}?_sp=other")
        case _:
            return Timing(category=marker, variable="v", timing=1)


def _key(event: dict[str, str]) -> str:
    """The app's marker; of the tracker's own events the id."""
    names = [event.get("se_la", ""), event.get("page", "")]
    if event["e"] == "ue":
        data = unstructured(event)["data"]
        names += [str(data.get(name)) for name in ("name", "category", "url")]
    found = MARKER.search(" ".join(names))
    return found[0] if found else event["eid"]


def _is_picked(event: dict[str, str]) -> bool:
    """Whether a proxy between refuses every request with this event."""
    return event["eid"] < "2"


def _generated(event: dict[str, str]) -> set[str]:
    """What the tracker made up for an event: ids and times, wherever they stand."""
    body = unstructured(event) if event["e"] == "ue" else None
    plain = {name: text for name, text in event.items() if name not in {"cx", "ue_px", "stm"}}
    text = json.dumps([plain, entities(event), body])
    ids = {value for value in UUID.findall(text) if not OF_THE_APP.match(value)}
    instants = {value for value in INSTANT.findall(text) if not value.endswith(".000Z")}
    times = {event["dtm"]} if int(event["dtm"]) % 1000 else set()
    return (ids | instants | times) - {NULL_UUID}


def _kill(tracker: Tracker) -> None:
    """End a tracker as a kill would: nothing is moved, written or deleted any more."""
    engine = tracker._engine
    tracker._passage.closed = True
    engine.emitter._release()
    engine.writer.abandon()
    engine.journal.abandon()
    engine.storage.close()
    whiteout.remove_tracker(tracker.namespace)


SHORT = settings(
    max_examples=25,
    phases=[Phase.explicit, Phase.generate],
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
LONG = settings(SHORT, max_examples=2500, stateful_step_count=80, derandomize=False)


def test_a_day_of_an_app_loses_doubles_reorders_and_joins_nothing() -> None:
    run(Day, settings=SHORT)


@pytest.mark.long
def test_many_days_of_an_app_lose_double_reorder_and_join_nothing() -> None:
    run(Day, settings=LONG)
