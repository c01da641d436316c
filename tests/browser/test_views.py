"""Each view of the page: accessible in light and in dark, readable on a phone, and pictured."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import SESSION, number_of
from tests.support.trackers import poll

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page
    from tests.browser.visit import Visit
    from tests.support.pipeline import Pipeline

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
ON_A_PHONE = ("events", "failed-event", "charts", "session")
# Tables and texts that scroll by themselves may be wider.
OUTSIDE = """() => [...document.querySelectorAll("h1, h2, h3, a, button, input, select, summary")]
  .filter((one) => !one.closest(".wide-table, .scroll, pre, .skip"))
  .filter((one) => {
    const place = one.getBoundingClientRect();
    return place.width > 0 && (place.left < 0 || place.right > window.innerWidth);
  })
  .map((one) => one.outerHTML)"""
VIEWS = {
    "events": "/ui",
    "no-events": "/ui?q=there+is+no+such+text",
    "sessions": "/ui/sessions",
    "session": f"/ui/sessions?id={SESSION}",
    "schemas": "/ui/schemas",
    "schema": "/ui/schemas/com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0",
    "api": "/ui/api",
    "event": "status=good&q=Checkout",
    "anonymous-event": "status=good&q=Anonymous",
    "failed-event": "status=failed",
    "charts": "/ui/charts?span=10m",
    "missing": "/ui/nowhere",
    "missing-event": "/ui/events/1234567",
    "missing-schema": "/ui/schemas/com.example/nowhere/jsonschema/1-0-0",
}


@pytest.fixture
def counted(filled: Pipeline) -> Pipeline:
    """The same, later: charts count events when their ten seconds are over."""

    def is_counted() -> bool:
        counted = filled.get("/ui/charts/export.json?span=10m").json()["events"]
        return bool(counted == filled.get("/micro/all").json()["total"])

    assert poll(is_counted, 40), "events were not counted"
    return filled


def path_of(view: str, pipeline: Pipeline) -> str:
    """The address of a view; events are found by a query."""
    address = VIEWS[view]
    return address if address.startswith("/") else f"/ui/events/{number_of(pipeline, address)}"


def faults(page: Page) -> list[tuple[str, list[str]]]:
    """What the checker finds: rules, each with the places where it is broken."""
    kinds = ["violations", "incomplete"]
    found = page.evaluate(
        "([rules, kinds]) => axe.run({runOnly: rules, resultTypes: kinds})", [RULES, kinds]
    )
    unsure = [one for one in found["incomplete"] if one["id"] == "color-contrast"]
    return [
        (fault["id"], [str(node["target"]) for node in fault["nodes"]])
        for fault in [*found["violations"], *unsure]
    ]


def outside(page: Page) -> list[str]:
    """What can be used or names a part, and does not stand on the screen as a whole."""
    return page.evaluate(OUTSIDE)  # type: ignore[no-any-return]  # as the script has it


def accessible_window(visit: Visit, axe: str, path: str, status: int = 200) -> Page:
    """A window with the checker in it, which is a script of others that the policy forbids."""
    page = visit.open(path, visit.window(bypass_csp=True), status)
    page.evaluate(axe)
    return page


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_accessible_in_light_and_dark_and_fits_a_phone(
    request: pytest.FixtureRequest, filled: Pipeline, visit: Visit, axe: str, view: str
) -> None:
    pictures: Path = request.getfixturevalue("pictures")
    if view == "charts":
        request.getfixturevalue("counted")
    status = 404 if view.startswith("missing") else 200
    page = accessible_window(visit, axe, path_of(view, filled), status)
    found = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=pictures / f"{view}-{scheme}.png", full_page=True)
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        found[scheme] = faults(page)
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = false; })")
    assert found == {"light": [], "dark": []}

    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    page.set_viewport_size({"width": 400, "height": 800})
    page.screenshot(path=pictures / f"{view}-phone.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert outside(page) == []
    if view in ON_A_PHONE:
        page.get_by_role("button", name="Light").click()  # against the system, which is dark
        assert faults(page) == []


def test_the_checker_notices(visit: Visit, axe: str) -> None:
    page = accessible_window(visit, axe, "/ui")
    page.evaluate("document.documentElement.removeAttribute('lang')")
    page.evaluate("document.getElementById('search').parentElement.replaceWith(search)")

    assert [rule for rule, _ in faults(page)] == ["html-has-lang", "label"]


def test_charts_count_by_type_failure_and_level(counted: Pipeline, visit: Visit) -> None:
    page = visit.open("/ui/charts?span=10m")

    expect(page.locator("main svg.chart")).to_have_count(3)
    for text in ("screen_view", "page_view", "schema_violations", "full"):
        expect(page.locator("main")).to_contain_text(text)
    by_type = page.get_by_role("region", name="Good events by type, table")
    expect(by_type).to_be_hidden()
    page.get_by_text("Good events by type as a table").click()
    expect(by_type.get_by_role("row").nth(1)).to_contain_text("4")


def test_charts_are_of_a_span_and_go_into_files(counted: Pipeline, visit: Visit) -> None:
    page = visit.open("/ui/charts?span=10m")
    spans = page.get_by_role("navigation", name="Time").get_by_role("link")
    for number in range(spans.count()):
        spans.nth(number).click()
        expect(spans.nth(number)).to_have_attribute("aria-current", "true")
        expect(page.locator("main")).to_contain_text("screen_view 4")

    texts = {}
    for ending in ("CSV", "JSON"):
        with page.expect_download() as download:
            page.get_by_role("link", name=ending, exact=True).click()
        assert download.value.suggested_filename == f"whiteout-events.{ending.lower()}"
        texts[ending] = download.value.path().read_text("utf-8")
    assert "screen_view" in texts["CSV"]
    assert json.loads(texts["JSON"])["events"] == 6
