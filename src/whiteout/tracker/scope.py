"""Scopes: whose events these are, for as long as one request of a server is answered.

A server tracks for many visitors at once. What a scope says holds for the events that are tracked
inside of it: in the coroutines that it awaits, and in tasks and threads that are made inside and
take their context along. Those may go on when the scope is over. What they track then is of nobody:
no less private than the scope was, and without its subject.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from whiteout.errors import ConfigurationError
from whiteout.identifiers import Anonymisation
from whiteout.tracker.configuration import SubjectConfiguration
from whiteout.tracker.levels import LEVELS
from whiteout.tracker.subject import geolocation_of, parameters_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from whiteout.protocol.self_describing import SelfDescribingJson
    from whiteout.tracker.template import Template


_SCOPE: Final = "_whiteout_scope"  # an attribute of exceptions
_MAX_CHAIN: Final = 300  # more than is ever shown of a trace


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class EventScope:
    """What holds for events that are tracked in it. Nothing changes but that it ends.

    Attributes:
        owner: the tracker that it belongs to, by a token of its own; others do not notice it.
        outer: the scope around it, of whichever tracker.
        bits: the level, that of scopes around it included; events are at least as anonymous.
        subject: parameters that stand for the tracker's subject; None: the tracker's own.
        geolocation: where that subject is, unmasked; None: it does not say.
        inherits: the scope around it whose subject this is; None: it has been told one itself.
        is_service: of the tracker's own errors, which are nobody's doing: they carry neither
            session nor states, nor what is said of the user's consent and place.
        is_alone: each event in it is on a line of its own.
        has_ended: whether it was left; set once, by the thread that leaves it.
        templates: what events of this scope share, by level; under the tracker's lock.
    """

    owner: object
    outer: EventScope | None
    bits: int
    subject: Mapping[str, str] | None
    geolocation: SelfDescribingJson | None = None
    inherits: EventScope | None = None
    is_service: bool = False
    is_alone: bool = False
    has_ended: bool = False
    templates: dict[tuple[int, int], Template] = field(default_factory=dict)
    _remainder: EventScope | None = None

    def __repr__(self) -> str:
        """The name of the type only: what it holds does not belong in logs."""
        return "EventScope(...)"

    def now(self) -> EventScope:
        """What of it holds now: itself, or once its subject is of before, the same of nobody."""
        scope: EventScope | None = self
        while scope is not None and not scope.has_ended:
            scope = scope.inherits
        if scope is None or self.subject is None:
            return self
        if self._remainder is None:
            self._remainder = replace(
                self,
                outer=None,
                subject={},
                geolocation=None,
                inherits=None,
                has_ended=False,
                templates={},
            )
        return self._remainder

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        """Nothing of it leaves the process, with an exception that is sent to another one."""
        return type(None), ()


# The interpreter keeps one value a task and thread; this is but the key.
CURRENT: Final[ContextVar[EventScope | None]] = ContextVar("whiteout_scope", default=None)


def scope_of(owner: object, scope: EventScope | None) -> EventScope | None:
    """The innermost scope that belongs to `owner`, from `scope` outwards."""
    while scope is not None and scope.owner is not owner:
        scope = scope.outer
    return scope


def level_here(owner: object, bits: int) -> Anonymisation:
    """The level of an event of `owner` here and now.

    Args:
        owner: as of `scope_of`.
        bits: the level without any scope.
    """
    scope = scope_of(owner, CURRENT.get())
    return LEVELS[bits | (scope.bits if scope is not None else 0)]


@contextmanager
def scoped(
    owner: object,
    subject: SubjectConfiguration | None,
    anonymisation: Anonymisation,
    *,
    is_alone: bool = False,
) -> Iterator[None]:
    """Let events of `owner` be of that subject and level; see `Tracker.scope`.

    Args:
        owner: whose events.
        subject: as in `Tracker.scope`.
        anonymisation: the same.
        is_alone: each event is on a line of its own, in no request with another.

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
    inherits = around.now() if around is not None and subject is None else None
    parameters = inherits.subject if inherits is not None else None
    geolocation = inherits.geolocation if inherits is not None else None
    if subject is not None:
        parameters, geolocation = parameters_of(subject), geolocation_of(subject)
    bits = anonymisation.value | (around.bits if around is not None else 0)
    scope = EventScope(
        owner=owner,
        outer=outer,
        bits=bits,
        subject=parameters,
        geolocation=geolocation,
        inherits=inherits,
        is_alone=is_alone,
    )
    token = CURRENT.set(scope)
    try:
        yield
    except BaseException as error:
        _mark(error, scope.now())
        raise
    finally:
        scope.has_ended = True
        CURRENT.reset(token)


@contextmanager
def back_in_scope(owner: object, exception: BaseException) -> Iterator[None]:
    """Be where an exception comes from: in the scope of `owner` that it, or a cause of it, left.

    By the time that nobody has caught it, its scope is over; but what it says is of that visitor,
    not of the tracker's own subject, and no less private than what was tracked there.
    """
    found = [
        scope
        for one in _chain(exception)
        if (scope := scope_of(owner, getattr(one, _SCOPE, None))) is not None
    ]
    if not found:
        yield
        return
    bits = 0
    for scope in found:
        bits |= scope.bits
    inner = replace(
        found[0], outer=CURRENT.get(), bits=bits, inherits=None, has_ended=False, templates={}
    )
    token = CURRENT.set(inner)
    try:
        yield
    finally:
        CURRENT.reset(token)


def _mark(error: BaseException, scope: EventScope) -> None:
    """Note the innermost scope that an exception left."""
    if getattr(error, _SCOPE, None) is None:
        with suppress(AttributeError, TypeError):
            object.__setattr__(error, _SCOPE, scope)


def _chain(exception: BaseException) -> Iterator[BaseException]:
    """The exception with its causes and members, some hundreds at most."""
    waiting, seen = [exception], set[int]()
    while waiting and len(seen) < _MAX_CHAIN:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [other for other in (one.__cause__, one.__context__) if other is not None]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions[:_MAX_CHAIN]
