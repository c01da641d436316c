"""Check the types of the Python that the pages show.

    python -m docs.block_types

Each page is one program for mypy, with the lines that it has in the page. What is None only under
other options than the page's (`tracker.session`) need not be asked for there, and functions need no
annotations.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.pages import PAGES, REPOSITORY, blocks_of, page_id

OPTIONS = (
    *("--no-strict-optional", "--check-untyped-defs", "--ignore-missing-imports"),
    *("--disable-error-code", "no-redef"),  # later blocks may begin anew
)


def source_of(page: Path) -> str:
    """The Python of a page, each line where it stands there."""
    source = ""
    for block in blocks_of(page):
        if block.language == "python" and not block.file:
            source += "\n" * (block.line - source.count("\n")) + block.source
    return source


def main() -> int:
    """Check all of them; the exit status is mypy's."""
    with tempfile.TemporaryDirectory() as folder:
        for page in PAGES:
            name = page_id(page).removesuffix(".md").replace("/", "_").replace("-", "_")
            Path(folder, f"{name}.py").write_text(source_of(page), "utf-8")
        command = [sys.executable, "-m", "mypy", "--config-file", "", *OPTIONS]
        command += ["--cache-dir", str(REPOSITORY / ".mypy_cache"), folder]
        done = subprocess.run(command, check=False, cwd=REPOSITORY / "src")  # noqa: S603 - ours
        return done.returncode


if __name__ == "__main__":
    sys.exit(main())
