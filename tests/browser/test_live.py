"""The list while events come, in a real browser: the window of events is filled by hand."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Self

import pytest
from playwright.sync_api import expect
from tests.browser.visit import PATIENCE_MS, Visit
from tests.support.window import document, entry

from whiteout.iglu import EmbeddedRegistry, Resolver
from whiteout.web.app import Parts
from whiteout.web.freshness import Freshness
from whiteout.web.guard import Access
from whiteout.web.process import PageServer
from whiteout.web.recent import MAX_EVENTS, RecentEvents
from whiteout.web.schemas import Schemas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from whiteout.web.entries import Entry

EVENT = entry(0, document(1, "Cart"))


def named(*names: str) -> list[Entry]:
    """Events with these types."""
    return [EVENT._replace(name=name) for name in names]


def numbered(count: int, first: int = 0) -> list[Entry]:
    return named(*(f"event_{number}" for number in range(first, first + count)))


class Served:
    """A page of a window that the test fills; started again it has another one.

    Attributes:
        recent: the window.
        url: the page's address, the same after a restart.
        port: of that address.
    """

    def __init__(self, recent: RecentEvents) -> None:
        self._stack = contextlib.ExitStack()
        self.port = 0
        self._start(recent)
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def restart(self, recent: RecentEvents) -> None:
        """End, and begin with another window at the same address."""
        self._stack.close()
        self._start(recent)

    def _start(self, recent: RecentEvents) -> None:
        self.recent = self._stack.enter_context(contextlib.closing(recent))
        place = socket.create_server(("127.0.0.1", self.port))
        self._stack.enter_context(place)
        self.port = place.getsockname()[1]
        parts = Parts(
            recent=recent,
            freshness=Freshness(recent, lambda: (0, 0), lambda: None),
            schemas=Schemas(lambda: Resolver([EmbeddedRegistry()])),
            access=Access(),
        )
        self._stack.enter_context(PageServer(parts, place))


@pytest.fixture
def served() -> Iterator[Served]:
    with Served(RecentEvents()) as page:
        yield page


@pytest.fixture
def visit(browser: Browser, served: Served) -> Iterator[Visit]:
    visit = Visit(browser, served.url)
    yield visit
    visit.close()


def live(visit: Visit, path: str = "/ui") -> Page:
    """A page whose stream is open."""
    page = visit.open(path)
    expect(page.locator("#state")).to_have_text("Live")
    return page


def rows(page: Page) -> list[str]:
    return page.locator("#events td.type a").all_inner_texts()


def test_a_paused_page_loses_nothing_of_what_comes_in_many_messages(
    served: Served, visit: Visit
) -> None:
    page = live(visit)
    page.get_by_role("button", name="Pause").click()
    for number in range(6):
        served.recent.add(numbered(1, number))
        expect(page.locator("#state")).to_have_text(f"Paused · {number + 1} new")

    page.get_by_role("button", name="Go on").click()

    assert rows(page) == [f"event_{number}" for number in reversed(range(6))]
    expect(page.locator("#state")).to_have_text("Live")


def test_a_burst_leaves_its_latest_events_and_the_list_is_never_longer_than_300(
    served: Served, visit: Visit
) -> None:
    served.recent.add(numbered(100))
    page = live(visit)
    for first in (100, 190, 280):  # less than a message holds: they are added to the list
        served.recent.add(numbered(90, first))
        expect(page.locator("#good")).to_have_text(str(first + 90))
    expect(page.locator("#events tr")).to_have_count(300)
    assert rows(page) == [f"event_{number}" for number in reversed(range(70, 370))]

    served.recent.add(numbered(250, 1_000))  # more: what is between them is found by loading again
    expect(page.locator("#events tr")).to_have_count(100)
    assert rows(page)[0] == "event_1249"


def test_a_reset_empties_pages_that_are_open(served: Served, visit: Visit) -> None:
    served.recent.add(named("before"))
    page = live(visit)
    expect(page.locator("#nothing")).to_be_hidden()

    served.recent.clear()
    expect(page.locator("#nothing")).to_be_visible()
    expect(page.locator("#good")).to_have_text("0")
    served.recent.add(named("after"))
    expect(page.locator("#nothing")).to_be_hidden()
    assert rows(page) == ["after"]


def test_a_page_goes_on_after_a_restart_and_old_addresses_lead_nowhere(
    served: Served, visit: Visit
) -> None:
    served.recent.add(named("one", "two", "three"))
    page = live(visit)
    address = page.locator("#events td.type a").first.get_attribute("href")
    assert address is not None

    again = RecentEvents(first=1_000)
    again.add(named("new"))
    served.restart(again)

    expect(page.locator("#events td.type a")).to_have_text(["new"])
    expect(page.locator("#state")).to_have_text("Live")
    again.add(named("newer"))
    expect(page.locator("#events td.type a")).to_have_text(["newer", "new"])
    visit.open(address, status=404)


def test_a_page_that_found_no_room_for_its_stream_goes_on_when_there_is(
    served: Served, visit: Visit
) -> None:
    address = served.url.removeprefix("http://")
    with contextlib.ExitStack() as others:
        for _ in range(32):
            other = others.enter_context(socket.create_connection(("127.0.0.1", served.port), 5))
            other.sendall(f"GET /ui/stream HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
            assert other.recv(1024).startswith(b"HTTP/1.1 200")
        page = visit.open("/ui")
        expect(page.locator("#state")).to_have_text("Not connected · trying again")
        served.recent.add(named("meanwhile"))

    expect(page.locator("#state")).to_have_text("Live", timeout=PATIENCE_MS)
    expect(page.locator("#events td.type a")).to_have_text(["meanwhile"])


def test_a_search_that_takes_too_long_says_so(visit: Visit, served: Served) -> None:
    slow = RecentEvents(search_s=0)
    slow.add([EVENT] * 5_000)
    served.restart(slow)
    page = visit.open("/ui?q=nowhere", status=503)
    expect(page.get_by_role("alert")).to_contain_text("took too long")


@pytest.mark.parametrize("count", [2_000, pytest.param(MAX_EVENTS, marks=pytest.mark.long)])
def test_a_hundred_thousand_events_are_listed_searched_and_paged(
    visit: Visit, served: Served, count: int
) -> None:
    """How fast is `benchmarks/page.py`'s business; here it must only work."""
    served.recent.add(named("oldest"))
    served.recent.add([EVENT] * (count - 3))
    served.recent.add(named("found_at_the_end", "newest"))

    page = live(visit)
    assert rows(page)[:2] == ["newest", "found_at_the_end"]
    page.get_by_role("link", name="Older events").click()
    expect(page.locator("#events tr")).to_have_count(100)
    visit.open("/ui?before=50")
    assert rows(page)[-1] == "oldest"
    visit.open("/ui?type=oldest")
    assert rows(page) == ["oldest"]
    visit.open("/ui?q=nowhere")
    expect(page.locator("#nothing")).to_have_text("No such events.")
    visit.open("/ui/sessions")
    expect(page.locator("#sessions")).to_contain_text(str(count))


def test_a_browser_that_keeps_nothing_still_has_keys_and_themes(
    visit: Visit, served: Served
) -> None:
    page = visit.window()
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage',"
        " {get() { throw new DOMException('no', 'SecurityError'); }})"
    )
    served.recent.add(named("one"))
    visit.open("/ui", page)
    expect(page.locator("#state")).to_have_text("Live")
    page.get_by_role("button", name="Dark").click()
    expect(page.get_by_role("button", name="Light")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.textContent") == "one"
    assert visit.complaints == []
