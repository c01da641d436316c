"""`kill -9` on collector and enrich while events arrive: what is accepted is in the lake once."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from whiteout.lake.reader import Lake

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TP2 = "/com.snowplowanalytics.snowplow/tp2"
PAYLOAD_DATA = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
DEADLINE_S = 60.0
QUICK = ["--no-iglu-central", "--commit-interval", "0.05"]
FAST = ["--durability", "process"]  # a kill, not a power loss


# Forks children that run the real command with everything imported: many kills fit in little time.
# One line of JSON in, one line out: {"start": arguments, "output": path} -> process id,
# {"wait": pid} -> exit status (negative: the signal).
NURSERY = """
import json, os, sys
import whiteout.cli, whiteout.collector.process, whiteout.lake.service
whiteout.cli.application()
for line in sys.stdin:
    order = json.loads(line)
    if "wait" in order:
        answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
    else:
        answer = os.fork()
        if answer == 0:
            os.dup2(os.open(order["output"], os.O_WRONLY), 1)
            os.close(0)
            os._exit(whiteout.cli.run(order["start"]))
    print(answer, flush=True)
"""


class Nursery:
    """Starts processes of the pipeline quickly. Used by several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._talking = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", NURSERY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, arguments: list[str]) -> tuple[int, str]:
        """Start a command; returns its process id and the first line that it prints."""
        fifo = self._folder / uuid.uuid4().hex
        os.mkfifo(fifo)
        pid = self._ask({"start": arguments, "output": str(fifo)})
        with fifo.open() as output:
            line = output.readline()
        fifo.unlink()
        return pid, line

    def wait(self, pid: int) -> int:
        return self._ask({"wait": pid})

    def _ask(self, order: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._talking:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


@dataclass
class Stage:
    """One process of the pipeline, killed and started again until it is told to end."""

    arguments: list[str]
    ready: Callable[[str], None] = lambda line: None
    kills: int = 0
    faults: list[str] = field(default_factory=list)

    def torment(self, nursery: Nursery, kills: int, rng: random.Random, longest_s: float) -> None:
        """Start, wait for readiness, kill at a random moment; again and again."""
        while self.kills < kills and not self.faults:
            pid, line = nursery.start(self.arguments)
            self.ready(line)
            threading.Event().wait(rng.uniform(0, longest_s))
            os.kill(pid, signal.SIGKILL)
            status = nursery.wait(pid)
            if status != -signal.SIGKILL or not line:
                self.faults.append(f"ended by itself with {status} after {line!r}")
            self.kills += 1

    def finish(self) -> None:
        """The real command, to its own end: what is accepted gets loaded."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "whiteout.cli", *self.arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0, errors


@dataclass
class Client:
    """Sends small POSTs one after the other, as trackers do: again until there is an answer."""

    port: Callable[[], int]
    rng: random.Random
    accepted: set[str] = field(default_factory=set)
    deliveries: Counter[str] = field(default_factory=Counter)

    def run(self, stop: threading.Event) -> None:
        waiting: list[dict[str, str]] = []
        while not stop.is_set():
            if not waiting:
                waiting = [self._event() for _ in range(self.rng.randint(1, 3))]
            event_ids = [event["eid"] for event in waiting]
            self.deliveries.update(event_ids)
            if self._post(waiting):
                self.accepted.update(event_ids)
                waiting = []
            stop.wait(0.01)

    def _event(self) -> dict[str, str]:
        event = {
            "e": "pv",
            "p": "pc",
            "tv": "test-1",
            "aid": "shop",
            "tna": "t",
            "eid": str(uuid.UUID(int=self.rng.getrandbits(128), version=4)),
            "dtm": "1795000000000",
            "url": "http://shop.example/",
        }
        if self.rng.random() < 0.2:  # fails in enrich, and must be in the other table once
            event["p"] = "no such platform"
        return event

    def _post(self, events: list[dict[str, str]]) -> bool:
        body = json.dumps({"schema": PAYLOAD_DATA, "data": events})
        connection = http.client.HTTPConnection("127.0.0.1", self.port(), timeout=5)
        try:
            connection.request("POST", TP2, body, {"Content-Type": "application/json"})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


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
