"""A day in the life of an app, in simulated time: a real tracker, no thread, no luck.

A state machine tracks, moves between screens and to the background, switches levels in every way
that there is, asks for consent, forgets, restarts and is killed, while the wall clock jumps and the
network does its worst. What the tracker's threads do is done step by step, and what the collector
accepted is held against a model (`tests.support.day`):

- events arrive in the order in which they were tracked, those of all levels and lines, but for the
  ones that were answered with an error that asks for another try;
- each is accepted or counted as dropped, and none of both, but where an answer is lost to what is
  tried once; none comes twice unless an answer was lost or the process was killed between an answer
  and the end of what was sent before it;
- the store drops the oldest, and no more of them than it must;
- each is in the session, and at the place in it, that time-outs, pauses, levels and restarts ask
  for; sessions name the one before them;
- nothing that trackers made up joins events of two lines, not even by way of others, but for the
  installation's id where two namespaces share it on request;
- an anonymous session lasts no longer than the app allows;
- no request but that of a single event is larger than the app allows;
- what waits, what is remembered and what lies on the disk stays within bounds.
"""

from __future__ import annotations

import random
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run
from tests.privacy.support import LEVELS, NONE, SERVER, SESSION, USER
from tests.support.day.checks import (
    VISITOR,
)
from tests.support.day.life import ENDPOINTS, FIRST, LULLS_S, SECOND, Life
from tests.support.day.model import (
    FULL,
    Scoped,
)
from tests.support.day.namespace import EMIT_RANGE, Said
from tests.support.day.world import (
    KINDS,
    WEATHERS,
)

from whiteout import (
    BufferOption,
    ConfigurationError,
    HttpMethod,
    Pending,
    PrivacyProfile,
    SubjectConfiguration,
)
from whiteout.tracker.inside import inside_of
from whiteout.tracker.journal import MAX_SEGMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whiteout import Anonymisation

STEPS: Final = 40

CHANGES: Final[tuple[tuple[str, str, Any], ...]] = (
    *(("network", "endpoint", endpoint) for endpoint in ENDPOINTS),
    *(("network", "method", method) for method in HttpMethod),
    *(("emitter", "buffer_option", option) for option in BufferOption),
    *(("emitter", "emit_range", events) for events in (1, EMIT_RANGE, 50)),
    *(("emitter", "max_event_store_size", events) for events in (10, 100_000)),
    *(("emitter", "byte_limit_post", limit) for limit in (1, 3000, 500_000)),
    *(("emitter", "byte_limit_get", limit) for limit in (1, 40_000)),
    *(("emitter", "retry_failed_requests", retries) for retries in (False, True)),
)
LIFETIMES_S: Final = (None, 0, 10, 700, 10_000)

levels = st.sampled_from(LEVELS)
lulls = st.sampled_from(LULLS_S)
extras = st.just(NONE) | levels
several_kinds = st.lists(st.sampled_from(KINDS), max_size=12)
pendings = st.sampled_from(Pending)
profiles = st.none() | st.sampled_from(PrivacyProfile)
sayings = st.builds(
    Said,
    buffer=st.sampled_from(BufferOption),
    store_limit=st.sampled_from([20, 100, 100_000]),
    lifetime_s=st.sampled_from(LIFETIMES_S),
    continues=st.booleans(),
)


