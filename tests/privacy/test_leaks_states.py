"""L22: no state goes over the boundary; L26: what is left of a removed tracker does nothing."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from tests.privacy.support import (
    CLIENT,
    FULL,
    LEVELS,
    NONE,
    SERVER,
    SESSION,
    USER,
    Recorder,
    events_of,
    is_marked,
    recorded,
    session_of,
)
from tests.support.clock import ManualClock
from tests.support.collector import entity, unstructured

from whiteout import (
    DeepLinkReceived,
    ListItemView,
    ScreenView,
    Structured,
)
from whiteout.tracker.clock import SystemClock
from whiteout.tracker.environment import Environment
from whiteout.tracker.states.states import FEATURES

if TYPE_CHECKING:
    from tests.privacy.support import Scene

    from whiteout import Anonymisation, Tracker

STATEFUL = dict.fromkeys(FEATURES, True)
PLAIN = Structured(category="a", action="b")
PAIRS = [
    (before, after)
    for before, after in itertools.permutations(LEVELS, 2)
    if (before ^ after) & CLIENT
]


def stateful(scene: Scene, recorder: Recorder, level: Anonymisation, **more: Any) -> Tracker:  # noqa: ANN401 - passed on
    return recorded(scene, recorder, level, tracker=STATEFUL, **more)


def name_of(event: dict[str, str]) -> str:
    return event["e"] if event["e"] != "ue" else unstructured(event)["schema"].split("/")[1]


def screen_ids(event: dict[str, str]) -> set[str]:
    ids = {(entity(event, "screen") or {}).get("id")}
    if event["e"] == "ue":
        data = unstructured(event)["data"]
        ids |= {data.get("id"), data.get("previousId")}
    return {value for value in ids if value is not None}


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_L22_a_change_ends_the_screen_on_its_own_side_and_begins_without_one(
    scene: Scene, before: Anonymisation, after: Anonymisation
) -> None:
    recorder = Recorder()
    tracker = stateful(scene, recorder, before)
    tracker.track(ScreenView(name="old"))
    tracker.track(DeepLinkReceived(url="app://old"))
    tracker.track(ListItemView(index=5))
    tracker.enter_background()
    tracker.anonymisation = after
    tracker.track(PLAIN)
    tracker.track(ScreenView(name="new"))
    tracker.track(PLAIN)
    assert tracker.flush()

    events = recorder.events
    assert [name_of(event) for event in events] == [
        "screen_view",
        "deep_link_received",
        "application_background",
        "screen_end",
        "se",
        "screen_view",
        "se",
    ]
    old, new = events[:4], events[4:]
    end = old[3]
    assert (entity(end, "screen") or {})["name"] == "old"
    assert (entity(end, "screen_summary") or {})["last_item_index"] == 5
    assert ("uid" in end) is (USER not in before)
    (request,) = [r for r in recorder.requests if end in events_of(r)]
    assert is_marked(request) is (SERVER in before)
    assert not set().union(*map(screen_ids, old)) & set().union(*map(screen_ids, new))
    assert entity(new[0], "screen") is None
    assert unstructured(new[1])["data"].keys() == {"name", "id"}
    assert entity(new[1], "deep_link") is None
    assert [entity(event, "application_lifecycle") for event in new] == [{"isVisible": False}] * 3


def test_L22_switching_back_does_not_bring_the_screen_back(scene: Scene) -> None:
    recorder = Recorder()
    tracker = stateful(scene, recorder, NONE)
    tracker.track(ScreenView(name="identified"))
    tracker.user_anonymisation = True
    tracker.track(ScreenView(name="anonymous"))
    tracker.user_anonymisation = False
    tracker.track(PLAIN)
    tracker.track(ScreenView(name="identified again"))
    assert tracker.flush()

    names = [(name_of(e), (entity(e, "screen") or {}).get("name")) for e in recorder.events]
    assert names == [
        ("screen_view", "identified"),
        ("screen_end", "identified"),
        ("screen_view", "anonymous"),
        ("screen_end", "anonymous"),
        ("se", None),
        ("screen_view", "identified again"),
    ]
    assert "previousId" not in unstructured(recorder.events[5])["data"]


def test_L22_server_anonymity_alone_is_no_boundary(scene: Scene) -> None:
    recorder = Recorder()
    tracker = stateful(scene, recorder, NONE)
    tracker.track(ScreenView(name="home"))
    tracker.emitter.server_anonymisation = True
    tracker.track(PLAIN)
    assert tracker.flush()

    assert [name_of(event) for event in recorder.events] == ["screen_view", "se"]
    assert entity(recorder.events[1], "screen") is not None


def test_L22_counts_of_moves_begin_anew_on_each_side(scene: Scene) -> None:
    recorder = Recorder()
    tracker = stateful(scene, recorder, NONE)
    for level in (NONE, CLIENT, NONE):
        tracker.anonymisation = level
        for _ in range(2):
            tracker.enter_background()
            tracker.enter_foreground()
    assert tracker.flush()

    indexes = [(entity(e, "application_lifecycle") or {})["index"] for e in recorder.events]
    assert indexes == [1, 1, 2, 2] * 3


def test_L22_the_end_of_the_screen_is_in_the_session_that_is_stored(scene: Scene) -> None:
    """It counts, and may even begin a session, before the identified line is laid aside."""
    clock = ManualClock()
    recorder = Recorder()
    tracker = stateful(scene, recorder, NONE, environment=Environment(clock=clock))
    tracker.track(ScreenView(name="home"))
    clock.advance(10_000)
    tracker.anonymisation = FULL
    tracker.track(PLAIN)
    assert tracker.flush()
    tracker.anonymisation = NONE
    tracker.track(PLAIN)
    assert tracker.flush()

    view, end, _, back = recorder.events
    sessions = [session_of(event) for event in (view, end, back)]
    assert [data["sessionIndex"] for data in sessions] == [1, 2, 3]
    assert sessions[2]["previousSessionId"] == sessions[1]["sessionId"]


def test_L22_a_paused_tracker_ends_no_screen_and_forgets_it_all_the_same(scene: Scene) -> None:
    recorder = Recorder()
    tracker = stateful(scene, recorder, NONE)
    tracker.track(ScreenView(name="home"))
    tracker.pause()
    tracker.anonymisation = FULL
    tracker.resume()
    tracker.track(PLAIN)
    assert tracker.flush()

    assert [name_of(event) for event in recorder.events] == ["screen_view", "se"]
    assert entity(recorder.events[1], "screen") is None


def test_L22_to_forget_is_to_forget_the_screen(scene: Scene) -> None:
    recorder = Recorder()
    tracker = stateful(scene, recorder, NONE)
    tracker.emitter.pause()
    tracker.track(ScreenView(name="home"))
    assert tracker.forget()
    tracker.emitter.resume()
    tracker.track(PLAIN)
    assert tracker.flush()

    assert [name_of(event) for event in recorder.events] == ["se"]
    assert entity(recorder.events[0], "screen") is None


class RunningClock(SystemClock):
    """The system's clocks, which a test can let run ahead."""

    ahead_s = 0.0

    def now_ms(self) -> int:
        return super().now_ms() + round(self.ahead_s * 1000)

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.ahead_s

    def advance(self, seconds: float) -> None:
        self.ahead_s += seconds


