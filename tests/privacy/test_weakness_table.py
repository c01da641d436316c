"""The documentation's table of weaknesses: complete, and each that is called closed has a test."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
DOCUMENT = HERE.parent.parent / "docs" / "privacy.md"
ROW = re.compile(r"^\| W(\d+) \| .+ \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"^def (test_\w+)", re.MULTILINE)


def test_the_table_lists_all_weaknesses_once_and_in_order() -> None:
    assert [int(number) for number, _ in ROW.findall(DOCUMENT.read_text())] == list(range(1, 27))


def test_each_weakness_that_is_called_closed_has_a_test_with_its_id() -> None:
    names = [
        name
        for path in HERE.glob("test_weaknesses_*.py")
        for name in TEST.findall(path.read_text("utf-8"))
    ]
    tested = {int(number) for name in names for number in re.findall(r"_W(\d+)(?=_)", name)}
    closed = {
        int(number)
        for number, state in ROW.findall(DOCUMENT.read_text("utf-8"))
        if state.startswith("closed")
    }

    assert closed - tested == set()
