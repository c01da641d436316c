from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.pipeline import Pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """One pipeline for all tests of the page."""
    with Pipeline(tmp_path_factory.mktemp("pipeline")) as pipeline:
        yield pipeline


@pytest.fixture
def pipeline(running: Pipeline) -> Pipeline:
    """The pipeline, its page empty, as a test suite for Micro makes it."""
    assert running.get("/micro/reset").json() == {"total": 0, "good": 0, "bad": 0}
    return running
