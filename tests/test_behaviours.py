"""What the tests of the official pipeline verify: each behaviour has a test that names it.

The ids are those of the reference, section 5: BC of the collector, BE of enrich, BM of Micro, BS of
the analytics SDK and the lake. A test names them in its name or in its docstring.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
BEHAVIOURS = {"BC": 47, "BE": 44, "BM": 10, "BS": 4}
NOT_OURS = {
    "BC26": "partition keys: records have none, since a key would name what belongs together (W24)",
    "BM8": "columns of Micro 4's query API, which is not there: docs/coming-from/micro.md",
    "BM9": "the query API of Micro 4 itself, and its timeline: the same",
    "BM10": "Micro 4's storage in PostgreSQL: events are in the lake; `whiteout load --postgres`",
}
ID = re.compile(r"(?<![A-Za-z0-9])(B[CEMS])([0-9]+)(?![0-9])")


def test_each_behaviour_has_a_test_with_its_id_or_a_reason() -> None:
    tested = {
        f"{kind}{int(number)}"
        for path in HERE.rglob("test_*.py")
        for text in _names_and_docstrings(path)
        for kind, number in ID.findall(text)
    }

    expected = {f"{kind}{n}" for kind, most in BEHAVIOURS.items() for n in range(1, most + 1)}
    assert tested == expected - NOT_OURS.keys()


def _names_and_docstrings(path: Path) -> list[str]:
    return [
        f"{node.name.replace('_', ' ')} {ast.get_docstring(node) or ''}"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
