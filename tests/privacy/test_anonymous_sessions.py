"""L37: with a lifetime, sessions of an anonymous user are short and know nothing of one another."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.privacy.support import (
    NONE,
    SERVER,
    SESSION,
    USER,
    Recorder,
    Scene,
    by_id,
    events_of,
    recorded,
    sent_text,
    session_of,
)
from tests.support.clock import ManualClock
from tests.support.collector import entity

import whiteout
from whiteout import ConfigurationError, ListItemView, ScreenView, Structured, TrackerConfiguration
from whiteout.tracker.environment import Environment
from whiteout.tracker.states.states import FEATURES

if TYPE_CHECKING:
    from whiteout import Anonymisation, SessionState, Tracker

STATEFUL: dict[str, Any] = dict.fromkeys(FEATURES, True)
PLAIN = Structured(category="a", action="b")
LIFETIME_S = 60

steps = st.lists(
    st.tuples(
        st.sampled_from(["view", "item", "plain", "away", "back", "anonymous event"]),
        st.sampled_from([0, 0.001, 20, 59.999, 60, 3000, -5]),
    ),
    min_size=2,
    max_size=25,
)


def with_lifetime(
    scene: Scene,
    recorder: Recorder,
    clock: ManualClock,
    lifetime_s: float | None,
    **more: Any,  # noqa: ANN401 - passed on
) -> Tracker:
    options = {**STATEFUL, "anonymous_session_lifetime": lifetime_s}
    return recorded(
        scene,
        recorder,
        more.pop("level", USER | SERVER),
        tracker=options,
        environment=Environment(clock=clock),
        **more,
    )


def act(tracker: Tracker, step: str) -> None:
    match step:
        case "view":
            tracker.track(ScreenView(name="home"))
        case "item":
            tracker.track(ListItemView(index=1))
        case "away":
            tracker.enter_background()
        case "back":
            tracker.enter_foreground()
        case "anonymous event":
            tracker.track(PLAIN, anonymisation=SESSION)
        case _:
            tracker.track(PLAIN)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=steps)
def test_L37_no_session_outlives_its_time_nor_shares_anything_with_the_next(
    scene: Scene, steps: list[tuple[str, float]]
) -> None:
    recorder, clock = Recorder(), ManualClock()
    tracker = with_lifetime(scene, recorder, clock, LIFETIME_S)
    for step, seconds in steps:
        act(tracker, step)
        clock.advance(seconds)
    assert tracker.flush()
    whiteout.remove_tracker(scene.namespace, timeout=0)

    sessions: dict[str, list[dict[str, str]]] = {}
    for event in recorder.events:
        if entity(event, "client_session") is not None:
            sessions.setdefault(session_of(event)["sessionId"], []).append(event)
    for events in sessions.values():
        told = [session_of(event) for event in events]
        times = [int(event["dtm"]) for event in events]
        assert max(times) - min(times) < LIFETIME_S * 1000
        assert [one["eventIndex"] for one in told] == list(range(1, len(told) + 1))
        assert {(one["sessionIndex"], one["previousSessionId"]) for one in told} == {(1, None)}
    for one, other in itertools.combinations(sessions.values(), 2):
        assert not made_for(one) & made_for(other)
    for request in recorder.requests:
        of_request = {
            (entity(event, "client_session") or {}).get("sessionId") for event in events_of(request)
        }
        assert len(of_request) == 1


def made_for(events: list[dict[str, str]]) -> set[str]:
    """Every id that the tracker made for these events."""
    found = {event["eid"] for event in events}
    for event in events:
        data = session_of(event)
        found |= {data["sessionId"], data["firstEventId"] or data["sessionId"]}
        found.add((entity(event, "screen") or {}).get("id", data["sessionId"]))
    return found


def test_L37_a_lifetime_of_nothing_makes_each_event_a_session_of_its_own(scene: Scene) -> None:
    recorder = Recorder()
    tracker = with_lifetime(scene, recorder, ManualClock(), 0)
    for _ in range(3):
        tracker.track(PLAIN)
    assert tracker.flush()

    told = [session_of(event) for event in recorder.events]
    assert len({one["sessionId"] for one in told}) == len(recorder.requests) == 3
    assert [(one["eventIndex"], one["sessionIndex"]) for one in told] == [(1, 1)] * 3


def test_L37_a_session_that_a_time_out_ends_is_not_named_by_the_next(scene: Scene) -> None:
    recorder, clock = Recorder(), ManualClock()
    tracker = with_lifetime(scene, recorder, clock, 86_400)
    tracker.track(PLAIN)
    clock.advance(3000)
    tracker.track(PLAIN)
    assert tracker.flush()

    first, second = (session_of(event) for event in recorder.events)
    assert first["sessionId"] != second["sessionId"]
    assert (second["sessionIndex"], second["previousSessionId"]) == (1, None)


def test_L37_a_paused_session_checker_does_not_prolong_it(scene: Scene) -> None:
    recorder, clock = Recorder(), ManualClock()
    tracker = with_lifetime(scene, recorder, clock, LIFETIME_S)
    tracker.track(PLAIN)
    assert tracker.session is not None
    tracker.session.pause()
    clock.advance(LIFETIME_S)
    tracker.track(PLAIN)
    assert tracker.flush()

    assert len({session_of(event)["sessionId"] for event in recorder.events}) == 2


def test_the_screen_that_is_open_stays_on_the_old_side(scene: Scene) -> None:
    recorder, clock = Recorder(), ManualClock()
    tracker = with_lifetime(scene, recorder, clock, LIFETIME_S)
    tracker.track(ScreenView(name="before"))
    clock.advance(LIFETIME_S)
    plain = tracker.track(PLAIN)
    view = tracker.track(ScreenView(name="after"))
    assert tracker.flush()

    assert len(recorder.events) == 3
    assert entity(by_id(recorder.events, plain), "screen") is None
    assert "before" not in sent_text(recorder.requests[-1])
    assert entity(by_id(recorder.events, view), "screen") is not None


@pytest.mark.parametrize("level", [NONE, USER | SESSION], ids=str)
@pytest.mark.parametrize("lifetime_s", [0, LIFETIME_S])
def test_L37_a_change_of_the_level_after_its_time_ends_no_screen_in_it(
    scene: Scene, level: Anonymisation, lifetime_s: int
) -> None:
    recorder, clock = Recorder(), ManualClock()
    tracker = with_lifetime(scene, recorder, clock, lifetime_s)
    tracker.track(ScreenView(name="before"))
    clock.advance(lifetime_s)

    tracker.anonymisation = level

    assert tracker.flush()
    (event,) = recorder.events
    assert session_of(event)["eventIndex"] == 1


def test_identified_sessions_have_no_such_end(scene: Scene) -> None:
    recorder, clock = Recorder(), ManualClock()
    tracker = with_lifetime(scene, recorder, clock, LIFETIME_S, level=NONE)
    for _ in range(3):
        tracker.track(PLAIN)
        clock.advance(LIFETIME_S)
    assert tracker.flush()

    told = [session_of(event) for event in recorder.events]
    assert [one["eventIndex"] for one in told] == [1, 2, 3]
    assert len({one["sessionId"] for one in told}) == 1


def test_it_can_be_set_and_lifted_live(scene: Scene) -> None:
    recorder, clock = Recorder(), ManualClock()
    tracker = with_lifetime(scene, recorder, clock, None)
    tracker.track(PLAIN)
    clock.advance(LIFETIME_S)
    tracker.track(PLAIN)
    tracker.anonymous_session_lifetime = LIFETIME_S
    tracker.track(PLAIN)
    tracker.anonymous_session_lifetime = None
    clock.advance(LIFETIME_S)
    tracker.track(PLAIN)
    assert tracker.flush()

    told = [session_of(event) for event in recorder.events]
    assert [one["eventIndex"] for one in told] == [1, 2, 1, 2]


def test_each_of_them_is_told_to_the_app(scene: Scene) -> None:
    recorder, clock = Recorder(), ManualClock()
    heard: list[SessionState] = []
    tracker = with_lifetime(
        scene,
        recorder,
        clock,
        0,
        session=whiteout.SessionConfiguration(on_session_update=heard.append),
    )
    for _ in range(3):
        tracker.track(PLAIN)
    assert tracker.flush()
    whiteout.remove_tracker(scene.namespace, timeout=5)

    assert [state.session_index for state in heard] == [1, 1, 1]
    assert len({state.session_id for state in heard}) == 3


@pytest.mark.parametrize(("before", "said", "after"), [(60, None, 60), (60, 600, 600)])
def test_L34_a_tracker_that_is_made_again_keeps_the_shorter_one(
    scene: Scene, before: float, said: float | None, after: float
) -> None:
    with_lifetime(scene, Recorder(), ManualClock(), before)
    again = with_lifetime(scene, Recorder(), ManualClock(), said)

    assert again.anonymous_session_lifetime == after


@pytest.mark.parametrize("value", [-1, 86_401, float("nan"), "60", True])
def test_a_lifetime_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(ConfigurationError, match="anonymous_session_lifetime"):
        TrackerConfiguration(anonymous_session_lifetime=value)  # type: ignore[arg-type] # on purpose
