"""The same as `test_schedules.py`, with the processes of `whiteout up`: each accepted event once.

The supervisor is killed, its child is killed, stopped, or finds its disk full.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import signal
import sys
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest
from tests.support.pipeline import Pipeline
from tests.support.torment import DEADLINE_S

from whiteout.lake.reader import Lake

if TYPE_CHECKING:
    from collections.abc import Callable

if sys.platform != "linux":
    pytest.skip("it takes /proc and prlimit", allow_module_level=True)

import os
import resource

OPTIONS = ("--no-page", "--durability", "process", "--commit-interval", "0.05")
FAULTS = ("kill all", "kill the child", "stop the child", "full disk", "end")


def children_of(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found += (task / "children").read_text("ascii").split()
    return sorted({int(one) for one in found})


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


class Up:
    """`whiteout up` that is killed and started again, and a client of it."""

    def __init__(self, folder: Path, dice: random.Random) -> None:
        self._folder, self._dice = folder, dice
        self._pipeline = Pipeline(folder, *OPTIONS)
        self._stopped: list[int] = []
        self.accepted: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._wake()
        self._pipeline.process.kill()
        self._pipeline.process.communicate()

    def suffer(self, fault: str) -> None:
        """Let it happen, while events come."""
        self.send()
        match fault:
            case "kill all":
                self._pipeline.process.kill()
                self._start()
            case "kill the child":
                self._signal_child(signal.SIGKILL)
            case "stop the child":
                self._stopped += self._signal_child(signal.SIGSTOP)
            case "full disk":
                for child in self._children():
                    hard = resource.prlimit(child, resource.RLIMIT_FSIZE)[1]
                    room = self._dice.choice((0, 1000, 20_000))
                    resource.prlimit(child, resource.RLIMIT_FSIZE, (room, hard))
            case _:
                self._wake()
                self._pipeline.process.terminate()
                self._start()
        self.send()

    def send(self) -> None:
        """Some events, each again until it is accepted."""
        for _ in range(self._dice.randint(1, 3)):
            time.sleep(self._dice.uniform(0, 0.1))
            event_id = str(uuid.UUID(int=self._dice.getrandbits(128), version=4))
            wait_until(lambda event_id=event_id: self._is_accepted(event_id))  # type: ignore[misc] # mypy knows no defaults of a lambda
            self.accepted.append(event_id)

    def end(self) -> None:
        """No more faults; asked to stop, it loads what there is."""
        self._wake()
        self._signal_child(signal.SIGKILL)  # the next one has a disk with room
        self._pipeline.process.terminate()
        assert self._pipeline.process.wait(DEADLINE_S) == 0

    def _is_accepted(self, event_id: str) -> bool:
        event = {"eid": event_id, "dtm": "1795000000000"}
        try:
            self._pipeline.send(event)
        except (AssertionError, OSError, http.client.HTTPException):
            return False
        return True

    def _start(self) -> None:
        self._wake()  # a child that has lost its parent ends, and frees the lake
        self._pipeline.process.communicate()
        self._pipeline = Pipeline(self._folder, *OPTIONS)

    def _children(self) -> list[int]:
        wait_until(lambda: bool(children_of(self._pipeline.process.pid)))
        return children_of(self._pipeline.process.pid)

    def _signal_child(self, which: signal.Signals) -> list[int]:
        children = self._children()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, which)
        return children

    def _wake(self) -> None:
        for child in self._stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGCONT)
        self._stopped = []


def suffer(folder: Path, seed: int, faults: int) -> None:
    dice = random.Random(seed)
    with Up(folder, dice) as up:
        for _ in range(faults):
            up.suffer(dice.choice(FAULTS))
        up.end()
        found = Lake(folder / "lake").query("SELECT event_id FROM events")["event_id"].to_pylist()
        assert Counter(found) == Counter(up.accepted)


def test_whiteout_up_loses_nothing_and_doubles_nothing_in_a_schedule_of_faults(
    tmp_path: Path,
) -> None:
    suffer(tmp_path, 4, 5)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_whiteout_up_loses_nothing_and_doubles_nothing_in_long_schedules(
    tmp_path: Path, seed: int
) -> None:
    suffer(tmp_path, seed, 20)
