"""What an event passes on its way into the journal, in one step with session, level and states.

Invariants
- `lock` is held for microseconds, never across I/O or the app's code: what an event says is taken
  from it, gated and shown to extensions before.
- What is kept back (by a filter, by a state machine) is kept back before a session counts it.
- An event that is tracked in the middle of another's passing, by a signal handler or a finaliser on
  the same thread, passes right after it.
- States belong to the running line. An event that leaves no mark on the line, since it is more
  anonymous than that or in a scope, neither moves them nor carries anything of them: it passes as
  if no machine were there.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from whiteout.events.deep_link import attribution
from whiteout.events.lifecycle import Background, Foreground
from whiteout.events.state_entities import DeepLink
from whiteout.identifiers import Anonymisation
from whiteout.strict.profile import PrivacyProfile
from whiteout.tracker.inspectable import InspectableEvent
from whiteout.tracker.journal import EVENT
from whiteout.tracker.levels import LEVELS
from whiteout.tracker.own_part import encode, regate
from whiteout.tracker.records import EVENT_HEADER, EVENT_RECORD
from whiteout.tracker.scope import CURRENT, EventScope, scope_of
from whiteout.tracker.states.fact import (
    SCREEN_END,
    SCREEN_END_PART,
    SCREEN_VIEW,
    Fact,
    MovingClasses,
    fact_of,
)
from whiteout.tracker.states.states import LIFECYCLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from whiteout.anonymisation import Gate
    from whiteout.events.event import Event
    from whiteout.protocol.self_describing import SelfDescribingJson
    from whiteout.tracker.counters import Counters
    from whiteout.tracker.engine import Engine
    from whiteout.tracker.environment import Environment
    from whiteout.tracker.lines import Lines
    from whiteout.tracker.states.states import States

_NONE: Final = Anonymisation.NONE
_CLIENT: Final = Anonymisation.CLIENT.value
_MAX_WITHHELD: Final = 256  # schemas to tell of; an app has a few dozen
_DEEP_LINK: Final = DeepLink.SCHEMA
_BODY_BYTES: Final = EVENT_HEADER.size  # of a record, before the own part
_END: Final = Fact(SCREEN_END, {})
_pack: Final = EVENT_RECORD.pack


class Extensions(Protocol):
    """What an app adds to tracking: plugins, global contexts. Called outside every lock."""

    is_empty: bool

    def extend(self, event: InspectableEvent) -> InspectableEvent | None:
        """The event with more entities, gated; None: it is not to be tracked."""
        ...

    def after_track(self, event: InspectableEvent) -> None:
        """It was tracked; must not block."""
        ...


_REFUSED: Final = b"refused"  # compared by identity
_SWITCHED: Final = b"switched"

# An own part, the level it was made for, the flags that the event asks for, its id, what machines
# see of it, its scope, and where the app is once it has passed.
_Prepared = tuple[bytes, int, int, str, Fact | None, "EventScope | None", bool | None]


class Passage:
    """Takes events in. One owner of what they pass: the lines, the states, the end of the journal.

    Args:
        gate: what a level lets through.
        service_gate: the same of errors of the tracker itself.
        lines: of the tracker.
        states: of its running line.
        environment: time and ids.
        counters: where drops are counted.
        lock: the tracker's.
    """

    engine: Engine

    def __init__(  # noqa: PLR0913 - one argument a collaborator
        self,
        gate: Gate,
        service_gate: Gate,
        *,
        lines: Lines,
        states: States,
        environment: Environment,
        counters: Counters,
        lock: AbstractContextManager[object],
    ) -> None:
        self._gate = gate
        self._service_gate = service_gate
        self._is_strict = gate.profile is PrivacyProfile.STRICT
        self._time_steps_ms = gate.time_steps_ms
        self._withheld: set[str] = set()  # schemas that the developer was told of
        self.lines = lines
        self.states = states
        self._counters = counters
        self.lock = lock
        self.new_id: Callable[[], str] = environment.new_id()
        self.now_ms = environment.clock.now_ms
        self._monotonic_s = environment.clock.monotonic_s
        self._moving = MovingClasses()
        self._is_passing = False
        self._interrupting: deque[_Prepared] = deque()
        self.owner = object()  # whose scopes hold here
        self._service = EventScope(
            owner=self.owner, outer=None, bits=0, subject=None, is_service=True
        )
        self.extensions: Extensions | None = None
        self.closed = False
        self.paused = False

    # --- any thread ---------------------------------------------------------------------------

    def track(
        self,
        event: Event,
        anonymisation: Anonymisation,
        turns_visible: bool | None = None,  # noqa: FBT001 - of the app
    ) -> str | None:
        """Let an event pass; its id, or None where nothing is tracked.

        Args:
            event: read at once.
            anonymisation: flags besides those of the line and the scope.
            turns_visible: for the tracker's own foreground and background events: where the app is
                once the event has passed. It passes only if that is a change.
        """
        extra = 0 if anonymisation is _NONE else anonymisation.value
        scope, gate = CURRENT.get(), self._gate
        if scope is not None:
            scope, gate = self._in_scope(scope, turns_visible)
            extra |= scope.bits if scope is not None else 0
        body = event.self_describing(self.new_id)
        kind = self._moving[event.__class__]
        fact = None
        if kind is not None and (self.states.is_watching or turns_visible is not None):
            fact = fact_of(kind, event, body)
        more = _attribution(fact, event.entities) if fact is not None and event.entities else None
        event_id = self.new_id()
        extensions = self.extensions
        passed: bytes | None = _SWITCHED
        while passed is _SWITCHED:  # since it was prepared: the event is of the new level
            bits = self.lines.bits | extra
            own = encode(event, body, event.entities, LEVELS[bits], gate, more)
            if self._is_strict:
                self._warn_of_withheld(body, event.entities, LEVELS[bits])
            if extensions is not None and not extensions.is_empty:
                extended = self._extend(extensions, own, bits, fact)
                if extended is None:
                    return self._veto(event_id, turns_visible)
                own = extended
            passed = self._enter((own, bits, extra, event_id, fact, scope, turns_visible))
        if passed is _REFUSED:
            return None
        writer = self.engine.writer
        if not writer.is_awake:
            writer.wake()
        if extensions is not None and not extensions.is_empty:
            self._follow(extensions, passed, bits, fact)
        return event_id

    def track_service(self, event: Event) -> str | None:
        """Let an error of the tracker itself pass: it is in no session, and moves none."""
        token = CURRENT.set(self._service)
        try:
            return self.track(event, _NONE)
        finally:
            CURRENT.reset(token)

    def become(self, *, is_visible: bool) -> str | None:
        """The app came to the foreground or went to the background; None: it was there, or quiet.

        The event passes first, so that the timeout of where the app was decides about its session.
        """
        lines = self.lines
        while True:
            with self.lock:
                if self.closed or lines.in_background is not is_visible:
                    return None
                if not self.states.is_on(LIFECYCLE):
                    self._turn(is_visible)
                    return None
                index = 1 + (lines.foreground_index if is_visible else lines.background_index)
            event: Event = (
                Foreground(foreground_index=index)
                if is_visible
                else Background(background_index=index)
            )
            event_id = self.track(event, _NONE, is_visible)
            if event_id is not None:
                return event_id

    def extended_end(self, level: Anonymisation) -> InspectableEvent | None:
        """What extensions make of the end of the screen, where `level` ends one; before any lock.

        For `end_screen`.
        """
        extensions = self.extensions
        if extensions is None or extensions.is_empty or not self.states.has_open_screen:
            return None
        bits = self.lines.bits
        return self._extended_end(extensions, bits) if (bits ^ level.value) & _CLIENT else None

    def end_screen(self, extended: InspectableEvent | None) -> None:
        """Let the end of the screen pass, if there is one, and forget all states.

        For the end of a line; the event is of the level that still holds.

        Args:
            extended: the event, where there are extensions; it does not pass where they have vetoed
                it, or were asked about another level than holds now.
        """
        fact = Fact(SCREEN_VIEW, None)
        extensions = self.extensions
        bits = self.lines.bits
        if extensions is not None and not extensions.is_empty:
            is_ours = extended is not None and extended.anonymisation is LEVELS[bits]
            fact.end = extended.own_part if extended is not None and is_ours else None
        with self.lock:
            self._end_screen(fact)
            self.states.reset()
        if extensions is not None and not extensions.is_empty:
            self._follow(extensions, None, bits, fact)

    def switch(self, level: Anonymisation, installation_id: str | None) -> None:
        """Enter a level, in one step with the end of what belongs to the line before."""
        with self.lock:
            if (self.lines.bits ^ level.value) & _CLIENT:
                self._end_screen(Fact(SCREEN_VIEW, None))
                self.states.reset()
            self.lines.enter(level, installation_id)

    @contextmanager
    def keeping_events_out(self) -> Iterator[None]:
        """Hold the lock, against signal handlers and finalisers of the own thread as well."""
        with self.lock:
            self._is_passing = True
            try:
                yield
            finally:
                self._leave()

    def _in_scope(
        self,
        scope: EventScope,
        turns_visible: bool | None,  # noqa: FBT001 - of the app
    ) -> tuple[EventScope | None, Gate]:
        """The scope of ours that an event is in, as far as it still holds, and its gate."""
        mine = scope_of(self.owner, scope) if turns_visible is None else None
        mine = mine and mine.now()
        return mine, self._service_gate if mine is self._service else self._gate

    def _enter(self, prepared: _Prepared) -> bytes | None:
        """Take the lock, and let a prepared event pass.

        Returns:
            what was stored of it; None where a machine keeps it back, it is dropped, or it waits
            for the event that it interrupts; `_REFUSED` or `_SWITCHED`.
        """
        own, bits, extra, event_id, fact, scope, turns_visible = prepared
        with self.lock:
            if self.closed:
                return _REFUSED
            if self.paused:
                self._turn(turns_visible)
                return _REFUSED
            if self._is_passing:  # a signal handler or a finaliser, in the middle of another
                self._interrupting.append(prepared)
                return None
            lines = self.lines
            if bits != lines.bits | extra:
                return _SWITCHED
            if lines.has_lifetime and scope is None:
                self._part_if_over(bits)
            if turns_visible is not None and not self._is_turn(turns_visible, fact):
                return _REFUSED
            self._is_passing = True
            try:
                passed = self._pass(own, bits, event_id, fact, scope)
                if turns_visible is not None:
                    self._moved(turns_visible)
            finally:
                self._leave()
        return passed

    # --- under the lock -----------------------------------------------------------------------

    def _pass(
        self,
        own: bytes,
        bits: int,
        event_id: str,
        fact: Fact | None,
        scope: EventScope | None,
    ) -> bytes | None:
        """Let an event pass into its session and the journal; what is stored of it, or None."""
        lines = self.lines
        if scope is not None:
            now_ms = self.now_ms()
            template, index = lines.scoped_event(scope, bits), 0
        else:
            if not (bits ^ lines.bits) & _CLIENT:
                if fact is None:
                    own = self.states.add_to(own, bits)
                else:
                    shown = self._show(own, bits, fact)
                    if shown is None:
                        return None
                    own = shown
            now_ms = self.now_ms()  # here, so that it never steps back from one event to the next
            template, index = lines.next_event(bits, event_id, now_ms)
        step_ms = self._time_steps_ms[bits]
        if step_ms != 1:  # a strict profile: what is told and kept is coarse (L38)
            now_ms -= now_ms % step_ms
        record = _pack(_BODY_BYTES + len(own), EVENT, template.id, now_ms, index, event_id.encode())
        refused = self.engine.append(template, record + own)
        if refused is not None:
            self._counters.drop(refused)
            return None
        return own

    def _part_if_over(self, bits: int) -> None:
        """End an anonymous line whose time is up, before an event of its own level (leak L37).

        The screen that is open gets no end: told now, it would be of both lines.
        """
        lines = self.lines
        if not (bits ^ lines.bits) & _CLIENT and lines.is_over(self.now_ms()):
            self.states.reset()
            lines.part()

    def _show(self, own: bytes, bits: int, fact: Fact) -> bytes | None:
        states = self.states
        line = self.lines.number
        if states.wants_screen_end_before(fact):
            self._pass_screen_end(fact, bits)
        shown = states.show(fact, own, bits, self._monotonic_s())
        if self.lines.number != line:  # a signal handler has switched the level meanwhile
            states.reset()
        return shown

    def _pass_screen_end(self, fact: Fact, bits: int) -> None:
        if fact.end is not None:
            fact.ended = self._pass(fact.end, bits, self.new_id(), _END, None)

    def _end_screen(self, fact: Fact) -> None:
        if self.closed or self.paused or self._is_passing or not self.states.has_open_screen:
            return
        if self.lines.has_lifetime and self.lines.is_over(self.now_ms()):
            return  # as in `_part_if_over`: told now, it would outlive its session
        self._is_passing = True
        try:
            self._pass_screen_end(fact, self.lines.bits)
        finally:
            self._leave()
        writer = self.engine.writer
        if not writer.is_awake:
            writer.wake()

    def _leave(self) -> None:
        """An event has passed: let those pass that were tracked in the middle of it."""
        while True:
            try:
                if self._interrupting:
                    self._let_in()
            finally:
                self._is_passing = False
            if not self._interrupting:
                return
            self._is_passing = True  # one came just before it could have passed by itself

    def _let_in(self) -> None:
        while self._interrupting:
            own, bits, extra, event_id, fact, scope, turns = self._interrupting.popleft()
            wanted = self.lines.bits | extra | bits
            if self.lines.has_lifetime and scope is None:
                self._part_if_over(wanted)
            if wanted != bits:  # switched since; of two levels that of more anonymity holds
                own = regate(own, LEVELS[wanted], self._gate)
            if turns is not None and not self._is_turn(turns, fact):
                continue
            self._pass(own, wanted, event_id, fact, scope)
            if turns is not None:
                self._moved(turns)

    def _is_turn(self, is_visible: bool, fact: Fact | None) -> bool:  # noqa: FBT001 - of the app
        """Whether the app was elsewhere, and the event counts as the next of its kind."""
        lines = self.lines
        data = fact.data if fact is not None and fact.data is not None else {}
        if is_visible:
            expected = data.get("foregroundIndex") == lines.foreground_index + 1
        else:
            expected = data.get("backgroundIndex") == lines.background_index + 1
        return expected and lines.in_background is is_visible

    def _turn(self, is_visible: bool | None) -> None:  # noqa: FBT001 - of the app
        """The app moved, and no event says so."""
        if is_visible is not None and self.lines.in_background is is_visible:
            self.lines.touch(self.now_ms())
            self._moved(is_visible)

    def _moved(self, is_visible: bool) -> None:  # noqa: FBT001 - of the app
        self.lines.turn(is_visible=is_visible)
        self.states.turn(is_visible=is_visible)

    # --- the strict profile, outside the lock ---------------------------------------------------

    def _warn_of_withheld(
        self,
        body: SelfDescribingJson | None,
        entities: Sequence[SelfDescribingJson],
        level: Anonymisation,
    ) -> None:
        """Tell the developer, once a schema, of what the strict profile lets nothing of pass."""
        for item in entities if body is None else (body, *entities):
            if self._gate.lets_in(item.schema, level) or len(self._withheld) >= _MAX_WITHHELD:
                continue
            family = item.schema.rsplit("/", 2)[0]
            if family not in self._withheld:
                self._withheld.add(family)
                self._counters.warn(
                    f"withheld-{family}",
                    f"nothing of {family} is sent of an anonymous event: the privacy profile is "
                    "strict",
                )

    # --- extensions, outside the lock -----------------------------------------------------------

    def _extend(
        self, extensions: Extensions, own: bytes, bits: int, fact: Fact | None
    ) -> bytes | None:
        extended = extensions.extend(InspectableEvent(own, LEVELS[bits]))
        if extended is None:
            return None
        if fact is not None and fact.schema == SCREEN_VIEW and self.states.has_open_screen:
            end = self._extended_end(extensions, bits)
            fact.end = None if end is None else end.own_part
        return extended.own_part

    @staticmethod
    def _extended_end(extensions: Extensions, bits: int) -> InspectableEvent | None:
        """A screen end with what extensions add; None: vetoed."""
        return extensions.extend(InspectableEvent(SCREEN_END_PART, LEVELS[bits]))

    def _veto(self, event_id: str, turns: bool | None) -> str | None:  # noqa: FBT001 - of the app
        """A filter keeps the event back: it keeps its id, and nothing of it is counted."""
        with self.lock:
            if self.closed or self.paused:
                return None
            self._turn(turns)
        return event_id

    @staticmethod
    def _follow(extensions: Extensions, own: bytes | None, bits: int, fact: Fact | None) -> None:
        """Tell extensions of what was tracked."""
        if fact is not None and fact.ended is not None:
            extensions.after_track(InspectableEvent(fact.ended, LEVELS[bits]))
        if own is not None:
            extensions.after_track(InspectableEvent(own, LEVELS[bits]))


def _attribution(fact: Fact, entities: Sequence[SelfDescribingJson]) -> dict[str, str] | None:
    """`url` and `refr` of the first deep link that the app attached to a screen view."""
    for entity in entities if fact.schema == SCREEN_VIEW else ():
        if entity.schema == _DEEP_LINK and isinstance(entity.data, dict):
            return attribution(entity.data)
    return None
