"""`whiteout erase`, as it is typed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from whiteout.cli import WRONG_USE, run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

ALICE = "alice-7301@example.org"


def test_erasing_writes_a_receipt_and_says_no_identifier(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(["erase", "--data", str(tmp_path), "--user-id", ALICE, "--yes"])

    output = capsys.readouterr()
    (receipt,) = (tmp_path / "receipts").iterdir()
    assert status == 0
    assert ALICE not in output.out + output.err + receipt.read_text()
    assert json.loads(receipt.read_text())["rows_deleted"] == {"events": 0, "failed_events": 0}


def test_a_dry_run_leaves_no_receipt(tmp_path: Path) -> None:
    assert run(["erase", "--data", str(tmp_path), "--user-id", ALICE, "--dry-run"]) == 0
    assert not (tmp_path / "receipts").exists()


def test_without_yes_and_without_a_terminal_nothing_is_erased(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["erase", "--data", str(tmp_path), "--user-id", ALICE]) == WRONG_USE
    assert "--yes" in capsys.readouterr().err


def test_somebody_must_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["erase", "--data", str(tmp_path), "--yes"]) == WRONG_USE
    assert "--user-id" in capsys.readouterr().err
