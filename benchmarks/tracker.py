"""The tracker beside its peers, in one run.

    python benchmarks/tracker.py [--rounds 3] [--quick]
    python benchmarks/tracker.py --features

With `--features` Whiteout alone: every automatic feature on beside all of them off, by call and by
event on the wire. A screen view also ends the screen before then: two events a call. First screen
views only; then what is usual, a screen view and nine structured events in turn.

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
LIBRARIES = (
    "snowplow-async",
    "whiteout-bare",  # the same event as the peers': with a platform and a session entity
    "whiteout",  # and with what it attaches by itself: screen, lifecycle, deep link
    "snowplow-async-best",
    "segment",
    "posthog",
    "node",
)
BASELINE = "snowplow-async"
FEATURES = {
    "screen views only": ("whiteout-bare", "whiteout-all"),
    "one call in ten a screen view": ("whiteout-bare-mixed", "whiteout-all-mixed"),
}
CALLS_A_SCREEN_END = {"whiteout-all": 1, "whiteout-all-mixed": 10}
MOST_FOR_ALL_FEATURES = 1.5
PATTERNS = {
    "whiteout": '"eid": ?"([0-9a-f-]{36})"',
    "snowplow-async": '"eid": ?"([0-9a-f-]{36})"',
    "snowplow-async-best": '"eid": ?"([0-9a-f-]{36})"',
    "node": '"eid": ?"([0-9a-f-]{36})"',
    "segment": '"messageId": ?"([^"]{8,64})"',
    "posthog": '"uuid": ?"([0-9a-f-]{36})"',
}
PATTERNS |= dict.fromkeys(
    (name for pair in FEATURES.values() for name in pair), PATTERNS["whiteout"]
)
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


def events_of(library: str, calls: int) -> int:
    """How many events these calls and those of the warm-up are on the wire."""
    calls += WARM_UP
    every = CALLS_A_SCREEN_END.get(library)
    return calls if every is None else calls + calls // every - 1  # the last screen stays open


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
        wanted = events_of(library, calls)
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
    result["lost"] = max(0, wanted - arrived)
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


def import_mb(module: str) -> float:
    """Megabytes of memory above a bare interpreter."""

    def once(code: str) -> float:
        program = f"{code}\nprint(open('/proc/self/statm').read().split()[1])"
        command = pinned(0, [sys.executable, "-c", program])
        pages = subprocess.run(command, check=True, capture_output=True, env=os.environ).stdout
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6

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


def features(rounds: int, calls: int) -> None:
    """What the automatic features cost, as ratios."""
    columns = ["p50_us", "mean_us", "cpu_us"]
    for what, pair in FEATURES.items():
        events = 1 + 1 / CALLS_A_SCREEN_END[pair[1]]  # a call, with all features
        for mode, number in (("burst", calls), ("paced", calls // 20)):
            results: dict[str, list[dict[str, float]]] = {library: [] for library in pair}
            for _ in range(rounds):
                for library in pair:
                    results[library].append(run(library, mode, number))
            print(f"\n{what}, {mode}: {number} calls, median of {rounds} rounds, all to none")
            for column in columns:
                bare, full = (statistics.median(r[column] for r in results[lib]) for lib in pair)
                print(
                    f"{column:10}{bare:8.1f} -> {full:8.1f} a call: {full / bare:.2f}; an event on "
                    f"the wire: {full / bare / events:.2f} (aim {MOST_FOR_ALL_FEATURES})"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls")
    parser.add_argument("--only", nargs="*", help="these libraries beside the baseline")
    parser.add_argument("--features", action="store_true", help="Whiteout's, beside none of them")
    options = parser.parse_args()
    scale = 10 if options.quick else 1
    if options.features:
        features(options.rounds, 20_000 // scale)
        return
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
    print("\nimport, ms and MB above a bare interpreter (medians of 7)")
    for module in ("snowplow_tracker", "whiteout"):
        times = [import_ms(module) for _ in range(7)]
        sizes = [import_mb(module) for _ in range(7)]
        print(f"{module:22}{statistics.median(times):18.1f}{statistics.median(sizes):18.1f}")


if __name__ == "__main__":
    main()
