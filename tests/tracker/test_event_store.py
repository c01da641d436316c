"""The event store: a durable list. On disk and in memory alike."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from whiteout.errors import EventStoreError
from whiteout.tracker import event_store
from whiteout.tracker.event_database import StoreFaultError, Unfit, file_at, set_aside
from whiteout.tracker.event_rows import NewEvent, StoredEvent
from whiteout.tracker.event_store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXTS = {7: "template seven", 8: "template eight"}


def an_event(number: int, *, created_ms: int = 0, template: int = 7) -> NewEvent:
    return NewEvent(1, 2, template, f"id-{number}", created_ms, number, f"data {number}")


def some_events(count: int, *, first: int = 0) -> list[NewEvent]:
    return [an_event(number) for number in range(first, first + count)]


def names(events: list[StoredEvent]) -> list[str]:
    return [event.event_id for event in events]


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventStore]:
    opened = EventStore(tmp_path / "events.sqlite" if request.param == "disk" else None)
    yield opened
    opened.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.sqlite"


def test_an_event_comes_back_as_it_was_stored(store: EventStore) -> None:
    store.add(
        [NewEvent(5, 2**60, 8, "an id", 1_654_496_481_346, 3, 'p\x1e{"ü":"\U0001f9ca"}\x1e')], TEXTS
    )

    (event,) = store.oldest(10)

    assert event[1:] == (5, 2**60, 8, "an id", 1_654_496_481_346, 3, 'p\x1e{"ü":"\U0001f9ca"}\x1e')
    assert store.template(8) == "template eight"


def test_e31_events_come_oldest_first_and_at_most_as_many_as_asked(store: EventStore) -> None:
    """The iOS tracker's limit of 250 is not ours: the caller's is."""
    store.add(some_events(250), TEXTS)

    assert names(store.oldest(600)) == [f"id-{number}" for number in range(250)]
    assert names(store.oldest(150)) == [f"id-{number}" for number in range(150)]


def test_order_is_the_order_of_storing_not_of_the_clock(store: EventStore) -> None:
    """A clock that goes back must not turn events around."""
    store.add([an_event(1, created_ms=2000)], TEXTS)
    store.add([an_event(2, created_ms=1000)], TEXTS)

    assert names(store.oldest(10)) == ["id-1", "id-2"]


def test_reading_can_leave_rows_out_and_begin_after_one(store: EventStore) -> None:
    store.add(some_events(6), TEXTS)
    ids = [event.id for event in store.oldest(10)]

    assert names(store.oldest(3, after=ids[0], without=[ids[2]])) == ["id-1", "id-3", "id-4"]


def test_e27_removing_one_a_range_and_all_is_followed_by_the_count(store: EventStore) -> None:
    store.add(some_events(10), TEXTS)
    ids = [event.id for event in store.oldest(10)]

    assert store.remove(ids[:1]) == 1
    assert store.count == 9
    assert store.remove(ids[1:4]) == 3
    assert store.count == 6
    assert store.remove(ids[1:4]) == 0
    assert store.remove([]) == 0
    assert store.count == 6
    assert store.clear() == 6
    assert store.count == 0
    assert store.oldest(10) == []


def test_row_numbers_are_never_used_again(store: EventStore) -> None:
    """Else the answer to an old request would delete a new event."""
    store.add(some_events(3), TEXTS)
    last = store.last_id()
    store.remove([event.id for event in store.oldest(10)])

    store.add(some_events(1), TEXTS)

    assert store.last_id() > last


def test_e28_what_is_too_old_goes_and_what_is_new_stays(store: EventStore) -> None:
    store.add([an_event(number, created_ms=1000) for number in range(5)], TEXTS)
    store.add([an_event(number, created_ms=3000) for number in range(5, 10)], TEXTS)

    assert store.trim(max_events=10, not_before_ms=2000) == 5

    assert names(store.oldest(20)) == [f"id-{number}" for number in range(5, 10)]
    assert store.count == 5


def test_e28_beyond_the_limit_the_newest_stay(store: EventStore) -> None:
    store.add(some_events(5), TEXTS)

    assert store.trim(max_events=3, not_before_ms=0) == 2

    assert names(store.oldest(20)) == ["id-2", "id-3", "id-4"]


def test_e28_beyond_the_limit_the_oldest_can_go_at_little_cost(store: EventStore) -> None:
    store.add(some_events(5), TEXTS)

    assert store.drop_beyond(3) == 2
    assert store.drop_beyond(3) == 0

    assert names(store.oldest(20)) == ["id-2", "id-3", "id-4"]
    assert store.count == 3


def test_what_a_sibling_has_delivered_does_not_count_towards_the_limit(path: Path) -> None:
    """Else events would be dropped for which there is room."""
    first, second = EventStore(path), EventStore(path)
    first.add(some_events(5), TEXTS)
    second.remove([event.id for event in second.oldest(3)])

    assert first.drop_beyond(3) == 0

    assert first.count == 2
    first.close()
    second.close()


def test_a_template_that_no_event_uses_goes_with_the_trimming(store: EventStore) -> None:
    """Templates hold the subject: they must not outlive their events."""
    store.add([an_event(1, template=7), an_event(2, template=8)], TEXTS)

    store.trim(max_events=1, not_before_ms=0)

    assert store.template(7) is None
    assert store.template(8) == "template eight"


def test_a_journals_position_is_stored_with_its_events(store: EventStore) -> None:
    assert store.position("abc") == 0

    store.add(some_events(1), TEXTS, moved=("abc", 2**33))

    assert store.position("abc") == 2**33
    store.forget_journal("abc")
    assert store.position("abc") == 0


def test_waiting_events_can_be_told_up_to_a_row(store: EventStore) -> None:
    assert store.last_id() == 0
    store.add(some_events(2), TEXTS)
    first, second = (event.id for event in store.oldest(2))

    store.remove([first])

    assert not store.has_up_to(first)
    assert store.has_up_to(second)


def test_rewriting_changes_keeps_and_deletes_in_one_transaction(store: EventStore) -> None:
    store.add(some_events(3), TEXTS)

    def change(event: StoredEvent, text: str) -> tuple[NewEvent, str] | None:
        assert text == "template seven"
        if event.event_index == 0:
            return None
        if event.event_index == 1:
            return NewEvent(*event[1:]), text
        return an_event(20, template=9), "template nine"

    assert store.rewrite(change) == 1

    assert names(store.oldest(10)) == ["id-1", "id-20"]
    assert store.count == 2
    assert store.template(9) == "template nine"
    assert store.template(8) is None


def test_a_rewriting_that_fails_changes_nothing(store: EventStore) -> None:
    store.add(some_events(3), TEXTS)

    def change(event: StoredEvent, text: str) -> tuple[NewEvent, str] | None:
        if event.event_index == 2:
            raise LookupError
        return None

    with pytest.raises(LookupError):
        store.rewrite(change)

    assert names(store.oldest(10)) == ["id-0", "id-1", "id-2"]
    assert store.count == 3


def test_adding_and_removing_from_two_threads_keeps_the_count_right(store: EventStore) -> None:
    store.add(some_events(400), TEXTS)
    ids = [event.id for event in store.oldest(400)]
    removing = threading.Thread(target=lambda: [store.remove([row]) for row in ids])

    removing.start()
    for number in range(400):
        store.add([an_event(number)], TEXTS)
    removing.join()

    assert store.count == len(store.oldest(1000)) == 400


def test_e27_a_closed_store_answers_with_an_error(store: EventStore) -> None:
    store.close()

    with pytest.raises(EventStoreError, match="failed to add"):
        store.add(some_events(1), TEXTS)
    with pytest.raises(EventStoreError, match="failed to read"):
        store.oldest(1)
    with pytest.raises(EventStoreError, match="failed to remove"):
        store.remove([1])
    store.close()


def test_events_are_there_after_opening_again(path: Path) -> None:
    store = EventStore(path)
    store.add(some_events(3), TEXTS)
    store.close()

    again = EventStore(path)

    assert again.count == 3
    assert names(again.oldest(10)) == ["id-0", "id-1", "id-2"]
    again.close()


def test_e29_two_stores_on_one_file_see_each_others_rows(path: Path) -> None:
    first, second = EventStore(path), EventStore(path)

    first.add(some_events(2), TEXTS)
    second.add(some_events(2, first=2), TEXTS)

    assert names(first.oldest(10)) == names(second.oldest(10)) == [f"id-{n}" for n in range(4)]
    assert first.refresh() == second.refresh() == 4
    first.remove([event.id for event in first.oldest(10)])
    assert second.refresh() == 0
    first.close()
    second.close()


def test_a_store_held_for_a_fork_has_no_file_open(path: Path) -> None:
    """SQLite's locks do not survive a fork, what it knows of them does."""
    store = EventStore(path)
    store.add(some_events(2), TEXTS)

    with store.held():
        side_files = [path.with_name(path.name + suffix).exists() for suffix in ("-wal", "-shm")]

    assert side_files == [False, False]
    assert names(store.oldest(10)) == ["id-0", "id-1"]
    store.close()


