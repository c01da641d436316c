"""Rows of the event store.

A row is an event's own part and its level; what it shares with others, its template, is stored
once.
"""

from __future__ import annotations

from typing import Final, NamedTuple

EVENT_COLUMNS: Final = "level, line, template, event_id, created_ms, event_index, data"


class NewEvent(NamedTuple):
    """An event to be stored; the fields are columns."""

    level: int
    line: int
    template: int
    event_id: str
    created_ms: int
    event_index: int
    data: str


class StoredEvent(NamedTuple):
    """A waiting event. `id` is the row, and the order in which events were stored."""

    id: int
    level: int
    line: int
    template: int
    event_id: str
    created_ms: int
    event_index: int
    data: str


class WaitingEvent(NamedTuple):
    """An event as it is sent from: text as UTF-8. `id` is its row, or its place in a journal."""

    id: int
    level: int
    line: int
    template: int
    event_id: bytes
    created_ms: int
    event_index: int
    data: bytes


def waiting(  # noqa: PLR0913, PLR0917 - the columns
    row: int,
    level: int,
    line: int,
    template: int,
    event_id: str,
    created_ms: int,
    event_index: int,
    data: str,
) -> WaitingEvent:
    """A row as it is sent from."""
    return WaitingEvent(
        row, level, line, template, event_id.encode(), created_ms, event_index, data.encode()
    )
