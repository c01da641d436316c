"""Records changed where they stand, whatever is interrupted when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from whiteout.errors import LogError
from whiteout.log import open_log, rewriting
from whiteout.log.rewriting import count, is_erased, rewrite

if TYPE_CHECKING:
    from pathlib import Path


def blank_b(record: bytes) -> bytes | None:
    return bytes(len(record)) if record.startswith(b"b") else None


def test_a_changed_record_leaves_all_others_where_they_are(tmp_path: Path) -> None:
    with_writer = open_log(tmp_path / "log", writer=True)
    with_writer.append([b"a1", b"b22", b"c333", b"b4"])

    changed = rewrite(tmp_path / "log", blank_b, until=3)
    with_writer.append([b"d"])

    records = with_writer.read(0, max_records=10, max_bytes=1000)
    assert changed == 1
    assert [record for _, record in records] == [b"a1", b"\0\0\0", b"c333", b"b4", b"d"]
    assert count(tmp_path / "log", blank_b, until=5) == 1
    with_writer.close()


def test_what_was_interrupted_is_finished_by_the_next_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of a record was changed: without the plan it would look like the torn end of the log."""
    log = open_log(tmp_path / "log", writer=True)
    log.append([b"a1", b"b22", b"c333"])
    log.close()
    apply = rewriting._apply

    def die(directory: Path, edits: object) -> None:
        (segment,) = directory.glob("*.segment")
        data = bytearray(segment.read_bytes())
        data[data.index(b"b22")] = 0
        segment.write_bytes(data)
        raise KeyboardInterrupt

    monkeypatch.setattr(rewriting, "_apply", die)
    with pytest.raises(KeyboardInterrupt):
        rewrite(tmp_path / "log", blank_b, until=3)
    monkeypatch.setattr(rewriting, "_apply", apply)

    log = open_log(tmp_path / "log", writer=True)

    records = [record for _, record in log.read(0, max_records=10, max_bytes=1000)]
    log.close()
    assert records[0] == b"a1"
    assert is_erased(records[1])
    assert records[2] == b"c333"
    assert not (tmp_path / "log" / "rewriting").exists()


def test_a_record_may_not_change_its_length(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log", writer=True)
    log.append([b"b1"])
    log.close()

    with pytest.raises(LogError, match="length"):
        rewrite(tmp_path / "log", lambda _: b"x", until=1)
