"""What lies on the disk: each file of the storage folder, byte for byte (promises 3, 4; L24)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.privacy.support import (
    ANONYMOUS,
    CLIENT,
    COOKIE,
    FULL,
    NONE,
    SUBJECT,
    USER,
    USER_CANARIES,
    Recorder,
    Scene,
    found_in,
    found_on_disk,
    is_marked,
    recorded,
    screen,
    session_of,
)
from tests.support.collector import Reply

import whiteout
from whiteout import PageView, Pending

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.collector import Collector

    from whiteout import Anonymisation

LINK = "https://canary-login:pw@shop.example/?_sp=canary-cross-navigation&gclid=canary-click"
IN_LINKS = ("canary-login", "canary-cross-navigation", "canary-click")
CANARIES = (*USER_CANARIES.values(), *IN_LINKS)
SETS_COOKIE = Reply(headers=(("Set-Cookie", f"sp={COOKIE}; Path=/; Max-Age=31536000"),))


@pytest.mark.parametrize("level", [USER, CLIENT, FULL])
def test_L24_an_app_that_is_anonymous_from_its_first_run_stores_no_identifier(
    scene: Scene, collector: Collector, level: Anonymisation
) -> None:
    """No installation id is ever made: there is no file that could hold it."""
    collector.default = SETS_COOKIE
    for sends in (False, True):
        tracker = scene.tracker(level)
        if not sends:
            tracker.emitter.pause()
        for _ in range(3):
            tracker.track(PageView(page_url=LINK))
            tracker.track(screen())
        if sends:
            assert tracker.flush()
        assert found_on_disk(scene.folder, (*CANARIES, COOKIE)) == {}
        tracker.close(0.0)
        assert found_on_disk(scene.folder, (*CANARIES, COOKIE)) == {}
        assert not list(scene.folder.glob("*.identity.*"))


@pytest.mark.parametrize("level", ANONYMOUS)
def test_L24_an_anonymous_session_is_never_stored(scene: Scene, level: Anonymisation) -> None:
    """It lives in memory and in its own events: once those are sent, it is nowhere."""
    recorder = Recorder()
    tracker = recorded(scene, recorder, level)
    for _ in range(3):
        tracker.track(screen())
    assert tracker.close()

    ids = {event["eid"] for event in recorder.events}
    if not level & whiteout.Anonymisation.SESSION:
        ids |= {session_of(event)["sessionId"] for event in recorder.events}
    assert found_on_disk(scene.folder, ids) == {}


@pytest.mark.parametrize("pending", ["drop", "anonymise"])
@pytest.mark.parametrize("level", [USER, CLIENT, FULL])
def test_L24_withdrawn_consent_reaches_what_waits_on_the_disk(
    scene: Scene, level: Anonymisation, pending: str
) -> None:
    recorder = Recorder(status=None)
    tracker = recorded(scene, recorder, NONE)
    tracker.emitter.pause()
    for _ in range(20):
        tracker.track(PageView(page_url=LINK))
        tracker.track(screen())
    assert found_on_disk(scene.folder, CANARIES)
    tracker.set_anonymisation(level, pending=pending)

    assert found_on_disk(scene.folder, CANARIES) == {}
    tracker.track(PageView(page_url=LINK))
    assert found_on_disk(scene.folder, CANARIES) == {}
    assert tracker.emitter.db_count >= (40 if pending == "anonymise" else 0)


@pytest.mark.parametrize("is_stored", [True, False], ids=["from the store", "from the journal"])
def test_L24_what_was_delivered_is_gone_from_the_disk_after_the_switch(
    scene: Scene,
    collector: Collector,
    is_stored: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Neither the journal nor the database's write-ahead log keeps a copy."""
    tracker = scene.tracker(NONE)
    if is_stored:
        tracker.emitter.pause()
    for _ in range(20):
        tracker.track(PageView(page_url=LINK))
    if is_stored:
        tracker._engine.drain()
        tracker.emitter.resume()
    assert tracker.flush()
    tracker.anonymisation = FULL

    assert found_on_disk(scene.folder, CANARIES) == {}


