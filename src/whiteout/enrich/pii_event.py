"""The event `pii_transformation`: what was replaced in another event, in clear.

It undoes pseudonymisation for whoever has it, so it goes nowhere unless a sink for it is set.

Source: reference section 2.10.3, and Iglu Central.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from whiteout.enrich.atomic import ATOMIC_COLUMNS, COLUMN_INDEX
from whiteout.enrich.event import EnrichedEvent
from whiteout.enrich.schemas import write_parts
from whiteout.iglu.embedded.enrichments import PARENT_EVENT, PII_TRANSFORMATION
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Sequence

_COPIED = ("app_id", "etl_tstamp", "collector_tstamp", "v_collector", "v_etl")
_NAMESPACE = UUID("6b1c1c5e-6a5c-4d5a-9a55-0c5f4d1a7c11")  # arbitrary, ours


@dataclass(frozen=True, slots=True, repr=False)
class Replaced:
    """One value and its pseudonym; in JSON also the path and the schema."""

    field: str
    original: str
    pseudonym: str
    path: str | None = None
    schema: str | None = None


def transformation(
    parent: EnrichedEvent, replaced: Sequence[Replaced], hash_function: str
) -> EnrichedEvent:
    """The event about `parent`.

    Its id follows from the parent's, so that a repeated run makes the same event.
    """
    pii: dict[str, Any] = {}
    for one in replaced:
        entry = {
            "fieldName": one.field,
            "originalValue": one.original,
            "modifiedValue": one.pseudonym,
        }
        if one.path is None:
            pii.setdefault("pojo", []).append(entry)
        else:
            entry |= {"jsonPath": one.path, "schema": one.schema or ""}
            pii.setdefault("json", []).append({"fieldMapping": entry})
    data = {"pii": pii, "strategy": {"pseudonymize": {"hashFunction": hash_function}}}
    parent_id = parent["event_id"] or ""
    event = EnrichedEvent(
        fields=[None] * len(ATOMIC_COLUMNS),
        unstruct_event=SelfDescribingJson(PII_TRANSFORMATION, data),
        contexts=[SelfDescribingJson(PARENT_EVENT, {"parentEventId": parent_id})],
        derived_contexts=[],
    )
    columns = {
        **{name: parent[name] for name in _COPIED},
        "event": "pii_transformation",
        "platform": "srv",
        "event_vendor": "com.snowplowanalytics.snowplow",
        "event_name": "pii_transformation",
        "event_format": "jsonschema",
        "event_version": "1-0-0",
        "event_id": str(uuid5(_NAMESPACE, parent_id)),
        "derived_tstamp": parent["etl_tstamp"],
        "true_tstamp": parent["etl_tstamp"],
    }
    for name, value in columns.items():
        event.fields[COLUMN_INDEX[name]] = value
    write_parts(event)
    return event
