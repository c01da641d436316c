"""A real collector, and what becomes of what clients send to it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from tests.support.arrivals import Arrivals
from tests.support.real_collector import RealCollector

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

needs_node = pytest.mark.skipif(
    shutil.which("npm") is None, reason="Node.js is not here; on Debian install nodejs and npm"
)


OPTIONS = (
    # Of all cookies, records have the collector's own, and those that are named.
    *("--set", "stored_cookies=other"),
    *("--set", 'paths={"/com.acme/track" = "/com.snowplowanalytics.snowplow/tp2"}'),
)


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCollector]:
    """One for a client: it takes a second to start."""
    with RealCollector(tmp_path_factory.mktemp("collector"), *OPTIONS) as collector:
        yield collector


@pytest.fixture
def arrivals(collector: RealCollector, tmp_path: Path) -> Arrivals:
    return Arrivals(collector, tmp_path / "lake")
