"""Which events of the window are asked for, as SQL."""

from __future__ import annotations

import json
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
            forms = _forms(self.text)
            like = "coalesce(folded, document) LIKE ? ESCAPE '\\'"
            parts.append(f"({' OR '.join([like] * len(forms))})")
            values += [f"%{_escaped(form)}%" for form in forms]
        return " AND ".join(parts), values


def _forms(text: str) -> list[str]:
    """How a text stands in documents: as it is, in JSON, and in bad rows in JSON within JSON.

    That of bad rows is as somebody else wrote it, who may have kept to ASCII.
    """
    forms = [text.casefold()]
    for is_ascii in (False, True):
        written = text
        for _ in range(2):
            written = json.dumps(written, ensure_ascii=is_ascii)[1:-1]
            forms.append(written.casefold())
    return list(dict.fromkeys(forms))


def _escaped(text: str) -> str:
    for mark in "\\%_":
        text = text.replace(mark, f"\\{mark}")
    return text
