"""The gate: what a level of anonymisation lets through, read from the one table of identifiers.

Pure functions. Every payload passes `Gate` on its way to disk and to the event store, the parts
that events share as well as each event's own; nothing is merged in afterwards (leak L32). Under the
strict profile what the table of identifiers has left passes a second table, an allow-list.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from whiteout.errors import ConfigurationError
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
from whiteout.protocol.self_describing import CONTEXTS, UNSTRUCT_EVENT, SelfDescribingJson
from whiteout.strict.profile import CAMPAIGN_PARAMETERS, PrivacyProfile, SafeProperties

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from whiteout.strict.rules import StrictRules

__all__ = ["Anonymisation", "Gate", "PrivacyProfile", "SafeProperties", "strip_query"]

_PAIR: Final = re.compile("(^|[&;?])([^&;?]*)")
_MINUTE_MS: Final = 60_000
_PACKED: Final = {"ue_px": True, "cx": True, "ue_pr": False, "co": False}  # whether in base64
_ENVELOPES: Final = frozenset({CONTEXTS.rsplit("/", 2)[0], UNSTRUCT_EVENT.rsplit("/", 2)[0]})

# A set: the property is a URL, which loses those query keys.
_PropertyRule = tuple[tuple[str, ...], "Masked | frozenset[str]"]


@dataclass(frozen=True, slots=True)
class _Rules:
    """The tables, folded for one level."""

    parameters: frozenset[str]
    url_keys: Mapping[str, frozenset[str]]
    entities: frozenset[str]
    properties: Mapping[str, tuple[_PropertyRule, ...]]
    strict: StrictRules | None
    scrubs: Mapping[str, Callable[[SelfDescribingJson], SelfDescribingJson]]

    @property
    def looks_inside(self) -> bool:
        """Whether a body or an entity might not pass as it is."""
        return bool(self.entities or self.properties or self.strict or self.scrubs)


@dataclass(frozen=True, slots=True)
class Gate:
    """The tables, ready to be applied.

    Args:
        identifiers: the built-in table, and what the app marked in schemas of its own.
        profile: what passes of an event under any flag.
        safe_properties: what passes of the app's own schemas under the strict profile.
        url_parameters: query keys that URLs keep under the strict profile.
        scrubs: for families of schemas with free text, `iglu:vendor/name`, what is left of their
            data under `Anonymisation.USER`; after the tables, and idempotent.

    Raises:
        ConfigurationError: a mark of `safe_properties` is for a schema that the strict profile
            decides about itself.
    """

    identifiers: Sequence[Identifier] = IDENTIFIERS
    profile: PrivacyProfile = PrivacyProfile.STANDARD
    safe_properties: Sequence[SafeProperties] = ()
    url_parameters: Sequence[str] = CAMPAIGN_PARAMETERS
    scrubs: Mapping[str, Callable[[SelfDescribingJson], SelfDescribingJson]] = field(
        default_factory=dict, repr=False
    )
    time_steps_ms: tuple[int, ...] = field(init=False, repr=False)
    """By the bits of a level: times that leave the device are multiples of this."""
    _rules: tuple[_Rules, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        levels = [Anonymisation(bits) for bits in range(Anonymisation.FULL.value + 1)]
        strict = dict.fromkeys(levels, None) | self._strict_rules(levels[1:])
        rules = tuple(
            _fold(self.identifiers, level, strict[level], self.scrubs) for level in levels
        )
        object.__setattr__(self, "_rules", rules)
        steps = tuple(1 if folded.strict is None else _MINUTE_MS for folded in rules)
        object.__setattr__(self, "time_steps_ms", steps)

    def _strict_rules(self, levels: Iterable[Anonymisation]) -> dict[Anonymisation, StrictRules]:
        """The strict profile's, of each level; where the user is not hidden, it spares who it is.

        The app may tell nothing of that, and a rare device single somebody out all the same.
        """
        if self.profile is not PrivacyProfile.STRICT:
            return {}
        from whiteout.strict.rules import StrictRules  # noqa: PLC0415 - only who wants it pays

        user = Anonymisation.USER
        named = [
            row.location
            for row in self.identifiers
            if row.masked_at(user) is not None
            and isinstance(row.location, Parameter | EntityProperty)
        ]
        hiding = StrictRules(self.safe_properties, self.url_parameters)
        naming = StrictRules(self.safe_properties, self.url_parameters, spared=named)
        return {level: hiding if user in level else naming for level in levels}

    def parameters(self, parameters: Mapping[str, str], level: Anonymisation) -> dict[str, str]:
        """Payload parameters as `level` lets them through; what they pack passes the gate too."""
        rules = self._rules[level._value_]
        passed = {name: value for name, value in parameters.items() if name not in rules.parameters}
        for name, keys in rules.url_keys.items():
            if name in passed:
                url = passed[name]
                passed[name] = strip_query(url, keys) if isinstance(url, str) else ""
        if not _PACKED.keys().isdisjoint(passed) and rules.looks_inside:
            self._open(passed, level)
        return passed if rules.strict is None else rules.strict.parameters(passed)

    def looks_into(self, schema: str, level: Anonymisation) -> bool:
        """Whether `level` masks properties of that schema; they must then be JSON's own types."""
        rules = self._rules[level._value_]
        family = schema.rsplit("/", 2)[0]
        return (
            family in rules.properties
            or family in rules.scrubs
            or (rules.strict is not None and rules.strict.knows(family))
        )

    def lets_in(self, schema: str, level: Anonymisation) -> bool:
        """Whether anything of that schema may pass at `level`; else, tell the developer."""
        rules = self._rules[level._value_]
        family = schema.rsplit("/", 2)[0]
        return family not in rules.entities and (rules.strict is None or rules.strict.knows(family))

    def withholds(self, schema: str, name: str) -> bool:
        """Whether no event of an anonymous user may tell that property (leak L23).

        Args:
            schema: any version.
            name: of a property at the top of its data.
        """
        strict = self._rules[Anonymisation.USER._value_].strict
        return strict is not None and not strict.lets_in(schema.rsplit("/", 2)[0], name)

    def time_ms(self, now_ms: int, level: Anonymisation) -> int:
        """A time, Unix epoch milliseconds, as an event of `level` may tell it (leak L38).

        For `dtm` and `stm`; under the strict profile cut to the minute.
        """
        return now_ms - now_ms % self.time_steps_ms[level._value_]

    def entity(self, entity: SelfDescribingJson, level: Anonymisation) -> SelfDescribingJson | None:
        """An entity, or the body of an event, as `level` lets it through; None: not at all."""
        family = entity.schema.rsplit("/", 2)[0]
        rules = self._rules[level._value_]
        if family in rules.entities:
            return None
        masks = rules.properties.get(family)
        scrub = rules.scrubs.get(family)
        if masks is None and scrub is None and rules.strict is None:
            return entity
        data: Any = entity.data
        for path, mask in masks or ():
            data = _mask(data, path, mask)
        if rules.strict is not None:
            data = rules.strict.data(family, data)
            if data is None:
                return None
        passed = SelfDescribingJson(entity.schema, data)
        return passed if scrub is None else scrub(passed)

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

    def _open(self, parameters: dict[str, str], level: Anonymisation) -> None:
        """Gate the bodies and entities that an event packed into its parameters itself (L32)."""
        from whiteout.packed import pack, unpack  # noqa: PLC0415 - hardly any event does

        for name in _PACKED.keys() & parameters.keys():
            try:
                value = unpack(parameters[name], is_base64=_PACKED[name])
                passed = self._inside(value, level)
            except (ValueError, ConfigurationError, RecursionError):
                del parameters[name]  # what cannot be read cannot be judged
                continue
            if passed != value:
                parameters[name] = pack(passed, is_base64=_PACKED[name])

    def _inside(self, value: Any, level: Anonymisation) -> Any:  # noqa: ANN401 - any JSON
        """Entities in a list, or one in its envelope.

        Raises:
            ValueError: it is neither.
            ConfigurationError: a schema is none.
        """
        if isinstance(value, list):
            entities = [_self_describing(item) for item in value]
            return [entity.as_dict() for entity in self.entities(entities, level)]
        item = _self_describing(value)
        if item.schema.rsplit("/", 2)[0] in _ENVELOPES:
            return {"schema": item.schema, "data": self._inside(item.data, level)}
        return self.body(item, level).as_dict()


