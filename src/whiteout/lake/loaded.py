"""What a commit brought, for who wants to show it: the local page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from whiteout.enrich.event import EnrichedEvent
    from whiteout.lake.failed import FailedEvent


class Origin(NamedTuple):
    """Where an event came from; a tuple, since there are thousands a second.

    Attributes:
        record: of the raw log. Events of one request have one record, the same object.
        number: of the event among what enrich made of the record.
    """

    record: bytes
    number: int

    def __repr__(self) -> str:
        """Nothing of the request: it never reaches a log."""
        return f"Origin({self.number})"


@dataclass(slots=True)
class Loaded:
    """One commit, which is in the lake by now.

    Attributes:
        events: rows of `events`.
        repeated: events that the lake had already, and that were therefore passed over.
        origins: of `events`, and after them of `repeated`; empty where nobody may be told.
        failed: rows of `failed_events`.
        load_us: when the commit was done, microseconds since the epoch.
        raw_next: everything before this offset of the raw log is done.
        bad_next: the same of the collector's own bad rows.
    """

    load_us: int
    events: list[EnrichedEvent] = field(default_factory=list)
    repeated: list[EnrichedEvent] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    failed: list[FailedEvent] = field(default_factory=list)
    raw_next: int = 0
    bad_next: int = 0


class Observer(Protocol):
    """Is told of each commit, by the loader's thread; a fault of its own must not reach it."""

    def __call__(self, loaded: Loaded, /) -> None:
        """Take what a commit brought."""
        ...
