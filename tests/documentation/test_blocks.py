"""What the documentation shows, runs: against a real collector, in an empty home folder."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import typer
import yaml
from tests.support.pages import PAGES, REPOSITORY, WRITTEN, Block, blocks_of, page_id
from tests.support.real_collector import RealCollector

import whiteout
from whiteout.cli import application

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACEHOLDERS = ("https://collector.example.com", "http://127.0.0.1:9090")
RUNNER = REPOSITORY / "tests/support/page.py"
KNOWN = {"python", "py", "output", "sh", "text", "toml", "json"}  # py: of another library


def languages(page: Path) -> set[str]:
    return {block.language for block in blocks_of(page)}


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCollector]:
    with RealCollector(tmp_path_factory.mktemp("collector")) as running:
        yield running


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_each_block_says_what_it_is(page: Path) -> None:
    """A block without a language would be neither highlighted nor checked."""
    fences = re.findall(r"^ *```", page.read_text("utf-8"), re.MULTILINE)
    blocks = blocks_of(page)

    assert len(fences) == 2 * len(blocks)
    assert {block.language for block in blocks} <= KNOWN


# --- Python ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "python" in languages(page)], ids=page_id
)
def test_the_python_of_a_page_runs_and_prints_what_is_shown(
    page: Path, collector: RealCollector, tmp_path: Path
) -> None:
    """From top to bottom; a block `output` is what the Python block before it prints."""
    blocks = blocks_of(page)
    python = [block for block in blocks if block.language == "python"]
    collector.new_events()  # those of pages before

    done, results = run_page(page, python, collector.url, tmp_path)

    assert [result["failure"] for result in results] == [""] * len(python)
    assert (done.returncode, done.stderr) == (0, "")
    printed = {block: result["printed"] for block, result in zip(python, results, strict=True)}
    for before, block in itertools.pairwise(blocks):
        if block.language == "output":
            assert printed[before] == block.source
    sends = any(address in block.source for block in python for address in PLACEHOLDERS)
    assert bool(collector.new_events()) is sends


def run_page(
    page: Path, blocks: list[Block], url: str, home: Path
) -> tuple[subprocess.CompletedProcess[str], list[dict[str, str]]]:
    """Run blocks in an empty home folder: what a tracker stores by default goes there."""
    order, results = home / "order.json", home / "results.json"
    shown = [{"source": sent_to(url, block.source), "line": block.line} for block in blocks]
    order.write_text(
        json.dumps({"page": str(page), "blocks": shown, "results": str(results)}), "utf-8"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(whiteout.__file__).parent.parent),
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "LOCALAPPDATA": str(home / "data"),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-P", str(RUNNER), str(order)],
        check=False,
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert results.exists(), done.stderr
    return done, json.loads(results.read_text("utf-8"))


def sent_to(url: str, source: str) -> str:
    """A block with the collector's address instead of the pages'."""
    for address in PLACEHOLDERS:
        source = source.replace(address, url)
    return source


def test_a_block_that_fails_or_prints_something_else_is_noticed(tmp_path: Path) -> None:
    """The check itself can fail."""
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n```python\nprint(1)\n```\n\n```python\n1 / 0\n```\n", "utf-8")

    _, results = run_page(page, blocks_of(page), "http://127.0.0.1:9", tmp_path)

    assert results[0] == {"printed": "1\n", "failure": ""}
    assert 'page.md", line 8' in results[1]["failure"]
    assert "ZeroDivisionError" in results[1]["failure"]


# --- other languages -------------------------------------------------------------------------


def shown_data(language: str) -> list[Any]:
    return [
        pytest.param(block, id=f"{page_id(page)}:{block.line}")
        for page in PAGES
        for block in blocks_of(page)
        if block.language == language
    ]


@pytest.mark.parametrize("block", shown_data("json"))
def test_json_that_is_shown_is_json(block: Block) -> None:
    assert json.loads(block.source) is not None


@pytest.mark.parametrize("block", shown_data("toml"))
def test_toml_that_is_shown_is_toml(block: Block) -> None:
    assert tomllib.loads(block.source)


# --- shell -----------------------------------------------------------------------------------

_WrongUse: type[Exception] = typer.BadParameter.__mro__[1]  # typer does not export UsageError
COMMANDS = cast("typer.core.TyperGroup", typer.main.get_command(application())).commands
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
TARGETS = set(
    re.findall(r"^(\w[\w-]*):", (REPOSITORY / "Makefile").read_text("utf-8"), re.MULTILINE)
)


def check_whiteout(words: list[str]) -> None:
    """The arguments parse as the command line would parse them."""
    assert words[0] in COMMANDS
    try:
        COMMANDS[words[0]].make_context(words[0], words[1:])
    except _WrongUse as error:
        raise AssertionError(str(error)) from error


def check_make(words: list[str]) -> None:
    targets = {word for word in words if "=" not in word}
    assert targets
    assert targets <= TARGETS


def check_pip(words: list[str]) -> None:
    assert words[0] == "install"
    requirement = words[-1]
    assert requirement.startswith(".")
    extras = re.findall(r"[\w-]+", requirement)
    assert set(extras) <= set(PROJECT["optional-dependencies"])


def check_python(words: list[str]) -> None:
    script = next(word for word in words if not word.startswith("-"))
    assert script in WRITTEN or (REPOSITORY / script).is_file()


def check_python3(words: list[str]) -> None:
    """It only makes environments here."""
    assert words[:2] == ["-m", "venv"]


def check_docker(words: list[str]) -> None:
    """Services are those of compose.yaml, and what is run in them is ours."""
    assert words[0] == "compose"
    services = yaml.safe_load((REPOSITORY / "compose.yaml").read_text("utf-8"))["services"]
    if words[1] == "exec":
        assert words[2] in services
        check_line(words[3:])


def check_elsewhere(words: list[str]) -> None:
    """Programs that are not ours, with nothing of ours to check."""


CHECKS = {
    "whiteout": check_whiteout,
    "make": check_make,
    "pip": check_pip,
    "python": check_python,
    "python3": check_python3,
    ".": check_elsewhere,
    "docker": check_docker,
    ".ci/run": check_elsewhere,
    "gunicorn": check_elsewhere,
    "uvicorn": check_elsewhere,
}


def check_line(words: list[str]) -> None:
    """One command, or several with `&&`; words before it that set variables are passed over."""
    if "&&" in words:
        place = words.index("&&")
        check_line(words[:place])
        words = words[place + 1 :]
    while "=" in words[0]:
        words = words[1:]
    assert words[0] in CHECKS, f"{words[0]!r} is not known here"
    CHECKS[words[0]](words[1:])


@pytest.mark.parametrize("block", shown_data("sh"))
def test_shell_that_is_shown_uses_commands_and_options_that_are_there(block: Block) -> None:
    """Its comments and quotes are the shell's."""
    for words in commands_of(block.source):
        check_line(words)


def commands_of(source: str) -> Iterator[list[str]]:
    """The commands of a block, one a line; a quoted argument may go over several."""
    command = ""
    for line in source.splitlines():
        command += line + "\n"
        try:
            words = shlex.split(command, comments=True)
        except ValueError:  # a quotation that is not closed yet
            continue
        command = ""
        if words:
            yield words
    assert not command


@pytest.mark.parametrize(
    "line",
    ["whiteout query", "whiteout up --nothing", "make nothing", "pip install '.[none]'", "rm x"],
)
def test_shell_that_would_not_work_is_noticed(line: str) -> None:
    """The check itself can fail."""
    with pytest.raises(AssertionError):
        check_line(shlex.split(line))
