"""G17: one install event for an installation and namespace."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.trackers import Wire, a_tracker

import whiteout
from whiteout import TrackerConfiguration
from whiteout.events.install import Install, InstallReferrer
from whiteout.tracker.install import track_install

if TYPE_CHECKING:
    from whiteout.events.event import Event

REFERRER = InstallReferrer(google_play_instant_param=False).self_describing()


def never(_event: Event) -> None:
    pytest.fail("tracked")


def test_the_first_run_is_tracked_once(tmp_path: Path) -> None:
    """G17: once for an installation and namespace."""
    tracked: list[Event] = []

    assert track_install(tmp_path, "app", tracked.append)
    assert not track_install(tmp_path, "app", tracked.append)

    assert tracked == [Install()]


def test_each_namespace_has_a_first_run_of_its_own(tmp_path: Path) -> None:
    tracked: list[Event] = []

    assert track_install(tmp_path, "app", tracked.append)
    assert track_install(tmp_path, "other", tracked.append)

    assert len(tracked) == 2


def test_the_mark_is_the_same_for_everybody(tmp_path: Path) -> None:
    """It identifies nobody, so it may be written while the user is anonymous."""
    track_install(tmp_path, "app", lambda _event: None)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "app.install": b"tracked"
    }
    assert (tmp_path / "app.install").stat().st_mode & 0o077 == 0


def test_the_referrer_comes_along(tmp_path: Path) -> None:
    tracked: list[Event] = []

    track_install(tmp_path, "app", tracked.append, referrer=lambda: REFERRER)

    assert tracked == [Install(entities=(REFERRER,))]


def test_a_referrer_that_fails_costs_the_entity_only(tmp_path: Path) -> None:
    tracked: list[Event] = []

    def fail() -> None:
        raise OSError

    track_install(tmp_path, "app", tracked.append, referrer=fail)

    assert tracked == [Install()]


def test_a_referrer_is_asked_for_the_first_run_only(tmp_path: Path) -> None:
    track_install(tmp_path, "app", lambda _event: None)

    track_install(tmp_path, "app", never, referrer=lambda: pytest.fail("asked"))


def test_an_event_that_could_not_be_tracked_is_tracked_at_the_next_start(tmp_path: Path) -> None:
    def fail(_event: Event) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        track_install(tmp_path, "app", fail)

    tracked: list[Event] = []
    assert track_install(tmp_path, "app", tracked.append)
    assert tracked == [Install()]


KILLED = """
import os, sys
from pathlib import Path
from whiteout.tracker.install import track_install
track_install(Path(sys.argv[1]), "app", lambda event: os._exit(7))
"""


def test_a_process_that_is_killed_while_it_tracks_leaves_it_to_the_next(tmp_path: Path) -> None:
    """Rather twice than never; and its lock does not outlive it."""
    source = str(Path(whiteout.__file__).parents[1])
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    killed = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": source}, timeout=60, check=False
    )
    assert killed.returncode == 7

    tracked: list[Event] = []
    assert track_install(tmp_path, "app", tracked.append)
    assert not track_install(tmp_path, "app", tracked.append)
    assert len(tracked) == 1


def test_of_several_that_start_together_one_tracks_it(tmp_path: Path) -> None:
    """They exclude one another by a lock on the file, as processes do."""
    tracked: list[Event] = []
    together = threading.Barrier(8)

    def start() -> None:
        together.wait()
        track_install(tmp_path, "app", tracked.append)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert tracked == [Install()]


def test_an_anonymous_install_leaves_nothing_that_identifies(tmp_path: Path) -> None:
    wire = Wire()
    hidden = TrackerConfiguration(
        user_anonymisation=True,
        session_context=False,
        platform_context=False,
        base64_encoding=False,
        install_autotracking=False,
    )
    with a_tracker(wire.network, tmp_path, hidden) as tracker:
        assert track_install(tmp_path, "app", tracker.track)
        assert tracker.flush(10)

    assert len(wire.events) == 1
    assert not wire.events[0].keys() & {"uid", "duid", "tnuid", "ip"}
    assert "client_session" not in wire.events[0].get("co", "")
    assert not (tmp_path / "app.identity.json").exists()


def test_where_nothing_can_be_remembered_nothing_is_tracked(tmp_path: Path) -> None:
    """Every start would be the first."""
    (tmp_path / "app.install").mkdir()

    assert not track_install(tmp_path, "app", never)
    assert not track_install(tmp_path / "gone", "app", never)
    assert not track_install(None, "app", never)
