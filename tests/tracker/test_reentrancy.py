"""A signal handler or a finaliser may track while its own thread is in the middle of tracking."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest
from tests.support.collector import Collector
from tests.support.trackers import a_tracker

from whiteout import ScreenView

if TYPE_CHECKING:
    from pathlib import Path

    from whiteout import Tracker


class TracksWhenAsked:
    """A clock, asked in the middle of each event, that tracks another event the first time."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._now_ms = tracker._passage.now_ms
        self.ids: list[str | None] = []

    def __call__(self) -> int:
        if not self.ids:
            self.ids.append(None)
            self.ids[0] = self._tracker.track(ScreenView(name="inner"))
        return self._now_ms()


def test_an_event_tracked_in_the_middle_of_another_arrives_after_it(tmp_path: Path) -> None:
    with Collector() as collector, a_tracker(collector.url, tmp_path) as tracker:
        inner = TracksWhenAsked(tracker)
        tracker._passage.now_ms = inner

        outer_id = tracker.track(ScreenView(name="outer"))

        assert tracker.flush(10)
        assert list(collector.accepted_ids) == [outer_id, inner.ids[0]]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timer on this system")
def test_a_signal_handler_that_tracks_neither_hangs_nor_loses_an_event(tmp_path: Path) -> None:
    program = """
        import signal, sys, whiteout
        tracker = whiteout.create_tracker(
            "app", sys.argv[1], whiteout.EmitterConfiguration(storage_dir=sys.argv[2]),
            whiteout.TrackerConfiguration(install_autotracking=False),
        )
        ids = []
        def handle(number, frame):
            ids.append(tracker.track(whiteout.ScreenView(name="handler")))
        signal.signal(signal.SIGALRM, handle)
        while len(ids) < 2000:
            # One alarm an event, each at another step of it: a handler is never in a handler.
            signal.setitimer(signal.ITIMER_REAL, (1 + len(ids) % 100) * 2e-6)
            ids.append(tracker.track(whiteout.ScreenView(name="loop")))
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert tracker.flush(20)
        assert not tracker.drops
        print(len(ids), len(set(ids)))
    """
    with Collector() as collector:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program), collector.url, str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert done.returncode == 0, done.stderr
        total, distinct = map(int, done.stdout.split())
        assert total == distinct
        # Each screen view but the first is preceded by the end of the screen before.
        assert len(set(collector.accepted_ids)) == 2 * total - 1
