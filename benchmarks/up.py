"""The whole pipeline and its client on one machine, at a steady rate: is anything lost, or late?

    python benchmarks/up.py [--seconds 300] [--rate 4000]

`whiteout up` (collector, enrich and lake, the page too) as a user starts it, and a program with
Whiteout's tracker that makes so many calls a second: mobile screen views with platform and session
entities, each stored before `track()` returns. Reported, each beside its limit:

- seconds from the start of the command until `/health` answers;
- calls less distinct events in the lake: lost; rows less distinct events: doubled;
- seconds from `track()` (the event's own time) until the commit that holds it stands in the lake's
  folder: the median, the 95th percentile and the most of all events;
- the peak of the resident memory of all processes of `whiteout up`, added up (pages that they share
  count for each), and the client's.

Ends with status 1 where a limit does not hold.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator

READY_S, FRESH_S, MEMORY_MB = 3.0, 2.0, 300.0
TICK_S = 0.01
_DEADLINE_S = 120.0


def client(port: int, rate: float, seconds: float) -> None:
    """Call at an even pace, catching up where the machine was busy; print what was done."""
    from tracker_client import whiteout_client

    track, flush = whiteout_client(port)
    calls, started = 0, time.monotonic()
    while (now := time.monotonic() - started) < seconds:
        while calls < now * rate:
            track()
            calls += 1
        time.sleep(TICK_S)
    took_s = time.monotonic() - started
    delivered = flush()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    done = {"calls": calls, "rate": calls / took_s, "delivered": delivered, "peak_mb": peak}
    print(json.dumps(done))


class Memory(threading.Thread):
    """Adds up the resident memory of a process and its children, ten times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(pid)
        self.peak_mb = 0.0
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(0.1):
            try:
                family = [self._process, *self._process.children(recursive=True)]
                total = sum(one.memory_info().rss for one in family)
            except psutil.NoSuchProcess:
                continue
            self.peak_mb = max(self.peak_mb, total / 1e6)


def start(folder: Path) -> tuple[subprocess.Popen[str], int, float]:
    """Start the command; its process, port, and the seconds until it answered."""
    command = [sys.executable, "-P", "-m", "whiteout.cli", "up", "--data", str(folder)]
    started = time.monotonic()
    process = subprocess.Popen(
        [*command, "--port", "0", "--no-iglu-central"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    port = int(process.stdout.readline().rsplit(":", 1)[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/health")
    assert connection.getresponse().status == 200
    connection.close()
    return process, port, time.monotonic() - started


def commits(table: Path) -> Iterator[tuple[float, Path]]:
    """When each commit of rows came to stand in the folder, and its files."""
    for entry in sorted((table / "_delta_log").glob("*.json")):
        for line in entry.read_text("utf-8").splitlines():
            action: dict[str, Any] = json.loads(line)
            if "add" in action and action["add"]["dataChange"]:
                yield entry.stat().st_mtime, table / action["add"]["path"]


def read(folder: Path) -> tuple[int, int, pa.ChunkedArray]:
    """Rows, distinct events, and for each row the seconds until it could be read."""
    names = ["event_id", "dvce_created_tstamp", "event_name"]
    ids: set[str] = set()
    rows = 0
    waits: list[pa.ChunkedArray] = []
    for stands_at, path in commits(folder / "lake" / "events"):
        found = pq.ParquetFile(path).read(columns=names)
        found = found.filter(pc.equal(found["event_name"], "screen_view"))
        rows += len(found)
        ids.update(found["event_id"].to_pylist())
        made_us = found["dvce_created_tstamp"].cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        waits.append(pc.subtract(stands_at, pc.divide(made_us.cast(pa.float64()), 1e6)))
    return rows, len(ids), pa.chunked_array([chunk for one in waits for chunk in one.chunks])


def verdict(name: str, measured: str, limit: str, *, holds: bool) -> bool:
    print(f"{name:46} {measured:>28}  {limit:>14}  {'' if holds else 'NOT REACHED'}")
    return holds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--rate", type=float, default=4000)
    parser.add_argument("--directory", type=Path, help="where the data folder goes; a real disk")
    parser.add_argument("--client", type=int, metavar="PORT", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.client is not None:
        client(arguments.client, arguments.rate, arguments.seconds)
        return
    print(
        f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores, load"
        f" before {os.getloadavg()[0]:.1f}; {arguments.rate:,.0f} events/s for"
        f" {arguments.seconds:.0f} s"
    )
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        folder = Path(directory)
        process, port, ready_s = start(folder)
        memory = Memory(process.pid)
        memory.start()
        try:
            options = ["--rate", str(arguments.rate), "--seconds", str(arguments.seconds)]
            command = [sys.executable, __file__, "--client", str(port), *options]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            done = json.loads(output.splitlines()[-1])
        finally:
            memory.stopped.set()
            process.send_signal(signal.SIGINT)
            process.wait(_DEADLINE_S)
        rows, distinct, waits = read(folder)
    p50, p95, most = pc.quantile(waits, q=[0.5, 0.95, 1.0]).to_pylist()
    calls, peak = done["calls"], memory.peak_mb
    held = [
        verdict("ready", f"{ready_s:.2f} s", f"{READY_S:.0f} s", holds=ready_s <= READY_S),
        verdict(
            "calls a second",
            f"{done['rate']:,.0f}, {calls:,} in all",
            f"{arguments.rate:,.0f}",
            holds=done["rate"] >= 0.99 * arguments.rate,
        ),
        verdict("lost", f"{calls - distinct}", "0", holds=calls == distinct),
        verdict("doubled", f"{rows - distinct}", "0", holds=rows == distinct),
        verdict(
            "queryable after, p50, p95, most",
            f"{p50:.2f}, {p95:.2f}, {most:.2f} s",
            f"p95 {FRESH_S:.0f} s",
            holds=p95 <= FRESH_S,
        ),
        verdict(
            "memory of whiteout up", f"{peak:.0f} MB", f"{MEMORY_MB:.0f}", holds=peak < MEMORY_MB
        ),
        verdict("memory of the client", f"{done['peak_mb']:.0f} MB", "", holds=True),
    ]
    raise SystemExit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
