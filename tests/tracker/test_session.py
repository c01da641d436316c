"""Sessions as the reference has them (section 4 and 9, S1 to S24), under a clock by hand."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.clock import FIRST_EVENT_MS, CountedUuids, ManualClock
from tests.support.collector import entity, session
from tests.support.trackers import CONTEXT_FREE, Wire, a_tracker, poll

import whiteout
from whiteout import (
    EmitterConfiguration,
    SessionConfiguration,
    SessionState,
    Structured,
    TrackerConfiguration,
)
from whiteout.identifiers import NULL_UUID
from whiteout.tracker.environment import Environment
from whiteout.tracker.folder import safe_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whiteout import Tracker

EVENT = Structured(category="a", action="b")


class Scene:
    """A tracker, its clock and what it sends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.new_uuid = CountedUuids()
        self.wire = Wire()

    @contextmanager
    def tracker(
        self,
        namespace: str = "app",
        tracker: TrackerConfiguration = CONTEXT_FREE,
        **session: Any,  # noqa: ANN401 - of the class
    ) -> Iterator[Tracker]:
        """A tracker of this folder, from start to regular end."""
        with a_tracker(
            self.wire.network,
            self.folder,
            tracker,
            SessionConfiguration(**session),
            namespace=namespace,
            environment=Environment(clock=self.clock, new_uuid=self.new_uuid),
        ) as running:
            yield running
            assert running.flush(10)

    @property
    def sessions(self) -> list[dict[str, Any]]:
        """The session entity of every event sent, in the order of tracking."""
        return [session(event) for event in self.wire.events]

    @property
    def indexes(self) -> list[tuple[int, int]]:
        """Session index and event index of every event."""
        return [(data["sessionIndex"], data["eventIndex"]) for data in self.sessions]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def assert_chained(sessions: list[dict[str, Any]]) -> None:
    """Each session names the one before, and no other."""
    previous = None
    current = sessions[0]["sessionId"]
    for data in sessions:
        if data["sessionId"] != current:
            previous, current = current, data["sessionId"]
        assert data["previousSessionId"] == previous


def test_s1_before_the_first_event_there_is_no_session(scene: Scene) -> None:
    with scene.tracker() as tracker:
        controller = tracker.session

        assert controller is not None
        assert (controller.state, controller.session_id, controller.user_id) == (None, None, None)
        assert (controller.foreground_index, controller.background_index) == (0, 0)
        assert not controller.is_in_background


def test_s2_the_first_event_is_the_sessions_first(scene: Scene) -> None:
    with scene.tracker() as tracker:
        event_id = tracker.track(EVENT)

    (data,) = scene.sessions
    assert data["firstEventId"] == event_id
    assert data["firstEventTimestamp"] == "2022-06-06T06:21:21.346Z"
    assert data["storageMechanism"] == "LOCAL_STORAGE"
    assert data["previousSessionId"] is None
    assert scene.indexes == [(1, 1)]


def test_s3_the_second_event_changes_nothing_of_the_first(scene: Scene) -> None:
    with scene.tracker() as tracker:
        first_id = tracker.track(EVENT)
        scene.clock.advance(1)
        tracker.track(EVENT)

    first, second = scene.sessions
    assert second == first | {"eventIndex": 2}
    assert second["firstEventId"] == first_id


def test_s4_a_gap_longer_than_the_timeout_starts_a_session(scene: Scene) -> None:
    with scene.tracker(foreground_timeout=3) as tracker:
        for gap in (0, 1, 1, 3.1):
            scene.clock.advance(gap)
            last_id = tracker.track(EVENT)

    assert scene.indexes == [(1, 1), (1, 2), (1, 3), (2, 1)]
    assert scene.sessions[-1]["firstEventId"] == last_id
    assert_chained(scene.sessions)


def test_the_timeout_is_inclusive(scene: Scene) -> None:
    """Reference 4.3: strictly greater."""
    with scene.tracker(foreground_timeout=3) as tracker:
        tracker.track(EVENT)
        scene.clock.advance(3)
        tracker.track(EVENT)
        scene.clock.advance(3.001)
        tracker.track(EVENT)

    assert scene.indexes == [(1, 1), (1, 2), (2, 1)]


