"""The short examples, one a feature: each runs, against a real collector, and does as it says."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from tests.support.collector import entity, unstructured
from tests.support.real_collector import RealCollector
from tests.support.trackers import poll

from whiteout.identifiers import NULL_UUID
from whiteout.protocol.collector_payload import decode

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
FEATURES = ROOT / "examples" / "features"
PAGE = ROOT / "docs" / "tracker" / "examples.md"
NEEDS_SIGNALS = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
DELIVERED = "delivered: True"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCollector]:
    with RealCollector(tmp_path_factory.mktemp("collector")) as collector:
        yield collector


@pytest.fixture
def collector(running: RealCollector) -> RealCollector:
    running.new_events()  # those of tests before
    return running


def environment() -> dict[str, str]:
    search = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": search}


def run(name: str, collector: RealCollector, storage: Path, *, complains: str = "") -> list[str]:
    """Run an example to its end; what it printed. It complains of nothing but what is said."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(FEATURES / name), collector.url, str(storage)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip().rpartition("\n")[2] == complains
    return done.stdout.splitlines()


def kind(event: dict[str, str]) -> str:
    """What an event is: `se`, or the name of its schema."""
    return event["e"] if event["e"] != "ue" else unstructured(event)["schema"].split("/")[1]


def of_kind(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if kind(event) == name]


# --- what happens in an app --------------------------------------------------------------------


def test_lifecycle(collector: RealCollector, tmp_path: Path) -> None:
    assert run("lifecycle.py", collector, tmp_path) == [DELIVERED]

    seen = [
        (kind(event), (entity(event, "application_lifecycle") or {})["isVisible"])
        for event in collector.new_events()
    ]
    assert seen == [
        ("se", True),
        ("application_background", False),
        ("se", False),
        ("application_foreground", True),
        ("se", True),
    ]


def test_screens_and_engagement(collector: RealCollector, tmp_path: Path) -> None:
    assert run("screens.py", collector, tmp_path) == [DELIVERED]

    events = collector.new_events()
    assert [kind(event) for event in events] == ["screen_view", "screen_end", "screen_view"]
    summary = entity(events[1], "screen_summary") or {}
    assert (summary["last_item_index"], summary["items_count"]) == (4, 40)
    assert (summary["max_y_offset"], summary["content_height"]) == (1500, 4000)
    assert unstructured(events[2])["data"]["previousName"] == "Shoes"


def test_deep_links(collector: RealCollector, tmp_path: Path) -> None:
    assert run("deep_link.py", collector, tmp_path) == [DELIVERED]

    views = of_kind(collector.new_events(), "screen_view")
    links = [entity(view, "deep_link") for view in views]
    assert [(link or {}).get("url") for link in links] == [
        "https://shop.example/shoes?utm_campaign=winter&gclid=Cj0KCQ",
        None,
        "https://shop.example/shoes?utm_campaign=winter",
        None,
    ]


def test_install(collector: RealCollector, tmp_path: Path) -> None:
    for expected in (["application_install", "screen_view"], ["screen_view"]):
        assert run("install.py", collector, tmp_path) == [DELIVERED]
        events = collector.new_events()
        assert [kind(event) for event in events] == expected
        users = {(entity(event, "client_session") or {})["userId"] for event in events}
        assert users == {NULL_UUID}


def test_push_notifications(collector: RealCollector, tmp_path: Path) -> None:
    assert run("notification.py", collector, tmp_path) == [DELIVERED]

    events = collector.new_events()
    plain = [unstructured(event)["data"] for event in of_kind(events, "message_notification")]
    of_apple = [unstructured(event)["data"] for event in of_kind(events, "notification_event")]
    assert [data["title"] for data in plain] == ["A new message", ""]
    assert [data["notification"]["title"] for data in of_apple] == ["A new message", ""]
    assert [data["category"] for data in plain] == ["messages", "messages"]
    assert [data["categoryIdentifier"] for data in of_apple] == ["messages", "messages"]


