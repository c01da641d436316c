"""How values are written on the page: pure functions, bounded in what they give."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from whiteout.web.questions import LEVELS

if TYPE_CHECKING:
    from whiteout.web.recent import Row

_MOST = 60  # letters of a value in a list
_MOST_MS = 253_402_300_799_999  # the last moment of the year 9999


@dataclass(frozen=True, slots=True)
class Line:
    """One event in a list.

    Attributes:
        number: its number, which its address ends with.
        status: `good` or `failed`.
        moment: ISO 8601, for machines.
        clock: the time of day, UTC.
        type: see `Question`.
        app: the app's id.
        schema: name and version of its schema; of a failed event of the event's own, if it has one.
        session: the beginning of the session's id.
        entities: how many it has.
        level: the level's bits; None for bad rows without an event.
        level_name: in words.
        repeated: the lake had it already.
    """

    number: int
    status: str
    moment: str
    clock: str
    type: str
    app: str
    schema: str
    session: str
    entities: int
    level: int | None
    level_name: str
    repeated: bool


def line_of(row: Row) -> Line:
    """A row of the window as a line of a list."""
    moment = moment_of(row["collected_ms"] or row["enriched_ms"])
    return Line(
        number=row["number"],
        status=row["status"],
        moment=moment,
        clock=moment[11:23],
        type=short(row["name"]),
        app=short(row["app_id"] or ""),
        schema=short(short_schema(row["event_schema"] or row["schema"])),
        session=(row["session"] or "")[:8],
        entities=len(row["entities"]),
        level=row["level"],
        level_name="" if row["level"] is None else LEVELS[row["level"]],
        repeated=row["repeated"],
    )


def moment_of(epoch_ms: int | None) -> str:
    """`2026-01-31T12:00:00.000Z`; empty where there is no time, or none of our calendar."""
    if epoch_ms is None or not 0 <= epoch_ms <= _MOST_MS:
        return ""
    moment = datetime.fromtimestamp(epoch_ms / 1000, UTC)
    return f"{moment.isoformat(timespec='milliseconds')[:23]}Z"


def short(text: str, most: int = _MOST) -> str:
    """The text, cut where it is longer than `most` letters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def short_schema(uri: str) -> str:
    """`screen_view 1-0-0` of a whole Iglu URI; the text itself where it is none."""
    parts = uri.removeprefix("iglu:").split("/")
    return f"{parts[1]} {parts[3]}" if len(parts) == 4 else uri  # noqa: PLR2004 - of an Iglu URI
