"""What the ASGI and the WSGI middleware share: consent signals, the scope of a request, its view.

Privacy
- A request that says `Sec-GPC: 1` or `DNT: 1` is more anonymous, never less. A value that is not a
  plain no counts as a yes.
- Addresses, cookies, `Authorization`, `Referer` and the user agent are never read; only the app's
  own `subject_of` may do so.
- At any level of anonymity a view is named by its route's template: no values of path parameters,
  no query. Where no template is known it has no name of its own.
- Where `subject_of` fails, the request is fully anonymous.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote

from whiteout.errors import ConfigurationError
from whiteout.events.page import PageView
from whiteout.events.screen import ScreenView
from whiteout.identifiers import Anonymisation
from whiteout.tracker.clock import SystemClock
from whiteout.tracker.configuration import SubjectConfiguration
from whiteout.tracker.counters import Counters
from whiteout.tracker.hooks import check_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from whiteout.events.event import Event

SIGNALS: Final = ("Sec-GPC", "DNT")
UNROUTED: Final = "(no route)"
_MAX_NAME: Final = 255  # characters; a client may ask for any path
_IN_PATHS: Final = "/:@!$&'()*+,;=~-._"  # RFC 3986, 3.3; the rest is escaped
_NO: Final = frozenset({"", "0"})
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")
_PARAMETER: Final = re.compile(r"\{([^{}]*)\}|<([^<>]*)>")
_NONE: Final = Anonymisation.NONE


class ScopedTracker(Protocol):
    """As much of a tracker as a middleware needs."""

    @property
    def effective_anonymisation(self) -> Anonymisation:
        """The level of an event here and now: with what all scopes around it add."""
        ...

    def track(self, event: Event, /) -> str | None:
        """Track an event, with the subject and the level of the scope around."""
        ...

    def scope(
        self, *, subject: SubjectConfiguration | None, anonymisation: Anonymisation
    ) -> AbstractContextManager[object]:
        """What is tracked inside has this subject and is at least so anonymous."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RequestView:
    """What a request was for.

    Attributes:
        template: of its route, `/orders/{order_id}`; None: not known.
        path: as it was asked for, with the values in it.
        query: without `?`.
    """

    template: str | None
    path: str
    query: str


