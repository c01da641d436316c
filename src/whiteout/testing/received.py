"""What arrived: events as they would land in the lake, and failed events with their reasons."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from whiteout.enrich import EnrichedEvent
    from whiteout.protocol.self_describing import SelfDescribingJson

_ENVELOPES = ("unstruct_event_", "contexts_")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ReceivedEvent:
    """One good event.

    Attributes:
        event_id: `eid`.
        name: `screen_view`, `page_view`, or `struct` for structured events.
        schema: the Iglu URI of a self-describing event; None: it has none.
        data: a self-describing event's own data; empty for the others.
        columns: the columns of the enriched event that are not null, but those of JSON.
        entities: what the tracker attached, and after them what enrichments added.
        parameters: the event as the tracker sent it, by the names of the tracker protocol.
        is_server_anonymous: its request carried `SP-Anonymous`.
    """

    event_id: str
    name: str
    schema: str | None
    data: Mapping[str, Any]
    columns: Mapping[str, Any]
    entities: Sequence[SelfDescribingJson]
    parameters: Mapping[str, str]
    is_server_anonymous: bool

    def __repr__(self) -> str:
        # Its content is shown by failing assertions, which were asked for it, and by nothing else.
        return f"ReceivedEvent({self.name}, {self.event_id})"

    def entity(self, name: str) -> Mapping[str, Any] | None:
        """The data of the first entity of that name, such as `client_session`; None: none has it.

        Args:
            name: of the schema, or its whole Iglu URI.
        """
        for entity in self.entities:
            if name in {entity.key.name, entity.schema}:
                return entity.data
        return None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class FailedEvent:
    """One failed event, or a request that could not be taken apart into events.

    Attributes:
        kind: of the bad row: `schema_violations`, `tracker_protocol_violations`, ….
        about: the schema that it breaks, or else the field; empty where neither is known.
        reasons: what is wrong, a line each, without the values.
        bad_row: the whole bad row, `schema` and `data`.
        parameters: of the event as the tracker sent it; empty where there is none.
        is_server_anonymous: its request carried `SP-Anonymous`.
    """

    kind: str
    about: str
    reasons: Sequence[str]
    bad_row: Mapping[str, Any] = field(repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict)
    is_server_anonymous: bool = False

    def __repr__(self) -> str:
        return f"FailedEvent({self.kind}, {self.about})"


def received_event(
    event: EnrichedEvent, parameters: Mapping[str, str | None], *, is_server_anonymous: bool
) -> ReceivedEvent:
    """The event that enrich has passed."""
    body = event.unstruct_event
    data = body.data if body is not None else {}
    kind = event["event"]
    return ReceivedEvent(
        event_id=event["event_id"] or "",
        name=(kind if kind != "unstruct" else event["event_name"]) or "",
        schema=body.schema if body is not None else None,
        data=data if isinstance(data, dict) else {},
        columns={
            name: value
            for name, value in event.json_object().items()
            if value is not None and not name.startswith(_ENVELOPES)
        },
        entities=(*event.contexts, *event.derived_contexts),
        parameters=_with_values(parameters),
        is_server_anonymous=is_server_anonymous,
    )


def failed_event(
    schema: str,
    data: Mapping[str, Any],
    parameters: Mapping[str, str | None] = MappingProxyType({}),
    *,
    is_server_anonymous: bool = False,
) -> FailedEvent:
    """The event, or request, of a bad row."""
    failure = data.get("failure", {})
    messages = failure.get("messages") or [failure.get("message") or failure]
    parts = schema.split("/")
    return FailedEvent(
        kind=parts[1] if len(parts) > 1 else schema,
        about=next((about for message in messages if (about := _about(message))), ""),
        reasons=[reason for message in messages for reason in _reasons(message)],
        bad_row={"schema": schema, "data": data},
        parameters=_with_values(parameters),
        is_server_anonymous=is_server_anonymous,
    )


def _with_values(parameters: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if value is not None}


def _about(message: Mapping[str, Any]) -> str:
    return str(message.get("schemaKey") or message.get("field") or "")


def _reasons(message: Mapping[str, Any]) -> Iterator[str]:
    """The lines of one message of a bad row; a message may be of any of seven schemas."""
    error = message.get("error")
    about = _about(message)
    if isinstance(error, dict):
        yield from (f"{about}: {line}" for line in _schema_errors(error))
    elif error is not None or "expectation" in message:
        said = error if error is not None else message["expectation"]
        yield f"{about}: {said}" if about else str(said)
    else:
        said = message.get("message") or message.get("errors") or message.get("expectation")
        yield from _texts(said, about)


def _texts(said: object, about: str) -> Iterator[str]:
    if isinstance(said, dict):
        yield from _reasons(said)
    elif isinstance(said, list):
        yield from map(str, said)
    else:
        yield str(said or about or "no reason is given")


def _schema_errors(error: Mapping[str, Any]) -> Iterator[str]:
    reports = error.get("dataReports")
    if reports:
        for report in reports:
            yield f"{report.get('path') or '$'}: {report.get('message')}"
    elif error.get("error") == "ResolutionError":
        asked = [str(entry.get("repository")) for entry in error.get("lookupHistory", ())]
        yield f"no registry has this schema; asked were: {', '.join(asked) or 'none'}"
    else:
        issues = error.get("schemaIssues") or [error]
        yield from (str(issue.get("message") or issue.get("error")) for issue in issues)
