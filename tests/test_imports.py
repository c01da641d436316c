"""Arrows go one way: tracker and pipeline meet only in what both may know."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import whiteout

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(whiteout.__file__).parent
SDK = ("whiteout.tracker", "whiteout.events", "whiteout.integrations", "whiteout.controllers")
SHARED = (
    "whiteout.protocol",
    "whiteout.identifiers",
    "whiteout.anonymisation",
    "whiteout.errors",
    "whiteout.packed",
    "whiteout.strict",
    "whiteout.version",
)
PIPELINE = (
    "whiteout.complaint",
    "whiteout.configuration",
    "whiteout.iglu",
    "whiteout.log",
    "whiteout.collector",
    "whiteout.enrich",
    "whiteout.lake",
    "whiteout.cli",
    "whiteout.demo",
    "whiteout.kafka",
    "whiteout.supervisor",
    "whiteout.web",
    "whiteout.audit",
    "whiteout.testing",
    # They need Thrift and msgspec, so they are the pipeline's, although they describe a protocol.
    "whiteout.protocol.collector_payload",
    "whiteout.protocol.anonymous",
    "whiteout.protocol.base64_json",
)
# They play the app, or run beside it: a real tracker that sends to the pipeline.
PLAYS_AN_APP = ("whiteout.demo", "whiteout.testing")


def is_in(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def is_of_pipeline(module: str) -> bool:
    return is_in(module, PIPELINE)


def is_of_sdk(module: str) -> bool:
    return module == "whiteout" or is_in(module, SDK)


def is_shared(module: str) -> bool:
    return is_in(module, SHARED) and not is_of_pipeline(module)


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports_of(module: str) -> set[str]:
    """The modules of ours that one names, anywhere in it: under `TYPE_CHECKING`, in functions."""
    return {name for name in _names(module) if name == "whiteout" or name.startswith("whiteout.")}


def _names(module: str) -> Iterator[str]:
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if full in MODULES else base


def forbidden(module: str) -> set[str]:
    """What `module` imports and must not."""
    imported = imports_of(module)
    if is_of_pipeline(module):
        wrong = {name for name in imported if is_of_sdk(name)}
        if is_in(module, PLAYS_AN_APP):
            wrong.clear()
        if is_in(module, ("whiteout.iglu",)):
            wrong -= {name for name in wrong if is_in(name, ("whiteout.events",))}
        if is_in(module, ("whiteout.collector",)):
            wrong |= {n for n in imported if is_in(n, ("whiteout.enrich", "whiteout.lake"))}
        return wrong
    if is_shared(module):
        return {name for name in imported if not is_shared(name)}
    return {name for name in imported if is_of_pipeline(name)}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_side_may_know(module: str) -> None:
    assert forbidden(module) == set()


@pytest.mark.parametrize("module", MODULES)
def test_every_module_is_on_one_side_or_shared(module: str) -> None:
    """A new package has to be put on one side before it can be imported at all."""
    sides = [is_of_sdk(module), is_of_pipeline(module), is_shared(module)]

    assert sides.count(True) == 1


def test_the_arrows_are_seen_where_they_are() -> None:
    """The check itself: the one known arrow from the pipeline to the SDK's side is found."""
    of_iglu = [module for module in MODULES if is_in(module, ("whiteout.iglu",))]

    imported = set[str]().union(*(imports_of(module) for module in of_iglu))

    assert {name for name in imported if is_of_sdk(name)} == {"whiteout.events.schema"}


UNDER_WATCH = """
import json, sys

seen = []
watching = True
noticed = {
    "_thread.start_new_thread", "_thread.start_joinable_thread", "os.fork", "os.posix_spawn",
    "os.system", "sqlite3.connect", "subprocess.Popen",
}

def watch(event, arguments):
    if not watching:
        return
    if event == "open":
        seen.append((event, str(arguments[0])))
    elif event in noticed or event.startswith("socket."):
        seen.append((event, ""))

before = set(sys.modules)
sys.addaudithook(watch)
import whiteout
watching = False
track_one()
code = (".py", ".pyc", ".so", ".pyd", ".dylib")
print(json.dumps({
    "modules": sorted(set(sys.modules) - before),
    "standard": sorted(sys.stdlib_module_names),
    "opened": [
        what for event, what in seen
        if event == "open" and not what.split(".pyc.")[0].endswith(code)
    ],
    "done": sorted({event for event, _ in seen if event != "open"}),
}))
"""
NOTHING_MORE = "def track_one(): pass"
TRACK_ONE = """
import shutil, tempfile

def track_one():
    folder = tempfile.mkdtemp()
    tracker = whiteout.create_tracker(
        "watched", "http://127.0.0.1:9", whiteout.EmitterConfiguration(storage_dir=folder)
    )
    tracker.track(whiteout.ScreenView(name="First"))
    tracker.flush(timeout=0.5)
    tracker.close(timeout=0)
    shutil.rmtree(folder)
"""


def watched(more: str) -> dict[str, list[str]]:
    """What a fresh interpreter did while it imported `whiteout`, and loaded by the end."""
    result = subprocess.run(
        [sys.executable, "-B", "-c", more + UNDER_WATCH],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
    )
    report: dict[str, list[str]] = json.loads(result.stdout)
    return report


@pytest.fixture(scope="module")
def imported() -> dict[str, list[str]]:
    return watched(NOTHING_MORE)


@pytest.fixture(scope="module")
def tracked() -> dict[str, list[str]]:
    return watched(TRACK_ONE)


def test_importing_whiteout_loads_the_engine_only_with_the_first_tracker(
    imported: dict[str, list[str]], tracked: dict[str, list[str]]
) -> None:
    assert "whiteout.tracker.configuration" in imported["modules"]
    assert "whiteout.tracker.engine" not in imported["modules"]
    assert "whiteout.tracker.engine" in tracked["modules"]


def test_importing_whiteout_loads_no_event_before_it_is_named(
    imported: dict[str, list[str]], tracked: dict[str, list[str]]
) -> None:
    assert not [module for module in imported["modules"] if module.startswith("whiteout.events")]
    assert "whiteout.events.screen" in tracked["modules"]
    assert "whiteout.events.structured" not in tracked["modules"]


@pytest.mark.parametrize("stage", ["imported", "tracked"])
def test_an_app_loads_nothing_of_the_pipeline(stage: str, request: pytest.FixtureRequest) -> None:
    report: dict[str, list[str]] = request.getfixturevalue(stage)

    assert [module for module in report["modules"] if is_of_pipeline(module)] == []


@pytest.mark.parametrize("stage", ["imported", "tracked"])
def test_an_app_loads_only_the_dependencies_of_the_sdk(
    stage: str, request: pytest.FixtureRequest
) -> None:
    """It must not pay for, or trip over, anything else."""
    report: dict[str, list[str]] = request.getfixturevalue(stage)

    tops = {module.partition(".")[0] for module in report["modules"]}

    others = tops - set(report["standard"]) - {"whiteout"}
    assert others <= {"urllib3", "platformdirs", "orjson", "psutil"}


def test_importing_whiteout_opens_no_file_and_starts_nothing(
    imported: dict[str, list[str]],
) -> None:
    """No thread, process, socket or database, and no file but the code itself."""
    assert imported["opened"] == []
    assert imported["done"] == []
