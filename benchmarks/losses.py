"""Events lost when things go wrong, beside the peers, with the limits they all come with.

    python benchmarks/losses.py [--rounds 3]

Lost = calls that returned, minus distinct events at the sink, after a second start of the same
program with 20 more calls and a flush. The sink counts distinct ids, so that what arrives twice is
no help; `twice` says how often that happened.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tracker import PATTERNS, available, sink

HERE = Path(__file__).parent
LIBRARIES = ("whiteout", "snowplow-async", "segment", "posthog")
CASES = {
    "SIGKILL right after 5,000 calls": ("kill", 5_000, True),
    "SIGKILL after 1,000 calls, collector down": ("kill", 1_000, False),
    "the program ends after 1,005 calls": ("exit", 1_005, True),
    "the program ends after 1,005 calls, collector down": ("exit", 1_005, False),
}
MORE_CALLS = 20
PATIENCE_S = 30.0

PROGRAM = """
import os, signal, sys
sys.path.insert(0, {here!r})
import logging
from tracker_client import AS_THEY_COME
logging.disable(logging.CRITICAL)
library, port, calls, end = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
track, flush = AS_THEY_COME[library](port)
for _ in range(calls):
    track()
if end == "flush":
    flush()
if end == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def program(library: str, port: int, calls: int, end: str, storage: str) -> float:
    """Run the client; seconds until it was gone."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(here=str(HERE)), library, str(port), str(calls), end],
        env={**os.environ, "BENCH_STORAGE": storage},
        stderr=subprocess.DEVNULL,
    )
    try:
        status = process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return float("inf")
    if end != "kill" and status not in {0, -signal.SIGKILL}:
        raise SystemExit(f"{library} ended with {status}")
    return time.perf_counter() - started


def lost(library: str, end: str, calls: int, *, collector_is_up: bool) -> tuple[int, int, float]:
    """Events lost, events that came twice, seconds that the first program took."""
    with tempfile.TemporaryDirectory(prefix="whiteout-bench-") as storage, sink() as (port, ask):
        first_port = port if collector_is_up else free_port()
        seconds = program(library, first_port, calls, end, storage)
        program(library, port, MORE_CALLS, "flush", storage)
        wanted, arrived = calls + MORE_CALLS, 0
        deadline = time.perf_counter() + (5.0 if library != "whiteout" else PATIENCE_S)
        while arrived < wanted and time.perf_counter() < deadline:
            arrived = ask(f"count {PATTERNS[library]}")
            time.sleep(0.05)
        return wanted - arrived, ask(f"all {PATTERNS[library]}") - arrived, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    libraries = [library for library in LIBRARIES if available(library)]
    for title, (end, calls, collector_is_up) in CASES.items():
        print(f"\n{title}")
        for library in libraries:
            results = [
                lost(library, end, calls, collector_is_up=collector_is_up) for _ in range(rounds)
            ]
            counts = ", ".join(f"{missing:,}" for missing, _, _ in results)
            twice = max(double for _, double, _ in results)
            seconds = statistics.median(seconds for _, _, seconds in results)
            print(f"  {library:18} lost {counts:26} twice {twice:<6} program {seconds:.1f} s")


if __name__ == "__main__":
    main()
