"""The owner of the state machines: shows them events, and writes what they add.

Every call under the tracker's lock. What machines add passes the gate at the event's level here,
before it is joined to the event's own part.

A plain event pays one look-up of a fragment that lies ready: the entities of every event are
written once for each level, when the state changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from whiteout.events.event import body as described
from whiteout.identifiers import Anonymisation
from whiteout.tracker.levels import LEVELS
from whiteout.tracker.serialisation import dumps
from whiteout.tracker.states.deep_link import DeepLinkMachine
from whiteout.tracker.states.fact import SCREEN_VIEW, Fact
from whiteout.tracker.states.lifecycle import LifecycleMachine
from whiteout.tracker.states.screen import ScreenMachine
from whiteout.tracker.states.screen_summary import ScreenSummaryMachine
from whiteout.tracker.template import SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from whiteout.anonymisation import Gate
    from whiteout.protocol.self_describing import SelfDescribingJson
    from whiteout.tracker.states.machine import Addition, Entity, StateMachine

SCREEN: Final = "screen_context"
SUMMARY: Final = "screen_engagement_autotracking"
LIFECYCLE: Final = "lifecycle_autotracking"
DEEP_LINK: Final = "deep_link_context"
FEATURES: Final = (SCREEN, SUMMARY, LIFECYCLE, DEEP_LINK)
"""The options that switch a machine on, in the order in which machines are shown an event."""

_NONE: Final = Anonymisation.NONE
_SEPARATOR: Final = SEPARATOR.encode()
_LAST: Final = _SEPARATOR[0]


class _Shown(NamedTuple):
    """Who is shown events of a schema, and asked what: a call that says nothing costs 0.3 us."""

    machines: tuple[StateMachine, ...] = ()
    ending: tuple[StateMachine, ...] = ()  # those that may want a screen end before
    filtering: tuple[StateMachine, ...] = ()
    adding: tuple[StateMachine, ...] = ()
    moves_entities: bool = False  # of every event

    @classmethod
    def of(cls, schema: str, machines: Iterable[StateMachine]) -> _Shown:
        """Those of the machines that are shown events of `schema`."""
        shown = tuple(one for one in machines if schema in one.schemas)
        return cls(
            shown,
            tuple(one for one in shown if schema in one.ends_before),
            tuple(one for one in shown if schema in one.keeps_back),
            tuple(one for one in shown if schema in one.adds_to),
            any(one.has_entity for one in shown),
        )


_NOBODY: Final = _Shown()


class States:
    """The state of a tracker's running line.

    Args:
        gate: what a level lets through.
        share_lifecycle: told of the lifecycle entity, which events share.
        features: of `FEATURES`, those that are on.
    """

    def __init__(
        self,
        gate: Gate,
        *,
        share_lifecycle: Callable[[SelfDescribingJson | None], None],
        features: Iterable[str] = (),
    ) -> None:
        self._gate = gate
        self._share_lifecycle = share_lifecycle
        self._machines: dict[str, StateMachine] = {}
        self._shown: dict[str, _Shown] = {}
        self._carriers: tuple[StateMachine, ...] = ()  # those with an entity for every event
        self.is_watching = False  # whether there is any machine
        self._fragments: dict[int, bytes] = {}
        self._app_is_visible = True
        for feature in features:
            self.switch(feature, on=True)

    def is_on(self, feature: str) -> bool:
        """Whether a machine runs."""
        return feature in self._machines

    def switch(self, feature: str, *, on: bool) -> None:
        """Add or remove a machine; one that runs already goes on, a removed one's state is lost."""
        if on is self.is_on(feature):
            return
        if on:
            self._machines[feature] = self._new(feature)
        else:
            machine = self._machines.pop(feature)
            if isinstance(machine, LifecycleMachine):
                machine.stop()
        ordered = [self._machines[name] for name in FEATURES if name in self._machines]
        schemas = {schema for machine in ordered for schema in machine.schemas}
        self._shown = {schema: _Shown.of(schema, ordered) for schema in schemas}
        self._carriers = tuple(machine for machine in ordered if machine.has_entity)
        self.is_watching = bool(ordered)
        self._fragments.clear()

    def reset(self) -> None:
        """Forget all states: another line begins."""
        for machine in self._machines.values():
            machine.reset()
        self._fragments.clear()

    def turn(self, *, is_visible: bool) -> None:
        """The app is in the foreground, or not, from now on; whether or not an event says so."""
        self._app_is_visible = is_visible
        machine = self._machines.get(LIFECYCLE)
        if isinstance(machine, LifecycleMachine):
            machine.turn(is_visible=is_visible)

    def wants_screen_end_before(self, fact: Fact) -> bool:
        """Whether a screen end must pass before this event does."""
        for machine in self._shown.get(fact.schema, _NOBODY).ending:  # any(): 0.5 us more
            if machine.wants_screen_end:
                return True
        return False

    @property
    def has_open_screen(self) -> bool:
        """Whether a screen is to be ended when its line ends."""
        return self.wants_screen_end_before(_NEXT_SCREEN)

    def add_to(self, own: bytes, bits: int) -> bytes:
        """A plain event's own part, with the entities that every event carries."""
        fragment = self._fragments.get(bits)
        if fragment is None:
            fragment = self._fragments[bits] = self._encode_common(bits)
        return _with(own, fragment)

    def show(self, fact: Fact, own: bytes, bits: int, now_s: float) -> bytes | None:
        """Move the states; the event's own part with what they add; None: it is not sent.

        Args:
            fact: what is known of the event.
            own: its own part, gated at the level `bits`.
            bits: the event's level.
            now_s: monotonic.
        """
        shown = self._shown.get(fact.schema, _NOBODY)
        passes = True
        for machine in shown.filtering:
            if not machine.lets_pass(fact):
                passes = False
        for machine in shown.machines:
            machine.transition(fact, now_s)
        if shown.moves_entities:
            self._fragments.clear()
        if not passes:
            return None
        for machine in shown.adding:
            addition = machine.addition(fact)
            if addition is not None:
                own = self._join(own, addition, fact.schema, LEVELS[bits])
        return self.add_to(own, bits)

    def _new(self, feature: str) -> StateMachine:
        if feature == LIFECYCLE:
            return LifecycleMachine(self._share_lifecycle, is_visible=self._app_is_visible)
        made: dict[str, Callable[[], StateMachine]] = {
            SCREEN: ScreenMachine,
            SUMMARY: ScreenSummaryMachine,
            DEEP_LINK: DeepLinkMachine,
        }
        return made[feature]()

    def _encode_common(self, bits: int) -> bytes:
        fragment = b""
        for machine in self._carriers:
            entity = machine.entity()
            if entity is not None:
                fragment += self._encode(entity, LEVELS[bits])
        return fragment

    def _encode(self, entity: Entity, level: Anonymisation) -> bytes:
        """An entity as it follows others; nothing where the level does not let it through."""
        schema, data = entity
        if level is not _NONE:
            passed = self._gate.entity(described(schema, data), level)
            if passed is None:
                return b""
            data = passed.data
        return b"," + dumps({"schema": schema, "data": data})

    def _join(self, own: bytes, addition: Addition, schema: str, level: Anonymisation) -> bytes:
        """The own part with what a machine adds."""
        if addition.parameters or addition.body:
            own = self._extend(own, addition, schema, level)
        return own if addition.entity is None else _with(own, self._encode(addition.entity, level))

    def _extend(self, own: bytes, addition: Addition, schema: str, level: Anonymisation) -> bytes:
        """The own part with more parameters and more of a body."""
        parameters, body, entities = own.split(_SEPARATOR)
        # An entity of the same kind that the app attached came first: its link is there already.
        if addition.parameters and not (b'"url":' in parameters or b'"refr":' in parameters):
            passed = self._gate.parameters(addition.parameters, level)
            if passed:
                parameters += b"," + dumps(passed)[1:-1]
        if addition.body:
            data = addition.body
            if level is not _NONE:
                data = self._gate.body(described(schema, data), level).data
            if data:
                comma = b"" if body.endswith(b"{}}") else b","
                body = body[:-2] + comma + dumps(data)[1:-1] + b"}}"
        return _SEPARATOR.join((parameters, body, entities))


def _with(own: bytes, fragment: bytes) -> bytes:
    """An own part with further entities, each with the comma that sets it apart."""
    return own + fragment if own[-1] != _LAST else own + fragment[1:]


_NEXT_SCREEN: Final = Fact(SCREEN_VIEW, None)
