"""What privacy enrichments do to an event is done to its bad row as well (W6).

A bad row holds the request too: its address, its parameters, its body. So each value is masked as
the column is that it would fill, of the headers nothing is kept but what says how to read the
request, and messages say what was wrong without saying of which value. What cannot be read is
withheld. Nothing of this is run for events that pass.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import msgspec
from msgspec.structs import replace

from whiteout.enrich.anonymity import query_text
from whiteout.enrich.atomic import ATOMIC_COLUMNS, COLUMN_INDEX
from whiteout.enrich.event import EnrichedEvent
from whiteout.enrich.failure import RawEvent
from whiteout.enrich.mapping import COLUMN_OF_PARAMETER, is_convertible
from whiteout.errors import ConfigurationError, ProtocolError
from whiteout.iglu import bounded_json
from whiteout.protocol.base64_json import decode_base64
from whiteout.protocol.iglu import parse_schema_key
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from whiteout.enrich.enrichments.interface import Enrichment, PrivacyEnrichment
    from whiteout.enrich.failure import Message
    from whiteout.enrich.load import Request

_ADDRESS, _NETWORK_USERID = COLUMN_INDEX["user_ipaddress"], COLUMN_INDEX["network_userid"]
_PAGE_URL, _USERAGENT = COLUMN_INDEX["page_url"], COLUMN_INDEX["useragent"]
_BASE64, _PLAIN = frozenset({"cx", "ue_px"}), frozenset({"co", "ue_pr"})
_PARTS = {"co": "contexts", "cx": "contexts", "ue_pr": "unstruct_event", "ue_px": "unstruct_event"}
_KEPT_HEADER = "sp-anonymous"
WITHHELD: Final = "[withheld: privacy enrichment]"


class Masks:
    """The privacy enrichments that apply to one request."""

    def __init__(self, enrichments: Sequence[PrivacyEnrichment]) -> None:
        self._enrichments = enrichments

    def request(self, request: Request) -> Request:
        """The request, masked."""
        payload = request.payload
        user_id = self._column(_NETWORK_USERID, payload.network_user_id)
        parameters = [(name, self._parameter(name, value)) for name, value in request.parameters]
        document = request.document
        if document is None and payload.body is not None:
            document = self._body(payload.body)
        elif document is not None:
            document = self._document(document)
        clean = replace(
            payload,
            ip_address=self._column(_ADDRESS, payload.ip_address) or "unknown",
            # Bad rows and records have a UUID there or nothing, and a pseudonym is none.
            network_user_id=user_id if user_id == payload.network_user_id else None,
            user_agent=self._column(_USERAGENT, payload.user_agent),
            referer_uri=self._column(_PAGE_URL, payload.referer_uri),
            querystring=query_text(parameters),
            body=None if payload.body is None else WITHHELD,
            headers=tuple(
                header for header in payload.headers if header.lower().startswith(_KEPT_HEADER)
            )
            + ((payload.content_type,) if payload.content_type else ()),
        )
        return replace(request, payload=clean, parameters=parameters, document=document)

    def event(self, event: RawEvent, *, enriched: bool) -> RawEvent:
        """An event as far as it came, masked; `enriched` where the enrichments have run on it."""
        parameters = {
            name: self._parameter(name, value) for name, value in event.parameters.items()
        }
        fields = list(event.fields)
        if not enriched:
            for column, value in enumerate(fields):
                if value is not None and ATOMIC_COLUMNS[column].type != "json":
                    fields[column] = self._column(column, value)
                elif value is not None:
                    fields[column] = self._json(ATOMIC_COLUMNS[column].name, value.encode())
        texts = {name: self._json(name, text.encode()) for name, text in event.texts.items()}
        return RawEvent(parameters, fields, texts)

    @staticmethod
    def messages(messages: Iterable[Message]) -> list[Message]:
        """Messages without the values that they are about."""
        return [_without_values(message) for message in messages]

    def _column(self, column: int, text: str | None) -> str | None:
        for enrichment in self._enrichments:
            if text is not None:
                text = enrichment.mask(column, text)
        return text

    def _parameter(self, name: str, value: str | None) -> str | None:
        if value is None:
            return None
        if name in _PLAIN:
            return self._json(_PARTS[name], value.encode("utf-8", "replace"))
        if name in _BASE64:
            json = self._json(_PARTS[name], decode_base64(value))
            return json if json == WITHHELD else urlsafe_b64encode(json.encode()).decode()
        column = COLUMN_OF_PARAMETER.get(name)
        # Nobody knows what a parameter without a column says, or one that is not what it must be.
        if column is None or not is_convertible(name, value):
            return WITHHELD
        return self._column(column, value)

    def _json(self, part: str, json: bytes) -> str:
        try:
            document = bounded_json.decode(json)
            inner = document["data"]
            items = inner if isinstance(inner, list) else [inner]
            parts = [SelfDescribingJson(item["schema"], item["data"]) for item in items]
        except (ProtocolError, ConfigurationError, KeyError, TypeError):
            return WITHHELD
        event = EnrichedEvent(
            fields=[None] * len(ATOMIC_COLUMNS),
            unstruct_event=None,
            contexts=[],
            derived_contexts=[],
        )
        masked = []
        for one in parts:
            if part == "unstruct_event":
                event.unstruct_event = one
            else:
                event.contexts = [one]
            for enrichment in self._enrichments:
                enrichment.mask_parts(event)
            found = event.unstruct_event if part == "unstruct_event" else event.contexts[0]
            masked.append({"schema": one.schema, "data": found.data if found else None})
        data = masked if isinstance(inner, list) else masked[0]
        return msgspec.json.encode({"schema": _schema(document), "data": data}).decode()

    def _body(self, body: str) -> object:
        try:
            return self._document(bounded_json.decode(body))
        except ProtocolError:
            return WITHHELD

    def _document(self, document: object) -> object:
        """A body: events of the protocol are masked, anything else is withheld."""
        events = document.get("data") if isinstance(document, dict) else None
        if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
            return WITHHELD
        return {
            "schema": _schema(document),
            "data": [
                {
                    name: self._parameter(name, value) if isinstance(value, str) else WITHHELD
                    for name, value in event.items()
                }
                for event in events
            ],
        }


def is_privacy(enrichment: Enrichment) -> TypeGuard[PrivacyEnrichment]:
    """Whether an enrichment takes away."""
    return hasattr(enrichment, "mask_parts")


def masks_of(enrichments: Iterable[Enrichment], request: Request) -> Masks | None:
    """The masks for a request; None where there are none."""
    applicable = [
        enrichment
        for enrichment in enrichments
        if is_privacy(enrichment) and enrichment.applies(request)
    ]
    return Masks(applicable) if applicable else None


def _schema(document: object) -> str:
    """The schema that an envelope names, if it is one."""
    uri = document.get("schema") if isinstance(document, dict) else None
    try:
        return parse_schema_key(uri).uri if isinstance(uri, str) else WITHHELD
    except ProtocolError:
        return WITHHELD


def _without_values(message: Mapping[str, Any]) -> Message:
    clean: Message = {
        name: None if name in ("value", "json") else inner for name, inner in message.items()
    }
    inner = clean.get("message")
    if isinstance(inner, dict):
        clean["message"] = _without_values(inner)
    return clean
