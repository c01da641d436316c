"""Exceptions: what the app catches, and what nobody does.

    python examples/features/exceptions.py http://127.0.0.1:9090

What to look at: the exception that ends a thread is tracked by itself, and its traceback is
printed as ever; the message, which quotes a customer, leaves only while the user is known.
"""

from __future__ import annotations

import sys
import threading

import whiteout
from whiteout import ApplicationError, EmitterConfiguration, TrackerConfiguration


def look_up(name: str) -> None:
    """Fail, and quote what was asked for."""
    raise LookupError(f"no account for {name}")


def main(collector: str, storage: str | None = None) -> None:
    """Fail twice: once caught, once not."""
    tracker = whiteout.create_tracker(
        "exceptions",
        collector,
        TrackerConfiguration(app_id="bank", install_autotracking=False),
        EmitterConfiguration(storage_dir=storage),
    )
    try:
        look_up("alice@example.com")
    except LookupError as error:
        tracker.track(ApplicationError.from_exception(error))

    tracker.user_anonymisation = True
    thread = threading.Thread(target=look_up, args=["alice@example.com"])
    thread.start()
    thread.join()
    print("delivered:", tracker.close(timeout=10))


if __name__ == "__main__":
    main(*sys.argv[1:])
