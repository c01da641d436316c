"""The privacy snapshot of each event: level, line, session, template. One owner, one lock.

A *line* is a run of events between two changes of the user or session flag. What the tracker
generates belongs to one line and never crosses into another (promise 2): session ids and indexes,
first event ids, templates, requests, connections. The identified line is number 0 and is resumed;
every other line gets a random number and begins with nothing.

An event that is tracked more anonymously than the tracker is (`anonymisation=`) leaves no mark on
the running line: it has a session of its own, of one event, or none. Nor does an event in a scope
(`tracker.scope`), which has no session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from whiteout.identifiers import NULL_UUID, Anonymisation
from whiteout.tracker.clock import uuid_text
from whiteout.tracker.levels import LEVELS
from whiteout.tracker.session import SessionLine, SessionState
from whiteout.tracker.template import Template, build

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from whiteout.anonymisation import Gate
    from whiteout.protocol.self_describing import SelfDescribingJson
    from whiteout.tracker.scope import EventScope

IDENTIFIED_LINE: Final = 0
_CLIENT: Final = Anonymisation.CLIENT.value
_USER: Final = Anonymisation.USER.value
_SESSION: Final = Anonymisation.SESSION.value


class Shared(Protocol):
    """What events share; its version differs whenever it would answer differently."""

    version: int

    def parameters_for(self, subject: Mapping[str, str] | None) -> Mapping[str, str]:
        """What the tracker and a subject add, unmasked; None: the tracker's own subject."""
        ...

    def entities(
        self, *, with_identifiers: bool, is_of_line: bool = True, scope: EventScope | None = None
    ) -> Sequence[SelfDescribingJson]:
        """The entities; the arguments tell what may be among them."""
        ...

    def basic_entities(self, *, with_identifiers: bool) -> Sequence[SelfDescribingJson]:
        """Those that say on what the tracker runs, and nothing of what goes on there."""
        ...


