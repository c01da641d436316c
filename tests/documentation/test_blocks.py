"""What the documentation shows, runs: against a real collector, in an empty home folder."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.pages import PAGES, REPOSITORY, Block, blocks_of, page_id
from tests.support.real_collector import RealCollector

import whiteout
from whiteout.cli import WRONG_USE, run
from whiteout.enrich.configuration import read_folder
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACEHOLDERS = ("https://collector.example.com", "http://127.0.0.1:9090")
RUNNER = REPOSITORY / "tests/support/page.py"
KNOWN = {
    "python",
    "py",
    "output",
    "sh",
    "text",
    "toml",
    "json",
    "sql",
    "nginx",
}  # py: of another library


def python_of(page: Path) -> list[Block]:
    """What runs from top to bottom; blocks that are files of their own do not."""
    return [block for block in blocks_of(page) if block.language == "python" and not block.file]


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


@pytest.mark.parametrize("page", [page for page in PAGES if python_of(page)], ids=page_id)
def test_the_python_of_a_page_runs_and_prints_what_is_shown(
    page: Path, collector: RealCollector, tmp_path: Path
) -> None:
    """From top to bottom; a block `output` is what the Python block before it prints."""
    blocks = blocks_of(page)
    python = python_of(page)
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


def files_of(page: Path) -> dict[str, str]:
    """The blocks of a page that are files, by name."""
    return {block.file: block.source for block in blocks_of(page) if block.file}


def is_here(name: str) -> bool:
    return (REPOSITORY / name).is_file()


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(name.startswith("test_") for name in files_of(page))],
    ids=page_id,
)
def test_the_tests_of_a_page_pass(
    page: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an app whose files the page shows too."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # those of others take long to load
    shown = {name: source for name, source in files_of(page).items() if not is_here(name)}
    for name, source in shown.items():
        (pytester.path / name).write_text(source, "utf-8")

    result = pytester.runpytest_subprocess("-p", "pytest_whiteout", "-W", "error")

    result.assert_outcomes(passed=sum(source.count("\ndef test_") for source in shown.values()))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        pytest.param(*file, id=f"{page_id(page)}-{file[0]}")
        for page in PAGES
        for file in files_of(page).items()
        if is_here(file[0])
    ],
)
def test_a_part_of_a_file_of_the_repository_is_as_it_stands_there(name: str, source: str) -> None:
    part = source.partition("\n")[2].strip()

    assert part in (REPOSITORY / name).read_text("utf-8")


# --- other languages -------------------------------------------------------------------------


def shown_data(language: str) -> list[Any]:
    return [
        pytest.param(block, id=f"{page_id(page)}:{block.line}")
        for page in PAGES
        for block in blocks_of(page)
        if block.language == language
    ]


def settings_of(text: str, folder: Path) -> int:
    """The exit status of `whiteout settings` with a configuration file."""
    (folder / "whiteout.toml").write_text(text, "utf-8")
    return run(["settings", "--config", str(folder / "whiteout.toml")])


@pytest.mark.parametrize("block", shown_data("toml"))
def test_toml_that_is_shown_is_a_configuration_of_the_pipeline(
    block: Block, tmp_path: Path
) -> None:
    assert settings_of(block.source, tmp_path) == 0


@pytest.mark.parametrize("table", ["collector", "collector.limits", "enrich", "lake", "kafka"])
def test_an_option_that_is_none_is_noticed(table: str, tmp_path: Path) -> None:
    assert settings_of(f"[{table}]\nnothing = 1\n", tmp_path) == WRONG_USE


@pytest.mark.parametrize("block", shown_data("json"))
def test_json_that_is_shown_configures_an_enrichment(block: Block, tmp_path: Path) -> None:
    (tmp_path / "pii.key").write_bytes(bytes(32))
    (tmp_path / "shown.json").write_text(block.source, "utf-8")

    read_folder(tmp_path)

    (tmp_path / "shown.json").write_text(block.source.replace('"enabled"', '"enbled"'), "utf-8")
    with pytest.raises(ConfigurationError, match=r"shown\.json"):
        read_folder(tmp_path)
