"""What a killed process knew of its session, read from the journal that it left."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from whiteout.tracker.journal import EVENT, TEMPLATE
from whiteout.tracker.records import EVENT_HEADER, TEMPLATE_HEADER
from whiteout.tracker.session import SessionState
from whiteout.tracker.template import Template

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whiteout.tracker.journal import LeftBehind


def latest_session(
    left: Iterable[LeftBehind], stored: SessionState | None, *, of: str | None = None
) -> SessionState | None:
    """The identified line's last session: as it was stored, or as a journal knows it better.

    Args:
        left: the journals.
        stored: as the file knows it.
        of: only sessions of this installation; None: journals can be of no other.
    """
    best = stored
    for journal in left:
        states: dict[int, SessionState] = {}
        for record in journal.records():
            if record.kind == TEMPLATE:
                (key,) = TEMPLATE_HEADER.unpack_from(record.body)
                template = Template.from_text(record.body[TEMPLATE_HEADER.size :].decode())
                if template.state is not None:
                    states[key] = SessionState(**template.state, event_index=0, last_event_at_ms=0)
            elif record.kind == EVENT:
                key, created_ms, index, _ = EVENT_HEADER.unpack_from(record.body)
                state = states.get(key)
                if state is None or of not in {None, state.user_id}:
                    continue
                here = replace(state, event_index=index, last_event_at_ms=created_ms)
                if best is None or _order(here) > _order(best):
                    best = here
    return best


def _order(state: SessionState) -> tuple[int, int]:
    return state.session_index, state.event_index
