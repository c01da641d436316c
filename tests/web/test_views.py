"""Sessions, charts and schemas as they are served, with the window filled by hand."""

from __future__ import annotations

import contextlib
import csv
import io
import socket
import time
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.support.window import SESSION, document, entry

from whiteout.iglu import EmbeddedRegistry, Resolver
from whiteout.web.app import Parts
from whiteout.web.freshness import Freshness
from whiteout.web.guard import Access
from whiteout.web.process import PageServer
from whiteout.web.recent import RecentEvents
from whiteout.web.schemas import Schemas

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENT = entry(0, document(1, "Cart"))
FAILED = EVENT._replace(status="failed", name="schema_violations", level=None, session=None)


@pytest.fixture
def recent() -> Iterator[RecentEvents]:
    window = RecentEvents()
    yield window
    window.close()


@pytest.fixture
def client(recent: RecentEvents) -> Iterator[httpx.Client]:
    """Somebody who asks the page."""
    with asking(recent) as client:
        yield client


@contextlib.contextmanager
def asking(recent: RecentEvents) -> Iterator[httpx.Client]:
    """Somebody who asks a page of these events."""
    parts = Parts(
        recent=recent,
        freshness=Freshness(recent, lambda: (0, 0), lambda: None),
        schemas=Schemas(lambda: Resolver([EmbeddedRegistry()])),
        access=Access(),
    )
    with (
        socket.create_server(("127.0.0.1", 0)) as place,  # it listens: nobody comes too early
        PageServer(parts, place),
        httpx.Client(base_url=f"http://127.0.0.1:{place.getsockname()[1]}") as client,
    ):
        yield client


def stored(recent: RecentEvents, **counts: int) -> None:
    """Events of these types that came into the lake a minute ago."""
    minute_ago = time.time_ns() // 1_000_000 - 60_000
    for name, count in counts.items():
        event = FAILED if name == "schema_violations" else EVENT
        recent.add([event._replace(name=name, stored_ms=minute_ago)] * count)


def test_charts_show_whole_lots_only(recent: RecentEvents, client: httpx.Client) -> None:
    stored(recent, screen_view=13, login=4, schema_violations=9)

    page = client.get("/ui/charts").text

    assert "screen_view <b>10</b>" in page
    assert "schema_violations <b>5</b>" in page
    assert "login" not in page
    assert 'class="totals"' not in page  # what is missing from the lots is not told either
    assert "Counted in lots of 5" in page


@pytest.mark.parametrize("span", ["10m", "1h", "1d", "30d", "nonsense"])
def test_each_span_has_the_same_events(
    recent: RecentEvents, client: httpx.Client, span: str
) -> None:
    stored(recent, screen_view=13)
    page = client.get("/ui/charts", params={"span": span})
    assert page.status_code == 200
    assert "screen_view <b>10</b>" in page.text


def test_exports_have_what_the_charts_have(recent: RecentEvents, client: httpx.Client) -> None:
    stored(recent, screen_view=13, login=4, schema_violations=9)

    as_csv = client.get("/ui/charts/export.csv")
    as_json = client.get("/ui/charts/export.json").json()

    rows = list(csv.DictReader(io.StringIO(as_csv.text)))
    assert [(row["status"], row["type"], row["level"], row["events"]) for row in rows] == [
        ("failed", "schema_violations", "", "5"),
        ("good", "screen_view", "user", "10"),
    ]
    assert as_csv.headers["content-disposition"] == 'attachment; filename="whiteout-events.csv"'
    assert as_json["least_group"] == 5
    assert as_json["events"] == 15
    assert [{key: str(value) for key, value in row.items()} for row in as_json["rows"]] == rows


def test_exports_hold_nothing_of_sessions_apps_or_events(
    recent: RecentEvents, client: httpx.Client
) -> None:
    stored(recent, screen_view=50)
    for ending in ("csv", "json"):
        text = client.get(f"/ui/charts/export.{ending}").text
        assert "screen_view" in text
        assert not [held for held in (SESSION, "shop", "Cart") if held in text]


def test_a_session_is_told_with_its_gaps(recent: RecentEvents, client: httpx.Client) -> None:
    recent.add([EVENT, entry(90, document(4, "Pay <now>"))])

    page = client.get("/ui/sessions", params={"id": SESSION}).text

    assert "2 events of the session not here" in page
    assert "1 min 30 s later" in page
    assert "Pay &lt;now&gt;" in page
    assert '<svg class="strip" role="img"' in page
    assert SESSION in client.get("/ui/sessions").text


def test_a_session_that_is_not_here_says_so(client: httpx.Client) -> None:
    page = client.get("/ui/sessions", params={"id": "<script>"})
    assert page.status_code == 404
    assert "keeps the latest events only" in page.text
    assert "<script>" not in page.text


def test_schemas_are_searched_and_shown(client: httpx.Client) -> None:
    found = client.get("/ui/schemas", params={"q": "client_SESSION"}).text
    path = "com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2"
    assert f'href="/ui/schemas/{path}"' in found
    assert "screen_view" not in found

    page = client.get(f"/ui/schemas/{path}").text
    assert "hidden by user, session" in page
    assert "&#34;sessionId&#34;" in page


def test_a_schema_that_only_an_event_names_is_listed(
    recent: RecentEvents, client: httpx.Client
) -> None:
    recent.add([EVENT._replace(schema="iglu:com.acme/order/jsonschema/1-0-0")])

    assert "/ui/schemas/com.acme/order/jsonschema/1-0-0" in client.get("/ui/schemas").text
    missing = client.get("/ui/schemas/com.acme/order/jsonschema/1-0-0")
    assert missing.status_code == 404
    assert "Whiteout embedded: NotFound" in missing.text
    assert client.get("/ui/schemas/com.acme/order/jsonschema/first").status_code == 404


@pytest.mark.parametrize(
    "path", ["charts", "sessions", f"sessions?id={SESSION}", "schemas", "schemas/a/b/c/1-0-0"]
)
def test_no_view_needs_what_the_policy_refuses(
    recent: RecentEvents, client: httpx.Client, path: str
) -> None:
    stored(recent, screen_view=10)
    page = client.get(f"/ui/{path}")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for refused in (" style=", "<style", " onclick=", "<script>", "http://", "https://"):
        assert refused not in page.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/ui?q=nowhere", 503),
        ("/ui/sessions", 503),
        ("/micro/good", 503),
        ("/micro/bad", 200),  # there are none, which an index says
        ("/ui/events/1", 200),
    ],
)
def test_what_takes_too_long_is_answered_503(path: str, status: int) -> None:
    """Before an answer has begun: none that is 200 breaks off."""
    with (
        contextlib.closing(RecentEvents(search_s=0)) as slow,
        asking(slow) as client,
    ):
        slow.add([EVENT] * 5_000)
        assert client.get(path).status_code == status
