"""The plugin, in runs of pytest of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.npm import installed

import whiteout
from whiteout.testing import Micro

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCES = Path(whiteout.__file__).parents[1]
REPOSITORY = Path(__file__).parents[2]
NODE_SHOP = REPOSITORY / "examples/node_shop"
PYTHON = [sys.executable, "-m", "pytest", "-p", "pytest_whiteout", "-W", "error"]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes a file of tests, runs it in a process of its own, and gives what was printed."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(SOURCES), *sys.path])))

    def run(source: str) -> str:
        pytester.makepyfile(source)
        result = pytester.run(*PYTHON, "-p", "no:cacheprovider", timeout=60)
        return result.stdout.str() + result.stderr.str()

    return run


APP = """
import whiteout
from whiteout import Anonymisation, EmitterConfiguration, ScreenView, Structured
from whiteout.testing import (
    assert_anonymous, assert_no_failed_events, assert_not_tracked, assert_tracked
)
import pytest

@pytest.fixture
def tracker(whiteout_micro, tmp_path):
    made = whiteout.create_tracker(
        "shop", whiteout_micro.endpoint, EmitterConfiguration(storage_dir=tmp_path)
    )
    yield made
    whiteout.remove_tracker("shop", timeout=5)
"""


def test_events_of_one_test_are_not_there_in_the_next(run: Callable[[str], str]) -> None:
    printed = run(
        APP
        + """
ports = set()

@pytest.mark.parametrize("name", ["Basket", "Checkout", "Thanks"])
def test_screens(whiteout_micro, tracker, name):
    ports.add(whiteout_micro.port)
    assert_not_tracked(ScreenView)
    tracker.track(ScreenView(name=name))
    assert_tracked(ScreenView, name=name)
    assert len(whiteout_micro.tracked(ScreenView)) == 1
    tracker.track(ScreenView(name="on its way when the test ends"))

def test_the_port_stays():
    assert len(ports) == 1
"""
    )

    assert "4 passed" in printed


def test_what_an_app_said_of_privacy_in_one_test_does_not_hold_in_the_next(
    run: Callable[[str], str],
) -> None:
    printed = run(
        """
import pytest, whiteout
from whiteout import Anonymisation, ScreenView, TrackerConfiguration
from whiteout.testing import assert_anonymous, assert_tracked

def start(micro, *configurations):
    made = whiteout.create_tracker("shop", micro.endpoint, *configurations)
    made.subject.user_id = "ada"
    made.track(ScreenView(name="Home"))

def test_an_app_that_asks_first(whiteout_micro):
    start(whiteout_micro, TrackerConfiguration(before_consent=Anonymisation.FULL))
    assert_tracked(ScreenView)
    assert_anonymous(Anonymisation.FULL)

def test_one_that_has_forgotten_to(whiteout_micro):
    start(whiteout_micro)
    assert_tracked(ScreenView)
    with pytest.raises(AssertionError):
        assert_anonymous(Anonymisation.FULL)

def test_a_tracker_of_an_earlier_test_goes_on(whiteout_micro):
    whiteout.get_tracker("shop").track(ScreenView(name="Later"))
    assert_tracked(ScreenView, name="Later")
"""
    )

    assert "3 passed" in printed, printed


def test_trackers_of_a_test_store_nothing_in_the_folder_of_the_user(
    run: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    printed = run(
        """
import whiteout
from whiteout import ScreenView
from whiteout.testing import assert_tracked

def test_one(whiteout_micro):
    whiteout.create_tracker("shop", whiteout_micro.endpoint).track(ScreenView(name="Home"))
    assert_tracked(ScreenView)
"""
    )

    assert "1 passed" in printed, printed
    assert not (tmp_path / "home").exists()


def test_a_failing_assertion_shows_the_nearest_event_and_none_of_our_frames(
    run: Callable[[str], str],
) -> None:
    printed = run(
        APP
        + """
def test_checkout(whiteout_micro, tracker):
    tracker.track(ScreenView(name="Home", type="page"))
    tracker.track(ScreenView(name="Chekout", type="page"))
    tracker.flush()
    assert_tracked(ScreenView, name="Checkout", type="page")
