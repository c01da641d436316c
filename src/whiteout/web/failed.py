"""What a failed event was: read from its bad row, as far as that holds an event. Pure functions.

Bad rows may be of anybody's making: whatever one holds, nothing is raised.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whiteout.enrich.atomic import ATOMIC_COLUMNS, COLUMN_INDEX
from whiteout.enrich.derived import derive_schema
from whiteout.enrich.event import EnrichedEvent
from whiteout.enrich.mapping import COLUMN_OF_PARAMETER
from whiteout.errors import ConfigurationError
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PARTS = ("unstruct_event", "contexts", "derived_contexts")
_OF_REQUEST = {
    "user_ipaddress": "ipAddress",
    "network_userid": "userId",
    "collector_tstamp": "timestamp",
}
_DATE = 10  # letters, before the `T` or space of a timestamp


@dataclass(frozen=True, slots=True, repr=False)
class FailedBody:
    """The event of a bad row.

    Attributes:
        event: what had become of it. Where a column could not be filled, it holds the text that
            the tracker sent for it.
        parameters: what the tracker sent besides, for which there is no column.
        schema: of the event, an Iglu URI; None where it names none.
    """

    event: EnrichedEvent
    parameters: Mapping[str, str]
    schema: str | None


def payload_of(bad_row: str) -> Any:  # noqa: ANN401 - any JSON
    """The payload of a bad row; None where there is none."""
    try:
        return json.loads(bad_row)["data"]["payload"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def body_of(payload: Any) -> FailedBody | None:  # noqa: ANN401 - any JSON
    """The event of a bad row's payload; None where it holds a request, or something else."""
    if isinstance(payload, str):
        return _of_line(payload)
    if not isinstance(payload, dict):
        return None
    raw, enriched = payload.get("raw"), payload.get("enriched")
    if isinstance(raw, dict) and isinstance(enriched, dict):
        return _of_columns(enriched, raw)
    return _of_columns(payload, {}) if "event_id" in payload and "event" in payload else None


def epoch_text(text: object) -> str | None:
    """A timestamp as columns have it, of what bad rows have: `2026-01-31T12:00:00.000Z`."""
    if not isinstance(text, str):
        return None
    return f"{text[:_DATE]} {text[_DATE + 1 :].removesuffix('Z')}"


def _of_line(line: str) -> FailedBody | None:
    """Of a loader's bad row, which holds the enriched line."""
    texts = line.split("\t")
    if len(texts) != len(ATOMIC_COLUMNS):
        return None
    names = (column.name for column in ATOMIC_COLUMNS)
    return _of_columns(dict(zip(names, texts, strict=True)), {})


def _of_columns(columns: Mapping[str, Any], raw: Mapping[str, Any]) -> FailedBody:
    fields = [_text(columns.get(column.name), column.type) for column in ATOMIC_COLUMNS]
    more: dict[str, str] = {}
    for name, value in _pairs(raw.get("parameters")):
        position = COLUMN_OF_PARAMETER.get(name)
        if position is None:
            more[name] = value
        elif fields[position] is None and ATOMIC_COLUMNS[position].type == "string":
            fields[position] = value
    for column, name in _OF_REQUEST.items():
        position = COLUMN_INDEX[column]
        if fields[position] is None:
            fields[position] = _text(raw.get(name), ATOMIC_COLUMNS[position].type)
    unstruct, contexts, derived = ([*_parts(columns.get(name))] for name in _PARTS)
    body = unstruct[0] if unstruct else None
    event = EnrichedEvent(
        fields=fields, unstruct_event=body, contexts=contexts, derived_contexts=derived
    )
    return FailedBody(event, more, body.schema if body is not None else _schema(fields))


def _schema(fields: list[str | None]) -> str | None:
    filled = fields.copy()
    derive_schema(filled, None)
    vendor, name, format_, version = (
        filled[COLUMN_INDEX[f"event_{part}"]] for part in ("vendor", "name", "format", "version")
    )
    return f"iglu:{vendor}/{name}/{format_}/{version}" if version else None


def _text(value: object, kind: str) -> str | None:
    """The text that a column has, of what JSON has in its place."""
    if kind == "json" or value is None or value == "" or isinstance(value, dict | list):
        return None
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, str):
        return epoch_text(value) if kind == "timestamp" else value
    return str(value)


def _pairs(pairs: object) -> Iterator[tuple[str, str]]:
    for pair in pairs if isinstance(pairs, list) else ():
        if isinstance(pair, dict):
            name, value = pair.get("name"), pair.get("value")
            if isinstance(name, str) and isinstance(value, str) and value:
                yield name, value


def _parts(column: Any) -> Iterator[SelfDescribingJson]:  # noqa: ANN401 - any JSON
    """The self-describing JSON in an envelope, which may be packed into text."""
    try:
        inner = (json.loads(column) if isinstance(column, str) else column)["data"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return
    for one in inner if isinstance(inner, list) else [inner]:
        if isinstance(one, dict) and isinstance(one.get("schema"), str) and "data" in one:
            try:
                yield SelfDescribingJson(one["schema"], one["data"])
            except ConfigurationError:
                continue  # what is no schema is shown with the bad row
