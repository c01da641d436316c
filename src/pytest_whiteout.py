"""The pytest plugin of Whiteout: fixtures of a pipeline and of trackers for tests.

It stands outside the package and imports nothing of it before a fixture is asked for: a test run
that uses no Whiteout pays for one small module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from whiteout.testing import MemoryTracker, Micro

_IGLU = "whiteout_iglu"
_TIMEOUT = "whiteout_timeout"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the configuration file."""
    parser.addini(
        _IGLU,
        "Schema registries of whiteout_micro and whiteout_memory, one a line: folders, as seen "
        "from the root folder, or HTTP addresses.",
        type="linelist",
        default=[],
    )
    parser.addini(
        _TIMEOUT, "Seconds that assert_tracked waits for an event to arrive.", default="2"
    )


@pytest.fixture(scope="session")
def whiteout_micro_server(pytestconfig: pytest.Config) -> Iterator[Micro]:
    """The pipeline of `whiteout_micro`; one for the whole run, so that an app may know its port."""
    from whiteout.testing import Micro  # noqa: PLC0415 - who asks for it pays

    micro = Micro(iglu=_registries(pytestconfig), timeout=_timeout_s(pytestconfig))
    micro.start()
    try:
        yield micro
    finally:
        micro.stop()


@pytest.fixture
def whiteout_micro(
    whiteout_micro_server: Micro, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Micro]:
    """A collector and enrich in memory, on a free port, without events.

    The assertions of `whiteout.testing` ask it while the test runs. Trackers of this process and of
    those it starts store what they store in a new folder, unless they name one, and a tracker of a
    later test inherits nothing of what one of this test said of privacy.
    """
    from whiteout.tracker.folder import VARIABLE  # noqa: PLC0415 - as above
    from whiteout.tracker.instances import end_of_test  # noqa: PLC0415 - as above

    micro = whiteout_micro_server
    micro.clear()
    with micro.current(), pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path_factory.mktemp("whiteout")))
        yield micro
        end_of_test()
    micro.clear()  # now, so that what trackers hold arrives here, and not in the next test


@pytest.fixture
def whiteout_memory(pytestconfig: pytest.Config) -> Iterator[Callable[..., MemoryTracker]]:
    """Makes trackers in memory: `whiteout_memory("app", TrackerConfiguration(…))`.

    The assertions of `whiteout.testing` ask the one that was made last. All are closed in the end.
    """
    from contextlib import ExitStack  # noqa: PLC0415 - as above

    from whiteout.testing import memory_tracker  # noqa: PLC0415 - as above

    with ExitStack() as stack:

        def make(namespace: str = "app", *configurations: object) -> MemoryTracker:
            made = memory_tracker(
                namespace,
                *configurations,  # type: ignore[arg-type] # checked at once, by the tracker
                iglu=_registries(pytestconfig),
            )
            return stack.enter_context(made)

        yield make


def _registries(config: pytest.Config) -> list[str]:
    return [
        place if place.startswith(("http://", "https://")) else str(config.rootpath / place)
        for place in config.getini(_IGLU)
    ]


def _timeout_s(config: pytest.Config) -> float:
    text = config.getini(_TIMEOUT)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:  # noqa: PLR2004 - an hour; also what is no number
        raise pytest.UsageError(f"{_TIMEOUT} must be 0 to 3600 seconds, got {text!r}")
    return seconds
