"""Locks between processes, where the file system has them and where it has not."""

from __future__ import annotations

import errno
import os
import sys
import time
from typing import TYPE_CHECKING

import pytest
from tests.support.collector import Collector
from tests.support.trackers import a_tracker

from whiteout import ScreenView
from whiteout.tracker import process_lock
from whiteout.tracker.journal import Journal, left_behind
from whiteout.tracker.process_lock import ProcessLock

if TYPE_CHECKING:
    from pathlib import Path

INSTANCE = "ab12"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.sender.lock"


def refuse(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the operating system answer so when it is asked for a lock."""

    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(process_lock, "_lock", fail)


def test_a_lock_that_is_held_is_not_given_to_another(path: Path) -> None:
    lock = ProcessLock.acquire_shared_name(path)
    assert lock is not None

    assert ProcessLock.acquire_shared_name(path) is None
    lock.release()
    again = ProcessLock.acquire_shared_name(path)

    assert again is not None
    again.release()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EAGAIN])
def test_what_systems_say_of_a_lock_that_is_held(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refuse(monkeypatch, number)

    assert ProcessLock.acquire_shared_name(path) is None


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EIO])
def test_a_file_system_without_locks_is_told_from_a_lock_that_is_held(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refuse(monkeypatch, number)

    with pytest.raises(OSError, match=os.strerror(number)):
        ProcessLock.acquire_shared_name(path)
    with pytest.raises(OSError, match=os.strerror(number)):
        ProcessLock.acquire(path, create=False)


def test_a_lock_that_cannot_be_made_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, errno.ENOLCK)

    with pytest.raises(OSError, match=os.strerror(errno.ENOLCK)):
        ProcessLock.acquire(tmp_path / "app.lock", create=True)

    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_is_waited_for_comes_with_its_holders_end(path: Path) -> None:
    lock = ProcessLock.acquire_shared_name(path)
    assert lock is not None
    assert ProcessLock.wait_for(path, timeout_s=0.05) is None

    lock.release()
    again = ProcessLock.wait_for(path, timeout_s=0.05)

    assert again is not None
    again.release()


def test_where_no_file_can_be_locked_events_go_out_and_one_warning_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As on many network file systems. Sent twice, an event is in the lake once."""
    refuse(monkeypatch, errno.ENOLCK)

    with Collector() as collector, a_tracker(collector.url, tmp_path) as tracker:
        for round_number in range(3):
            tracker.track(ScreenView(name=f"screen {round_number}"))
            assert tracker.flush(10)

        assert len(collector.accepted_ids) == 3
    said = [record.getMessage() for record in caplog.records]
    assert sum("sending anyway" in message for message in said) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there a lock has its name from the start")
def test_what_a_kill_left_of_the_making_of_a_lock_is_removed_by_a_later_process(
    tmp_path: Path,
) -> None:
    """But not while it may still be in the making."""
    old, young, other = (
        tmp_path / f"{name}.{INSTANCE}{number}.lock.new"
        for number, name in enumerate(["app", "app", "other"])
    )
    for each in (old, young, other):
        each.touch()
    for each in (old, other):
        os.utime(each, (time.time() - 3600,) * 2)

    assert left_behind(tmp_path, "app") == []

    assert sorted(tmp_path.iterdir()) == sorted([young, other])


def test_a_journal_is_made_while_others_are_looked_for(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "app", INSTANCE)

    assert left_behind(tmp_path, "app") == []

    assert journal.on_disk
    journal.close()
