"""One session from its first event to its last: pure functions over rows of the window."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from whiteout.web import micro
from whiteout.web.entries import session_of
from whiteout.web.failed import body_of, payload_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from whiteout.enrich.event import EnrichedEvent
    from whiteout.web.recent import RecentEvents, Row

MOST_SESSIONS, MOST_EVENTS = 100, 500
_MOST_LETTERS = 80
_SECOND_MS, _MINUTE_MS, _HOUR_MS, _DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000
PAUSE_MS = 30_000  # longer ones are told

# What says which screen, page or action it was: the first of these that an event has.
_TELLING_PROPERTIES = ("name", "label", "title", "targetUrl", "type", "action", "message")
_TELLING_COLUMNS = ("page_title", "se_label", "se_action", "se_category", "page_urlpath")
_LIST = (
    "SELECT session, count(*) AS events, max(number) AS last,"
    " min(coalesce(tracked_ms, collected_ms)) AS first_ms,"
    " max(coalesce(tracked_ms, collected_ms)) AS last_ms, max(app_id) AS app_id,"
    " group_concat(DISTINCT level) AS levels"
    " FROM event WHERE session IS NOT NULL GROUP BY session ORDER BY last DESC LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Listed:
    """One session in the list.

    Attributes:
        session: its id.
        events: how many of its events the window has.
        app: of one of them.
        first_ms: when the first one was tracked, by the device's clock.
        duration: from the first to the last, in words.
        levels: of its events, as bits.
    """

    session: str
    events: int
    app: str
    first_ms: int | None
    duration: str
    levels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a session.

    Attributes:
        number: of the event in the window.
        at_ms: when it was tracked, by the device's clock; else when it was collected.
        type: `screen_view` and the like.
        detail: which one, where the event says.
        level: as bits.
        is_failed: whether it is a failed event, whose type is the kind of failure.
        index: in its session, from 1; None where the tracker does not count.
        missing: how many events of the session that the tracker counted are not here, of those
            right before this one.
        since_start: how long after the first event, in words.
        pause: how long after the step before, in words, where that is more than half a minute.
    """

    number: int
    at_ms: int
    type: str
    detail: str
    level: int
    is_failed: bool
    index: int | None
    missing: int
    since_start: str
    pause: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """One session.

    Attributes:
        session: its id.
        previous: the id of the session before; None where there is none, or it is hidden.
        index: of the session, from 1; None where the tracker does not count.
        duration: in words.
        steps: the events, in the order in which they were tracked.
        is_cut: whether it has more events than are shown; these are the latest.
    """

    session: str
    previous: str | None
    index: int | None
    duration: str
    steps: tuple[Step, ...]
    is_cut: bool


def list_sessions(recent: RecentEvents) -> list[Listed]:
    """The sessions with the latest events, the latest first.

    Raises:
        SearchTookTooLongError: it did.
    """
    return [
        Listed(
            session=row["session"],
            events=row["events"],
            app=row["app_id"] or "",
            first_ms=row["first_ms"],
            duration=duration((row["last_ms"] or 0) - (row["first_ms"] or 0)),
            levels=tuple(sorted(int(level) for level in (row["levels"] or "").split(",") if level)),
        )
        for row in recent.query(_LIST, [MOST_SESSIONS])
    ]


def timeline_of(session: str, rows: Sequence[Row]) -> Timeline:
    """What the events of a session say of it.

    Args:
        session: its id.
        rows: its events with their documents, in any order.
    """
    read = [(row, event) for row in rows if (event := event_of(row)) is not None]
    found = [(row, event, session_of(event.contexts)) for row, event in read]
    found.sort(key=lambda item: (_moment(item[0]), _number(item[2], "eventIndex") or 0))
    indexes = {_number(entity, "eventIndex") for _, _, entity in found}
    counted = sorted(index for index in indexes if index is not None)
    missing = {later: later - index - 1 for index, later in pairwise(counted)}
    steps: list[Step] = []
    for row, event, entity in found[-MOST_EVENTS:]:
        steps.append(_step(row, event, entity, steps, missing))
    last = found[-1][2] if found else {}
    previous = last.get("previousSessionId")
    return Timeline(
        session=session,
        previous=previous if isinstance(previous, str) else None,
        index=_number(last, "sessionIndex"),
        duration=duration(steps[-1].at_ms - steps[0].at_ms) if steps else duration(0),
        steps=tuple(steps),
        is_cut=len(found) > MOST_EVENTS,
    )


def event_of(row: Row) -> EnrichedEvent | None:
    """The event of a row, good or failed; None where there is only a bad row."""
    if row["status"] == "good":
        return micro.enriched(row["document"])
    body = body_of(payload_of(row["document"]))
    return None if body is None else body.event


def duration(length_ms: int) -> str:
    """A length of time in words, as exactly as it matters: `340 ms`, `12.5 s`, `3 min 20 s`."""
    if length_ms < _SECOND_MS:
        return f"{length_ms} ms"
    if length_ms < _MINUTE_MS:
        return f"{length_ms / _SECOND_MS:.1f} s"
    if length_ms < _HOUR_MS:
        return f"{length_ms // _MINUTE_MS} min {length_ms % _MINUTE_MS // _SECOND_MS} s"
    if length_ms < _DAY_MS:
        return f"{length_ms // _HOUR_MS} h {length_ms % _HOUR_MS // _MINUTE_MS} min"
    return f"{length_ms // _DAY_MS} d {length_ms % _DAY_MS // _HOUR_MS} h"


def detail_of(event: EnrichedEvent) -> str:
    """Which screen, page or action an event is of; empty where it does not say."""
    data: Any = event.unstruct_event.data if event.unstruct_event is not None else None
    told: list[object] = []
    if isinstance(data, dict):
        told += [data.get(name) for name in _TELLING_PROPERTIES]
    told += [event[name] for name in _TELLING_COLUMNS]
    text = next((value for value in told if isinstance(value, str) and value), "")
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 1]}…"


def _step(
    row: Row,
    event: EnrichedEvent,
    entity: Any,  # noqa: ANN401 - any JSON
    before: Sequence[Step],
    missing: Mapping[int, int],
) -> Step:
    at_ms, index = _moment(row), _number(entity, "eventIndex")
    earlier = before[-1] if before else None
    pause = at_ms - earlier.at_ms if earlier else 0
    return Step(
        number=row["number"],
        at_ms=at_ms,
        type=row["name"],
        detail=detail_of(event),
        level=row["level"],
        is_failed=row["status"] == "failed",
        index=index,
        missing=0 if index is None else missing.get(index, 0),
        since_start=duration(at_ms - before[0].at_ms if before else 0),
        pause=duration(pause) if pause > PAUSE_MS else "",
    )


def _moment(row: Row) -> int:
    return int(row["tracked_ms"] or row["collected_ms"] or 0)


def _number(entity: Any, name: str) -> int | None:  # noqa: ANN401 - any JSON
    value = entity.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
