"""Several processes with one namespace: each has a level of its own, and respects the others'."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.privacy.support import (
    FULL,
    NONE,
    SUBJECT,
    USER,
    Recorder,
    found_in,
    is_marked,
    recorded,
    screen,
    sent_text,
)

if TYPE_CHECKING:
    from tests.privacy.support import Scene

CHILD = """
import json, sys
import whiteout
settings = json.loads(sys.argv[1])
level = whiteout.Anonymisation(settings["level"])
tracker = whiteout.create_tracker(
    settings["namespace"], "http://127.0.0.1:9",
    whiteout.TrackerConfiguration(
        user_anonymisation=whiteout.Anonymisation.USER in level,
        session_context=whiteout.Anonymisation.SESSION not in level,
        screen_engagement_autotracking=False,
        install_autotracking=False,
    ),
    whiteout.EmitterConfiguration(
        storage_dir=settings["folder"],
        server_anonymisation=whiteout.Anonymisation.SERVER in level,
    ),
    whiteout.SubjectConfiguration(**settings["subject"]),
)
tracker.emitter.pause()
for _ in range(3):
    tracker.track(whiteout.ScreenView(name="other"))
print(tracker.anonymisation.value, flush=True)
sys.stdin.readline()
tracker.set_anonymisation(level | whiteout.Anonymisation(settings["then"]))
tracker.close(0.0)
"""


def _other_process(scene: Scene, *, level: int, then: int) -> subprocess.Popen[str]:
    settings = {
        "namespace": scene.namespace,
        "folder": str(scene.folder),
        "subject": SUBJECT,
        "level": level,
        "then": then,
    }
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, json.dumps(settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_one_process_sends_the_events_of_another_under_their_own_level(scene: Scene) -> None:
    """An identified process sends for an anonymous one, whose choice becomes the namespace's."""
    recorder = Recorder()
    tracker = recorded(scene, recorder, NONE)
    tracker.track(screen())
    other = _other_process(scene, level=FULL.value, then=0)
    other.communicate("\n", timeout=20)
    assert other.returncode == 0
    tracker.track(screen())
    assert tracker.flush()
    assert tracker.close()

    marked = [request for request in recorder.requests if is_marked(request)]
    assert marked
    assert not found_in("".join(map(sent_text, marked)), SUBJECT.values())
    assert len(recorder.events) == 5


def test_a_level_that_another_process_recorded_is_not_undone(scene: Scene) -> None:
    """This one stores a session meanwhile, which amends the same record."""
    tracker = recorded(scene, Recorder(), NONE)
    tracker.anonymisation = USER
    tracker.anonymisation = NONE
    other = _other_process(scene, level=FULL.value, then=0)
    assert other.stdout is not None
    assert other.stdout.readline() == f"{FULL.value}\n"
    tracker.track(screen())
    assert tracker.close()
    other.communicate("\n", timeout=20)

    assert recorded(scene, Recorder()).anonymisation is not NONE


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_is_as_anonymous_as_its_parent(scene: Scene) -> None:
    recorder = Recorder()
    tracker = recorded(scene, recorder, NONE)
    tracker.track(screen())
    tracker.anonymisation = FULL
    child = os.fork()
    if child == 0:
        status = 1
        try:
            tracker.emitter.pause()
            tracker.track(screen("of the child"))
            status = int(tracker.anonymisation is not FULL)
            tracker.close(0.0)
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert status == 0
    tracker.track(screen())
    assert tracker.flush()

    assert len(recorder.events) == 3
    for request in recorder.requests[1:]:
        assert is_marked(request)
        assert not found_in(sent_text(request), SUBJECT.values())