def _self_describing(value: Any) -> SelfDescribingJson:  # noqa: ANN401 - any JSON
    is_one = isinstance(value, dict) and value.keys() == {"schema", "data"}
    if not is_one or not isinstance(value["schema"], str):
        raise ValueError("not a self-describing JSON")
    return SelfDescribingJson(value["schema"], value["data"])


def _fold(
    identifiers: Sequence[Identifier],
    level: Anonymisation,
    strict: StrictRules | None,
    scrubs: Mapping[str, Callable[[SelfDescribingJson], SelfDescribingJson]],
) -> _Rules:
    parameters: set[str] = set()
    url_keys: dict[str, frozenset[str]] = {}
    entities: set[str] = set()
    properties: dict[str, list[_PropertyRule]] = {}
    for identifier in identifiers:
        mask = identifier.masked_at(level)
        if mask is None:
            continue
        match identifier.location:
            case Parameter(name):
                parameters.add(name)
            case UrlQuery(names, keys, links):
                folded = frozenset(key.casefold() for key in keys)
                for name in names:
                    url_keys[name] = url_keys.get(name, frozenset()) | folded
                for link in links:
                    family = f"iglu:{link.vendor}/{link.schema_name}"
                    properties.setdefault(family, []).append((link.path, folded))
            case Entity(vendor, name):
                entities.add(f"iglu:{vendor}/{name}")
            case EntityProperty(vendor, name, path):
                properties.setdefault(f"iglu:{vendor}/{name}", []).append((path, mask))
            case _:
                pass  # what the request itself gives away is the collector's and the emitter's
    return _Rules(
        frozenset(parameters),
        url_keys,
        frozenset(entities),
        {family: tuple(rules) for family, rules in properties.items()},
        strict,
        scrubs if Anonymisation.USER in level else {},
    )


