"""Foreground and background (core 4.4, 8.2; events catalogue 6)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.clock import CountedUuids, ManualClock
from tests.support.collector import entity, session, unstructured
from tests.support.trackers import STATELESS, Wire, a_tracker

from whiteout import (
    Anonymisation,
    Background,
    Foreground,
    PluginConfiguration,
    SelfDescribing,
    SessionConfiguration,
    Structured,
    TrackerConfiguration,
)
from whiteout.tracker.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whiteout import Tracker

PLAIN = Structured(category="a", action="b")


class Scene:
    """A tracker with the lifecycle and nothing else, its clock and what it sends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.wire = Wire()

    @contextmanager
    def tracker(
        self,
        session: SessionConfiguration | None = None,
        **options: Any,  # noqa: ANN401 - of the configuration
    ) -> Iterator[Tracker]:
        chosen = {**STATELESS, "lifecycle_autotracking": True, **options}
        with a_tracker(
            self.wire.network,
            self.folder,
            TrackerConfiguration(platform_context=False, **chosen),
            session or SessionConfiguration(),
            environment=Environment(clock=self.clock, new_uuid=CountedUuids()),
        ) as running:
            yield running
            assert running.flush(10)

    @property
    def states(self) -> list[dict[str, Any] | None]:
        return [entity(event, "application_lifecycle") for event in self.wire.events]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [unstructured(event)["data"] for event in self.wire.events if event["e"] == "ue"]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_g14_every_event_says_whether_the_app_is_visible(scene: Scene) -> None:
    with scene.tracker() as tracker:
        tracker.track(PLAIN)
        tracker.track(Background())
        tracker.track(PLAIN)
        tracker.track(Foreground(foreground_index=9))
        tracker.track(PLAIN)

    assert scene.states == [
        {"isVisible": True},
        {"isVisible": False},
        {"isVisible": False},
        {"isVisible": True, "index": 9},
        {"isVisible": True, "index": 9},
    ]


def test_moves_of_the_app_are_tracked_with_an_index_of_their_kind(scene: Scene) -> None:
    with scene.tracker() as tracker:
        assert tracker.enter_foreground() is None  # it is there
        assert tracker.enter_background() is not None
        assert tracker.enter_background() is None
        assert tracker.enter_foreground() is not None
        assert tracker.enter_background() is not None

    assert scene.bodies == [{"backgroundIndex": 1}, {"foregroundIndex": 1}, {"backgroundIndex": 2}]
    assert scene.states == [
        {"isVisible": False, "index": 1},
        {"isVisible": True, "index": 1},
        {"isVisible": False, "index": 2},
    ]


def test_the_session_controller_and_the_tracker_report_the_same_moves(scene: Scene) -> None:
    with scene.tracker() as tracker:
        controller = tracker.session
        assert controller is not None
        controller.enter_background()
        assert tracker.enter_background() is None
        assert controller.is_in_background
        tracker.enter_foreground()
        assert not controller.is_in_background
        assert (controller.background_index, controller.foreground_index) == (1, 1)

    assert len(scene.bodies) == 2


def test_number_25_the_timeout_of_where_the_app_was_decides(scene: Scene) -> None:
    timeouts = SessionConfiguration(foreground_timeout=360, background_timeout=15)
    with scene.tracker(timeouts) as tracker:
        tracker.track(PLAIN)
        scene.clock.advance(3)
        tracker.enter_background()
        scene.clock.advance(27)
        tracker.enter_foreground()

    sessions = [session(event) for event in scene.wire.events]
    assert [data["sessionIndex"] for data in sessions] == [1, 1, 2]
    assert sessions[2]["firstEventId"] == scene.wire.events[2]["eid"]


def test_a_background_event_is_judged_by_the_foregrounds_timeout(scene: Scene) -> None:
    timeouts = SessionConfiguration(foreground_timeout=5, background_timeout=100)
    with scene.tracker(timeouts) as tracker:
        tracker.track(PLAIN)
        scene.clock.advance(6)
        tracker.enter_background()
        scene.clock.advance(50)
        tracker.track(PLAIN)

    assert [session(event)["sessionIndex"] for event in scene.wire.events] == [1, 2, 2]


def test_it_needs_no_session(scene: Scene) -> None:
    """In the native trackers nothing is tracked while the session is off."""
    with scene.tracker(session_context=False) as tracker:
        assert tracker.session is None
        tracker.enter_background()
        tracker.track(PLAIN)

    assert scene.bodies == [{"backgroundIndex": 1}]
    assert scene.states == [{"isVisible": False, "index": 1}] * 2


