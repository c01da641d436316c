"""What is left of a failed event, as Micro lists it among the good ones: read from its bad row.

What its schemas refused is taken out, and an entity for each failure tells of it. The bad row is
what the pipeline has stored, so nothing comes back here that a mask has taken away; nor what only
an enrichment would have added, where an event failed before them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from whiteout.enrich.anonymity import is_anonymous
from whiteout.enrich.atomic import ATOMIC_COLUMNS, ATOMIC_SCHEMA, COLUMN_INDEX
from whiteout.enrich.derived import derive_schema
from whiteout.enrich.event import read_column
from whiteout.enrich.failure import BadRows, Violation
from whiteout.enrich.incomplete import complete
from whiteout.enrich.mapping import COLUMN_OF_PARAMETER, is_convertible
from whiteout.protocol.self_describing import CONTEXTS, UNSTRUCT_EVENT
from whiteout.web.entries import epoch_ms
from whiteout.web.failed import body_of, epoch_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.event import EnrichedEvent
    from whiteout.enrich.failure import Message
    from whiteout.protocol.self_describing import SelfDescribingJson
    from whiteout.web.schemas import Schemas

_OF_EVENT = frozenset({"schema_violations", "enrichment_failures"})


def rest_of(bad_row: str, schemas: Schemas) -> EnrichedEvent | None:
    """What is left of the event of a bad row.

    Args:
        bad_row: whoever made it; nothing is raised, whatever it holds.
        schemas: judges the parts whose schema refused something.

    Returns:
        The event, which can be written as any; None where the bad row is not of an event.
    """
    try:
        row = json.loads(bad_row)
        if row["schema"].split("/")[1] not in _OF_EVENT:
            return None
        data = row["data"]
        enriched, raw = data["payload"]["enriched"], data["payload"].get("raw") or {}
        body = body_of(enriched)
        if body is None:
            return None
        failure, processor, headers = data["failure"], data["processor"], raw.get("headers")
        messages = _with_data(failure["messages"], body.event, _sent(enriched, raw), schemas)
        _take_out(body.event, messages, schemas)
        return complete(
            body.event,
            messages,
            now_ms=epoch_ms(epoch_text(failure["timestamp"])) or 0,
            bad_rows=BadRows(artifact=processor["artifact"], version=processor["version"]),
            with_data=headers is not None and not is_anonymous(headers),  # as enrich has it
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None  # a bad row of somebody else's making


def _sent(enriched: Mapping[str, Any], raw: Mapping[str, Any]) -> Parameters:
    """The event's parameters; those with JSON as the text that the bad row has in full."""
    sent: Parameters = {pair["name"]: pair["value"] for pair in raw.get("parameters") or ()}
    for column, name, in_base64 in (("unstruct_event", "ue_pr", "ue_px"), ("contexts", "co", "cx")):
        text = enriched.get(column)
        sent.pop(in_base64, None)
        sent[name] = text if isinstance(text, str) else None
    return sent


def _with_data(
    messages: Sequence[Message], event: EnrichedEvent, sent: Parameters, schemas: Schemas
) -> list[Message]:
    """The messages, and what each is about: bad rows have that apart from them, or not at all.

    Where a mask has been at work that is as masked as the bad row.
    """
    again = schemas.violations(sent)
    found: list[Message] = []
    for message in messages:
        about: Any = message.get("json")
        key = message.get("schemaKey")
        if key == ATOMIC_SCHEMA:
            reports = message["error"]["dataReports"]
            about = {one["path"]: _text_of(one["path"], event, sent) for one in reports}
        elif key is not None:
            # In the order of the first judgement; a registry may say something else of it by now.
            same = [one for one in again if one.get("schemaKey") == key]
            if same:
                again.remove(same[0])
                about = same[0].data if isinstance(same[0], Violation) else None
        is_about_field = about is None and key is None
        found.append(message if is_about_field else Violation(message, about))
    return found


def _text_of(column: str, event: EnrichedEvent, sent: Parameters) -> str | None:
    """What a column was to hold: a text that it cannot, or one that is too long for it."""
    position = COLUMN_INDEX[column]
    text = event.fields[position]
    for name, value in sent.items():
        if COLUMN_OF_PARAMETER.get(name) == position and value is not None:
            text = text if is_convertible(name, value) else value
    return text


def _take_out(event: EnrichedEvent, messages: Sequence[Any], schemas: Schemas) -> None:
    refusing = {
        str(message.get("schemaCriterion") or message.get("schemaKey")) for message in messages
    }
    for message in messages:
        if message.get("schemaKey") == ATOMIC_SCHEMA and isinstance(message, Violation):
            for name, text in (message.data or {}).items():
                position = COLUMN_INDEX[name]
                if event.fields[position] == text:  # else it has been filled in another way
                    event.fields[position] = None
    for position, column in enumerate(ATOMIC_COLUMNS):
        if column.type != "json" and not _is_readable(column.name, event.fields[position]):
            event.fields[position] = None

    def passes(part: SelfDescribingJson) -> bool:
        return part.schema not in refusing or schemas.accept(part)

    if _has(refusing, UNSTRUCT_EVENT) or not (
        event.unstruct_event and passes(event.unstruct_event)
    ):
        event.unstruct_event = None
    event.contexts = [] if _has(refusing, CONTEXTS) else [*filter(passes, event.contexts)]
    derive_schema(event.fields, event.unstruct_event)


def _has(refusing: set[str], envelope: str) -> bool:
    """Whether what should have been that envelope was none: then nothing in it counts."""
    return any(one.startswith(envelope[:-1]) for one in refusing)


def _is_readable(name: str, text: str | None) -> bool:
    try:
        return text is None or read_column(name, text) is not None
    except ValueError:
        return False
