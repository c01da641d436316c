"""Errors as events: what the app did not catch, and what the tracker itself warns of.

The lock of the process guards what is on, and Python's hooks, which all trackers of the process
share. It is taken outside of every lock of a tracker: making one takes them in that order.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from whiteout.events.event import Event
    from whiteout.identifiers import Anonymisation
    from whiteout.tracker.clock import Clock
    from whiteout.tracker.counters import Counters
    from whiteout.tracker.diagnostics import Diagnostic, Diagnostics
    from whiteout.tracker.exceptions import ExceptionTracking, ReportedException


class ErrorTracking:
    """Exception autotracking and diagnostics of one tracker.

    Args:
        track_raised: tracks an event for an exception, on the thread that it is of, and at least so
            anonymous.
        level_of: how anonymous the tracker would be about an exception by itself.
        track_service: tracks an event of the tracker's own.
        counters: what warns, and is told of what fails here.
        clock: for the rates of diagnostics.
        process_lock: one for all trackers of the process.

    Attributes:
        tracks_exceptions: whether exceptions that nobody catches are tracked, as said last; a
            tracker that takes the place of this one asks for it.
        tracks_diagnostics: whether the tracker's own warnings are.
    """

    def __init__(  # noqa: PLR0913 - one argument a collaborator
        self,
        track_raised: Callable[[Event, BaseException, Anonymisation], object],
        track_service: Callable[[Event], object],
        *,
        level_of: Callable[[BaseException], Anonymisation],
        counters: Counters,
        clock: Clock,
        process_lock: AbstractContextManager[object],
    ) -> None:
        self._track_raised = track_raised
        self._level_of = level_of
        self._track_service = track_service
        self._counters = counters
        self._clock = clock
        self._process_lock = process_lock
        self.tracks_exceptions = False
        self._exceptions: ExceptionTracking | None = None
        self.tracks_diagnostics = False
        self._diagnostics: Diagnostics | None = None
        self._is_closed = False

    def switch_exceptions(self, *, on: bool) -> None:
        """Begin or end to track exceptions; the caller holds none of the tracker's locks."""
        with self._process_lock:
            if self._is_closed or on is self.tracks_exceptions:
                return
            self.tracks_exceptions = on
            if not on:
                self._stop()
                return
            # Now: at a crash there may be neither time nor memory to load it.
            import_module("whiteout.tracker.scrubbing")
            from whiteout.tracker.exceptions import ExceptionTracking  # noqa: PLC0415 - takes 5 ms

            self._exceptions = ExceptionTracking(
                self._report, level_of=self._level_of, on_error=self._warn
            )
            self._exceptions.start()

    def reach(self, loop: asyncio.AbstractEventLoop) -> None:
        """See `Tracker.track_exceptions_of`."""
        with self._process_lock:
            if self._exceptions is not None:
                self._exceptions.install_on(loop)

    def switch_diagnostics(self, *, on: bool) -> None:
        """Begin or end to track what the tracker warns of."""
        with self._process_lock:
            if self._is_closed or on is self.tracks_diagnostics:
                return
            self.tracks_diagnostics = on
            if on:
                from whiteout.tracker.diagnostics import Diagnostics  # noqa: PLC0415 - hardly ever

                self._diagnostics = Diagnostics(self._track_diagnostic, clock=self._clock)
            else:
                self._diagnostics = None
            self._counters.on_warning = self._diagnostics.note if self._diagnostics else None

    def drain(self) -> None:
        """Track what was warned of; for a thread of the tracker's own, without any lock."""
        if self._diagnostics is not None:
            self._diagnostics.drain()

    def close(self) -> None:
        """Track no more; the caller holds none of the tracker's locks."""
        self.drain()
        with self._process_lock:
            self._is_closed = True
            self._stop()
            self._counters.on_warning = self._diagnostics = None

    def _stop(self) -> None:
        if self._exceptions is not None:
            self._exceptions.stop()
            self._exceptions = None

    def _report(self, reported: ReportedException, level: Anonymisation) -> None:
        from whiteout.tracker.exceptions import application_error  # noqa: PLC0415 - is loaded

        self._track_raised(application_error(reported), reported.exception, level)

    def _track_diagnostic(self, diagnostic: Diagnostic) -> None:
        from whiteout.tracker.diagnostics import tracker_error  # noqa: PLC0415 - is loaded

        self._track_service(tracker_error(diagnostic))

    def _warn(self, name: str) -> None:
        self._counters.warn("exceptions", f"an exception could not be tracked: {name}")
