"""The behaviours of the official collector, BC1 to BC47: each has a test that names it."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
TEST = re.compile(r"^def (test_\w+)", re.MULTILINE)
# The address as partition key: records have no key here, since a key would be an identifier (W24).
NOT_OURS = {26}


def test_each_behaviour_has_a_test_with_its_id() -> None:
    names = [
        name for path in HERE.glob("test_*.py") for name in TEST.findall(path.read_text("utf-8"))
    ]

    tested = {int(number) for name in names for number in re.findall(r"_BC(\d+)(?=_|$)", name)}

    assert tested == set(range(1, 48)) - NOT_OURS