@pytest.mark.parametrize("level", [USER, SESSION, CLIENT, FULL])
def test_L22_waiting_events_that_are_anonymised_leave_their_screens_behind(
    scene: Scene, level: Anonymisation
) -> None:
    """Their answers may have been lost: all of this may be known to the collector, identified."""
    clock = RunningClock()
    recorder = Recorder(status=None)
    tracker = stateful(scene, recorder, NONE, environment=Environment(clock=clock))
    tracker.track(ScreenView(name="home"))
    clock.advance(1.234)
    tracker.enter_background()
    clock.advance(2.345)
    tracker.track(ScreenView(name="cart"))
    tracker.track(PLAIN)
    assert not tracker.flush(0.2)
    before = {event["eid"]: event for event in recorder.events}
    known: set[str] = set().union(*map(screen_ids, before.values()))
    assert len(known) == 2
    recorder.requests.clear()
    tracker.set_anonymisation(level, pending="anonymise")
    recorder.status = 200
    assert tracker.flush()

    after = recorder.events
    assert [name_of(event) for event in after] == [
        "screen_view",
        "application_background",
        "screen_end",
        "screen_view",
        "se",
        "screen_end",
    ]
    assert not set().union(*map(screen_ids, after)) & known
    # Among themselves they are still one visit: screens keep their places.
    ids = [(entity(event, "screen") or {})["id"] for event in after]
    assert ids[0] == ids[1] == ids[2]
    assert ids[3] == ids[4] == ids[5] == unstructured(after[3])["data"]["id"]
    assert unstructured(after[3])["data"]["previousId"] == ids[0]
    assert unstructured(after[1])["data"] == {}
    states = [entity(event, "application_lifecycle") for event in after]
    assert states == [{"isVisible": True}] + [{"isVisible": False}] * 5
    for event in after:
        for name, value in (entity(event, "screen_summary") or {}).items():
            assert value == int(value), name
