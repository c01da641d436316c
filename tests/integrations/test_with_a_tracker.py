"""The web middlewares with a real tracker: what leaves the process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.collector import unstructured
from tests.support.trackers import Wire, a_tracker, events_of

from whiteout import Anonymisation, ScreenView, SubjectConfiguration
from whiteout.integrations.asgi import AsgiMiddleware
from whiteout.integrations.wsgi import WsgiMiddleware

if TYPE_CHECKING:
    from pathlib import Path

    from whiteout import Tracker


def by_asgi(tracker: Tracker, users: dict[str, str]) -> None:
    """Answer one request a user, all at the same time; the value is the header `Sec-GPC`."""

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's
        tracker.track(ScreenView(name="before"))
        await asyncio.sleep(0.01)
        tracker.track(ScreenView(name="after"))

    def user_of(scope: Any) -> SubjectConfiguration:  # noqa: ANN401 - an ASGI scope
        return SubjectConfiguration(user_id=scope["user"])

    async def nothing(*_: object) -> Any:  # noqa: ANN401 - never used
        return None

    async def main() -> None:
        middleware = AsgiMiddleware(app, tracker, subject_of=user_of)
        await asyncio.gather(
            *(
                middleware(
                    {
                        "type": "http",
                        "path": f"/of/{user}",
                        "user": user,
                        "headers": [(b"sec-gpc", signal.encode())],
                    },
                    nothing,
                    nothing,
                )
                for user, signal in users.items()
            )
        )

    asyncio.run(main())


def by_wsgi(tracker: Tracker, users: dict[str, str]) -> None:
    """The same, the answers read by turns."""

    def app(environ: dict[str, Any], start_response: object) -> Any:  # noqa: ANN401 - an iterable
        tracker.track(ScreenView(name="before"))
        yield b""
        tracker.track(ScreenView(name="after"))

    def user_of(environ: dict[str, Any]) -> SubjectConfiguration:
        return SubjectConfiguration(user_id=environ["user"])

    middleware: Any = WsgiMiddleware(app, tracker, subject_of=user_of)
    answers = [
        middleware(
            {"PATH_INFO": f"/of/{user}", "user": user, "HTTP_SEC_GPC": signal}, lambda *_: None
        )
        for user, signal in users.items()
    ]
    for answer in answers:
        next(answer)
    for answer in answers:
        assert list(answer) == []


@pytest.mark.parametrize("serve", [by_asgi, by_wsgi])
def test_each_visitor_s_events_carry_that_visitor_and_those_who_object_nobody(
    tmp_path: Path, serve: Callable[[Tracker, dict[str, str]], None]
) -> None:
    wire = Wire()
    with a_tracker(wire.network, tmp_path) as tracker:
        tracker.subject.user_id = "the server itself"
        serve(tracker, {"alice": "0", "bob": "1", "carol": "0"})
        assert tracker.flush(10)

    assert sorted(event["uid"] for event in wire.events if "uid" in event) == [
        *["alice"] * 3,
        *["carol"] * 3,
    ]
    anonymous = [request for request in wire.requests if "SP-Anonymous" in request.headers]
    assert len([event for request in anonymous for event in events_of(request)]) == 3
    assert all(b"bob" not in (request.body or b"") for request in wire.requests)


@pytest.mark.parametrize("serve", [by_asgi, by_wsgi])
def test_a_tracker_that_is_anonymous_stays_so(
    tmp_path: Path, serve: Callable[[Tracker, dict[str, str]], None]
) -> None:
    wire = Wire()
    with a_tracker(wire.network, tmp_path) as tracker:
        tracker.anonymisation = Anonymisation.FULL
        serve(tracker, {"alice": "0"})
        assert tracker.flush(10)

    assert len(wire.events) == 3
    assert all("uid" not in event for event in wire.events)
    assert all(b"alice" not in (request.body or b"") for request in wire.requests)


def test_a_task_that_goes_on_after_the_answer_is_of_nobody(tmp_path: Path) -> None:
    async def nothing(*_: object) -> Any:  # noqa: ANN401 - never used
        return None

    async def main(tracker: Tracker) -> None:
        answered = asyncio.Event()
        tasks: list[asyncio.Task[None]] = []

        async def later() -> None:
            tracker.track(ScreenView(name="during"))
            await answered.wait()
            tracker.track(ScreenView(name="after"))

        async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's
            tasks.append(asyncio.create_task(later()))
            await asyncio.sleep(0)

        def user_of(_: object) -> SubjectConfiguration:
            return SubjectConfiguration(user_id="alice")

        middleware: Any = AsgiMiddleware(app, tracker, subject_of=user_of, track=None)
        await middleware({"type": "http", "path": "/", "headers": []}, nothing, nothing)
        answered.set()
        await asyncio.gather(*tasks)

    wire = Wire()
    with a_tracker(wire.network, tmp_path) as tracker:
        asyncio.run(main(tracker))
        assert tracker.flush(10)

    users = {unstructured(event)["data"]["name"]: event.get("uid") for event in wire.events}
    assert users == {"during": "alice", "after": None}


# --- middlewares within scopes ---------------------------------------------------------------

_Anything = Callable[..., Any]  # the two middlewares differ in all types


def ask_asgi(app: Any, path: str) -> None:  # noqa: ANN401 - an ASGI app
    """One request without a signal."""

    async def nothing(*_: object) -> Any:  # noqa: ANN401 - never used
        return None

    asyncio.run(app({"type": "http", "path": path, "headers": []}, nothing, nothing))


def ask_wsgi(app: Any, path: str) -> None:  # noqa: ANN401 - a WSGI app
    """The same."""
    app({"PATH_INFO": path}, lambda *_: None)


async def silent_asgi(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's
    """Answers nothing."""


def silent_wsgi(environ: object, start_response: object) -> list[bytes]:
    """Answers nothing."""
    return []


KINDS = [
    pytest.param(AsgiMiddleware, silent_asgi, ask_asgi, id="asgi"),
    pytest.param(WsgiMiddleware, silent_wsgi, ask_wsgi, id="wsgi"),
]


@pytest.mark.parametrize(("middleware", "app", "ask"), KINDS)
@pytest.mark.parametrize("level", [Anonymisation.FULL, Anonymisation.SERVER])
def test_a_middleware_within_a_scope_hides_what_the_scope_hides(
    tmp_path: Path, middleware: _Anything, app: _Anything, ask: _Anything, level: Anonymisation
) -> None:
    wire = Wire()
    with a_tracker(wire.network, tmp_path) as tracker:
        with tracker.scope(anonymisation=level):
            ask(middleware(app, tracker), "/users/ada@example.com")
        assert tracker.flush(10)

    (event,) = wire.events
    assert unstructured(event)["data"]["name"] == "(no route)"
    assert all("SP-Anonymous" in request.headers for request in wire.requests)


@pytest.mark.parametrize(("middleware", "app", "ask"), KINDS)
def test_of_two_middlewares_the_inner_one_hides_what_the_outer_one_does(
    tmp_path: Path, middleware: _Anything, app: _Anything, ask: _Anything
) -> None:
    def broken(_: object) -> SubjectConfiguration:
        raise KeyError

    wire = Wire()
    with a_tracker(wire.network, tmp_path) as tracker:
        inner = middleware(app, tracker)
        ask(middleware(inner, tracker, subject_of=broken, track=None), "/users/ada@example.com")
        assert tracker.flush(10)

    assert [unstructured(event)["data"]["name"] for event in wire.events] == ["(no route)"]