def test_a_store_in_memory_outlives_being_held() -> None:
    store = EventStore(None)
    store.add(some_events(2), TEXTS)

    with store.held():
        pass

    assert store.count == len(store.oldest(10)) == 2
    store.close()


def test_a_file_that_is_no_database_is_told_from_other_faults(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"this is no database, though it is long enough to be taken for one" * 100)

    with pytest.raises(StoreFaultError) as corrupt:
        EventStore(path)
    with pytest.raises(StoreFaultError) as missing:
        EventStore(tmp_path / "nowhere" / "events.sqlite")

    assert corrupt.value.unfit is Unfit.BROKEN
    assert corrupt.value.file == file_at(path)
    assert missing.value.unfit is None


FOREIGN = {
    "a newer version": "PRAGMA user_version = 2",
    "another program's": "PRAGMA user_version = 0",
    "a column less": "ALTER TABLE events DROP COLUMN line",
    "a table less": "DROP TABLE journals",
}


@pytest.mark.parametrize("change", FOREIGN)
def test_a_database_of_another_version_is_told_from_other_faults(path: Path, change: str) -> None:
    EventStore(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(FOREIGN[change])

    with pytest.raises(StoreFaultError) as foreign:
        EventStore(path)

    assert foreign.value.unfit is Unfit.FOREIGN


def test_two_that_make_one_database_at_once_share_it(path: Path) -> None:
    """Neither takes the half-made database of the other for another program's."""
    for number in range(10):
        own = path.with_name(f"{number}.sqlite")
        with ThreadPoolExecutor(2) as threads:
            first, second = threads.map(EventStore, [own, own])
        first.add([an_event(1)], TEXTS)
        assert second.refresh() == 1
        first.close()
        second.close()


def test_a_store_notices_that_its_file_was_moved_away_or_removed(path: Path) -> None:
    """SQLite would go on with it, and nobody else would ever find what it writes."""
    first, second = EventStore(path), EventStore(path)
    path.rename(path.with_name("elsewhere"))
    with pytest.raises(StoreFaultError) as moved:
        first.add([an_event(1)], TEXTS)
    EventStore(path).close()
    with second.held():  # as for a fork; it would open the new file, with other rows
        pass
    with pytest.raises(StoreFaultError) as replaced:
        second.remove([1])

    assert moved.value.unfit is replaced.value.unfit is Unfit.REPLACED
    first.close()
    second.close()


def test_what_is_moved_away_while_it_is_written_does_not_count_as_stored(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = EventStore(path)

    def move(*_: object) -> int:
        path.rename(path.with_name("elsewhere"))
        return 1

    monkeypatch.setattr(event_store, "_insert", move)
    with pytest.raises(StoreFaultError) as moved:
        store.add([an_event(1)], TEXTS)

    assert moved.value.unfit is Unfit.REPLACED
    store.close()


def test_of_databases_that_were_set_aside_the_last_one_is_kept(path: Path) -> None:
    for now_ms in (1, 2, 10):
        path.write_bytes(b"broken")
        path.with_name(f"{path.name}-wal").write_bytes(b"its log")
        set_aside(path, now_ms)

    kept = f"{path.name}.corrupt-10"
    assert {file.name for file in path.parent.iterdir()} == {kept, f"{kept}-wal"}


def test_events_that_are_too_old_are_deleted_and_told_of_instead_of_being_read(path: Path) -> None:
    expired: list[int] = []
    store = EventStore(path, not_before_ms=lambda: 100, on_expired=expired.append)
    ages = [99, 100, 5, 99, 99, 200]
    store.add([an_event(at, created_ms=created) for at, created in enumerate(ages)], TEXTS)

    events, _ = store.emittable(2)
    assert [event.event_id for event in events] == [b"id-1"]
    store.remove(event.id for event in events)
    events, _ = store.emittable(2)

    assert [event.event_id for event in events] == [b"id-5"]
    assert sum(expired) == 4
    assert store.count == 1
    store.close()


def test_what_was_deleted_is_nowhere_in_the_files(path: Path) -> None:
    """Promise 3: `forget` erases, it does not only unlink pages."""
    store = EventStore(path)
    store.add([an_event(1)._replace(data="the-secret")], {7: "a-secret-template"})

    store.clear()

    for file in path.parent.iterdir():
        assert b"secret" not in file.read_bytes()
    store.close()


def test_an_error_says_what_failed_and_nothing_of_the_content(path: Path) -> None:
    store = EventStore(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(EventStoreError) as error:
        store.add([an_event(1)._replace(data="the-secret")], TEXTS)

    assert str(error.value) == "the event store failed to add: SQLITE_BUSY"
    assert store.count == 0
    other.close()
    store.close()
