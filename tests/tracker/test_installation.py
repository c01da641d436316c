"""Who the installation is: made once, kept, and taken along to another connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.clock import ManualClock

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
