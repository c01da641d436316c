"""What holds for all tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import whiteout

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests marked `long`, unless `-m` names them."""
    if "long" in config.option.markexpr:
        return
    skip = pytest.mark.skip(reason="takes minutes: run with -m long")
    for item in items:
        if item.get_closest_marker("long") is not None:
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def _trackers_end_with_their_test() -> Iterator[None]:
    """What a test leaves behind, or a failed one, is not seen by the next."""
    before = set(whiteout.tracker_namespaces())
    yield
    for namespace in set(whiteout.tracker_namespaces()) - before:
        whiteout.remove_tracker(namespace, timeout=0)