def test_L24_what_waited_at_the_switch_is_gone_once_it_is_delivered(
    scene: Scene, collector: Collector
) -> None:
    """With pending="keep" the app wants them sent; then they go, from all the files."""
    tracker = scene.tracker(NONE)
    tracker.emitter.pause()
    for _ in range(20):
        tracker.track(PageView(page_url=LINK))
    tracker.set_anonymisation(FULL, pending=Pending.KEEP)
    assert found_on_disk(scene.folder, CANARIES)
    tracker.emitter.resume()
    assert tracker.flush()
    assert tracker.close()

    assert found_on_disk(scene.folder, CANARIES) == {}


def test_L24_what_waited_at_the_switch_is_gone_though_anonymous_events_go_on_waiting(
    scene: Scene, collector: Collector
) -> None:
    """What events share lies apart from them, and holds who the user was."""
    tracker = scene.tracker(NONE)
    tracker.emitter.pause()
    tracker.track(PageView(page_url=LINK))
    tracker.anonymisation = FULL
    tracker.track(PageView(page_url=LINK))
    tracker._engine.drain()
    collector.reply(Reply())
    collector.default = Reply(status=503)
    tracker.emitter.resume()
    assert not tracker.flush(1)
    assert tracker.emitter.db_count == 1
    assert found_on_disk(scene.folder, CANARIES)

    tracker._engine.storage.tidy()

    assert found_on_disk(scene.folder, CANARIES) == {}


@pytest.mark.parametrize("level", [NONE, FULL])
def test_forgetting_leaves_no_trace_in_any_file(
    scene: Scene, collector: Collector, level: Anonymisation
) -> None:
    collector.reply(SETS_COOKIE)
    tracker = scene.tracker(NONE)
    tracker.track(screen())
    assert tracker.flush()
    assert tracker.session is not None
    assert tracker.session.user_id is not None
    kept = {tracker.session.user_id, str(tracker.session.session_id), *collector.events[0]["eid"]}
    tracker.emitter.pause()
    for _ in range(20):
        tracker.track(PageView(page_url=LINK))
    tracker.anonymisation = level
    assert tracker.forget()
    ids = {name for name in kept if len(name) == 36}

    assert found_on_disk(scene.folder, (*CANARIES, COOKIE, *ids)) == {}
    assert tracker.subject.user_id is None
    tracker.close(0.0)
    assert found_on_disk(scene.folder, (*CANARIES, COOKIE, *ids)) == {}


def test_forgetting_reaches_what_broken_files_and_dead_processes_left(scene: Scene) -> None:
    recorder = Recorder(status=None)
    tracker = recorded(scene, recorder, NONE)
    tracker.track(PageView(page_url=LINK))
    tracker.close(0.0)
    (database,) = scene.folder.glob("*.events.sqlite")
    content = database.read_bytes()
    assert found_in(content.decode("latin-1"), CANARIES)
    database.write_bytes(b"no database any more" + content[20:])
    (identity,) = scene.folder.glob("*.identity.json")
    identity.with_suffix(".99999.tmp").write_bytes(identity.read_bytes())

    tracker = recorded(scene, recorder, NONE)
    _run_and_kill(scene, waiting=5)
    assert tracker.forget()

    assert found_on_disk(scene.folder, CANARIES) == {}
    assert not list(scene.folder.glob("*.identity.*"))


def test_withdrawal_reaches_what_a_dead_process_left(scene: Scene) -> None:
    """Its journal has not been taken over yet when consent is withdrawn."""
    recorder = Recorder()
    tracker = recorded(scene, recorder, NONE)
    _run_and_kill(scene, waiting=5)
    assert found_on_disk(scene.folder, SUBJECT.values())
    tracker.set_anonymisation(FULL, pending="drop")

    assert found_on_disk(scene.folder, SUBJECT.values()) == {}
    assert tracker.close()
    assert not [request for request in recorder.requests if not is_marked(request)]


def test_forgetting_by_a_tracker_that_is_closed_erases_what_waits(scene: Scene) -> None:
    tracker = recorded(scene, Recorder(status=None), NONE)
    tracker.track(PageView(page_url=LINK))
    tracker.close(0.0)
    assert found_on_disk(scene.folder, CANARIES)

    assert tracker.forget()

    assert found_on_disk(scene.folder, CANARIES) == {}
    assert not list(scene.folder.glob("*.identity.*"))


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_only_the_user_may_read_the_files(scene: Scene) -> None:
    before = os.umask(0o022)
    try:
        scene.folder.mkdir(mode=0o755)
        tracker = recorded(scene, Recorder(status=None), NONE)
        tracker.track(screen())
        tracker.flush(0.1)
        modes = {
            path.name: stat.S_IMODE(path.stat().st_mode)
            for path in scene.folder.iterdir()
            if not path.name.endswith("-shm")
        }
    finally:
        os.umask(before)

    assert len(modes) >= 4
    assert set(modes.values()) == {0o600}


