"""The pages of the documentation, and what is shown in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sybil.document import Document
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

REPOSITORY = Path(__file__).parents[2]
GENERATED = REPOSITORY / "docs/reference"
PAGES = sorted(
    page
    for page in (*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"))
    if GENERATED not in page.parents
)
WRITTEN = {"first.py", "shop.py", "test_shop.py"}
"""Files that a page tells its reader to write."""

_NAMED = re.compile(r"# ([\w./-]+\.\w+)\n")

_FENCES = FencedCodeBlockLexer(
    language=r"\w+", mapping={"language": "language", "source": "source"}
)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        language: the word behind the fence.
        source: what is inside.
        line: how many lines of the page stand before `source`.
    """

    language: str
    source: str
    line: int

    @property
    def file(self) -> str | None:
        """The file that the block is, where its first line names one: `# test_shop.py`."""
        named = _NAMED.match(self.source)
        return named[1] if named else None


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, from top to bottom."""
    text = page.read_text("utf-8")
    return [
        Block(
            language=region.lexemes["language"],
            source=str(region.lexemes["source"]),
            line=text.count("\n", 0, region.start) + 1,
        )
        for region in _FENCES(Document(text, str(page)))
    ]


def page_id(page: Path) -> str:
    """How a page is called in the names of tests."""
    return page.relative_to(REPOSITORY).as_posix()