def test_the_legal_basis(collector: RealCollector, tmp_path: Path) -> None:
    assert run("gdpr.py", collector, tmp_path) == [DELIVERED]

    bases = {
        event["se_ac"]: (entity(event, "gdpr") or {}).get("basisForProcessing")
        for event in collector.new_events()
    }
    assert bases == {"order": "contract", "newsletter": "consent", "look": None}


def test_exceptions(collector: RealCollector, tmp_path: Path) -> None:
    printed = run(
        "exceptions.py",
        collector,
        tmp_path,
        complains="LookupError: no account for alice@example.com",
    )

    events = collector.new_events()
    assert printed == ["the loop's own handler: LookupError", DELIVERED]
    messages = [unstructured(event)["data"]["message"] for event in events]
    assert messages == ["no account for alice@example.com", "LookupError", "LookupError"]
    assert "alice" not in str([unstructured(event) for event in events[1:]])


def test_diagnostics(collector: RealCollector, tmp_path: Path) -> None:
    """What the end of a run comes too early for is sent by the next."""
    for _ in range(2):
        printed = run("diagnostics.py", collector, tmp_path)
        assert printed[:2] == ["log: whiteout", "faults: 1"]

    events = collector.new_events()
    assert len(of_kind(events, "se")) == 2
    warnings = of_kind(events, "diagnostic_error")
    assert warnings
    for event in warnings:
        assert unstructured(event)["data"]["className"] == "plugin broken"
        assert entity(event, "client_session") is None


def test_withdrawal_with_events_that_wait(collector: RealCollector, tmp_path: Path) -> None:
    complains = "events dropped: consent was withdrawn, with pending=drop"
    printed = run("withdrawal.py", collector, tmp_path, complains=complains)
    assert printed == ["dropped: 1", DELIVERED]

    (event,) = collector.new_events()
    assert (event["se_ac"], event.get("uid")) == ("anonymise", None)
    assert entity(event, "client_session") is None


def test_live_changes(collector: RealCollector, tmp_path: Path) -> None:
    complains = "events dropped: forget() or remove_all_events() was called"
    printed = run("live.py", collector, tmp_path, complains=complains)

    assert printed == ["deleted: 1", "sent 1 failed 0", DELIVERED]
    (record,) = collector.new_records()
    request = decode(record)
    assert request.body is None
    assert "se_ac=order" in (request.querystring or "")
    assert "X-Shop: 17" in request.headers


def test_sessions_under_control(collector: RealCollector, tmp_path: Path) -> None:
    assert run("session_control.py", collector, tmp_path) == ["sessions: 3", DELIVERED]

    sessions = [entity(event, "client_session") or {} for event in collector.new_events()]
    assert [session["sessionIndex"] for session in sessions] == [1, 2, 2, 3]


def test_a_sender_of_the_apps_own(collector: RealCollector, tmp_path: Path) -> None:
    assert run("own_sender.py", collector, tmp_path) == [DELIVERED]

    (record,) = collector.new_records()
    request = decode(record)
    assert request.ip_address == "unknown"
    assert request.network_user_id == NULL_UUID


# --- what an app adds --------------------------------------------------------------------------


def test_global_contexts(collector: RealCollector, tmp_path: Path) -> None:
    assert run("global_contexts.py", collector, tmp_path) == [DELIVERED]

    attached = [
        (event.get("se_ac"), entity(event, "branch"), entity(event, "name"))
        for event in collector.new_events()
        if kind(event) != "screen_end"
    ]
    assert attached == [
        (None, {"number": 7}, {"characters": 5}),
        ("order", {"number": 7}, None),
        ("leave", None, None),
    ]


def test_events_of_ones_own(collector: RealCollector, tmp_path: Path) -> None:
    assert run("own_event.py", collector, tmp_path) == [DELIVERED]

    (event,) = collector.new_events()
    assert unstructured(event) == {
        "schema": "iglu:com.example.shop/order/jsonschema/1-0-0",
        "data": {"items": 2, "total_cents": 4_990},
    }


def test_plugins(collector: RealCollector, tmp_path: Path) -> None:
    assert run("plugins.py", collector, tmp_path) == [DELIVERED, "followed: ['order']"]

    (event,) = collector.new_events()
    assert (event["se_ac"], entity(event, "build")) == ("order", {"number": 812})