class Day(Life, RuleBasedStateMachine):
    """See the module."""

    @initialize(level=levels, said=sayings, shares=st.booleans(), rest=st.integers(0, 2**32))
    def install(self, level: Anonymisation, said: Said, rest: int, *, shares: bool) -> None:
        self.rest = random.Random(rest)
        self.found(FIRST, said, level, shares=shares)

    # --- what the app does --------------------------------------------------------------------

    @precondition(lambda self: len(self.namespaces) == 1)
    @rule(level=levels, said=sayings, shares=st.booleans(), lull=lulls)
    def use_a_second_namespace(
        self, level: Anonymisation, said: Said, lull: float, *, shares: bool
    ) -> None:
        self.use()
        self.found(SECOND, said, level, shares=shares)
        self.use()
        self.live_on(lull)

    @precondition(lambda self: len(self.namespaces) > 1)
    @rule(lull=lulls)
    def turn_to_the_other_namespace(self, lull: float) -> None:
        self.use()
        (self.current,) = self.others
        self.use()
        self.live_on(lull)

    @rule(kinds=several_kinds, extra=extras, lull=lulls)
    def track(self, kinds: list[str], extra: Anonymisation, lull: float) -> None:
        self.track_all(kinds, Scoped(level=extra))
        self.live_on(lull)

    @rule(kinds=several_kinds, extra=extras, is_visitor=st.booleans(), lull=lulls)
    def track_in_a_scope(
        self, kinds: list[str], extra: Anonymisation, lull: float, *, is_visitor: bool
    ) -> None:
        subject = SubjectConfiguration(user_id=VISITOR) if is_visitor else None
        with self.tracker.scope(subject=subject, anonymisation=extra):
            self.track_all(kinds, Scoped(level=extra, in_scope=True))
        self.live_on(lull)

    @rule(is_visible=st.booleans(), lull=lulls)
    def move(self, lull: float, *, is_visible: bool) -> None:
        is_move = self.model.is_in_background is is_visible
        move = self.tracker.enter_foreground if is_visible else self.tracker.enter_background
        event_id = move()
        assert (event_id is not None) is (is_move and self.tracker.is_tracking)
        if is_move:
            self.model.moves(
                self.clock.wall_ms, is_visible=is_visible, is_told=event_id is not None
            )
        self.live_on(lull)

    @rule(level=levels, pending=pendings, lull=lulls)
    def switch(self, level: Anonymisation, pending: Pending, lull: float) -> None:
        self.use()
        self.switch_to(level, pending)
        self.use()
        self.live_on(lull)

    @rule(flag=st.sampled_from([USER, SESSION, SERVER]), on=st.booleans(), lull=lulls)
    def switch_a_flag(self, flag: Anonymisation, lull: float, *, on: bool) -> None:
        level = self.model.decided | flag if on else self.model.decided & ~flag
        if not on and flag & (self.model.floor | self.model.minimum):
            with pytest.raises(ConfigurationError):
                self.set_flag(flag, on=on)
        else:
            self.enter(level, lambda: self.set_flag(flag, on=on))
        self.use()
        self.live_on(lull)

    @rule(level=levels, lull=lulls)
    def give_consent(self, level: Anonymisation, lull: float) -> None:
        self.use()
        self.model.floor = level
        self.enter(level, lambda: self.tracker.consent.give(level))
        self.live_on(lull)

    @rule(level=st.just(FULL) | levels, pending=pendings, lull=lulls)
    def withdraw_consent(self, level: Anonymisation, pending: Pending, lull: float) -> None:
        self.use()
        level |= self.model.decided
        self.model.floor = level
        self.enter(level, lambda: self.tracker.consent.withdraw(level, pending=pending))
        self.model.settles(pending)
        self.live_on(lull)

    @rule(minimum=levels, lull=lulls)
    def hear_of_a_remote_minimum(self, minimum: Anonymisation, lull: float) -> None:
        set_minimum = inside_of(self.tracker).set_minimum
        self.enter(self.model.decided, lambda: set_minimum(minimum), minimum)
        self.use()
        self.live_on(lull)

    @rule(pending=pendings, level=levels)
    def switch_while_a_request_is_under_way(self, pending: Pending, level: Anonymisation) -> None:
        self.in_a_slow_request(lambda: self.switch_to(level, pending))

    @rule(kinds=several_kinds)
    def track_while_a_request_is_under_way(self, kinds: list[str]) -> None:
        self.in_a_slow_request(lambda: self.track_all(kinds, Scoped()))

    @rule(what=st.sampled_from(["forget", "remove"]))
    def forget_while_a_request_is_under_way(self, what: str) -> None:
        self.in_a_slow_request(self.forget_all if what == "forget" else self.remove_all)

    @precondition(lambda self: self.tracker.session is not None)
    @rule(what=st.sampled_from(["pause", "resume", "start_new_session"]), lull=lulls)
    def act_on_the_session(self, what: str, lull: float) -> None:
        getattr(self.tracker.session, what)()
        if what == "start_new_session":
            self.model.renew()
        else:
            self.model.checks_sessions = what == "resume"
        self.use()
        self.live_on(lull)

    @rule(pauses=st.booleans(), lull=lulls)
    def pause_or_resume_tracking(self, lull: float, *, pauses: bool) -> None:
        (self.tracker.pause if pauses else self.tracker.resume)()
        self.use()
        self.live_on(lull)

    @rule(pauses=st.booleans(), lull=lulls)
    def pause_or_resume_sending(self, lull: float, *, pauses: bool) -> None:
        (self.tracker.emitter.pause if pauses else self.tracker.emitter.resume)()
        self.use()
        self.live_on(lull)

    @rule(change=st.sampled_from(CHANGES), lull=lulls)
    def send_otherwise(self, change: tuple[str, str, Any], lull: float) -> None:
        owner, name, value = change
        setattr(getattr(self.tracker, owner), name, value)
        self.use()
        self.live_on(lull)

    @rule(lifetime_s=st.sampled_from(LIFETIMES_S), lull=lulls)
    def limit_anonymous_sessions(self, lifetime_s: float | None, lull: float) -> None:
        self.tracker.anonymous_session_lifetime = lifetime_s
        self.model.live_for(lifetime_s)
        self.use()
        self.live_on(lull)

    @rule(lull=lulls)
    def forget(self, lull: float) -> None:
        self.forget_all()
        self.live_on(lull)

    @rule(lull=lulls)
    def remove_all_events(self, lull: float) -> None:
        self.remove_all()
        self.live_on(lull)

    # --- what the world does ------------------------------------------------------------------

    @rule(kind=st.sampled_from(WEATHERS), lull=lulls)
    def change_the_weather(self, kind: str, lull: float) -> None:
        self.weather.kind = kind
        self.use()
        self.live_on(lull)

    @rule(hours=st.sampled_from([-30, -1, 1, 2, 30, 24 * 40]), lull=lulls)
    def let_the_wall_clock_jump(self, hours: int, lull: float) -> None:
        self.use()
        self.clock.wall_ms += hours * 3_600_000
        self.live_on(lull)

    @rule(lull=lulls)
    def use_the_app(self, lull: float) -> None:
        self.use()
        self.live_on(lull)

    @rule()
    def have_everything_sent(self) -> None:
        """And then nothing is owed, and nothing may come again."""
        self.use()
        self.weather.kind = "fair"
        self.tracker.emitter.resume()
        self.live_on(100)  # for as long as the collector may have asked to wait
        self.current.flush(self.live_on)

    @rule(
        level=st.none() | levels,
        profile=profiles,
        lull=lulls,
        shares=st.booleans(),
        others_forget=st.booleans(),
    )
    def restart(
        self,
        level: Anonymisation | None,
        profile: PrivacyProfile | None,
        lull: float,
        *,
        shares: bool,
        others_forget: bool,
    ) -> None:
        self.use()
        self.current.close()
        if others_forget:
            self.forget_elsewhere()
        self.begin(level, profile, was_killed=False, shares=shares)
        self.use()
        self.live_on(lull)

    @rule(
        level=st.none() | levels,
        profile=profiles,
        lull=lulls,
        is_busy=st.booleans(),
        shares=st.booleans(),
        others_forget=st.booleans(),
    )
    def be_killed(  # noqa: PLR0913 - one argument a choice
        self,
        level: Anonymisation | None,
        profile: PrivacyProfile | None,
        lull: float,
        *,
        is_busy: bool,
        shares: bool,
        others_forget: bool,
    ) -> None:
        if is_busy:
            self.use()
        self.current.kill()
        if others_forget:
            self.forget_elsewhere()
        self.begin(level, profile, was_killed=True, shares=shares)
        self.use()
        self.live_on(lull)

    # --- the promises -------------------------------------------------------------------------

    @invariant()
    def what_is_kept_is_bounded(self) -> None:
        for namespace in self.namespaces:
            engine = namespace.tracker._engine
            for store in engine.storage.stores:
                assert store.count <= namespace.tracker.emitter.max_event_store_size
            assert len(engine.journal._segments) <= MAX_SEGMENTS

    def teardown(self) -> None:
        try:
            if sys.exception() is None and self.namespaces:
                self.live_to_the_end()
                self.check()
        finally:
            self.end()


