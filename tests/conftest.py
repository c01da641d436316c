"""What holds for all tests."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests marked `long`, unless `-m` names them."""
    if "long" in config.option.markexpr:
        return
    skip = pytest.mark.skip(reason="takes minutes: run with -m long")
    for item in items:
        if item.get_closest_marker("long") is not None:
            item.add_marker(skip)
