"""Sessions: when one starts, and what its entity says.

Invariant (leaks L1 to L5): a `SessionLine` is one chain of sessions on one side of the boundary of
anonymity. The identified line is one for ever, is stored, and resumes where it ended. An anonymous
line is made afresh at each switch, starts at index 1 without a predecessor, and lives in memory.
No value goes from one line to another.

Source: reference section 4. Owner: the tracker, under its lock.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from whiteout.identifiers import NULL_UUID, Anonymisation

STORAGE_MECHANISM = "LOCAL_STORAGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """One session, as its latest event left it: what a callback sees and what is stored.

    Attributes:
        user_id: the installation's id; the null UUID under user anonymity.
        session_id: fresh for every session.
        previous_session_id: None in the first session of a line, and under user anonymity.
        session_index: 1 in the first session of a line, then +1 each.
        event_index: 1 at the session's first event, then +1 each.
        first_event_id: the id of the session's first event.
        first_event_at_ms: its device time, Unix epoch milliseconds.
        last_event_at_ms: device time of the latest event that counts as activity.
    """

    user_id: str = field(repr=False)
    session_id: str
    previous_session_id: str | None = field(repr=False)
    session_index: int
    event_index: int
    first_event_id: str
    first_event_at_ms: int
    last_event_at_ms: int

    def masked(self, level: Anonymisation) -> SessionState:
        """The state as `level` lets it be seen."""
        if Anonymisation.USER not in level:
            return self
        return SessionState(
            user_id=NULL_UUID,
            session_id=self.session_id,
            previous_session_id=None,
            session_index=self.session_index,
            event_index=self.event_index,
            first_event_id=self.first_event_id,
            first_event_at_ms=self.first_event_at_ms,
            last_event_at_ms=self.last_event_at_ms,
        )

    def entity_data(self) -> dict[str, Any]:
        """The data of `client_session` 1-0-2, without `eventIndex`, which differs by event."""
        return {
            "userId": self.user_id,
            "sessionId": self.session_id,
            "previousSessionId": self.previous_session_id,
            "sessionIndex": self.session_index,
            "firstEventId": self.first_event_id,
            "firstEventTimestamp": rfc3339(self.first_event_at_ms),
            "storageMechanism": STORAGE_MECHANISM,
        }


class SessionLine:
    """A chain of sessions, advanced by each event.

    Args:
        user_id: the id of all its sessions; the null UUID on an anonymous line.
        stored: the state that an earlier process left, for the identified line.
        continues: go on with the stored session if its timeout has not passed.
    """

    __slots__ = (
        "event_index",
        "is_broken_off",
        "last_event_at_ms",
        "must_renew",
        "state",
        "user_id",
    )

    def __init__(
        self, user_id: str, *, stored: SessionState | None = None, continues: bool = False
    ) -> None:
        self.user_id = user_id
        self.state = stored
        self.event_index = stored.event_index if stored else 0
        self.last_event_at_ms = stored.last_event_at_ms if stored else 0
        self.must_renew = not continues
        self.is_broken_off = False  # by a change of the level: renewed even while checks are paused

    def is_due(self, now_ms: int, timeout_ms: int, *, checks: bool) -> bool:
        """Whether an event now would start a new session.

        The timeout is inclusive: only a longer gap ends a session. A clock that went back ends it
        too. While the checker is paused (`checks` False) nothing does but a change of the level
        (leak L5).
        """
        return self.is_broken_off or (
            checks
            and (
                self.must_renew
                or self.state is None
                or not 0 <= now_ms - self.last_event_at_ms <= timeout_ms
            )
        )

    def start(self, session_id: str, event_id: str, now_ms: int) -> SessionState:
        """Begin the next session of this line with the given event as its first."""
        previous = self.state
        self.state = SessionState(
            user_id=self.user_id,
            session_id=session_id,
            previous_session_id=previous.session_id if previous else None,
            session_index=previous.session_index + 1 if previous else 1,
            event_index=1,
            first_event_id=event_id,
            first_event_at_ms=now_ms,
            last_event_at_ms=now_ms,
        )
        self.event_index = 0
        self.must_renew = self.is_broken_off = False
        return self.state

    def snapshot(self) -> SessionState | None:
        """The session as its latest event left it."""
        state = self.state
        if state is None:
            return None
        return SessionState(
            user_id=state.user_id,
            session_id=state.session_id,
            previous_session_id=state.previous_session_id,
            session_index=state.session_index,
            event_index=self.event_index,
            first_event_id=state.first_event_id,
            first_event_at_ms=state.first_event_at_ms,
            last_event_at_ms=self.last_event_at_ms,
        )


def rfc3339(epoch_ms: int) -> str:
    """`2022-06-06T06:21:21.346Z`."""
    seconds, milliseconds = divmod(epoch_ms, 1000)
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"
