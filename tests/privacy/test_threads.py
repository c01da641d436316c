"""Each event is wholly of one level, whoever switches meanwhile (leaks L6 and L7)."""

from __future__ import annotations

import sys
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from tests.privacy.support import (
    CLIENT,
    FULL,
    NONE,
    SERVER,
    SUBJECT,
    USER,
    USER_CANARIES,
    Recorder,
    events_of,
    found_in,
    is_marked,
    recorded,
    screen,
    sent_text,
)
from tests.support.collector import entity

from whiteout.identifiers import NULL_UUID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.privacy.support import Scene

    from whiteout import Anonymisation

TRACKING_THREADS = 4
SWITCHES = 30


@pytest.fixture
def _nervous_interpreter() -> Iterator[None]:
    """Threads change places a thousand times as often as they usually do."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_nervous_interpreter")
@pytest.mark.parametrize("level", [USER, CLIENT, SERVER, FULL])
def test_L6_L7_events_that_four_threads_track_are_each_of_one_level(
    scene: Scene, level: Anonymisation
) -> None:
    recorder = Recorder()
    tracker = recorded(scene, recorder, NONE)
    done = threading.Event()
    tracked: list[str | None] = []

    def track() -> None:
        while not done.wait(0.0002):
            tracked.append(tracker.track(screen()))

    def switch(to: Anonymisation) -> None:
        tracker.anonymisation = to
        before = len(tracked)
        deadline = time.monotonic() + 10
        while len(tracked) <= before + TRACKING_THREADS and time.monotonic() < deadline:
            done.wait(0.0002)

    tracking = [threading.Thread(target=track) for _ in range(TRACKING_THREADS)]
    for thread in tracking:
        thread.start()
    for _ in range(SWITCHES):
        switch(level)
        switch(NONE)
    done.set()
    for thread in tracking:
        thread.join()
    assert tracker.flush(30)

    assert sorted(event["eid"] for event in recorder.events) == sorted(map(str, tracked))
    seen = {_level_of(recorder, index, level) for index in range(len(recorder.requests))}
    assert seen == {NONE, level}
    lines: dict[str, set[bool]] = defaultdict(set)
    for event in recorder.events:
        session = entity(event, "client_session")
        if session is not None:
            lines[session["sessionId"]].add(session["userId"] == NULL_UUID)
    assert all(len(kinds) == 1 for kinds in lines.values())


def _level_of(recorder: Recorder, index: int, level: Anonymisation) -> Anonymisation:
    """Which of the two levels a whole request is of; fails where it is neither."""
    request = recorder.requests[index]
    text = sent_text(request)
    found = found_in(text, USER_CANARIES.values())
    session = entity(events_of(request)[0], "client_session")
    if not request.is_anonymous:
        assert found == set(USER_CANARIES.values())
        assert not is_marked(request)
        assert session is not None
        assert NULL_UUID not in text
        return NONE
    assert is_marked(request) is (SERVER in level)
    if USER in level:
        assert not found
    else:
        assert found == set(USER_CANARIES.values()) - {
            SUBJECT["ip_address"],
            SUBJECT["network_user_id"],
        }
    return level
