"""What the page can do, in a real browser."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import SESSION, number_of, screen

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page
    from tests.browser.visit import Visit
    from tests.support.pipeline import Pipeline

HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\'">'
VIEWS = {
    "events": "/ui",
    "sessions": "/ui/sessions",
    "session": f"/ui/sessions?id={SESSION}",
    "charts": "/ui/charts",
    "schemas": "/ui/schemas",
    "schema": "/ui/schemas/com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0",
    "event": "status=good&q=Checkout",
    "anonymous-event": "status=good&q=Anonymous",
    "failed-event": "status=failed",
}


def path_of(view: str, pipeline: Pipeline) -> str:
    """The address of a view; events are found by a query."""
    address = VIEWS[view]
    return address if address.startswith("/") else f"/ui/events/{number_of(pipeline, address)}"


def rows(page: Page) -> list[str]:
    """What the list shows, by type."""
    return page.locator("#events td.type a").all_inner_texts()


def test_events_appear_while_the_page_is_open(pipeline: Pipeline, visit: Visit) -> None:
    page = visit.open()
    expect(page.locator("#state")).to_have_text("Live")
    pipeline.send(screen("Checkout"))
    pipeline.send(screen(5))

    expect(page.locator("#events tr")).to_have_count(2)
    assert sorted(rows(page)) == ["schema_violations", "screen_view"]
    expect(page.locator("#good")).to_have_text("1")
    expect(page.locator("#failed")).to_have_text("1")
    expect(page.locator("#nothing")).to_have_count(0)


def test_a_paused_page_shows_what_came_when_it_goes_on(pipeline: Pipeline, visit: Visit) -> None:
    page = visit.open()
    expect(page.locator("#state")).to_have_text("Live")
    page.get_by_role("button", name="Pause").click()
    pipeline.send(screen("Checkout"))
    expect(page.locator("#state")).to_have_text("Paused · 1 new")
    assert rows(page) == []
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#events tr")).to_have_count(1)


def test_filters_leave_what_meets_them_also_of_what_comes(filled: Pipeline, visit: Visit) -> None:
    page = visit.open()
    page.locator("select[name=type]").select_option("page_view")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#events tr")).to_have_count(1)
    assert "type=page_view" in page.url

    expect(page.locator("#state")).to_have_text("Live")
    filled.send(screen("Later"), {"e": "pv", "url": "https://shop.example/later"})
    expect(page.locator("#events tr")).to_have_count(2)
    assert rows(page) == ["page_view", "page_view"]


@pytest.mark.parametrize(
    ("field", "value", "count"),
    [
        ("status", "failed", 1),
        ("app", "web", 1),
        ("schema", "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0", 4),
        ("level", "7", 1),
    ],
)
def test_each_filter_works(
    filled: Pipeline, visit: Visit, field: str, value: str, count: int
) -> None:
    page = visit.open()
    page.locator(f"select[name={field}]").select_option(value)
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#events tr")).to_have_count(count)


def test_a_search_finds_text_anywhere_in_an_event(filled: Pipeline, visit: Visit) -> None:
    page = visit.open()
    page.get_by_label("Search").fill("checkOUT")
    page.keyboard.press("Enter")
    expect(page.locator("#events tr")).to_have_count(1)
    page.get_by_role("link", name="Clear").click()
    expect(page.locator("#events tr")).to_have_count(6)


def test_older_events_are_a_page_further(pipeline: Pipeline, visit: Visit) -> None:
    pipeline.send(*(screen(f"Screen {number}") for number in range(130)))
    assert pipeline.get("/micro/all").json()["good"] == 130
    page = visit.open()
    expect(page.locator("#events tr")).to_have_count(100)
    page.get_by_role("link", name="Older events").click()
    expect(page.locator("#events tr")).to_have_count(30)
    page.get_by_role("link", name="To the newest").click()
    expect(page.locator("#events tr")).to_have_count(100)


def test_an_event_opened_shows_what_it_gives_away(filled: Pipeline, visit: Visit) -> None:
    page = visit.open("/ui?q=Checkout")
    page.get_by_role("link", name="screen_view", exact=True).click()

    lens = page.locator("table.lens")
    user = lens.get_by_role("row").filter(has_text="subject.user_id")
    expect(user).to_contain_text("present person-7")
    assert user.get_by_text("absent").count() == 4  # user, client, user + server, full
    expect(lens).to_contain_text("client_session.userId")
    expect(page.locator("table.way")).to_contain_text("collected")
    expect(page.locator(".part").first).to_contain_text("Checkout")

    page.get_by_role("link", name="user", exact=True).click()
    beside = page.locator(".beside pre")
    expect(beside.nth(0)).to_contain_text("person-7")
    expect(beside.nth(0)).to_contain_text("gclid=click-1")
    expect(beside.nth(1)).not_to_contain_text("person-7")
    expect(beside.nth(1)).not_to_contain_text("click-1")
    expect(beside.nth(1)).to_contain_text(SESSION)


def test_an_entity_is_shown_as_json_too(filled: Pipeline, visit: Visit) -> None:
    page = visit.open(path_of("event", filled))
    session = page.locator(".part").filter(has_text="client_session")
    expect(session.locator("pre")).to_be_hidden()
    session.get_by_text("As JSON").click()
    expect(session.locator("pre")).to_contain_text(f'"sessionId": "{SESSION}"')


def test_a_failed_event_shows_where_its_schema_refused_it(filled: Pipeline, visit: Visit) -> None:
    page = visit.open(path_of("failed-event", filled))
    fault = page.locator(".faults li").first
    expect(fault).to_contain_text("$.name")
    expect(fault).to_contain_text("/properties/name/type")
    fault.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("screen_view 1-0-0")


def test_a_session_is_a_timeline_with_its_gaps(filled: Pipeline, visit: Visit) -> None:
    page = visit.open()
    page.get_by_role("link", name="Sessions").click()
    page.get_by_role("link", name=re.compile(SESSION[:8])).first.click()
    expect(page.locator("ol.steps")).to_contain_text("2 events of the session not here")
    expect(page.locator("svg.strip")).to_be_visible()
    page.locator("ol.steps a").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("screen_view")


def test_charts_count_by_type_failure_and_level(filled: Pipeline, visit: Visit) -> None:
    page = visit.open("/ui/charts?span=10m")
    deadline = time.monotonic() + 30  # events are counted when their ten seconds are over
    while page.locator("main svg").count() < 3 and time.monotonic() < deadline:
        page.wait_for_timeout(500)
        page.reload()
    for text in ("screen_view", "page_view", "schema_violations", "full"):
        expect(page.locator("main")).to_contain_text(text)


def test_a_schema_is_found_and_read(visit: Visit) -> None:
    page = visit.open("/ui/schemas")
    page.get_by_role("searchbox").fill("client_session")
    page.keyboard.press("Enter")
    page.get_by_role("link", name=re.compile("1-0-2")).first.click()
    expect(page.locator("table.properties")).to_contain_text("sessionId")


def test_the_keyboard_is_enough(filled: Pipeline, visit: Visit) -> None:
    page = visit.open()
    expect(page.locator("#state")).to_have_text("Live")
    page.keyboard.press("/")
    page.keyboard.type("Checkout")
    page.keyboard.press("Enter")
    expect(page.locator("#events tr")).to_have_count(1)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("screen_view")
    page.keyboard.press("Escape")
    expect(page.locator("#events tr")).to_have_count(6)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.closest('tr').rowIndex") == 1


def test_dark_and_light_follow_the_system_until_somebody_chooses(visit: Visit) -> None:
    page = visit.open("/ui", visit.window(color_scheme="dark"))
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Light").click()
    light = page.evaluate(ground)
    assert dark != light
    page.reload()
    assert page.evaluate(ground) == light


def test_the_page_works_without_scripts(filled: Pipeline, visit: Visit) -> None:
    page = visit.open("/ui", visit.window(java_script_enabled=False))
    expect(page.locator("#events tr")).to_have_count(6)
    page.locator("select[name=status]").select_option("failed")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#events tr")).to_have_count(1)
    page.get_by_role("link", name="schema_violations").click()
    expect(page.locator(".faults li")).not_to_have_count(0)


def test_nothing_that_an_event_holds_runs(pipeline: Pipeline, visit: Visit) -> None:
    page = visit.open()
    expect(page.locator("#state")).to_have_text("Live")
    pipeline.send(screen(HOSTILE, 1, aid=HOSTILE[:60], uid=HOSTILE))
    pipeline.send({**screen(5), "aid": HOSTILE[:60]})
    expect(page.locator("#events tr")).to_have_count(2)
    for query in ("status=good", "status=failed"):
        visit.open(f"/ui/events/{number_of(pipeline, query)}")
        assert page.evaluate("window.hacked") is None
    visit.open(f"/ui/sessions?id={SESSION}")
    assert page.evaluate("window.hacked") is None
    assert page.locator("img").count() == 0


@pytest.mark.parametrize("view", VIEWS)
def test_each_view_is_readable_at_400_pixels(filled: Pipeline, visit: Visit, view: str) -> None:
    page = visit.open(path_of(view, filled), visit.window(viewport={"width": 400, "height": 800}))
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_each_view_is_accessible(  # noqa: PLR0913, PLR0917 - pytest's fixtures
    filled: Pipeline,
    visit: Visit,
    axe: str,
    pictures: Path,
    view: str,
    scheme: str,
) -> None:
    # The policy forbids scripts of others; the checker is one.
    page = visit.window(color_scheme=scheme, bypass_csp=True)
    visit.open(path_of(view, filled), page)
    page.screenshot(path=pictures / f"{view}-{scheme}.png", full_page=True)
    page.evaluate(axe)
    found = page.evaluate(
        "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
    )
    assert [
        (fault["id"], [node["target"] for node in fault["nodes"]]) for fault in found["violations"]
    ] == []
