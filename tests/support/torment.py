"""Processes of the pipeline that are killed again and again, and clients that send meanwhile."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

TP2 = "/com.snowplowanalytics.snowplow/tp2"
PAYLOAD_DATA = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
DEADLINE_S = 60.0


# Forks children that run the real command with everything imported: many kills fit in little time.
# One line of JSON in, one line out: {"start": arguments, "output": path} -> process id,
# {"wait": pid} -> exit status (negative: the signal).
NURSERY = """
import json, os, sys
import confluent_kafka
import whiteout.cli, whiteout.collector.kafka_sink, whiteout.collector.process
import whiteout.kafka.service, whiteout.lake.service
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
