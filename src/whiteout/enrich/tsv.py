"""Enriched events as TSV, read back: ours and those of other enrichers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whiteout.enrich import conversions
from whiteout.enrich.adapter import read_key
from whiteout.enrich.atomic import ATOMIC_COLUMNS, COLUMN_INDEX
from whiteout.enrich.event import EnrichedEvent
from whiteout.errors import ProtocolError
from whiteout.iglu import bounded_json
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Sequence

_REQUIRED = tuple(
    (position, column.name) for position, column in enumerate(ATOMIC_COLUMNS) if column.required
)
_EVENT_ID = COLUMN_INDEX["event_id"]
_MAX_DEPTH = 60  # what enrich lets pass, in its envelope


class NotEnrichedError(ProtocolError):
    """A line that is no enriched event.

    Attributes:
        column: that is wrong; None where the number of columns is.
        count: of columns.
        text: of the column.
    """

    def __init__(
        self, message: str, *, count: int, column: str | None = None, text: str | None = None
    ) -> None:
        super().__init__(message)
        self.count, self.column, self.text = count, column, text


def read_tsv(line: str) -> EnrichedEvent:
    """Read one line.

    Raises:
        NotEnrichedError: it is no enriched event; the message does not repeat it.
    """
    texts = line.removesuffix("\n").split("\t")
    if len(texts) != len(ATOMIC_COLUMNS):
        raise NotEnrichedError(f"{len(texts)} columns", count=len(texts))
    fields: list[str | None] = [text or None for text in texts]
    for position, name in _REQUIRED:
        if fields[position] is None:
            raise NotEnrichedError("it must be there", count=len(texts), column=name)
    event_id = fields[_EVENT_ID] or ""
    if not conversions.is_uuid(event_id):
        raise NotEnrichedError(
            "it must be a UUID", count=len(texts), column="event_id", text=event_id
        )
    unstruct = _parts(fields, "unstruct_event")
    return EnrichedEvent(
        fields=fields,
        unstruct_event=unstruct[0] if unstruct else None,
        contexts=_parts(fields, "contexts"),
        derived_contexts=_parts(fields, "derived_contexts"),
    )


def _parts(fields: Sequence[str | None], column: str) -> list[SelfDescribingJson]:
    """The self-describing JSON of a column, out of its envelope."""
    text = fields[COLUMN_INDEX[column]]
    if text is None:
        return []
    try:
        data = bounded_json.decode(text, max_depth=_MAX_DEPTH)["data"]
        documents = [data] if column == "unstruct_event" else [*data]
        if not any(isinstance(read_key(one), str) for one in documents):
            return [SelfDescribingJson(one["schema"], one["data"]) for one in documents]
        reason: Exception | None = None
    except (ProtocolError, LookupError, TypeError) as error:
        reason = error
    raise NotEnrichedError(
        "it must be self-describing JSON", count=len(fields), column=column, text=text
    ) from reason
