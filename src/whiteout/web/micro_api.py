"""`/micro/…`: the REST API of Snowplow's Micro, for test suites written for it.

Source: reference section 3.2. The routes and their answers are Micro 3's.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from whiteout.errors import ProtocolError
from whiteout.iglu import ResolutionError
from whiteout.lake.failed import iso_time
from whiteout.protocol.iglu import parse_schema_key
from whiteout.web import micro, openapi
from whiteout.web.filter import Filter
from whiteout.web.incomplete import rest_of
from whiteout.web.micro_filters import BadFilter, GoodFilter
from whiteout.web.raw_events import RawEvents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send

    from whiteout.iglu import RegistryHistory
    from whiteout.web.freshness import Waits
    from whiteout.web.recent import RecentEvents, Row
    from whiteout.web.schemas import Schemas

_PORTION = 64 * 1024  # letters sent at once
_NUMBERS = "SELECT number FROM event WHERE {} ORDER BY number DESC LIMIT ?"
_PATHS = (
    "/micro/all\n/micro/good\n/micro/bad\n/micro/reset\n/micro/events\n/micro/iglu/"
    "{vendor}/{name}/jsonschema/{version}\n/micro/openapi.json\n/micro/ui"
)
_Wanted = TypeVar("_Wanted", GoodFilter, BadFilter)
_Shape = TypeVar("_Shape")


class MicroApi:
    """The routes.

    Args:
        recent: the events.
        freshness: waits for what was accepted before a question.
        schemas: finds schemas.
        needs_token: whether the description tells of the guard's token.
    """

    def __init__(
        self,
        recent: RecentEvents,
        freshness: Waits,
        schemas: Schemas,
        *,
        needs_token: bool = False,
    ) -> None:
        self._recent, self._freshness, self._schemas = recent, freshness, schemas
        self._needs_token = needs_token

    def routes(self) -> list[BaseRoute]:
        """All of them, `/micro/` and the rest below it last."""
        reads = ["GET", "POST"]
        known = [
            Route("/micro/all", self._all, methods=reads),
            Route("/micro/good", self._good, methods=reads),
            Route("/micro/bad", self._bad, methods=reads),
            Route("/micro/reset", self._reset, methods=reads),
            Route("/micro/events", self._events, methods=["GET"]),
            Route("/micro/iglu/{vendor}/{name}/jsonschema/{version}", self._schema),
            Route(openapi.PATH, self._describe, methods=["GET"]),
        ]
        rest = _Rest(known)
        return [*known, Route("/micro/{rest:path}", rest), Route("/micro", rest)]

    async def _describe(self, request: Request) -> Response:  # noqa: ARG002 - Starlette's signature
        return _json(openapi.description(needs_token=self._needs_token))

    async def _all(self, request: Request) -> Response:  # noqa: ARG002 - Starlette's signature
        return await self._when_fresh(lambda: _json(self._summary()))

    async def _reset(self, request: Request) -> Response:  # noqa: ARG002 - Starlette's signature
        def reset() -> Response:
            self._recent.clear()
            return _json(self._summary())

        return await self._when_fresh(reset)

    async def _good(self, request: Request) -> Response:
        wanted = await _wanted(request, GoodFilter)
        if isinstance(wanted, Response):
            return wanted
        conditions = Filter(
            status="good",
            type=wanted.event_type,
            schema=wanted.schema,
            entities=tuple(wanted.contexts or ()),
        )
        raw_events = RawEvents(self._recent, self._schemas)
        return await self._list(
            conditions, wanted.limit, lambda row: micro.good_event(row, raw_events.of(row))
        )

    async def _bad(self, request: Request) -> Response:
        wanted = await _wanted(request, BadFilter)
        if isinstance(wanted, Response):
            return wanted
        conditions = Filter(status="failed", vendor=wanted.vendor, version=wanted.version)
        return await self._list(conditions, wanted.limit, micro.bad_event)

    async def _events(self, request: Request) -> Response:
        if openapi.TSV in request.headers.get("accept", ""):

            def answer() -> Response:
                lines = (f"{line}\n" for line in self._shaped(Filter(), None, self._line))
                return StreamingResponse(_in_portions(lines), media_type=openapi.TSV)

            return await self._when_fresh(answer)
        return await self._list(Filter(), None, self._lossy)

    def _line(self, row: Row) -> str | None:
        document: str = row["document"]
        if row["status"] == "good":
            return document
        rest = rest_of(document, self._schemas)
        return None if rest is None else rest.tsv()

    def _lossy(self, row: Row) -> dict[str, Any] | None:
        document: str = row["document"]
        if row["status"] == "good":
            return micro.lossy(document)
        rest = rest_of(document, self._schemas)
        return None if rest is None else rest.json_object()

    async def _schema(self, request: Request) -> Response:
        return await run_in_threadpool(self._find_schema, request.path_params)

    def _find_schema(self, parts: dict[str, str]) -> Response:
        uri = f"iglu:{parts['vendor']}/{parts['name']}/jsonschema/{parts['version']}"
        try:
            return _json(self._schemas.find(parse_schema_key(uri)))
        except ProtocolError:
            return _json({"message": "not the key of a schema"}, 404)
        except ResolutionError as error:
            history = {entry.repository: _asked(entry) for entry in error.history}
            return _json({"value": history}, 404)

    async def _list(
        self, wanted: Filter, limit: float | None, shape: Callable[[Row], dict[str, Any] | None]
    ) -> Response:
        def answer() -> Response:
            texts = _in_portions(_array(self._shaped(wanted, limit, shape)))
            return StreamingResponse(texts, media_type=openapi.JSON)

        return await self._when_fresh(answer)

    async def _when_fresh(self, answer: Callable[[], Response]) -> Response:
        def wait() -> Response:
            if not self._freshness.wait():
                return PlainTextResponse("events are still being loaded; try again", 503)
            return answer()

        return await run_in_threadpool(wait)

    def _shaped(
        self, wanted: Filter, limit: float | None, shape: Callable[[Row], _Shape | None]
    ) -> Iterator[_Shape]:
        """Events in the shape of an answer; those that have none are left out.

        The newest first, one at a time: an answer never stands in memory as a whole.

        Which they are is known before the first is given: a search that takes too long can still
        be answered as a failure, and to find one by its number is no search.

        Raises:
            SearchTookTooLongError: it did.
        """
        condition, values = wanted.condition()
        most = -1 if limit is None else int(min(limit, sys.maxsize))
        numbers = self._recent.query(_NUMBERS.format(condition), [*values, most])
        rows = (row for (number,) in numbers if (row := self._recent.get(number)) is not None)
        return (shaped for row in rows if (shaped := shape(row)) is not None)

    def _summary(self) -> dict[str, int]:
        totals = self._recent.totals()
        return {"total": totals.good + totals.failed, "good": totals.good, "bad": totals.failed}


async def _wanted(request: Request, kind: type[_Wanted]) -> _Wanted | Response:
    body = await request.body()
    if request.method != "POST" or not body.strip():
        return kind()
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error) if isinstance(error, msgspec.ValidationError) else "not JSON"
        return _json({"message": f"the filter is wrong: {reason}"}, 400)


class _Rest:
    """What no route takes: a path that there is not, or one that is asked in another way."""

    def __init__(self, known: Sequence[Route]) -> None:
        self._known = known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 404 or 405."""
        answer = PlainTextResponse(f"not found; there are\n{_PATHS}\n", 404)
        for route in self._known:
            if route.path_regex.match(scope["path"]):
                methods = ", ".join(sorted(route.methods or ()))
                answer = PlainTextResponse(f"use {methods}", 405, {"Allow": methods})
        await answer(scope, receive, send)


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type=openapi.JSON)


def _array(items: Iterator[dict[str, Any]]) -> Iterator[str]:
    separator = "["
    for item in items:
        yield separator + json.dumps(item, ensure_ascii=False, separators=(",", ":"))
        separator = ","
    yield "[]" if separator == "[" else "]"


def _in_portions(texts: Iterator[str]) -> Iterator[str]:
    """The same in fewer pieces: each costs a change of threads, and a call to the system."""
    portion, letters = list[str](), 0
    for text in texts:
        portion.append(text)
        letters += len(text)
        if letters >= _PORTION:
            yield "".join(portion)
            portion, letters = [], 0
    yield "".join(portion)


def _asked(entry: RegistryHistory) -> dict[str, Any]:
    errors = [
        {"error": problem.kind, **({"message": problem.message[:256]} if problem.message else {})}
        for problem in entry.problems
    ]
    return {
        "errors": errors,
        "attempts": entry.attempts,
        "lastAttempt": iso_time(entry.last_attempt_ms),
    }
