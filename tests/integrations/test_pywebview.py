"""Pages in pywebview: what Snowplow's WebView tracker finds there, and whose pages they are.

The script runs in Node, and everything with a real window where pywebview and PyQt6-WebEngine are
installed. Between them and the bridge is what pywebview's documented interface promises.
"""

from __future__ import annotations

import contextlib
import http.server
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
from ctypes.util import find_library
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from whiteout import (
    Anonymisation,
    ConfigurationError,
    PageView,
    ScreenView,
    SelfDescribing,
    Structured,
)
from whiteout.events.web_view import WebViewEvent
from whiteout.integrations.pywebview import attach, script
from whiteout.protocol.self_describing import SelfDescribingJson
from whiteout.tracker.web_view import WebViewBridge
from whiteout.tracker.web_view_messages import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from whiteout import Event

HERE = Path(__file__).parent
PAGE_TRACKER = (HERE / "page_tracker.js").read_text("utf-8")
ORIGIN = "http://127.0.0.1:8765"
PAGE = f"{ORIGIN}/index.html"
PAGE_VIEW = '{"command": "trackPageView", "event": {"url": "u"}}'
SCREEN_ID = "0b7c2f66-3c5e-4a2e-8a63-5b0e6a9d5f01"
USER = SelfDescribingJson("iglu:com.acme/user/jsonschema/1-0-0", {"plan": "free"})
ORDER = "iglu:com.acme/order/jsonschema/1-0-0"

# A page as far as the script sees it. Prints what reaches pywebview.
NODE_PAGE = """
const vm = require("node:vm");
const given = JSON.parse(require("node:fs").readFileSync(0, "utf-8"));
const calls = [];
const window = {
  location: given.location,
  events: [],
  dispatchEvent: (event) => window.events.push(event.type),
  pywebview: { api: { whiteout_web_view: (...args) => { calls.push(args); } } },
  Event: class { constructor(type) { this.type = type; } },
};
window.window = window;
vm.createContext(window);
vm.runInContext(given.before, window);
vm.runInContext(given.script, window);
if (window.SnowplowWebInterface) {
  vm.runInContext(given.page + ";trackEverything(window)", window);
}
process.stdout.write(JSON.stringify({
  calls, events: window.events, offered: Object.keys(window).concat(
    ["SnowplowWebInterface", "SnowplowWebInterfaceV2"].filter((name) => name in window)
  ),
}));
"""


class Scribe:
    """A tracker that only writes down."""

    def __init__(self) -> None:
        self.effective_anonymisation = Anonymisation.NONE
        self.events: list[Event] = []

    def track(self, event: Event, *, anonymisation: Anonymisation) -> str:
        self.events.append(event)
        return "an id"


class Signal:
    """As `webview.event.Event`."""

    def __init__(self) -> None:
        self.handlers: list[Callable[[], None]] = []
        self.has_fired = False

    def __iadd__(self, handler: Callable[[], None]) -> Self:
        self.handlers.append(handler)
        return self

    def is_set(self) -> bool:
        return self.has_fired

    def fire(self) -> None:
        self.has_fired = True
        for handler in self.handlers:
            handler()


class Events:
    def __init__(self) -> None:
        self.loaded = Signal()


class Window:
    """As `webview.Window`, as far as it is used."""

    def __init__(self) -> None:
        self.events = Events()
        self.url: str | None = None
        self.scripts: list[str] = []
        self.api: dict[str, Callable[..., None]] = {}

    def expose(self, *functions: Callable[..., None]) -> None:
        self.api |= {function.__name__: function for function in functions}

    def get_current_url(self) -> str | None:
        return self.url

    def run_js(self, script: str) -> None:
        self.scripts.append(script)

    def load(self, url: str | None) -> None:
        self.url = url
        self.events.loaded.fire()

    def say(self, *arguments: object) -> None:
        """As pywebview calls it: with whatever the page gave."""
        self.api["whiteout_web_view"](*arguments)

    @property
    def secret(self) -> str:
        """Of the page that was loaded last."""
        arguments = self.scripts[-1].rpartition("})(")[2].removesuffix(");")
        secret: str = json.loads(f"[{arguments}]")[0]
        return secret


@pytest.fixture
def scribe() -> Scribe:
    return Scribe()


@pytest.fixture
def bridge(scribe: Scribe) -> WebViewBridge:
    return WebViewBridge(["shop"], allowed_origins=[ORIGIN], find_tracker={"shop": scribe}.get)


@pytest.fixture
def window(bridge: WebViewBridge) -> Window:
    window = Window()
    attach(window, bridge)
    return window


def test_what_is_no_window_is_refused(bridge: WebViewBridge) -> None:
    with pytest.raises(ConfigurationError, match="window: None"):
        attach(None, bridge)


