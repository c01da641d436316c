"""`whiteout erase`, as it is typed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from whiteout.cli import WRONG_USE, run
from whiteout.lake.batch import EVENTS_SCHEMA, FAILED_SCHEMA
from whiteout.lake.place import LakePlace
from whiteout.lake.tables import LakeTable
from whiteout.log import open_log

if TYPE_CHECKING:
    from pathlib import Path

ALICE = "alice-7301@example.org"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder to which nothing has been sent yet."""
    open_log(tmp_path / "log" / "raw", writer=True).close()
    return tmp_path


def test_where_nothing_is_kept_nobody_is_told_that_all_was_erased(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name may be mistyped: a receipt would be believed."""
    assert run(["erase", "--data", str(tmp_path), "--user-id", ALICE, "--yes"]) == WRONG_USE
    assert f"neither a lake in {tmp_path / 'lake'} nor a log" in capsys.readouterr().err
    assert not (tmp_path / "receipts").exists()


def test_erasing_writes_a_receipt_and_says_no_identifier(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(["erase", "--data", str(data), "--user-id", ALICE, "--yes"])

    output = capsys.readouterr()
    (receipt,) = (data / "receipts").iterdir()
    assert status == 0
    assert ALICE not in output.out + output.err + receipt.read_text()
    found = json.loads(receipt.read_text())
    assert found["rows_deleted"] == {"events": 0, "failed_events": 0}
    assert found["not_reached"] == []


def test_what_was_not_reached_is_said_and_stands_in_the_receipt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A loader of Kafka's has no log in its data folder: what is in topics comes in afterwards."""
    for name, schema in (("events", EVENTS_SCHEMA), ("failed_events", FAILED_SCHEMA)):
        LakeTable(LakePlace(str(tmp_path / "lake")), name, schema, durable=False)

    status = run(["erase", "--data", str(tmp_path), "--user-id", ALICE, "--yes"])

    (receipt,) = (tmp_path / "receipts").iterdir()
    (said,) = json.loads(receipt.read_text())["not_reached"]
    assert status == 0
    assert "topics of Kafka" in said
    assert f"not reached: {said}" in capsys.readouterr().out


def test_a_dry_run_leaves_no_receipt(data: Path) -> None:
    assert run(["erase", "--data", str(data), "--user-id", ALICE, "--dry-run"]) == 0
    assert not (data / "receipts").exists()


def test_without_yes_and_without_a_terminal_nothing_is_erased(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["erase", "--data", str(data), "--user-id", ALICE]) == WRONG_USE
    assert "--yes" in capsys.readouterr().err


def test_somebody_must_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["erase", "--data", str(tmp_path), "--yes"]) == WRONG_USE
    assert "--user-id" in capsys.readouterr().err
