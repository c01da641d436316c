"""Work in several processes that track into one event store; one of them is killed in the middle.

    python examples/workers.py http://127.0.0.1:9090

What to look at: nothing is lost, nothing is sent twice, and no process waits for another.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
from pathlib import Path

import whiteout
from whiteout import EmitterConfiguration, Structured, TrackerConfiguration

WORKERS = 3
JOBS = 20


def create_tracker(collector: str, storage: Path | None) -> whiteout.Tracker:
    """Each process makes its own, with the same namespace and folder."""
    return whiteout.create_tracker(
        "workers",
        collector,
        TrackerConfiguration(app_id="workers", user_anonymisation=True, install_autotracking=False),
        EmitterConfiguration(server_anonymisation=True, storage_dir=storage),
    )


def work(collector: str, storage: Path | None, number: int) -> None:
    """Do some jobs. The last worker dies as hard as a process can."""
    tracker = create_tracker(collector, storage)
    for job in range(JOBS):
        tracker.track(Structured(category=f"worker {number}", action="job", value=job))
    if number == WORKERS - 1:
        os.kill(os.getpid(), signal.SIGKILL)
    tracker.close(timeout=10)


def main() -> None:
    """Start the workers, wait for them, and send what the killed one left."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collector", help="such as http://127.0.0.1:9090")
    parser.add_argument("--storage", type=Path, help="folder for what waits to be sent")
    arguments = parser.parse_args()

    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=work, args=(arguments.collector, arguments.storage, number))
        for number in range(WORKERS)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    print("ended with", sorted(process.exitcode or 0 for process in processes))

    tracker = create_tracker(arguments.collector, arguments.storage)
    delivered = tracker.close(timeout=10)
    print("everything was delivered" if delivered else "what was not delivered waits on disk")


if __name__ == "__main__":
    main()
