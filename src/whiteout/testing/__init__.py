"""The testing kit: what an app tracks, as a test sees it arrive.

::

    from whiteout import ScreenView
    from whiteout.testing import assert_no_failed_events, assert_tracked

    def test_the_checkout_is_tracked(whiteout_micro):
        buy_something(collector=whiteout_micro.endpoint)

        assert_tracked(ScreenView, name="Checkout")
        assert_no_failed_events()

The pytest plugin brings the fixtures `whiteout_micro`, a pipeline in memory on a free port, and
`whiteout_memory`, trackers without thread, disk and network. `Micro` and `memory_tracker` are the
same for other test runners. Needs the extra `pipeline`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whiteout.testing.arrivals import Arrivals as Arrivals
    from whiteout.testing.arrivals import NothingToAskError as NothingToAskError
    from whiteout.testing.assertions import assert_anonymous as assert_anonymous
    from whiteout.testing.assertions import assert_no_failed_events as assert_no_failed_events
    from whiteout.testing.assertions import assert_not_tracked as assert_not_tracked
    from whiteout.testing.assertions import assert_tracked as assert_tracked
    from whiteout.testing.memory import MemoryTracker as MemoryTracker
    from whiteout.testing.memory import memory_tracker as memory_tracker
    from whiteout.testing.micro import Micro as Micro
    from whiteout.testing.received import FailedEvent as FailedEvent
    from whiteout.testing.received import ReceivedEvent as ReceivedEvent

_LOADED_LATER = {
    "Arrivals": "arrivals",
    "FailedEvent": "received",
    "MemoryTracker": "memory",
    "Micro": "micro",
    "NothingToAskError": "arrivals",
    "ReceivedEvent": "received",
    "assert_anonymous": "assertions",
    "assert_no_failed_events": "assertions",
    "assert_not_tracked": "assertions",
    "assert_tracked": "assertions",
    "memory_tracker": "memory",
}

if not TYPE_CHECKING:  # a type checker would take any name for one that exists

    def __getattr__(name: str) -> object:
        module = _LOADED_LATER.get(name)
        if module is None:
            raise AttributeError(f"module 'whiteout.testing' has no attribute {name!r}")
        value: object = getattr(import_module(f"whiteout.testing.{module}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LOADED_LATER})
