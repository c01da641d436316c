"""What arrived in the lake, beside what should have: one cell an identifier and level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from whiteout.identifiers import (
    IDENTIFIERS,
    NULL_UUID,
    EntityProperty,
    Identifier,
    Masked,
    Request,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from whiteout.demo.shop import Secrets, Visit

VALUE: Final = "value"
ABSENT: Final = Masked.ABSENT.value
_WORST_FIRST: Final = (VALUE, Masked.NULL_UUID.value, Masked.NULL.value)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One identifier at one level.

    Attributes:
        arrived: `value`, `null UUID`, `null` or `absent`.
        expected: what the table of identifiers says, in the same words.
    """

    arrived: str
    expected: str

    @property
    def is_right(self) -> bool:
        """Whether the two are the same."""
        return self.arrived == self.expected


def compare(
    visits: Mapping[str, Visit], secrets: Secrets, rows: Iterable[Row]
) -> dict[str, dict[str, Cell]]:
    """The table: identifier, then level, then cell.

    Args:
        visits: what was tracked, by the level's name.
        secrets: what to look for.
        rows: events of the lake as dictionaries, those of the visits among them.
    """
    by_id = {row["event_id"]: row for row in rows}
    return {
        identifier.name: {
            name: Cell(
                arrived=_arrived(identifier, visit, secrets, by_id),
                expected=_expected(identifier, visit),
            )
            for name, visit in visits.items()
        }
        for identifier in IDENTIFIERS
    }


def _expected(identifier: Identifier, visit: Visit) -> str:
    if not identifier.sent_by_sdk:
        return ABSENT
    mask = identifier.masked_at(visit.level)
    return VALUE if mask is None else mask.value


def _arrived(
    identifier: Identifier, visit: Visit, secrets: Secrets, by_id: Mapping[str, Row]
) -> str:
    """The most that any event of the visit gives away."""
    is_collectors = isinstance(identifier.location, Request)
    event_ids = visit.without_subject if is_collectors else visit.event_ids
    secret = secrets.by_identifier.get(identifier.name)
    seen = {
        _judge(identifier, found, secret)
        for event_id in event_ids
        for found in _find(identifier, by_id[event_id])
    }
    return next((verdict for verdict in _WORST_FIRST if verdict in seen), ABSENT)


def _find(identifier: Identifier, row: Row) -> Sequence[object]:
    """The values at an identifier's place; nothing where the place itself is not there."""
    column, _, field = identifier.column.partition(".")
    if not column or row.get(column) is None:
        return ()
    if not isinstance(identifier.location, EntityProperty):
        return (row[column],)
    return [entity[field] for entity in row[column] if field in entity]


def _judge(identifier: Identifier, found: object, secret: str | None) -> str:
    if found is None or found == []:
        # A typed column has no other word for a property that is not there.
        can_be_null = Masked.NULL in identifier.masks.values()
        return Masked.NULL.value if can_be_null else ABSENT
    if found == NULL_UUID and Masked.NULL_UUID in identifier.masks.values():
        return Masked.NULL_UUID.value
    if secret is not None and secret not in str(found):
        return ABSENT  # another's value in the same place, such as the collector's own id
    return VALUE
