"""Which column holds which version of which schema, and how its data is cast to it.

A schema family (vendor, name, model) has one column; its versions share one struct, which grows by
the fields of each version that is seen, and of the older ones first: so which version breaks the
struct does not depend on which came first. One that does gets a column of its own,
`…_recovered_<model>_<revision>_<addition>_<hash>`.

Source: the tables of Snowplow's Lake Loader (reference section 4.2).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

from whiteout.errors import WhiteoutError
from whiteout.iglu.embedded import SCHEMAS
from whiteout.lake.arrow import criterion_of, entity_field, event_field, struct_of
from whiteout.lake.casting import Caster, caster
from whiteout.lake.types import StructType, accommodate, type_of_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import pyarrow as pa

    from whiteout.protocol.iglu import SchemaKey
    from whiteout.protocol.self_describing import SelfDescribingJson

Part = Literal["event", "entity"]

MAX_FAMILIES = 2000  # arbitrary; who can send any schema of a public registry must not widen on
_MAX_OLDER = 50  # arbitrary; each may cost a request


class TooManyFamiliesError(WhiteoutError):
    """The table has as many columns as it may; the event becomes a failed event."""


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Where the data of one schema goes; the same object for all of it.

    Attributes:
        column: the name of the column.
        version: of the schema, `1-0-2`.
        kind: by which the data is cast: the schema's own fields, with the column's names and types.
        cast: from the data to what Arrow takes for one struct of the column.
    """

    column: str
    version: str
    kind: StructType
    cast: Caster


class Families:
    """The typed columns of the events table. Used by one thread.

    Args:
        lookup: the JSON Schema of a key; raises where no registry has it.
        fields: the columns that the table has already.
    """

    def __init__(
        self,
        lookup: Callable[[SchemaKey], Mapping[str, Any]],
        fields: Iterable[pa.Field],
        *,
        max_families: int = MAX_FAMILIES,
    ) -> None:
        self._lookup = lookup
        self._max_families = max_families
        self._fields: dict[str, pa.Field] = {}
        self._types: dict[str, StructType] = {}
        self._placements: dict[Part, dict[str, Placement]] = {"event": {}, "entity": {}}
        for field in fields:
            if criterion_of(field) is not None:
                self._fields[field.name] = field
                self._types[field.name] = struct_of(field)

    def field(self, column: str) -> pa.Field:
        """The column as Arrow sees it now."""
        return self._fields[column]

    def place(self, part: Part, json: SelfDescribingJson) -> Placement:
        """Find or make room for the version of a schema that `json` names.

        Raises:
            TooManyFamiliesError: a new column would be one too many.
            Exception: whatever `lookup` raises where no registry has the schema.
        """
        known = self._placements[part].get(json.schema)
        if known is None:
            known = self._placements[part][json.schema] = self._place(part, json.key)
        return known

    def _place(self, part: Part, key: SchemaKey) -> Placement:
        version = type_of_schema(self._lookup(key))
        prefix = "unstruct_event" if part == "event" else "contexts"
        column = f"{prefix}_{key.column_suffix}"
        for older in self._older(key):
            room = self._room(column, older)
            if room is not None:
                self._grow(part, key, column, room[0])
        room = self._room(column, version)
        if room is None:
            digest = hashlib.blake2b(repr(version).encode(), digest_size=4).hexdigest()
            mark = f"{key.model}_{key.revision}_{key.addition}_{digest}"
            column = f"{column}_recovered_{mark}"
            room = self._room(column, version) or (version, version)
        grown, own = room
        self._grow(part, key, column, grown)
        return Placement(column, key.version, own, caster(own))

    def _older(self, key: SchemaKey) -> Iterator[StructType]:
        """The versions before `key` that there are: no registry needs to list what it has.

        One that fails is taken for one that has none, as nothing may wait for what no event needs.
        """
        asked = 0
        for revision in range(key.revision + 1):
            for addition in count():
                one = replace(key, revision=revision, addition=addition)
                if one >= key or asked == _MAX_OLDER:
                    break
                asked += 1
                try:
                    kind = type_of_schema(self._older_schema(one, key))
                except Exception:  # noqa: BLE001 - whatever `lookup` raises
                    break
                yield kind

    def _older_schema(self, older: SchemaKey, key: SchemaKey) -> Mapping[str, Any]:
        """Those of schemas that this package brings along are asked of nobody else."""
        return SCHEMAS[older.uri] if key.uri in SCHEMAS else self._lookup(older)

    def _room(self, column: str, version: StructType) -> tuple[StructType, StructType] | None:
        existing = self._types.get(column)
        if existing is None:
            return version, version
        both = accommodate(existing, version)
        if both is None:
            return None
        grown, own = both
        return (
            (grown, own) if isinstance(grown, StructType) and isinstance(own, StructType) else None
        )

    def _grow(self, part: Part, key: SchemaKey, column: str, kind: StructType) -> None:
        if self._types.get(column) == kind:
            return
        if column not in self._types and len(self._types) >= self._max_families:
            raise TooManyFamiliesError(
                f"the lake has {self._max_families} columns of schemas already"
            )
        criterion = f"iglu:{key.vendor}/{key.name}/{key.format}/{key.model}-*-*"
        if column in self._fields:
            criterion = criterion_of(self._fields[column]) or criterion
        make = event_field if part == "event" else entity_field
        self._types[column] = kind
        self._fields[column] = make(column, kind, criterion)
