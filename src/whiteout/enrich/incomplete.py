"""The rest of an event that failed, and what went wrong, as an event: Snowplow's failed events.

What is not valid is taken out, and one entity a failure is put before the derived ones.

Source: reference section 2.12. Unlike there, `data` of these entities is null where privacy
enrichments are on or the event is anonymous: it would repeat what is taken away (W6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whiteout.enrich import timestamps
from whiteout.enrich.failure import Violation
from whiteout.enrich.schemas import write_parts
from whiteout.iglu.embedded.enrichments import FAILURE
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from whiteout.enrich.event import EnrichedEvent
    from whiteout.enrich.failure import BadRows, Message


def complete(
    event: EnrichedEvent,
    messages: Iterable[Message],
    *,
    now_ms: int,
    bad_rows: BadRows,
    with_data: bool,
) -> EnrichedEvent:
    """Make an event that can be written of one that failed.

    Args:
        event: what is left of it, with no column that is too long; changed.
        messages: all failures of all phases, as bad rows have them.
        now_ms: when it failed, Unix epoch milliseconds.
        bad_rows: who found out.
        with_data: whether the entities hold what was wrong.
    """
    common = {
        "timestamp": timestamps.to_iso(now_ms),
        "componentName": bad_rows.artifact,
        "componentVersion": bad_rows.version,
    }
    failures = [
        SelfDescribingJson(
            FAILURE,
            {**_failure(message), "data": _data(message) if with_data else None, **common},
        )
        for message in messages
    ]
    event.derived_contexts = [*failures, *event.derived_contexts]
    write_parts(event)
    return event


def _data(message: Message) -> Mapping[str, Any] | None:
    """What the failure is about."""
    if isinstance(message, Violation):
        return message.data
    inner = message.get("message", message)
    if "field" not in inner or inner["value"] is None:
        return None
    return {inner["field"]: inner["value"]}


def _failure(message: Message) -> dict[str, Any]:
    """Type, errors and schema of a failure."""
    if "enrichment" in message:
        return _enrichment_failure(message)
    schema = message.get("schemaKey")
    error = message.get("error")
    if isinstance(error, dict):
        kind = error["error"]
        if kind == "ResolutionError":
            errors = [
                {
                    "message": "Resolution error: schema could not be found",
                    "source": "iglu",
                    "lookupHistory": error["lookupHistory"],
                }
            ]
        else:
            reports = error.get("dataReports") or error.get("schemaIssues") or []
            errors = [{"source": "schema", **report} for report in reports]
        return {"failureType": kind, "errors": errors, "schema": schema}
    if "schemaCriterion" in message:
        problem = {"message": "Unexpected schema", "criterion": message["schemaCriterion"]}
        return {"failureType": "CriterionMismatch", "errors": [problem], "schema": schema}
    kind = "NotIglu" if "json" in message else "NotJSON"
    source = message.get("field")
    problem = {"message": str(error), **({"source": source} if source else {})}
    return {"failureType": kind, "errors": [problem], "schema": None}


def _enrichment_failure(message: Message) -> dict[str, Any]:
    enrichment, inner = message["enrichment"] or {}, message["message"]
    if "field" in inner:
        problem = {
            "message": f"{inner['field']} - {inner['expectation']}",
            "source": inner["field"],
        }
    else:
        problem = {"message": inner.get("error", ""), "source": enrichment.get("identifier", "")}
    identifier = enrichment.get("identifier") or inner.get("field", "")
    return {
        "failureType": f"EnrichmentError: {identifier}",
        "errors": [problem],
        "schema": enrichment.get("schemaKey"),
    }
