"""What continuous integration has installed, its tests may not pass over."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs import screenshots

SKIPPED = """
import pytest

@pytest.fixture
def browser():
    pytest.skip("Chromium is not here; on Debian install chromium")

def test_of_a_fixture(browser):
    pass

@pytest.mark.skipif(True, reason="Node.js is not here; on Debian install nodejs and npm")
def test_of_a_mark():
    pass

@pytest.mark.skipif(True, reason="needs Windows")
def test_of_another_system():
    pass
"""


@pytest.mark.parametrize(
    ("required", "outcomes"),
    [
        ("", {"skipped": 3}),
        ("chromium", {"errors": 1, "skipped": 2}),
        ("node, Chromium", {"errors": 2, "skipped": 1}),
    ],
)
def test_a_skip_for_want_of_what_is_required_is_a_failure(
    required: str,
    outcomes: dict[str, int],
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WHITEOUT_REQUIRE", required)
    conftest = Path(__file__).with_name("conftest.py").read_text("utf-8")
    pytester.makeconftest(conftest)
    pytester.makepyfile(SKIPPED)
    pytester.makeini("[pytest]\nmarkers = long: as here")

    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")

    result.assert_outcomes(**outcomes)


@pytest.mark.parametrize(("required", "status"), [("", 0), ("node chromium", 1)])
def test_missing_pictures_are_a_failure_where_chromium_is_required(
    required: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHITEOUT_REQUIRE", required)
    monkeypatch.setenv("PATH", "")

    assert screenshots.main() == status
