"""No bridge across the boundary (promise 2), whatever an app does and however it ends.

A state machine tracks events of all kinds, switches levels, withdraws, forgets, restarts and is
killed; a model knows which *side* each event is on. Whole requests are collected, and nothing that
the tracker generated may be found on two sides.
"""

from __future__ import annotations

import itertools
import random
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run
from tests.privacy.support import (
    CLIENT,
    FULL,
    LEVELS,
    NONE,
    PLATFORM,
    SERVER,
    SESSION,
    SUBJECT,
    USER,
    Scene,
    events_of,
    found_in,
    sent_text,
)
from tests.support.collector import entity, unstructured
from tests.support.trackers import STATELESS

import whiteout
from whiteout import (
    Answer,
    ConfigurationError,
    ConsentDocument,
    DeepLinkReceived,
    ListItemView,
    PageView,
    Pending,
    ScreenView,
    SelfDescribing,
    SessionConfiguration,
    Structured,
    Timing,
    identifying_property,
)
from whiteout.identifiers import NULL_UUID
from whiteout.tracker.environment import Environment

if TYPE_CHECKING:
    from whiteout import Anonymisation, Event, OutgoingRequest, Tracker

CUSTOMER = "iglu:com.acme/customer/jsonschema/1-0-0"
MARKS = (identifying_property("iglu:com.acme/customer", "email"),)
FIRST_MS = 1_654_496_481_346
START_S = 100  # seconds to wait for the tracker's own threads

levels = st.sampled_from(LEVELS)


