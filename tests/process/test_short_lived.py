"""Command-line tools: what is tracked is stored at the exit, and sent at the next start."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from tests.process.support import (
    LIMIT_S,
    NOWHERE,
    assert_each_is_sent_once,
    dead_resolver,
    has_black_hole,
    run,
)
from tests.support.collector import Collector, Reply
from tests.support.trackers import a_tracker

if TYPE_CHECKING:
    from pathlib import Path

EXTRA_S = 0.1  # what a tracker may add to the exit of a program
BARE_TRIES = 3
TRIES = 12  # the quickest counts, for the machine may be busy; a wait of ours would slow them all

ENDINGS = {
    "end": 0,
    "sys.exit": 3,
    "exception": 1,
    "os._exit": 4,
    "SIGTERM": -signal.SIGTERM,
    "SIGINT": -signal.SIGINT,
    "SIGKILL": -signal.SIGKILL,
    "daemon threads": 0,
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_however_a_program_ends_everything_is_sent_at_the_next_start(
    tmp_path: Path, ending: str
) -> None:
    ended = run("tool", folder=str(tmp_path), endpoint=NOWHERE, events=50, ending=ending)

    # CPython forgets that it was interrupted if a thread evaluates source text while it ends, as a
    # module with a dataclass does that is loaded just then.
    status = ENDINGS["SIGINT"] if (ending, ended.status) == ("SIGINT", 1) else ended.status
    assert status == ENDINGS[ending]
    assert len(ended.ids) >= 50
    assert_each_is_sent_once(tmp_path, ended.ids)


@pytest.mark.parametrize("ending", ["end", "exception", "daemon threads"])
def test_the_exit_says_nothing_of_its_own(tmp_path: Path, ending: str) -> None:
    ended = run("tool", folder=str(tmp_path), endpoint=NOWHERE, events=50, ending=ending)

    expected = "ValueError: broken" if ending == "exception" else ""
    assert ended.errors.strip().rpartition("\n")[2] == expected


def quickest_bare() -> float:
    """Seconds that the exit of a program without a tracker takes; the shortest of some tries."""
    return min(run("bare").exit_s or LIMIT_S for _ in range(BARE_TRIES))


def quickest(action: str, folder: Path, resolver: Path | None = None, **arguments: object) -> float:
    """The same for a program with one. What the last of them tracked is sent at the next start."""
    seconds = []
    for number in range(TRIES):
        own = folder / f"try {number}"
        ended = run(action, resolver=resolver, folder=str(own), **arguments)
        assert ended.status == 0, ended.errors
        seconds.append(ended.exit_s or LIMIT_S)
        if seconds[-1] < EXTRA_S:
            break
    assert_each_is_sent_once(own, ended.ids)
    return min(seconds)


def test_the_exit_is_quick_where_nobody_listens(tmp_path: Path) -> None:
    bare_s = quickest_bare()

    exit_s = quickest("tool", tmp_path, endpoint=NOWHERE, events=20)

    assert exit_s < bare_s + EXTRA_S


def test_the_exit_is_quick_while_the_resolver_hangs(tmp_path: Path) -> None:
    """On any machine: the name is never resolved."""
    bare_s = quickest_bare()

    exit_s = quickest("unresolved_tool", tmp_path, endpoint="http://collector.example", events=20)

    assert exit_s < bare_s + EXTRA_S


def test_the_exit_is_quick_while_another_process_locks_the_event_store(tmp_path: Path) -> None:
    bare_s = quickest_bare()

    exit_s = quickest("locked_out_tool", tmp_path, endpoint=NOWHERE, events=20)

    assert exit_s < bare_s + EXTRA_S


def test_the_exit_is_quick_however_much_waits(tmp_path: Path) -> None:
    """It stays in the journal, and the next start takes it up."""
    bare_s = quickest_bare()

    exit_s = quickest("tool", tmp_path, endpoint=NOWHERE, events=5_000)

    assert exit_s < bare_s + EXTRA_S


def test_the_exit_is_quick_while_all_of_many_trackers_wait_for_the_resolver(tmp_path: Path) -> None:
    """They end together: the time is that of one."""
    bare_s = quickest_bare()
    seconds = []
    for number in range(TRIES):
        own = tmp_path / f"try {number}"
        ended = run(
            "many_unresolved_tools",
            folder=str(own),
            endpoint="http://collector.example",
            trackers=8,
        )
        assert ended.status == 0, ended.errors
        seconds.append(ended.exit_s or LIMIT_S)
        if seconds[-1] < bare_s + EXTRA_S:
            break

    assert min(seconds) < bare_s + EXTRA_S
    with Collector() as collector:
        for number in range(8):
            with a_tracker(collector.url, own, namespace=f"app{number}") as tracker:
                assert tracker.flush(10)
    assert dict(collector.accepted_ids) == dict.fromkeys(ended.ids, 1)


@pytest.mark.parametrize(
    ("endpoint", "wait_s"),
    [
        ("http://10.255.255.1", 0.3),
        ("https://collector.example", 0.3),
        ("https://collector.example", 0.0),
    ],
)
def test_the_exit_is_quick_in_a_network_that_swallows_everything(
    tmp_path: Path, endpoint: str, wait_s: float
) -> None:
    """A real black hole: no packet comes back, neither from the collector nor from a name server.

    With a wait the exit comes while the emitter is in the middle of connecting or resolving.
    """
    if not has_black_hole(tmp_path):
        pytest.skip("needs Linux, `ip`, and leave to make a network of one's own")
    bare_s = quickest_bare()

    exit_s = quickest(
        "sending_tool",
        tmp_path,
        resolver=dead_resolver(tmp_path),
        endpoint=endpoint,
        events=20,
        wait_s=wait_s,
    )

    assert exit_s < bare_s + EXTRA_S


def test_a_flush_keeps_to_its_time_in_a_network_that_swallows_everything(tmp_path: Path) -> None:
    if not has_black_hole(tmp_path):
        pytest.skip("needs Linux, `ip`, and leave to make a network of one's own")

    ended = run(
        "sending_tool",
        resolver=dead_resolver(tmp_path),
        folder=str(tmp_path),
        endpoint="https://collector.example",
        events=5,
        wait_s=0.3,
    )

    (said,) = (line for line in ended.lines if line.startswith("flushed"))
    _, is_delivered, seconds = said.split()
    assert is_delivered == "False"
    assert 0.3 <= float(seconds) < 0.6


def test_the_exit_is_quick_while_the_collector_does_not_answer(tmp_path: Path) -> None:
    with Collector() as collector:
        collector.default = Reply(holds=True)
        bare_s = quickest_bare()

        exit_s = quickest("sending_tool", tmp_path, endpoint=collector.url, events=20, wait_s=0.2)

        collector.release()
        assert exit_s < bare_s + EXTRA_S


def test_an_app_of_asyncio_waits_for_its_events_and_ends(tmp_path: Path) -> None:
    with Collector() as collector:
        collector.default = Reply(delay_s=0.01)
        ended = run("asyncio_app", folder=str(tmp_path), endpoint=collector.url, tasks=5, events=20)

        assert ended.status == 0, ended.errors
        assert "delivered True" in ended.lines
        assert len(ended.ids) == 100
        assert_each_is_sent_once(tmp_path, ended.ids, collector)
