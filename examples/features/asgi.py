"""ASGI: a site of Starlette under uvicorn; many visitors, one tracker.

    python examples/features/asgi.py http://127.0.0.1:9090 /tmp/asgi 8000
    curl --header "Cookie: customer=17" http://127.0.0.1:8000/shoes/42
    curl --header "Sec-GPC: 1" --header "Cookie: customer=17" http://127.0.0.1:8000/shoes/42

What to look at: each request has its own user and level; views are named by their route. For WSGI
there is `examples/site.py`. Needs `pip install starlette uvicorn`.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import whiteout
from whiteout import (
    DevicePlatform,
    EmitterConfiguration,
    Structured,
    SubjectConfiguration,
    TrackerConfiguration,
)
from whiteout.integrations.asgi import AsgiMiddleware

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request


def customer_of(scope: Any) -> SubjectConfiguration:  # noqa: ANN401 - an ASGI scope
    """Who asks. A real shop would look the session up."""
    cookie = SimpleCookie(dict(scope["headers"]).get(b"cookie", b"").decode("latin-1"))
    return SubjectConfiguration(user_id=cookie["customer"].value if "customer" in cookie else None)


def site(tracker: whiteout.Tracker) -> Starlette:
    """The app: it knows nothing of users or consent, it only tracks what happens."""

    async def shoes(_request: Request) -> PlainTextResponse:
        tracker.track(Structured(category="shoes", action="look"))
        return PlainTextResponse(f"hidden: {tracker.effective_anonymisation.name}\n")

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        print("delivered:", await tracker.flush_async(10), flush=True)
        tracker.close(timeout=0)

    app = Starlette(routes=[Route("/shoes/{number}", shoes)], lifespan=lifespan)
    app.add_middleware(AsgiMiddleware, tracker=tracker, subject_of=customer_of)
    return app


def main(collector: str, storage: str | None = None, port: str = "8000") -> None:
    """Serve until Ctrl-C or SIGTERM."""
    tracker = whiteout.create_tracker(
        "asgi",
        collector,
        TrackerConfiguration(
            app_id="site", device_platform=DevicePlatform.SERVER, install_autotracking=False
        ),
        EmitterConfiguration(storage_dir=storage),
    )
    with socket.create_server(("127.0.0.1", int(port))) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        server = uvicorn.Server(uvicorn.Config(site(tracker), log_level="warning"))
        server.run(sockets=[listener])


if __name__ == "__main__":
    main(*sys.argv[1:])
