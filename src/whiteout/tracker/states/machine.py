"""The contract between one state machine and their owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from whiteout.protocol.self_describing import SelfDescribingJson
    from whiteout.tracker.states.fact import Fact


class Addition:
    """What machines add to one event; unmasked, since their owner passes it through the gate.

    Attributes:
        parameters: of the payload; those that the event has already stay.
        body: properties of the event's data; the machine leaves out those that the event has.
        entities: besides those of every event.
    """

    __slots__ = ("body", "entities", "parameters")

    def __init__(self) -> None:
        self.parameters: dict[str, str] = {}
        self.body: dict[str, Any] = {}
        self.entities: list[SelfDescribingJson] = []


class StateMachine(Protocol):
    """One state. Every call under the tracker's lock; a call takes microseconds."""

    @property
    def schemas(self) -> frozenset[str]:
        """The schemas of the events that it is shown."""
        ...

    @property
    def has_entity(self) -> bool:
        """Whether every event may carry something of it."""
        ...

    def wants_screen_end_before(self, fact: Fact) -> bool:
        """Whether a screen end must pass before this event does."""
        ...

    def lets_pass(self, fact: Fact) -> bool:
        """Whether the event is sent; asked before anything counts it."""
        ...

    def transition(self, fact: Fact, now_s: float) -> None:
        """Go on to the next state; `now_s` is monotonic."""
        ...

    def add(self, fact: Fact, addition: Addition) -> None:
        """Say what the event carries besides; asked after the transition."""
        ...

    def entity(self) -> SelfDescribingJson | None:
        """What every event carries while this state lasts."""
        ...

    def reset(self) -> None:
        """Forget: nothing of before may be found in an event from now on."""
        ...


class Quiet:
    """A machine that does nothing: each overrides what it does."""

    has_entity = False

    def wants_screen_end_before(self, fact: Fact) -> bool:  # noqa: ARG002 - the interface
        """Never."""
        return False

    def lets_pass(self, fact: Fact) -> bool:  # noqa: ARG002 - the interface
        """Always."""
        return True

    def add(self, fact: Fact, addition: Addition) -> None:
        """Nothing."""

    def entity(self) -> SelfDescribingJson | None:
        """None."""
        return None
