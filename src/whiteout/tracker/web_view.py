"""The bridge between pages in a web view and the app's trackers.

The native trackers' bridges check neither who speaks nor whom they are spoken to about (leak L33).
This one takes messages from the origins that the app names, for the trackers that the app names,
and tracks what several of them get at the strictest level of all of them. A page learns nothing in
return, raises nothing, and cannot switch anything.

How a message and its origin come out of a web view is the toolkit's matter: for pywebview see
`whiteout.integrations.pywebview`.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Final, Protocol

from whiteout.errors import ConfigurationError, WhiteoutError
from whiteout.identifiers import Anonymisation
from whiteout.tracker.attributes import NoStrayAttributes
from whiteout.tracker.clock import SystemClock
from whiteout.tracker.counters import Counters
from whiteout.tracker.instances import get_tracker
from whiteout.tracker.web_view_messages import Refusal, RefusedError, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from whiteout.events.event import Event
    from whiteout.tracker.clock import Clock

FILES: Final = "file://"
"""The origin of pages from the file system."""

_ORIGIN: Final = r"(https?)://([a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?"
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_MINUTE_S: Final = 60.0


class _Tracker(Protocol):
    """What the bridge asks of a tracker."""

    @property
    def effective_anonymisation(self) -> Anonymisation: ...
    def track(self, event: Event, *, anonymisation: Anonymisation) -> str | None: ...


class WebViewBridge(NoStrayAttributes):
    """Takes messages of pages, in both forms of Snowplow's WebView tracker. Any thread may call.

    Args:
        trackers: namespaces that pages may track to. The first is the default one, for messages
            that name none. They are looked up for each message, so that a tracker which is made
            again goes on being served.
        allowed_origins: such as `https://shop.example` or `http://127.0.0.1:8080`; `file://` for
            pages from the file system. No pattern: whoever controls a page can send events.
        max_events_per_minute: what all pages together may send; more is refused, so that a page
            cannot push the app's own events out of the event store. 1 to 1,000,000.
        find_tracker: gives the tracker of a namespace.
        clock: for the limit.

    Raises:
        ConfigurationError: no tracker, no origin, or one that is none; the limit is out of range.
    """

    def __init__(
        self,
        trackers: Sequence[str],
        *,
        allowed_origins: Sequence[str],
        max_events_per_minute: int = 600,
        find_tracker: Callable[[str], _Tracker | None] = get_tracker,
        clock: Clock | None = None,
    ) -> None:
        self._namespaces = _namespaces(trackers)
        self._origins = frozenset(_origins(allowed_origins))
        self._limit = _limit(max_events_per_minute)
        self._find_tracker = find_tracker
        self._clock = clock or SystemClock()
        self._counters = Counters(self._clock)
        self._lock = threading.Lock()
        self._refusals: dict[Refusal, int] = {}
        self._tracked = self._skipped_entities = 0
        self._allowance = float(self._limit)
        self._allowed_at_s = self._clock.monotonic_s()

    @property
    def tracked(self) -> int:
        """How many events were tracked; one for each tracker that took one."""
        return self._tracked

    @property
    def skipped_entities(self) -> int:
        """How many entities were left out of events that were tracked.

        Those that are none, and the session of the page's own tracker.
        """
        return self._skipped_entities

    @property
    def refusals(self) -> Mapping[Refusal, int]:
        """How many messages were refused, by reason."""
        with self._lock:
            return dict(self._refusals)

    def allows(self, origin: str | None) -> bool:
        """Whether pages of that origin are listened to."""
        return origin is not None and origin_of(origin) in self._origins

    def receive(self, message: object, *, origin: str | None) -> None:
        """Track what a page says. Never raises; what cannot be tracked is counted.

        Args:
            message: a mapping with `command` or `atomicProperties`, or JSON text of one.
            origin: of the page, or its whole URL, as the web view knows it; never as the page says.
        """
        try:
            self._receive(message, origin)
        except RefusedError as error:
            self.refuse(error.refusal)
        except Exception as error:  # noqa: BLE001 - whatever it was, it must not reach the page
            self._counters.warn("web-view", f"a web view's message raised {type(error).__name__}")
            self.refuse(Refusal.FAILED)

    def refuse(self, refusal: Refusal) -> None:
        """Count a message that was refused, here or by whoever brings messages here."""
        with self._lock:
            self._refusals[refusal] = self._refusals.get(refusal, 0) + 1
        self._counters.warn(refusal.name, f"a web view's message was refused: {refusal.value}")

    def _receive(self, message: object, origin: str | None) -> None:
        if not self.allows(origin):
            raise RefusedError(Refusal.ORIGIN)
        if not self._is_within_limit():
            raise RefusedError(Refusal.TOO_OFTEN)
        read_message = read(message)
        served = [
            self._served(namespace) for namespace in read_message.trackers or self._namespaces[:1]
        ]
        trackers = [tracker for tracker in served if tracker is not None]
        # Before any of them gets it: one that is anonymous makes it anonymous for all, or the
        # identified copy of the same event would say whose the anonymous one is.
        level = Anonymisation.NONE
        for tracker in trackers:
            level |= tracker.effective_anonymisation
        for tracker in trackers:
            self._track(tracker, read_message.event, level)
        with self._lock:
            self._skipped_entities += read_message.skipped_entities

    def _served(self, namespace: str) -> _Tracker | None:
        tracker = self._find_tracker(namespace) if namespace in self._namespaces else None
        if tracker is None:
            self.refuse(Refusal.UNKNOWN_TRACKER)
        return tracker

    def _track(self, tracker: _Tracker, event: Event, level: Anonymisation) -> None:
        try:
            event_id = tracker.track(event, anonymisation=level)
        except WhiteoutError:
            event_id = None
        if event_id is None:
            self.refuse(Refusal.FAILED)
            return
        with self._lock:
            self._tracked += 1

    def _is_within_limit(self) -> bool:
        """A token bucket: a minute's worth at once, then as many as the limit lets come back."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            gained = (now_s - self._allowed_at_s) * self._limit / _MINUTE_S
            self._allowed_at_s = now_s
            self._allowance = min(float(self._limit), self._allowance + gained)
            if self._allowance < 1:
                return False
            self._allowance -= 1
            return True


