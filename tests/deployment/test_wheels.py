"""Two wheels of one source: what an app that tracks ships, and what the extra `pipeline` adds."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from email.parser import HeaderParser
from typing import TYPE_CHECKING, NamedTuple

import pytest
from packaging.requirements import Requirement
from tests.deployment.test_image import copied
from tests.support.pages import REPOSITORY
from tests.test_imports import MODULES, is_of_pipeline

from whiteout.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = REPOSITORY / "src"


class Wheel(NamedTuple):
    files: list[str]
    requirements: list[Requirement]
    size: int


class Wheels(NamedTuple):
    tracker: Wheel
    pipeline: Wheel


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Wheels:
    """Both, for an index, built from what the Dockerfile copies and nothing else."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in copied():
        if (REPOSITORY / name).is_dir():
            shutil.copytree(REPOSITORY / name, checkout / name)
        else:
            shutil.copy(REPOSITORY / name, checkout / name)
    project = checkout / "pyproject.toml"
    text = project.read_text("utf-8")  # changed as make dist does
    project.write_text(text.replace(" @ {root:uri}/pipeline", f"=={__version__}"), "utf-8")
    return Wheels(build(checkout), build(checkout / "pipeline"))


def build(project: Path) -> Wheel:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", str(project)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    (path,) = (project / "dist").iterdir()
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        headers = HeaderParser().parsestr(archive.read(metadata).decode())
    requirements = [Requirement(one) for one in headers.get_all("Requires-Dist", [])]
    files = [name for name in names if ".dist-info/" not in name]
    return Wheel(files, requirements, path.stat().st_size)


def test_each_file_of_the_source_is_in_exactly_one_of_them(wheels: Wheels) -> None:
    source = [
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]

    assert Counter(wheels.tracker.files + wheels.pipeline.files) == Counter(source)


def test_an_app_that_tracks_ships_nothing_of_the_pipeline(wheels: Wheels) -> None:
    of_pipeline = {
        str(path.relative_to(SOURCE)) for name, path in MODULES.items() if is_of_pipeline(name)
    }

    assert sorted(of_pipeline & set(wheels.tracker.files)) == []
    assert sorted(of_pipeline - set(wheels.pipeline.files)) == []


def test_the_tracker_alone_needs_two_packages(wheels: Wheels) -> None:
    needed = {one.name for one in wheels.tracker.requirements if one.marker is None}

    assert needed == {"platformdirs", "urllib3"}


def test_each_of_them_stays_below_600_kilobytes(wheels: Wheels) -> None:
    assert wheels.tracker.size < 600_000
    assert wheels.pipeline.size < 600_000


def test_both_ask_for_the_same_version_of_the_other(wheels: Wheels) -> None:
    of_pipeline = [one for one in wheels.pipeline.requirements if one.name == "whiteout"]
    of_tracker = [one for one in wheels.tracker.requirements if one.name == "whiteout-pipeline"]

    assert of_tracker
    assert {str(one.specifier) for one in of_pipeline + of_tracker} == {f"=={__version__}"}


def test_an_extra_of_a_checkout_brings_the_pipeline_of_that_checkout() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "hatchling", "metadata"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout

    (pipeline,) = json.loads(told)["optional-dependencies"]["pipeline"]
    assert Requirement(pipeline).url == (REPOSITORY / "pipeline").as_uri()
