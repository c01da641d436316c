"""The documentation's table of leaks: complete, and each that is called closed has a test."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
DOCUMENT = HERE.parent.parent / "docs" / "privacy.md"
ROW = re.compile(r"^\| L(\d+) \| .+ \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"^def (test_\w+)", re.MULTILINE)


def test_the_table_lists_all_leaks_once_and_in_order() -> None:
    assert [int(number) for number, _ in ROW.findall(DOCUMENT.read_text())] == list(range(1, 39))


def test_each_leak_that_is_called_closed_has_a_test_with_its_id() -> None:
    """One that is open by default, and says what closes it, has a test of that."""
    names = [
        name for path in HERE.glob("test_*.py") for name in TEST.findall(path.read_text("utf-8"))
    ]
    tested = {int(number) for name in names for number in re.findall(r"_L(\d+)(?=_)", name)}
    closed = {
        int(number)
        for number, state in ROW.findall(DOCUMENT.read_text("utf-8"))
        if state.startswith(("closed", "open by default"))
    }

    assert tested == closed


def test_no_leak_that_the_defaults_leave_open_is_called_closed() -> None:
    """Whoever reads only the first word is to know what holds without any option."""
    states = {int(number): state for number, state in ROW.findall(DOCUMENT.read_text("utf-8"))}

    assert {number for number, state in states.items() if not state.startswith("closed")} == {
        17,  # the platform entity
        37,  # sessions of an anonymous user
        38,  # times to the millisecond
    }
