"""Scopes: whose events these are, for as long as one request of a server is answered.

A server tracks for many visitors at once. What a scope says holds for the events that are tracked
inside of it, in the coroutines that it awaits too, and for no other task or thread.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from whiteout.errors import ConfigurationError
from whiteout.identifiers import Anonymisation
from whiteout.tracker.configuration import SubjectConfiguration
from whiteout.tracker.subject import geolocation_of, parameters_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from whiteout.protocol.self_describing import SelfDescribingJson
    from whiteout.tracker.template import Template


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class EventScope:
    """What holds for events that are tracked in it.

    Attributes:
        owner: the tracker that it belongs to, by a token of its own; others do not notice it.
        outer: the scope around it, of whichever tracker.
        bits: the level, that of scopes around it included; events are at least as anonymous.
        subject: parameters that stand for the tracker's subject; None: the tracker's own.
        geolocation: where that subject is, unmasked; None: it does not say.
        templates: what events of this scope share, by level; under the tracker's lock.
    """

    owner: object
    outer: EventScope | None
    bits: int
    subject: Mapping[str, str] | None
    geolocation: SelfDescribingJson | None = None
    templates: dict[tuple[int, int], Template] = field(default_factory=dict)

    def __repr__(self) -> str:
        """The name of the type only: what it holds does not belong in logs."""
        return "EventScope(...)"


# The interpreter keeps one value a task and thread; this is but the key.
CURRENT: Final[ContextVar[EventScope | None]] = ContextVar("whiteout_scope", default=None)


def scope_of(owner: object, scope: EventScope | None) -> EventScope | None:
    """The innermost scope that belongs to `owner`, from `scope` outwards."""
    while scope is not None and scope.owner is not owner:
        scope = scope.outer
    return scope


@contextmanager
def scoped(
    owner: object, subject: SubjectConfiguration | None, anonymisation: Anonymisation
) -> Iterator[None]:
    """Let events of `owner` be of that subject and level; see `Tracker.scope`.

    Raises:
        ConfigurationError: an argument is of another type.
    """
    if subject is not None and not isinstance(subject, SubjectConfiguration):
        raise ConfigurationError(
            f"subject must be a SubjectConfiguration or None, got {type(subject).__name__}"
        )
    if not isinstance(anonymisation, Anonymisation):
        raise ConfigurationError(
            f"anonymisation must be an Anonymisation such as Anonymisation.FULL, "
            f"got {anonymisation!r}"
        )
    outer = CURRENT.get()
    around = scope_of(owner, outer)
    parameters = around.subject if around is not None else None
    geolocation = around.geolocation if around is not None else None
    if subject is not None:
        parameters, geolocation = parameters_of(subject), geolocation_of(subject)
    bits = anonymisation.value | (around.bits if around is not None else 0)
    token = CURRENT.set(
        EventScope(owner=owner, outer=outer, bits=bits, subject=parameters, geolocation=geolocation)
    )
    try:
        yield
    finally:
        CURRENT.reset(token)
