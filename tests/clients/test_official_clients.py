"""Snowplow's own clients, from their registry, against the real collector and enrich.

Every event that they send is good without a registry; asked for anonymity on the server, nothing
that identifies arrives, whatever the client put into its events.
"""

from __future__ import annotations

import http.server
import json
import shutil
import subprocess
import threading
import urllib.parse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.enrich.conftest import make_bench
from tests.support.npm import installed
from tests.support.real_collector import RealCollector
from tests.support.trackers import poll

from whiteout.enrich.event import EnrichedEvent
from whiteout.identifiers import NULL_UUID
from whiteout.iglu import EmbeddedRegistry, Resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
OF_APP = {"canary-user-id", "canary-domain-user-id"}
OF_SERVER = {"c0ffee00-0000-4000-8000-00000000000a", "203.0.113.199"}
NAMES_OF_NODE = {
    "ad_click",
    "ad_conversion",
    "ad_impression",
    "add_to_cart",
    "change_form",
    "consent_granted",
    "consent_withdrawn",
    "event",
    "link_click",
    "page_ping",
    "page_view",
    "remove_from_cart",
    "screen_view",
    "site_search",
    "social_interaction",
    "submit_form",
    "transaction",
    "transaction_item",
}
NAMES_OF_BROWSER = {"page_view", "page_ping", "event", "site_search"}

needs_node = pytest.mark.skipif(
    shutil.which("npm") is None, reason="Node.js is not here; on Debian install nodejs and npm"
)
needs_browser = pytest.mark.skipif(
    shutil.which("chromium") is None, reason="Chromium is not here; on Debian install chromium"
)
pytestmark = needs_node


@pytest.fixture(scope="session")
def packages(request: pytest.FixtureRequest) -> Path:
    """The folder that holds `node_modules`."""
    return installed(request.config, "official-clients", HERE / "package.json")


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[RealCollector]:
    with RealCollector(tmp_path) as collector:
        yield collector


def send_from_node(packages: Path, endpoint: str, *, anonymous: bool) -> int:
    """How many events it sent."""
    node = shutil.which("node")
    assert node is not None
    done = subprocess.run(
        [node, HERE / "node_client.mjs", endpoint, packages, json.dumps(anonymous)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def send_from_browser(
    packages: Path, endpoint: str, profile: Path, *, anonymous: bool, until: Callable[[], bool]
) -> None:
    """Opens the page in a real browser, until enough has arrived."""
    chromium = shutil.which("chromium")
    assert chromium is not None
    tracker = packages / "node_modules/@snowplow/browser-tracker/dist/index.umd.js"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Pages, tracker)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        query = urllib.parse.urlencode({"endpoint": endpoint, "anonymous": json.dumps(anonymous)})
        browser = subprocess.Popen(
            [
                chromium,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--remote-debugging-port=0",
                f"--user-data-dir={profile}",
                f"http://127.0.0.1:{server.server_port}/?{query}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert poll(until, 60), "the page sent too little within a minute"
        finally:
            browser.terminate()
            browser.wait(20)
            server.shutdown()


class Pages(http.server.BaseHTTPRequestHandler):
    """Serves the page, and the client that it loads."""

    def __init__(self, tracker: Path, *arguments: Any) -> None:  # noqa: ANN401 - passed on
        self._tracker = tracker
        super().__init__(*arguments)

    def do_GET(self) -> None:
        is_script = self.path == "/tracker.js"
        content = (self._tracker if is_script else HERE / "page.html").read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if is_script else "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


class Arrivals:
    """What enrich makes of all that the collector took; it must be good."""

    def __init__(self, collector: RealCollector) -> None:
        self._collector = collector
        self._bench = make_bench(Resolver([EmbeddedRegistry()]), ())
        self.records: list[bytes] = []
        self.events: list[EnrichedEvent] = []

    def refresh(self) -> list[EnrichedEvent]:
        for record in self._collector.new_records():
            self.records.append(record)
            for one in self._bench.all(record):
                assert isinstance(one, EnrichedEvent), one.json()
                self.events.append(one)
        return self.events

    def names(self) -> set[str | None]:
        return {event["event_name"] for event in self.refresh()}

    def text(self) -> str:
        """All that is stored anywhere, base64 opened by enrich."""
        raw = b"".join(self.records).decode("utf-8", "replace")
        return "\n".join([raw, *(event.tsv() for event in self.events)])


@pytest.fixture
def arrivals(collector: RealCollector) -> Arrivals:
    return Arrivals(collector)


@pytest.mark.parametrize("anonymous", [False, True])
def test_every_event_of_the_tracker_for_node_is_good(
    packages: Path,
    collector: RealCollector,
    arrivals: Arrivals,
    anonymous: bool,  # noqa: FBT001 - parametrised
) -> None:
    sent = send_from_node(packages, collector.url, anonymous=anonymous)

    assert len(arrivals.refresh()) == sent
    assert arrivals.names() == NAMES_OF_NODE
    assert {event["app_id"] for event in arrivals.events} == {"official-node"}


def test_the_tracker_for_node_can_hide_the_address_and_the_network_user(
    packages: Path, collector: RealCollector, arrivals: Arrivals
) -> None:
    send_from_node(packages, collector.url, anonymous=True)
    arrivals.refresh()

    assert not {canary for canary in OF_SERVER if canary in arrivals.text()}
    assert {event["user_ipaddress"] for event in arrivals.events} == {None}
    assert {event["network_userid"] for event in arrivals.events} == {NULL_UUID}


def test_without_being_asked_it_hides_nothing(
    packages: Path, collector: RealCollector, arrivals: Arrivals
) -> None:
    """The search for canaries can fail."""
    send_from_node(packages, collector.url, anonymous=False)
    arrivals.refresh()

    assert all(canary in arrivals.text() for canary in OF_APP | OF_SERVER)


@needs_browser
@pytest.mark.parametrize("anonymous", [False, True])
def test_every_event_of_the_tracker_for_browsers_is_good(
    packages: Path,
    collector: RealCollector,
    arrivals: Arrivals,
    tmp_path: Path,
    anonymous: bool,  # noqa: FBT001 - parametrised
) -> None:
    send_from_browser(
        packages,
        collector.url,
        tmp_path / "profile",
        anonymous=anonymous,
        until=lambda: arrivals.names() >= NAMES_OF_BROWSER,
    )

    assert {event["app_id"] for event in arrivals.events} == {"official-browser"}
    entities = {entity.key.name for event in arrivals.events for entity in event.contexts}
    assert entities >= {"web_page", "browser_context", "client_session"}
    found = {canary for canary in OF_APP if canary in arrivals.text()}
    users = {event["network_userid"] for event in arrivals.events}
    if anonymous:
        assert not found
        assert users == {NULL_UUID}
        assert {event["domain_userid"] for event in arrivals.events} == {None}
        assert {event["user_ipaddress"] for event in arrivals.events} == {None}
    else:
        assert found == {"canary-user-id"}
        assert len(users) == 1
        assert users != {NULL_UUID}
