"""Puts pseudonyms where values identify people: columns, and places inside entities and events.

Source: reference sections 2.10.2 and 2.10.3. Beside Snowplow's strategy, a plain hash with a salt
at the end, there is one of ours: an HMAC whose key lies in a file and changes by period (W7).
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from whiteout.enrich.atomic import COLUMN_INDEX
from whiteout.enrich.enrichments.interface import (
    ENRICHMENTS_VENDOR,
    Configuration,
    Kind,
    Surroundings,
    read_parameters,
)
from whiteout.enrich.json_path import JsonPath
from whiteout.enrich.pii_event import Replaced, transformation
from whiteout.enrich.pseudonyms import HashFunction, KeyedPseudonyms, SaltedPseudonyms
from whiteout.errors import ConfigurationError
from whiteout.identifiers import NULL_UUID
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.event import EnrichedEvent
    from whiteout.enrich.load import Request
    from whiteout.enrich.pseudonyms import Pseudonyms

COLUMNS = frozenset(
    "user_id user_ipaddress user_fingerprint domain_userid network_userid ip_organization ip_domain"
    " tr_orderid ti_orderid mkt_term mkt_content se_category se_action se_label se_property"
    " mkt_clickid refr_domain_userid domain_sessionid".split()
)
"""The columns that can be pseudonymised: all hold text of 128 characters or more."""

Part = Literal["unstruct_event", "contexts", "derived_contexts"]
_CRITERION = re.compile(
    r"iglu:[a-zA-Z0-9_.-]+/[a-zA-Z0-9_-]+/[a-zA-Z0-9_-]+/"
    r"(?:[1-9][0-9]*|\*)-(?:0|[1-9][0-9]*|\*)-(?:0|[1-9][0-9]*|\*)"
)


@dataclass(frozen=True, slots=True)
class Locator:
    """A place in self-describing JSON.

    Attributes:
        part: where the JSON stands.
        criterion: whose schema it has, `iglu:com.acme/email_sent/jsonschema/1-*-*`.
        path: where in its data.

    Raises:
        ConfigurationError: the criterion is none.
    """

    part: Part
    criterion: str
    path: JsonPath
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if _CRITERION.fullmatch(self.criterion) is None:
            raise ConfigurationError(
                "schemaCriterion must look like iglu:com.acme/thing/jsonschema/1-*-*, got"
                f" {self.criterion!r}"
            )
        pattern = re.escape(self.criterion).replace(r"\*", "[0-9]+")
        object.__setattr__(self, "_pattern", re.compile(pattern))

    def concerns(self, schema: str) -> bool:
        """Whether it is about data of a schema."""
        return self._pattern.fullmatch(schema) is not None


class Pseudonymise:
    """Replaces values by pseudonyms; equal values have equal ones.

    Args:
        columns: names of columns.
        locators: places in self-describing JSON.
        pseudonyms: what makes a pseudonym.
        anonymous_only: leave events alone that are not anonymous.
        emit: takes the originals and their pseudonyms of each event, as an event
            `pii_transformation`; None keeps them nowhere.

    Raises:
        ConfigurationError: a column cannot be pseudonymised.
    """

    schema = f"iglu:{ENRICHMENTS_VENDOR}/pii_enrichment_config/jsonschema/2-0-1"
    identifier = "pii-pseudonymisation"
    hidden_parameters: frozenset[str] = frozenset()  # its key goes into such hashes instead

    def __init__(
        self,
        *,
        columns: Iterable[str],
        locators: Iterable[Locator],
        pseudonyms: Pseudonyms,
        anonymous_only: bool = False,
    ) -> None:
        names = list(dict.fromkeys(columns))
        unknown = sorted(set(names) - COLUMNS)
        if unknown:
            raise ConfigurationError(
                f"pojo.field must be one of {', '.join(sorted(COLUMNS))}; got {', '.join(unknown)}"
            )
        self._columns = tuple((COLUMN_INDEX[name], name) for name in names)
        self._positions = frozenset(position for position, _ in self._columns)
        self._locators = tuple(locators)
        self._pseudonyms = pseudonyms
        self._anonymous_only = anonymous_only
        self.emit: Callable[[EnrichedEvent], None] | None = None

        self._concerned = {part: _concerned(part, self._locators) for part in get_args(Part)}

    def applies(self, request: Request) -> bool:
        """To every request, or to anonymous ones only."""
        return request.anonymous or not self._anonymous_only

    def key_of(self, request: Request) -> bytes | None:
        """The key for other hashes over what is pseudonymised here."""
        return self._pseudonyms.key if self.applies(request) else None

    def enrich(
        self, event: EnrichedEvent, request: Request, parameters: Parameters
    ) -> Sequence[SelfDescribingJson]:
        """No entity: values are replaced."""
        if self._anonymous_only and not request.anonymous:
            return ()
        replaced: list[Replaced] | None = None if self.emit is None else []
        fields = event.fields
        make = self._pseudonyms.at(request.payload.timestamp)
        for position, name in self._columns:
            value = fields[position]
            if value is not None and value != NULL_UUID:  # nobody: no pseudonym for all of them
                fields[position] = pseudonym = make(value)
                if replaced is not None:
                    replaced.append(Replaced(name, value, pseudonym))
        if self._locators:
            self._replace_in_parts(event, make, replaced)
        if replaced and self.emit is not None:
            self.emit(transformation(event, replaced, self._pseudonyms.hash_function))
        return ()

    def mask(self, column: int, text: str) -> str | None:
        """What may stand in a column."""
        if column not in self._positions or text == NULL_UUID:
            return text
        return self._pseudonyms.at(0)(text)

    def mask_parts(self, event: EnrichedEvent) -> None:
        """Replace what the locators name in an event's self-describing parts."""
        self._replace_in_parts(event, self._pseudonyms.at(0), None)

    def _replace_in_parts(
        self, event: EnrichedEvent, make: Callable[[str], str], replaced: list[Replaced] | None
    ) -> None:
        unstruct, concerned = event.unstruct_event, self._concerned["unstruct_event"]
        if unstruct is not None and concerned is not None:
            _replace(unstruct, concerned(unstruct.schema), make, replaced)
        concerned = self._concerned["contexts"]
        if concerned is not None:
            for entity in event.contexts:
                if found := concerned(entity.schema):
                    _replace(entity, found, make, replaced)
        concerned = self._concerned["derived_contexts"]
        if concerned is not None:
            for index, entity in enumerate(event.derived_contexts):
                if found := concerned(entity.schema):
                    # Those are shared between events; what the tracker sent is the event's own.
                    own = SelfDescribingJson(entity.schema, copy.deepcopy(entity.data))
                    _replace(own, found, make, replaced)
                    event.derived_contexts[index] = own


