"""Self-describing parts of many events as one Arrow column: whole columns are cast, not values.

What Arrow takes exactly as the casters of `whiteout.lake.casting` would is handed to it as it came;
the rest goes through them. A screen view with its entities costs 8 us so, and 60 us value by value.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from operator import itemgetter
from types import NoneType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from whiteout.lake.casting import CastError, caster
from whiteout.lake.types import LakeType, Scalar, StructType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whiteout.lake.families import Placement

Placed = tuple["Placement", Any]
"""The data of one part, and where it goes."""

# The types of JSON values that Arrow stores unchanged, or refuses.
_EXACT: dict[LakeType, frozenset[type]] = {
    Scalar.STRING: frozenset({str, NoneType}),
    Scalar.BOOLEAN: frozenset({bool, NoneType}),
    Scalar.INT: frozenset({int, NoneType}),
    Scalar.BIGINT: frozenset({int, NoneType}),
    Scalar.DOUBLE: frozenset({float, int, NoneType}),
}
_TEXTS = frozenset({str, NoneType})


@dataclass(frozen=True, slots=True)
class _Places:
    """Which of `count` events have a value."""

    at: Sequence[int]
    count: int

    def among(self, values: Sequence[Any]) -> Sequence[Any]:
        """The values, each at its place, and None at all others."""
        if len(values) == self.count:
            return values
        found = [None] * self.count
        for at, value in zip(self.at, values, strict=True):
            found[at] = value
        return found


def _all(values: Sequence[Any]) -> _Places:
    return _Places(range(len(values)), len(values))


def part_column(field: pa.Field, parts: Sequence[list[Placed] | None]) -> pa.Array:
    """The column of a family.

    Args:
        field: of the table; a list where the family's parts are entities.
        parts: what each event has for it.

    Raises:
        CastError: a value is not what its column holds.
    """
    kind = field.type
    placed = [one for found in parts if found for one in found]
    if not placed:
        return pa.nulls(len(parts), kind)
    if not pa.types.is_list(kind):
        places = [at for at, found in enumerate(parts) if found]
        return _structs(placed, kind, _Places(places, len(parts)), is_entity=False)
    structs = _structs(placed, kind.value_type, _all(placed), is_entity=True)
    counts = [len(found) if found else 0 for found in parts]
    ends = list(accumulate(counts, initial=0))
    starts = [start if count else None for start, count in zip(ends, counts, strict=False)]
    offsets = pa.array([*starts, ends[-1]], pa.int32())
    return pa.ListArray.from_arrays(offsets, structs, type=kind)


def _structs(
    parts: Sequence[Placed], kind: pa.StructType, places: _Places, *, is_entity: bool
) -> pa.Array:
    """One struct for each part, in their order; each version of a schema is cast by itself."""
    versions: dict[Placement, list[int]] = {}
    for at, (placement, _) in enumerate(parts):
        versions.setdefault(placement, []).append(at)
    only = len(versions) == 1
    chunks = [
        _struct(
            placement.kind,
            kind,
            [parts[at][1] for at in order],
            places if only else _all(order),
            version=placement.version if is_entity else None,
        )
        for placement, order in versions.items()
    ]
    if only:
        return chunks[0]
    # Only here, and seldom, Arrow's compute library is needed: to load it takes 9 MB.
    order = [at for some in versions.values() for at in some]
    back = sorted(range(len(order)), key=order.__getitem__)
    return pa.concat_arrays(chunks).take(pa.array(places.among(back), pa.int64()))


def _struct(
    own: StructType,
    kind: pa.StructType,
    values: Sequence[Any],
    places: _Places,
    *,
    version: str | None = None,
) -> pa.Array:
    """JSON values as structs of the type `kind`, of which `own` says how they are cast.

    An entity, which has a version, is never null.
    """
    members = {member.name: member for member in own.members}
    if all(member.key is not None for member in own.members):
        for value in values:
            if value is not None and not isinstance(value, dict):
                raise CastError(value, "an object")
    objects = [{} if value is None else value for value in values]
    arrays: list[pa.Array] = []
    for at, field in enumerate(kind):
        member = members.get(field.name)
        if version is not None and at == 0:
            arrays.append(pa.repeat(pa.scalar(version, field.type), len(values)))
        elif member is None:
            arrays.append(pa.nulls(places.count, field.type))
        elif member.key is None:
            arrays.append(_array(member.type, field.type, values, places))
        else:
            arrays.append(_array(member.type, field.type, _values(objects, member.key), places))
    if version is not None or not (None in values or len(values) < places.count):
        return pa.StructArray.from_arrays(arrays, fields=list(kind))
    # With `from_arrays` a mask would load Arrow's compute library.
    there = places.among([None if value is None else True for value in values])
    validity = pa.array(there, pa.bool_()).buffers()[0]
    return pa.Array.from_buffers(kind, places.count, [validity], children=arrays)


def _values(objects: Sequence[dict[str, Any]], key: str) -> list[Any]:
    try:
        return list(map(itemgetter(key), objects))  # half the time, where all have it
    except KeyError:
        return [value.get(key) for value in objects]


def _array(own: LakeType, kind: pa.DataType, values: Sequence[Any], places: _Places) -> pa.Array:
    types = set(map(type, values))
    if types == {NoneType}:
        return pa.nulls(places.count, kind)
    if isinstance(own, StructType):
        return _struct(own, kind, values, places)
    if types <= _EXACT.get(own, frozenset()):
        try:
            return pa.array(places.among(values), kind)
        except (UnicodeEncodeError, ValueError, OverflowError):
            pass  # half a character, or a number that the type does not hold
    cast = caster(own)
    if types <= _TEXTS:  # such as times, of which the events of a session share some
        known = {value: cast(value) for value in set(values)}
        found = [known[value] for value in values]
    else:
        found = [cast(value) for value in values]
    return pa.array(places.among(found), kind)
