"""Pages in a pywebview window track through the app's tracker.

::

    import webview
    from whiteout.integrations.pywebview import attach
    from whiteout import WebViewBridge

    bridge = WebViewBridge(["shop"], allowed_origins=["http://127.0.0.1:8765"])
    window = webview.create_window("Shop", "index.html")
    attach(window, bridge)
    webview.start(http_port=8765)  # a fixed port, so that the app's own pages have a known origin

Pages use Snowplow's WebView tracker (`@snowplow/webview-tracker`) or the WebView plugin of its
browser tracker, unchanged: in pages of an allowed origin they find the objects that they look for,
`SnowplowWebInterface` and `SnowplowWebInterfaceV2`. Those are there once the page has loaded, at
the window's event `whiteoutready`; the WebView tracker forgets what a page tracks before.

Whose page it is, the page cannot say itself: pywebview's API answers any page, and on some systems
any frame. So each load of an allowed page gets a secret of its own, and what does not bring it is
refused. Scripts within an allowed page are trusted as much as that page.

pywebview itself is never imported here: the app brings the window. Tried with pywebview 6 on
QtWebEngine; its other engines share the interface that is used, but were not tried.
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from typing import TYPE_CHECKING, Any, Final, Protocol

from whiteout.errors import ConfigurationError
from whiteout.tracker.web_view import FILES, origin_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.tracker.web_view import WebViewBridge

_FUNCTION: Final = "whiteout_web_view"
_PATIENCE_S: Final = 1.0  # for a message that is on its way; arbitrary, threads take turns sooner
_MAX_AHEAD: Final = 100


class _Event(Protocol):
    def __iadd__(self, handler: Callable[..., Any]) -> Any: ...  # noqa: ANN401 - pywebview's own
    def is_set(self) -> bool: ...


class _Events(Protocol):
    loaded: _Event


class _Window(Protocol):
    """What is used of `webview.Window`."""

    @property
    def events(self) -> Any: ...  # noqa: ANN401 - attributes made at run time; see `_Events`
    def expose(self, *functions: Callable[..., Any]) -> None: ...
    def get_current_url(self) -> str | None: ...
    def run_js(self, script: str) -> Any: ...  # noqa: ANN401 - pywebview's own


def attach(window: _Window | None, bridge: WebViewBridge) -> None:
    """Let the pages of a window track through a bridge, from now on.

    Args:
        window: of `webview.create_window`; before or after `webview.start`. It may have a `js_api`
            of the app's own.
        bridge: decides which pages are listened to, and knows the trackers.

    Raises:
        ConfigurationError: the window is None, which `webview.create_window` returns where a
            handler of the app has forbidden it.
    """
    if window is None:
        raise ConfigurationError("window: None is no window; create_window has made none")
    pages = _Pages(window, bridge)

    def whiteout_web_view(
        secret: object = None, number: object = None, text: object = None
    ) -> None:
        pages.receive(secret, number, text)

    window.expose(whiteout_web_view)
    events: _Events = window.events
    events.loaded += pages.on_loaded
    if events.loaded.is_set():
        pages.on_loaded()


class _Pages:
    """The pages of one window, one after another.

    pywebview calls `on_loaded` on a thread of its own for each load, and `receive` on one for each
    message. `_turn` guards the rest: messages are tracked one by one, in the order in which the
    page numbered them.
    """

    def __init__(self, window: _Window, bridge: WebViewBridge) -> None:
        self._window = window
        self._bridge = bridge
        self._turn = threading.Condition()
        self._secret: str | None = None
        self._origin: str | None = None
        self._next = 0

    def on_loaded(self) -> None:
        """Give a page that is listened to what it needs to speak."""
        url = self._window.get_current_url()
        origin = origin_of(url) if url else None
        allowed = origin if self._bridge.allows(origin) else None
        with self._turn:
            self._secret = secret = secrets.token_urlsafe(32) if allowed else None
            self._origin = allowed
            self._next = 0
        if allowed is not None and secret is not None:
            # Not `evaluate_js`, which hands the script to the page's `eval`.
            self._window.run_js(script(secret, allowed))

    def receive(self, secret: object, number: object, text: object) -> None:
        """Track a message, in its turn."""
        message = text if isinstance(text, str) else None
        with self._turn:
            known = self._secret
            if known is None or not isinstance(secret, str) or not _is_same(secret, known):
                self._bridge.receive(message, origin=None)
                return
            if isinstance(number, int) and self._next < number < self._next + _MAX_AHEAD:
                self._turn.wait_for(
                    lambda: self._next >= number or self._secret is not known, _PATIENCE_S
                )
            # It was the page's when it was sent, even if another has loaded meanwhile.
            self._bridge.receive(message, origin=self._origin)
            if isinstance(number, int) and self._next <= number < self._next + _MAX_AHEAD:
                self._next = number + 1
            self._turn.notify_all()


def _is_same(secret: str, known: str) -> bool:
    return hmac.compare_digest(secret.encode("utf-8", "replace"), known.encode())


def script(secret: str, origin: str) -> str:
    """The JavaScript that makes the WebView tracker's interfaces in a page of `origin`.

    It looks first where it is: the window may have gone on to another page. Only `location` is
    asked, which a page cannot forge, and no method is called before, which it could. `attach`
    runs it; of use alone where the window is not pywebview's.

    Args:
        secret: what each message from this load of the page must bring.
        origin: such as `https://shop.example`, or `file://`.
    """
    scheme, _, host = origin.partition("://")
    where = [f"{scheme}:", None if origin == FILES else host]
    return f"({_SCRIPT})({json.dumps(secret)}, {json.dumps(where[0])}, {json.dumps(where[1])});"


# Android's form of the interfaces: iOS's, `webkit.messageHandlers`, belongs to the web view itself.
# Only one of them, since the WebView tracker sends through every one that it finds.
_SCRIPT: Final = (
    """function (secret, protocol, host) {
  "use strict";
  if (location.protocol !== protocol || (host !== null && location.host !== host)) { return; }
  var number = 0;
  function send(message) {
    try {
      window.pywebview.api."""
    + _FUNCTION
    + """(secret, number++, JSON.stringify(message));
    } catch (error) { /* what a page tracks must not break it */ }
  }
  function command(name, event, context, trackers) {
    send({ command: name, event: event, context: context, trackers: trackers });
  }
  var v1 = {
    trackSelfDescribingEvent: function (schema, data, context, trackers) {
      command("trackSelfDescribingEvent", { schema: schema, data: data }, context, trackers);
    },
    trackStructEvent: function (category, action, label, property, value, context, trackers) {
      command("trackStructEvent", {
        category: category, action: action, label: label, property: property, value: value
      }, context, trackers);
    },
    trackScreenView: function (
      name, id, type, previousName, previousId, previousType, transitionType, context, trackers
    ) {
      command("trackScreenView", {
        name: name, id: id, type: type, previousName: previousName, previousId: previousId,
        previousType: previousType, transitionType: transitionType
      }, context, trackers);
    },
    trackPageView: function (url, title, referrer, context, trackers) {
      command("trackPageView", { url: url, title: title, referrer: referrer }, context, trackers);
    }
  };
  var v2 = {
    trackWebViewEvent: function (atomicProperties, selfDescribingEventData, entities, trackers) {
      send({
        atomicProperties: atomicProperties, selfDescribingEventData: selfDescribingEventData,
        entities: entities, trackers: trackers
      });
    }
  };
  function offer(name, value) {
    Object.defineProperty(window, name, { value: Object.freeze(value), configurable: true });
  }
  offer("SnowplowWebInterface", v1);
  offer("SnowplowWebInterfaceV2", v2);
  window.dispatchEvent(new Event("whiteoutready"));
}"""
)
