"""`tracker.session`: the running session, and when it ends.

A controller of a closed tracker is inert: it reads the last values and changes nothing (leak L26).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from whiteout.tracker.live import Controlled

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.tracker.configuration import SessionConfiguration
    from whiteout.tracker.live import Live, LiveChanges
    from whiteout.tracker.passage import Passage
    from whiteout.tracker.session import SessionState


class _MoveApp(Protocol):
    """What reports that the app moved between foreground and background."""

    def __call__(self, *, is_visible: bool) -> str | None: ...


class SessionController(Controlled):
    """`tracker.session`: the running session. What it shows is masked as the level asks (L29)."""

    _section = "session"
    _changes: LiveChanges

    def __init__(
        self,
        passage: Passage,
        move_app: _MoveApp,
        live: Live[SessionConfiguration],
        changes: LiveChanges,
    ) -> None:
        self._passage = passage
        self._live = live
        self._changes = changes
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

    @property
    def foreground_timeout(self) -> float:
        """Seconds without an event after which a session is over."""
        return self._live.current.foreground_timeout

    @foreground_timeout.setter
    def foreground_timeout(self, value: float) -> None:
        self._changes.session("foreground_timeout", value)

    @property
    def background_timeout(self) -> float:
        """The same while the app is in the background."""
        return self._live.current.background_timeout

    @background_timeout.setter
    def background_timeout(self, value: float) -> None:
        self._changes.session("background_timeout", value)

    @property
    def continue_session_on_restart(self) -> bool:
        """Whether the session is stored all the time, so that the next start may continue it."""
        return self._live.current.continue_session_on_restart

    @continue_session_on_restart.setter
    def continue_session_on_restart(self, value: bool) -> None:
        self._changes.session("continue_session_on_restart", value)

    @property
    def on_session_update(self) -> Callable[[SessionState], None] | None:
        """Called for each new session, on a background thread; None: nobody is."""
        return self._live.current.on_session_update

    @on_session_update.setter
    def on_session_update(self, value: Callable[[SessionState], None] | None) -> None:
        self._changes.session("on_session_update", value)

    def start_new_session(self) -> None:
        """The next event starts a new session.

        While `session_context` is off there is none to end: the first event after it is on again
        starts a new one in any case.
        """
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
