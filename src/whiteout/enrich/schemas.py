"""The self-describing parts of an event: the body of a self-describing event, and entities.

Source: reference section 2.7. Each is judged by itself; all violations of an event are gathered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from whiteout.enrich import failure
from whiteout.enrich.adapter import read_key
from whiteout.enrich.atomic import COLUMN_INDEX
from whiteout.enrich.envelopes import usual_contexts, usual_unstruct_event
from whiteout.errors import ProtocolError
from whiteout.iglu import ResolutionError, SchemaError, bounded_json
from whiteout.iglu.embedded.enrichments import VALIDATION_INFO
from whiteout.protocol.base64_json import decode_base64
from whiteout.protocol.self_describing import CONTEXTS, UNSTRUCT_EVENT, SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.event import EnrichedEvent
    from whiteout.enrich.failure import Message
    from whiteout.iglu import Resolver
    from whiteout.protocol.iglu import SchemaKey

_UNSTRUCT_COLUMN = COLUMN_INDEX["unstruct_event"]
_CONTEXTS_COLUMN = COLUMN_INDEX["contexts"]
_DERIVED_COLUMN = COLUMN_INDEX["derived_contexts"]
_encode = msgspec.json.Encoder().encode


class SelfDescribingParts(msgspec.Struct):  # a dataclass takes three times as long to make
    """What an event says in self-describing JSON.

    Attributes:
        unstruct_event: the body of a self-describing event, if it is valid.
        contexts: the valid entities.
        violations: what is not valid, as messages of a bad row.
        superseded: an entity for each schema in whose place a newer version was used.
        texts: the JSON that the tracker sent, by column, where something in it is not valid.
    """

    unstruct_event: SelfDescribingJson | None
    contexts: list[SelfDescribingJson]
    violations: list[Message]
    texts: dict[str, str]
    superseded: dict[str, SelfDescribingJson]

    __repr__ = object.__repr__


@dataclass(slots=True, repr=False)
class _Sent:
    """A parameter with JSON: its name, its text, and the JSON unless that turns out to be none."""

    name: str
    text: str
    json: bytes
    is_json: bool = True


def read_parts(parameters: Parameters, resolver: Resolver) -> SelfDescribingParts:
    """Read and validate `ue_pr` or `ue_px`, and `co` or `cx`; never raises."""
    parts = SelfDescribingParts(None, [], [], {}, {})
    if text := parameters.get(name := "ue_px") or parameters.get(name := "ue_pr"):
        json = _json_of(name, text)
        parts.unstruct_event = usual_unstruct_event(json, resolver)
        if parts.unstruct_event is None:
            _judge_unstruct_event(_Sent(name, text, json), parts, resolver)
    if text := parameters.get(name := "cx") or parameters.get(name := "co"):
        json = _json_of(name, text)
        contexts = usual_contexts(json, resolver)
        if contexts is not None:
            parts.contexts = contexts
        else:
            _judge_contexts(_Sent(name, text, json), parts, resolver)
    return parts


def judge_again(event: EnrichedEvent, resolver: Resolver, violations: list[Message]) -> None:
    """Take out of an event what is not valid any more; what is wrong is added to `violations`."""
    unstruct = event.unstruct_event
    if unstruct is not None and not is_valid_entity(unstruct, resolver, violations):
        event.unstruct_event = None
    for entities in (event.contexts, event.derived_contexts):
        entities[:] = [one for one in entities if is_valid_entity(one, resolver, violations)]


def write_parts(event: EnrichedEvent) -> None:
    """Put the self-describing parts of an event into their columns: compact, schema first.

    Once, when nothing changes them any more: writing takes as long as validating.
    """
    fields = event.fields
    fields[_UNSTRUCT_COLUMN] = _envelope(UNSTRUCT_EVENT, event.unstruct_event)
    fields[_CONTEXTS_COLUMN] = _envelope(CONTEXTS, event.contexts)
    fields[_DERIVED_COLUMN] = _envelope(CONTEXTS, event.derived_contexts)


def _judge_unstruct_event(sent: _Sent, parts: SelfDescribingParts, resolver: Resolver) -> None:
    inner = _read_envelope(sent, UNSTRUCT_EVENT, resolver, parts.violations)
    if inner is not None:
        parts.unstruct_event = _validate(inner, resolver, parts)
    if parts.violations and sent.is_json:
        parts.texts["unstruct_event"] = sent.json.decode()


def _judge_contexts(sent: _Sent, parts: SelfDescribingParts, resolver: Resolver) -> None:
    before = len(parts.violations)
    for entity in _read_envelope(sent, CONTEXTS, resolver, parts.violations) or ():
        valid = _validate(entity, resolver, parts)
        if valid is not None:
            parts.contexts.append(valid)
    if len(parts.violations) > before and sent.is_json:
        parts.texts["contexts"] = sent.json.decode()


def _validate(
    document: dict[str, Any], resolver: Resolver, parts: SelfDescribingParts
) -> SelfDescribingJson | None:
    """Judge what an envelope holds; what is wrong with it is added to the parts' violations."""
    violations = parts.violations
    # The envelope's schema has seen to both properties, and that the first is text.
    known = resolver.compiled(document["schema"])
    if known is not None and known.is_valid(document["data"]):
        return SelfDescribingJson(document["schema"], document["data"])
    key = read_key(document)
    if isinstance(key, str):
        violations.append(failure.not_iglu(document, key))
        return None
    data = document["data"]
    try:
        newer = resolver.superseding(key)
    except ResolutionError as error:
        violations.append(failure.schema_problem(key.uri, error, data))
        return None
    if not _is_valid(newer, data, resolver, violations):
        return None
    if newer != key:
        parts.superseded[key.uri] = SelfDescribingJson(
            VALIDATION_INFO, {"originalSchema": key.uri, "validatedWith": newer.version}
        )
    return SelfDescribingJson(newer.uri, data)


