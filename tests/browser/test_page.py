"""What the page can do, in a real browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import SESSION, number_of, screen
from tests.support.trackers import a_tracker

from whiteout import ScreenView

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page
    from tests.browser.visit import Visit
    from tests.support.pipeline import Pipeline

HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\'">'


def made_of_text(page: Page) -> list[str]:
    """The elements that only an event could have brought in, and what their scripts did."""
    found = page.locator("img, script:not([src^='/ui/assets/']), [onerror]").all()
    ran = page.evaluate("window.hacked")
    return [str(one) for one in found] + ([] if ran is None else ["ran"])


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
    expect(page.locator("#nothing")).to_be_hidden()


def test_what_a_tracker_tracks_appears_and_tells_its_way(
    pipeline: Pipeline, visit: Visit, tmp_path: Path
) -> None:
    page = visit.open()
    expect(page.locator("#state")).to_have_text("Live")
    with a_tracker(pipeline.url, tmp_path, namespace="browser") as tracker:
        tracker.track(ScreenView(name="Checkout"))
        page.get_by_role("link", name="screen_view", exact=True).click()

    stages = page.locator("table.way tbody th").all_inner_texts()
    assert stages == ["tracked", "sent", "collected", "enriched", "stored"]
    expect(page.locator(".part").first).to_contain_text("Checkout")


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
        ("schema", "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0", 5),
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
    page = visit.open(f"/ui/events/{number_of(filled, 'status=good&q=Checkout')}")
    session = page.locator(".part").filter(has_text="client_session")
    expect(session.locator("pre")).to_be_hidden()
    session.get_by_text("As JSON").click()
    expect(session.locator("pre")).to_contain_text(f'"sessionId": "{SESSION}"')


def test_a_failed_event_shows_where_its_schema_refused_it(filled: Pipeline, visit: Visit) -> None:
    page = visit.open(f"/ui/events/{number_of(filled, 'status=failed')}")
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
    expect(page.locator("#state")).to_have_text("Live")  # its script has run
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("screen_view")
    expect(page.get_by_role("button", name="Dark")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#state")).to_have_text("Live")
    expect(page.locator("#events tr")).to_have_count(1)  # the search still holds
    visit.open()
    expect(page.locator("#state")).to_have_text("Live")
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
    pipeline.send({**screen(5), "aid": HOSTILE[:60], "ua": HOSTILE})
    expect(page.locator("#events tr")).to_have_count(2)
    numbers = [number_of(pipeline, query) for query in ("status=good", "status=failed")]
    views = ["/ui", f"/ui/sessions?id={SESSION}", *(f"/ui/events/{one}" for one in numbers)]
    for view in views:
        visit.open(view)
        assert "onerror" in page.content()
        assert made_of_text(page) == []


@pytest.mark.parametrize("view", ["/ui?q=", "/ui?app=", "/ui?session=", "/ui/schemas?q="])
def test_nothing_that_an_address_holds_runs(visit: Visit, view: str) -> None:
    page = visit.open(view + quote(HOSTILE))
    assert "onerror" in page.content()
    assert made_of_text(page) == []


def test_the_policy_refuses_scripts_and_requests_to_elsewhere(visit: Visit) -> None:
    """Were something of an event to become markup, it would not run, and could tell nobody."""
    page = visit.open()
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'),"
        " {textContent: 'window.hacked = 1'}))"
    )
    page.evaluate("fetch('http://127.0.0.1:1/').catch(() => {})")
    page.evaluate("document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:1/'}))")

    expect(page.locator("img")).to_have_count(1)
    assert page.evaluate("window.hacked") is None
    assert sorted(set(visit.refused())) == ["connect-src", "img-src", "script-src"]


def test_keys_walk_through_sessions_and_their_timelines(filled: Pipeline, visit: Visit) -> None:
    page = visit.open("/ui/sessions")
    expect(page.get_by_role("button", name="Switch keys off")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("ol.steps")).to_be_visible()
    expect(page.get_by_role("button", name="Switch keys off")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("j")
    focused = "[...document.querySelectorAll('ol.steps a')].indexOf(document.activeElement)"
    assert page.evaluate(focused) == 1


def test_letters_are_no_keys_where_somebody_switches_them_off(
    filled: Pipeline, visit: Visit
) -> None:
    """Who speaks to the computer says letters without meaning keys (WCAG 2.1.4)."""
    page = visit.open()
    page.get_by_role("button", name="Switch keys off").click()
    page.reload()
    expect(page.get_by_role("button", name="Switch keys on")).to_be_visible()
    for key in ("j", "/"):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.tagName") == "BODY"

    page.get_by_role("button", name="Switch keys on").click()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"


def test_the_skip_link_leads_past_the_head(filled: Pipeline, visit: Visit) -> None:
    page = visit.open()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_a_session_leads_to_the_one_before_and_to_its_events(
    pipeline: Pipeline, visit: Visit
) -> None:
    later = SESSION.replace("0001", "0002")
    pipeline.send(screen("Cart", 1), screen(5, 2))
    pipeline.send(screen("Checkout", 1, session=later, previous=SESSION))
    assert pipeline.get("/micro/all").json()["total"] == 3

    page = visit.open(f"/ui/sessions?id={later}")
    page.get_by_role("link", name=SESSION[:8]).click()
    expect(page.locator("ol.steps a")).to_have_text(["screen_view", "schema_violations"])
    page.get_by_role("link", name="These events in the list").click()
    expect(page.get_by_role("textbox", name="Session")).to_have_value(SESSION)
    expect(page.locator("#events tr")).to_have_count(2)

    page.get_by_role("textbox", name="Session").fill(later)
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#events tr")).to_have_count(1)
    page.get_by_role("link", name="screen_view", exact=True).click()
    page.get_by_role("link", name="These events").click()
    expect(page.locator("#events tr")).to_have_count(1)


def test_a_schema_leads_to_its_versions_and_to_its_events(filled: Pipeline, visit: Visit) -> None:
    page = visit.open("/ui/schemas/com.snowplowanalytics.snowplow/link_click/jsonschema/1-0-1")
    versions = page.get_by_role("navigation", name="Versions").get_by_role("link")
    expect(versions).to_have_count(2)
    versions.and_(page.locator(":not([aria-current])")).click()
    expect(page.get_by_role("heading", level=1)).not_to_have_text("link_click 1-0-1")
    expect(page.get_by_role("heading", level=1)).to_contain_text("link_click")

    visit.open("/ui/schemas/com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0")
    page.get_by_role("link", name="Events of this schema").click()
    expect(page.locator("#events tr")).to_have_count(5)  # the failed one is of it, too


def test_an_event_that_the_lake_had_already_is_marked(pipeline: Pipeline, visit: Visit) -> None:
    event = screen("Cart", eid="3022bb48-db05-44cb-80b5-b7387caaff3f", dtm="1700000000000")
    pipeline.send(event)
    pipeline.send(event)
    assert pipeline.get("/micro/all").json()["good"] == 2

    page = visit.open()
    mark = page.get_by_text("repeated", exact=True)
    expect(mark).not_to_have_count(0)
    page.locator("#events tr").filter(has=mark).first.get_by_role("link").click()
    expect(page.locator("main")).to_contain_text("this one was passed over")
