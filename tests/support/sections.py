"""Parts of the documentation's pages: sections and tables."""

from __future__ import annotations

import re

from tests.support.pages import REPOSITORY


def section(document: str, heading: str) -> str:
    """The text below a heading, up to the next of its rank or above."""
    text = (REPOSITORY / document).read_text("utf-8")
    found = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert found is not None, f"{document} has no heading {heading!r}"
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(text: str) -> list[list[str]]:
    """The cells of the tables' rows, without their heads."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| `")
    ]