def is_valid_entity(
    entity: SelfDescribingJson, resolver: Resolver, violations: list[Message]
) -> bool:
    """Judge an entity of our own making; what is wrong with it is added to `violations`."""
    known = resolver.compiled(entity.schema)
    if known is not None and known.is_valid(entity.data):
        return True
    return _is_valid(entity.key, entity.data, resolver, violations)


def _is_valid(key: SchemaKey, data: object, resolver: Resolver, violations: list[Message]) -> bool:
    try:
        validator = resolver.validator(key)
    except (ResolutionError, SchemaError) as error:
        violations.append(failure.schema_problem(key.uri, error, data))
        return False
    if validator.is_valid(data):
        return True
    violations.append(failure.invalid_data(key.uri, validator.reports(data), data))
    return False


def _envelope(
    schema: str, data: SelfDescribingJson | Sequence[SelfDescribingJson] | None
) -> str | None:
    return f'{{"schema":"{schema}","data":{_encode(data).decode()}}}' if data else None


def _json_of(name: str, text: str) -> bytes:
    return decode_base64(text) if name.endswith("x") else text.encode("utf-8", "replace")


def _read_envelope(sent: _Sent, schema: str, resolver: Resolver, violations: list[Message]) -> Any:  # noqa: ANN401 - JSON
    """The data of an envelope, which is as the envelope's schema says; None where it is not."""
    try:
        document = bounded_json.decode(sent.json)
    except ProtocolError as error:
        sent.is_json = False
        violations.append(failure.not_json(sent.name, sent.text, str(error)))
        return None
    key = read_key(document)
    if isinstance(key, str):
        violations.append(failure.not_iglu(document, key))
    elif not document["schema"].startswith(schema[:-1]):
        violations.append(failure.criterion_mismatch(key.uri, f"{schema[:-1]}*", document))
    elif _is_valid(key, document["data"], resolver, violations):
        return document["data"]
    return None
