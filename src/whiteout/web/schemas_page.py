"""`/ui/schemas`: the schemas at hand, and what each asks for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from whiteout.errors import ProtocolError
from whiteout.iglu import ResolutionError
from whiteout.protocol.iglu import parse_schema_key
from whiteout.web.recent import SearchTookTooLongError
from whiteout.web.schema_listing import description_of, families, properties_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from whiteout.protocol.iglu import SchemaKey
    from whiteout.web.recent import RecentEvents
    from whiteout.web.rendering import Rendering
    from whiteout.web.schemas import Schemas

MOST_FAMILIES = 300
_MOST_LETTERS = 200
_MOST_TEXT = 100_000
_SEEN = "SELECT DISTINCT schema FROM event WHERE status = 'good' LIMIT 2000"


class SchemasPage:
    """The routes.

    Args:
        schemas: finds and lists them.
        recent: the events, some of which are of schemas that no list has.
        rendering: makes the pages.
    """

    def __init__(self, schemas: Schemas, recent: RecentEvents, rendering: Rendering) -> None:
        self._schemas, self._recent, self._rendering = schemas, recent, rendering

    def routes(self) -> list[BaseRoute]:
        """All of them."""
        path = "/ui/schemas/{vendor}/{name}/{format}/{version}"
        return [
            Route("/ui/schemas", self._schemas_list, methods=["GET"]),
            Route(path, self._schema, methods=["GET"]),
        ]

    async def _schemas_list(self, request: Request) -> Response:
        text = request.query_params.get("q", "").strip()[:_MOST_LETTERS]
        return await run_in_threadpool(self._list, text)

    def _list(self, text: str) -> Response:
        found = families(self._keys(), text)
        return self._rendering.page(
            "schemas.html",
            totals=self._recent.totals(),
            text=text,
            families=found[:MOST_FAMILIES],
            left_out=max(len(found) - MOST_FAMILIES, 0),
        )

    async def _schema(self, request: Request) -> Response:
        parts = request.path_params
        uri = f"iglu:{parts['vendor']}/{parts['name']}/{parts['format']}/{parts['version']}"
        return await run_in_threadpool(self._show, uri)

    def _show(self, uri: str) -> Response:
        try:
            key = parse_schema_key(uri)
            schema = self._schemas.find(key)
        except ProtocolError:
            return self._missing("That is not the name of a schema.", [])
        except ResolutionError as error:
            asked = [
                (entry.repository, ", ".join(problem.kind for problem in entry.problems))
                for entry in error.history
            ]
            return self._missing(f"No registry has {key.uri}.", asked)
        text = json.dumps(schema, indent=2, ensure_ascii=False)
        same = families(one for one in self._keys() if _is_same_family(one, key))
        return self._rendering.page(
            "schema.html",
            totals=self._recent.totals(),
            key=key,
            description=description_of(schema),
            properties=properties_of(key, schema),
            versions=same[0].keys if same else (key,),
            text=text[:_MOST_TEXT],
            is_cut=len(text) > _MOST_TEXT,
        )

    def _missing(self, message: str, asked: list[tuple[str, str]]) -> Response:
        return self._rendering.page(
            "no_schema.html",
            status=404,
            totals=self._recent.totals(),
            message=message,
            asked=asked,
        )

    def _keys(self) -> set[SchemaKey]:
        """What registries list, and what the events of the window are of."""
        found = self._schemas.keys()
        try:
            rows = self._recent.query(_SEEN)
        except SearchTookTooLongError:
            return found
        for row in rows:
            try:
                found.add(parse_schema_key(row["schema"]))
            except ProtocolError:
                continue  # an event without a schema
        return found


def _is_same_family(one: SchemaKey, other: SchemaKey) -> bool:
    return (one.vendor, one.name) == (other.vendor, other.name)
