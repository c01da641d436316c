"""Enrich workers and loaders as processes: one session after the other, until told to stop."""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from whiteout.errors import WhiteoutError
from whiteout.kafka.loading import LoadingSession
from whiteout.kafka.showing import ShowingSession
from whiteout.kafka.topics import wait_for_brokers
from whiteout.kafka.worker import Limits, Worker, WorkerCounts
from whiteout.lake.service import make_enricher, make_resolver, now_ms
from whiteout.lake.stream_loader import StreamLoader

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from whiteout.kafka.settings import KafkaSettings
    from whiteout.kafka.showing import Window
    from whiteout.lake.loaded import Observer
    from whiteout.lake.service import ServiceSettings

_LOGGER = logging.getLogger(__name__)
_POLL_S = 0.05
_FIRST_DELAY_S, _LAST_DELAY_S = 0.2, 15.0
_QUIET_S = 0.5  # without a message, before a process that is to finish believes that it has
DRAIN_S = 5.0
"""How long a process that is to finish goes on while messages come: others may send for ever."""


class Session(Protocol):
    """A stay in a consumer group, that ends with its first fault."""

    def step(self, timeout_s: float) -> int:
        """Do what there is within `timeout_s`; how many messages that was."""
        ...

    def maintain(self) -> None:
        """Do what can wait."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...


class _Enriching:
    """A worker's session; it has nothing to maintain."""

    def __init__(self, worker: Worker) -> None:
        self.step, self.close = worker.step, worker.close

    def maintain(self) -> None:
        return


def run_enrich(
    kafka: KafkaSettings,
    settings: ServiceSettings,
    stop: threading.Event,
    *,
    drain_s: float = DRAIN_S,
) -> None:
    """Enrich until `stop` is set, then what comes without a pause.

    Args:
        kafka: the brokers, and the topics.
        settings: of the enricher.
        stop: set to stop.
        drain_s: how long that may take after `stop`; Kafka keeps the rest.

    Raises:
        ConfigurationError: a registry or an enrichment is wrong.
    """
    counts, limits = WorkerCounts(), Limits()
    enrich = replace(settings.enrich, incomplete_events=kafka.keep_incomplete)
    settings = replace(settings, enrich=enrich)
    with contextlib.ExitStack() as stack:
        enricher = make_enricher(settings, make_resolver(settings), stack)

        def session() -> Session:
            return _Enriching(
                Worker(
                    kafka,
                    enrich=enricher.enrich_all,
                    now_ms=now_ms,
                    counts=counts,
                    limits=limits,
                )
            )

        run_sessions(session, stop, reach=_reach(kafka, stop), interval_s=0.0, drain_s=drain_s)


def run_load(
    kafka: KafkaSettings,
    target: Path,
    settings: ServiceSettings,
    stop: threading.Event,
    *,
    drain_s: float = DRAIN_S,
) -> None:
    """Load into `target/lake` until `stop` is set, then what comes without a pause.

    Args:
        kafka: the brokers, and the topics.
        target: the data folder.
        settings: of the loader.
        stop: set to stop.
        drain_s: how long that may take after `stop`; Kafka keeps the rest.

    Raises:
        ConfigurationError: a registry is wrong.
        LogError: too many loaders are at work there.
    """
    loader = StreamLoader(
        target / "lake",
        lookup=make_resolver(settings).lookup,
        settings=settings.loader,
        now_ms=now_ms,
        place=settings.place,
        incomplete=kafka.keep_incomplete,
    )
    with contextlib.closing(loader):
        run_sessions(
            lambda: LoadingSession(kafka, loader, max_records=settings.loader.max_records),
            stop,
            reach=_reach(kafka, stop),
            interval_s=settings.commit_interval_s,
            drain_s=drain_s,
        )


def run_show(
    kafka: KafkaSettings, window: Window, observe: Observer, stop: threading.Event
) -> None:
    """Tell an observer what comes until `stop` is set; after a fault it goes on where it was."""
    run_sessions(
        lambda: ShowingSession(kafka, window, observe, now_ms),
        stop,
        reach=_reach(kafka, stop),
        interval_s=0.0,
        drain_s=0.0,
    )


def _reach(kafka: KafkaSettings, stop: threading.Event) -> Callable[[], bool]:
    return lambda: wait_for_brokers(kafka, stop)


def run_sessions(  # noqa: PLR0913 - most are keyword-only
    new_session: Callable[[], Session],
    stop: threading.Event,
    *,
    reach: Callable[[], bool] = lambda: True,
    interval_s: float,
    drain_s: float = DRAIN_S,
    monotonic_s: Callable[[], float] = time.monotonic,
) -> None:
    """Run one session after the other: after a fault a new one, with growing pauses between.

    Args:
        new_session: makes one, or raises.
        stop: set to stop, from any thread.
        reach: waits, before each session, for what it needs; False: told to stop.
        interval_s: the least time between two steps that did something.
        drain_s: how long it goes on after `stop` while there is something to do.
        monotonic_s: for these pauses.
    """
    failures = 0
    while not stop.is_set():
        try:
            if not reach():
                return
            with _closing(new_session()) as session:
                for _ in _steps(session, stop, interval_s, drain_s, monotonic_s):
                    failures = 0
        except Exception as error:  # noqa: BLE001 - the process must go on, whatever it is
            failures += 1
            _LOGGER.warning("a session with Kafka ended (%s), beginning another", _kind(error))
            stop.wait(min(_FIRST_DELAY_S * float(1 << min(failures - 1, 16)), _LAST_DELAY_S))


def _steps(
    session: Session,
    stop: threading.Event,
    interval_s: float,
    drain_s: float,
    monotonic_s: Callable[[], float],
) -> Iterator[int]:
    busy_at = monotonic_s()
    until: float | None = None
    while True:
        started_at = monotonic_s()
        if until is None and stop.is_set():
            until = started_at + drain_s
        done = session.step(_POLL_S)
        if done:
            busy_at = monotonic_s()
            yield done
        if until is not None:
            now_s = monotonic_s()
            if now_s >= until or now_s - busy_at >= _QUIET_S:
                return
            continue
        session.maintain()
        if done:
            stop.wait(max(interval_s - (monotonic_s() - started_at), 0))


@contextlib.contextmanager
def _closing(session: Session) -> Iterator[Session]:
    try:
        yield session
    finally:
        session.close()


def _kind(error: Exception) -> str:
    """What may be logged of it: our own messages hold no data."""
    return str(error) if isinstance(error, WhiteoutError) else type(error).__name__
