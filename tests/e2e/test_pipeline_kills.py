"""`kill -9` on collector and enrich while events arrive: what is accepted is in the lake once."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from tests.support.torment import Client, Nursery, Stage

from whiteout.lake.reader import Lake

if TYPE_CHECKING:
    from pathlib import Path

QUICK = ["--no-iglu-central", "--commit-interval", "0.05"]
FAST = ["--durability", "process"]  # a kill, not a power loss


def torment_pipeline(folder: Path, kills: int, seed: int) -> tuple[list[Client], list[Stage]]:
    """Kill collector and enrich `kills` times each under load, then let them finish."""
    rng = random.Random(seed)
    bound = {"port": 1}

    def note_port(line: str) -> None:
        if line:
            bound["port"] = int(line.rsplit(":", 1)[1])

    spool = f"spool://{folder}"
    collector = Stage(["collector", "--to", spool, "--port", "0", *FAST], note_port)
    enrich = Stage(["enrich", "--from", spool, "--to", str(folder), *FAST, *QUICK])
    nursery = Nursery(folder)
    clients = [Client(lambda: bound["port"], random.Random(f"{seed} {n}")) for n in range(2)]
    stop = threading.Event()
    senders = [threading.Thread(target=client.run, args=(stop,)) for client in clients]
    tormentors = [
        threading.Thread(target=collector.torment, args=(nursery, kills, rng, 0.3)),
        threading.Thread(target=enrich.torment, args=(nursery, kills, rng, 0.3)),
    ]
    for thread in senders + tormentors:
        thread.start()
    for thread in tormentors:
        thread.join()
    stop.set()
    for thread in senders:
        thread.join()
    nursery.close()
    collector.finish()
    enrich.finish()
    return clients, [collector, enrich]


def check(folder: Path, clients: list[Client], stages: list[Stage], kills: int) -> None:
    for stage in stages:
        assert stage.faults == []
        assert stage.kills == kills
    accepted = set().union(*(client.accepted for client in clients))
    deliveries: Counter[str] = sum((client.deliveries for client in clients), Counter())
    good = event_counts(folder, "events")
    bad = event_counts(folder, "failed_events")

    assert len(accepted) > kills
    assert good
    assert bad
    assert accepted - good.keys() - bad.keys() == set(), "lost"
    assert [event_id for event_id, count in good.items() if count > 1] == [], "doubled"
    assert good.keys() & bad.keys() == set()
    # A failed event has no key of its own: each delivery of it is one, and no delivery is two.
    assert [event_id for event_id, count in bad.items() if count > deliveries[event_id]] == []
    assert good.keys() | bad.keys() <= deliveries.keys()


def event_counts(folder: Path, table: str) -> Counter[str]:
    found = Lake(folder / "lake").query(f"SELECT event_id FROM {table}")  # noqa: S608 - ours
    return Counter(found["event_id"].to_pylist())


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_fifty_kills_of_each_process_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    clients, stages = torment_pipeline(tmp_path, 50, seed=1)

    check(tmp_path, clients, stages, 50)


@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_a_thousand_kills_of_each_process_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    clients, stages = torment_pipeline(tmp_path, 1000, seed=2)

    check(tmp_path, clients, stages, 1000)