def test_a_clock_that_goes_back_starts_a_session(scene: Scene) -> None:
    """Reference 4.3, rule 4."""
    with scene.tracker() as tracker:
        tracker.track(EVENT)
        scene.clock.set_back(1)
        tracker.track(EVENT)

    assert scene.indexes == [(1, 1), (2, 1)]


def test_s5_in_the_background_its_own_timeout_counts(scene: Scene) -> None:
    with scene.tracker(foreground_timeout=100, background_timeout=2) as tracker:
        tracker.track(EVENT)
        controller(tracker).enter_background()
        for gap in (1.9, 1.9, 2.1):
            scene.clock.advance(gap)
            tracker.track(EVENT)

        assert controller(tracker).is_in_background
        assert controller(tracker).background_index == 1
    assert scene.indexes == [(1, 1), (1, 2), (1, 3), (2, 1)]


def test_s6_each_late_transition_starts_a_session(scene: Scene) -> None:
    with scene.tracker(foreground_timeout=1, background_timeout=1) as tracker:
        tracker.track(EVENT)
        for transition in ("enter_background", "enter_foreground", "enter_background"):
            scene.clock.advance(1.1)
            getattr(controller(tracker), transition)()
            tracker.track(EVENT)

        assert controller(tracker).background_index == 2
        assert controller(tracker).foreground_index == 1
    assert scene.indexes == [(1, 1), (2, 1), (3, 1), (4, 1)]
    assert_chained(scene.sessions)


def test_s7_no_session_ends_while_the_checker_is_paused(scene: Scene) -> None:
    with scene.tracker(foreground_timeout=1) as tracker:
        tracker.track(EVENT)
        controller(tracker).pause()
        scene.clock.advance(2)
        tracker.track(EVENT)
        controller(tracker).resume()
        tracker.track(EVENT)

    assert scene.indexes == [(1, 1), (1, 2), (2, 1)]
    assert_chained(scene.sessions)


def test_s8_coming_back_late_from_the_background_starts_a_session(scene: Scene) -> None:
    with scene.tracker(foreground_timeout=100, background_timeout=2) as tracker:
        tracker.track(EVENT)
        controller(tracker).enter_background()
        scene.clock.advance(3)
        controller(tracker).enter_foreground()
        tracker.track(EVENT)

        assert not controller(tracker).is_in_background
    assert scene.indexes == [(1, 1), (2, 1)]
    assert_chained(scene.sessions)


def test_s9_idling_in_the_foreground_does_not_count_for_the_background(scene: Scene) -> None:
    with scene.tracker(foreground_timeout=100, background_timeout=2) as tracker:
        tracker.track(EVENT)
        scene.clock.advance(3)
        controller(tracker).enter_background()
        scene.clock.advance(1)
        controller(tracker).enter_foreground()
        tracker.track(EVENT)

    assert scene.indexes == [(1, 1), (1, 2)]


def test_confirming_where_the_app_is_does_nothing(scene: Scene) -> None:
    """Reference 4.4."""
    with scene.tracker() as tracker:
        controller(tracker).enter_foreground()
        assert controller(tracker).foreground_index == 0
        controller(tracker).enter_background()
        controller(tracker).enter_background()

        assert controller(tracker).background_index == 1


def test_s10_one_long_gap_is_one_session(scene: Scene) -> None:
    with scene.tracker(foreground_timeout=1) as tracker:
        tracker.track(EVENT)
        scene.clock.advance(4)
        tracker.track(EVENT)

    assert scene.indexes == [(1, 1), (2, 1)]


