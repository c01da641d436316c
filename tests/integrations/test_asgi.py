"""The ASGI middleware, with real Starlette under real uvicorn."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.integrations.support import RecordingTracker, Tracked, get
from tests.support.trackers import poll

from whiteout import Anonymisation, ConfigurationError, ScreenView, SubjectConfiguration
from whiteout.integrations.asgi import AsgiMiddleware

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

uvicorn = pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

from starlette.applications import Starlette  # noqa: E402 - needs what is asked for above
from starlette.responses import PlainTextResponse, StreamingResponse  # noqa: E402 - the same
from starlette.routing import Mount, Route  # noqa: E402 - the same

FULL = Anonymisation.FULL
NONE = Anonymisation.NONE


@contextmanager
def serving(app: Any) -> Iterator[int]:  # noqa: ANN401 - an ASGI app
    """The port of a uvicorn that serves `app`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            assert poll(lambda: server.started)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive()


def shop(tracker: RecordingTracker) -> Starlette:
    async def order(request: Request) -> PlainTextResponse:
        tracker.track(ScreenView(name="in the handler"))
        return PlainTextResponse(request.path_params["order_id"])

    def in_a_thread(request: Request) -> PlainTextResponse:
        tracker.track(ScreenView(name="in a thread"))
        return PlainTextResponse("ok")

    async def streaming(request: Request) -> StreamingResponse:
        async def parts() -> Any:  # noqa: ANN401 - an asynchronous generator
            yield b"a"
            await asyncio.sleep(0)
            tracker.track(ScreenView(name="in the stream"))
            yield b"b"

        return StreamingResponse(parts())

    async def failing(request: Request) -> PlainTextResponse:
        raise ValueError("broken")

    async def item(request: Request) -> PlainTextResponse:
        return PlainTextResponse("item")

    return Starlette(
        routes=[
            Route("/orders/{order_id}", order),
            Route("/thread", in_a_thread),
            Route("/stream", streaming),
            Route("/failing/{what}", failing),
            Mount("/api", routes=[Route("/items/{item_id:int}", item)]),
            Mount("/of/{tenant}", routes=[Route("/items/{item_id:int}", item)]),
        ]
    )


def user_of(scope: Any) -> SubjectConfiguration | None:  # noqa: ANN401 - an ASGI scope
    for name, value in scope["headers"]:
        if name == b"x-user":
            return SubjectConfiguration(user_id=value.decode())
    return None


def names(tracked: list[Tracked]) -> list[tuple[str | None, str | None, Anonymisation]]:
    return [(each.name, each.user_id, each.level) for each in tracked]


def test_what_is_tracked_during_a_request_is_of_its_user() -> None:
    tracker = RecordingTracker()
    with serving(AsgiMiddleware(shop(tracker), tracker, subject_of=user_of)) as port:
        assert get(port, "/orders/4711", {"X-User": "alice"}) == (200, b"4711")
        assert get(port, "/thread", {"X-User": "bob"}) == (200, b"ok")
        assert get(port, "/stream") == (200, b"ab")
        tracked = tracker.wait_for(6)

    assert names(tracked) == [
        ("in the handler", "alice", NONE),
        ("/orders/{order_id}", "alice", NONE),
        ("in a thread", "bob", NONE),
        ("/thread", "bob", NONE),
        ("/stream", None, NONE),
        ("in the stream", None, NONE),
    ]


def test_requests_at_the_same_time_do_not_mix() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's
        tracker.track(ScreenView(name="before"))
        await asyncio.sleep(0.02)
        tracker.track(ScreenView(name="after"))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    tracker = RecordingTracker()
    middleware = AsgiMiddleware(app, tracker, subject_of=user_of, track=None)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:  # noqa: ANN401 - ASGI's
        await asyncio.sleep(0)

    async def main() -> None:
        users = [f"user {number}".encode() for number in range(50)]
        await asyncio.gather(
            *(
                middleware(
                    {"type": "http", "path": "/", "headers": [(b"x-user", user)]}, receive, send
                )
                for user in users
            )
        )

    asyncio.run(main())

    for name in ("before", "after"):
        users = [each.user_id for each in tracker.tracked if each.name == name]
        assert sorted(filter(None, users)) == sorted(f"user {number}" for number in range(50))


@pytest.mark.parametrize("header", ["Sec-GPC", "DNT", "sec-gpc"])
@pytest.mark.parametrize("value", ["1", " 1 ", "yes", "2"])
def test_a_consent_signal_makes_the_request_anonymous(header: str, value: str) -> None:
    assert level_of({header: value}) == FULL


@pytest.mark.parametrize("headers", [{}, {"DNT": "0"}, {"DNT": ""}, {"X-DNT": "1"}])
def test_without_a_signal_the_request_is_as_the_tracker_is(headers: dict[str, str]) -> None:
    assert level_of(headers) == NONE


def test_only_the_signals_asked_for_are_honoured() -> None:
    assert level_of({"DNT": "1"}, honour=("Sec-GPC",)) == NONE
    assert level_of({"Sec-GPC": "1"}, honour=("Sec-GPC",)) == FULL
    assert level_of({"Sec-GPC": "1"}, honour=()) == NONE


