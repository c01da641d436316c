"""Exceptions: what the app catches, and what nobody does.

    python examples/features/exceptions.py http://127.0.0.1:9090

What to look at: the exception that ends a thread is tracked by itself, and its traceback is
printed as ever; so is that of an event loop whose handler is the app's own, once the tracker is
told of the loop. The message, which quotes a customer, leaves only while the user is known.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import whiteout
from whiteout import ApplicationError, EmitterConfiguration, TrackerConfiguration


def look_up(name: str) -> None:
    """Fail, and quote what was asked for."""
    raise LookupError(f"no account for {name}")


async def call_back(tracker: whiteout.Tracker) -> None:
    """Fail in a loop with a handler of the app's own."""

    def handle(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        print("the loop's own handler:", type(context["exception"]).__name__)

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(handle)
    tracker.track_exceptions_of(loop)
    loop.call_soon(look_up, "alice@example.com")
    await asyncio.sleep(0)


def main(collector: str, storage: str | None = None) -> None:
    """Fail three times: once caught, twice not."""
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
    asyncio.run(call_back(tracker))
    print("delivered:", tracker.close(timeout=10))


if __name__ == "__main__":
    main(*sys.argv[1:])
