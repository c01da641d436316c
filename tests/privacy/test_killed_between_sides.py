"""No bridge across the boundary (promise 2) where processes are really killed, at any moment.

Beside `test_unlinkability.py`, whose kill is an imitation and whose network keeps no cookies: here
apps change their level and track until they die, and send over HTTP to a collector that sets one.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from tests.privacy.support import text_of
from tests.privacy.test_unlinkability import generated
from tests.support.collector import Collector, Reply, unstructured
from tests.support.processes import Child

from whiteout import Anonymisation

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.collector import Received

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
COOKIE = "c0ffee00-0000-4000-8000-00000000000c"
LONGEST_LIFE_S = 0.4
STARTS = 3  # that the longest life takes, where the machine is so busy that this is longer


def live_and_die(folder: Path, kills: int, seed: int) -> list[Received]:
    """All requests of an app that was killed so often, and of its last start."""
    dice = random.Random(seed)
    with Collector() as collector:
        collector.default = Reply(headers=(("Set-Cookie", f"sp={COOKIE}; Path=/"),))
        arguments = {"folder": str(folder), "endpoint": collector.url}
        with Child("nursery_on_both_sides", **arguments, seed=seed) as nursery:
            longest_life_s = LONGEST_LIFE_S
            for number in range(1, kills + 1):
                nursery.tell("next")
                nursery.wait_for_lines("born ", number, 60)
                born = [line for line in nursery.lines if line.startswith("born ")]
                started_s = time.monotonic()
                if number == 1:
                    nursery.wait_for_lines("id ", 1, 60)
                    longest_life_s = max(longest_life_s, STARTS * (time.monotonic() - started_s))
                threading.Event().wait(dice.uniform(0, longest_life_s))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(born[-1].split()[1]), signal.SIGKILL)
                nursery.wait_for_lines("dead ", number, 60)
            told = nursery.ids
        with Child("deliver", **arguments) as child:
            child.join(60)
            assert child.lines == ["delivered True"]
        assert len(told) > kills
        assert set(told) <= set(collector.accepted_ids)
        return collector.requests


def check(requests: list[Received]) -> None:
    sides: dict[str, set[str]] = defaultdict(set)
    for request in requests:
        members = [str(unstructured(event)["data"]["name"]) for event in request.events]
        (level,) = {Anonymisation(int(name.partition("|")[2])) for name in members}
        (side,) = {side_of(name) for name in members}
        assert ("sp-anonymous" in request.headers) is (Anonymisation.SERVER in level)
        if level:
            assert COOKIE not in text_of(request)
        for event in request.events:
            for value in generated(event):
                if not value.startswith("time "):  # of a real clock: two may fall together
                    sides[value].add(side)
    assert len(set.union(*sides.values())) > 5
    assert {value: on for value, on in sides.items() if len(on) > 1} == {}


def side_of(name: str) -> str:
    """The one identified side of the installation, or a run of anonymous events of one life."""
    run, _, level = name.partition("|")
    return run if Anonymisation(int(level)) & Anonymisation.CLIENT else "identified"


def test_no_kill_joins_the_two_sides_of_a_change(tmp_path: Path) -> None:
    check(live_and_die(tmp_path, 10, seed=1))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 7))
def test_many_kills_join_the_two_sides_of_no_change(tmp_path: Path, seed: int) -> None:
    check(live_and_die(tmp_path, 200, seed=seed))