def test_a_signal_adds_the_level_that_the_app_chose() -> None:
    assert level_of({"DNT": "1"}, level=Anonymisation.USER) == Anonymisation.USER


def level_of(headers: dict[str, str], **options: Any) -> Anonymisation:  # noqa: ANN401 - options
    """The level of an event that is tracked during a request with these headers."""
    tracker = RecordingTracker()

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's
        tracker.track(ScreenView(name="screen"))

    async def nothing(*_: object) -> None:
        return

    scope = {
        "type": "http",
        "path": "/",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    middleware: Any = AsgiMiddleware(app, tracker, track=None, **options)
    asyncio.run(middleware(scope, nothing, nothing))
    return tracker.tracked[0].level


def test_a_failing_subject_makes_the_request_fully_anonymous() -> None:
    def broken(scope: object) -> None:
        raise KeyError("session")

    def wrong(scope: object) -> SubjectConfiguration:
        return "alice"  # type: ignore[return-value] # the mistake

    assert level_of({}, subject_of=broken) == FULL
    assert level_of({}, subject_of=wrong) == FULL


def test_mounted_routes_are_named_whole_unless_that_would_show_a_value() -> None:
    tracker = RecordingTracker()
    with serving(AsgiMiddleware(shop(tracker), tracker)) as port:
        assert get(port, "/api/items/12")[0] == 200
        assert get(port, "/of/acme/items/12")[0] == 200
        tracked = tracker.wait_for(2)

    assert [each.name for each in tracked] == ["/api/items/{item_id:int}", "/items/{item_id:int}"]


def test_a_path_without_a_route_is_named_only_for_the_identified() -> None:
    tracker = RecordingTracker()
    with serving(AsgiMiddleware(shop(tracker), tracker)) as port:
        assert get(port, "/nobody/alice?mail=a@b.c")[0] == 404
        assert get(port, "/nobody/alice?mail=a@b.c", {"Sec-GPC": "1"})[0] == 404
        tracker.anonymisation = Anonymisation.SERVER
        assert get(port, "/nobody/alice")[0] == 404
        tracked = tracker.wait_for(3)

    assert [each.name for each in tracked] == ["/nobody/alice", "(no route)", "(no route)"]


def test_page_views_show_the_whole_url_of_the_identified_and_the_route_of_the_rest() -> None:
    tracker = RecordingTracker()
    app = AsgiMiddleware(
        shop(tracker), tracker, track="page_view", origin="https://shop.example.com"
    )
    with serving(app) as port:
        get(port, "/orders/a%20b?coupon=SPRING", {"Host": "evil.example"})
        get(port, "/orders/a%20b?coupon=SPRING", {"DNT": "1"})
        get(port, "/nobody/alice?q=1", {"DNT": "1"})
        tracked = tracker.wait_for(5)

    assert [each.parameters["url"] for each in tracked if "url" in each.parameters] == [
        "https://shop.example.com/orders/a%20b?coupon=SPRING",
        "https://shop.example.com/orders/:order_id",
        "https://shop.example.com/",
    ]


def test_a_request_that_fails_has_a_view_and_fails_as_before() -> None:
    tracker = RecordingTracker()
    with serving(AsgiMiddleware(shop(tracker), tracker)) as port:
        assert get(port, "/failing/alice", {"DNT": "1"})[0] == 500
        tracked = tracker.wait_for(1)

    assert names(tracked) == [("/failing/{what}", None, FULL)]


def test_the_app_names_views_and_leaves_some_out() -> None:
    def name_of(scope: Any) -> str | None:  # noqa: ANN401 - an ASGI scope
        return None if scope["path"] == "/thread" else "an order"

    tracker = RecordingTracker()
    with serving(AsgiMiddleware(shop(tracker), tracker, name_of=name_of)) as port:
        get(port, "/thread")
        get(port, "/orders/4711")
        tracked = tracker.wait_for(3)

    assert [each.name for each in tracked] == ["in a thread", "in the handler", "an order"]


def test_a_tracker_that_fails_does_not_fail_the_request() -> None:
    class Broken(RecordingTracker):
        def track(self, event: object, /) -> str | None:
            raise OSError("disk")

    tracker = Broken()

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's
        if scope["type"] == "lifespan":
            while (await receive())["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"fine"})

    with serving(AsgiMiddleware(app, tracker)) as port:
        assert get(port, "/") == (200, b"fine")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"honour": ("Sec-GCP",)}, "honour"),
        ({"track": "screen"}, "track"),
        ({"level": 7}, "level"),
        ({"track": "page_view"}, "origin"),
        ({"origin": "https://alice@shop.example.com/path"}, "origin"),
        ({"subject_of": SubjectConfiguration()}, "subject_of must be a function, got"),
        ({"subject_of": asyncio.sleep}, "subject_of must be a plain function"),
        ({"name_of": "home"}, "name_of must be a function, got"),
    ],
)
def test_a_wrong_option_fails_at_once(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        AsgiMiddleware(lambda *_: asyncio.sleep(0), RecordingTracker(), **options)