SHORT = settings(
    max_examples=20,
    phases=[Phase.generate],  # a failure is told at once, as it came
    stateful_step_count=STEPS,
    deadline=None,
    derandomize=True,  # whoever changes something else is not told of a day that nobody had seen
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
LONG = settings(
    SHORT,
    max_examples=1500,  # twenty minutes
    phases=[Phase.generate, Phase.shrink],
    derandomize=False,  # other days each time
)


def test_a_day_of_an_app_loses_doubles_reorders_and_joins_nothing() -> None:
    run(Day, settings=SHORT)


@pytest.mark.long
def test_many_days_of_an_app_lose_double_reorder_and_join_nothing() -> None:
    run(Day, settings=LONG)


# --- days that went wrong once --------------------------------------------------------------------


@pytest.fixture
def day() -> Iterator[Day]:
    day = Day()
    day.install(level=NONE, said=Said(), rest=0, shares=False)
    try:
        yield day
        day.live_to_the_end()
        day.check()
    finally:
        day.end()


def test_a_day_on_which_all_is_forgotten_while_requests_fail(day: Day) -> None:
    day.change_the_weather(kind="failing", lull=301)
    day.forget(lull=301)


def test_a_day_on_which_the_app_moves_unseen_between_a_switch_and_a_restart(day: Day) -> None:
    day.use_the_app(lull=1)
    day.pause_or_resume_tracking(lull=1, pauses=True)
    day.switch(level=FULL, pending=Pending.KEEP, lull=1)
    day.switch(level=NONE, pending=Pending.KEEP, lull=1)
    day.move(lull=1, is_visible=False)
    day.restart(level=None, profile=None, lull=1, shares=False, others_forget=False)


def test_a_day_on_which_the_events_of_a_new_session_are_removed_before_a_kill(day: Day) -> None:
    day.use_the_app(lull=700)
    day.use()
    day.remove_all()
    day.be_killed(
        level=None, profile=None, lull=1, is_busy=False, shares=False, others_forget=False
    )


def test_a_day_on_which_nobody_is_known_before_a_kill_and_an_anonymous_start(day: Day) -> None:
    day.be_killed(level=USER, profile=None, lull=1, is_busy=True, shares=False, others_forget=False)
    day.restart(level=NONE, profile=None, lull=1, shares=False, others_forget=False)


def test_a_day_on_which_a_lifetime_stays_with_the_tracker_that_is_made_again(day: Day) -> None:
    day.switch(level=USER, pending=Pending.KEEP, lull=1)
    day.limit_anonymous_sessions(lifetime_s=0, lull=1)
    day.restart(level=None, profile=None, lull=1, shares=False, others_forget=False)
