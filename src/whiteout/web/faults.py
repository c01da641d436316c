"""Why an event failed: what its bad row says, and the place in the schema that refused it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_STEP = re.compile(r"\[(\d{1,9})\]|([^.\[]+)")
_MOST_MESSAGES = 50
_MOST_LETTERS = 1_000
_WORDS = {
    "NotJson": "it is not JSON",
    "NotIglu": "it is not self-describing JSON",
    "NotFound": "the registry does not have it",
}

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        message: what, in a sentence or a few words.
        where: the field of the request, or the path in the data, `$.a[0]`.
        schema: the Iglu URI of the schema that refused it; empty where none did.
        pointer: the place in that schema, a JSON pointer; empty where it was not found.
        rule: what stands there, as JSON.
        details: more of the message, name and value.
    """

    message: str
    where: str = ""
    schema: str = ""
    pointer: str = ""
    rule: str = ""
    details: tuple[tuple[str, str], ...] = field(default=())


def faults_of(bad_row: str, find_schema: Callable[[str], Schema | None]) -> list[Fault]:
    """The faults that a bad row names, at most 50; never raises for what a bad row may hold.

    Args:
        bad_row: a self-describing JSON.
        find_schema: the schema of an Iglu URI, or None.
    """
    try:
        failure = json.loads(bad_row)["data"]["failure"]
    except (ValueError, LookupError, TypeError):
        return [Fault("The bad row does not say.")]
    found: list[Fault] = []
    for message in _messages(failure):
        found.extend(_read(message, find_schema))
        if len(found) >= _MOST_MESSAGES:
            break
    return found[:_MOST_MESSAGES]


def place_in_schema(schema: Schema, path: str, keyword: str) -> tuple[str, Any]:
    """Where a schema says what data at `path` broke: a JSON pointer, and what stands there.

    Followed as far as `properties`, `additionalProperties` and `items` lead;
    the pointer is empty where the keyword does not stand there, such as within an `anyOf`.
    """
    pointer, at = "", schema
    for name, position in _steps(path):
        for key, inner in _into(at, name, position):
            pointer, at = f"{pointer}/{key}", inner
            break
        else:
            return "", None
    if keyword not in at:
        return "", None
    return f"{pointer}/{_escaped(keyword)}", at[keyword]


def _messages(failure: object) -> Iterator[Mapping[str, Any]]:
    """The parts of `failure` that are messages; in some kinds it is one itself."""
    if not isinstance(failure, dict):
        yield {"message": failure}
        return
    messages = failure.get("messages")
    if isinstance(messages, list):
        for message in messages:
            yield message if isinstance(message, dict) else {"message": message}
        return
    inner = failure.get("message")
    yield {**failure, **inner} if isinstance(inner, dict) else failure


def _read(message: Mapping[str, Any], find_schema: Callable[[str], Schema | None]) -> list[Fault]:
    inner = message.get("message")
    if isinstance(inner, dict):  # of an enrichment: the message is inside
        message = {**message, **inner}
    schema, error = message.get("schemaKey"), message.get("error")
    if isinstance(schema, str) and isinstance(error, dict):
        return _read_validation(schema, error, find_schema)
    where = message.get("field") or message.get("payloadField") or ""
    expectation = message.get("expectation")
    if isinstance(expectation, str):
        text = expectation
    elif isinstance(error, str):
        text = _WORDS.get(error, error)
    elif isinstance(message.get("schemaCriterion"), str):
        text = (
            f"the schema is {_text(schema)}, but {_text(message['schemaCriterion'])} belongs here"
        )
    else:
        text = _text(message.get("error") or inner or "")
    shown = ("field", "payloadField", "expectation", "error", "message", "schemaCriterion")
    details = tuple(
        (str(name), _text(value))
        for name, value in message.items()
        if name not in shown and value is not None
    )
    return [Fault(_cut(text) or "no message", _text(where), details=details)]


def _read_validation(
    schema: str, error: Mapping[str, Any], find_schema: Callable[[str], Schema | None]
) -> list[Fault]:
    reports = error.get("dataReports")
    if isinstance(reports, list):
        found = find_schema(schema)
        return [_of_report(schema, one, found) for one in reports if isinstance(one, dict)]
    issues = error.get("schemaIssues")
    if isinstance(issues, list):
        return [
            Fault(
                f"the schema is none: {_text(one.get('message'))}", _text(one.get("path")), schema
            )
            for one in issues
            if isinstance(one, dict)
        ]
    history = error.get("lookupHistory")
    tried = [one for one in history if isinstance(one, dict)] if isinstance(history, list) else []
    details = tuple((_text(one.get("repository")), _problems(one)) for one in tried)
    return [Fault("no registry has the schema", schema=schema, details=details)]


def _of_report(schema: str, report: Mapping[str, Any], found: Schema | None) -> Fault:
    path, keyword = _text(report.get("path")), _text(report.get("keyword"))
    pointer, rule = "", None
    if found is not None:
        pointer, rule = place_in_schema(found, path, keyword)
    targets = report.get("targets")
    asked = ", ".join(_text(one) for one in targets) if isinstance(targets, list) else ""
    if pointer:
        shown = _cut(json.dumps(rule, ensure_ascii=False))
    else:
        shown = f"{keyword}: {asked}" if keyword else ""
    return Fault(
        message=_text(report.get("message")),
        where=path,
        schema=schema,
        pointer=pointer,
        rule=shown,
    )


def _problems(entry: Mapping[str, Any]) -> str:
    errors = entry.get("errors")
    kinds = [one.get("error") for one in errors if isinstance(one, dict)] if errors else []
    return ", ".join(_WORDS.get(str(kind), str(kind)) for kind in kinds)


def _steps(path: str) -> Iterator[tuple[str, int | None]]:
    """The names and positions of `$.a[0].b`; a name with a dot in it cannot be told from two."""
    for match in _STEP.finditer(path.removeprefix("$")):
        position, name = match.groups()
        yield (name or "", None if position is None else int(position))


def _into(schema: Schema, name: str, position: int | None) -> Iterator[tuple[str, Schema]]:
    if position is not None:
        items = schema.get("items")
        if isinstance(items, dict):
            yield "items", items
        elif (
            isinstance(items, list) and position < len(items) and isinstance(items[position], dict)
        ):
            yield f"items/{position}", items[position]
        return
    properties = schema.get("properties")
    if isinstance(properties, dict) and isinstance(properties.get(name), dict):
        yield f"properties/{_escaped(name)}", properties[name]
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        yield "additionalProperties", others


def _escaped(key: str) -> str:
    """A step of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def _text(value: object) -> str:
    if value is None:
        return ""
    return _cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…"