def test_focal_meter(collector: RealCollector, tmp_path: Path) -> None:
    printed = run("focal_meter.py", collector, tmp_path)

    assert printed == ["while hidden: 0", DELIVERED, "the meter heard: [64]"]
    assert len(collector.new_events()) == 3


def test_link_decoration(collector: RealCollector, tmp_path: Path) -> None:
    assert run("links.py", collector, tmp_path) == [
        "known: https://shop.example/offer?id=7& 5 parts",
        "short: 2 parts",
        "hidden: https://shop.example/offer?id=7#top",
        DELIVERED,
    ]


def test_web_views(collector: RealCollector, tmp_path: Path) -> None:
    printed = run("web_view.py", collector, tmp_path)

    events = collector.new_events()
    assert printed == ["tracked: 2", "refused: ['ORIGIN']", DELIVERED]
    assert [kind(event) for event in events] == ["screen_view", "pv"]
    assert events[1]["url"] == "https://shop.example/sizes"
    assert len({(entity(event, "client_session") or {})["sessionId"] for event in events}) == 1


# As much of pywebview as a window needs that shows one page of the app, whose script tracks.
PYWEBVIEW = """
import json, re

class Event:
    handlers = []
    def __iadd__(self, handler):
        self.handlers.append(handler)
        return self
    def is_set(self):
        return False

class Window:
    class events:
        loaded = Event()
    def expose(self, *functions):
        self.api = {function.__name__: function for function in functions}
    def get_current_url(self):
        return f"http://127.0.0.1:{port}/web_window.html"
    def run_js(self, script):
        secret, = re.findall(r'\\)\\("([^"]+)", ', script)
        message = {"command": "trackScreenView", "event": {"name": "Size guide"}}
        self.api["whiteout_web_view"](secret, 0, json.dumps(message))

def create_window(title, url):
    return Window()

def start(http_port):
    global port
    port = http_port
    for handler in Event.handlers:
        handler()
"""


