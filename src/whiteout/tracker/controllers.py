"""What an app can read and change while a tracker runs.

A controller of a closed tracker is inert: it reads the last values and changes nothing (leak L26).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from whiteout.identifiers import Anonymisation

if TYPE_CHECKING:
    from whiteout.tracker.passage import Passage
    from whiteout.tracker.session import SessionState


class _MoveApp(Protocol):
    """What reports that the app moved between foreground and background."""

    def __call__(self, *, is_visible: bool) -> str | None: ...


class _EmitterOwner(Protocol):
    """What the emitter controller asks of its tracker."""

    @property
    def anonymisation(self) -> Anonymisation: ...
    def change_level(self, *, add: Anonymisation, remove: Anonymisation) -> None: ...
    def set_sending(self, *, sends: bool) -> None: ...
    def waiting_events(self) -> int: ...
    def is_sending(self) -> bool: ...
    def flush(self, timeout: float) -> bool: ...


class SessionController:
    """`tracker.session`: the running session. What it shows is masked as the level asks (L29)."""

    def __init__(self, passage: Passage, move_app: _MoveApp) -> None:
        self._passage = passage
        self._lines = passage.lines
        self._lock = passage.lock
        self._move_app = move_app

    @property
    def state(self) -> SessionState | None:
        """The session as its latest event left it; None before the first event."""
        with self._lock:
            return self._lines.state()

    @property
    def session_id(self) -> str | None:
        """The session's id; before the first event of a run, the one that was stored."""
        state = self.state
        return state.session_id if state else None

    @property
    def session_index(self) -> int | None:
        """1 in the first session, then +1 each."""
        state = self.state
        return state.session_index if state else None

    @property
    def user_id(self) -> str | None:
        """The installation's id; the null UUID under user anonymity."""
        state = self.state
        return state.user_id if state else None

    @property
    def is_in_background(self) -> bool:
        """Whether the background's timeout counts."""
        return self._lines.in_background

    @property
    def foreground_index(self) -> int:
        """How often the app came to the foreground, in this run and on this side of anonymity."""
        return self._lines.foreground_index

    @property
    def background_index(self) -> int:
        """How often the app went to the background, in this run and on this side of anonymity."""
        return self._lines.background_index

    def start_new_session(self) -> None:
        """The next event starts a new session."""
        with self._lock:
            if not self._passage.closed:
                self._lines.renew_session()

    def pause(self) -> None:
        """No session ends by time-out until `resume`; events still count and carry the entity."""
        self._set_checks(on=False)

    def resume(self) -> None:
        """Sessions end by time-out again; the pause itself counts as a gap."""
        self._set_checks(on=True)

    def enter_background(self) -> None:
        """As `Tracker.enter_background`."""
        self._move_app(is_visible=False)

    def enter_foreground(self) -> None:
        """As `Tracker.enter_foreground`."""
        self._move_app(is_visible=True)

    def _set_checks(self, *, on: bool) -> None:
        with self._lock:
            if not self._passage.closed:
                self._lines.checks = on


class EmitterController:
    """`tracker.emitter`: sending."""

    def __init__(self, owner: _EmitterOwner) -> None:
        self._owner = owner

    @property
    def server_anonymisation(self) -> bool:
        """Whether events are tracked under `SP-Anonymous`; those tracked before keep theirs."""
        return Anonymisation.SERVER in self._owner.anonymisation

    @server_anonymisation.setter
    def server_anonymisation(self, value: bool) -> None:
        none = Anonymisation.NONE
        add, remove = (Anonymisation.SERVER, none) if value else (none, Anonymisation.SERVER)
        self._owner.change_level(add=add, remove=remove)

    @property
    def db_count(self) -> int:
        """How many events wait in the event store."""
        return self._owner.waiting_events()

    @property
    def is_sending(self) -> bool:
        """Whether a request is under way."""
        return self._owner.is_sending()

    def pause(self) -> None:
        """Keep events, send none."""
        self._owner.set_sending(sends=False)

    def resume(self) -> None:
        """Send again, at once."""
        self._owner.set_sending(sends=True)

    def flush(self, timeout: float = 10.0) -> bool:
        """As `tracker.flush`."""
        return self._owner.flush(timeout)
