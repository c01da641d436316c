"""The gate: what a level of anonymisation lets through, read from the one table of identifiers.

Pure functions. Every payload passes `Gate.apply` on its way to disk and to the event store, the
parts that events share as well as each event's own; nothing is merged in afterwards (leak L32).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from whiteout.identifiers import (
    IDENTIFIERS,
    NULL_UUID,
    Anonymisation,
    Entity,
    EntityProperty,
    Identifier,
    Masked,
    Parameter,
    UrlQuery,
)
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Anonymisation", "Gate", "strip_query"]

_PAIR: Final = re.compile("(^|[&;?])([^&;?]*)")

_PropertyRule = tuple[tuple[str, ...], Masked]


@dataclass(frozen=True, slots=True)
class _Rules:
    """The table, folded for one level."""

    parameters: frozenset[str]
    url_keys: Mapping[str, frozenset[str]]
    entities: frozenset[str]
    properties: Mapping[str, tuple[_PropertyRule, ...]]


@dataclass(frozen=True, slots=True)
class Gate:
    """The table of identifiers, ready to be applied.

    Args:
        identifiers: the built-in table, and what the app marked in schemas of its own.
    """

    identifiers: Sequence[Identifier] = IDENTIFIERS
    _rules: dict[Anonymisation, _Rules] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        for bits in range(Anonymisation.FULL.value + 1):
            level = Anonymisation(bits)
            self._rules[level] = _fold(self.identifiers, level)

    def parameters(self, parameters: Mapping[str, str], level: Anonymisation) -> dict[str, str]:
        """Payload parameters as `level` lets them through."""
        rules = self._rules[level]
        passed = {name: value for name, value in parameters.items() if name not in rules.parameters}
        for name, keys in rules.url_keys.items():
            if name in passed:
                passed[name] = strip_query(passed[name], keys)
        return passed

    def looks_into(self, schema: str, level: Anonymisation) -> bool:
        """Whether `level` masks properties of that schema; they must then be JSON's own types."""
        return schema.rsplit("/", 2)[0] in self._rules[level].properties

    def entity(self, entity: SelfDescribingJson, level: Anonymisation) -> SelfDescribingJson | None:
        """An entity, or the body of an event, as `level` lets it through; None: not at all."""
        family = entity.schema.rsplit("/", 2)[0]
        rules = self._rules[level]
        if family in rules.entities:
            return None
        masks = rules.properties.get(family)
        if masks is None:
            return entity
        data: Any = entity.data
        for path, mask in masks:
            data = _mask(data, path, mask)
        return SelfDescribingJson(entity.schema, data)

    def body(self, body: SelfDescribingJson, level: Anonymisation) -> SelfDescribingJson:
        """The body of an event; without any data where `level` does not let its schema through."""
        passed = self.entity(body, level)
        return SelfDescribingJson(body.schema, {}) if passed is None else passed

    def entities(
        self, entities: Iterable[SelfDescribingJson], level: Anonymisation
    ) -> list[SelfDescribingJson]:
        """Those of the entities that `level` lets through, masked as it asks."""
        passed = (self.entity(entity, level) for entity in entities)
        return [entity for entity in passed if entity is not None]


def _fold(identifiers: Sequence[Identifier], level: Anonymisation) -> _Rules:
    parameters: set[str] = set()
    url_keys: dict[str, set[str]] = {}
    entities: set[str] = set()
    properties: dict[str, list[_PropertyRule]] = {}
    for identifier in identifiers:
        mask = identifier.masked_at(level)
        if mask is None:
            continue
        match identifier.location:
            case Parameter(name):
                parameters.add(name)
            case UrlQuery(names, keys):
                for name in names:
                    url_keys.setdefault(name, set()).update(key.casefold() for key in keys)
            case Entity(vendor, name):
                entities.add(f"iglu:{vendor}/{name}")
            case EntityProperty(vendor, name, path):
                properties.setdefault(f"iglu:{vendor}/{name}", []).append((path, mask))
            case _:
                pass  # what the request itself gives away is the collector's and the emitter's
    return _Rules(
        frozenset(parameters),
        {name: frozenset(keys) for name, keys in url_keys.items()},
        frozenset(entities),
        {family: tuple(rules) for family, rules in properties.items()},
    )


def _mask(data: Any, path: tuple[str, ...], mask: Masked) -> Any:  # noqa: ANN401 - any JSON
    """A copy of `data` with the property at `path` masked; shared where nothing changes."""
    if isinstance(data, (list, tuple)):
        return [_mask(item, path, mask) for item in data]
    if not hasattr(data, "items") or path[0] not in data:
        return data
    copy = dict(data)
    if len(path) > 1:
        copy[path[0]] = _mask(copy[path[0]], path[1:], mask)
    elif mask is Masked.ABSENT:
        del copy[path[0]]
    else:
        copy[path[0]] = None if mask is Masked.NULL else NULL_UUID
    return copy


def strip_query(url: str, keys: frozenset[str]) -> str:
    """`url` without the given query keys (case-folded), and without `user:password@`.

    Keys are looked for in the query and, as single-page apps put queries there, in the fragment.
    Pairs end at `&`, `;` (also of a careless `&amp;`) or a further `?`. The rest of the URL stays
    as it is, letter for letter; what is escaped within a value, such as a link to go on to, too.
    """
    head, hash_mark, fragment = url.partition("#")
    path, question_mark, query = head.partition("?")
    query = _strip_pairs(query, keys)
    head = _strip_userinfo(path) + (question_mark if query else "") + query
    return head + hash_mark + _strip_pairs(fragment, keys)


def _strip_pairs(query: str, keys: frozenset[str]) -> str:
    if "=" not in query:
        return query
    kept = ""
    mark = ""  # what stands before the next pair that is kept
    for separator, pair in _PAIR.findall(query):
        mark = mark or separator
        if _key(pair) not in keys:
            kept += mark + pair if kept else pair
            mark = ""
    return kept


def _key(pair: str) -> str:
    key = pair.partition("=")[0]
    if "%" in key:
        from urllib.parse import unquote  # noqa: PLC0415 - only for the rare escaped key

        key = unquote(key)
    return key.casefold()


def _strip_userinfo(path: str) -> str:
    scheme, slashes, rest = path.partition("//")
    if not slashes or (scheme and not scheme.endswith(":")):
        return path
    authority, slash, rest = rest.partition("/")
    return scheme + slashes + authority.rpartition("@")[2] + slash + rest
