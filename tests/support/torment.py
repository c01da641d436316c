"""Processes of the pipeline that are killed again and again, and clients that send meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

TP2 = "/com.snowplowanalytics.snowplow/tp2"
PAYLOAD_DATA = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
DEADLINE_S = 60.0
_EARLY = 0.3  # of the kills: at any moment from the fork on, while the process still starts
_LOOK_S = 0.005


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
            os.dup2(os.open(order["output"], os.O_WRONLY | os.O_CREAT), 1)
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

    def start(self, arguments: list[str]) -> tuple[int, Path]:
        """Start a command; returns its process id and the file that it prints into."""
        output = self._folder / uuid.uuid4().hex
        return self._ask({"start": arguments, "output": str(output)}), output

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
    """One process of the pipeline, killed and started again until it is told to end.

    Attributes:
        kills: how many there were.
        early: how many of them before the process was ready.
        faults: what must not be: processes that ended by themselves.
    """

    arguments: list[str]
    kills: int = 0
    early: int = 0
    faults: list[str] = field(default_factory=list)
    _start_s: float = 0.3  # that it takes until a process is ready, as last seen

    def torment(self, nursery: Nursery, kills: int, rng: random.Random, longest_s: float) -> None:
        """Start and kill at a random moment, of the start too; again and again."""
        while self.kills < kills and not self.faults:
            pid, output = nursery.start(self.arguments)
            if rng.random() < _EARLY:
                threading.Event().wait(rng.uniform(0, self._start_s))
            else:
                self._wait(output)
                threading.Event().wait(rng.uniform(0, longest_s))
            os.kill(pid, signal.SIGKILL)
            status = nursery.wait(pid)
            is_ready = _is_ready(output)
            output.unlink(missing_ok=True)
            if status != -signal.SIGKILL:
                self.faults.append(f"ended by itself with {status}")
            self.kills += 1
            self.early += not is_ready

    def _wait(self, output: Path) -> None:
        started = time.monotonic()
        while not _is_ready(output):
            if time.monotonic() - started > DEADLINE_S:
                self.faults.append("was not ready in time")
                return
            time.sleep(_LOOK_S)
        self._start_s = time.monotonic() - started

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The real command; in the end it is asked to stop, and must do so without complaint."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "whiteout.cli", *self.arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=DEADLINE_S)
            assert process.returncode == 0, errors
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()


def _is_ready(output: Path) -> bool:
    """Whether a process has printed its first line."""
    return output.exists() and b"\n" in output.read_bytes()


def lasting_port() -> int:
    """A port of loopback that stays free while its owner is killed and started again.

    The system gives none of these to whoever asks for any.
    """
    seed = uuid.uuid4().int
    for step in range(1000):
        port = 20_000 + (seed + step) % 10_000
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


@dataclass
class Client:
    """Sends small POSTs one after the other, as trackers do: again until there is an answer."""

    port: int
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
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("POST", TP2, body, {"Content-Type": "application/json"})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
