"""What a test asks of what arrived: the assertions, whoever it arrived at."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self

from whiteout.errors import WhiteoutError
from whiteout.testing.anonymity import Judge
from whiteout.testing.differences import explain, explain_unwanted, failures
from whiteout.testing.kinds import Wanted, wanted
from whiteout.testing.pipeline import Pipeline

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from whiteout.events.event import Event
    from whiteout.identifiers import Anonymisation, Identifier
    from whiteout.testing.received import FailedEvent, ReceivedEvent

    Kind = type[Event] | Event | str

_CURRENT: ContextVar[Arrivals | None] = ContextVar("whiteout.testing", default=None)
_MAX_SHOWN = 10


class NothingToAskError(WhiteoutError):
    """An assertion was made where nothing can have arrived."""


class Arrivals:
    """Events that arrived, and assertions about them. Any thread may call.

    The module's own assertions ask the one that is `current`; inside a `with` it is this one.

    Args:
        iglu: schema registries to ask after the embedded one: folders or HTTP addresses.
        timeout: seconds that `assert_tracked` waits for an event to arrive.
        reads_user_agents: whether enrich reads them.

    Raises:
        ConfigurationError: a registry is neither folder nor address.
    """

    def __init__(
        self,
        iglu: Sequence[str | os.PathLike[str]] = (),
        *,
        timeout: float = 2.0,
        reads_user_agents: bool = True,
    ) -> None:
        self._pipeline = Pipeline(iglu, reads_user_agents=reads_user_agents)
        self._timeout_s = timeout
        self._asked = ExitStack()

    def __enter__(self) -> Self:
        self._asked.enter_context(self.current())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._asked.close()

    @contextmanager
    def current(self) -> Iterator[None]:
        """Be what the module's own assertions ask."""
        before = _CURRENT.get()
        _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.set(before)

    @property
    def events(self) -> list[ReceivedEvent]:
        """The good events, in the order of their arrival; at most the last 20,000."""
        self.settle()
        return self._pipeline.events

    @property
    def failed_events(self) -> list[FailedEvent]:
        """The failed events, in the order of their arrival; at most the last 20,000."""
        self.settle()
        return self._pipeline.failed_events

    def settle(self) -> None:
        """Have what trackers of this process still hold arrive."""

    def clear(self) -> None:
        """Forget everything that arrived until now."""
        self.settle()
        self._pipeline.clear()

    def tracked(self, kind: Kind, /, **properties: Any) -> list[ReceivedEvent]:  # noqa: ANN401 - any JSON
        """The good events of a kind; see `assert_tracked`. Does not wait.

        Args:
            kind: which.
            **properties: only those with these.
        """
        asked = wanted(kind, properties)
        return [event for event in self.events if asked.matches(event)]

    def assert_tracked(self, kind: Kind, /, **properties: Any) -> ReceivedEvent:  # noqa: ANN401 - any JSON
        """Assert that an event arrived, and return the first such event.

        Waits for it up to the time-out: apps, above all those in other languages, send when they
        see fit.

        Args:
            kind: an event type (`ScreenView`), an event (`ScreenView(name="Checkout")`), the Iglu
                URI of a schema, or the event's name.
            **properties: what the event has, by the names of the type's constructor, or of the
                schema. `None`: it has no such property. Columns of the enriched event may be asked
                for as well, such as `app_id`. `entities` are entities that it must have among its.

        Raises:
            AssertionError: there is none; says what came nearest, field by field.
            TypeError: there is no such kind or property.
        """
        __tracebackhide__ = True
        asked = wanted(kind, properties)
        deadline = time.monotonic() + self._timeout_s
        while (found := self._first(asked)) is None:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not self._may_still_come():
                raise AssertionError(
                    explain(asked, self._pipeline.events, self._pipeline.failed_events)
                )
            self._pipeline.wait_for_change(min(left_s, 0.1))
        return found

    def assert_not_tracked(self, kind: Kind, /, **properties: Any) -> None:  # noqa: ANN401 - any JSON
        """Assert that no such event arrived until now.

        Args:
            kind: as in `assert_tracked`.
            **properties: as in `assert_tracked`.

        Raises:
            AssertionError: there is one.
            TypeError: there is no such kind or property.
        """
        __tracebackhide__ = True
        found = self.tracked(kind, **properties)
        if found:
            raise AssertionError(explain_unwanted(wanted(kind, properties), found))

    def assert_no_failed_events(self) -> None:
        """Assert that no event has failed until now.

        Raises:
            AssertionError: some have; with the reasons and the places in their schemas.
        """
        __tracebackhide__ = True
        failed = self.failed_events
        if failed:
            count = "1 event" if len(failed) == 1 else f"{len(failed)} events"
            raise AssertionError("\n".join([f"{count} failed", *failures(failed)]))

    def assert_anonymous(
        self, level: Anonymisation, *, identifying_properties: Sequence[Identifier] = ()
    ) -> None:
        """Assert that every event that arrived, failed ones included, hides what `level` hides.

        Args:
            level: such as `Anonymisation.FULL`.
            identifying_properties: the app's own marks, as `TrackerConfiguration` has them.

        Raises:
            AssertionError: one gives away more, and what; or nothing has arrived, which shows
                nothing. Names identifiers, never their values.
            ConfigurationError: `level` hides nothing.
        """
        __tracebackhide__ = True
        judge = Judge(level, identifying_properties)
        events: list[ReceivedEvent | FailedEvent] = [*self.events, *self.failed_events]
        if not events:
            raise AssertionError("no event arrived, which does not show that they are anonymous")
        lines = []
        for event in events:
            given_away = judge.given_away(event)
            if given_away:
                what = getattr(event, "name", "") or f"failed event ({event!r})"
                lines.append(f"    {what}: {', '.join(given_away)}")
        if lines:
            shown = [*lines[:_MAX_SHOWN], *(["    …"] if len(lines) > _MAX_SHOWN else [])]
            head = f"{len(lines)} of {len(events)} events give away what {level.name} hides"
            raise AssertionError("\n".join([head, *shown]))

    def _first(self, asked: Wanted) -> ReceivedEvent | None:
        return next((event for event in self.events if asked.matches(event)), None)

    def _may_still_come(self) -> bool:
        """Whether waiting may help."""
        return True


def current_arrivals() -> Arrivals:
    """What the module's own assertions ask.

    Raises:
        NothingToAskError: there is nothing.
    """
    found = _CURRENT.get()
    if found is None:
        raise NothingToAskError(
            "nothing receives events here: use the fixture whiteout_micro or whiteout_memory, or "
            "make the assertion inside `with Micro() as micro:`"
        )
    return found
