"""The world of a day: time that jumps, a network that does its worst, and what an app tracks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol

from tests.privacy.support import events_of
from tests.support.collector import unstructured

from whiteout import Answer, DeepLinkReceived, PageView, ScreenView, Structured, Timing

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout import Event, OutgoingRequest

FIRST_MS: Final = 1_654_496_481_346
MOST_EVENTS_A_REQUEST: Final = 3  # while the collector finds more too large
KINDS: Final = ("screen", "page", "structured", "timing", "link")
TOO_LARGE: Final = 413
_MARKER: Final = re.compile(r"marker-\d+")

UNHEARD: Final = {
    "refused": Answer(status=None),
    "failing": Answer(status=500, retry_after="nonsense"),
    "busy": Answer(status=503, retry_after="90"),
}
WEATHERS: Final = (
    *UNHEARD,
    "fair",
    "picky",
    "raising",
    "narrow",
    "strict",
    "answers lost",
    "slow",
)


class DayClock:
    """Wall time that jumps, but never says the same millisecond twice; it skips whole seconds.

    Equal times mean a bridge then, and times that were cut to the second do not.

    Attributes:
        before_ms: what it said before the last time.
    """

    def __init__(self) -> None:
        self.wall_ms = FIRST_MS
        self.passed_s = 0.0
        self.before_ms = self._last_ms = FIRST_MS
        self._said: set[int] = set()

    def now_ms(self) -> int:
        self.wall_ms += 1
        while self.wall_ms in self._said or not self.wall_ms % 1000:
            self.wall_ms += 1
        self._said.add(self.wall_ms)
        self.before_ms, self._last_ms = self._last_ms, self.wall_ms
        return self.wall_ms

    def monotonic_s(self) -> float:
        return 1000.0 + self.passed_s

    def advance(self, seconds: float) -> None:
        self.wall_ms += round(seconds * 1000)
        self.passed_s += seconds


class Collector(Protocol):
    """Who hears of requests, one after the other, and of what becomes of them."""

    def leaves(self, request: OutgoingRequest) -> None: ...
    def fails(self, status: int | None) -> None: ...
    def refuses(self) -> None: ...
    def receives(self, *, is_answered: bool) -> None: ...


class Weather:
    """The network, and a collector behind it.

    Attributes:
        kind: what becomes of the next requests.
        meanwhile: what the app does while the next slow request is under way.
        broken: a promise that a request has broken.
    """

    sends_headers = True

    def __init__(self, collector: Collector, clock: DayClock) -> None:
        self.kind = "fair"
        self.meanwhile: list[Callable[[], None]] = []
        self.broken: AssertionError | None = None
        self._collector = collector
        self._clock = clock

    def send(self, request: OutgoingRequest) -> Answer:
        try:
            return self._send(request)
        except AssertionError as error:  # the emitter survives whatever a connection raises
            self.broken = self.broken or error
            raise

    def _send(self, request: OutgoingRequest) -> Answer:
        collector, kind = self._collector, self.kind
        collector.leaves(request)
        if kind == "raising":
            raise ValueError("a network connection of the app's own, with a fault")
        if kind == "narrow" and len(events_of(request)) > MOST_EVENTS_A_REQUEST:
            collector.fails(TOO_LARGE)
            return Answer(status=TOO_LARGE)
        if kind == "picky" and any(_is_picked(event) for event in events_of(request)):
            kind = "failing"
        if kind in UNHEARD:
            answer = UNHEARD[kind]
            collector.fails(answer.status)
            return answer
        if kind == "strict":
            collector.refuses()
            return Answer(status=400)
        if kind == "slow":
            self._clock.advance(20)
            if self.meanwhile:
                self.meanwhile.pop()()
        is_answered = kind != "answers lost"
        collector.receives(is_answered=is_answered)
        return Answer(status=200 if is_answered else None)

    def close(self) -> None:
        """Nothing is kept."""


def event_of_kind(kind: str, marker: str) -> Event:
    """What the app tracks."""
    match kind:
        case "screen":
            return ScreenView(name=marker)
        case "page":
            return PageView(page_url=f"https://shop.example/{marker}", page_title=marker)
        case "structured":
            return Structured(category="c", action="a", label=marker)
        case "link":
            return DeepLinkReceived(url=f"https://shop.example/{marker}?_sp=other")
        case _:
            return Timing(category=marker, variable="v", timing=1)


def marker_of(event: dict[str, str]) -> str | None:
    """By which the app knows its event again, whatever the tracker made of it."""
    names = [event.get("se_la", ""), event.get("page", "")]
    if event["e"] == "ue":
        data = unstructured(event)["data"]
        names += [str(data.get(name)) for name in ("name", "category", "url")]
    found = _MARKER.search(" ".join(names))
    return found[0] if found else None


def _is_picked(event: dict[str, str]) -> bool:
    """Whether a proxy between refuses every request with this event."""
    return event["eid"] < "2"
