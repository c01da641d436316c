"""Snowplow's own tracker for browsers, from its registry, in Chromium, against the real collector.

Every event that it sends is good without a registry; asked for anonymity on the server, nothing
that identifies arrives, whatever the browser knows.
"""

from __future__ import annotations

import http.server
import shutil
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from tests.clients.conftest import needs_node
from tests.enrich.conftest import TP2
from tests.support.arrivals import Arrivals
from tests.support.npm import installed
from tests.support.trackers import poll

from whiteout.identifiers import NULL_UUID, Anonymisation
from whiteout.iglu import FolderRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playwright.sync_api import Browser, BrowserContext, Page
    from tests.support.real_collector import RealCollector

    from whiteout.enrich import EnrichedEvent

HERE = Path(__file__).parent / "browser"
CENTRAL = Path(__file__).parents[3] / "shared" / "iglu-central"
PATIENCE_S = 30
LINK = "?_sp=canary-linked-user.1700000000000"
CANARIES = {"canary-user-id", "canary-linked-user", "127.0.0.1", "canary-cookie"}
OF_BROWSER = {
    "collector.ip_address",
    "collector.network_user_id",
    "protocol.domain_session_id",
    "protocol.domain_session_index",
    "session",
    "session.session_id",
    "session.user_id",
    "subject.domain_user_id",
    "subject.user_id",
    "url.cross_navigation",
}
NAMES = {"page_view", "page_ping", "event", "site_search"}
ANONYMOUS = {"withServerAnonymisation": True}
LEVELS: dict[Anonymisation, Any] = {
    Anonymisation.NONE: False,
    Anonymisation.USER | Anonymisation.SERVER: {**ANONYMOUS, "withSessionTracking": True},
    Anonymisation.FULL: ANONYMOUS,
}
WITHOUT_REGISTRY = {
    "form-tracking": {"focus_form", "change_form", "submit_form"},
    "link-click-tracking": {"link_click"},
    "screen-tracking": {"screen_view", "screen_end", "list_item_view", "scroll_changed"},
    "site-tracking": {"social_interaction", "site_search", "timing"},
}
SHOPPING = (
    "add_to_cart remove_from_cart product_view list_view list_click promo_view promo_click"
    " checkout_step transaction refund trns_error"
).split()
WATCHING = (
    "ready play pause end seek_start seek_end playback_rate_change volume_change"
    " fullscreen_change picture_in_picture_change ad_break_start ad_break_end ad_start ad_quartile"
    " ad_click ad_pause ad_resume ad_skip ad_complete buffer_start buffer_end quality_change error"
).split()
WITH_REGISTRY = {
    "button-click-tracking": {"button_click"},
    "error-tracking": {"application_error"},
    "media": {f"{name}_event" for name in WATCHING} | {"site_search"},
    "performance-timing": set[str](),
    "snowplow-ecommerce": {f"snowplow_ecommerce_action {kind}" for kind in SHOPPING},
}