class UniqueClock:
    """Wall time that never says the same millisecond twice, so that equal times mean a bridge.

    It skips whole seconds, to which the times of events that were anonymised later are cut.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now_ms = FIRST_MS
        self._said: set[int] = set()

    def now_ms(self) -> int:
        with self._lock:
            self._now_ms += 1
            while self._now_ms in self._said or not self._now_ms % 1000:
                self._now_ms += 1
            self._said.add(self._now_ms)
            return self._now_ms

    def monotonic_s(self) -> float:
        return time.monotonic()

    def jump(self, seconds: int) -> None:
        with self._lock:
            self._now_ms += seconds * 1000


class Line:
    """A network that lets a number of requests through, and keeps those; else it is offline."""

    sends_headers = True

    def __init__(self) -> None:
        self.requests: list[OutgoingRequest] = []
        self.budget = 0

    def send(self, request: OutgoingRequest) -> Answer:
        if self.budget <= 0:
            return Answer(status=None)
        self.budget -= 1
        self.requests.append(request)
        return Answer(status=200)

    def close(self) -> None:
        """Nothing is kept."""


@dataclass
class Tracked:
    """What the model knows of an event.

    Attributes:
        side: its line: `identified …`, `anonymous …`, `single …`, or what became of one later.
        level: that it must be sent under.
        user_id: that the subject had.
    """

    side: str
    level: Anonymisation
    user_id: str | None


@dataclass
class Sent:
    marker: str
    event: dict[str, str]
    request: OutgoingRequest
    values: set[str] = field(default_factory=set)


class Unlinkability(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.scene = Scene(Path(self._folder.name), "http://collector.invalid")
        self.clock = UniqueClock()
        self.line = Line()
        self.numbers = itertools.count(1)
        self.tracked: dict[str, Tracked] = {}
        self.user_id: str | None = SUBJECT["user_id"]
        self.secrets = {*SUBJECT.values(), *PLATFORM.values()}
        self.identified = "identified 0"
        self.level = NONE
        self.floor = NONE  # what the user has answered
        self.side = self.identified
        self.screen: str | None = None  # that the line is on
        self.is_in_background = False
        self.is_first_run = True
        self.tracker: Tracker

    # --- the life of an app -----------------------------------------------------------------

    @initialize(level=levels, continues=st.booleans())
    def install(self, level: Anonymisation, *, continues: bool) -> None:
        self.continues = continues
        self._start(level)

    @rule(
        kind=st.sampled_from(
            ["screen", "screen", "page", "structured", "described", "timing", "link", "item"]
        ),
        extra=st.just(NONE) | levels,
    )
    def track(self, kind: str, extra: Anonymisation) -> None:
        marker = f"marker-{next(self.numbers)}"
        level = self.level | extra
        side = self.side
        is_apart = bool((level ^ self.level) & CLIENT)
        if is_apart:
            side = f"single {marker}"
        elif kind == "screen":
            self._end_screen(level)
            self.screen = marker
        if kind != "item" or is_apart:  # else it is summed up
            self.tracked[marker] = Tracked(side, level, self.user_id)
        assert self.tracker.track(_event(kind, marker), anonymisation=extra) is not None

    @rule(extra=st.just(NONE) | levels)
    def browse(self, extra: Anonymisation) -> None:
        self.track("screen", NONE)
        self.track("structured", extra)
        self.track("screen", extra)
        self.track("page", NONE)

    @rule(level=levels, pending=st.sampled_from(Pending))
    def switch_at_once(self, level: Anonymisation, pending: Pending) -> None:
        if self.floor & ~level:
            with pytest.raises(ConfigurationError, match="until the user consents"):
                self.tracker.set_anonymisation(level, pending=pending)
            return
        self.tracker.set_anonymisation(level, pending=pending)
        self._switched(level, pending)

    @rule(kind=st.sampled_from(["screen", "page"]), level=st.none() | levels)
    def be_paused(self, kind: str, level: Anonymisation | None) -> None:
        """What is tracked meanwhile is lost, the end of a screen too; a change of level is not."""
        self.tracker.pause()
        assert self.tracker.track(_event(kind, f"marker-{next(self.numbers)}")) is None
        if level is not None and not self.floor & ~level:
            if (level ^ self.level) & CLIENT:
                self.screen = None
            self.tracker.set_anonymisation(level)
            self._switched(level, Pending.KEEP)
            assert self.tracker.track(_event(kind, f"marker-{next(self.numbers)}")) is None
        self.tracker.resume()

    @rule(level=levels)
    def consent(self, level: Anonymisation) -> None:
        marker = f"marker-{next(self.numbers)}"
        self.tracker.consent.give(level, documents=[_document(marker)])
        self.floor = level
        self._switched(level, Pending.KEEP)
        self.tracked[marker] = Tracked(self.side, self.level, self.user_id)

    @rule(level=levels, pending=st.sampled_from(Pending))
    def withdraw_consent(self, level: Anonymisation, pending: Pending) -> None:
        marker = f"marker-{next(self.numbers)}"
        self.tracker.consent.withdraw(level, pending=pending, documents=[_document(marker)])
        self.floor = self.level | level
        self._switched(self.floor, pending)
        self.tracked[marker] = Tracked(f"single {marker}", FULL, self.user_id)

    @rule(flags=st.permutations([USER, SESSION, SERVER]), level=levels)
    def switch_one_by_one(self, flags: list[Anonymisation], level: Anonymisation) -> None:
        for flag in flags:
            on = flag in level or flag in self.floor
            if flag is USER:
                self.tracker.user_anonymisation = on
            elif flag is SESSION:
                self.tracker.session_context = not on
            else:
                self.tracker.emitter.server_anonymisation = on
            self._switched(self.level | flag if on else self.level & ~flag, Pending.KEEP)

    @rule()
    def log_in_as_another(self) -> None:
        self.user_id = f"secret-user-{next(self.numbers)}"
        self.secrets.add(self.user_id)
        self.tracker.subject.user_id = self.user_id

    @precondition(lambda self: self.tracker.session is not None)
    @rule(what=st.sampled_from(["pause", "resume", "start_new_session"]))
    def act_on_the_session(self, what: str) -> None:
        getattr(self.tracker.session, what)()

    @rule(to_background=st.booleans())
    def move(self, *, to_background: bool) -> None:
        marker = f"marker-{next(self.numbers)}"
        moves = to_background is not self.is_in_background
        self.is_in_background = to_background
        self.tracker.subject.user_agent = marker  # the event is the tracker's own
        tracker = self.tracker
        event_id = tracker.enter_background() if to_background else tracker.enter_foreground()
        self.tracker.subject.user_agent = None
        assert (event_id is not None) is moves
        if moves:
            self.tracked[marker] = Tracked(self.side, self.level, self.user_id)

    @rule(seconds=st.sampled_from([1, 60, 1801, 90_000, -60, -90_000]))
    def let_the_clock_jump(self, seconds: int) -> None:
        self.clock.jump(seconds)

    @rule(requests=st.sampled_from([1, 2, 1000]))
    def go_online(self, requests: int) -> None:
        self._deliver(requests)

    @rule()
    def forget(self) -> None:
        waiting = self._waiting()
        assert self.tracker.forget()
        for marker in waiting:
            del self.tracked[marker]
        self.user_id = None
        self.identified = f"identified {next(self.numbers)}"
        self._begin_side()

    @rule(level=st.none() | levels)
    def restart(self, level: Anonymisation | None) -> None:
        self.tracker.close(0.0)
        self._start(level)

    @rule(level=st.none() | levels)
    def be_killed(self, level: Anonymisation | None) -> None:
        session = self.tracker.session
        if not self.level & CLIENT and session is not None and session.session_id is not None:
            # Of who is known by a journal alone, an anonymous start takes nothing over.
            _until(lambda: any(Path(self._folder.name).glob("*.identity.json")))
        _kill(self.tracker)
        self._start(level)

    def teardown(self) -> None:
        try:
            if hasattr(self, "tracker"):
                self._deliver(10_000)
                assert self._waiting() == set()
                self._check()
        finally:
            self.scene.close()
            self._folder.cleanup()

    # --- the model ------------------------------------------------------------------------------

    def _start(self, level: Anonymisation | None) -> None:
        self.user_id = SUBJECT["user_id"]
        self.tracker = self.scene.tracker(
            level,
            network={"network_connection": self.line},
            tracker={"identifying_properties": MARKS, **dict.fromkeys(STATELESS, True)},
            session=SessionConfiguration(continue_session_on_restart=self.continues),
            environment=Environment(clock=self.clock, generator=random.Random(0)),
        )
        if level is not None:
            self.level = level | self.floor
        assert self.tracker.anonymisation is self.level
        self.is_in_background = False
        self._begin_side()
        if self.is_first_run:
            self.is_first_run = False
            self.tracked["install"] = Tracked(self.side, self.level, self.user_id)

    def _begin_side(self) -> None:
        anonymous = f"anonymous {next(self.numbers)}"
        self.side = anonymous if self.level & CLIENT else self.identified
        self.screen = None

    def _end_screen(self, level: Anonymisation) -> None:
        """The tracker ends the screen that the line is on, if there is one, by itself."""
        if self.screen is not None:
            end = Tracked(self.side, level, self.user_id)
            self.tracked[f"end of {self.screen}"] = end

    def _switched(self, level: Anonymisation, pending: Pending) -> None:
        crosses = (level ^ self.level) & CLIENT
        if crosses:
            self._end_screen(self.level)
        self.level = level
        if crosses:
            self._begin_side()
        if pending is Pending.KEEP:
            return
        change = next(self.numbers)
        for marker in self._waiting():
            event = self.tracked[marker]
            after = event.level | level
            if after == event.level:
                continue
            if pending is Pending.DROP:
                del self.tracked[marker]
                continue
            if (after ^ event.level) & CLIENT:
                event.side = f"{event.side}, anonymised {change}"
            event.level = after

    def _sent(self) -> list[Sent]:
        return [
            Sent(_marker(event), event, request, generated(event))
            for request in self.line.requests
            for event in events_of(request)
        ]

    def _waiting(self) -> set[str]:
        return self.tracked.keys() - {sent.marker for sent in self._sent()}

    def _deliver(self, requests: int) -> None:
        self.line.budget = requests
        self.tracker.emitter.resume()
        if requests >= 1000:
            assert self.tracker.flush(START_S)
        else:
            _until(lambda: not self.line.budget or not self._waiting())
        self.line.budget = 0
        # What was answered is removed before anything else happens, as the model believes.
        _until(lambda: self.tracker.emitter.db_count <= len(self._waiting()))

    # --- the promises -----------------------------------------------------------------------------

    def _check(self) -> None:
        sent = self._sent()
        assert {each.marker for each in sent} == self.tracked.keys()
        assert len({each.marker for each in sent}) == len(sent)
        assert len({each.event["eid"] for each in sent}) == len(sent)
        for request in self.line.requests:
            self._check_request(request)
        for each in sent:
            self._check_masks(each)
        self._check_bridges(sent)
        self._check_sessions(sent)

    def _check_request(self, request: OutgoingRequest) -> None:
        members = [self.tracked[_marker(event)] for event in events_of(request)]
        (level,) = {member.level for member in members}
        assert len({member.side for member in members}) == 1
        assert (request.headers.get("SP-Anonymous") == "*") is (SERVER in level)
        assert request.is_anonymous is bool(level)
        assert len({event["stm"] for event in events_of(request)}) == 1

    def _check_masks(self, sent: Sent) -> None:
        level = self.tracked[sent.marker].level
        text = sent_text(sent.request)
        session = entity(sent.event, "client_session")
        if USER in level:
            assert not found_in(text, self.secrets)
            assert "SECRET" not in text
            assert session is None or session["userId"] == NULL_UUID
            assert session is None or session["previousSessionId"] is None
        else:
            assert sent.event.get("uid") == self.tracked[sent.marker].user_id
        if SERVER in level:
            assert not {"ip", "tnuid"} & sent.event.keys()
        if SESSION in level:
            assert session is None

    def _check_bridges(self, sent: list[Sent]) -> None:
        sides: dict[str, set[str]] = defaultdict(set)
        for each in sent:
            for value in each.values:
                sides[value].add(self.tracked[each.marker].side)
        assert not {value: on for value, on in sides.items() if len(on) > 1}
        stamps = [events_of(request)[0]["stm"] for request in self.line.requests]
        assert len(set(stamps)) == len(stamps)

    def _check_sessions(self, sent: list[Sent]) -> None:
        lines: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
        for each in sent:
            session = entity(each.event, "client_session")
            if session is None:
                continue
            side = self.tracked[each.marker].side
            # Sessions that were anonymised after the fact each are the first one of nobody.
            line = f"{side} {session['sessionId']}" if "anonymised" in side else side
            of_line = lines[line]
            known = of_line.setdefault(session["sessionIndex"], session)
            assert known["sessionId"] == session["sessionId"]
            assert known["firstEventId"] == session["firstEventId"]
        for side, sessions in lines.items():
            if not side.startswith("identified") or "anonymised" in side:
                assert sorted(sessions) == list(range(1, len(sessions) + 1))
                continue
            assert len({session["userId"] for session in sessions.values()}) == 1
            for index, session in sessions.items():
                before = sessions.get(index - 1)
                if index == 1:
                    assert session["previousSessionId"] is None
                elif before is not None:
                    assert session["previousSessionId"] == before["sessionId"]


def _event(kind: str, marker: str) -> Event:  # noqa: PLR0911 - one a kind
    link = f"https://SECRET:x@shop.example/{marker}?_sp=SECRET&gclid=SECRET"
    match kind:
        case "screen":
            return ScreenView(name=marker)
        case "link":
            return DeepLinkReceived(url=link, referrer=link)
        case "item":
            return ListItemView(index=int(marker.removeprefix("marker-")))
        case "page":
            return PageView(page_url=link, page_title=marker, referrer=link)
        case "structured":
            return Structured(category="c", action="a", label=marker)
        case "described":
            return SelfDescribing(schema=CUSTOMER, data={"email": "SECRET", "note": marker})
        case _:
            return Timing(category=marker, variable="v", timing=1)


def _document(marker: str) -> ConsentDocument:
    return ConsentDocument(document_id=marker, document_version="1")


def _marker(event: dict[str, str]) -> str:
    if "ua" in event:
        return event["ua"]
    if event["e"] != "ue":
        return event.get("se_la") or event["page"]
    body = unstructured(event)
    data = body["data"]
    match body["schema"].split("/")[1]:
        case "screen_end":
            assert entity(event, "screen_summary") is not None
            marker = f"end of {_the(event, 'screen')['name']}"
        case "deep_link_received":
            marker = urlsplit(str(data["url"])).path.strip("/")
        case "list_item_view":
            marker = f"marker-{data['index']}"
        case "application_install":
            marker = "install"
        case "consent_granted" | "consent_withdrawn":
            marker = _the(event, "consent_document")["id"]
        case _:
            marker = data.get("note") or data.get("category") or data["name"]
    return str(marker)


def _the(event: dict[str, str], name: str) -> dict[str, Any]:
    found = entity(event, name)
    assert found is not None
    return found


def generated(event: dict[str, str]) -> set[str]:
    """What the tracker made up for an event: ids, and times in epoch milliseconds.

    Whole seconds are left out: the clock never says one, so they are times that were cut.
    """
    times = [int(event["dtm"])]
    ids = [event["eid"]]
    session = entity(event, "client_session")
    if session is not None:
        first = datetime.fromisoformat(session["firstEventTimestamp"])
        times.append(round(first.timestamp() * 1000))
        ids += [
            session[name] for name in ("userId", "sessionId", "previousSessionId", "firstEventId")
        ]
    screen = entity(event, "screen")
    if screen is not None:
        ids.append(screen["id"])
    if event["e"] == "ue":
        data = unstructured(event)["data"]
        ids += [data.get("id"), data.get("previousId")]
    values = {f"time {time_ms}" for time_ms in times if time_ms % 1000}
    return values | {value for value in ids if value not in {None, NULL_UUID}}


def _until(condition: Any) -> None:  # noqa: ANN401 - a predicate
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def _kill(tracker: Tracker) -> None:
    """End a tracker as a kill would: nothing is moved, written or deleted any more."""
    engine = tracker._engine
    with tracker._lock:
        tracker._passage.closed = True
    engine.emitter.close(10)
    engine.writer._closing.set()
    engine.writer.wake()
    thread = engine.writer._thread
    assert thread is not None
    thread.join(10)
    assert not thread.is_alive()
    engine.writer.abandon()
    engine.journal.abandon()
    engine.storage.close()
    whiteout.remove_tracker(tracker.namespace)


SHORT = settings(
    max_examples=40,
    phases=[Phase.generate],  # shrinking a life of real threads and files takes many minutes
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
LONG = settings(SHORT, max_examples=500, stateful_step_count=60)


def test_nothing_joins_the_two_sides_of_a_change() -> None:
    run(Unlinkability, settings=SHORT)


@pytest.mark.long
def test_nothing_joins_the_two_sides_of_a_change_in_many_lives() -> None:
    run(Unlinkability, settings=LONG)


def test_nothing_joins_two_sessions_that_are_anonymised_after_the_fact() -> None:
    life = Unlinkability()
    life.install(level=NONE, continues=True)
    life.track(kind="page", extra=NONE)
    life.act_on_the_session(what="start_new_session")
    life.track(kind="page", extra=NONE)
    life.switch_at_once(level=USER, pending=Pending.ANONYMISE)
    life.teardown()
