"""Disk faults: events are kept in memory meanwhile, and the app never notices."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.support.clock import ManualClock
from tests.support.collector import Collector, closed_port
from tests.support.processes import Child
from tests.support.trackers import CONTEXT_FREE, Wire, a_tracker, poll

from whiteout import DropReason, EmitterConfiguration, ScreenView
from whiteout.errors import EventStoreError
from whiteout.tracker import event_database, event_store, process_lock, writer
from whiteout.tracker import journal as journal_module
from whiteout.tracker import storage as storage_module
from whiteout.tracker.counters import Counters
from whiteout.tracker.event_database import StoreFaultError
from whiteout.tracker.event_rows import NewEvent
from whiteout.tracker.event_store import EventStore
from whiteout.tracker.process_lock import ProcessLock
from whiteout.tracker.storage import Storage

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator
    from pathlib import Path

    from whiteout import Tracker

RETRY_S = 5.0
TEXTS = {7: "template"}
NOWHERE = f"http://127.0.0.1:{closed_port()}"


def events(*numbers: int) -> list[NewEvent]:
    return [NewEvent(0, 0, 7, f"id-{number}", 0, number, "data") for number in numbers]


def waiting(storage: Storage) -> list[str]:
    return [event.event_id for store in storage.stores for event in store.oldest(1000)]


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the tests wait for one of these, which have nothing to do with what they test."""
    monkeypatch.setattr(event_database, "_BUSY_TIMEOUT_S", 0.2)
    monkeypatch.setattr(storage_module, "_RETRY_DISK_S", 0.5)
    monkeypatch.setattr(writer, "_HOUSEKEEPING_S", 0.5)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.events.sqlite"


def open_storage(path: Path | None, clock: ManualClock, *, max_events: int = 1000) -> Storage:
    return Storage(
        path, clock=clock, counters=Counters(clock), max_events=max_events, max_age_s=3600
    )


class Lock:
    """Another connection that keeps everybody out of the database."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("BEGIN EXCLUSIVE")

    def release(self) -> None:
        self._connection.close()


def test_events_for_a_locked_database_wait_in_memory_and_move_back_in_order(
    path: Path, clock: ManualClock
) -> None:
    storage = open_storage(path, clock)
    assert storage.add(events(1), TEXTS).is_settled
    lock = Lock(path)

    assert not storage.add(events(2), TEXTS, moved=("journal", 10)).is_settled
    assert not storage.add(events(3), TEXTS, moved=("journal", 20)).is_settled
    lock.release()
    clock.advance(RETRY_S)
    assert storage.add(events(4), TEXTS, moved=("journal", 30)).is_settled

    assert waiting(storage) == ["id-1", "id-2", "id-3", "id-4"]
    assert storage.primary.count == 4
    assert storage.primary.position("journal") == 30
    storage.close()


def test_while_the_disk_fails_it_is_not_asked_again_for_seconds(
    path: Path, clock: ManualClock
) -> None:
    """Else every group of events would wait for the lock's time-out."""
    storage = open_storage(path, clock)
    lock = Lock(path)
    storage.add(events(1), TEXTS)

    started_s = time.monotonic()
    for number in range(100):
        storage.add(events(number), TEXTS)

    assert time.monotonic() - started_s < 1
    assert storage.overflow.count == 101
    lock.release()
    storage.close()


def test_a_database_that_is_locked_at_the_start_is_used_once_it_is_free(
    path: Path, clock: ManualClock
) -> None:
    """Memory stands in for it, and says so: the journal keeps its copy."""
    open_storage(path, clock).close()
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("PRAGMA locking_mode = EXCLUSIVE")
    blocker.execute("BEGIN EXCLUSIVE")
    storage = open_storage(path, clock)

    assert not storage.add(events(1), TEXTS, moved=("journal", 10)).is_settled
    blocker.close()
    clock.advance(RETRY_S)
    assert storage.settle()

    assert storage.primary.count == 1
    assert storage.primary.position("journal") == 10
    storage.close()