def _mask(data: Any, path: tuple[str, ...], mask: Masked | frozenset[str]) -> Any:  # noqa: ANN401 - any JSON
    """A copy of `data` with the property at `path` masked; shared where nothing changes."""
    if isinstance(data, (list, tuple)):
        return [_mask(item, path, mask) for item in data]
    if not hasattr(data, "items") or path[0] not in data:
        return data
    copy = dict(data)
    if len(path) > 1:
        copy[path[0]] = _mask(copy[path[0]], path[1:], mask)
    elif isinstance(mask, frozenset):
        link = copy[path[0]]
        copy[path[0]] = strip_query(link, mask) if isinstance(link, str) else None
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
    if not question_mark and "/" not in path.partition("=")[0]:
        path = _strip_pairs(path, keys)  # a query alone, as an install referrer is one
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
    """The name as the most lenient reader takes it: escaped twice, or with blanks around it."""
    key = pair.partition("=")[0]
    if "%" in key or "+" in key:
        from urllib.parse import unquote_plus  # noqa: PLC0415 - only for the rare escaped key

        key = unquote_plus(unquote_plus(key))
    return key.strip().casefold()


def _strip_userinfo(path: str) -> str:
    scheme, slashes, rest = path.partition("//")
    if not slashes or (scheme and not scheme.endswith(":")):
        return path
    authority, slash, rest = rest.partition("/")
    return scheme + slashes + authority.rpartition("@")[2] + slash + rest
