"""The durable log, against real files, real processes and a model."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from whiteout.errors import ConfigurationError, LogError
from whiteout.log import Log, open_log
from whiteout.log.segment_log import SegmentLog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

EVERYTHING = {"max_records": 1_000_000, "max_bytes": 1_000_000_000}


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Log]:
    log = open_log(tmp_path / "raw", writer=True)
    yield log
    log.close()


def _numbered(*records: bytes, start: int = 0) -> list[tuple[int, bytes]]:
    return list(enumerate(records, start))


def test_records_come_back_in_order_with_their_offsets(writer: Log) -> None:
    assert writer.append([b"a", b"", b"c"]) == 0
    assert writer.append([b"d"]) == 3
    assert writer.append([]) == 4

    assert writer.read(0, **EVERYTHING) == _numbered(b"a", b"", b"c", b"d")
    assert writer.read(2, **EVERYTHING) == [(2, b"c"), (3, b"d")]
    assert writer.read(4, **EVERYTHING) == []
    assert writer.end_offset() == 4


@pytest.mark.parametrize("count", [511, 512, 513, 2000])
def test_a_group_of_any_size_is_written_whole(writer: Log, count: int) -> None:
    """The system takes 1024 parts in one call; a record has two."""
    records = [b"%d" % number for number in range(count)]

    assert writer.append(records) == 0
    assert writer.append([b"last"]) == count
    assert writer.read(0, max_records=count + 1, max_bytes=1_000_000) == [
        *enumerate(records),
        (count, b"last"),
    ]


def test_a_read_stops_at_the_limits_but_always_moves_on(writer: Log) -> None:
    writer.append([b"x" * 10, b"y" * 10, b"z" * 3_000_000, b"w"])

    assert [o for o, _ in writer.read(0, max_records=1, max_bytes=1000)] == [0]
    assert [o for o, _ in writer.read(0, max_records=9, max_bytes=20)] == [0, 1]
    assert [o for o, _ in writer.read(0, max_records=9, max_bytes=19)] == [0]
    assert [o for o, _ in writer.read(1, max_records=9, max_bytes=1000)] == [1]
    assert [o for o, _ in writer.read(2, max_records=9, max_bytes=1)] == [2]
    assert [o for o, _ in writer.read(3, max_records=9, max_bytes=1)] == [3]


def test_a_reader_in_another_process_sees_new_records(writer: Log, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from whiteout.log import open_log\n"
        "log = open_log(pathlib.Path(sys.argv[1]), writer=False); offset = 0\n"
        "for _ in sys.stdin:\n"
        "    for offset_, record in log.read(offset, max_records=100, max_bytes=10**6):\n"
        "        offset = offset_ + 1; log.commit('lake', offset)\n"
        "        print(offset_, record.decode(), flush=True)\n"
    )
    reader = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "raw")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdin is not None
    assert reader.stdout is not None
    for number in range(3):
        writer.append([f"record{number}".encode()])
        reader.stdin.write("go\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == f"{number} record{number}\n"
    reader.stdin.close()
    assert reader.wait(10) == 0
    reader.stdout.close()

    assert writer.committed("lake") == 3


def test_a_reader_may_come_before_the_writer(tmp_path: Path) -> None:
    reader = open_log(tmp_path / "raw", writer=False)
    assert reader.end_offset() == 0
    assert reader.read(0, **EVERYTHING) == []

    writer = open_log(tmp_path / "raw", writer=True)
    writer.append([b"a"])

    assert reader.read(0, **EVERYTHING) == [(0, b"a")]
    writer.close()
    reader.close()


def test_there_is_one_writer(tmp_path: Path, writer: Log) -> None:
    with pytest.raises(LogError, match="already has a writer"):
        open_log(tmp_path / "raw", writer=True)

    writer.close()
    writer.close()
    with pytest.raises(LogError, match="closed"):
        writer.append([b"a"])
    open_log(tmp_path / "raw", writer=True).close()


def test_a_reader_cannot_append(tmp_path: Path) -> None:
    reader = open_log(tmp_path / "raw", writer=False)
    with pytest.raises(LogError, match="for reading"):
        reader.append([b"a"])
    reader.close()


def test_what_a_power_loss_took_from_a_middle_segment_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = SegmentLog(tmp_path, writer=True, sync=False, segment_bytes=20)
    log.append([b"a" * 10, b"b" * 10])
    log.append([b"c"])
    first = min(tmp_path.glob("*.segment"))
    first.write_bytes(first.read_bytes().replace(b"b" * 10, b"\0" * 10))

    assert log.read(0, **EVERYTHING) == [(0, b"a" * 10)]
    assert log.read(1, **EVERYTHING) == [(2, b"c")]
    assert "records 1 to 1 are lost" in caplog.text
    log.close()


def test_wrong_arguments_are_named(writer: Log, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="durability must be 'disk' or 'process'"):
        open_log(tmp_path, writer=True, durability="ram")  # type: ignore[arg-type]  # the test
    with pytest.raises(ConfigurationError, match="consumer must be"):
        writer.commit("../../etc/passwd", 0)
    with pytest.raises(ConfigurationError, match="offset must be 0 to 0"):
        writer.commit("lake", 1)
    with pytest.raises(ConfigurationError, match="read needs"):
        writer.read(0, max_records=0, max_bytes=1)


def test_only_the_owner_may_read_the_files(writer: Log, tmp_path: Path) -> None:
    writer.append([b"a"])
    writer.commit("lake", 1)

    for path in [tmp_path / "raw", *(tmp_path / "raw").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_committed_offsets_survive_a_restart_and_are_each_consumers_own(tmp_path: Path) -> None:
    log = open_log(tmp_path / "raw", writer=True)
    log.append([b"a", b"b", b"c"])
    log.commit("lake", 3)
    log.commit("audit", 1)
    log.close()

    again = open_log(tmp_path / "raw", writer=False)

    assert (again.committed("lake"), again.committed("audit"), again.committed("new")) == (3, 1, 0)
    again.close()


def test_trim_drops_what_every_consumer_has_committed(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, writer=True, segment_bytes=20)
    for number in range(6):
        log.append([b"%d" % number * 12])  # one record fills a segment
    log.trim()
    assert [o for o, _ in log.read(0, **EVERYTHING)] == [0, 1, 2, 3, 4, 5]  # nobody has committed

    log.commit("lake", 4)
    log.commit("audit", 2)
    log.trim()
    assert [o for o, _ in log.read(0, **EVERYTHING)] == [2, 3, 4, 5]
    assert [o for o, _ in log.read(1, max_records=1, max_bytes=1)] == [2]

    log.commit("audit", 6)
    log.trim()
    assert [o for o, _ in log.read(0, **EVERYTHING)] == [4, 5]
    log.close()


def test_nothing_stays_at_rest_once_all_is_committed_and_offsets_go_on(tmp_path: Path) -> None:
    log = open_log(tmp_path / "raw", writer=True)
    log.append([b"secret", b"secret"])
    log.commit("lake", 2)
    log.trim()

    at_rest = b"".join(p.read_bytes() for p in (tmp_path / "raw").rglob("*") if p.is_file())
    assert b"secret" not in at_rest
    log.close()

    again = open_log(tmp_path / "raw", writer=True)
    assert again.append([b"next"]) == 2
    assert again.read(0, **EVERYTHING) == [(2, b"next")]
    again.close()


def test_a_reader_is_not_disturbed_by_a_trim(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, writer=True, segment_bytes=20)
    reader = open_log(tmp_path, writer=False)
    log.append([b"a" * 30])
    assert reader.read(0, **EVERYTHING) == [(0, b"a" * 30)]
    log.append([b"b" * 30])
    log.append([b"c" * 30])
    log.commit("other", 3)
    log.trim()

    assert [o for o, _ in reader.read(1, **EVERYTHING)] in ([1, 2], [2], [])
    log.append([b"d"])
    assert reader.read(3, **EVERYTHING) == [(3, b"d")]
    log.close()
    reader.close()


@pytest.mark.parametrize("cut", [1, 5, 8, 9, 60])
def test_a_torn_tail_is_cut_off_by_the_next_writer(tmp_path: Path, cut: int) -> None:
    log = open_log(tmp_path / "raw", writer=True, durability="process")
    log.append([b"a" * 50, b"b" * 50])
    log.close()
    (segment,) = (tmp_path / "raw").glob("*.segment")
    os.truncate(segment, segment.stat().st_size - cut)

    again = open_log(tmp_path / "raw", writer=True)
    first = again.append([b"c"])

    # What was lost had an offset; it is not given again.
    assert first == 2
    kept = again.read(0, **EVERYTHING)
    assert kept == ([(0, b"a" * 50)] if cut < 59 else []) + [(2, b"c")]
    again.close()


def test_a_new_segment_is_not_truncated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ext4 would write all of it out as it is closed, and the append that does so would wait."""
    truncated: list[int] = []
    monkeypatch.setattr(os, "ftruncate", lambda _, size: truncated.append(size))
    log = SegmentLog(tmp_path, writer=True, segment_bytes=100)
    for _ in range(10):
        log.append([b"x" * 50])
    log.close()

    assert len(list(tmp_path.glob("*.segment"))) > 1
    assert truncated == []