pytestmark = [
    needs_node,
    pytest.mark.skipif(
        shutil.which("chromium") is None, reason="Chromium is not here; on Debian install chromium"
    ),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; for this module, since its driver keeps an event loop running here."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - starts a driver

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def shop(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of the page, on a site that the collector belongs to, so that it gets cookies."""
    packages = installed(request.config, "browser-tracker", HERE / "package.json")
    handler = partial(Pages, packages / "node_modules/@snowplow")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://www.shop.localhost:{server.server_port}/{LINK}"
        server.shutdown()


class Pages(http.server.BaseHTTPRequestHandler):
    """Serves the page, and the packages that it loads."""

    def __init__(self, packages: Path, *arguments: Any) -> None:  # noqa: ANN401 - passed on
        self._packages = packages
        super().__init__(*arguments)

    def do_GET(self) -> None:
        name = Path(urlsplit(self.path).path).stem
        script = self._packages / name / "dist/index.umd.js"
        is_script = bool(name) and script.is_file()
        content = (script if is_script else HERE / "page.html").read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if is_script else "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def profile(browser: Browser) -> Iterator[BrowserContext]:
    """Somebody's browser, with a cookie of the shop's in it."""
    with browser.new_context() as context:
        context.add_cookies(
            [{"name": "other", "value": "canary-cookie", "domain": ".shop.localhost", "path": "/"}]
        )
        yield context


def reached_as(collector: RealCollector) -> str:
    return f"http://c.shop.localhost:{urlsplit(collector.url).port}"


def visit(
    profile: BrowserContext,
    shop: str,
    collector: RealCollector,
    *plugins: str,
    level: Anonymisation = Anonymisation.NONE,
    client: str = "browser-tracker",
    **options: object,
) -> Page:
    """A page with a tracker in it."""
    page = profile.new_page()
    page.goto(shop)
    page.add_script_tag(url=f"/{client}.js")
    asked = {"anonymousTracking": LEVELS[level], **options}
    page.evaluate("asked => start(...asked)", [reached_as(collector), asked, plugins])
    return page


def arrive(arrivals: Arrivals, wanted: set[str]) -> None:
    """Wait until events of these kinds are there."""
    poll(lambda: kinds(arrivals.refresh()) >= wanted, PATIENCE_S)
    assert wanted - kinds(arrivals.events) == set()


def kinds(events: Sequence[EnrichedEvent]) -> set[str]:
    """What events are called; all of a shop's have one name, and differ in a property."""
    found = set()
    for event in events:
        data = event.unstruct_event.data if event.unstruct_event is not None else {}
        is_of_shop = event["event_name"] == "snowplow_ecommerce_action"
        found.add(
            f"{event['event_name']} {data['type']}" if is_of_shop else str(event["event_name"])
        )
    return found


def entities(arrivals: Arrivals) -> set[str]:
    return {entity.key.name for event in arrivals.events for entity in event.contexts}


def check_anonymity(arrivals: Arrivals, level: Anonymisation) -> None:
    """Nothing that identifies is anywhere; where nobody asked, the same searches find it."""
    found, leaks = arrivals.search(CANARIES, level or Anonymisation.FULL)
    users = {event["network_userid"] for event in arrivals.events}
    if level:
        assert (found, leaks, users) == (set(), set(), {NULL_UUID})
    else:
        assert found == CANARIES
        assert leaks >= OF_BROWSER
        assert NULL_UUID not in users


@pytest.mark.parametrize(
    ("level", "method"),
    [
        (Anonymisation.NONE, "post"),
        (Anonymisation.NONE, "get"),
        (Anonymisation.USER | Anonymisation.SERVER, "post"),
        (Anonymisation.FULL, "get"),
    ],
)
def test_every_event_is_good(  # noqa: PLR0913, PLR0917 - fixtures
    profile: BrowserContext,
    shop: str,
    collector: RealCollector,
    arrivals: Arrivals,
    level: Anonymisation,
    method: str,
) -> None:
    page = visit(profile, shop, collector, level=level, eventMethod=method)

    page.evaluate("trackAll()")

    arrive(arrivals, NAMES)
    assert {event["app_id"] for event in arrivals.events} == {"official-browser"}
    assert entities(arrivals) >= {"web_page", "browser_context"}
    assert ("client_session" in entities(arrivals)) is not (Anonymisation.SESSION in level)
    check_anonymity(arrivals, level)


@pytest.mark.parametrize("level", [Anonymisation.NONE, Anonymisation.FULL])
def test_what_a_page_sends_as_it_is_left_arrives(
    profile: BrowserContext,
    shop: str,
    collector: RealCollector,
    arrivals: Arrivals,
    level: Anonymisation,
) -> None:
    """The client's beacon: a request that outlives the page."""
    page = visit(profile, shop, collector, level=level, keepalive=True, bufferSize=10)
    page.evaluate("addEventListener('pagehide', () => core.flushBuffer())")
    page.evaluate("core.trackPageView()")

    page.close(run_before_unload=True)

    arrive(arrivals, {"page_view"})
    check_anonymity(arrivals, level)


@pytest.mark.parametrize("level", [Anonymisation.NONE, Anonymisation.FULL])
def test_beacons_of_version_3_arrive(
    profile: BrowserContext,
    shop: str,
    collector: RealCollector,
    arrivals: Arrivals,
    level: Anonymisation,
) -> None:
    """W5: it cannot set a header on them; its path can ask for the same."""
    path = TP2 + ("?sp-anonymous" if level else "")
    options = {"client": "browser-tracker-3", "eventMethod": "beacon", "postPath": path}
    page = visit(profile, shop, collector, level=level, **options)

    with page.expect_request(lambda request: request.resource_type == "ping"):
        page.evaluate("core.trackPageView()")

    arrive(arrivals, {"page_view"})
    check_anonymity(arrivals, level)


def test_it_can_send_to_a_path_of_the_sites_own(
    profile: BrowserContext, shop: str, collector: RealCollector, arrivals: Arrivals
) -> None:
    page = visit(profile, shop, collector, postPath="/com.acme/track")

    page.evaluate("core.trackPageView()")

    arrive(arrivals, {"page_view"})


def test_who_was_identified_before_is_anonymous_now(
    profile: BrowserContext,
    shop: str,
    collector: RealCollector,
    arrivals: Arrivals,
    tmp_path: Path,
) -> None:
    """W17: the client sends the cookie along all the same, and the collector takes it away."""
    visit(profile, shop, collector).evaluate("core.trackPageView()")
    arrive(arrivals, {"page_view"})
    (before,) = arrivals.events
    address = reached_as(collector)
    known = {str(before[f"{of}id"]) for of in ("network_user", "domain_user", "domain_session")}
    assert not known & {"None", NULL_UUID}
    assert cookies(profile, address) == {"other", "sp"}

    afterwards = Arrivals(collector, tmp_path / "afterwards")
    page = visit(profile, shop, collector, level=Anonymisation.FULL, credentials="include")
    with page.expect_response(lambda response: response.request.method == "POST") as answer:
        page.evaluate("core.trackPageView()")

    assert f"sp={before['network_userid']}" in answer.value.request.all_headers()["cookie"]
    arrive(afterwards, {"page_view"})
    check_anonymity(afterwards, Anonymisation.FULL)
    assert afterwards.search(known, Anonymisation.FULL) == (set(), set())
    assert cookies(profile, address) == {"other"}


def cookies(profile: BrowserContext, address: str) -> set[str]:
    """The names of cookies that a browser would send, but those of the client itself."""
    return {
        name
        for cookie in profile.cookies(address)
        if not (name := cookie.get("name", "")).startswith("_sp_")
    }


@pytest.mark.parametrize("level", [Anonymisation.NONE, Anonymisation.FULL])
def test_events_of_usual_plugins_are_good(
    profile: BrowserContext,
    shop: str,
    collector: RealCollector,
    arrivals: Arrivals,
    level: Anonymisation,
) -> None:
    page = visit(profile, shop, collector, *WITHOUT_REGISTRY, level=level)

    unused = page.evaluate("trackAllOfPlugins()")
    use(page)

    assert unused == []
    arrive(arrivals, set().union(*WITHOUT_REGISTRY.values()))
    check_anonymity(arrivals, level)


@pytest.mark.skipif(not CENTRAL.is_dir(), reason="no copy of Iglu Central beside the repository")
@pytest.mark.parametrize("level", [Anonymisation.NONE, Anonymisation.FULL])
def test_events_of_other_plugins_are_good_with_their_schemas(
    profile: BrowserContext,
    shop: str,
    collector: RealCollector,
    tmp_path: Path,
    level: Anonymisation,
) -> None:
    arrivals = Arrivals(collector, tmp_path, FolderRegistry(CENTRAL, name="Iglu Central"))
    page = visit(profile, shop, collector, *WITH_REGISTRY, level=level)

    unused = page.evaluate("trackAllOfPlugins()")
    use(page)

    assert unused == []
    arrive(arrivals, set().union(*WITH_REGISTRY.values()))
    assert entities(arrivals) >= {"PerformanceTiming", "product", "media_player"}
    check_anonymity(arrivals, level)


def use(page: Page) -> None:
    """What plugins hear of: a form is filled in, a link and a button are clicked."""
    page.fill("#quantity", "2")
    page.click("#buy")
    page.click("#kettle")
    page.click(".order")