"""
    ).replace("timeout=5", "")

    shown = [line.removeprefix("E").rstrip() for line in printed.splitlines() if line[:1] == "E"]
    assert "no ScreenView with name='Checkout', type='page' was tracked" in shown[0]
    assert [line.strip() for line in shown[1:]] == [
        "",
        "nearest: event 4 of 4, screen_view",
        "≠ name  wanted  'Checkout'",
        "got     'Chekout'",
        "^",
        "= type  'page'",
    ]
    assert "arrivals.py" not in printed


def test_ini_options_name_registries_and_the_time_to_wait(
    run: Callable[[str], str], pytester: pytest.Pytester
) -> None:
    schema = pytester.path / "iglu/schemas/com.acme/tea/jsonschema/1-0-0"
    schema.parent.mkdir(parents=True)
    schema.write_text(
        '{"self": {"vendor": "com.acme", "name": "tea", "format": "jsonschema", '
        '"version": "1-0-0"}, "properties": {"cups": {"type": "integer"}}}'
    )
    pytester.makeini("[pytest]\nwhiteout_iglu = iglu\nwhiteout_timeout = 0.2\n")

    printed = run(
        APP
        + """
import time
from whiteout import SelfDescribing
TEA = "iglu:com.acme/tea/jsonschema/1-0-0"

def test_both(whiteout_micro, whiteout_memory, tracker):
    tracker.track(SelfDescribing(schema=TEA, data={"cups": 3}))
    assert_tracked(TEA, cups=3)
    started = time.monotonic()
    with pytest.raises(AssertionError):
        assert_tracked(TEA, cups=4)
    assert time.monotonic() - started < 2
    memory = whiteout_memory("unit")
    memory.track(SelfDescribing(schema=TEA, data={"cups": "many"}))
    assert_not_tracked(TEA)  # of the tracker in memory, as it was made last
    with pytest.raises(AssertionError, match="cups"):
        assert_no_failed_events()
"""
    )

    assert "1 passed" in printed


def test_a_wrong_time_to_wait_is_said(run: Callable[[str], str], pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nwhiteout_timeout = soon\n")

    printed = run("def test_one(whiteout_micro): pass")

    assert "whiteout_timeout must be 0 to 3600 seconds, got 'soon'" in printed


def test_a_run_that_does_not_use_it_loads_nothing_of_it(run: Callable[[str], str]) -> None:
    printed = run(
        """
import sys

def test_it():
    loaded = [name for name in sys.modules if name.partition(".")[0] == "whiteout"]
    assert loaded == []
    assert "pytest_whiteout" in sys.modules
"""
    )

    assert "1 passed" in printed


def test_the_distribution_announces_the_plugin() -> None:
    text = (REPOSITORY / "pipeline" / "pyproject.toml").read_text("utf-8")

    assert '[project.entry-points.pytest11]\npytest_whiteout = "pytest_whiteout"' in text
    assert '"../src/pytest_whiteout.py" = "pytest_whiteout.py"' in text


@pytest.fixture
def node_shop(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """The app in JavaScript, without what may lie in its folder, and the environment it runs in."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not here; on Debian install nodejs and npm")
    packages = installed(request.config, "node_shop", NODE_SHOP / "package.json")
    place = tmp_path / "node_shop"
    shutil.copytree(NODE_SHOP, place, ignore=shutil.ignore_patterns("node_modules"))
    return place, {**os.environ, "NODE_PATH": str(packages / "node_modules")}


def test_an_app_in_another_language_is_tested_as_it_is(
    node_shop: tuple[Path, dict[str, str]],
) -> None:
    example, environment = node_shop
    environment |= {"PYTHONPATH": str(SOURCES), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

    done = subprocess.run(
        [*PYTHON, "-q", "--rootdir", example, "-c", os.devnull, example],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )

    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_an_app_in_another_language_is_tested_in_its_own(
    node_shop: tuple[Path, dict[str, str]],
) -> None:
    """By the API of Micro, which the pipeline for tests answers as `whiteout up` does."""
    example, environment = node_shop
    with Micro() as micro:
        done = subprocess.run(
            ["node", "--test", "--test-reporter", "tap"],
            check=False,
            cwd=example,
            capture_output=True,
            text=True,
            env={**environment, "COLLECTOR": micro.endpoint},
            timeout=120,
        )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "# pass 2" in done.stdout
