"""The live stream: what came since, to each open page, as server-sent events.

A page is told at most `_PER_S` times a second, and of at most `MOST_LINES` events each time: what
came faster is counted, and found by loading the page again.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from whiteout.web.questions import origin_of, read_number, read_question
from whiteout.web.recent import SearchTookTooLongError
from whiteout.web.views import line_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from whiteout.web.questions import Question
    from whiteout.web.recent import RecentEvents
    from whiteout.web.rendering import Rendering

MOST_LINES = 100
_MOST_STREAMS = 32  # the collector forwards 64 requests at once; pages must still load
_PER_S = 4
_SILENCE_S = 15.0  # then a comment, so that both sides know that the other is there


class Streams:
    """All open streams. Owner: the event loop; the window calls from the loader's thread.

    Args:
        recent: the events.
        rendering: makes the lines.
    """

    def __init__(self, recent: RecentEvents, rendering: Rendering) -> None:
        self._recent, self._rendering = recent, rendering
        self._open = 0

    async def answer(self, request: Request) -> Response:
        """`/ui/stream`: the events that meet the question and come after `after`."""
        if self._open >= _MOST_STREAMS:
            return PlainTextResponse("too many pages are open", 503)
        question = read_question(request.query_params)
        after = read_number(request.headers.get("last-event-id"))
        if after is None:
            after = read_number(request.query_params.get("after"))
        return StreamingResponse(self._messages(question, after), media_type="text/event-stream")

    async def _messages(self, question: Question, after: int | None) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()

        def tell(_: int) -> None:
            loop.call_soon_threadsafe(changed.set)

        self._open += 1
        end = self._recent.listen(tell)
        try:
            last = self._recent.last_number() if after is None else after
            yield "retry: 1000\n\n"
            changed.set()  # what came between the page and its stream
            while True:
                try:
                    await asyncio.wait_for(changed.wait(), _SILENCE_S)
                except TimeoutError:
                    yield ":\n\n"
                    continue
                changed.clear()
                last, message = await run_in_threadpool(self._news, question, last)
                yield message
                await asyncio.sleep(1 / _PER_S)
        finally:
            end()
            self._open -= 1

    def _news(self, question: Question, after: int) -> tuple[int, str]:
        first, last = self._recent.first_number(), self._recent.last_number()
        # Before the first, or from a run that had more: what the page shows has been forgotten.
        is_emptied = not first - 1 <= after <= last
        after, totals = first - 1 if is_emptied else after, self._recent.totals()
        wanted = question.filter()
        try:
            rows = self._recent.find(wanted, limit=MOST_LINES, after=after) if last > after else []
        except SearchTookTooLongError:
            rows = []  # the next time, of fewer events
        lines = [line_of(row) for row in rows]
        origin = origin_of(question.query())
        news = {
            "good": totals.good,
            "failed": totals.failed,
            "count": len(lines),
            "is_cut": len(lines) == MOST_LINES,
            "is_emptied": is_emptied,
            "rows": self._rendering.text("rows.html", lines=lines, origin=origin) if lines else "",
        }
        return last, f"id: {last}\ndata: {json.dumps(news)}\n\n"
