"""The web middlewares with a real tracker: what leaves the process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.trackers import Wire, a_tracker, events_of

from whiteout import Anonymisation, ScreenView, SubjectConfiguration
from whiteout.integrations.asgi import AsgiMiddleware
from whiteout.integrations.wsgi import WsgiMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable
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
