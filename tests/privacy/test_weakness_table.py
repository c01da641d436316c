"""The documentation's table of weaknesses: complete, all of them closed, each with a test."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
DOCUMENT = HERE.parent.parent / "docs" / "privacy.md"
ROW = re.compile(r"^\| W(\d+) \| .+ \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"^def (test_\w+)", re.MULTILINE)


def test_the_table_lists_all_weaknesses_once_and_in_order() -> None:
    assert [int(number) for number, _ in ROW.findall(DOCUMENT.read_text())] == list(range(1, 27))


def test_each_weakness_is_closed_and_has_a_test_with_its_id() -> None:
    names = [
        name
        for path in HERE.glob("test_weaknesses_*.py")
        for name in TEST.findall(path.read_text("utf-8"))
    ]
    tested = {int(number) for name in names for number in re.findall(r"_W(\d+)(?=_)", name)}
    states = dict(ROW.findall(DOCUMENT.read_text("utf-8")))

    assert [number for number, state in states.items() if not state.startswith("closed")] == []
    assert tested == set(range(1, 27))
