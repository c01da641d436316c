"""The ASGI middleware in FastAPI: users, levels, and the names of routes wherever they stand."""

from __future__ import annotations

import pytest
from tests.integrations.support import RecordingTracker, get
from tests.integrations.test_asgi import names, serving, user_of

from whiteout import Anonymisation, ScreenView
from whiteout.integrations.asgi import AsgiMiddleware

pytest.importorskip("fastapi")

from fastapi import APIRouter, BackgroundTasks, FastAPI

FULL = Anonymisation.FULL
NONE = Anonymisation.NONE


def shop(tracker: RecordingTracker) -> FastAPI:
    app = FastAPI()
    app.add_middleware(AsgiMiddleware, tracker=tracker, subject_of=user_of)

    @app.get("/orders/{order_id}")
    async def order(order_id: int) -> int:
        tracker.track(ScreenView(name="in the handler"))
        return order_id

    @app.get("/thread")
    def in_a_thread() -> str:
        tracker.track(ScreenView(name="in a thread"))
        return "ok"

    @app.get("/later")
    async def later(tasks: BackgroundTasks) -> str:
        tasks.add_task(tracker.track, ScreenView(name="in the background"))
        return "ok"

    items = APIRouter(prefix="/items")

    @items.get("/{item_id}")
    async def item(item_id: int) -> int:
        return item_id

    tenants = APIRouter(prefix="/tenants/{tenant}")
    tenants.include_router(items)
    app.include_router(tenants, prefix="/api")

    inner = FastAPI()
    inner.include_router(items)
    app.mount("/inner", inner)
    return app


def test_what_fastapi_tracks_during_a_request_is_of_its_user() -> None:
    tracker = RecordingTracker()
    with serving(shop(tracker)) as port:
        assert get(port, "/orders/4711", {"X-User": "alice"}) == (200, b"4711")
        assert get(port, "/thread", {"X-User": "bob", "DNT": "1"}) == (200, b'"ok"')
        assert get(port, "/later", {"X-User": "carol"}) == (200, b'"ok"')
        tracked = tracker.wait_for(6)

    assert names(tracked) == [
        ("in the handler", "alice", NONE),
        ("/orders/{order_id}", "alice", NONE),
        ("in a thread", "bob", FULL),
        ("/thread", "bob", FULL),
        ("/later", "carol", NONE),
        ("in the background", "carol", NONE),
    ]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/tenants/acme/items/12", "/api/tenants/{tenant}/items/{item_id}"),
        ("/inner/items/12", "/inner/items/{item_id}"),
        ("/orders/no-number", "/orders/{order_id}"),
        ("/nobody/alice", "(no route)"),
    ],
)
def test_routes_are_named_with_all_prefixes_and_no_values(path: str, name: str) -> None:
    tracker = RecordingTracker()
    with serving(shop(tracker)) as port:
        get(port, path, {"Sec-GPC": "1"})
        tracked = tracker.wait_for(1)

    assert names(tracked) == [(name, None, FULL)]
