"""The real commands on a real broker, and what arrived in the lake."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from typing import TYPE_CHECKING

from tests.support.broker import DEADLINE_S, address_of, options_of

from whiteout.lake.reader import Lake
from whiteout.protocol.collector_payload import CollectorPayload, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from whiteout.kafka.settings import KafkaSettings

PYTHON = [sys.executable, "-P", "-m", "whiteout.cli"]
PAYLOAD_DATA = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
QUICK = ["--no-iglu-central", "--commit-interval", "0.05"]
FAST = ["--durability", "process"]


def record(*events: dict[str, str], timestamp: int = 1_795_000_000_000) -> bytes:
    """A record of the raw topic, as collectors write it."""
    base = {"e": "pv", "p": "pc", "tv": "test-1", "aid": "shop", "tna": "t"}
    body = json.dumps({"schema": PAYLOAD_DATA, "data": [{**base, **event} for event in events]})
    return encode(
        CollectorPayload(
            ip_address="unknown",
            timestamp=timestamp,
            encoding="UTF-8",
            collector="test-1.0.0",
            path="/com.snowplowanalytics.snowplow/tp2",
            body=body,
            headers=("application/json",),
            content_type="application/json",
        )
    )


def enrich_arguments(kafka: KafkaSettings) -> list[str]:
    return ["enrich", "--from", address_of(kafka), *options_of(kafka), "--no-iglu-central"]


def loader_arguments(kafka: KafkaSettings, data: Path) -> list[str]:
    way = ["loader", "--from", address_of(kafka), "--data", str(data)]
    return [*way, *options_of(kafka), *QUICK, *FAST]


@contextlib.contextmanager
def running(*commands: list[str]) -> Iterator[list[subprocess.Popen[str]]]:
    """Run commands; in the end they are asked to stop, and must do so without complaint."""
    with tempfile.TemporaryFile("w+") as errors:  # a pipe that nobody reads would fill up
        processes = [
            subprocess.Popen(
                [*PYTHON, *arguments], stdout=subprocess.PIPE, stderr=errors, text=True
            )
            for arguments in commands
        ]
        try:
            yield processes
            for process in processes:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                    process.communicate(timeout=DEADLINE_S)
                    errors.seek(0)
                    assert process.returncode == 0, errors.read()
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()
                process.communicate()


def arrived(data: Path, table: str = "events") -> Counter[str | None]:
    """How often each event id is in a table."""
    try:
        found = Lake(data / "lake").query(f"SELECT event_id FROM {table}")  # noqa: S608 - ours
    except Exception:  # noqa: BLE001 - whatever is wrong with a lake that is being made
        return Counter()
    return Counter(found["event_id"].to_pylist())


def wait_until(condition: Callable[[], bool], deadline_s: float = DEADLINE_S) -> None:
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def wait_for(data: Path, expected: set[str], table: str = "events") -> None:
    """Wait until a table has all of these, and see that it has nothing else and nothing twice."""
    with contextlib.suppress(AssertionError):
        wait_until(lambda: expected <= arrived(data, table).keys())
    assert arrived(data, table) == Counter(expected)