def test_garbage_and_zeros_behind_the_last_record_are_cut_off(tmp_path: Path) -> None:
    for garbage in (b"\0" * 4096, os.urandom(4096), b"\0\0\0\5\1\2\3\4hello"):
        directory = tmp_path / str(len(garbage)) / garbage[:1].hex()
        log = open_log(directory, writer=True)
        log.append([b"a"])
        log.close()
        (segment,) = directory.glob("*.segment")
        with segment.open("ab") as file:
            file.write(garbage)

        again = open_log(directory, writer=True)

        assert again.append([b"b"]) == 1
        assert again.read(0, **EVERYTHING) == [(0, b"a"), (1, b"b")]
        again.close()


def test_records_written_but_not_yet_published_are_kept_by_the_next_writer(tmp_path: Path) -> None:
    log = open_log(tmp_path / "raw", writer=True)
    log.append([b"a"])
    end = (tmp_path / "raw" / "end").read_bytes()
    log.append([b"b"])
    log.close()
    (tmp_path / "raw" / "end").write_bytes(end)  # as if killed between the write and this
    reader = open_log(tmp_path / "raw", writer=False)
    assert reader.read(0, **EVERYTHING) == [(0, b"a")]

    again = open_log(tmp_path / "raw", writer=True)

    assert reader.read(0, **EVERYTHING) == [(0, b"a"), (1, b"b")]
    again.close()
    reader.close()


