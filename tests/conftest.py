"""What holds for all tests."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

import whiteout

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

pytest_plugins = ["pytester"]

# Time is measured in benchmarks: on a busy machine any example may take long once.
settings.register_profile("whiteout", deadline=None)
settings.load_profile("whiteout")

# A shell's background job ignores Ctrl-C, and so would the programs that tests press it in.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests marked `long`, unless `-m` names them."""
    if "long" in config.option.markexpr:
        return
    skip = pytest.mark.skip(reason="takes minutes: run with -m long")
    for item in items:
        if item.get_closest_marker("long") is not None:
            item.add_marker(skip)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail what is skipped for want of a tool that `WHITEOUT_REQUIRE` says is here."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].casefold()
        if any(tool in reason for tool in required_tools()):
            report.outcome = "failed"
            report.longrepr = f"WHITEOUT_REQUIRE forbids that: {report.longrepr[2]}"
    return report


def required_tools() -> list[str]:
    """The words of `WHITEOUT_REQUIRE`, such as `chromium,node,postgresql`."""
    return os.environ.get("WHITEOUT_REQUIRE", "").casefold().replace(",", " ").split()


@pytest.fixture(autouse=True)
def _trackers_end_with_their_test() -> Iterator[None]:
    """What a test leaves behind, or a failed one, is not seen by the next."""
    before = set(whiteout.tracker_namespaces())
    yield
    for namespace in set(whiteout.tracker_namespaces()) - before:
        whiteout.remove_tracker(namespace, timeout=0)
