"""Events that were anonymised after the fact bear nothing that was sent before (promises 2, 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.privacy.support import (
    CLIENT,
    FULL,
    NONE,
    SERVER,
    USER,
    Recorder,
    by_id,
    recorded,
    screen,
    session_of,
)
from tests.support.collector import unstructured

from whiteout import Anonymisation, DropReason

if TYPE_CHECKING:
    from tests.privacy.support import Scene


@pytest.mark.parametrize("level", [USER, CLIENT, FULL])
def test_an_event_whose_answer_was_lost_cannot_be_matched_with_its_anonymous_copy(
    scene: Scene, level: Anonymisation
) -> None:
    """The collector may have it already, identified: its id and its time must not come again."""
    recorder = Recorder(status=None)
    tracker = recorded(scene, recorder, NONE)
    ids = [tracker.track(screen()) for _ in range(5)]
    assert not tracker.flush(0.2)
    before = {event["eid"]: event for event in recorder.events}
    assert set(before) == set(ids)
    recorder.requests.clear()
    tracker.set_anonymisation(level, pending="anonymise")
    recorder.status = 200
    assert tracker.flush()

    assert len(recorder.events) == 5
    times = {event["dtm"] for event in before.values() if not event["dtm"].endswith("000")}
    screens = {unstructured(event)["data"]["id"] for event in before.values()}
    assert len(screens) == 5
    for event in recorder.events:
        assert event["eid"] not in before
        assert event["dtm"] not in times
        assert unstructured(event)["data"]["id"] not in screens
        assert event["dtm"].endswith("000")


def test_the_anonymous_copies_of_a_session_are_a_session_of_their_own(scene: Scene) -> None:
    recorder = Recorder()
    tracker = recorded(scene, recorder, NONE)
    sent = tracker.track(screen())
    assert tracker.flush()
    tracker.emitter.pause()
    for _ in range(3):
        tracker.track(screen())
    tracker.set_anonymisation(USER, pending="anonymise")
    tracker.emitter.resume()
    assert tracker.flush()

    identified = session_of(by_id(recorder.events, sent))
    copies = [session_of(event) for event in recorder.events[1:]]
    assert [copy["eventIndex"] for copy in copies] == [1, 2, 3]
    assert {copy["sessionIndex"] for copy in copies} == {1}
    assert {copy["firstEventId"] for copy in copies} == {recorder.events[1]["eid"]}
    assert {copy["previousSessionId"] for copy in copies} == {None}
    assert {copy["sessionId"] for copy in copies}.isdisjoint({identified["sessionId"]})
    assert len({copy["sessionId"] for copy in copies}) == 1


def test_server_anonymity_alone_keeps_id_and_session(scene: Scene) -> None:
    """It is no boundary of what the tracker knows: only what the collector adds is hidden."""
    recorder = Recorder()
    tracker = recorded(scene, recorder, NONE)
    tracker.emitter.pause()
    event_id = tracker.track(screen())
    tracker.set_anonymisation(SERVER, pending="anonymise")
    tracker.emitter.resume()
    assert tracker.flush()

    event = by_id(recorder.events, event_id)
    assert recorder.requests[0].headers["SP-Anonymous"] == "*"
    assert "uid" in event
    assert not {"ip", "tnuid"} & event.keys()


def test_dropped_events_are_counted(scene: Scene) -> None:
    tracker = recorded(scene, Recorder(), NONE)
    tracker.emitter.pause()
    for _ in range(3):
        tracker.track(screen())
    tracker.track(screen(), anonymisation=FULL)
    tracker.set_anonymisation(CLIENT, pending="drop")

    assert tracker.drops == {DropReason.WITHDRAWN: 3}
    assert tracker.emitter.db_count == 1
