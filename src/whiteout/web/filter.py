"""Which events of the window are asked for, as SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which events are asked for; None is no condition, and all conditions hold together.

    Attributes:
        status: good or failed ones.
        type: exactly, see `Entry`.
        name: exactly, see `Entry`.
        schema: exactly; of a failed event that of its bad row, or its own.
        app_id: exactly.
        session: exactly.
        level: the level's bits, exactly.
        entities: schemas of entities, all of which the event has.
        vendor: of a failed event's request.
        version: the same.
        text: anywhere in the event, in any case.
    """

    status: Literal["good", "failed"] | None = None
    type: str | None = None
    name: str | None = None
    schema: str | None = None
    app_id: str | None = None
    session: str | None = None
    level: int | None = None
    entities: Sequence[str] = ()
    vendor: str | None = None
    version: str | None = None
    text: str | None = None

    def condition(self) -> tuple[str, list[Any]]:
        """SQL and its arguments."""
        parts, values = ["1"], list[Any]()
        names = ("status", "type", "name", "app_id", "session", "level", "vendor", "version")
        for name in names:
            value = getattr(self, name)
            if value is not None:
                parts.append(f"{name} = ?")
                values.append(value)
        if self.schema is not None:
            parts.append("? IN (schema, event_schema)")
            values.append(self.schema)
        for entity in self.entities:
            parts.append("instr(entities, ?) > 0")
            values.append(f" {entity} ")
        if self.text:
            parts.append("coalesce(folded, document) LIKE ? ESCAPE '\\'")
            values.append(f"%{_escaped(self.text.casefold())}%")
        return " AND ".join(parts), values


def _escaped(text: str) -> str:
    for mark in "\\%_":
        text = text.replace(mark, f"\\{mark}")
    return text
