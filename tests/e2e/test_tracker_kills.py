"""`kill -9` loses nothing that `track()` has returned."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from typing import TYPE_CHECKING

import pytest
from tests.support.collector import Collector, Reply, closed_port, session
from tests.support.processes import Child

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.collector import Received

LONGEST_LIFE_S = 0.3
NOWHERE = f"http://127.0.0.1:{closed_port()}"


def kill_children(
    folder: Path, collector: Collector, rounds: int, generator: random.Random
) -> list[str]:
    """Let children track and kill each at a random moment; the ids that they were given."""
    with Child("nursery", folder=str(folder), endpoint=collector.url) as nursery:
        for number in range(1, rounds + 1):
            nursery.tell("next")
            nursery.wait_for_lines("born ", number)
            time.sleep(generator.uniform(0, LONGEST_LIFE_S))
            born = [line for line in nursery.lines if line.startswith("born ")]
            pid = int(born[-1].split()[1])
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            nursery.wait_for_lines("dead ", number)
        return nursery.ids


def deliver_the_rest(folder: Path, collector: Collector) -> None:
    with Child("deliver", folder=str(folder), endpoint=collector.url) as child:
        child.join(40)
        assert child.lines == ["delivered True"]


def assert_all_arrived(collector: Collector, ids: list[str], kills: int) -> None:
    """All ids arrived; what came twice had been in flight when its process was killed."""
    arrived = collector.accepted_ids
    assert set(ids) <= set(arrived)
    requests = collector.requests
    last_of_connection: dict[int, int] = {}
    for position, request in enumerate(requests):
        last_of_connection[request.connection] = position
    first_request: dict[str, int] = {}
    repeated: set[int] = set()
    for position, request in enumerate(requests):
        for event_id in request.ids:
            first = first_request.setdefault(event_id, position)
            if first != position:
                repeated.add(first)
    assert len(repeated) <= kills
    assert all(_is_last(requests, position, last_of_connection) for position in repeated)


def _is_last(requests: list[Received], position: int, last_of_connection: dict[int, int]) -> bool:
    return last_of_connection[requests[position].connection] == position


def test_kills_repeat_only_what_was_in_flight(tmp_path: Path) -> None:
    """Fifty kills, of the pipeline too: `test_pipeline_kills.py`. Here each request is seen."""
    generator = random.Random(1)
    with Collector() as collector:
        collector.default = Reply(delay_s=0.01)

        ids = kill_children(tmp_path, collector, 10, generator)
        deliver_the_rest(tmp_path, collector)

        assert len(ids) > 10  # some of the lives are too short for one
        assert_all_arrived(collector, ids, kills=10)


@pytest.mark.long
def test_a_thousand_kills_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    """The same, longer."""
    generator = random.Random(time.time_ns())
    with Collector() as collector:
        ids = kill_children(tmp_path, collector, 1000, generator)
        deliver_the_rest(tmp_path, collector)

        assert_all_arrived(collector, ids, kills=1000)


def test_a_kill_while_the_collector_is_down_loses_nothing_and_sends_nothing_twice(
    tmp_path: Path,
) -> None:
    with Child("track_until_told", folder=str(tmp_path), endpoint=NOWHERE) as child:
        child.wait_for_lines("id ", 500)
        child.kill()
        ids = child.ids

    with Collector() as collector:
        deliver_the_rest(tmp_path, collector)

        assert set(ids) <= set(collector.accepted_ids)
        assert set(collector.accepted_ids.values()) == {1}


def test_nothing_is_left_on_the_disk_once_all_is_delivered(tmp_path: Path) -> None:
    """Adopted journals and their locks are erased: no growth from kill to kill."""
    with Collector() as collector:
        kill_children(tmp_path, collector, 5, random.Random(2))
        deliver_the_rest(tmp_path, collector)

        assert [path.name for path in tmp_path.iterdir() if path.suffix == ".journal"] == []
        assert [path.name for path in tmp_path.glob("*.lock")] in ([], ["app.sender.lock"])


def test_the_session_after_a_kill_names_the_one_that_was_killed(tmp_path: Path) -> None:
    """The journal knows of the session, where the file on the disk may not yet."""
    arguments = {"folder": str(tmp_path), "interval_s": 0.01}
    for _ in range(3):
        with Child("track_until_told", **arguments, endpoint=NOWHERE) as child:
            child.wait_for_lines("id ", 1)
            child.kill()

    with Collector() as collector:
        deliver_the_rest(tmp_path, collector)

        firsts = [session(event) for event in collector.events]
        chain = {data["sessionIndex"]: data for data in firsts}
        assert sorted(chain) == [1, 2, 3]
        assert chain[1]["previousSessionId"] is None
        assert chain[2]["previousSessionId"] == chain[1]["sessionId"]
        assert chain[3]["previousSessionId"] == chain[2]["sessionId"]
        assert len({data["userId"] for data in firsts}) == 1
