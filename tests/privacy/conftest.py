"""A scene for each test: a folder of its own, and a real collector on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.collector.conftest import ask, start  # noqa: F401 - fixtures
from tests.privacy.support import Scene
from tests.support.collector import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture
def scene(tmp_path: Path, collector: Collector) -> Iterator[Scene]:
    scene = Scene(tmp_path / "store", collector.url)
    yield scene
    scene.close()
