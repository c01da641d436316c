from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from whiteout.supervisor import ChildFailedError, Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Notes each start in a file, then waits for the end of its input.
CHILD = """
import sys
with open(sys.argv[1], "a") as file:
    file.write("started\\n")
sys.stdin.read()
sys.exit(int(sys.argv[2]))
"""
DEADLINE_S = 20.0


def supervised(folder: Path, status: int = 0, code: str = CHILD) -> Supervisor:
    command = [sys.executable, "-S", "-c", code, str(folder / "starts"), str(status)]
    return Supervisor(command, first_delay_s=0.01)


def starts(folder: Path) -> int:
    path = folder / "starts"
    return len(path.read_text().splitlines()) if path.exists() else 0


def wait_until(condition: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(int(DEADLINE_S / 0.01)):
        if condition():
            return
        tick.wait(0.01)
    pytest.fail("it did not come about in time")


def test_whoever_gives_up_kills_the_child_and_starts_no_other(tmp_path: Path) -> None:
    """A second Ctrl-C."""
    deaf = "import sys, time\nopen(sys.argv[1], 'a').write('started\\n')\ntime.sleep(600)"
    supervisor = supervised(tmp_path, code=deaf)
    supervisor.start()
    wait_until(lambda: starts(tmp_path) == 1)

    supervisor.give_up()

    with pytest.raises(ChildFailedError):
        supervisor.stop(timeout_s=DEADLINE_S)
    assert starts(tmp_path) == 1
    assert supervisor.pid is None


def test_a_stop_ends_the_childs_input_and_waits_for_it(tmp_path: Path) -> None:
    supervisor = supervised(tmp_path)
    supervisor.start()
    wait_until(lambda: starts(tmp_path) == 1)

    supervisor.stop(timeout_s=DEADLINE_S)

    assert starts(tmp_path) == 1
    assert supervisor.pid is None


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_a_child_that_dies_is_started_again(tmp_path: Path) -> None:
    supervisor = supervised(tmp_path)
    supervisor.start()
    for number in range(1, 4):
        wait_until(lambda number=number: starts(tmp_path) == number)  # type: ignore[misc]
        pid = supervisor.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: starts(tmp_path) == 4)

    supervisor.stop(timeout_s=DEADLINE_S)


def test_a_child_that_fails_at_the_end_is_tried_again_and_then_reported(tmp_path: Path) -> None:
    supervisor = supervised(tmp_path, status=3)
    supervisor.start()
    wait_until(lambda: starts(tmp_path) == 1)

    with pytest.raises(ChildFailedError, match="status 3"):
        supervisor.stop(timeout_s=DEADLINE_S)

    assert starts(tmp_path) == 3


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_a_child_that_does_not_finish_is_killed(tmp_path: Path) -> None:
    stubborn = CHILD.replace("sys.stdin.read()", "import time; time.sleep(600)")
    supervisor = supervised(tmp_path, code=stubborn)
    supervisor.start()
    wait_until(lambda: starts(tmp_path) == 1)
    pid = supervisor.pid

    with pytest.raises(ChildFailedError, match="longer than"):
        supervisor.stop(timeout_s=0.1)

    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
