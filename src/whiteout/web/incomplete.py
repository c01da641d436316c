"""What is left of a failed event, as Micro lists it among the good ones: read from its bad row.

What its schemas refused is taken out, and an entity for each failure tells of it. The bad row is
what the pipeline has stored, so nothing comes back here that a mask has taken away; nor what only
an enrichment would have added, where an event failed before them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from whiteout.enrich.atomic import ATOMIC_COLUMNS, ATOMIC_SCHEMA, COLUMN_INDEX
from whiteout.enrich.derived import derive_schema
from whiteout.enrich.event import read_column
from whiteout.enrich.failure import BadRows
from whiteout.enrich.incomplete import complete
from whiteout.protocol.self_describing import CONTEXTS, UNSTRUCT_EVENT
from whiteout.web.entries import epoch_ms
from whiteout.web.failed import body_of, epoch_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whiteout.enrich.event import EnrichedEvent
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
        body = body_of(data["payload"]["enriched"])
        if body is None:
            return None
        failure, processor = data["failure"], data["processor"]
        _take_out(body.event, failure["messages"], schemas)
        return complete(
            body.event,
            failure["messages"],
            now_ms=epoch_ms(epoch_text(failure["timestamp"])) or 0,
            bad_rows=BadRows(artifact=processor["artifact"], version=processor["version"]),
            with_data=False,  # it stands in the bad row alone
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None  # a bad row of somebody else's making


def _take_out(event: EnrichedEvent, messages: Sequence[Any], schemas: Schemas) -> None:
    refusing = {
        str(message.get("schemaCriterion") or message.get("schemaKey")) for message in messages
    }
    for message in messages:
        if message.get("schemaKey") == ATOMIC_SCHEMA:
            for report in message["error"]["dataReports"]:
                event.fields[COLUMN_INDEX[report["path"]]] = None
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
