"""The application: Micro's API, the page's own API and the page, behind the guard."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.routing import Route

from whiteout.web.api_page import ApiPage
from whiteout.web.charts_page import ChartsPage
from whiteout.web.counting import Counting
from whiteout.web.event_page import EventPage
from whiteout.web.guard import Access, Guard
from whiteout.web.micro_api import MicroApi
from whiteout.web.page import Page
from whiteout.web.recent import SearchTookTooLongError
from whiteout.web.rendering import Rendering
from whiteout.web.schemas_page import SchemasPage
from whiteout.web.sessions_page import SessionsPage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from whiteout.web.freshness import Waits
    from whiteout.web.recent import RecentEvents
    from whiteout.web.schemas import Schemas


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the application shows.

    Attributes:
        recent: the events.
        freshness: waits for what was accepted before a question.
        schemas: finds schemas.
        access: who may come in.
        least_group: aggregates and exports leave out groups smaller than this.
    """

    recent: RecentEvents
    freshness: Waits
    schemas: Schemas
    access: Access
    least_group: int = 5


def create_app(parts: Parts) -> ASGIApp:
    """Make the application."""
    needs_token = parts.access.token is not None
    micro = MicroApi(parts.recent, parts.freshness, parts.schemas, needs_token=needs_token)
    rendering = Rendering()
    page = Page(parts.recent, rendering)
    counting = Counting(parts.recent, parts.least_group)
    routes = [
        Route("/", _to_page, methods=["GET"]),
        Route("/micro/ui", _to_page, methods=["GET"]),
        Route("/micro/ui/{rest:path}", _to_page, methods=["GET"]),
        *micro.routes(),
        *ChartsPage(counting, rendering, _now_ms).routes(),
        *SessionsPage(parts.recent, rendering).routes(),
        *SchemasPage(parts.schemas, parts.recent, rendering).routes(),
        *ApiPage(parts.recent, rendering, needs_token=needs_token).routes(),
        *EventPage(parts.recent, parts.schemas, rendering).routes(),
        *page.routes(),
    ]

    def ask(path: str, pairs: Sequence[tuple[str, str]], is_wrong: bool) -> Response:  # noqa: FBT001 - see `Guard`
        return rendering.page("token.html", status=401, path=path, pairs=pairs, is_wrong=is_wrong)

    return Guard(
        Starlette(routes=routes, exception_handlers={SearchTookTooLongError: _too_long}),
        parts.access,
        ask,
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _too_long(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette's signature
    return PlainTextResponse("the search took too long; ask for fewer events", 503)


async def _to_page(request: Request) -> Response:  # noqa: ARG001 - Starlette's signature
    return RedirectResponse("/ui", 307)
