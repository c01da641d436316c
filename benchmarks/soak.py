"""A long run with a collector that fails half of the time, beside a quiet one at the same moment.

    python benchmarks/soak.py [--seconds 600] [--rate 2000] [--period 10]

Two programs track at the same rate, each to a collector of its own: one that always answers 200,
and one that for every other `--period` seconds answers 503. Both programs share a core, so that
whatever else the machine does happens to both. Ends with status 1 where a limit does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httptools

from tracker import pinned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).resolve()
MOST_GROWTH_MB = 20.0
MOST_CPU_RATIO = 1.2
WARM_UP_S = 5.0
TICK_S = 0.01
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
FAILED = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
EVENT_ID = re.compile(rb'"eid": ?"([0-9a-f-]{36})"')


# --- the collector ----------------------------------------------------------------------------


class Collector:
    """Counts what it accepts.

    Args:
        period_s: how long it serves, and then fails; 0: it always serves.
    """

    def __init__(self, period_s: float) -> None:
        self.period_s = period_s
        self.ends_failing = False
        self.ids: set[bytes] = set()
        self.events = self.requests = self.failures = 0

    def answer(self, body: bytes) -> bytes:
        self.requests += 1
        is_down = self.period_s and int(time.monotonic() / self.period_s) % 2
        if is_down and not self.ends_failing:
            self.failures += 1
            return FAILED
        ids = EVENT_ID.findall(body)
        self.events += len(ids)
        self.ids.update(ids)
        return OK

    def report(self) -> str:
        counts = {"events": self.events, "distinct": len(self.ids)}
        return json.dumps({**counts, "requests": self.requests, "failures": self.failures})


class Connection(asyncio.Protocol):
    def __init__(self, collector: Collector) -> None:
        self.collector = collector

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.parser = httptools.HttpRequestParser(self)
        self.parts: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        self.parts.append(data)

    def on_message_complete(self) -> None:
        body, self.parts = b"".join(self.parts), []
        self.transport.write(self.collector.answer(body))


async def collect(period_s: float) -> None:
    """Serve; a line on standard input that says `recover` or `report` is answered with a line."""
    collector = Collector(period_s)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(collector), "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)

    def answer_questions() -> None:
        for line in sys.stdin:
            collector.ends_failing |= line.strip() == "recover"
            print(collector.report(), flush=True)

    threading.Thread(target=answer_questions, daemon=True).start()
    await asyncio.Event().wait()


# --- the program that tracks --------------------------------------------------------------------


def track_for(port: int, seconds: float, rate: int) -> None:
    """Track at a steady rate; print what it took, flush, and print what was dropped."""
    from tracker_client import cpu_s, rss_mb, whiteout_client

    import whiteout

    track, flush = whiteout_client(port, max_event_store_size=10_000_000)
    calls = _at_rate(track, rate, WARM_UP_S, rss_mb)
    before_mb, cpu_before_s = rss_mb(), cpu_s()
    peaks: list[float] = []
    measured = _at_rate(track, rate, seconds, lambda: peaks.append(rss_mb()))
    report: dict[str, Any] = {
        "calls": calls + measured,
        "cpu_us": (cpu_s() - cpu_before_s) / measured * 1e6,
        "before_mb": before_mb,
        "growth_mb": max(peaks) - before_mb,
        "growth_of_second_half_mb": max(peaks[len(peaks) // 2 :]) - max(peaks[: len(peaks) // 2]),
    }
    print(json.dumps(report), flush=True)
    sys.stdin.readline()
    flush()
    tracker = whiteout.get_tracker("bench")
    assert tracker is not None
    drops = {reason.name: count for reason, count in tracker.drops.items() if count}
    whiteout.remove_tracker("bench")
    print(json.dumps({"drops": drops}), flush=True)


def _at_rate(
    track: Callable[[], object], rate: int, seconds: float, each_second: Callable[[], object]
) -> int:
    """Call `track` at a rate, in ticks; how often."""
    started = time.monotonic()
    done = 0
    seen = 0
    while (passed := time.monotonic() - started) < seconds:
        while done < passed * rate:
            track()
            done += 1
        if passed >= seen:
            seen += 1
            each_second()
        time.sleep(TICK_S)
    return done


# --- both, side by side ---------------------------------------------------------------------------


@contextmanager
def program(core: int, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        pinned(core, [sys.executable, str(HERE), *arguments]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def read(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit("a program of the soak has ended before its time")
    result: dict[str, Any] = json.loads(line)
    return result


def ask(process: subprocess.Popen[str], question: str = "") -> dict[str, Any]:
    assert process.stdin is not None
    process.stdin.write(question + "\n")
    process.stdin.flush()
    return read(process)


def soak(seconds: float, rate: int, period_s: float) -> dict[str, dict[str, Any]]:
    with ExitStack() as stack:
        collectors, clients = {}, {}
        for name, period in (("quiet", 0.0), ("failing", period_s)):
            collector = stack.enter_context(program(1, "--collect", str(period)))
            port = read(collector)["port"]
            arguments = ["--track", str(port), "--seconds", str(seconds), "--rate", str(rate)]
            collectors[name] = collector
            clients[name] = stack.enter_context(program(0, *arguments))
        results = {name: read(client) for name, client in clients.items()}
        for name, client in clients.items():
            ask(collectors[name], "recover")
            results[name] |= ask(client)
            results[name] |= ask(collectors[name], "report")
        return results


def judge(results: dict[str, dict[str, Any]]) -> int:
    for name, result in results.items():
        dropped = sum(result["drops"].values())
        lost = result["calls"] - result["distinct"] - dropped
        print(
            f"{name:8} {result['calls']:,} calls, CPU {result['cpu_us']:.1f} us an event, RSS "
            f"{result['before_mb']:.1f} MB {result['growth_mb']:+.1f} MB (second half "
            f"{result['growth_of_second_half_mb']:+.1f}); {result['requests']:,} requests, "
            f"{result['failures']:,} failed; lost {lost}, dropped {dropped}, "
            f"twice {result['events'] - result['distinct']}"
        )
    ratio = results["failing"]["cpu_us"] / results["quiet"]["cpu_us"]
    growth_mb = max(result["growth_mb"] for result in results.values())
    print(f"CPU an event, failing to quiet: {ratio:.2f} (at most {MOST_CPU_RATIO})")
    print(f"growth: {growth_mb:.1f} MB (at most {MOST_GROWTH_MB})")
    is_lossless = all(
        result["calls"] == result["distinct"] == result["events"] for result in results.values()
    )
    print("nothing lost, dropped or doubled" if is_lossless else "NOT every event came once")
    holds = ratio <= MOST_CPU_RATIO and growth_mb <= MOST_GROWTH_MB and is_lossless
    return 0 if holds else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--rate", type=int, default=2000, help="events a second")
    parser.add_argument("--period", type=float, default=10.0, help="seconds up, then down")
    parser.add_argument("--collect", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--track", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.collect is not None:
        asyncio.run(collect(options.collect))
    elif options.track is not None:
        track_for(options.track, options.seconds, options.rate)
    else:
        return judge(soak(options.seconds, options.rate, options.period))
    return 0


if __name__ == "__main__":
    sys.exit(main())
