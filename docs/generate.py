"""Write what the documentation takes from the code.

    python -m docs.generate            # both of the following
    python -m docs.generate --check    # exit status 1 where something would change

Tables, in pages with `<!-- options: NAME -->` or `<!-- members: PLACE -->`: names, types, defaults
and the place where an option can be changed live come from the code. The meaning of an option is
the page's own; a new row starts with the one of its docstring. And the pages of `reference`, from
the docstrings of all public names: made for the site, and not kept under version control.
"""

from __future__ import annotations

import sys
from pathlib import Path

from docs.reference_pages import pages
from docs.tables import with_options

DOCS = Path(__file__).parent


def write_reference(folder: Path) -> None:
    """Write the pages of the reference below a folder of pages."""
    (folder / "reference").mkdir(exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, "utf-8")


def main() -> int:
    """Write, or tell what would be written."""
    is_check = "--check" in sys.argv[1:]
    stale = []
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text("utf-8")
        if with_options(text) != text:
            stale.append(page)
            if not is_check:
                page.write_text(with_options(text), "utf-8")
    if not is_check:
        write_reference(DOCS)
    for page in stale:
        print(f"{page.relative_to(DOCS.parent)}: {'is not' if is_check else 'is now'} up to date")
    return 1 if is_check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
