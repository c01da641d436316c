"""The WSGI middleware, with real Flask, real Bottle and a real server."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import FileWrapper

import pytest
from tests.integrations.support import RecordingTracker, get

from whiteout import Anonymisation, ScreenView, SubjectConfiguration
from whiteout.integrations.wsgi import WsgiMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

FULL = Anonymisation.FULL
NONE = Anonymisation.NONE


class Silent(WSGIRequestHandler):
    """A handler that logs nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
        return


@contextmanager
def serving(app: Any) -> Iterator[int]:  # noqa: ANN401 - a WSGI app
    """The port of a server for `app`."""
    with make_server("127.0.0.1", 0, app, handler_class=Silent) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(10)


def user_of(environ: dict[str, Any]) -> SubjectConfiguration | None:
    user = environ.get("HTTP_X_USER")
    return SubjectConfiguration(user_id=user) if user else None


def call(app: Any, **environ: str) -> list[bytes]:  # noqa: ANN401 - a WSGI app
    """What a server reads from `app`, which it closes."""
    answer = app({"PATH_INFO": "/alice", "SCRIPT_NAME": "", **environ}, lambda *_: None)
    try:
        return list(answer)
    finally:
        if hasattr(answer, "close"):
            answer.close()


def flask_shop(tracker: RecordingTracker) -> Any:  # noqa: ANN401 - an app of Flask
    flask = pytest.importorskip("flask")
    app = flask.Flask("shop")

    @app.route("/orders/<int:order_id>")  # type: ignore[untyped-decorator] # of no known type
    def order(order_id: int) -> str:
        tracker.track(ScreenView(name="in the handler"))
        return str(order_id)

    @app.route("/stream")  # type: ignore[untyped-decorator] # the same
    def stream() -> object:
        def parts() -> Iterator[str]:
            tracker.track(ScreenView(name="in the stream"))
            yield "a"

        return flask.Response(parts())

    @app.route("/failing/<what>")  # type: ignore[untyped-decorator] # the same
    def failing(what: str) -> str:
        raise ValueError(what)

    app.logger.disabled = True
    return app


def test_what_flask_tracks_during_a_request_is_of_its_user() -> None:
    tracker = RecordingTracker()
    app = flask_shop(tracker)
    app.wsgi_app = WsgiMiddleware(app.wsgi_app, tracker, subject_of=user_of)
    with serving(app) as port:
        assert get(port, "/orders/12", {"X-User": "alice"}) == (200, b"12")
        assert get(port, "/stream", {"X-User": "bob"}) == (200, b"a")
        assert get(port, "/failing/alice", {"DNT": "1"})[0] == 500
        assert get(port, "/nobody/alice", {"Sec-GPC": "1"})[0] == 404

    assert [(each.name, each.user_id, each.level) for each in tracker.tracked] == [
        ("in the handler", "alice", NONE),
        ("/orders/<int:order_id>", "alice", NONE),
        ("/stream", "bob", NONE),
        ("in the stream", "bob", NONE),
        ("/failing/<what>", None, FULL),
        ("(no route)", None, FULL),
    ]


def test_page_views_of_flask_show_the_route_instead_of_the_url_while_anonymous() -> None:
    tracker = RecordingTracker()
    app = flask_shop(tracker)
    app.wsgi_app = WsgiMiddleware(
        app.wsgi_app, tracker, track="page_view", origin="https://shop.example.com"
    )
    with serving(app) as port:
        get(port, "/orders/12?coupon=SPRING")
        get(port, "/orders/12?coupon=SPRING", {"Sec-GPC": "1"})

    assert [each.parameters.get("url") for each in tracker.tracked[1::2]] == [
        "https://shop.example.com/orders/12?coupon=SPRING",
        "https://shop.example.com/orders/:order_id",
    ]


def test_the_routes_of_bottle_are_known() -> None:
    bottle = pytest.importorskip("bottle")
    app = bottle.Bottle()

    @app.route("/orders/<order_id>")  # type: ignore[untyped-decorator] # Bottle has no types
    def order(order_id: str) -> str:
        return order_id

    tracker = RecordingTracker()
    with serving(WsgiMiddleware(app, tracker)) as port:
        assert get(port, "/orders/12", {"DNT": "1"}) == (200, b"12")

    assert [each.name for each in tracker.tracked] == ["/orders/<order_id>"]


def test_a_path_is_text_in_utf_8() -> None:
    tracker = RecordingTracker()
    with serving(WsgiMiddleware(lambda _, start: started(start), tracker)) as port:
        get(port, "/caf%C3%A9?q=1")

    assert [each.name for each in tracker.tracked] == ["/café"]


