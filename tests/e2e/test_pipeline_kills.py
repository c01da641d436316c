"""`kill -9` on apps, collector and enrich while events arrive: what is accepted is loaded once.

Apps are real processes with the tracker in them; beside them clients without one also send events
that fail, each of which must be a failed event.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from tests.support.processes import Child
from tests.support.torment import Client, Nursery, Stage, lasting_port

from whiteout.lake.reader import Lake

if TYPE_CHECKING:
    from pathlib import Path

QUICK = ["--no-iglu-central", "--commit-interval", "0.05"]
FAST = ["--durability", "process"]  # a kill, not a power loss
LONGEST_S = 0.3
SCREEN_NAME = "unstruct_event_com_snowplowanalytics_mobile_screen_view_1.name"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")


@dataclass
class Apps:
    """One app, killed and started again; its events wait in its folder meanwhile.

    Attributes:
        told: the ids that `track()` returned, as far as the app could still tell.
        kills: how many there were.
    """

    folder: Path
    endpoint: str
    told: list[str] = field(default_factory=list)
    kills: int = 0

    def torment(self, kills: int, rng: random.Random) -> None:
        """Kill at a random moment from the fork on, which may be before there is a tracker."""
        with Child("nursery", folder=str(self.folder), endpoint=self.endpoint) as nursery:
            for number in range(1, kills + 1):
                nursery.tell("next")
                nursery.wait_for_lines("born ", number, 60)
                born = [line for line in nursery.lines if line.startswith("born ")]
                threading.Event().wait(rng.uniform(0, LONGEST_S))
                os.kill(int(born[-1].split()[1]), signal.SIGKILL)
                nursery.wait_for_lines("dead ", number, 60)
                self.kills += 1
            self.told = nursery.ids

    def deliver_the_rest(self) -> None:
        """As the next start of the app would."""
        with Child("deliver", folder=str(self.folder), endpoint=self.endpoint) as child:
            child.join(60)
            assert child.lines == ["delivered True"]


@dataclass
class Run:
    """All that was killed, and all that was sent."""

    folder: Path
    apps: Apps
    clients: list[Client]
    stages: list[Stage]


def torment_pipeline(folder: Path, kills: int, seed: int) -> Run:
    """Kill an app, collector and enrich `kills` times each, all at once; then let them finish."""
    port = lasting_port()
    spool = f"spool://{folder}"
    collector = Stage(["collector", "--to", spool, "--port", str(port), *FAST])
    enrich = Stage(["enrich", "--from", spool, "--to", str(folder), *FAST, *QUICK])
    nursery = Nursery(folder)
    apps = Apps(folder / "app", f"http://127.0.0.1:{port}")
    clients = [Client(port, random.Random(f"{seed} client {n}")) for n in range(2)]
    stop = threading.Event()
    senders = [threading.Thread(target=client.run, args=(stop,)) for client in clients]
    dice = [random.Random(f"{seed} {name}") for name in ("collector", "enrich", "app")]
    tormentors = [
        threading.Thread(target=collector.torment, args=(nursery, kills, dice[0], LONGEST_S)),
        threading.Thread(target=enrich.torment, args=(nursery, kills, dice[1], LONGEST_S)),
        threading.Thread(target=apps.torment, args=(kills, dice[2])),
    ]
    for thread in senders + tormentors:
        thread.start()
    for thread in tormentors:
        thread.join()
    stop.set()
    for thread in senders:
        thread.join()
    nursery.close()
    with collector.running():
        apps.deliver_the_rest()
    with enrich.running():
        pass  # asked to stop, it loads what there is
    return Run(folder, apps, clients, [collector, enrich])


def check(run: Run, kills: int) -> None:
    for stage in run.stages:
        assert stage.faults == []
        assert stage.kills == kills
        assert 0 < stage.early < kills
    assert run.apps.kills == kills
    good = Lake(run.folder / "lake").query(f"SELECT event_id, {SCREEN_NAME} AS name FROM events")  # noqa: S608 - ours
    names = dict(zip(*(good[name].to_pylist() for name in ("event_id", "name")), strict=True))
    assert len(names) == good.num_rows, "doubled"
    of_apps = {event_id: name for event_id, name in names.items() if name is not None}
    check_apps(run.apps.told, of_apps)
    check_clients(run, names.keys() - of_apps.keys())


def check_apps(told: list[str], arrived: dict[str, str]) -> None:
    """All that was told of arrived, and of each life at most the one event that could not be."""
    assert len(told) > 100
    assert set(told) - arrived.keys() == set(), "lost"
    lives: dict[str, set[int]] = defaultdict(set)
    for name in arrived.values():
        life, number = name.split()
        lives[life].add(int(number))
    told_in = Counter(arrived[event_id].split()[0] for event_id in told)
    for life, numbers in lives.items():
        assert numbers == set(range(len(numbers)))
        assert len(numbers) - told_in[life] in {0, 1}


def check_clients(run: Run, good: set[str]) -> None:
    accepted = set().union(*(client.accepted for client in run.clients))
    deliveries: Counter[str] = sum((client.deliveries for client in run.clients), Counter())
    found = Lake(run.folder / "lake").query("SELECT event_id FROM failed_events")
    bad = Counter(found["event_id"].to_pylist())

    assert good
    assert bad
    assert accepted - good - bad.keys() == set(), "lost"
    assert good & bad.keys() == set()
    # A failed event has no key of its own: each delivery of it is one, and no delivery is two.
    assert [event_id for event_id, count in bad.items() if count > deliveries[event_id]] == []
    assert good | bad.keys() <= deliveries.keys()


def test_fifty_kills_of_app_collector_and_enrich_lose_nothing_and_double_nothing(
    tmp_path: Path,
) -> None:
    """Every event whose `track()` has returned is in the lake, once."""
    check(torment_pipeline(tmp_path, 50, seed=1), 50)


@pytest.mark.long
def test_a_thousand_kills_of_app_collector_and_enrich_lose_nothing_and_double_nothing(
    tmp_path: Path,
) -> None:
    check(torment_pipeline(tmp_path, 1000, seed=2), 1000)


def test_what_is_lost_or_doubled_would_be_noticed() -> None:
    """The check of the apps can fail."""
    told = [f"id {number}" for number in range(120)]
    arrived = {event_id: f"{int(event_id[3:]) // 60} {int(event_id[3:]) % 60}" for event_id in told}
    check_apps(told, {**arrived, "untold": "1 60"})
    faulty = [
        {event_id: name for event_id, name in arrived.items() if event_id != "id 7"},
        {**arrived, "untold": "1 60", "untold too": "1 61"},
        {**arrived, "after a gap": "0 61"},
    ]
    for one in faulty:
        with pytest.raises(AssertionError):
            check_apps(told, one)
