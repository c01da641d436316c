"""What enrich hands on: an enriched event, or a bad row that says why there is none."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from whiteout.enrich.atomic import ATOMIC_COLUMNS, COLUMN_INDEX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from whiteout.enrich.atomic import ColumnType
    from whiteout.protocol.self_describing import SelfDescribingJson

_LINE_BREAKERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_JSON_POSITIONS = tuple(
    COLUMN_INDEX[name] for name in ("contexts", "unstruct_event", "derived_contexts")
)
_LATITUDE, _LONGITUDE = COLUMN_INDEX["geo_latitude"], COLUMN_INDEX["geo_longitude"]


class EnrichedEvent(msgspec.Struct, kw_only=True):
    """An event that passed: all columns as TSV text, and its self-describing parts as data.

    Attributes:
        fields: the text of the 131 columns in the order of `ATOMIC_COLUMNS`; None is null.
        unstruct_event: the body of a self-describing event.
        contexts: the entities that the tracker attached.
        derived_contexts: the entities that enrichments added.
    """

    fields: list[str | None]
    unstruct_event: SelfDescribingJson | None
    contexts: list[SelfDescribingJson]
    derived_contexts: list[SelfDescribingJson]

    def __repr__(self) -> str:
        # What people did never reaches a log by way of an error message.
        return f"EnrichedEvent({self['event_id']}, {self['event_name']})"

    def __getitem__(self, column: str) -> str | None:
        """The text of one column by its name."""
        return self.fields[COLUMN_INDEX[column]]

    def tsv(self) -> str:
        """The canonical line: 131 fields, tab-separated, null as empty, no newline."""
        line = ["" if text is None else text for text in self.fields]
        # Mapping has cleaned every value already; this keeps the promise whoever set a field.
        all_texts = "".join(line)
        if "\t" in all_texts or "\n" in all_texts or "\r" in all_texts:
            line = [_LINE_BREAKERS.sub(" ", text) for text in line]
        if "\x85" in all_texts:  # ends a line for Python's `splitlines`; JSON need not say it so
            for position in _JSON_POSITIONS:
                line[position] = line[position].replace("\x85", "\\u0085")
        return "\t".join(line)

    def json_object(self) -> dict[str, Any]:
        """The event as Snowplow's analytics SDKs give it in their lossy form.

        Timestamps are ISO 8601 with `Z`. Entities stand under `contexts_<vendor>_<name>_<model>`
        as lists, each with its `_schema_version`; derived entities replace the tracker's of the
        same key. The body of a self-describing event is under `unstruct_event_<…>`.
        """
        fields = self.fields
        result: dict[str, Any] = {
            name: None if (text := fields[position]) is None else read(text)
            for position, name, read in _JSON_READERS
        }
        result.update(_entity_lists(self.contexts))
        result.update(_entity_lists(self.derived_contexts))
        event = self.unstruct_event
        if event is not None:
            result[f"unstruct_event_{event.key.column_suffix}"] = event.data
        latitude, longitude = fields[_LATITUDE], fields[_LONGITUDE]
        if latitude is not None and longitude is not None:
            result["geo_location"] = f"{latitude},{longitude}"
        return result


@dataclass(frozen=True, slots=True, repr=False)
class BadRow:
    """A failed event: why it failed, and all of it, so that it can be recovered.

    Attributes:
        schema: an `iglu:com.snowplowanalytics.snowplow.badrows/…` URI.
        data: `processor`, `failure` and `payload` as that schema wants them.
        incomplete: what is left of the event, with an entity for each failure, where that is asked
            for and there is an event at all.
    """

    schema: str
    data: dict[str, Any]
    incomplete: EnrichedEvent | None = None

    def __repr__(self) -> str:
        return f"BadRow({self.schema})"

    def json(self) -> str:
        """One compact self-describing JSON, without newline."""
        document = {"schema": self.schema, "data": self.data}
        try:
            return msgspec.json.encode(document).decode()
        except UnicodeEncodeError:
            # A lone surrogate is no text; escaped it still is JSON, and nothing is lost.
            return json.dumps(document, separators=(",", ":"))


class Dropped:
    """An event that a function of the user's let vanish; it keeps its place among the others."""

    __slots__ = ()


DROPPED = Dropped()
"""The only one there needs to be."""

Result = EnrichedEvent | BadRow | Dropped
"""What becomes of an event; of a request that is no events, a bad row."""


@dataclass(frozen=True, slots=True, repr=False)
class Enriched:
    """What became of records, by where it goes; each in the order of the records.

    Attributes:
        good: events that passed.
        failed: bad rows, one for each event or request that did not.
        incomplete: what is left of failed events, where `EnrichSettings.incomplete_events` asks
            for it. Beside their bad rows, not in place of them.
        dropped: how many events a function of the user's let vanish.
    """

    good: list[EnrichedEvent]
    failed: list[BadRow]
    incomplete: list[EnrichedEvent]
    dropped: int = 0

    @classmethod
    def sort(cls, results: Iterable[Result]) -> Enriched:
        """Sort what `Enricher.enrich` gave for one record, or for many.

        Example:
            `Enriched.sort(enricher.enrich(record))`
        """
        good: list[EnrichedEvent] = []
        failed: list[BadRow] = []
        incomplete: list[EnrichedEvent] = []
        dropped = 0
        for result in results:
            if isinstance(result, EnrichedEvent):
                good.append(result)
            elif isinstance(result, BadRow):
                failed.append(result)
                if result.incomplete is not None:
                    incomplete.append(result.incomplete)
            else:
                dropped += 1
        return cls(good, failed, incomplete, dropped)

    def __repr__(self) -> str:
        counts = ("good", "failed", "incomplete")
        return f"Enriched({', '.join(f'{name}={len(getattr(self, name))}' for name in counts)})"


def read_column(name: str, text: str) -> Any:  # noqa: ANN401 - of the column's type
    """The value of a column's text.

    Raises:
        ValueError: the text is not of the column's type.
    """
    column = ATOMIC_COLUMNS[COLUMN_INDEX[name]]
    if column.type == "boolean" and text not in ("0", "1"):
        raise ValueError("not 0 or 1")
    if column.type == "timestamp":
        datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f")  # noqa: DTZ007 - UTC by definition
    return _READERS[column.type](text)


def _entity_lists(entities: Iterable[SelfDescribingJson]) -> dict[str, list[Any]]:
    lists: dict[str, list[Any]] = {}
    for entity in entities:
        key, data = entity.key, entity.data
        if isinstance(data, dict):
            data = {**data, "_schema_version": key.version}
        lists.setdefault(f"contexts_{key.column_suffix}", []).append(data)
    return lists


def _number(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _timestamp(text: str) -> str:
    return f"{text[:10]}T{text[11:]}Z"


_READERS: Mapping[ColumnType, Callable[[str], Any]] = {
    "string": str,
    "timestamp": _timestamp,
    "integer": int,
    "double": _number,
    "decimal": _number,
    "boolean": "1".__eq__,
}
_JSON_READERS: tuple[tuple[int, str, Callable[[str], Any]], ...] = tuple(
    (position, column.name, _READERS[column.type])
    for position, column in enumerate(ATOMIC_COLUMNS)
    if column.type != "json"
)