@pytest.mark.parametrize(
    "stored",
    [
        {"installation_id": "11111111-2222-4333-8444-555555555555"},
        {"installation_id": "11111111-2222-4333-8444-555555555555", "session": {}},
        {
            "installation_id": "11111111-2222-4333-8444-555555555555",
            "session": {"session_id": "not a uuid", "session_index": 4},
            "cookies": "none",
        },
    ],
)
def test_s11_an_incomplete_file_costs_the_session_and_not_the_user(
    scene: Scene, stored: dict[str, Any]
) -> None:
    (scene.folder / "app.identity.json").write_text(json.dumps(stored), encoding="utf-8")

    with scene.tracker() as tracker:
        assert controller(tracker).state is None
        tracker.track(EVENT)

    assert scene.sessions[0]["userId"] == "11111111-2222-4333-8444-555555555555"
    assert scene.indexes == [(1, 1)]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"installation_id": 5}'])
def test_a_file_that_cannot_be_read_starts_anew(scene: Scene, content: bytes) -> None:
    (scene.folder / "app.identity.json").write_bytes(content)

    with scene.tracker() as tracker:
        tracker.track(EVENT)

    assert scene.indexes == [(1, 1)]


def test_s12_a_new_session_starts_on_demand_with_the_next_event(scene: Scene) -> None:
    with scene.tracker() as tracker:
        tracker.track(EVENT)
        before = controller(tracker).session_id
        controller(tracker).start_new_session()
        assert controller(tracker).session_id == before
        tracker.track(EVENT)

        assert controller(tracker).session_id != before
        assert controller(tracker).session_index == 2
    assert scene.indexes == [(1, 1), (2, 1)]
    assert_chained(scene.sessions)


def test_s13_namespaces_count_apart_and_go_on_after_a_restart(scene: Scene) -> None:
    with (
        scene.tracker("lively", foreground_timeout=20) as lively,
        scene.tracker("sleepy", foreground_timeout=20) as sleepy,
    ):
        for tracker in (lively, sleepy):
            tracker.track(EVENT)
        for _ in range(3):
            scene.clock.advance(10)
            lively.track(EVENT)
        sleepy.track(EVENT)
    with scene.tracker("sleepy") as sleepy:
        sleepy.track(EVENT)

    found = [
        (event["tna"], session(event)["sessionIndex"], session(event)["eventIndex"])
        for event in scene.wire.events
    ]
    assert [item[1:] for item in found if item[0] == "lively"] == [(1, 1), (1, 2), (1, 3), (1, 4)]
    assert [item[1:] for item in found if item[0] == "sleepy"] == [(1, 1), (2, 1), (3, 1)]
    assert_chained([session(event) for event in scene.wire.events if event["tna"] == "sleepy"])


def test_s14_a_restart_starts_a_session_chained_to_the_last(scene: Scene) -> None:
    for _ in range(2):
        with scene.tracker() as tracker:
            tracker.track(EVENT)

    first, second = scene.sessions
    assert scene.indexes == [(1, 1), (2, 1)]
    assert second["userId"] == first["userId"]
    assert_chained(scene.sessions)


def test_s15_a_session_goes_on_after_a_restart_where_the_app_wants_it(scene: Scene) -> None:
    with scene.tracker(continue_session_on_restart=True) as tracker:
        tracker.track(EVENT)
        tracker.track(EVENT)
    with scene.tracker(continue_session_on_restart=True) as tracker:
        tracker.track(EVENT)

    assert scene.indexes == [(1, 1), (1, 2), (1, 3)]
    assert len({data["sessionId"] for data in scene.sessions}) == 1


def test_s16_but_not_after_the_timeout(scene: Scene) -> None:
    with scene.tracker(continue_session_on_restart=True, foreground_timeout=10) as tracker:
        tracker.track(EVENT)
    scene.clock.advance(11)
    with scene.tracker(continue_session_on_restart=True, foreground_timeout=10) as tracker:
        tracker.track(EVENT)

    assert scene.indexes == [(1, 1), (2, 1)]
    assert_chained(scene.sessions)


