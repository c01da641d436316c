"""How events and templates stand in journal records, and back."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from whiteout.tracker.event_rows import NewEvent, WaitingEvent
from whiteout.tracker.journal import EVENT, TEMPLATE
from whiteout.tracker.template import Template

if TYPE_CHECKING:
    from collections.abc import Iterable

EVENT_HEADER: Final = struct.Struct("<QqI36s")  # template, created_ms, event_index, event id
EVENT_RECORD: Final = struct.Struct("<IBQqI36s")  # the same, with its length and kind before it
TEMPLATE_HEADER: Final = struct.Struct("<Q")


def decode(
    records: Iterable[tuple[int, int, bytes]], templates: dict[int, Template]
) -> tuple[list[WaitingEvent], dict[int, str]]:
    """The events, whose ids are the positions after them, and the texts of their templates.

    Args:
        records: oldest first.
        templates: those known so far; records that hold one add to it.

    Raises:
        KeyError: an event names a template that is not known.
    """
    events: list[WaitingEvent] = []
    texts: dict[int, str] = {}
    header_bytes = EVENT_HEADER.size
    unpack = EVENT_HEADER.unpack_from
    key, template = 0, None
    for end, kind, body in records:
        if kind == EVENT:
            of_key, created_ms, index, event_id = unpack(body)
            if of_key != key or template is None:
                key, template = of_key, templates[of_key]
                texts[key] = template.text
            events.append(
                WaitingEvent(
                    end,
                    template.bits,
                    template.line,
                    key,
                    event_id,
                    created_ms,
                    index,
                    body[header_bytes:],
                )
            )
        elif kind == TEMPLATE:
            learn(body, templates)
    return events, texts


def row(event: WaitingEvent) -> NewEvent:
    """The event as it is stored."""
    _, level, line, template, event_id, created_ms, index, data = event
    return NewEvent(level, line, template, event_id.decode(), created_ms, index, data.decode())


def learn(body: bytes, templates: dict[int, Template]) -> None:
    """Add the template that a record holds."""
    (key,) = TEMPLATE_HEADER.unpack_from(body)
    if key not in templates:
        templates[key] = Template.from_text(body[TEMPLATE_HEADER.size :].decode())
