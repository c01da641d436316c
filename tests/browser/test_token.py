"""A page that others can reach: the token, and charts that hide small groups. In a real browser."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import screen
from tests.browser.visit import Visit
from tests.support.pipeline import Pipeline
from tests.support.trackers import poll

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

TOKEN = "a-token-that-is-long-enough"  # noqa: S105 - of this test
KEY = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A pipeline on all addresses, with lots of five."""
    environment = {**os.environ, "WHITEOUT_PAGE_TOKEN": TOKEN}
    folder = tmp_path_factory.mktemp("elsewhere")
    with Pipeline(folder, "--host", "0.0.0.0", environment=environment) as pipeline:  # noqa: S104 - what is tested
        yield pipeline


@pytest.fixture
def visit(browser: Browser, elsewhere: Pipeline) -> Iterator[Visit]:
    visit = Visit(browser, elsewhere.url)
    yield visit
    visit.close()
    assert visit.elsewhere == []


def test_who_comes_without_the_token_types_it_in_once(visit: Visit) -> None:
    page = visit.open("/ui?status=failed", status=401)
    page.get_by_label("Token").fill("not the token at all")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("alert")).to_have_text("That is not the token.")

    page.get_by_label("Token").fill(TOKEN)
    page.keyboard.press("Enter")

    expect(page.locator("#state")).to_have_text("Live")
    assert page.url == f"{visit.url}/ui?status=failed"
    visit.open("/ui/sessions")


def test_the_link_that_is_printed_opens_the_page(elsewhere: Pipeline, visit: Visit) -> None:
    printed = elsewhere.lines[-1].removeprefix("page on ")
    visit.open("/" + printed.split("/", 3)[3])
    expect(visit.page.locator("#state")).to_have_text("Live")
    assert TOKEN not in visit.page.url


def test_groups_smaller_than_five_are_neither_drawn_nor_exported(
    elsewhere: Pipeline, visit: Visit
) -> None:
    elsewhere.send(*(screen("Cart") for _ in range(7)))
    elsewhere.send(*({"e": "pv", "url": "https://shop.example/"} for _ in range(4)))

    def is_counted() -> bool:
        answer = elsewhere.get("/ui/charts/export.json?span=10m", **KEY)
        return bool(answer.json()["events"])

    assert poll(is_counted, 40), "events were not counted"
    visit.open(f"/ui?token={TOKEN}")
    page = visit.open("/ui/charts?span=10m")

    expect(page.locator("main")).to_contain_text("Counted in lots of 5")
    expect(page.locator(".legend").first).to_have_text("screen_view 5")
    assert "page_view" not in page.content()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    text = download.value.path().read_text("utf-8")
    assert "screen_view" in text
    assert "page_view" not in text