def test_what_is_being_sent_from_memory_does_not_move_to_the_disk_meanwhile(
    path: Path, clock: ManualClock
) -> None:
    """It would be sent again from there."""
    storage = open_storage(path, clock)
    lock = Lock(path)
    storage.add(events(1), TEXTS)
    lock.release()
    clock.advance(RETRY_S)

    with storage.overflow_in_use:
        assert not storage.settle()
        assert not storage.add(events(2), TEXTS).is_settled
    assert storage.settle()

    assert [event.event_id for event in storage.primary.oldest(10)] == ["id-1", "id-2"]
    storage.close()


def test_a_corrupt_database_is_set_aside_and_a_new_one_serves(
    path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(b"no database at all, but long enough to be read as one" * 100)

    storage = open_storage(path, clock)

    assert storage.add(events(1), TEXTS).is_settled
    assert waiting(storage) == ["id-1"]
    assert path.with_name(f"{path.name}.corrupt-{clock.now_ms()}").exists()
    assert len(caplog.records) == 1
    storage.close()


def test_a_database_that_becomes_corrupt_is_replaced_and_loses_no_new_event(
    path: Path, clock: ManualClock
) -> None:
    storage = open_storage(path, clock)
    storage.add(events(1), TEXTS)
    storage.primary.scrub()
    garble(path)
    with storage.held():  # so that it is read from the disk again
        pass

    storage.add(events(2), TEXTS)
    assert storage.settle()

    assert waiting(storage) == ["id-2"]
    assert storage.primary.path == path
    storage.close()


def garble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[: 32 * 1024] = os.urandom(32 * 1024)
    path.write_bytes(content)


def stored(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT event_id FROM events ORDER BY id")]


@pytest.mark.parametrize("how", ["while it has it open", "after a fork"])
def test_of_two_processes_that_meet_one_broken_database_the_second_takes_what_the_first_made(
    path: Path, how: str
) -> None:
    """What the first has stored since is reported stored, and must be found after its end."""
    with (
        Child("keep", folder=str(path.parent)) as first,
        Child("keep", folder=str(path.parent)) as second,
    ):
        for child in (first, second):
            child.wait_for_line("open")
            child.tell("before")
            child.wait_for_lines("stored", 1)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        garble(path)

        first.tell("open again")
        first.tell("of the first")
        first.wait_for_lines("stored", 2)
        if how == "after a fork":
            second.tell("open again")
        second.tell("of the second")
        second.wait_for_lines("stored", 2)
        first.kill()
        second.kill()

    assert first.lines[1:] == second.lines[1:] == ["stored True"] * 2
    assert stored(path) == ["of the first", "of the second"]
    assert len(list(path.parent.glob("*.corrupt-*[0-9]"))) == 1


def test_two_processes_that_start_on_a_broken_database_at_once_share_a_new_one(path: Path) -> None:
    path.write_bytes(b"no database at all, but long enough to be read as one" * 100)
    with (
        Child("keep", folder=str(path.parent)) as first,
        Child("keep", folder=str(path.parent)) as second,
    ):
        first.tell("of the first")
        second.tell("of the second")
        for child in (first, second):
            child.wait_for_line("stored True")

    assert sorted(stored(path)) == ["of the first", "of the second"]
    assert len(list(path.parent.glob("*.corrupt-*[0-9]"))) == 1


def test_many_that_start_on_a_broken_database_at_once_share_a_new_one(
    tmp_path: Path, clock: ManualClock
) -> None:
    """The same, more often: locks keep two stores of one process apart as well."""
    for round_number in range(10):
        path = tmp_path / f"{round_number}.sqlite"
        path.write_bytes(b"no database at all, but long enough to be read as one" * 100)
        ready = threading.Barrier(4)

        def start(number: int, path: Path = path, ready: threading.Barrier = ready) -> bool:
            ready.wait()
            storage = open_storage(path, clock)
            is_settled = storage.add(events(number), TEXTS).is_settled
            storage.close()
            return is_settled

        with ThreadPoolExecutor(4) as threads:
            settled = list(threads.map(start, range(4)))
        # Who finds the new one busy, on a busy machine, keeps its events in the journal meanwhile.
        assert any(settled)
        assert {f"id-{n}" for n, is_kept in enumerate(settled) if is_kept} <= set(stored(path))


def test_a_fault_of_the_database_before_says_nothing_of_the_one_that_serves(
    path: Path, clock: ManualClock
) -> None:
    """Of two threads that meet the broken one, the second reports it when it is gone already."""
    path.write_bytes(b"no database at all, but long enough to be read as one" * 100)
    with pytest.raises(StoreFaultError) as broken:
        EventStore(path)
    storage = open_storage(path, clock)
    storage.add(events(1), TEXTS)

    storage.report(broken.value)

    assert waiting(storage) == ["id-1"]
    assert storage.disk_serves()
    storage.close()


def test_while_another_process_is_setting_it_aside_events_wait_in_memory(
    path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "_LOCK_S", 0.05)
    path.write_bytes(b"no database at all, but long enough to be read as one" * 100)
    lock = ProcessLock.acquire_shared_name(path.with_name(f"{path.name}.lock"))
    assert lock is not None
    storage = open_storage(path, clock)
    assert not storage.add(events(1), TEXTS).is_settled

    lock.release()
    clock.advance(RETRY_S)

    storage.add(events(2), TEXTS)
    assert storage.settle()

    assert stored(path) == ["id-1", "id-2"]
    storage.close()


def test_a_broken_database_is_set_aside_where_files_cannot_be_locked(
    path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(process_lock, "_lock", refuse)
    path.write_bytes(b"no database at all, but long enough to be read as one" * 100)

    storage = open_storage(path, clock)

    assert storage.add(events(1), TEXTS).is_settled
    assert stored(path) == ["id-1"]
    storage.close()


def test_a_database_of_another_version_is_set_aside_with_one_warning(
    path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE events (of TEXT, another TEXT, kind TEXT)")

    storage = open_storage(path, clock)

    assert storage.add(events(1), TEXTS).is_settled
    assert [record.getMessage() for record in caplog.records] == [
        "the event store was of another version: it was set aside and made anew"
    ]
    storage.close()


def test_an_outage_is_one_warning_however_long_and_one_line_when_it_is_over(
    path: Path,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(event_database, "_BUSY_TIMEOUT_S", 0.01)
    storage = open_storage(path, clock)
    lock = Lock(path)
    for number in range(20):
        storage.add(events(number), TEXTS)
        clock.advance(60)
    lock.release()
    storage.add(events(20), TEXTS)
    storage.add(events(21), TEXTS)

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "WARNING",
            "the event store failed to add: SQLITE_BUSY; events are kept in memory meanwhile",
        ),
        ("INFO", "the event store works again"),
    ]
    storage.close()


def test_an_outage_that_left_nothing_in_memory_is_over_once_the_disk_can_be_written(
    path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    storage = open_storage(path, clock)
    storage.report(EventStoreError("the event store failed to read: SQLITE_IOERR"))
    storage.check()
    assert len(caplog.records) == 1
    lock = Lock(path)
    clock.advance(RETRY_S)
    storage.check()
    lock.release()
    assert len(caplog.records) == 1

    clock.advance(RETRY_S)
    storage.check()

    assert caplog.records[1].getMessage() == "the event store works again"
    storage.close()


def test_the_limit_drops_the_oldest_and_counts_them(path: Path, clock: ManualClock) -> None:
    counters = Counters(clock)
    storage = Storage(path, clock=clock, counters=counters, max_events=3, max_age_s=3600)

    for number in range(5):
        storage.add([event._replace(created_ms=clock.now_ms()) for event in events(number)], TEXTS)

    assert waiting(storage) == ["id-2", "id-3", "id-4"]
    assert counters.drops() == {DropReason.STORE_LIMIT: 2}
    storage.close()


def test_memory_that_stands_in_for_the_disk_has_the_same_limit(
    path: Path, clock: ManualClock
) -> None:
    counters = Counters(clock)
    storage = Storage(path, clock=clock, counters=counters, max_events=3, max_age_s=3600)
    lock = Lock(path)

    for number in range(5):
        storage.add([event._replace(created_ms=clock.now_ms()) for event in events(number)], TEXTS)

    assert waiting(storage) == ["id-2", "id-3", "id-4"]
    assert counters.drops() == {DropReason.STORE_LIMIT: 2}
    lock.release()
    storage.close()


def test_what_is_older_than_the_limit_is_dropped_and_counted(
    path: Path, clock: ManualClock
) -> None:
    counters = Counters(clock)
    storage = Storage(path, clock=clock, counters=counters, max_events=10, max_age_s=60)
    storage.add([event._replace(created_ms=clock.now_ms()) for event in events(1)], TEXTS)
    clock.advance(61)
    storage.add([event._replace(created_ms=clock.now_ms()) for event in events(2)], TEXTS)

    storage.trim()

    assert waiting(storage) == ["id-2"]
    assert counters.drops() == {DropReason.STORE_LIMIT: 1}
    storage.close()


def test_what_is_too_old_is_not_read_for_sending_though_no_trimming_is_due(
    path: Path, clock: ManualClock
) -> None:
    counters = Counters(clock)
    storage = Storage(path, clock=clock, counters=counters, max_events=10, max_age_s=60)
    (on_disk,) = (event._replace(created_ms=clock.now_ms()) for event in events(1))
    storage.add([on_disk], TEXTS)
    lock = Lock(path)
    storage.add([on_disk._replace(event_id="in-memory")], TEXTS)
    lock.release()
    clock.advance(61)

    assert [store.emittable(10)[0] for store in storage.stores] == [[], []]
    assert counters.drops() == {DropReason.STORE_LIMIT: 2}
    assert storage.count == 0
    storage.close()


# --- the same faults under a tracker ----------------------------------------------------------


def track_many(tracker: Tracker, count: int) -> list[str]:
    ids = [tracker.track(ScreenView(name=f"screen {number}")) for number in range(count)]
    assert None not in ids
    return [event_id for event_id in ids if event_id]


def test_a_locked_database_neither_blocks_track_nor_keeps_events_from_going_out(
    tmp_path: Path,
) -> None:
    with Collector() as collector, a_tracker(collector.url, tmp_path) as tracker:
        tracker.flush(10)
        lock = Lock(tmp_path / "app.events.sqlite")
        started_s = time.monotonic()
        ids = track_many(tracker, 200)
        seconds = time.monotonic() - started_s

        assert seconds < 0.5
        assert collector.wait_for(lambda: set(ids) <= set(collector.accepted_ids), 20)
        lock.release()
        assert tracker.drops == {}


def test_the_environment_names_the_folder_of_trackers_that_name_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHITEOUT_TRACKER_FOLDER", str(tmp_path / "from-environment"))

    for emitter in EmitterConfiguration(), EmitterConfiguration(storage_dir=tmp_path / "named"):
        with a_tracker(NOWHERE, tmp_path, emitter):
            pass

    assert {path.name for path in tmp_path.iterdir()} == {"from-environment", "named"}


def test_a_folder_that_cannot_be_written_means_memory_and_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("where the folder should be")

    with Collector() as collector, a_tracker(collector.url, blocked / "folder") as tracker:
        ids = track_many(tracker, 100)

        assert tracker.flush(10)
        assert set(collector.accepted_ids) == set(ids)
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "set storage_dir" in warnings[0].getMessage()
    assert str(tmp_path) not in warnings[0].getMessage()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB: a journal segment has room, the next has not."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("this machine does not let a test mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_loses_nothing_that_memory_has_room_for(small_disk: Path) -> None:
    with Collector() as collector, a_tracker(collector.url, small_disk) as tracker:
        tracker.emitter.pause()
        started_s = time.monotonic()
        ids = track_many(tracker, 20_000)
        seconds = time.monotonic() - started_s
        assert poll(lambda: tracker.emitter.db_count == 20_000)

        tracker.emitter.resume()

        assert seconds < 10
        assert tracker.flush(60)
        assert set(collector.accepted_ids) == set(ids)
        assert set(collector.accepted_ids.values()) == {1}
        assert tracker.drops == {}


@pytest.mark.skipif(sys.platform == "win32", reason="there files have no such limit")
@pytest.mark.parametrize(
    "most_bytes", [4 * 1024 * 1024, 512 * 1024], ids=["journal fits, store not", "neither fits"]
)
def test_files_that_cannot_grow_lose_nothing_that_memory_has_room_for(
    tmp_path: Path, most_bytes: int
) -> None:
    """A full disk that anybody can have."""
    with (
        Collector() as collector,
        Child(
            "track_with_small_files",
            folder=str(tmp_path),
            endpoint=collector.url,
            count=10_000,
            most_bytes=most_bytes,
        ) as child,
    ):
        child.join(60)

        assert child.lines[-1] == "delivered True dropped {}"
        assert collector.accepted_ids == dict.fromkeys(child.ids, 1)
    assert child.errors.count("events are kept in memory meanwhile") == 1
    assert child.errors.count("a kill loses what waits") == (most_bytes < 4 * 1024 * 1024)


def test_a_disk_that_is_full_from_the_start_is_no_reason_to_fail(small_disk: Path) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(6 * 1024 * 1024 - 65_536))

    with Collector() as collector, a_tracker(collector.url, small_disk) as tracker:
        ids = track_many(tracker, 500)

        assert tracker.flush(30)
        assert set(collector.accepted_ids) == set(ids)


def test_a_disk_that_has_room_again_gets_the_events_without_another_one_being_tracked(
    small_disk: Path,
) -> None:
    """An idle app, too, must be safe from a kill once the disk works again."""
    filler = small_disk / "filler"
    with a_tracker(NOWHERE, small_disk) as tracker:
        filler.write_bytes(bytes(small_disk_room(small_disk)))
        track_many(tracker, 500)
        assert poll(lambda: tracker.emitter.db_count == 500)
        filler.unlink()

        path = small_disk / "app.events.sqlite"
        assert poll(lambda: len(stored(path)) == 500, timeout_s=20)


def small_disk_room(folder: Path) -> int:
    statistics = os.statvfs(folder)
    return statistics.f_bavail * statistics.f_frsize


def test_a_disk_that_never_works_again_does_not_stop_events_from_going_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal has a bound; what memory has taken over must not fill it for good."""
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 64 * 1024)
    with Collector() as collector, a_tracker(collector.url, tmp_path) as tracker:
        tracker.flush(10)
        lock = Lock(tmp_path / "app.events.sqlite")
        for round_number in range(1, 21):
            track_many(tracker, 600)
            assert collector.wait_for_events(round_number * 600, 20)

        assert tracker.drops == {}
        lock.release()


def test_what_the_journal_has_no_room_for_beside_memory_is_told_not_to_survive_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "whiteout")
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 64 * 1024)
    with a_tracker(NOWHERE, tmp_path) as tracker:
        tracker.flush(0.1)
        lock = Lock(tmp_path / "app.events.sqlite")
        assert tracker.emitter.survives_kill
        for _ in range(100):
            track_many(tracker, 100)
            tracker.flush(0.01)  # which moves what is in the journal
            if not tracker.emitter.survives_kill:
                break
        assert poll(lambda: "a kill loses what waits" in caplog.text)

        lock.release()
        assert poll(lambda: tracker.emitter.survives_kill)

        assert poll(lambda: "survives a kill again" in caplog.text)
        assert caplog.text.count("a kill loses what waits") == 1
        assert tracker.drops == {}


def test_a_journal_that_cannot_be_made_on_the_disk_is_told_once_and_once_it_can_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "whiteout")
    has_room = threading.Event()
    map_file = journal_module._map_file

    def fail_at_first(path: Path, number: int) -> mmap.mmap:
        if not has_room.is_set():
            raise OSError(errno.ENOSPC, "full")
        return map_file(path, number)

    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 64 * 1024)
    monkeypatch.setattr(journal_module, "_map_file", fail_at_first)
    with a_tracker(Wire().network, tmp_path) as tracker:
        track_many(tracker, 10)
        assert poll(lambda: "a kill loses what waits" in caplog.text)
        assert not tracker.emitter.survives_kill

        has_room.set()
        for _ in range(10):
            track_many(tracker, 100)
            assert tracker.flush(10)

        assert tracker.emitter.survives_kill
        assert poll(lambda: "survives a kill again" in caplog.text)
        assert caplog.text.count("a kill loses what waits") == 1


def test_e26_events_wait_in_memory_until_the_database_opens(tmp_path: Path) -> None:
    """Ours differ from the native ones in that those are sent meanwhile."""
    path = tmp_path / "app.events.sqlite"
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("PRAGMA locking_mode = EXCLUSIVE")
    blocker.execute("BEGIN EXCLUSIVE")
    with Collector() as collector, a_tracker(collector.url, tmp_path) as tracker:
        ids = track_many(tracker, 20)

        assert collector.wait_for(lambda: set(ids) == set(collector.accepted_ids), 20)
        assert poll(lambda: tracker.emitter.db_count == 0)
        blocker.close()


def test_e26_removing_all_events_before_the_database_opens_removes_those_in_memory_alone(
    tmp_path: Path,
) -> None:
    """It says so by False; the next call removes the rest."""
    path = tmp_path / "app.events.sqlite"
    with a_tracker(NOWHERE, tmp_path) as tracker:
        tracker.emitter.pause()
        track_many(tracker, 3)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("PRAGMA locking_mode = EXCLUSIVE")
    blocker.execute("BEGIN EXCLUSIVE")
    with a_tracker(NOWHERE, tmp_path) as tracker:
        tracker.emitter.pause()
        track_many(tracker, 2)
        assert poll(lambda: tracker.emitter.db_count == 2)

        assert not tracker.emitter.remove_all_events()

        assert tracker.emitter.db_count == 0
        assert tracker.drops == {DropReason.FORGOTTEN: 2}
        blocker.close()
        with sqlite3.connect(path) as reader:
            assert reader.execute("SELECT count(*) FROM events").fetchone() == (3,)
        reader.close()
        assert poll(tracker.emitter.remove_all_events)
        assert tracker.emitter.db_count == 0
        assert tracker.drops == {DropReason.FORGOTTEN: 5}


def test_e20_forget_empties_the_store_in_every_view(tmp_path: Path) -> None:
    with a_tracker(NOWHERE, tmp_path) as tracker:
        track_many(tracker, 10)
        assert poll(lambda: tracker.emitter.db_count == 10)

        assert tracker.forget()

        assert tracker.emitter.db_count == 0
        assert tracker.drops == {DropReason.FORGOTTEN: 10}


def test_a_limit_that_cannot_be_enforced_stores_nothing_twice(
    path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(store: event_store.EventStore, max_events: int) -> int:
        raise EventStoreError("the event store failed to trim: SQLITE_FULL")

    storage = open_storage(path, clock, max_events=1)
    monkeypatch.setattr(event_store.EventStore, "drop_beyond", fail)

    assert storage.add(events(1, 2), TEXTS).is_settled

    assert waiting(storage) == ["id-1", "id-2"]
    storage.close()


def test_the_configured_limits_reach_the_store(tmp_path: Path) -> None:
    emitter = EmitterConfiguration(storage_dir=tmp_path, max_event_store_size=50)
    with a_tracker(NOWHERE, tmp_path, emitter, CONTEXT_FREE) as tracker:
        track_many(tracker, 80)

        assert poll(lambda: tracker.drops == {DropReason.STORE_LIMIT: 30})
        assert poll(lambda: tracker.emitter.db_count == 50)  # the journal lets go of them after
