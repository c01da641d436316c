"""Erases values: whole columns, and places inside entities and events, of whatever type.

An enrichment of this project (W7): pseudonyms are for texts, and still tell people apart. What
nobody needs is better gone: titles, post codes, user agents, numbers.
"""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from whiteout.enrich.atomic import ATOMIC_COLUMNS, COLUMN_INDEX
from whiteout.enrich.enrichments.interface import (
    OWN_VENDOR,
    Configuration,
    Kind,
    Surroundings,
    read_parameters,
)
from whiteout.enrich.enrichments.pseudonymise import Locator, Part
from whiteout.enrich.json_path import JsonPath
from whiteout.enrich.mapping import COLUMN_OF_PARAMETER
from whiteout.errors import ConfigurationError
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.event import EnrichedEvent
    from whiteout.enrich.json_path import Place
    from whiteout.enrich.load import Request

# Without these no reader can say what an event is, or tell it from others.
_NEEDED = frozenset(
    "event event_vendor event_name event_format event_version derived_tstamp etl_tstamp".split()
)
COLUMNS = frozenset(
    column.name
    for column in ATOMIC_COLUMNS
    if column.type != "json" and not column.required and column.name not in _NEEDED
)
"""The columns that can be erased."""
_PARAMETERS: dict[Part, frozenset[str]] = {
    "unstruct_event": frozenset({"ue_pr", "ue_px"}),
    "contexts": frozenset({"co", "cx"}),
    "derived_contexts": frozenset(),
}


class EraseValues:
    """Erases columns, and keys and items of self-describing JSON.

    What a schema requires cannot be erased from its data: such an event fails.

    Args:
        columns: names of columns.
        locators: places in self-describing JSON.
        anonymous_only: leave events alone that are not anonymous.

    Raises:
        ConfigurationError: a column cannot be erased.
    """

    schema = f"iglu:{OWN_VENDOR}/value_erasure_config/jsonschema/1-0-0"
    identifier = "value-erasure"

    def __init__(
        self,
        *,
        columns: Iterable[str],
        locators: Iterable[Locator] = (),
        anonymous_only: bool = False,
    ) -> None:
        names = set(columns)
        unknown = sorted(names - COLUMNS)
        if unknown:
            raise ConfigurationError(f"columns has what cannot be erased: {', '.join(unknown)}")
        self._columns = frozenset(COLUMN_INDEX[name] for name in names)
        self._locators = tuple(locators)
        self._anonymous_only = anonymous_only
        self.rewrites = bool(self._locators)
        self.hidden_parameters = frozenset(
            parameter
            for parameter, column in COLUMN_OF_PARAMETER.items()
            if column in self._columns
        ).union(*(_PARAMETERS[locator.part] for locator in self._locators))

        @lru_cache(maxsize=1024)  # an application has few schemas
        def concerned(part: Part, schema: str) -> tuple[JsonPath, ...]:
            return tuple(
                one.path for one in self._locators if one.part == part and one.concerns(schema)
            )

        self._concerned = concerned

    def applies(self, request: Request) -> bool:
        """To every request, or to anonymous ones only."""
        return request.anonymous or not self._anonymous_only

    def enrich(
        self, event: EnrichedEvent, request: Request, parameters: Parameters
    ) -> Sequence[SelfDescribingJson]:
        """No entity: values are erased. What is left is validated again, and written."""
        if self.applies(request):
            for column in self._columns:
                event.fields[column] = None
            if self._locators:
                self.mask_parts(event)
        return ()

    def mask(self, column: int, text: str) -> str | None:
        """What may stand in a column."""
        return None if column in self._columns else text

    def mask_parts(self, event: EnrichedEvent) -> None:
        """Erase what the locators name in an event's self-describing parts."""
        if event.unstruct_event is not None:
            event.unstruct_event = self._without("unstruct_event", event.unstruct_event)
        event.contexts = [self._without("contexts", one) for one in event.contexts]
        event.derived_contexts = [
            self._without("derived_contexts", one) for one in event.derived_contexts
        ]

    def _without(self, part: Part, json: SelfDescribingJson) -> SelfDescribingJson:
        paths = self._concerned(part, json.schema)
        if not paths:
            return json
        data = copy.deepcopy(json.data)  # entities of enrichments are shared between events
        for path in paths:
            _erase(path.find(data))
        return SelfDescribingJson(json.schema, data)


def _erase(places: Iterable[Place]) -> None:
    items: list[tuple[list[Any], int]] = []
    for container, key in places:
        if isinstance(container, dict):
            del container[key]
        else:
            items.append((container, key))
    # The last first: what is erased from a list moves what stands behind it.
    for container, index in sorted(items, key=lambda item: -item[1]):
        del container[index]


class _Json(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    field: Part
    schema_criterion: str
    json_path: str


class _Parameters(msgspec.Struct, forbid_unknown_fields=True):
    columns: list[str] = []
    json: list[_Json] = []


def make(configuration: Configuration, surroundings: Surroundings) -> EraseValues:
    """From its configuration."""
    parameters = read_parameters(configuration, _Parameters)
    return EraseValues(
        columns=parameters.columns,
        locators=[
            Locator(one.field, one.schema_criterion, JsonPath(one.json_path))
            for one in parameters.json
        ],
        anonymous_only=bool(configuration.anonymous_only),
    )


KIND = Kind(
    vendor=OWN_VENDOR, name="value_erasure_config", version="1-0-0", make=make, is_privacy=True
)
