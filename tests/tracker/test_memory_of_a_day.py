"""Memory over a day of an app, in simulated time: what is kept in the afternoon is no more.

Whatever grows is seen, wherever it is: Python's own allocations are counted. In the
first hours every cache is filled; what is kept then must do for the rest of the day.
"""

from __future__ import annotations

import gc
import itertools
import logging
import random
import tracemalloc
from typing import TYPE_CHECKING, Final

from tests.support.clock import CountedUuids, ManualClock
from tests.support.trackers import STATELESS

import whiteout
from whiteout import (
    Anonymisation,
    Answer,
    BufferOption,
    EmitterConfiguration,
    NetworkConfiguration,
    Pending,
    ScreenView,
    Structured,
    SubjectConfiguration,
    TrackerConfiguration,
)
from whiteout.tracker.emitter import Emitter
from whiteout.tracker.environment import Environment
from whiteout.tracker.writer import Writer

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from whiteout import OutgoingRequest, Tracker

STEP_S: Final = 900.0
STEPS_AN_HOUR: Final = 4
ALONE_A_STEP: Final = 20  # events with a template each
STEPS_A_SPELL: Final = 8  # two hours, after which journal and caches begin anew
MOST_GROWTH_BYTES: Final = 50_000  # of 1 MB: what waits is not the same each time
WEATHERS: Final = (200, 200, None, 200, 503, 200)  # a step each
LEVELS: Final = (Anonymisation.FULL, Anonymisation.USER, Anonymisation.SERVER, Anonymisation.NONE)


class Sink:
    """A collector that keeps nothing."""

    sends_headers = True
    status: int | None = 200

    def send(self, request: OutgoingRequest) -> Answer:
        return Answer(status=self.status)

    def close(self) -> None:
        """Nothing to close."""


def live_a_step(tracker: Tracker, sink: Sink, clock: ManualClock, step: int) -> None:
    """A quarter of an hour: a visit, some visitors, now and then switches, in any weather."""
    sink.status = WEATHERS[step % len(WEATHERS)]
    for number in range(3):
        tracker.track(ScreenView(name=f"screen {step} {number}"))
        tracker.track(Structured(category="c", action="a", label=f"{step}"))
    for _ in range(ALONE_A_STEP):
        tracker.track(Structured(category="c", action="a"), anonymisation=Anonymisation.USER)
    with tracker.scope(subject=SubjectConfiguration(user_id=f"visitor {step}")):
        tracker.track(Structured(category="c", action="a"))
    if step % STEPS_A_SPELL == 0:
        for level, pending in itertools.product(LEVELS, Pending):
            tracker.track(ScreenView(name="in between"))
            tracker.set_anonymisation(level, pending=pending)
        tracker.forget()
    engine = tracker._engine
    for _ in range(5):
        engine.writer.work(has_news=engine.writer.take_news())
        while engine.emitter.work() <= 0:
            continue
        clock.advance(STEP_S / 5)


def test_what_is_kept_in_memory_does_not_grow_over_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for threaded in (Writer, Emitter):
        monkeypatch.setattr(threaded, "start", lambda _: None)
    monkeypatch.setattr(logging.getLogger("whiteout"), "disabled", True)  # pytest keeps records
    clock, sink = ManualClock(), Sink()
    tracker = whiteout.create_tracker(
        "memory",
        NetworkConfiguration(endpoint="https://collector.invalid", network_connection=sink),
        TrackerConfiguration(**STATELESS | {"screen_context": True}),
        EmitterConfiguration(
            storage_dir=tmp_path, max_event_store_size=200, buffer_option=BufferOption.SMALL_GROUP
        ),
        environment=Environment(clock=clock, generator=random.Random(0), new_uuid=CountedUuids()),
    )
    steps = itertools.count()
    kept = []
    tracemalloc.start()
    try:
        for _hour in range(24):
            for _ in range(STEPS_AN_HOUR):
                live_a_step(tracker, sink, clock, next(steps))
            gc.collect()
            kept.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()

    assert max(kept[14:]) - max(kept[4:14]) < MOST_GROWTH_BYTES