def origin_of(url: str) -> str | None:
    """The origin of a URL of a page, with its port only where that is not the scheme's own.

    None where it has none that can be named: `about:blank`, `data:`, an address with credentials.
    """
    if url[: len(FILES)].casefold() == FILES:
        return FILES
    match = re.match(_ORIGIN + "(?=[/?#]|$)", url.casefold())
    if match is None or "\n" in url:
        return None
    scheme, host, port = match.groups()
    if port is None or port.lstrip("0") == _DEFAULT_PORTS[scheme]:
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{port.lstrip('0')}"


def _origins(origins: object) -> list[str]:
    if isinstance(origins, str) or not origins:
        raise ConfigurationError(
            "allowed_origins must be a list of origins such as https://shop.example, "
            f"got {'a text' if origins else 'none'}"
        )
    known = []
    for origin in origins:  # type: ignore[attr-defined] # anything else is the caller's TypeError
        is_origin = isinstance(origin, str) and (
            origin == FILES or re.fullmatch(_ORIGIN, origin.casefold()) is not None
        )
        if not is_origin:
            raise ConfigurationError(
                f"allowed_origins must hold origins such as https://shop.example, got {origin!r}"
            )
        known.append(origin_of(origin) or origin)
    return known


def _namespaces(trackers: object) -> tuple[str, ...]:
    is_list = isinstance(trackers, list | tuple) and bool(trackers)
    if not is_list or not all(isinstance(name, str) and name for name in trackers):  # type: ignore[attr-defined] # a list
        raise ConfigurationError("trackers must be a list of namespaces, at least one")
    return tuple(trackers)  # type: ignore[arg-type] # a list of texts


def _limit(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1_000_000:  # noqa: PLR2004 - stated
        return value
    raise ConfigurationError(f"max_events_per_minute must be 1 to 1000000, got {value!r}")