def test_a_damaged_record_is_never_returned(tmp_path: Path) -> None:
    log = open_log(tmp_path / "raw", writer=True)
    log.append([b"aaaa", b"bbbb", b"cccc"])
    (segment,) = (tmp_path / "raw").glob("*.segment")
    data = segment.read_bytes().replace(b"bbbb", b"bxbb")
    segment.write_bytes(data)

    assert log.read(0, **EVERYTHING) == [(0, b"aaaa")]
    with pytest.raises(LogError, match="record 1 of the log is damaged"):
        log.read(1, **EVERYTHING)
    log.close()


def test_no_offset_is_given_twice_even_where_the_files_behind_it_are_lost(tmp_path: Path) -> None:
    log = open_log(tmp_path / "raw", writer=True)
    log.append([b"a"] * 7)
    log.commit("lake", 7)
    log.close()
    for lost in [*(tmp_path / "raw").glob("*.segment"), tmp_path / "raw" / "end"]:
        lost.unlink()

    again = open_log(tmp_path / "raw", writer=True)

    assert again.append([b"b"]) == 7
    again.close()


def _file_size_limit(limit: int) -> AbstractContextManager[None]:
    """The system's own limit: writes beyond it come back short, then fail, as on a full disk."""
    from contextlib import contextmanager  # noqa: PLC0415 - used here only

    @contextmanager
    def limited() -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, previous)

    return limited()


@pytest.mark.parametrize("durability", ["disk", "process"])
def test_a_full_disk_fails_the_append_and_nothing_else(tmp_path: Path, durability: str) -> None:
    log = open_log(tmp_path / "raw", writer=True, durability=durability)  # type: ignore[arg-type]  # one of the two
    log.append([b"a" * 100])
    with _file_size_limit(200), pytest.raises(LogError, match="cannot append"):
        log.append([b"b" * 50, b"c" * 100])

    assert log.end_offset() == 1
    assert log.read(0, **EVERYTHING) == [(0, b"a" * 100)]
    (segment,) = (tmp_path / "raw").glob("*.segment")
    assert segment.stat().st_size == 108  # the part that was written is gone
    assert log.append([b"d"]) == 1
    assert log.read(1, **EVERYTHING) == [(1, b"d")]
    log.close()


