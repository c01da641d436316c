"""What the tests of the web middlewares share: a tracker that remembers, and requests over HTTP."""

from __future__ import annotations

import http.client
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from whiteout import Anonymisation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from whiteout import SubjectConfiguration
    from whiteout.events.event import Event


@dataclass(frozen=True, slots=True)
class Tracked:
    """One event: its parameters and the data of its body, and the scope that it was tracked in."""

    parameters: Mapping[str, str]
    name: str | None
    user_id: str | None
    level: Anonymisation


_Scope = tuple["SubjectConfiguration | None", Anonymisation]


@dataclass
class RecordingTracker:
    """As much of a tracker as a middleware needs, with scopes in a context variable.

    Attributes:
        anonymisation: the level outside of scopes.
        tracked: in order; any thread may add.
    """

    anonymisation: Anonymisation = Anonymisation.NONE
    tracked: list[Tracked] = field(default_factory=list)
    _scope: ContextVar[_Scope] = field(
        default_factory=lambda: ContextVar("scope", default=(None, Anonymisation.NONE))
    )
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def effective_anonymisation(self) -> Anonymisation:
        """The level here and now."""
        return self.anonymisation | self._scope.get()[1]

    def track(self, event: Event, /) -> str | None:
        """Remember the event."""
        subject, level = self._scope.get()
        body = event.self_describing(lambda: "id")
        with self._changed:
            self.tracked.append(
                Tracked(
                    event.parameters(),
                    body.data["name"] if body is not None else None,
                    subject.user_id if subject is not None else None,
                    level | self.anonymisation,
                )
            )
            self._changed.notify_all()
        return "id"

    @contextmanager
    def scope(
        self, *, subject: SubjectConfiguration | None, anonymisation: Anonymisation
    ) -> Iterator[None]:
        """What is tracked inside has this subject and level."""
        token = self._scope.set((subject, anonymisation | self._scope.get()[1]))
        try:
            yield
        finally:
            self._scope.reset(token)

    def wait_for(self, count: int) -> list[Tracked]:
        """The events, once there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.tracked) >= count, 10)
            return list(self.tracked)


def get(port: int, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    """The status and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
