"""A lake that takes nothing pushes back to the log, and that to the trackers; never to memory."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.torment import DEADLINE_S, PAYLOAD_DATA, TP2

from whiteout.lake.reader import Lake

if TYPE_CHECKING:
    from collections.abc import Callable

if sys.platform != "linux":
    pytest.skip("limits of another process are set with Linux's prlimit", allow_module_level=True)

import resource

LOG_BYTES = 2_000_000
TITLE = "x" * 1900
EVENTS = 10  # a request
OFFERED = 3000  # requests after the first refusal: 60 MB
GROWTH_KB = 25_000  # of a process; what it may keep of its 60 MB is far less
_SETTINGS = ["--set", f"limits.log_bytes={LOG_BYTES}", "--set", "limits.free_bytes=0"]


def start(*arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "whiteout.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    return process


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def resident_kb(process: subprocess.Popen[str]) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text("ascii")
    return int(status.partition("VmRSS:")[2].split()[0])


def refuse_files(process: subprocess.Popen[str], room: int) -> None:
    """To that process the disk is full from now on: no file grows beyond so many bytes."""
    _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (room, hard))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


class Sender:
    """Sends requests of some events on one connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.accepted: list[str] = []

    def send(self) -> int:
        event_ids = [str(uuid.uuid4()) for _ in range(EVENTS)]
        base = {"e": "pv", "p": "pc", "tv": "t-1", "aid": "a", "page": TITLE}
        events = [{**base, "eid": event_id} for event_id in event_ids]
        body = json.dumps({"schema": PAYLOAD_DATA, "data": events})
        self._connection.request("POST", TP2, body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        answer.read()
        if answer.status == 200:
            self.accepted += event_ids
        return answer.status

    def until(self, status: int) -> None:
        wait_until(lambda: self.send() == status)

    def close(self) -> None:
        self._connection.close()


def test_a_lake_that_takes_nothing_fills_the_log_to_its_bound_and_no_memory(tmp_path: Path) -> None:
    spool, fast = f"spool://{tmp_path}", ["--durability", "process"]
    collector = start("collector", "--to", spool, "--port", "0", *fast, *_SETTINGS)
    quick = ["--no-iglu-central", "--commit-interval", "0.05"]
    enrich = start("enrich", "--from", spool, "--to", str(tmp_path), *fast, *quick)
    sender = Sender(int(first_line(collector).rsplit(":", 1)[1]))
    try:
        first_line(enrich)
        assert sender.send() == 200
        wait_until(lambda: sorted(events_of(tmp_path)) == sorted(sender.accepted))
        refuse_files(enrich, 10_000)

        sender.until(503)
        before = [resident_kb(process) for process in (collector, enrich)]
        statuses = {sender.send() for _ in range(OFFERED)}
        grown = [
            resident_kb(process) - kb
            for process, kb in zip((collector, enrich), before, strict=True)
        ]
        kept = sum(path.stat().st_size for path in (tmp_path / "log").rglob("*.segment"))

        assert statuses == {503}
        assert LOG_BYTES <= kept < LOG_BYTES + 100_000
        assert max(grown) < GROWTH_KB, grown
        refuse_files(enrich, resource.RLIM_INFINITY)
        sender.until(200)
        wait_until(lambda: len(events_of(tmp_path)) >= len(sender.accepted))
        assert sorted(events_of(tmp_path)) == sorted(sender.accepted)
    finally:
        sender.close()
        for process in (collector, enrich):
            process.kill()
            process.communicate()


def events_of(folder: Path) -> list[str]:
    found: list[str] = (
        Lake(folder / "lake").query("SELECT event_id FROM events")["event_id"].to_pylist()
    )
    return found