def test_switched_off_a_move_changes_the_timeout_and_tracks_nothing(scene: Scene) -> None:
    """S17, but for the timeout: the app itself says where it is, so that counts."""
    timeouts = SessionConfiguration(foreground_timeout=360, background_timeout=15)
    with scene.tracker(timeouts, lifecycle_autotracking=False) as tracker:
        tracker.track(PLAIN)
        assert tracker.enter_background() is None
        scene.clock.advance(20)
        tracker.track(PLAIN)

    assert [session(event)["sessionIndex"] for event in scene.wire.events] == [1, 2]
    assert scene.states == [None, None]


def test_events_by_hand_move_the_state_and_neither_flag_nor_counters(scene: Scene) -> None:
    with scene.tracker() as tracker:
        tracker.track(Background(background_index=7))
        assert tracker.session is not None
        assert not tracker.session.is_in_background
        assert tracker.session.background_index == 0
        tracker.enter_background()

    assert scene.states == [{"isVisible": False, "index": 7}, {"isVisible": False, "index": 1}]


def test_a_generic_event_of_such_a_schema_counts_as_where_the_app_is(scene: Scene) -> None:
    """In the native trackers it counts as visible, wherever the app is."""
    background = SelfDescribing(schema=Background.SCHEMA, data={"backgroundIndex": 5})
    foreground = SelfDescribing(schema=Foreground.SCHEMA, data={"foregroundIndex": 5})
    with scene.tracker() as tracker:
        tracker.track(background)
        tracker.enter_background()
        tracker.track(foreground)
        tracker.track(background)

    assert scene.states == [
        {"isVisible": True},
        {"isVisible": False, "index": 1},
        {"isVisible": False},
        {"isVisible": False},
    ]


def test_a_move_that_a_plugin_vetoes_is_known_all_the_same(scene: Scene) -> None:
    veto = PluginConfiguration(
        identifier="quiet", filter=lambda event: "application_" not in event.key
    )
    with scene.tracker() as tracker:
        tracker.plugins.add(veto)
        tracker.enter_background()
        tracker.track(PLAIN)
        tracker.enter_foreground()
        tracker.track(PLAIN)
        tracker.plugins.remove("quiet")
        tracker.enter_background()

    assert scene.states == [
        {"isVisible": False},
        {"isVisible": True},
        {"isVisible": False, "index": 2},
    ]


def test_while_paused_moves_are_lost_and_where_the_app_is_is_known(scene: Scene) -> None:
    with scene.tracker() as tracker:
        tracker.pause()
        assert tracker.enter_background() is None
        tracker.resume()
        assert tracker.session is not None
        assert tracker.session.is_in_background
        tracker.track(PLAIN)

    assert scene.states == [{"isVisible": False}]


def test_switching_it_acts_at_once_and_forgets_all_but_where_the_app_is(scene: Scene) -> None:
    with scene.tracker() as tracker:
        tracker.enter_background()
        tracker.lifecycle_autotracking = False
        tracker.track(PLAIN)
        tracker.lifecycle_autotracking = True
        tracker.track(PLAIN)

    assert scene.states == [{"isVisible": False, "index": 1}, None, {"isVisible": False}]


def test_moves_while_it_is_off_are_known_when_it_is_switched_on(scene: Scene) -> None:
    with scene.tracker(lifecycle_autotracking=False) as tracker:
        tracker.enter_background()
        tracker.lifecycle_autotracking = True
        tracker.track(PLAIN)
        tracker.enter_foreground()

    assert scene.states == [{"isVisible": False}, {"isVisible": True, "index": 1}]


def test_an_event_on_another_side_says_nothing_of_the_lines_state(scene: Scene) -> None:
    with scene.tracker() as tracker:
        tracker.enter_background()
        tracker.track(PLAIN, anonymisation=Anonymisation.FULL)
        tracker.track(PLAIN, anonymisation=Anonymisation.SERVER)

    events = {event["eid"]: event for event in scene.wire.events}
    states = [entity(event, "application_lifecycle") for event in events.values()]
    assert sorted(map(str, states)) == sorted(
        map(str, [{"isVisible": False, "index": 1}, None, {"isVisible": False, "index": 1}])
    )