def test_a_directory_that_cannot_be_used_is_a_log_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LogError, match="cannot open the log"):
        open_log(tmp_path / "file" / "raw", writer=True)


def test_what_append_returned_for_survives_kill_9(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from whiteout.log import open_log\n"
        "log = open_log(pathlib.Path(sys.argv[1]), writer=True, durability=sys.argv[2])\n"
        "number = log.end_offset()\n"
        "while True:\n"
        "    first = log.append([b'%d' % (number + i) + b'x' * 1500 for i in range(7)])\n"
        "    number += 7\n"
        "    print(first + 6, flush=True)\n"
    )
    for durability in ("disk", "process", "disk"):
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "raw"), durability],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(40)]
        child.kill()
        lines += child.stdout.read().splitlines()
        child.wait(10)
        child.stdout.close()
        acknowledged = int(next(line for line in reversed(lines) if line.strip()))

        log = open_log(tmp_path / "raw", writer=True)
        records = log.read(0, **EVERYTHING)
        log.close()
        assert len(records) > acknowledged
        assert all(r == b"%d" % o + b"x" * 1500 for o, r in records)
        assert [o for o, _ in records] == list(range(len(records)))


class LogMachine(RuleBasedStateMachine):
    """Whatever is done, the log is a list whose start may be missing."""

    @initialize(segment_bytes=st.integers(1, 200))
    def start(self, segment_bytes: int) -> None:
        import tempfile  # noqa: PLC0415 - fixtures do not reach state machines

        self.folder = tempfile.TemporaryDirectory()
        self.segment_bytes = segment_bytes
        self.model: list[bytes] = []
        self.kept = 0
        self.commits: dict[str, int] = {}
        self.open()
        self.reader = open_log(Path(self.folder.name), writer=False)

    def open(self) -> None:
        self.log = SegmentLog(
            Path(self.folder.name), writer=True, sync=False, segment_bytes=self.segment_bytes
        )

    @rule(records=st.lists(st.binary(max_size=60), max_size=5))
    def append(self, records: list[bytes]) -> None:
        assert self.log.append(records) == len(self.model)
        self.model += records

    @rule(consumer=st.sampled_from(["lake", "audit"]), data=st.data())
    def commit(self, consumer: str, data: st.DataObject) -> None:
        offset = data.draw(st.integers(self.commits.get(consumer, 0), len(self.model)))
        self.log.commit(consumer, offset)
        self.commits[consumer] = offset

    @rule(by_reader=st.booleans())
    def trim(self, *, by_reader: bool) -> None:
        (self.reader if by_reader else self.log).trim()
        # A consumer that comes late does not bring back what is gone.
        self.kept = max(self.kept, min(self.commits.values(), default=0))

    @rule()
    def restart(self) -> None:
        self.log.close()
        self.open()

    @rule(torn=st.binary(min_size=1, max_size=40))
    def crash(self, torn: bytes) -> None:
        self.log.close()
        last = max(Path(self.folder.name).glob("*.segment"))
        with last.open("ab") as file:
            file.write(b"\0\0\0\x29" + torn)  # promises 41 bytes, at most 36 follow
        self.open()

    @rule(data=st.data(), by_reader=st.booleans(), limit=st.integers(1, 200))
    def read(self, data: st.DataObject, *, by_reader: bool, limit: int) -> None:
        log = self.reader if by_reader else self.log
        offset = data.draw(st.integers(0, len(self.model)))
        records = log.read(offset, max_records=limit, max_bytes=limit)
        if records:
            first = records[0][0]
            assert offset <= first <= max(offset, self.kept)
            assert records == _numbered(*self.model, start=0)[first : first + len(records)]
            assert len(records) == 1 or sum(len(r) for _, r in records) <= limit
        else:
            assert max(offset, self.kept) == len(self.model)

    @invariant()
    def nothing_needed_is_missing(self) -> None:
        if hasattr(self, "log"):
            assert self.log.end_offset() == self.reader.end_offset() == len(self.model)
            everything = []
            offset = self.kept
            while batch := self.reader.read(offset, max_records=7, max_bytes=150):
                everything += batch
                offset = batch[-1][0] + 1
            assert everything == _numbered(*self.model)[self.kept :]

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.log.close()
            self.reader.close()
            self.folder.cleanup()


LogMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestLogMachine = LogMachine.TestCase
