"""The tracker beside its peers, in one run.

    python benchmarks/tracker.py [--rounds 3] [--quick]

Client pinned to core 0, sink to core 1; candidates take turns within a round; medians of rounds.
Queue limits of peers are lifted for speed and memory, never for losses. Burst figures are always
printed beside paced ones: a cold caller is what an application is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
LIBRARIES = ("snowplow-async", "whiteout", "snowplow-async-best", "segment", "posthog", "node")
BASELINE = "snowplow-async"
PATTERNS = {
    "whiteout": '"eid": ?"([0-9a-f-]{36})"',
    "snowplow-async": '"eid": ?"([0-9a-f-]{36})"',
    "snowplow-async-best": '"eid": ?"([0-9a-f-]{36})"',
    "node": '"eid": ?"([0-9a-f-]{36})"',
    "segment": '"messageId": ?"([^"]{8,64})"',
    "posthog": '"uuid": ?"([0-9a-f-]{36})"',
}
WARM_UP = 20
LONGEST_RUN_S = 120.0


def pinned(core: int, command: list[str]) -> list[str]:
    return ["taskset", "-c", str(core), *command] if shutil.which("taskset") else command


@contextlib.contextmanager
def sink() -> Iterator[tuple[int, Any]]:
    process = subprocess.Popen(
        pinned(1, [sys.executable, str(HERE / "sink.py")]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    port = int(process.stdout.readline())

    def ask(question: str) -> int:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(question + "\n")
        process.stdin.flush()
        return int(process.stdout.readline())

    try:
        yield port, ask
    finally:
        process.kill()
        process.wait()


def client_command(library: str, mode: str, port: int, calls: int) -> list[str]:
    arguments = [mode, str(port), str(calls)]
    if library == "node":
        return ["node", str(HERE / "tracker_client.mjs"), *arguments]
    return [sys.executable, str(HERE / "tracker_client.py"), library, *arguments]


def run(library: str, mode: str, calls: int) -> dict[str, float]:
    with sink() as (port, ask):
        process = subprocess.Popen(
            pinned(0, client_command(library, mode, port, calls)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        watchdog = threading.Timer(LONGEST_RUN_S, process.kill)
        watchdog.start()
        first = process.stdout.readline()
        if not first:
            raise SystemExit(f"{library} ended or hung in the calls of {mode}")
        called = json.loads(first)
        # The sink is left alone until the client has flushed: counting costs it the interpreter.
        process.stdout.readline()
        wanted = calls + WARM_UP
        deadline = time.time() + LONGEST_RUN_S
        arrived = 0
        while arrived < wanted and time.time() < deadline:
            arrived = ask(f"count {PATTERNS[library]}")
            if arrived < wanted:
                time.sleep(0.1)
        delivered_s = ask("arrived") / 1e6 - called["started_at"]
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write("\n")
            process.stdin.flush()
        last = process.stdout.readline()
        if not last:
            raise SystemExit(f"{library} ended or hung in {mode} with {arrived} of {wanted} events")
        result: dict[str, float] = json.loads(last)
        watchdog.cancel()
        process.kill()
        process.wait()
        requests = ask("requests")
    result["lost"] = wanted - arrived
    result["events_a_request"] = wanted / max(1, requests)
    result["called_s"] = called["called_s"]
    result["delivered_per_s"] = calls / max(delivered_s, 1e-9)
    return result


def import_ms(module: str) -> float:
    """Milliseconds above a bare interpreter, which does the same without the import."""

    def once(code: str) -> float:
        started = time.perf_counter()
        subprocess.run(pinned(0, [sys.executable, "-c", code]), check=True, env=os.environ)
        return (time.perf_counter() - started) * 1e3

    return once(f"import {module}") - once("pass")


def available(library: str) -> bool:
    if library == "node":
        return shutil.which("node") is not None and (HERE / "node_modules").is_dir()
    module = {"segment": "segment.analytics", "posthog": "posthog"}.get(library)
    if module is None:
        return True
    find = f"importlib.util.find_spec('{module.partition('.')[0]}')"
    code = f"import importlib.util, sys; sys.exit({find} is None)"
    return subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def table(title: str, rows: dict[str, list[dict[str, float]]], columns: list[str]) -> None:
    print(f"\n{title}")
    print(f"{'':22}" + "".join(f"{column:>18}" for column in columns) + "   ratio to " + BASELINE)
    medians = {
        library: {c: statistics.median(r[c] for r in results) for c in columns}
        for library, results in rows.items()
    }
    for library, values in medians.items():
        cells = "".join(f"{values[c]:18,.1f}" for c in columns)
        ratios = "  ".join(
            f"{c} {values[c] / medians[BASELINE][c]:.2f}"
            for c in columns
            if medians[BASELINE][c] and c != "lost"
        )
        print(f"{library:22}{cells}   {ratios}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls")
    parser.add_argument("--only", nargs="*", help="these libraries beside the baseline")
    options = parser.parse_args()
    scale = 10 if options.quick else 1
    chosen = [
        library for library in LIBRARIES if not options.only or library in {BASELINE, *options.only}
    ]
    libraries = [library for library in chosen if available(library)]
    for library in sorted(set(chosen) - set(libraries)):
        print(f"{library} is not installed and is left out")
    runs = (
        ("burst", 20_000, ["p50_us", "p99_us", "mean_us", "delivered_per_s", "cpu_us",
                           "events_a_request", "lost"]),
        ("paced", 1_000, ["p50_us", "p99_us", "cpu_us", "lost"]),
        ("memory", 100_000, ["rss_before_mb", "rss_peak_mb", "lost"]),
    )  # fmt: skip
    for mode, calls, columns in runs:
        rows: dict[str, list[dict[str, float]]] = {library: [] for library in libraries}
        for _ in range(1 if mode == "memory" else options.rounds):
            for library in libraries:
                rows[library].append(run(library, mode, calls // scale))
        table(f"{mode}: {calls // scale} calls, median of rounds", rows, columns)
    print("\nimport, ms above a bare interpreter (median of 7)")
    for module in ("snowplow_tracker", "whiteout"):
        times = [import_ms(module) for _ in range(7)]
        print(f"{module:22}{statistics.median(times):18.1f}")


if __name__ == "__main__":
    main()