def started(start_response: Callable[..., object]) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]


def test_the_scope_holds_for_each_part_of_an_answer_and_for_its_end() -> None:
    class Parts:
        def __iter__(self) -> Iterator[bytes]:
            tracker.track(ScreenView(name="part"))
            yield b"a"
            tracker.track(ScreenView(name="part"))
            yield b"b"

        def close(self) -> None:
            tracker.track(ScreenView(name="close"))

    tracker = RecordingTracker()
    app = WsgiMiddleware(lambda *_: Parts(), tracker, subject_of=user_of)

    assert call(app, HTTP_X_USER="alice", HTTP_SEC_GPC="1") == [b"a", b"b"]

    assert [(each.name, each.user_id, each.level) for each in tracker.tracked] == [
        ("part", "alice", FULL),
        ("(no route)", "alice", FULL),
        ("part", "alice", FULL),
        ("close", "alice", FULL),
    ]


def test_answers_that_are_read_by_turns_do_not_mix() -> None:
    def app(environ: dict[str, Any], start_response: object) -> Iterable[bytes]:
        for _ in range(3):
            tracker.track(ScreenView(name=environ["HTTP_X_USER"]))
            yield b""

    tracker = RecordingTracker()
    middleware: Any = WsgiMiddleware(app, tracker, subject_of=user_of, track=None)
    answers = [
        middleware({"PATH_INFO": "/", "HTTP_X_USER": user}, lambda *_: None)
        for user in ("alice", "bob")
    ]
    for parts in zip(*answers, strict=True):
        assert parts == (b"", b"")

    assert [each.name for each in tracker.tracked] == ["alice", "bob"] * 3
    assert [each.user_id for each in tracker.tracked] == ["alice", "bob"] * 3


def test_an_answer_without_parts_has_a_view_all_the_same() -> None:
    tracker = RecordingTracker()

    assert call(WsgiMiddleware(lambda *_: iter(()), tracker)) == []

    assert [each.name for each in tracker.tracked] == ["/alice"]


def test_an_app_that_raises_has_a_view_and_raises() -> None:
    def app(environ: object, start_response: object) -> Iterable[bytes]:
        raise ValueError("broken")

    tracker = RecordingTracker()

    with pytest.raises(ValueError, match="broken"):
        call(WsgiMiddleware(app, tracker))

    assert len(tracker.tracked) == 1


def test_a_file_is_left_to_the_server(tmp_path: Any) -> None:  # noqa: ANN401 - a path
    """A server that sends files by itself recognises them by their type."""
    (tmp_path / "file").write_bytes(b"content")
    with (tmp_path / "file").open("rb") as file:
        wrapped = FileWrapper(file)
        middleware: Any = WsgiMiddleware(lambda *_: wrapped, RecordingTracker())

        answer = middleware({"PATH_INFO": "/", "wsgi.file_wrapper": FileWrapper}, lambda *_: None)

    assert answer is wrapped


def test_a_whole_answer_stays_a_list() -> None:
    """Servers take the length of an answer from it."""
    middleware: Any = WsgiMiddleware(lambda *_: [b"ok"], RecordingTracker())

    assert middleware({"PATH_INFO": "/"}, lambda *_: None) == [b"ok"]


@pytest.mark.parametrize("value", ["1", "yes"])
@pytest.mark.parametrize("header", ["HTTP_DNT", "HTTP_SEC_GPC"])
def test_a_consent_signal_makes_the_request_anonymous(header: str, value: str) -> None:
    tracker = RecordingTracker()

    call(WsgiMiddleware(lambda *_: [b""], tracker), **{header: value})
    call(WsgiMiddleware(lambda *_: [b""], tracker), **{header: "0"})

    assert [each.level for each in tracker.tracked] == [FULL, NONE]


def test_the_client_s_address_and_cookies_are_not_read() -> None:
    class Watched(dict[str, Any]):
        read: set[str]

        def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - anything
            self.read.add(key)
            return super().__getitem__(key)

        def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - anything
            self.read.add(key)
            return super().get(key, default)

    environ = Watched(PATH_INFO="/", REMOTE_ADDR="192.0.2.1", HTTP_COOKIE="a=b", HTTP_DNT="1")
    environ.read = set()
    middleware: Any = WsgiMiddleware(lambda *_: [b""], RecordingTracker())

    middleware(environ, lambda *_: None)

    assert environ.read <= {
        "HTTP_DNT",
        "HTTP_SEC_GPC",
        "PATH_INFO",
        "QUERY_STRING",
        "SCRIPT_NAME",
        "bottle.route",
        "werkzeug.request",
        "wsgi.file_wrapper",
    }