def _concerned(
    part: Part, locators: Iterable[Locator]
) -> Callable[[str], tuple[Locator, ...]] | None:
    """Finds the locators for a schema in a part; None where it has none at all."""
    own = [one for one in locators if one.part == part]

    @lru_cache(maxsize=1024)  # an application has few schemas
    def concerned(schema: str) -> tuple[Locator, ...]:
        return tuple(one for one in own if one.concerns(schema))

    return concerned if own else None


def _replace(
    json: SelfDescribingJson,
    locators: Iterable[Locator],
    make: Callable[[str], str],
    replaced: list[Replaced] | None,
) -> None:
    """Put pseudonyms into the data of an event or entity."""
    for locator in locators:
        for container, key in locator.path.find(json.data):
            for owner, at, value in _texts(container, key):
                owner[at] = pseudonym = make(value)
                if replaced is not None:
                    replaced.append(
                        Replaced(locator.part, value, pseudonym, locator.path.text, json.schema)
                    )


def _texts(container: Any, key: Any) -> list[tuple[Any, Any, str]]:  # noqa: ANN401 - any JSON
    """A text at a place, or the texts in a list there; numbers and objects are left."""
    value = container[key]
    if isinstance(value, str):
        return [(container, key, value)]
    if isinstance(value, list):
        return [(value, at, item) for at, item in enumerate(value) if isinstance(item, str)]
    return []


class _Column(msgspec.Struct, forbid_unknown_fields=True):
    field: str


class _Json(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    field: Part
    schema_criterion: str
    json_path: str


class _Pii(msgspec.Struct, forbid_unknown_fields=True):
    pojo: _Column | None = None
    json: _Json | None = None


class _Salted(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    hash_function: HashFunction
    salt: str | None = None  # 1-0-0 has none


class _Keyed(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    hash_function: HashFunction
    key_file: str
    period_days: int = 0


class _Strategy(msgspec.Struct, forbid_unknown_fields=True):
    pseudonymize: _Salted | None = None
    hmac: _Keyed | None = None


class _Parameters(msgspec.Struct, forbid_unknown_fields=True):
    pii: list[_Pii]
    strategy: _Strategy


def make(configuration: Configuration, surroundings: Surroundings) -> Pseudonymise:
    """From the official configuration, or the same with the strategy `hmac`."""
    parameters = read_parameters(configuration, _Parameters)
    salted = parameters.strategy.pseudonymize
    if salted is not None and salted.salt is None and configuration.emit_event is not None:
        raise ConfigurationError("pseudonymize needs a salt")  # not so in 1-0-0, without emitEvent
    columns, locators = [], []
    for pii in parameters.pii:
        if (pii.pojo is None) == (pii.json is None):
            raise ConfigurationError("each entry of pii must have either pojo or json")
        if pii.pojo is not None:
            columns.append(pii.pojo.field)
        elif pii.json is not None:
            path = JsonPath(pii.json.json_path)
            locators.append(Locator(pii.json.field, pii.json.schema_criterion, path))
    return Pseudonymise(
        columns=columns,
        locators=locators,
        pseudonyms=_pseudonyms(parameters.strategy, surroundings),
        anonymous_only=bool(configuration.anonymous_only),
    )


def _pseudonyms(strategy: _Strategy, surroundings: Surroundings) -> Pseudonyms:
    if (strategy.pseudonymize is None) == (strategy.hmac is None):
        raise ConfigurationError("strategy must be either pseudonymize or hmac")
    if strategy.pseudonymize is not None:
        return SaltedPseudonyms(
            strategy.pseudonymize.hash_function, strategy.pseudonymize.salt or ""
        )
    keyed = strategy.hmac
    assert keyed is not None  # noqa: S101 - said above
    path = surroundings.folder / keyed.key_file
    try:
        key = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"keyFile must be a file, got {path}; make one with: openssl rand -out {path} 32"
        ) from error
    return KeyedPseudonyms(keyed.hash_function, key, period_days=keyed.period_days)


KIND = Kind(
    vendor=ENRICHMENTS_VENDOR,
    name="pii_enrichment_config",
    version="2-0-1",
    older=("1-0-0",),
    make=make,
    is_privacy=True,
)