# --- whose page it is -----------------------------------------------------------------------------


def test_a_page_of_an_allowed_origin_is_listened_to(window: Window, scribe: Scribe) -> None:
    window.load(PAGE)

    window.say(window.secret, 0, PAGE_VIEW)

    assert scribe.events == [PageView(page_url="u")]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9999/", "https://evil.example/", None, ""])
def test_a_page_from_elsewhere_gets_nothing_to_speak_with(
    window: Window, scribe: Scribe, bridge: WebViewBridge, url: str | None
) -> None:
    window.load(url)
    for secret in ("", None, "guess", True):
        window.say(secret, 0, PAGE_VIEW)

    assert window.scripts == []
    assert scribe.events == []
    assert bridge.refusals == {Refusal.ORIGIN: 4}


def test_the_secret_of_one_page_is_worth_nothing_to_the_next(
    window: Window, scribe: Scribe, bridge: WebViewBridge
) -> None:
    window.load(PAGE)
    first = window.secret
    window.load(PAGE)
    window.say(first, 0, PAGE_VIEW)
    second = window.secret
    window.load("https://evil.example/")
    window.say(second, 0, PAGE_VIEW)

    assert first != second
    assert scribe.events == []
    assert bridge.refusals == {Refusal.ORIGIN: 2}


def test_a_window_that_has_loaded_already_is_attached_too(
    bridge: WebViewBridge, scribe: Scribe
) -> None:
    window = Window()
    window.load(PAGE)
    attach(window, bridge)

    window.say(window.secret, 0, PAGE_VIEW)

    assert len(scribe.events) == 1


@pytest.mark.parametrize(
    "arguments", [(), (1,), ("x",), (None, None, None), ({}, [], {}), ("x", "y", PAGE_VIEW)]
)
def test_a_call_of_any_shape_is_refused_without_an_error(
    window: Window, bridge: WebViewBridge, arguments: tuple[object, ...]
) -> None:
    window.load(PAGE)

    window.say(*arguments)

    assert bridge.refusals == {Refusal.ORIGIN: 1}


@pytest.mark.parametrize("text", [None, 7, {}, "{", "[]"])
def test_a_message_of_any_shape_is_refused_without_an_error(
    window: Window, bridge: WebViewBridge, text: object
) -> None:
    window.load(PAGE)

    window.say(window.secret, 0, text)

    assert sum(bridge.refusals.values()) == 1


# --- order ----------------------------------------------------------------------------------------


def test_messages_are_tracked_in_the_order_in_which_the_page_sent_them(
    window: Window, scribe: Scribe
) -> None:
    """pywebview brings each on a thread of its own."""
    window.load(PAGE)
    threads = [
        threading.Thread(
            target=window.say,
            args=(window.secret, number, PAGE_VIEW.replace('"u"', f'"{number}"')),
        )
        for number in range(20)
    ]

    for thread in reversed(threads):
        thread.start()
    for thread in threads:
        thread.join()

    urls = [event.page_url for event in scribe.events if isinstance(event, PageView)]
    assert urls == [str(number) for number in range(20)]


@pytest.mark.parametrize("number", [None, "x", -5, 3, 10**9, True, 1.5])
def test_a_number_that_never_comes_holds_nothing_up_for_long(
    window: Window, scribe: Scribe, number: object
) -> None:
    window.load(PAGE)

    window.say(window.secret, number, PAGE_VIEW)
    window.say(window.secret, 0, PAGE_VIEW)

    assert len(scribe.events) == 2


# --- the script, in Node --------------------------------------------------------------------------

NEEDS_NODE = pytest.mark.skipif(
    shutil.which("node") is None, reason="Node.js, to run the page's script, is not installed"
)


