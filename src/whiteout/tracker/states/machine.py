"""The contract between one state machine and their owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whiteout.tracker.states.fact import Fact

    Entity = tuple[str, Mapping[str, Any]]  # its schema and its data

_NONE: Final[frozenset[str]] = frozenset()


class Addition(NamedTuple):
    """What a machine adds to one event; unmasked, since their owner passes it through the gate.

    Attributes:
        entity: besides those of every event.
        parameters: of the payload; those that the event has already stay.
        body: properties of the event's data; the machine leaves out those that the event has.
    """

    entity: Entity | None = None
    parameters: Mapping[str, str] | None = None
    body: Mapping[str, Any] | None = None


class StateMachine(Protocol):
    """One state. Every call under the tracker's lock; a call takes microseconds.

    What a machine is asked about an event depends on the event's schema.
    """

    @property
    def schemas(self) -> frozenset[str]:
        """Those of the events that it is shown; the following are some of these."""
        ...

    @property
    def ends_before(self) -> frozenset[str]:
        """Where it may want a screen end before."""
        ...

    @property
    def keeps_back(self) -> frozenset[str]:
        """Where it may keep the event back."""
        ...

    @property
    def adds_to(self) -> frozenset[str]:
        """Where it may add to the event."""
        ...

    @property
    def has_entity(self) -> bool:
        """Whether every event may carry something of it."""
        ...

    @property
    def wants_screen_end(self) -> bool:
        """Whether a screen is open, whose end must pass first."""
        ...

    def lets_pass(self, fact: Fact) -> bool:
        """Whether the event is sent; asked before anything counts it."""
        ...

    def transition(self, fact: Fact, now_s: float) -> None:
        """Go on to the next state; `now_s` is monotonic."""
        ...

    def addition(self, fact: Fact) -> Addition | None:
        """What the event carries besides; asked after the transition."""
        ...

    def entity(self) -> Entity | None:
        """What every event carries while this state lasts."""
        ...

    def reset(self) -> None:
        """Forget: nothing of before may be found in an event from now on."""
        ...


class Quiet:
    """A machine that does nothing: each overrides what it does."""

    ends_before = keeps_back = adds_to = _NONE
    has_entity = False
    wants_screen_end = False

    def lets_pass(self, fact: Fact) -> bool:  # noqa: ARG002 - the interface
        """Always."""
        return True

    def addition(self, fact: Fact) -> Addition | None:  # noqa: ARG002 - the interface
        """Nothing."""
        return None

    def entity(self) -> Entity | None:
        """None."""
        return None
