"""Who the installation is: made once, kept, and taken along to another connection."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.support.clock import ManualClock
from tests.support.collector import closed_port
from tests.support.trackers import a_tracker

from whiteout import Anonymisation, Structured, TrackerConfiguration
from whiteout.tracker.counters import Counters
from whiteout.tracker.identity import Identity, IdentityFiles
from whiteout.tracker.installation import Installation
from whiteout.tracker.network import HttpConnection

if TYPE_CHECKING:
    from pathlib import Path

ID = "a7a1c6b5-0d2f-4a37-9b3e-1f0d6f2c8e90"
COOKIE = {"name": "sp", "value": "from the collector"}


def installation(folder: Path, connection: HttpConnection) -> Installation:
    return Installation(
        IdentityFiles(folder, "app"), Counters(ManualClock()), lambda: ID, connection
    )


def test_a_connection_that_replaces_another_has_its_cookies(tmp_path: Path) -> None:
    """A forked child has a connection of its own; what it stores must not lose the cookies."""
    files = IdentityFiles(tmp_path, "app")
    files.save_identity(Identity(installation_id=ID, cookies=(COOKIE,)))
    subject = installation(tmp_path, HttpConnection())
    subject.recover([])
    another = HttpConnection()

    subject.use(another)
    subject.keep(None)

    assert another.cookies() == (COOKIE,)
    assert files.load_identity() == Identity(installation_id=ID, cookies=(COOKIE,))


def test_an_installation_that_nobody_asks_for_is_never_made(tmp_path: Path) -> None:
    subject = installation(tmp_path, HttpConnection())

    assert not subject.keep(None)
    assert list(tmp_path.iterdir()) == []


def test_a_session_of_a_killed_process_is_not_counted_again_after_an_anonymous_start(
    tmp_path: Path,
) -> None:
    """Its journal alone knows of it, and is erased as soon as its events are moved."""
    nowhere, event = f"http://127.0.0.1:{closed_port()}", Structured(category="a", action="b")
    alive, killed = tmp_path / "alive", tmp_path / "killed"
    with a_tracker(nowhere, alive) as tracker:
        tracker.track(event)
    with a_tracker(nowhere, alive) as tracker:
        assert tracker.session is not None
        tracker.track(event)
        tracker.session.start_new_session()
        tracker.track(event)
        before = tracker.session.session_index or 0
        shutil.copytree(alive, killed)  # as a kill leaves it

    anonymous = TrackerConfiguration(user_anonymisation=True)
    with a_tracker(nowhere, killed, anonymous):
        pass
    with a_tracker(nowhere, killed, anonymous) as tracker:
        tracker.anonymisation = Anonymisation.NONE
        tracker.track(event)
        assert tracker.session is not None
        assert tracker.session.session_index == before + 1


def test_an_anonymous_start_makes_no_identity_of_what_a_journal_knows(tmp_path: Path) -> None:
    subject = installation(tmp_path, HttpConnection())

    subject.follow([])

    assert list(tmp_path.iterdir()) == []