def in_node(code: str, location: dict[str, str], before: str = "") -> Any:  # noqa: ANN401 - JSON
    given = {"script": code, "location": location, "page": PAGE_TRACKER, "before": before}
    done = subprocess.run(
        ["node", "-e", NODE_PAGE],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return json.loads(done.stdout)


EXPECTED: list[Event] = [
    SelfDescribing(schema=ORDER, data={"total": 7}, entities=(USER,)),
    Structured(category="category", action="action", label="label", property="property", value=1.5),
    ScreenView(
        name="Cart",
        screen_id=SCREEN_ID,
        type="list",
        previous_name="Home",
        previous_id=SCREEN_ID,
        previous_type="feed",
        transition_type="push",
        entities=(USER,),
    ),
    PageView(
        page_url="https://shop.example/",
        page_title="Grüße \u2028",
        referrer="https://a.example/",
    ),
    WebViewEvent(
        event_name="pp",
        page_url="https://shop.example/",
        ping_y_offset_max=400,
        entities=(USER,),
    ),
    WebViewEvent(self_describing_data=SelfDescribingJson(ORDER, {"total": 8})),
]


@NEEDS_NODE
def test_what_the_webview_tracker_calls_arrives_as_events(
    window: Window, scribe: Scribe, bridge: WebViewBridge
) -> None:
    window.load(PAGE)

    page = in_node(window.scripts[-1], {"protocol": "http:", "host": "127.0.0.1:8765"})
    for call in page["calls"]:
        window.say(*call)

    assert scribe.events == EXPECTED
    assert page["events"] == ["whiteoutready"]
    assert bridge.refusals == {Refusal.UNKNOWN_TRACKER: 1}  # the page named `private` as well


@NEEDS_NODE
@pytest.mark.parametrize(
    "location",
    [
        {"protocol": "https:", "host": "127.0.0.1:8765"},
        {"protocol": "http:", "host": "127.0.0.1"},
        {"protocol": "http:", "host": "evil.example"},
        {"protocol": "file:", "host": ""},
    ],
)
def test_the_script_does_nothing_where_the_window_has_gone_on_to_another_page(
    location: dict[str, str],
) -> None:
    page = in_node(script("canary", ORIGIN), location)

    assert page["calls"] == page["events"] == []
    assert "SnowplowWebInterface" not in page["offered"]


@NEEDS_NODE
def test_pages_from_the_file_system_have_no_host(scribe: Scribe) -> None:
    page = in_node(script("secret", "file://"), {"protocol": "file:", "host": ""})

    assert [call[:2] for call in page["calls"]] == [["secret", number] for number in range(6)]


@NEEDS_NODE
def test_another_page_cannot_get_at_the_secret_by_changing_what_scripts_call() -> None:
    """It overwrites whatever it can before the script of the page before it comes late."""
    before = """
        var caught = [];
        function catcher() { caught.push([].slice.call(arguments)); return caught; }
        String.prototype.indexOf = Array.prototype.indexOf = JSON.stringify = catcher;
        Object.defineProperty = Object.freeze = Function.prototype.call = catcher;
        window.pywebview.api.whiteout_web_view = catcher;
        window.dispatchEvent = function (event) { catcher(event); };
    """
    spying = script("canary", ORIGIN) + ";events.push(JSON.parse('[]').concat(caught).length)"

    page = in_node(spying, {"protocol": "https:", "host": "evil.example"}, before)

    assert page["events"] == [0]


# --- a real window --------------------------------------------------------------------------------


def is_installed(*modules: str) -> bool:
    try:
        return all(importlib.util.find_spec(module) is not None for module in modules)
    except ModuleNotFoundError:
        return False


class Pages(http.server.BaseHTTPRequestHandler):
    """The same address serves the app's page, and on another port somebody else's."""

    content: dict[str, str] = {  # noqa: RUF012 - a table
        "/shop": "addEventListener('whiteoutready', function () { trackEverything(window); });",
        "/evil": (
            "addEventListener('pywebviewready', function () {"
            "  window.pywebview.api.whiteout_web_view('guess', 0, "
            '    \'{"command": "trackPageView", "event": {"url": "evil"}}\');'
            "});"
        ),
    }

    def do_GET(self) -> None:
        body = (
            f"<meta charset=utf-8><script>{PAGE_TRACKER}{self.content.get(self.path, '')}</script>"
        )
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def served() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(10)


@pytest.mark.skipif(
    not is_installed("webview", "qtpy", "PyQt6.QtWebEngineWidgets") or not find_library("EGL"),
    reason="pywebview, PyQt6-WebEngine and EGL, for a window without a screen, are not installed",
)
def test_a_page_in_a_real_window_tracks_and_another_one_does_not(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "QT_API": "pyqt6",
        "QT_QPA_PLATFORM": "offscreen",
        "QTWEBENGINE_DISABLE_SANDBOX": "1",
        "QTWEBENGINE_CHROMIUM_FLAGS": "--disable-gpu",
        "HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    with served() as shop, served() as evil:
        app = subprocess.run(
            [sys.executable, HERE / "pywebview_app.py", f"{shop}/shop", f"{evil}/evil"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert app.stdout, app.stderr
    seen = json.loads(app.stdout.splitlines()[-1])
    assert seen["tracked"] == [[type(event).__name__, event.parameters()] for event in EXPECTED]
    assert seen["refusals"] == {"UNKNOWN_TRACKER": 1}
    assert seen["elsewhere"] == "undefined"
    assert seen["tracked_elsewhere"] == 0
    assert "ORIGIN" in seen["refused_elsewhere"]
