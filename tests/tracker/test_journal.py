"""The journal: a list of records that survives its process."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from whiteout.tracker import journal as journal_module
from whiteout.tracker.journal import EVENT, TEMPLATE, Journal, LeftBehind, left_behind

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL_SEGMENT: Final = 1024


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments that a test can fill."""
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", SMALL_SEGMENT)
    monkeypatch.setattr(journal_module, "MAX_RECORD_BYTES", SMALL_SEGMENT // 2)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path, "app", "aa")
    yield opened
    with contextlib.suppress(ValueError):
        opened.close()


def bodies(journal: Journal, after: int = 0) -> list[bytes]:
    return [body for _, _, body in journal.read(1000, after=after)]


def event(text: bytes) -> bytes:
    """The body of an event: numbers, then text."""
    return bytes(range(20)) + text


def die(journal: Journal) -> None:
    """Leave the files as a killed process does: the operating system frees the lock."""
    journal.abandon()


def adopt(folder: Path) -> list[LeftBehind]:
    return left_behind(folder, "app")


def test_records_come_back_in_order(journal: Journal) -> None:
    assert journal.append(TEMPLATE, b"t")
    assert journal.append(EVENT, b"one")
    assert journal.append(EVENT, b"two")

    records = journal.read(10, after=0)

    assert [(kind, body) for _, kind, body in records] == [
        (TEMPLATE, b"t"),
        (EVENT, b"one"),
        (EVENT, b"two"),
    ]
    assert bodies(journal, after=records[1][0]) == [b"two"]
    assert bodies(journal)[:2] == [b for _, _, b in journal.read(9, after=0, up_to=records[1][0])]
    assert records[-1][0] == journal.end


def test_what_a_process_left_is_found_once_it_is_gone(tmp_path: Path, journal: Journal) -> None:
    journal.append(EVENT, b"one")
    assert adopt(tmp_path) == []

    die(journal)

    (left,) = adopt(tmp_path)
    assert [record.body for record in left.records()] == [b"one"]
    left.discard()
    assert list(tmp_path.iterdir()) == []


def test_the_names_of_other_namespaces_are_left_alone(tmp_path: Path) -> None:
    """`app` is how `app.x` begins, and `app-1`."""
    others = [Journal(tmp_path, name, "bb") for name in ("app-1", "app_", "ap")]
    for other in others:
        die(other)

    assert adopt(tmp_path) == []


@pytest.mark.usefixtures("small_segments")
def test_a_full_segment_is_followed_by_another_until_the_bound(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "app", "aa")
    written = 0
    while journal.has_room(100):
        assert journal.append(EVENT, b"%100d" % written)
        written += 1

    assert len(list(tmp_path.glob("*.journal"))) == journal_module.MAX_SEGMENTS
    assert [int(body) for body in bodies(journal)] == list(range(written))
    journal.release(journal.read(written // 2, after=0)[-1][0])
    assert journal.has_room(100)
    journal.close()


@pytest.mark.usefixtures("small_segments")
def test_released_segments_are_erased_and_the_current_one_stays(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "app", "aa")
    for number in range(30):
        assert journal.has_room(100)
        journal.append(EVENT, b"%100d" % number)

    journal.release(journal.end)

    assert len(list(tmp_path.glob("*.journal"))) == 1
    assert journal.is_drained
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_rotating_leaves_nothing_of_the_past_on_the_disk(tmp_path: Path, journal: Journal) -> None:
    """What was journalled before consent was withdrawn must not stay."""
    journal.append(EVENT, b"the-secret")
    journal.release(journal.end)

    journal.rotate()
    journal.append(EVENT, b"harmless")

    assert all(b"secret" not in path.read_bytes() for path in tmp_path.iterdir())
    assert bodies(journal) == [b"harmless"]


def test_a_record_that_is_too_large_is_refused(journal: Journal) -> None:
    assert not journal.has_room(journal_module.SEGMENT_BYTES)
    assert not journal.append(EVENT, bytes(journal_module.SEGMENT_BYTES))
    assert journal.append(EVENT, b"one")
    assert bodies(journal) == [b"one"]


@pytest.mark.parametrize("torn_bytes", [*range(1, 12), 20, 25, 31, 36])
def test_a_torn_record_ends_the_journal_and_harms_nothing_before_it(
    tmp_path: Path, journal: Journal, torn_bytes: int
) -> None:
    """A power cut, or a kill in the middle of a copy: zeros are where the record's end would be."""
    journal.append(EVENT, event(b"whole"))
    journal.append(EVENT, event(b"torn-record"))
    (path,) = tmp_path.glob("*.journal")
    end = journal.end & 0xFFFFFFFF
    die(journal)
    content = bytearray(path.read_bytes())
    content[end - torn_bytes : end] = bytes(torn_bytes)
    path.write_bytes(content)

    (left,) = adopt(tmp_path)

    assert [record.body for record in left.records()] == [event(b"whole")]
    left.discard()


def test_zeros_in_the_middle_of_a_record_end_the_journal(tmp_path: Path, journal: Journal) -> None:
    """A power cut: a sector was not written, the ones around it were."""
    journal.append(EVENT, event(b"whole"))
    journal.append(EVENT, event(b"t" * 2000))
    journal.append(EVENT, event(b"after"))
    (path,) = tmp_path.glob("*.journal")
    die(journal)
    content = bytearray(path.read_bytes())
    content[512:1024] = bytes(512)
    path.write_bytes(content)

    (left,) = adopt(tmp_path)

    assert [record.body for record in left.records()] == [event(b"whole")]
    left.discard()


def test_what_was_released_is_known_to_whoever_adopts(tmp_path: Path, journal: Journal) -> None:
    """Delivered straight from the journal: the event store has never heard of it."""
    journal.append(EVENT, event(b"delivered"))
    released = journal.end
    journal.append(EVENT, event(b"waiting"))
    journal.release(released)
    die(journal)

    (left,) = adopt(tmp_path)

    assert left.released() == released
    assert [r.body for r in left.records() if r.end > left.released()] == [event(b"waiting")]
    left.discard()


@pytest.mark.parametrize("content", [b"", b"WOJ1", b"\xff" * 5000, b"WOJ1" + b"\xff" * 5000])
def test_a_file_that_is_no_journal_has_no_records(
    tmp_path: Path, journal: Journal, content: bytes
) -> None:
    (path,) = tmp_path.glob("*.journal")
    die(journal)
    path.write_bytes(content)

    (left,) = adopt(tmp_path)

    assert list(left.records()) == []
    left.discard()


def test_of_two_adopters_at_once_one_gets_the_journal(tmp_path: Path, journal: Journal) -> None:
    journal.append(EVENT, b"one")
    die(journal)
    barrier = threading.Barrier(8)
    found: list[LeftBehind] = []

    def look() -> None:
        barrier.wait()
        found.extend(adopt(tmp_path))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (left,) = found
    assert [record.body for record in left.records()] == [b"one"]
    left.discard()


def test_a_journal_that_is_being_made_cannot_be_adopted(tmp_path: Path) -> None:
    """Adopted before it is locked, it would be in memory for good, without anybody knowing."""
    is_over = threading.Event()

    def look() -> None:
        while not is_over.is_set():
            for left in adopt(tmp_path):
                left.discard()

    looking = [threading.Thread(target=look) for _ in range(2)]
    for thread in looking:
        thread.start()
    try:
        for number in range(300):
            journal = Journal(tmp_path, "app", f"{number:x}")
            assert journal.on_disk
            journal.close()
    finally:
        is_over.set()
        for thread in looking:
            thread.join()


def test_without_a_folder_it_works_in_memory() -> None:
    journal = Journal(None, "app", "aa")

    journal.append(EVENT, b"one")

    assert bodies(journal) == [b"one"]
    assert not journal.on_disk
    journal.close()


class JournalMachine(RuleBasedStateMachine):
    """A journal behaves like a list that is read from the front, through any number of crashes."""

    def __init__(self) -> None:
        super().__init__()
        self._patches = pytest.MonkeyPatch()
        self._patches.setattr(journal_module, "SEGMENT_BYTES", SMALL_SEGMENT)
        self._patches.setattr(journal_module, "MAX_RECORD_BYTES", SMALL_SEGMENT // 2)
        self.folder = Path(tempfile.mkdtemp())
        self.instance = 0
        self.model: list[bytes] = []
        self.ends: list[int] = []
        self.position = 0
        self.journal = self.new_journal()

    def new_journal(self) -> Journal:
        self.instance += 1
        return Journal(self.folder, "app", f"{self.instance:x}")

    @rule(
        numbers=st.binary(min_size=20, max_size=20),
        text=st.binary(min_size=1, max_size=300).filter(lambda text: 0 not in text),
    )
    def append(self, numbers: bytes, text: bytes) -> None:
        body = numbers + text
        if not self.journal.has_room(len(body)):
            assert len(list(self.folder.glob("*.journal"))) >= journal_module.MAX_SEGMENTS
            return
        assert self.journal.append(EVENT, body)
        self.model.append(body)
        self.ends.append(self.journal.end)

    @rule(limit=st.integers(1, 20))
    def read_and_release(self, limit: int) -> None:
        records = self.journal.read(limit, after=self.position)

        assert [body for _, _, body in records] == self.model[:limit]
        assert [end for end, _, _ in records] == self.ends[:limit]
        if records:
            self.position = records[-1][0]
            self.journal.release(self.position)
            del self.model[: len(records)], self.ends[: len(records)]

    @rule()
    def prepare(self) -> None:
        self.journal.prepare()

    @precondition(lambda self: not self.model)
    @rule()
    def rotate(self) -> None:
        self.journal.rotate()
        self.position = self.journal.end

    @rule(torn=st.integers(0, 3))
    def crash_and_adopt(self, torn: int) -> None:
        """The next process moves what was not released, but for what was torn, to its own."""
        current = self.journal.end
        die(self.journal)
        if torn and self.model and self.ends[-1] == current:
            path = max(
                self.folder.glob("*.journal"), key=lambda found: self.number_of(found, current)
            )
            content = bytearray(path.read_bytes())
            end = current & 0xFFFFFFFF
            content[end - 1] = 0
            path.write_bytes(content)
            self.model.pop()
            self.ends.pop()
        (left,) = adopt(self.folder)
        records = [record for record in left.records() if record.end > left.released()]
        left.discard()

        assert [record.body for record in records] == self.model
        self.journal = self.new_journal()
        self.position = 0
        self.ends = []
        for record in records:
            assert self.journal.has_room(len(record.body))
            self.journal.append(EVENT, record.body)
            self.ends.append(self.journal.end)

    @staticmethod
    def number_of(path: Path, position: int) -> bool:
        return int(path.name.rsplit(".", 2)[-2]) == position >> 32

    @invariant()
    def no_more_files_than_needed(self) -> None:
        assert len(list(self.folder.glob("*.lock"))) == 1

    def teardown(self) -> None:
        self.journal.close()
        shutil.rmtree(self.folder)
        self._patches.undo()


TestJournalMachine = JournalMachine.TestCase
TestJournalMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_journals_of_several_dead_processes_are_taken_up_in_the_order_of_their_beginning(
    tmp_path: Path,
) -> None:
    """Their names are random: by name, events of a later process would be sent first."""
    for age, instance in enumerate(["cc", "aa", "bb"]):
        dying = Journal(tmp_path, "app", instance)
        dying.append(EVENT, event(b"e"))
        die(dying)
        os.utime(tmp_path / f"app.{instance}.lock", ns=(age, age))

    left = adopt(tmp_path)

    assert [journal.instance for journal in left] == ["cc", "aa", "bb"]
    for journal in left:
        journal.discard()