def test_the_record_of_the_level_identifies_nobody(scene: Scene) -> None:
    tracker = scene.tracker(NONE)
    tracker.set_anonymisation(FULL, pending="drop")
    (record,) = scene.folder.glob("*.privacy.json")

    assert set(json.loads(record.read_bytes())) <= {
        "level",
        "session_ended",
        "pending",
        "pending_level",
        "profile",
    }


CHILD = """
import json, os, signal, sys, threading
import whiteout
settings = json.loads(sys.argv[1])
none = whiteout.Anonymisation.NONE
tracker = whiteout.create_tracker(
    settings["namespace"], "http://127.0.0.1:9",
    whiteout.TrackerConfiguration(
        user_anonymisation=False, session_context=True, screen_engagement_autotracking=False,
        install_autotracking=False
    ),
    whiteout.EmitterConfiguration(storage_dir=settings["folder"], server_anonymisation=False),
    whiteout.SubjectConfiguration(**settings["subject"]),
)
tracker.emitter.pause()
for _ in range(settings["waiting"]):
    tracker.track(whiteout.ScreenView(name="home"))

steps = -1
def die(event, arguments):
    global steps
    if steps >= 0 and threading.current_thread() is threading.main_thread() and event in {
        "open", "os.rename", "os.remove", "os.replace", "mmap.__new__", "tempfile.mkstemp"
    }:
        if steps == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        steps -= 1

if settings["switch"]:
    sys.addaudithook(die)
    steps = settings["steps"]
    tracker.set_anonymisation(whiteout.Anonymisation.FULL, pending=settings["switch"])
    steps = -1
    print("switched", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def _run_and_kill(scene: Scene, *, waiting: int, switch: str = "", steps: int = 0) -> str:
    """A process of the namespace that tracks, perhaps switches, and is killed; what it printed.

    Args:
        scene: its namespace and folder.
        waiting: events to track before.
        switch: `pending` of a change to FULL; empty for none.
        steps: file operations of the change that succeed before the kill.
    """
    settings = {
        "namespace": scene.namespace,
        "folder": str(scene.folder),
        "subject": SUBJECT,
        "waiting": waiting,
        "switch": switch,
        "steps": steps,
    }
    killed = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps(settings)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    return killed.stdout


@pytest.mark.parametrize("pending", ["drop", "anonymise"])
def test_a_withdrawal_that_a_kill_interrupts_is_carried_out_by_the_next_process(
    tmp_path: Path, pending: str
) -> None:
    """Killed at each of its steps on the disk in turn.

    Either the level was recorded, and then nothing that waited goes out as it was, whatever the
    next process is configured to; or it was not, and `set_anonymisation` had not returned.
    """
    outcomes = set()
    for steps in range(30):
        killed = new_scene(tmp_path / str(steps))
        printed = _run_and_kill(killed, waiting=3, switch=pending, steps=steps)
        (record,) = killed.folder.glob("*.privacy.json")
        is_recorded = json.loads(record.read_bytes())["level"] == FULL.value
        outcomes.add((is_recorded, bool(printed)))
        for restart in (None, NONE):
            folder = tmp_path / f"{steps}-{restart}"
            shutil.copytree(killed.folder, folder)
            scene = Scene(folder, killed.endpoint, killed.namespace)
            _check_restart(scene, restart, pending if is_recorded else "keep")
        if printed:
            break
    assert outcomes == {(False, False), (True, False), (True, True)}


def _check_restart(scene: Scene, restart: Anonymisation | None, pending: str) -> None:
    """Start again, and see what becomes of the three events that waited."""
    recorder = Recorder()
    tracker = recorded(scene, recorder, restart, subject={})
    kept = pending == "keep"
    assert tracker.anonymisation is (NONE if kept or restart is NONE else FULL)
    assert tracker.flush()
    scene.close()

    assert len(recorder.events) == (0 if pending == "drop" else 3)
    assert all(("uid" in event) is kept for event in recorder.events)
    assert all(is_marked(request) is not kept for request in recorder.requests)


def new_scene(folder: Path) -> Scene:

    return Scene(folder, "http://127.0.0.1:9")
