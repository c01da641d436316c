"""asyncio: track in coroutines, and wait for the delivery without stopping the loop.

    python examples/features/asyncio_flush.py http://127.0.0.1:9090

What to look at: `track` waits for nothing, so it is called as it is; `flush_async` lets other
tasks go on meanwhile, as the one that counts shows.
"""

from __future__ import annotations

import asyncio
import itertools
import sys

import whiteout
from whiteout import EmitterConfiguration, Structured, TrackerConfiguration


async def work(tracker: whiteout.Tracker, number: int) -> None:
    """Track, and let others have their turn."""
    for step in range(10):
        tracker.track(Structured(category="task", action=f"step {step}", value=number))
        await asyncio.sleep(0)


async def count() -> None:
    """Go on for as long as it may."""
    for turn in itertools.count():
        if turn == 1:
            print("another task goes on")
        await asyncio.sleep(0)


async def run(collector: str, storage: str | None) -> None:
    """Work in three tasks, then wait."""
    tracker = whiteout.create_tracker(
        "asyncio-flush",
        collector,
        TrackerConfiguration(app_id="tasks", install_autotracking=False),
        EmitterConfiguration(storage_dir=storage),
    )
    await asyncio.gather(*(work(tracker, number) for number in range(3)))
    counting = asyncio.create_task(count())
    print("delivered:", await tracker.flush_async(10))
    counting.cancel()
    tracker.close(timeout=0)


def main(collector: str, storage: str | None = None) -> None:
    """Run it."""
    asyncio.run(run(collector, storage))


if __name__ == "__main__":
    main(*sys.argv[1:])