def test_s18_a_stored_session_is_the_one_before(scene: Scene) -> None:
    """As lenient as the iOS tracker: id and index are enough."""
    stored = {
        "installation_id": "11111111-2222-4333-8444-555555555555",
        "session": {
            "session_id": "aaaaaaaa-2222-4333-8444-555555555555",
            "session_index": 123,
        },
    }
    (scene.folder / "app.identity.json").write_text(json.dumps(stored), encoding="utf-8")

    with scene.tracker() as tracker:
        assert controller(tracker).session_id == stored["session"]["session_id"]  # type: ignore[index] # above
        tracker.track(EVENT)

    (data,) = scene.sessions
    assert data["sessionIndex"] == 124
    assert data["previousSessionId"] == "aaaaaaaa-2222-4333-8444-555555555555"
    assert data["userId"] == "11111111-2222-4333-8444-555555555555"


def test_s19_event_indexes_count_within_a_session(scene: Scene) -> None:
    with scene.tracker(foreground_timeout=2) as tracker:
        for gap in (0, 1, 1, 3):
            scene.clock.advance(gap)
            tracker.track(EVENT)

    assert [event for _, event in scene.indexes] == [1, 2, 3, 1]


def test_s20_the_callback_hears_of_each_new_session_once(scene: Scene) -> None:
    heard: list[SessionState] = []
    with scene.tracker(on_session_update=heard.append) as tracker:
        tracker.track(EVENT)
        tracker.track(EVENT)
        assert poll(lambda: len(heard) == 1)
        controller(tracker).start_new_session()
        tracker.track(EVENT)
        assert poll(lambda: len(heard) == 2)

    first, second = heard
    assert (first.session_index, first.previous_session_id) == (1, None)
    assert (second.session_index, second.previous_session_id) == (2, first.session_id)


def test_s20_a_session_that_a_change_of_the_level_ends_at_once_is_heard_of_all_the_same(
    scene: Scene,
) -> None:
    """As it was when it began: the identified one whole, the anonymous one masked."""
    heard: list[SessionState] = []
    with scene.tracker(on_session_update=heard.append) as tracker:
        tracker.track(EVENT)
        tracker.user_anonymisation = True
        tracker.track(EVENT)
        tracker.user_anonymisation = False
        tracker.track(EVENT)
        assert poll(lambda: len(heard) == 3)
        assert tracker.flush(10)

    assert [state.session_id for state in heard] == [one["sessionId"] for one in scene.sessions]
    assert [state.user_id for state in heard] == [one["userId"] for one in scene.sessions]
    assert heard[1].user_id == NULL_UUID