class RequestTracking:
    """The decisions that both middlewares make, the same for both.

    Args:
        tracker: what tracks.
        subject_of: the user of a request, from the scope (ASGI) or the environment (WSGI); None
            leaves the tracker's subject out of it.
        honour: the consent signals to follow, of `Sec-GPC` and `DNT`.
        level: what a signal adds to the request's level.
        track: `screen_view` or `page_view` for each request, or None.
        name_of: names a view instead of its route, from the scope or the environment; None: this
            request is not tracked. The name is used at every level: it must hold no identifier.
        origin: what stands before the path of page views, `https://shop.example.com`.

    Raises:
        ConfigurationError: a signal or kind of view that there is none of, a `level` that is no
            `Anonymisation`, a function that is none or an async one, or page views without
            `origin`: what a request says of its host is the client's word.
    """

    def __init__(  # noqa: PLR0913 - one an option
        self,
        tracker: ScopedTracker,
        *,
        subject_of: Callable[[Any], SubjectConfiguration | None] | None,
        honour: Iterable[str],
        level: Anonymisation,
        track: str | None,
        name_of: Callable[[Any], str | None] | None,
        origin: str | None,
    ) -> None:
        self._tracker = tracker
        self._subject_of = subject_of
        self.signals = frozenset(_signals(honour))
        if not isinstance(level, Anonymisation):
            raise ConfigurationError(
                f"level must be an Anonymisation such as Anonymisation.FULL, got {level!r}"
            )
        if track not in {"screen_view", "page_view", None}:
            raise ConfigurationError(
                f"track must be 'screen_view', 'page_view' or None, got {track!r}"
            )
        if origin is not None and not _ORIGIN.fullmatch(origin):
            raise ConfigurationError(
                "origin must be a scheme and a host such as https://shop.example.com, "
                "without path, user name or query"
            )
        if track == "page_view" and origin is None:
            raise ConfigurationError(
                "page views need origin='https://shop.example.com' or alike: what a request says "
                "of its host is the client's word"
            )
        for name, function in (("subject_of", subject_of), ("name_of", name_of)):
            if function is not None:
                check_function(name, function)
        self._level = level
        self._track = track
        self._name_of = name_of
        self._origin = origin or ""
        self._counters = Counters(SystemClock())

    def of(self, request: Any, signals: Iterable[str]) -> RequestScope:  # noqa: ANN401 - the server's
        """The scope of one request.

        Args:
            request: handed on to the app's callables, and not looked into.
            signals: the values of the headers in `signals`.
        """
        level = self._level if any(_is_yes(value) for value in signals) else _NONE
        subject = None
        if self._subject_of is not None:
            try:
                subject = _checked(self._subject_of(request))
            except Exception as error:  # noqa: BLE001 - the app's code
                self._warn("subject_of", error)
                level = Anonymisation.FULL
        return RequestScope(self, self._tracker, subject, level)

    def view(
        self,
        request: Any,  # noqa: ANN401 - the server's
        read: Callable[[], RequestView],
    ) -> None:
        """Track the view of a request, where that is asked for. Inside its scope.

        Args:
            request: handed on to `name_of`.
            read: tells what it was for; called only where it is needed.
        """
        if self._track is None:
            return
        try:
            event = self._event(request, read)
            if event is not None:
                self._tracker.track(event)
        except Exception as error:  # noqa: BLE001 - a request is not to fail for its tracking
            self._warn("view", error)

    def _event(
        self,
        request: Any,  # noqa: ANN401 - the server's
        read: Callable[[], RequestView],
    ) -> Event | None:
        view = read()
        is_hidden = bool(self._tracker.effective_anonymisation)
        name = view.template
        if self._name_of is not None:
            name = self._name_of(request)
            if name is None:
                return None
        if self._track == "page_view":
            return PageView(page_url=self._url(view, name, is_hidden=is_hidden))
        if name is None:
            name = UNROUTED if is_hidden else view.path
        return ScreenView(name=name[:_MAX_NAME] or "/")

    def _url(self, view: RequestView, name: str | None, *, is_hidden: bool) -> str:
        if not is_hidden:
            path = quote(view.path, safe=_IN_PATHS)
            return f"{self._origin}{path}{'?' if view.query else ''}{view.query}"
        return self._origin + ("/" if name is None else path_of(name))

    def _warn(self, what: str, error: Exception) -> None:
        self._counters.warn(f"request-{what}", f"{what} of a request raised {type(error).__name__}")


class RequestScope:
    """The subject and the level of one request; `enter` as often as needed."""

    def __init__(
        self,
        tracking: RequestTracking,
        tracker: ScopedTracker,
        subject: SubjectConfiguration | None,
        level: Anonymisation,
    ) -> None:
        self._tracking = tracking
        self._tracker = tracker
        self._subject = subject
        self._level = level

    def enter(self) -> AbstractContextManager[object]:
        """What is tracked inside is of this request."""
        return self._tracker.scope(subject=self._subject, anonymisation=self._level)

    def view(self, request: Any, read: Callable[[], RequestView]) -> None:  # noqa: ANN401 - the server's
        """Track the view, in the scope."""
        with self.enter():
            self._tracking.view(request, read)


def path_of(template: str) -> str:
    """A route's template as the path of a URL: `/orders/{id:int}` becomes `/orders/:id`.

    So does `/orders/<int:id>`. Braces and angle brackets may not stand in a URL.
    """

    def parameter(match: re.Match[str]) -> str:
        braces, angles = match.groups()
        # Starlette writes {name:type}, Werkzeug and Django <type:name>.
        name = braces.partition(":")[0] if braces is not None else angles.rpartition(":")[2]
        return f":{name}"

    path = _PARAMETER.sub(parameter, template)
    return path if path.startswith("/") else f"/{path}"


def _checked(subject: object) -> SubjectConfiguration | None:
    if subject is not None and not isinstance(subject, SubjectConfiguration):
        raise ConfigurationError(
            f"subject_of must give a SubjectConfiguration or None, got {type(subject).__name__}"
        )
    return subject


def _signals(honour: Iterable[str]) -> Iterable[str]:
    known = {name.lower() for name in SIGNALS}
    for name in (honour,) if isinstance(honour, str) else honour:
        if name.lower() not in known:
            raise ConfigurationError(f"honour must hold only Sec-GPC and DNT, got {name!r}")
        yield name.lower()


def _is_yes(value: str) -> bool:
    """Whether a signal asks for privacy; both are 1 for that, what else there may be is no no."""
    return value.strip() not in _NO
