"""Fifty visitors at once, on real servers: whose events are whose, as the collector gets them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.integrations.support import get
from tests.integrations.test_asgi import serving
from tests.support.collector import Collector, entity, unstructured
from tests.support.trackers import a_tracker, poll

from whiteout import Structured, SubjectConfiguration
from whiteout.integrations.asgi import AsgiMiddleware

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

    from whiteout import Tracker

pytest.importorskip("gunicorn")

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse
from starlette.routing import Route

ROOT = Path(__file__).parents[2]
VISITORS = 50
SIGNALS: list[dict[str, str]] = [{}, {"Sec-GPC": "1"}, {"DNT": "1"}]


def is_hidden(number: int) -> bool:
    """Whether that visitor's browser asks for privacy: two of three do."""
    return bool(SIGNALS[number % 3])


def visit(port: int, number: int, path: str = "/orders") -> bytes:
    """One visitor's request; its path, query and user are that visitor's secrets."""
    headers = {"X-User": f"secret-user-{number}", "X-Number": str(number), **SIGNALS[number % 3]}
    status, body = get(port, f"{path}/secret-path-{number}?q=secret-query-{number}", headers)
    assert status in {200, 404}
    return body


def visit_all(port: int, path: str = "/orders") -> list[bytes]:
    """All visitors at the same time."""
    with concurrent.futures.ThreadPoolExecutor(VISITORS) as visitors:
        return list(visitors.map(lambda number: visit(port, number, path), range(VISITORS)))


def assert_nobody_is_mixed_up(collector: Collector, actions: int) -> None:
    """Each event is of its visitor, as anonymous as that one asked, and of nobody else."""
    seen: dict[int, int] = dict.fromkeys(range(VISITORS), 0)
    for request in collector.requests:
        is_marked = request.headers.get("sp-anonymous") == "*"
        for event in request.events:
            assert ("uid" in event) is not is_marked
            assert entity(event, "client_session") is None
            if event["e"] != "se":
                continue
            number = int(event["se_la"])
            seen[number] += 1
            assert is_marked is is_hidden(number)
            assert event.get("uid") == (None if is_marked else f"secret-user-{number}")
        if is_marked:
            assert "secret" not in str(request.events)
            assert all("secret" not in str(unstructured(e)) for e in request.events if "ue_px" in e)
            assert "cookie" not in request.headers
    assert set(seen.values()) == {actions}


def screens(collector: Collector) -> list[tuple[str | None, str]]:
    """The user and the name of each view."""
    return [
        (event.get("uid"), unstructured(event)["data"]["name"])
        for event in collector.events
        if event["e"] == "ue"
    ]


def shop(tracker: Tracker) -> Starlette:
    async def order(request: Request) -> PlainTextResponse:
        def track(action: str) -> None:
            label = request.headers["x-number"]
            tracker.track(Structured(category="asgi", action=action, label=label))

        async def later() -> None:
            await asyncio.sleep(0)
            track("in a task")

        track("before")
        await asyncio.sleep(0.01)
        await asyncio.gather(later(), run_in_threadpool(track, "in a thread"))
        await asyncio.sleep(0.01)
        track("after")
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/orders/{order_id}", order)])


def user_of(scope: Any) -> SubjectConfiguration:  # noqa: ANN401 - an ASGI scope
    headers = dict(scope["headers"])
    return SubjectConfiguration(user_id=headers[b"x-user"].decode())


def test_visitors_of_uvicorn_are_not_mixed_up(tmp_path: Path) -> None:
    with Collector() as collector, a_tracker(collector.url, tmp_path) as tracker:
        tracker.subject.user_id = "user-of-the-server"
        app = AsgiMiddleware(shop(tracker), tracker, subject_of=user_of)
        with serving(app) as port:
            visit_all(port)
            visit_all(port, "/nowhere")
        assert tracker.flush(20)

        assert_nobody_is_mixed_up(collector, actions=4)
        views = screens(collector)
        assert len(views) == 2 * VISITORS
        assert {name for user, name in views if user is None} == {
            "/orders/{order_id}",
            "(no route)",
        }
        for number in range(VISITORS):
            user = f"secret-user-{number}"
            named = {name for uid, name in views if uid == user}
            unrouted = f"/nowhere/secret-path-{number}"
            assert named == (set() if is_hidden(number) else {"/orders/{order_id}", unrouted})


@contextmanager
def gunicorn(folder: Path, endpoint: str) -> Iterator[int]:
    """The port of a gunicorn with two workers of 25 threads, the tracker made before the fork."""
    with socket.create_server(("127.0.0.1", 0), backlog=2 * VISITORS) as listener:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "--workers", "2", "--threads", "25"),
                *("--preload", "--bind", f"fd://{listener.fileno()}", "--graceful-timeout", "5"),
                *("--log-level", "critical", "tests.integrations.visitors_app"),
            ],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([*filter(None, sys.path), str(ROOT)]),
                "FOLDER": str(folder),
                "COLLECTOR": endpoint,
            },
            cwd=folder,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
        try:
            yield listener.getsockname()[1]
            process.terminate()
            assert process.wait(15) == 0
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="gunicorn needs fork")
def test_visitors_of_gunicorn_are_not_mixed_up(tmp_path: Path) -> None:
    """Nor those of two workers, whose events one of them sends."""
    with Collector() as collector:
        with gunicorn(tmp_path, collector.url) as port:
            answers = visit_all(port)
            assert poll(lambda: len(collector.accepted_ids) >= 3 * VISITORS, 20)

        assert {answer.split()[1] for answer in answers} == {b"%d" % n for n in range(VISITORS)}
        assert_nobody_is_mixed_up(collector, actions=2)
        views = screens(collector)
        assert len(views) == VISITORS
        assert {name for user, name in views if user is None} == {"(no route)"}
        assert {user for user, _ in views if user is not None} == {
            f"secret-user-{number}" for number in range(VISITORS) if not is_hidden(number)
        }