def test_a_callback_that_raises_harms_nothing(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(state: SessionState) -> None:
        raise RuntimeError(state.session_id)

    with scene.tracker(on_session_update=fail) as tracker:
        tracker.track(EVENT)
        assert poll(lambda: "on_session_update raised RuntimeError" in caplog.text)
        tracker.track(EVENT)

    assert scene.indexes == [(1, 1), (1, 2)]
    assert scene.sessions[0]["sessionId"] not in caplog.text


def test_s22_without_the_session_context_there_is_no_session(scene: Scene) -> None:
    with scene.tracker() as tracker:
        tracker.track(EVENT)
        tracker.session_context = False
        assert tracker.session is None
        tracker.track(EVENT)
        tracker.session_context = True
        assert tracker.session is not None
        tracker.track(EVENT)

    first, second, third = (entity(event, "client_session") for event in scene.wire.events)
    assert second is None
    assert first is not None
    assert third is not None
    assert third["sessionId"] != first["sessionId"]
    assert third["previousSessionId"] == first["sessionId"]
    assert third["sessionIndex"] == 2


def test_s22_a_tracker_made_without_it_has_none(scene: Scene) -> None:
    configuration = TrackerConfiguration(platform_context=False, session_context=False)
    with scene.tracker(tracker=configuration) as tracker:
        assert tracker.session is None
        tracker.track(EVENT)

    assert entity(scene.wire.events[0], "client_session") is None
    assert not (scene.folder / "app.identity.json").exists()


def test_s23_the_wire_shows_two_sessions(scene: Scene) -> None:
    with scene.tracker() as tracker:
        tracker.track(EVENT)
        tracker.track(EVENT)
        controller(tracker).start_new_session()
        tracker.track(EVENT)
        tracker.track(EVENT)

    assert scene.indexes == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert_chained(scene.sessions)


@pytest.mark.parametrize("asks", [True, False])
def test_a_new_session_that_is_asked_for_without_one_begins_with_the_next(
    tmp_path: Path, *, asks: bool
) -> None:
    with a_tracker(Wire().network, tmp_path) as tracker:
        tracker.track(EVENT)
        held = controller(tracker)
        first = held.session_id
        tracker.session_context = False
        if asks:
            held.start_new_session()
        tracker.session_context = True
        tracker.track(EVENT)

        assert held.session_id != first
        assert held.session_index == 2


def test_s24_e29_a_namespace_becomes_a_file_name_of_its_own() -> None:
    """Runs of other characters become a dash, as in the native trackers; a hash sets them apart."""
    assert safe_name("shop_2") == "shop_2"
    assert safe_name("abc 1_2_3").startswith("abc-1_2_3-")
    assert safe_name("namespace*.^?1ò2@").startswith("namespace-1-2--")
    names = ["a b", "a-b", "a.b", "../a", "a/b", "", "x" * 128, "x" * 127, "\ud83d", "shop", "Shop"]
    assert len({safe_name(name).lower() for name in names}) == len(names)
    assert all("/" not in safe_name(name) and "." not in safe_name(name) for name in names)


def test_s24_two_namespaces_that_the_native_trackers_mix_up_are_kept_apart(scene: Scene) -> None:
    for namespace in ("a b", "a-b"):
        with scene.tracker(namespace) as tracker:
            tracker.track(EVENT)

    assert scene.indexes == [(1, 1), (1, 1)]
    assert len({data["userId"] for data in scene.sessions}) == 2


def test_m1_a_namespace_has_one_tracker_and_a_second_replaces_it(scene: Scene) -> None:
    first_wire, second_wire = scene.wire, Wire()
    emitter = EmitterConfiguration(storage_dir=scene.folder)
    first = whiteout.create_tracker("app", first_wire.network, CONTEXT_FREE, emitter)
    second = whiteout.create_tracker("app", second_wire.network, CONTEXT_FREE, emitter)
    other = whiteout.create_tracker("other", second_wire.network, CONTEXT_FREE, emitter)
    try:
        assert whiteout.get_tracker("app") is second
        assert whiteout.get_tracker("other") is other
        assert first.track(EVENT) is None
        assert not first.is_tracking
        assert second.track(EVENT) is not None
        assert second.flush(10)
        assert len(second_wire.events) == 1
    finally:
        assert whiteout.remove_tracker("app")
        assert whiteout.remove_tracker("other")
    assert whiteout.get_tracker("app") is None
    assert not whiteout.remove_tracker("app")
    assert second.track(EVENT) is None


def test_m1_all_trackers_can_be_removed_at_once(scene: Scene) -> None:
    emitter = EmitterConfiguration(storage_dir=scene.folder)
    made = [
        whiteout.create_tracker(name, scene.wire.network, CONTEXT_FREE, emitter)
        for name in ("app", "other")
    ]
    assert whiteout.tracker_namespaces() == ["app", "other"]
    made[0].track(EVENT)

    whiteout.remove_all_trackers(10)

    assert len(scene.wire.events) == 1
    assert whiteout.tracker_namespaces() == []
    assert [tracker.is_tracking for tracker in made] == [False, False]
    with whiteout.create_tracker("app", scene.wire.network, CONTEXT_FREE, emitter) as again:
        assert again is not made[0]
    whiteout.remove_all_trackers()


def test_the_first_event_time_is_the_devices(scene: Scene) -> None:
    with scene.tracker() as tracker:
        scene.clock.advance(0.654)
        tracker.track(EVENT)

    assert scene.wire.events[0]["dtm"] == str(FIRST_EVENT_MS + 654)
    assert scene.sessions[0]["firstEventTimestamp"] == "2022-06-06T06:21:22.000Z"


def controller(tracker: Tracker) -> Any:  # noqa: ANN401 - the session controller, which must be there
    found = tracker.session
    assert found is not None
    return found
