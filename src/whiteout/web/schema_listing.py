"""What registries have, and what a schema asks for: pure functions, bounded in what they give."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from whiteout.identifiers import IDENTIFIERS, Anonymisation, Entity, EntityProperty

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from whiteout.identifiers import Identifier
    from whiteout.protocol.iglu import SchemaKey

MOST_PROPERTIES = 500
_DEEPEST = 6
_MOST_VALUES, _MOST_LETTERS = 12, 300
_RULES = {
    "format": "{}",
    "pattern": "matches {}",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} letters",
    "maxLength": "at most {} letters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "multipleOf": "a multiple of {}",
    "$ref": "see {}",
}
_HIDDEN_BY = (
    (Anonymisation.USER, "user"),
    (Anonymisation.SESSION, "session"),
    (Anonymisation.SERVER, "server"),
)


@dataclass(frozen=True, slots=True)
class Family:
    """All versions of one schema.

    Attributes:
        vendor: of the schema.
        name: of the schema.
        keys: of its versions, the newest first.
    """

    vendor: str
    name: str
    keys: tuple[SchemaKey, ...]


@dataclass(frozen=True, slots=True)
class Property:
    """One property that a schema knows.

    Attributes:
        path: from the root, with a dot for each step; `[]` is each item of a list.
        type: in words.
        is_required: by the object that it is in.
        rules: what else its value must be.
        description: what the schema says of it.
        hidden_by: the flags of the level that hide it, where it identifies.
    """

    path: str
    type: str
    is_required: bool
    rules: tuple[str, ...]
    description: str
    hidden_by: tuple[str, ...]


def families(keys: Iterable[SchemaKey], text: str = "") -> list[Family]:
    """The schemas with `text` in their vendor or name, in any case, in order."""
    wanted = text.casefold()
    found = sorted({key for key in keys if wanted in f"{key.vendor}/{key.name}".casefold()})
    return [
        Family(vendor, name, tuple(reversed(list(same))))
        for (vendor, name), same in groupby(found, key=lambda key: (key.vendor, key.name))
    ]


def properties_of(key: SchemaKey, schema: Mapping[str, Any]) -> list[Property]:
    """The properties of a schema, each before those inside it; at most 500.

    Args:
        key: of the schema.
        schema: it, as a registry gave it: whatever it holds, nothing is raised.
    """
    found = []
    for one in _walk(key, schema, path=(), shown="", depth=0):
        found.append(one)
        if len(found) == MOST_PROPERTIES:
            break
    return found


def description_of(schema: Mapping[str, Any]) -> str:
    """What a schema says it is; empty where it does not."""
    return _text(schema.get("description"))


def _walk(
    key: SchemaKey, schema: Mapping[str, Any], *, path: tuple[str, ...], shown: str, depth: int
) -> Iterator[Property]:
    properties = schema.get("properties")
    if isinstance(properties, dict) and depth < _DEEPEST:
        required = schema.get("required")
        needed = required if isinstance(required, list) else []
        for name, inner in properties.items():
            if not isinstance(inner, dict):
                continue
            inside = (*path, name)
            written = f"{shown}.{name}" if shown else name
            yield Property(
                path=_text(written),
                type=_type(inner),
                is_required=name in needed,
                rules=tuple(_rules(inner)),
                description=_text(inner.get("description")),
                hidden_by=_hidden_by(key, inside),
            )
            yield from _walk(key, inner, path=inside, shown=written, depth=depth + 1)
    items = schema.get("items")
    if isinstance(items, dict) and depth < _DEEPEST:
        yield from _walk(key, items, path=path, shown=f"{shown}[]", depth=depth + 1)


def _type(schema: Mapping[str, Any]) -> str:
    value = schema.get("type")
    names = value if isinstance(value, list) else [value]
    written = " or ".join(name for name in names if isinstance(name, str))
    items = schema.get("items")
    if "array" in names and isinstance(items, dict) and isinstance(items.get("type"), str):
        return _text(f"{written} of {items['type']}")
    return _text(written)


def _rules(schema: Mapping[str, Any]) -> Iterator[str]:
    values = schema.get("enum")
    if isinstance(values, list):
        shown = ", ".join(_json(value) for value in values[:_MOST_VALUES])
        yield _text(f"one of {shown}{', …' if len(values) > _MOST_VALUES else ''}")
    for name, sentence in _RULES.items():
        value = schema.get(name)
        if isinstance(value, (str, int, float)):
            yield _text(sentence.format(value))


def _hidden_by(key: SchemaKey, path: tuple[str, ...]) -> tuple[str, ...]:
    flags = Anonymisation.NONE
    for identifier in IDENTIFIERS:
        if _is_at(identifier, key, path):
            for flag in identifier.masks:
                flags |= flag
    return tuple(name for flag, name in _HIDDEN_BY if flag & flags)


def _is_at(identifier: Identifier, key: SchemaKey, path: tuple[str, ...]) -> bool:
    location = identifier.location
    if not isinstance(location, Entity | EntityProperty):
        return False
    if (location.vendor, location.schema_name) != (key.vendor, key.name):
        return False
    return isinstance(location, Entity) or location.path == path


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)[:_MOST_LETTERS]


def _text(value: object) -> str:
    if not isinstance(value, str):
        return ""
    return value if len(value) <= _MOST_LETTERS else f"{value[: _MOST_LETTERS - 1]}…"
