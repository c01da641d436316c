"""`/ui`: the page, rendered here; its scripts add what comes while it is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from whiteout.web.questions import origin_of, read_number, read_question
from whiteout.web.recent import SearchTookTooLongError
from whiteout.web.streaming import MOST_LINES, Streams
from whiteout.web.views import line_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from whiteout.web.questions import Question
    from whiteout.web.recent import RecentEvents
    from whiteout.web.rendering import Rendering

_TOO_LONG = "The search took too long. Ask for fewer events: choose a type or an app as well."


class Page:
    """The routes.

    Args:
        recent: the events.
        rendering: makes the pages.
    """

    def __init__(self, recent: RecentEvents, rendering: Rendering) -> None:
        self._recent, self._rendering = recent, rendering
        self._streams = Streams(recent, rendering)

    def routes(self) -> list[BaseRoute]:
        """All of them."""
        return [
            Route("/ui", self._events, methods=["GET"]),
            Route("/ui/", self._events, methods=["GET"]),
            Route("/ui/stream", self._streams.answer, methods=["GET"]),
            Route("/ui/assets/{name:path}", self._rendering.asset, methods=["GET"]),
            Route("/ui/{rest:path}", self._missing, methods=["GET"]),
        ]

    async def _events(self, request: Request) -> Response:
        question = read_question(request.query_params)
        before = read_number(request.query_params.get("before"))
        return await run_in_threadpool(self._list, question, before)

    def _list(self, question: Question, before: int | None) -> Response:
        last, totals = self._recent.last_number(), self._recent.totals()
        message = ""
        try:
            rows = self._recent.find(question.filter(), limit=MOST_LINES + 1, before=before)
        except SearchTookTooLongError:
            rows, message = [], _TOO_LONG
        lines = [line_of(row) for row in rows[:MOST_LINES]]
        return self._rendering.page(
            "events.html",
            status=503 if message else 200,
            question=question,
            totals=totals,
            lines=lines,
            origin=origin_of(question.query(**({} if before is None else {"before": before}))),
            message=message,
            is_live=before is None,
            last=last,
            older=question.query(before=lines[-1].number) if len(rows) > MOST_LINES else None,
            choices=self._recent.choices(),
        )

    async def _missing(self, request: Request) -> Response:  # noqa: ARG002 - Starlette's signature
        return self._rendering.page("missing.html", status=404, totals=self._recent.totals())
