"""`/ui/events/N`: one event opened."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from whiteout.errors import ProtocolError
from whiteout.identifiers import Anonymisation
from whiteout.iglu import ResolutionError
from whiteout.protocol.iglu import parse_schema_key
from whiteout.web.failed import body_of, payload_of
from whiteout.web.faults import faults_of
from whiteout.web.lens import State, at_level, rows_of, stricter_levels
from whiteout.web.micro import enriched
from whiteout.web.opened import (
    MOST_JSON,
    columns_with_values,
    json_of,
    json_of_failed,
    parts_of,
    way_of,
)
from whiteout.web.questions import LEVELS, origin_of, read_number, read_origin
from whiteout.web.views import line_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from whiteout.enrich.event import EnrichedEvent
    from whiteout.web.recent import RecentEvents, Row
    from whiteout.web.rendering import Rendering
    from whiteout.web.schemas import Schemas


class EventPage:
    """The route.

    Args:
        recent: the events.
        schemas: what failed events broke.
        rendering: makes the pages.
    """

    def __init__(self, recent: RecentEvents, schemas: Schemas, rendering: Rendering) -> None:
        self._recent, self._schemas, self._rendering = recent, schemas, rendering

    def routes(self) -> list[BaseRoute]:
        """The only one."""
        return [Route("/ui/events/{number}", self._event, methods=["GET"])]

    async def _event(self, request: Request) -> Response:
        number = read_number(request.path_params["number"])
        asked = read_number(request.query_params.get("level"))
        back = read_origin(request.query_params.get("from", ""))
        return await run_in_threadpool(self._show, number, asked, back)

    def _show(self, number: int | None, asked: int | None, back: str) -> Response:
        row = None if number is None else self._recent.get(number)
        if row is None:
            return self._rendering.page(
                "no_event.html", status=404, totals=self._recent.totals(), number=number
            )
        is_good = row["status"] == "good"
        return self._rendering.page(
            "event.html" if is_good else "failed_event.html",
            totals=self._recent.totals(),
            row=row,
            line=line_of(row),
            way=way_of(row),
            back=back,
            origin=origin_of(back),
            **(self._good(row, asked) if is_good else self._failed(row, asked)),
        )

    def _good(self, row: Row, asked: int | None) -> dict[str, Any]:
        return _look(enriched(row["document"]), row["level"], asked, write=json_of)

    def _failed(self, row: Row, asked: int | None) -> dict[str, Any]:
        document: str = row["document"]
        try:
            text = json.dumps(json.loads(document), indent=2, ensure_ascii=False)
        except ValueError:
            text = document
        body = None if row["level"] is None else body_of(payload_of(document))
        seen: dict[str, Any] = {}
        if body is not None:
            seen = _look(body.event, row["level"], asked, body.parameters, write=json_of_failed)
        return {
            "faults": faults_of(document, self._find_schema),
            "bad_row": text[:MOST_JSON],
            "is_cut": len(text) > MOST_JSON,
            "has_event": body is not None,
            **seen,
        }

    def _find_schema(self, uri: str) -> dict[str, Any] | None:
        try:
            return self._schemas.find(parse_schema_key(uri))
        except (ProtocolError, ResolutionError):
            return None


def _look(
    event: EnrichedEvent,
    level: int,
    asked: int | None,
    parameters: Mapping[str, str] = MappingProxyType({}),
    *,
    write: Callable[[EnrichedEvent], str],
) -> dict[str, Any]:
    """What the lens, the comparison and the tables show of an event.

    Args:
        event: the event.
        level: its own.
        asked: the level that it is compared with; the strictest where that is none.
        parameters: see `rows_of`.
        write: makes the text that is compared.
    """
    stricter = stricter_levels(level)
    compared = asked if asked in stricter else (stricter[-1] if stricter else None)
    rows = rows_of(event, level, parameters)
    return {
        "parts": parts_of(event),
        "columns": columns_with_values(event),
        "json": write(event),
        "seen": [one for one in rows if one.now.state is not State.ABSENT],
        "absent": [one for one in rows if one.now.state is State.ABSENT],
        "stricter": stricter,
        "compared": compared,
        "other": None if compared is None else write(at_level(event, Anonymisation(compared))),
        "level_name": LEVELS[level],
    }
