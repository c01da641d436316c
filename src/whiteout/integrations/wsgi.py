"""WSGI middleware: the user, the consent and the view of each request. Needs no framework.

::

    import flask
    import whiteout
    from whiteout.integrations.wsgi import WsgiMiddleware

    tracker = whiteout.create_tracker("shop-site", "https://collector.example.com")
    app = flask.Flask("shop")
    app.wsgi_app = WsgiMiddleware(app.wsgi_app, tracker)

Any other WSGI app is wrapped as a whole, `WsgiMiddleware(app, tracker)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whiteout.identifiers import Anonymisation
from whiteout.integrations.web_requests import SIGNALS, RequestTracking, RequestView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from whiteout.integrations.web_requests import RequestScope, ScopedTracker
    from whiteout.tracker.configuration import SubjectConfiguration

    Environ = dict[str, Any]
    StartResponse = Callable[..., Callable[[bytes], object]]
    Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class WsgiMiddleware:
    """Gives what is tracked during a request that request's subject and level, and tracks its view.

    The scope holds while the app is called and while its answer is read. The view is tracked when
    the answer begins, since a route is known only then (and in Flask not much longer).

    Route templates are found for Flask and Bottle; name views of others with `name_of`.

    Args:
        app: what answers.
        tracker: what tracks.
        subject_of: the user of a request, from its WSGI environment. Where it raises, the request
            is fully anonymous.
        honour: the consent signals to follow; default both, `Sec-GPC` and `DNT`.
        level: what a signal adds to the level of the request; default all.
        track: `screen_view`, `page_view`, or None for no view.
        name_of: names the view, from the environment after routing, instead of the route's
            template; None: this request is not tracked. Must hold no identifier.
        origin: of page views' URLs, `https://shop.example.com`.

    Raises:
        ConfigurationError: a signal or kind of view that there is none of, a `level` that is no
            `Anonymisation`, or page views without `origin`.
    """

    def __init__(  # noqa: PLR0913 - one an option
        self,
        app: Application,
        tracker: ScopedTracker,
        *,
        subject_of: Callable[[Environ], SubjectConfiguration | None] | None = None,
        honour: Iterable[str] = SIGNALS,
        level: Anonymisation = Anonymisation.FULL,
        track: str | None = "screen_view",
        name_of: Callable[[Environ], str | None] | None = None,
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
        self._signals = tuple(
            f"HTTP_{name.upper().replace('-', '_')}" for name in sorted(self._tracking.signals)
        )

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer, as WSGI asks."""
        signals = [environ[key] for key in self._signals if key in environ]
        request = self._tracking.of(environ, signals)
        view = _Once(request, environ)

        def tracking_start(*arguments: Any) -> Callable[[bytes], object]:  # noqa: ANN401 - passed on
            view.track()
            return start_response(*arguments)

        try:
            with request.enter():
                response = self._app(environ, tracking_start)
        except BaseException:
            view.track()
            raise
        # Whole already, or a file that the server sends by itself: nothing runs any more.
        if isinstance(response, (list, tuple)) or _is_file(environ, response):
            view.track()
            return response
        return _Response(response, request, view)


class _Once:
    """The view of a request, tracked once."""

    def __init__(self, request: RequestScope, environ: Environ) -> None:
        self._request = request
        self._environ = environ
        self._is_due = True

    def track(self) -> None:
        if self._is_due:
            self._is_due = False
            self._request.view(self._environ, lambda: _view(self._environ))


class _Response:
    """An answer whose parts are made in the scope of its request."""

    def __init__(self, parts: Iterable[bytes], request: RequestScope, view: _Once) -> None:
        self._parts = parts
        self._iterator: Iterator[bytes] | None = None
        self._request = request
        self._view = view

    def __iter__(self) -> _Response:
        return self

    def __next__(self) -> bytes:
        try:
            with self._request.enter():
                if self._iterator is None:
                    self._iterator = iter(self._parts)
                return next(self._iterator)
        finally:
            self._view.track()

    def close(self) -> None:
        """Tell the app that the server is done, as WSGI asks."""
        try:
            close = getattr(self._parts, "close", None)
            if close is not None:
                with self._request.enter():
                    close()
        finally:
            self._view.track()


def _is_file(environ: Environ, response: Iterable[bytes]) -> bool:
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(response, wrapper)


def _view(environ: Environ) -> RequestView:
    script = environ.get("SCRIPT_NAME", "")
    # WSGI hands bytes over as Latin-1 text (PEP 3333).
    path = (script + environ.get("PATH_INFO", "")).encode("latin-1").decode("utf-8", "replace")
    return RequestView(
        template=_template(environ), path=path, query=environ.get("QUERY_STRING", "")
    )


def _template(environ: Environ) -> str | None:
    """The template of the route that Werkzeug (Flask) or Bottle chose; None: not known."""
    request = environ.get("werkzeug.request")
    for route in (getattr(request, "url_rule", None), environ.get("bottle.route")):
        rule = getattr(route, "rule", None)
        if isinstance(rule, str):
            return rule
    return None