def test_a_window_of_pywebview(
    collector: RealCollector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "webview.py").write_text(PYWEBVIEW, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    assert run("web_window.py", collector, tmp_path) == ["tracked: 1", DELIVERED]

    (event,) = collector.new_events()
    assert unstructured(event)["data"]["name"] == "Size guide"
    assert (FEATURES / "web_window.html").is_file()


def test_the_strict_profile(collector: RealCollector, tmp_path: Path) -> None:
    assert run("strict_profile.py", collector, tmp_path) == [DELIVERED]

    view, loan = collector.new_events()
    assert view["url"] == "https://library.example/books?utm_source=a"
    assert unstructured(loan)["data"] == {"kind": "book"}
    assert {int(event["dtm"]) % 60_000 for event in (view, loan)} == {0}
    assert "81723" not in str([unstructured(loan), view])


# --- Python ------------------------------------------------------------------------------------


def test_asyncio(collector: RealCollector, tmp_path: Path) -> None:
    printed = run("asyncio_flush.py", collector, tmp_path)

    assert sorted(printed) == ["another task goes on", DELIVERED]
    values = Counter(event["se_va"] for event in collector.new_events())
    assert values == {"0": 10, "1": 10, "2": 10}


def test_scopes(collector: RealCollector, tmp_path: Path) -> None:
    assert run("scope.py", collector, tmp_path) == [DELIVERED]

    users = Counter(event.get("uid") for event in collector.new_events())
    assert users == {"17": 1, None: 1}


def test_several_trackers(collector: RealCollector, tmp_path: Path) -> None:
    assert run("several_trackers.py", collector, tmp_path) == []

    users: dict[str, list[str]] = {}
    for event in collector.new_events():
        user = (entity(event, "client_session") or {})["userId"]
        users.setdefault(event["tna"], []).append(user)
    assert users["shop"] == users["help"]
    assert len(set(users["shop"])) == 2
    assert len(set(users["crashes"])) == 1
    assert not set(users["crashes"]) & set(users["shop"])


def get(url: str, **headers: str) -> str | None:
    """What a site answers; None: nothing, yet."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    try:
        connection.request("GET", urlsplit(url).path, headers=headers)
        return connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


@contextmanager
def serving(*command: str, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """A server in a process group of its own, none of which is left at the end."""
    with subprocess.Popen(
        [sys.executable, *command],
        env=environment(),
        cwd=cwd,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@NEEDS_SIGNALS
def test_asgi(collector: RealCollector, tmp_path: Path) -> None:
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    command = (str(FEATURES / "asgi.py"), collector.url, str(tmp_path), "0")
    with serving(*command, cwd=tmp_path) as site:
        assert site.stdout is not None
        url = site.stdout.readline().strip()
        assert get(f"{url}/shoes/42", Cookie="customer=17") == "hidden: NONE\n"
        assert get(f"{url}/shoes/43", Cookie="customer=18", **{"Sec-GPC": "1"}) == "hidden: FULL\n"
        site.terminate()
        printed, _ = site.communicate(timeout=30)

    assert printed.strip() == DELIVERED
    events = collector.new_events()
    assert Counter((kind(event), event.get("uid")) for event in events) == {
        ("se", "17"): 1,
        ("screen_view", "17"): 1,
        ("se", None): 1,
        ("screen_view", None): 1,
    }
    names = {unstructured(event)["data"]["name"] for event in of_kind(events, "screen_view")}
    assert names == {"/shoes/{number}"}


@NEEDS_SIGNALS
def test_gunicorn(collector: RealCollector, tmp_path: Path) -> None:
    pytest.importorskip("gunicorn")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = (
        *("-m", "gunicorn", "--workers", "2", "--preload", "--chdir", str(FEATURES)),
        *("--bind", f"127.0.0.1:{port}", "--log-level", "critical"),
        f"gunicorn_site:site({collector.url!r}, {str(tmp_path)!r})",
    )
    workers: set[str | None] = set()
    pages: list[str] = []

    def visit() -> bool:
        worker = get(f"{url}/page-{len(pages)}")
        if worker is not None:
            workers.add(worker)
            pages.append(f"page-{len(pages)}")
        return len(workers) == 2 and len(pages) >= 20

    with serving(*command, cwd=tmp_path) as site:
        assert poll(visit, 30)
        site.terminate()
        assert site.wait(30) == 0

    arrived: set[str] = set()

    def has_arrived() -> bool:
        arrived.update(event["se_ac"] for event in collector.new_events())
        return len(arrived) >= len(pages)

    # What the workers had no time to send, the next start does; it sends again what was not
    # answered before the end.
    if not has_arrived():
        with serving(*command, cwd=tmp_path):
            assert poll(has_arrived, 30)
    assert arrived == set(pages)


@NEEDS_SIGNALS
def test_celery(collector: RealCollector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("celery")
    monkeypatch.setenv("COLLECTOR", collector.url)
    monkeypatch.setenv("STORAGE", str(tmp_path))
    monkeypatch.setenv("BROKER", str(tmp_path / "broker"))
    celery = ("-m", "celery", "--workdir", str(FEATURES), "--app", "celery_tasks")
    ask = [sys.executable, *celery, "call", "celery_tasks.send_receipt", "--args", "[17]"]
    subprocess.run(ask, env=environment(), check=True, capture_output=True, timeout=60)

    quiet = ("--loglevel", "CRITICAL", "--without-gossip", "--without-mingle")
    with serving(*celery, "worker", "--concurrency", "1", *quiet, cwd=tmp_path):
        arrived: list[str] = []

        def has_arrived() -> bool:
            arrived.extend(event["se_la"] for event in collector.new_events())
            return bool(arrived)

        assert poll(has_arrived, 30)
    assert arrived == ["17"]


# --- all of them -------------------------------------------------------------------------------


def test_each_example_is_listed_and_tested() -> None:
    here = Path(__file__).read_text("utf-8")
    page = PAGE.read_text("utf-8")
    for path in sorted((ROOT / "examples").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        assert f"`{name}`" in page, name
        if path.parent == FEATURES:
            assert f'"{path.name}"' in here or path.stem in {"celery_tasks", "gunicorn_site"}, name
            assert path.read_text("utf-8").count("\n") < 100, name
