"""`flush_async`: the loop goes on, a cancelled wait leaves nothing behind."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest
import uvloop
from tests.support.collector import Collector, Reply
from tests.support.trackers import a_tracker, poll

from whiteout import ScreenView
from whiteout.tracker.asynchronous import flush_async

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [
    asyncio.new_event_loop,
    uvloop.new_event_loop,
]


def flushing_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "whiteout-flush"]


class Stuck:
    """A tracker whose collector never answers."""

    def __init__(self) -> None:
        self.timeouts: list[float] = []
        self.has_begun = threading.Event()

    def flush(self, timeout: float = 10.0) -> bool:
        self.timeouts.append(timeout)
        self.has_begun.set()
        time.sleep(timeout)
        return False


@pytest.mark.parametrize("new_loop", LOOPS)
def test_it_waits_until_everything_is_delivered(
    tmp_path: Path, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    with Collector() as collector, a_tracker(collector.url, tmp_path) as tracker:
        collector.default = Reply(delay_s=0.05)
        ids = [tracker.track(ScreenView(name=f"screen {number}")) for number in range(20)]

        with asyncio.Runner(loop_factory=new_loop) as runner:
            assert runner.run(flush_async(tracker, 10)) is True

        assert set(ids) == set(collector.accepted_ids)


def test_a_tracker_s_own_method_does_the_same(tmp_path: Path) -> None:
    async def main() -> tuple[bool, bool]:
        tracker.track(ScreenView(name="one"))
        delivered = await tracker.flush_async()
        collector.default = Reply(status=503)
        tracker.track(ScreenView(name="two"))
        return delivered, await tracker.flush_async(timeout=0.3)

    with Collector() as collector, a_tracker(collector.url, tmp_path) as tracker:
        assert asyncio.run(main()) == (True, False)
        tracker.close(0)
        assert asyncio.run(tracker.flush_async()) is True  # as `flush` of a closed one


def test_the_loop_goes_on_meanwhile(tmp_path: Path) -> None:
    async def main() -> int:
        turns = 0
        waiting = asyncio.create_task(flush_async(tracker, 10))
        while not waiting.done():
            await asyncio.sleep(0.01)
            turns += 1
            if turns == 20:
                collector.release()
        assert await waiting
        return turns

    with Collector() as collector, a_tracker(collector.url, tmp_path) as tracker:
        collector.default = Reply(holds=True)
        tracker.track(ScreenView(name="screen"))

        assert asyncio.run(main()) >= 20


def test_it_gives_up_after_the_time(tmp_path: Path) -> None:
    with Collector() as collector, a_tracker(collector.url, tmp_path) as tracker:
        collector.default = Reply(holds=True)
        tracker.track(ScreenView(name="screen"))
        started = time.monotonic()

        assert asyncio.run(flush_async(tracker, 0.3)) is False

        assert 0.29 < time.monotonic() - started < 3
        collector.release()


def test_a_cancelled_wait_ends_at_once_and_its_thread_soon() -> None:
    async def main() -> float:
        waiting = asyncio.create_task(flush_async(tracker, 3600))
        assert await asyncio.to_thread(tracker.has_begun.wait, 5)
        started = time.monotonic()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return time.monotonic() - started

    tracker = Stuck()

    assert asyncio.run(main()) < 0.1

    assert poll(lambda: not flushing_threads(), 1.0)


def test_many_cancelled_waits_leave_no_thread() -> None:
    async def main() -> None:
        for _ in range(20):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(flush_async(tracker, 3600), 0.01)

    tracker = Stuck()
    asyncio.run(main())

    assert poll(lambda: not flushing_threads(), 2.0)


def test_a_loop_that_ends_first_is_not_missed() -> None:
    """What waits for nobody says nothing, and raises nothing in its thread."""
    raised: list[object] = []
    before = threading.excepthook
    threading.excepthook = raised.append
    try:
        loop = asyncio.new_event_loop()
        task = loop.create_task(flush_async(Stuck(), 0.05))
        loop.run_until_complete(asyncio.sleep(0.01))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.close()
        assert poll(lambda: not flushing_threads())
    finally:
        threading.excepthook = before

    assert raised == []


def test_what_flush_raises_is_raised_where_it_is_awaited() -> None:
    class Broken:
        def flush(self, timeout: float = 10.0) -> bool:
            raise ValueError(f"no timeout {timeout > 0}")

    with pytest.raises(ValueError, match="no timeout True"):
        asyncio.run(flush_async(Broken(), 1))


def test_the_steps_grow_to_half_of_the_time() -> None:
    tracker = Stuck()

    assert asyncio.run(flush_async(tracker, 1.0)) is False

    assert sum(tracker.timeouts) == pytest.approx(1.0, abs=0.2)
    assert max(tracker.timeouts) >= 0.35
    assert len(tracker.timeouts) <= 6


def test_a_steady_stream_does_not_keep_it_waiting(tmp_path: Path) -> None:
    """Only what was tracked before the call counts."""
    with Collector() as collector, a_tracker(collector.url, tmp_path) as tracker:
        collector.default = Reply(delay_s=0.15)
        is_over = threading.Event()

        def stream() -> None:
            while not is_over.wait(0.005):
                tracker.track(ScreenView(name="screen"))

        thread = threading.Thread(target=stream)
        thread.start()
        try:
            assert asyncio.run(flush_async(tracker, 5.0)) is True
        finally:
            is_over.set()
            thread.join()
