"""ASGI middleware: the user, the consent and the view of each request. Needs no framework.

::

    import whiteout
    from starlette.applications import Starlette
    from whiteout.integrations.asgi import AsgiMiddleware

    tracker = whiteout.create_tracker("shop-site", "https://collector.example.com")
    app = Starlette()
    app.add_middleware(AsgiMiddleware, tracker=tracker)

So for FastAPI; any other ASGI app is wrapped, `AsgiMiddleware(app, tracker)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whiteout.identifiers import Anonymisation
from whiteout.integrations.web_requests import SIGNALS, RequestTracking, RequestView

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping

    from whiteout.integrations.web_requests import ScopedTracker
    from whiteout.tracker.configuration import SubjectConfiguration

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]


class AsgiMiddleware:
    """Gives what is tracked during a request that request's subject and level, and tracks its view.

    HTTP requests and web sockets have a scope; only HTTP requests have a view. It is tracked when
    the answer begins, since a route is known only then, or at the end where there was no answer.

    Route templates are found for FastAPI, and for Starlette from 1.7 on; name views of others with
    `name_of`.

    Args:
        app: what answers.
        tracker: what tracks.
        subject_of: the user of a request, from its ASGI scope. Where it raises, the request is
            fully anonymous.
        honour: the consent signals to follow; default both, `Sec-GPC` and `DNT`.
        level: what a signal adds to the level of the request; default all.
        track: `screen_view`, `page_view`, or None for no view.
        name_of: names the view, from the ASGI scope after routing, instead of the route's
            template; None: this request is not tracked. Must hold no identifier.
        origin: of page views' URLs, `https://shop.example.com`.

    Raises:
        ConfigurationError: a signal or kind of view that there is none of, a `level` that is no
            `Anonymisation`, or page views without `origin`.
    """

    def __init__(  # noqa: PLR0913 - one an option
        self,
        app: App,
        tracker: ScopedTracker,
        *,
        subject_of: Callable[[Scope], SubjectConfiguration | None] | None = None,
        honour: Iterable[str] = SIGNALS,
        level: Anonymisation = Anonymisation.FULL,
        track: str | None = "screen_view",
        name_of: Callable[[Scope], str | None] | None = None,
        origin: str | None = None,
    ) -> None:
        self._app = app
        self._tracking = RequestTracking(
            tracker,
            subject_of=subject_of,
            honour=honour,
            level=level,
            track=track,
            name_of=name_of,
            origin=origin,
        )
        self._signals = frozenset(name.encode() for name in self._tracking.signals)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, as ASGI asks."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        request = self._tracking.of(scope, self._signal_values(scope))
        root_path = scope.get("root_path", "")
        is_due = scope["type"] == "http"

        def track() -> None:
            nonlocal is_due
            if is_due:
                is_due = False
                request.view(scope, lambda: _view(scope, root_path))

        async def tracking_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                track()
            await send(message)

        with request.enter():
            try:
                await self._app(scope, receive, tracking_send)
            finally:
                track()

    def _signal_values(self, scope: Scope) -> Iterator[str]:
        wanted = self._signals
        for name, value in scope["headers"]:
            if name.lower() in wanted:
                yield value.decode("latin-1")


def _view(scope: Scope, root_path: str) -> RequestView:
    return RequestView(
        template=_template(scope, root_path),
        path=scope["path"],
        query=scope.get("query_string", b"").decode("latin-1"),
    )


def _template(scope: Scope, root_path: str) -> str | None:
    """The template of the route that Starlette or FastAPI chose; None: not known.

    A mounted app's routes do not know where they are mounted. The prefix is taken from the request,
    unless it may hold values: that is, unless every path parameter is the route's own.
    """
    route = _route(scope)
    path = getattr(route, "path", None)
    if not isinstance(path, str):
        return None
    mounted_at: str = scope.get("root_path", "").removeprefix(root_path)
    own = getattr(route, "param_convertors", {}).keys()
    if hasattr(route, "methods") and scope.get("path_params", {}).keys() <= own:
        return mounted_at + path
    return path or "/"


def _route(scope: Scope) -> object:
    """The route that was chosen; None: not known.

    FastAPI's later versions choose the route of an included router as that wrote it, and say beside
    it what it is with the prefixes of all routers around it.
    """
    route = scope.get("route")
    known = scope.get("fastapi")
    whole = known.get("effective_route_context") if isinstance(known, dict) else None
    is_of_it = whole is not None and getattr(whole, "original_route", None) is route
    return whole if is_of_it else route
