"""A browser, and a pipeline with events of every kind to look at.

A picture of each view is kept in `build/screenshots`.
"""

from __future__ import annotations

import re
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.browser.visit import Visit
from tests.support.npm import installed
from tests.support.pipeline import Pipeline, entities, self_describing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

HERE = Path(__file__).parent
PICTURES = HERE.parents[1] / "build" / "screenshots"
SNOWPLOW = "iglu:com.snowplowanalytics.snowplow"
SCREEN = "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0"
FILLED = {"total": 6, "good": 5, "bad": 1}
SESSION = "6f0ec5c4-5d0a-4c5e-9d0f-000000000001"


def screen(
    name: object,
    index: int | None = None,
    *,
    session: str = SESSION,
    previous: str | None = None,
    **more: str,
) -> dict[str, str]:
    """A screen view; with an index it is of the session."""
    event = self_describing(SCREEN, {"name": name, "id": str(uuid.uuid4())})
    if index is not None:
        data = {
            "userId": "1e449528-e676-4602-8f86-773a6449dc42",
            "sessionId": session,
            "previousSessionId": previous,
            "sessionIndex": 1,
            "eventIndex": index,
            "storageMechanism": "SQLITE",
            "firstEventId": "7e93c5f8-e336-488f-a68c-0f9031006572",
            "firstEventTimestamp": "2026-01-31T12:00:00.000Z",
        }
        event |= entities((f"{SNOWPLOW}/client_session/jsonschema/1-0-2", data))
    return {**event, **more}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; for one module, since its driver keeps an event loop running here."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not here; on Debian install chromium")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - starts a driver

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """One pipeline for all tests."""
    with Pipeline(tmp_path_factory.mktemp("pipeline"), "--least-group", "1") as pipeline:
        yield pipeline


@pytest.fixture
def pipeline(running: Pipeline) -> Pipeline:
    """The pipeline with nothing on its page."""
    assert running.get("/micro/reset").json() == {"total": 0, "good": 0, "bad": 0}
    return running


@pytest.fixture
def filled(running: Pipeline) -> Pipeline:
    """The pipeline with a few events of every kind, sent anew where a test has changed them."""
    is_there = b"/ui/events/" in running.get("/ui?q=Catalogue").body
    if is_there and running.get("/micro/all").json() == FILLED:
        return running
    running.get("/micro/reset")
    link = "https://shop.example/a?gclid=click-1&colour=red"
    running.send(screen("Catalogue", 1, uid="person-7"), screen("Cart", 2, uid="person-7"))
    running.send(screen("Checkout", 5, uid="person-7", url=link))
    running.send(screen("Anonymous"), SP_Anonymous="*")
    running.send({"e": "pv", "url": "https://shop.example/", "aid": "web"})
    running.send(screen(5))
    assert running.get("/micro/all").json() == FILLED
    return running


@pytest.fixture
def visit(browser: Browser, running: Pipeline) -> Iterator[Visit]:
    """Somebody who opens the page; at the end nothing has gone elsewhere, or been refused."""
    visit = Visit(browser, running.url)
    yield visit
    visit.close()
    assert visit.complaints == []
    assert visit.elsewhere == []


@pytest.fixture(scope="session")
def axe(request: pytest.FixtureRequest) -> str:
    """The accessibility checker's script."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not here; on Debian install nodejs and npm")
    folder = installed(request.config, "page", HERE / "package.json")
    return (folder / "node_modules/axe-core/axe.min.js").read_text("utf-8")


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where pictures of the views go."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    return PICTURES


def number_of(pipeline: Pipeline, query: str) -> int:
    """The number of the newest event that meets a query."""
    found = re.search(r"/ui/events/(\d+)", pipeline.get(f"/ui?{query}").body.decode())
    assert found is not None, query
    return int(found[1])