class Lines:
    """Which line runs, and what its next event carries. Every call under the tracker's lock.

    Args:
        gate: what a level lets through.
        new_uuid: random UUIDs.
        base64: how templates are encoded.
        shared: what events share.
        foreground_timeout_ms: see `SessionConfiguration`.
        background_timeout_ms: the same.
    """

    def __init__(  # noqa: PLR0913 - one argument a collaborator
        self,
        gate: Gate,
        *,
        new_uuid: Callable[[], bytes],
        base64: bool,
        shared: Shared,
        foreground_timeout_ms: int,
        background_timeout_ms: int,
    ) -> None:
        self._gate = gate
        self._new_uuid = new_uuid
        self._base64 = base64
        self._shared = shared
        self._foreground_timeout_ms = foreground_timeout_ms
        self._background_timeout_ms = background_timeout_ms
        self.bits = 0
        self.checks = True
        self.in_background = False
        self.foreground_index = self.background_index = 0
        self.listener: Callable[[SessionState], None] | None = None  # to hear of new sessions
        # Sessions begun since this was last emptied, masked as of then, and who listened then.
        self.started: list[tuple[SessionState, Callable[[SessionState], None] | None]] = []
        self.installation_id: str | None = None
        self._anonymous_lifetime_ms: int | None = None
        self.has_lifetime = False  # whether the running line ends by itself
        self._identified: SessionLine | None = None
        self._session: SessionLine | None = None
        self.number = IDENTIFIED_LINE
        self._templates: dict[int, Template] = {}
        self._templates_version = -1
        self._scope_numbers: dict[int, int] = {}
        self._scope_templates: dict[int, Template] = {}
        self._scopes_epoch = 0

    @property
    def level(self) -> Anonymisation:
        """The level of the running line."""
        return LEVELS[self.bits]

    def enter(self, level: Anonymisation, installation_id: str | None) -> None:
        """Switch to `level`; a change of the user or session flag begins another line.

        Args:
            level: from now on.
            installation_id: who the installation is, where `level` lets the session entity say so.
        """
        crosses = (self.bits ^ level.value) & _CLIENT
        self.bits = level.value
        self._clear_templates()
        if crosses:
            self._begin_line(installation_id)

    def limit_anonymous(self, lifetime_s: float | None) -> None:
        """End an anonymous line that has sessions so long after its first event; None: never.

        Its sessions then do not count on, nor name one another: each has a line of its own (L37).
        """
        self._anonymous_lifetime_ms = None if lifetime_s is None else int(lifetime_s * 1000)
        self._watch_lifetime()

    def is_over(self, now_ms: int) -> bool:
        """Whether the line, one that `has_lifetime`, ends before an event of now."""
        session, lifetime_ms = self._session, self._anonymous_lifetime_ms
        if session is None or session.state is None or lifetime_ms is None:
            return False
        if not 0 <= now_ms - session.state.first_event_at_ms < lifetime_ms:
            return True
        return session.is_due(now_ms, self._timeout_ms, checks=self.checks)

    def part(self) -> None:
        """Begin another anonymous line: nothing that the tracker made goes over to it."""
        self._begin_line(None)

    def resume(
        self, level: Anonymisation, installation_id: str | None, line: SessionLine | None
    ) -> None:
        """Take up `level` at the start of a process, on the identified line if it is that."""
        self.bits = level.value
        self._identified = line
        self._begin_line(installation_id, is_start=True)

    def recall(self, installation_id: str, stored: SessionState | None) -> None:
        """Know the identified line by its stored session, where this process has not run it yet."""
        if self._identified is None and stored is not None:
            self._identified = SessionLine(installation_id, stored=stored)

    def next_event(self, bits: int, event_id: str, now_ms: int) -> tuple[Template, int]:
        """What the event carries besides its own part: its template and its index.

        Args:
            bits: the event's level, at least as anonymous as the line's.
            event_id: a UUID as text.
            now_ms: the event's device time.
        """
        version = self._shared.version
        if version != self._templates_version:
            self._clear_templates()
            self._templates_version = version
        if (bits ^ self.bits) & _CLIENT:
            return self._single_event(bits, event_id, now_ms)
        session = self._session
        index = 0
        if session is not None:
            timeout_ms = (
                self._background_timeout_ms if self.in_background else self._foreground_timeout_ms
            )
            if session.is_due(now_ms, timeout_ms, checks=self.checks):
                self._start_session(session, event_id, now_ms)
            if self.checks:
                session.last_event_at_ms = now_ms
            if session.state is not None:
                index = session.event_index = session.event_index + 1
        template = self._templates.get(bits)
        if template is None:
            state = session.state if session is not None else None
            template = self._templates[bits] = self._build(bits, self.number, state)
        return template, index

    def scoped_event(self, scope: EventScope, bits: int) -> Template:
        """What an event in a scope carries besides its own part; it is in no session.

        Args:
            scope: whose subject is meant.
            bits: the event's level, at least as anonymous as the line's and the scope's.
        """
        version = self._shared.version
        if version != self._templates_version:
            self._clear_templates()
            self._templates_version = version
        if scope.is_alone:
            return self._build_scoped(scope, bits)
        if scope.subject is None and not scope.is_service:
            template = self._scope_templates.get(bits)
            if template is None:
                template = self._scope_templates[bits] = self._build_scoped(scope, bits)
            return template
        key = bits, self._scopes_epoch
        template = scope.templates.get(key)
        if template is None:
            if len(scope.templates) >= len(LEVELS):  # most are of an epoch that is over
                scope.templates.clear()
            template = scope.templates[key] = self._build_scoped(scope, bits)
        return template

    def renew_session(self) -> None:
        """The next event starts a new session."""
        if self._session is not None:
            self._session.must_renew = True

    def turn(self, *, is_visible: bool) -> None:
        """The app is in the foreground, or not, from now on."""
        self.in_background = not is_visible
        if is_visible:
            self.foreground_index += 1
        else:
            self.background_index += 1

    def session_user_id(self) -> str | None:
        """Whose session runs; None where none does, and while anything is anonymous."""
        session = self._identified
        if self.bits or session is None or session.state is None or session.must_renew:
            return None
        return None if session.is_broken_off else session.user_id

    def link_session_id(self, now_ms: int) -> str | None:
        """The session that an event now would be in; None where that has yet to begin, or none.

        After a change of the level this never is the session before it (leak L20).
        """
        session = self._session
        if session is None or session.state is None:
            return None
        if session.is_due(now_ms, self._timeout_ms, checks=self.checks):
            return None
        return session.state.session_id

    def touch(self, now_ms: int) -> None:
        """The app is about to turn, and no event says so: activity all the same."""
        session = self._session
        if session is None or session.state is None or not self.checks:
            return
        if session.is_due(now_ms, self._timeout_ms, checks=True):
            session.must_renew = True
        session.last_event_at_ms = now_ms

    def state(self) -> SessionState | None:
        """The running session, masked as the level asks."""
        state = self._session.snapshot() if self._session is not None else None
        return state.masked(self.level) if state is not None else None

    def identified_state(self) -> SessionState | None:
        """The identified line's last session, unmasked, to be stored."""
        return self._identified.snapshot() if self._identified is not None else None

    @property
    def has_ended(self) -> bool:
        """Whether the identified line's last session was ended by a change of the level."""
        return self._identified is not None and self._identified.is_broken_off

    @property
    def is_identified(self) -> bool:
        """Whether the identified line runs."""
        return not self.bits & _CLIENT

    @property
    def has_session(self) -> bool:
        """Whether events carry the session entity."""
        return self._session is not None

    def forget(self) -> None:
        """Break off every line: the next event knows nothing of the ones before."""
        self._identified = None
        self.installation_id = None
        self.started.clear()

    def use_timeouts(self, *, foreground_ms: int, background_ms: int) -> None:
        """From the next event on; a session that is running is judged by them."""
        self._foreground_timeout_ms = foreground_ms
        self._background_timeout_ms = background_ms

    def encode(self, *, base64: bool) -> None:
        """How templates are encoded, from the next event on."""
        self._base64 = base64
        self._clear_templates()

    def invalidate(self) -> None:
        """Build templates anew: a new segment or a new journal starts without them."""
        self._clear_templates()

    @property
    def _timeout_ms(self) -> int:
        return self._background_timeout_ms if self.in_background else self._foreground_timeout_ms

    def _clear_templates(self) -> None:
        self._templates.clear()
        self._scope_templates.clear()
        self._scopes_epoch += 1

    def _begin_line(self, installation_id: str | None, *, is_start: bool = False) -> None:
        self._clear_templates()
        self._scope_numbers.clear()
        # Counts of before would tell on the new line how often the app had come and gone (L22).
        self.foreground_index = self.background_index = 0
        if self.is_identified:
            self.number = IDENTIFIED_LINE
            self.installation_id = installation_id
            if self._identified is None:
                self._identified = SessionLine(installation_id or NULL_UUID)
            self._identified.is_broken_off = not is_start
            self._session = self._identified
            self._watch_lifetime()
            return
        self.installation_id = None
        # Never 0, and at most 62 bits, so that SQLite and JSON hold it exactly.
        self.number = int.from_bytes(self._new_uuid()[:6], "big") + 1
        self._session = None
        if not self.bits & _SESSION:
            self._session = SessionLine(NULL_UUID)
            self._session.is_broken_off = not is_start
        self._watch_lifetime()

    def _watch_lifetime(self) -> None:
        self.has_lifetime = (
            self._anonymous_lifetime_ms is not None
            and not self.is_identified
            and self._session is not None
        )

    def _start_session(self, session: SessionLine, event_id: str, now_ms: int) -> None:
        state = session.start(uuid_text(self._new_uuid()), event_id, now_ms)
        self._templates.clear()
        self.started.append((state.masked(self.level), self.listener))

    def _single_event(self, bits: int, event_id: str, now_ms: int) -> tuple[Template, int]:
        number = int.from_bytes(self._new_uuid()[:6], "big") + 1
        if bits & _SESSION:
            return self._build(bits, number, None, is_of_line=False), 0
        user_id = NULL_UUID if bits & _USER else self.installation_id or NULL_UUID
        line = SessionLine(user_id)
        state = line.start(uuid_text(self._new_uuid()), event_id, now_ms)
        return self._build(bits, number, state, is_of_line=False), 1

    def _build_scoped(self, scope: EventScope, bits: int) -> Template:
        number = self.number
        if scope.is_alone:
            number = int.from_bytes(self._new_uuid()[:6], "big") + 1
        elif (bits ^ self.bits) & _CLIENT:
            # One line for all scopes of a level: none of them says which of them events are of.
            known = self._scope_numbers.get(bits & _CLIENT)
            number = known or int.from_bytes(self._new_uuid()[:6], "big") + 1
            self._scope_numbers[bits & _CLIENT] = number
        if scope.is_service:
            return self._build_service(bits, number)
        return self._build(bits, number, None, is_of_line=False, scope=scope)

    def _build_service(self, bits: int, number: int) -> Template:
        return build(
            self._gate,
            LEVELS[bits],
            line=number,
            base64=self._base64,
            parameters=self._shared.parameters_for(None),
            entities=self._shared.basic_entities(with_identifiers=not bits & _USER),
            session=None,
            is_identified_line=number == IDENTIFIED_LINE,
        )

    def _build(
        self,
        bits: int,
        number: int,
        state: SessionState | None,
        *,
        is_of_line: bool = True,
        scope: EventScope | None = None,
    ) -> Template:
        return build(
            self._gate,
            LEVELS[bits],
            line=number,
            base64=self._base64,
            parameters=self._shared.parameters_for(scope.subject if scope is not None else None),
            entities=self._shared.entities(
                with_identifiers=not bits & _USER, is_of_line=is_of_line, scope=scope
            ),
            session=state,
            is_identified_line=number == IDENTIFIED_LINE,
        )
