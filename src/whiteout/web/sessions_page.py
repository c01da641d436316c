"""`/ui/sessions`: the latest sessions, and one as a timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from whiteout.web.charts import MOST_SERIES, Mark, Words, strip
from whiteout.web.filter import Filter
from whiteout.web.recent import SearchTookTooLongError
from whiteout.web.sessions import MOST_EVENTS, Timeline, list_sessions, timeline_of
from whiteout.web.tables import REST

if TYPE_CHECKING:
    from markupsafe import Markup
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from whiteout.web.recent import RecentEvents
    from whiteout.web.rendering import Rendering

_MOST_LETTERS = 500
_TOO_LONG = "Listing the sessions took too long. Open one by its id instead."


class SessionsPage:
    """The routes.

    Args:
        recent: the events.
        rendering: makes the pages.
    """

    def __init__(self, recent: RecentEvents, rendering: Rendering) -> None:
        self._recent, self._rendering = recent, rendering

    def routes(self) -> list[BaseRoute]:
        """All of them."""
        return [Route("/ui/sessions", self._sessions, methods=["GET"])]

    async def _sessions(self, request: Request) -> Response:
        session = request.query_params.get("id", "").strip()[:_MOST_LETTERS]
        if session:
            return await run_in_threadpool(self._show, session)
        return await run_in_threadpool(self._list)

    def _list(self) -> Response:
        message = ""
        try:
            sessions = list_sessions(self._recent)
        except SearchTookTooLongError:
            sessions, message = [], _TOO_LONG
        return self._rendering.page(
            "sessions.html",
            status=503 if message else 200,
            totals=self._recent.totals(),
            sessions=sessions,
            message=message,
        )

    def _show(self, session: str) -> Response:
        wanted = Filter(session=session)
        rows = self._recent.find(wanted, limit=MOST_EVENTS + 1, brief=False)
        timeline = timeline_of(session, rows)
        lanes = lanes_of(timeline)
        return self._rendering.page(
            "session.html",
            status=200 if rows else 404,
            totals=self._recent.totals(),
            timeline=timeline,
            lanes=lanes,
            drawing=draw(timeline, lanes),
        )


def lanes_of(timeline: Timeline) -> list[str]:
    """The types of events that have a lane of their own, the most frequent first."""
    counts: dict[str, int] = {}
    for step in timeline.steps:
        counts[step.type] = counts.get(step.type, 0) + 1
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    return ranked if len(ranked) <= MOST_SERIES else [*ranked[: MOST_SERIES - 1], REST]


def draw(timeline: Timeline, lanes: list[str]) -> Markup:
    """The events of a session along its time, a lane for each type."""
    lane_of = {name: number for number, name in enumerate(lanes)}
    marks = [
        Mark(
            step.at_ms,
            lane_of.get(step.type, len(lanes) - 1),
            " ".join(part for part in (step.since_start, step.type, step.detail) if part),
        )
        for step in timeline.steps
    ]
    words = Words(
        id="session-strip",
        title="Events of the session along its time",
        description=f"{len(marks)} events in {timeline.duration}; the list below has them all",
    )
    return strip(marks, words, lanes=len(lanes))
