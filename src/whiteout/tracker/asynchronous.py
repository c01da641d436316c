"""Waiting for delivery in asyncio: the loop goes on, and a cancelled wait leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_SLICE_S: Final = 0.1  # arbitrary: how soon a cancelled wait's thread ends, at first


class Flushes(Protocol):
    """As much of a tracker as is needed here."""

    def flush(self, timeout: float = ...) -> bool:
        """Send what waits; True when all that was tracked before is delivered or dropped."""
        ...


async def flush_async(tracker: Flushes, timeout: float = 10.0) -> bool:  # noqa: ASYNC109 - as `flush`
    """Send what waits, without blocking the event loop; True when all of it is delivered.

    For any loop of asyncio's kind, on any thread. The waiting is done by a thread of its own, not
    by the loop's executor: that may be full of the app's work, and `asyncio.run` waits for it.
    A wait that is cancelled ends at once; its thread follows within the time that it had waited
    already, or a tenth of a second.

    Args:
        tracker: whose events.
        timeout: seconds.

    Raises:
        whatever `tracker.flush` raises.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[bool] = loop.create_future()
    is_over = threading.Event()

    def tell(settle: Callable[[], None]) -> None:
        def settle_once() -> None:
            if not result.done():
                settle()

        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(settle_once)

    def wait() -> None:
        try:
            is_delivered = _flush_in_slices(tracker, timeout, is_over)
        except Exception as error:  # noqa: BLE001 - it is raised where the caller waits
            failure = error
            tell(lambda: result.set_exception(failure))
        else:
            tell(lambda: result.set_result(is_delivered))

    # A daemon: it must not hold up the end of the process.
    threading.Thread(target=wait, name="whiteout-flush", daemon=True).start()
    try:
        return await result
    finally:
        is_over.set()


def _flush_in_slices(tracker: Flushes, timeout_s: float, is_over: threading.Event) -> bool:
    """Flush, in growing steps, so that an end of the wait is soon noticed.

    Each step waits for what was tracked when it began. In a steady stream of events the last one,
    of half of the time or more, is what delivers all that was tracked before the call.
    """
    started_s = time.monotonic()
    waited_s = 0.0
    while not is_over.is_set():
        slice_s = min(max(_FIRST_SLICE_S, waited_s), timeout_s - waited_s)
        if tracker.flush(max(0.0, slice_s)):
            return True
        waited_s = time.monotonic() - started_s
        if waited_s >= timeout_s:
            break
    return False
