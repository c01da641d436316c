"""`/ui/api`: Micro's API, read from its OpenAPI description."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from whiteout.web import openapi

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from whiteout.web.recent import RecentEvents
    from whiteout.web.rendering import Rendering

    Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, a condition or a property.

    Attributes:
        name: of it.
        type: in words: `list of string`.
        is_required: whether it is always there, or must be given.
        meaning: empty where the name says it.
    """

    name: str
    type: str
    is_required: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation may answer.

    Attributes:
        status: of HTTP.
        meaning: of the answer.
        bodies: media types, each with the type of what comes.
    """

    status: str
    meaning: str
    bodies: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One path, asked by one method.

    Attributes:
        method: in capitals.
        path: with its parameters in braces.
        summary: what it does.
        fields: of the path, or of the JSON object that may be sent.
        answers: by their status.
    """

    method: str
    path: str
    summary: str
    fields: tuple[Field, ...]
    answers: tuple[Answer, ...]


class ApiPage:
    """The route.

    Args:
        recent: the events, which are counted on every view.
        rendering: makes the page.
        needs_token: whether the guard asks for one.
    """

    def __init__(self, recent: RecentEvents, rendering: Rendering, *, needs_token: bool) -> None:
        self._recent, self._rendering, self._needs_token = recent, rendering, needs_token

    def routes(self) -> list[BaseRoute]:
        """All of them."""
        return [Route("/ui/api", self._show, methods=["GET"])]

    async def _show(self, request: Request) -> Response:  # noqa: ARG002 - Starlette's signature
        return await run_in_threadpool(self._page)

    def _page(self) -> Response:
        document = openapi.description(needs_token=self._needs_token)
        return self._rendering.page(
            "api.html",
            totals=self._recent.totals(),
            description=document["info"]["description"],
            source=openapi.PATH,
            needs_token=self._needs_token,
            operations=operations_of(document),
            objects=objects_of(document),
        )


def operations_of(document: Json) -> list[Operation]:
    """All operations, in the description's order."""
    return [
        Operation(
            method=method.upper(),
            path=path,
            summary=operation["summary"],
            fields=_fields_of(operation, document),
            answers=tuple(
                _answer(status, answer, document)
                for status, answer in sorted(operation["responses"].items())
            ),
        )
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def objects_of(document: Json) -> list[tuple[str, str, tuple[Field, ...]]]:
    """What answers are made of, by name: what it means, and its properties."""
    return [
        (name, schema.get("description", ""), _properties_of(schema))
        for name, schema in document["components"]["schemas"].items()
        if "properties" in schema
    ]


def _fields_of(operation: Json, document: Json) -> tuple[Field, ...]:
    parameters = tuple(
        Field(one["name"], _type_of(one["schema"]), one["required"], one["description"])
        for one in operation.get("parameters", ())
    )
    if "requestBody" not in operation:
        return parameters
    schema = operation["requestBody"]["content"][openapi.JSON]["schema"]
    return parameters + _properties_of(_followed(schema, document))


def _properties_of(schema: Json) -> tuple[Field, ...]:
    required = schema.get("required", ())
    return tuple(
        Field(name, _type_of(one), name in required, _meaning_of(one))
        for name, one in schema["properties"].items()
    )


def _meaning_of(schema: Json) -> str:
    told = (one.get("description", "") for one in (schema, *schema.get("anyOf", ())))
    return next(filter(None, told), "")


def _answer(status: str, answer: Json, document: Json) -> Answer:
    answer = _followed(answer, document)
    bodies = ((kind, _type_of(one["schema"])) for kind, one in answer["content"].items())
    return Answer(status, answer["description"], tuple(bodies))


def _followed(value: Json, document: Json) -> Json:
    """The value, or what it refers to in the document."""
    if "$ref" not in value:
        return value
    found: Any = document
    for step in value["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found  # type: ignore[no-any-return] # JSON


def _type_of(schema: Json) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(map(_type_of, schema["anyOf"]))
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_type_of(schema['items'])}"
    return kind if isinstance(kind, str) else " or ".join(kind)
