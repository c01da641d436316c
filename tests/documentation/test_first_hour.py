"""The README, followed to the letter: from the start of the pipeline to the first event in it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.support.pages import REPOSITORY, Block, blocks_of
from tests.support.pipeline import Pipeline

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PATIENCE_S = 20
_LOCAL = "http://127.0.0.1:9090"


def block(language: str, part: str) -> Block:
    """The README's first block of a language that has `part` in it."""
    blocks = blocks_of(REPOSITORY / "README.md")
    return next(one for one in blocks if one.language == language and part in one.source)


def run(words: list[str], folder: Path, environment: Mapping[str, str]) -> str:
    """What a command prints."""
    done = subprocess.run(
        [sys.executable, "-P", *words],
        cwd=folder,
        env=dict(environment),
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout


def lines_of(text: str) -> list[str]:
    """The lines of a table, whatever the order of its rows and the width of its last column."""
    return sorted(line.rstrip() for line in text.splitlines())


def test_the_readme_leads_to_an_anonymous_event_in_the_lake(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path / "share"),
        "LOCALAPPDATA": str(tmp_path / "share"),
        "WHITEOUT_DATA": str(tmp_path / "data"),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    query = next(
        shlex.split(line)
        for line in block("sh", "whiteout query").source.splitlines()
        if "whiteout query" in line
    )
    shown = block("text", "user_ipaddress").source
    with Pipeline(tmp_path / "data", environment=environment) as pipeline:
        program = block("python", "whiteout").source.replace(_LOCAL, pipeline.url)
        (tmp_path / "first.py").write_text(program, "utf-8")

        printed = run(["first.py"], tmp_path, environment)

        assert printed == block("output", "delivered").source
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            found = run(["-m", "whiteout.cli", *query[1:]], tmp_path, environment)
            if lines_of(found) == lines_of(shown) or time.monotonic() > deadline:
                break
        listed = run(["-m", "whiteout.cli", "events"], tmp_path, environment)

    assert lines_of(found) == lines_of(shown)
    assert "ada@example.com" in program
    assert "ada@" not in found + listed
    assert "screen_view" in listed
