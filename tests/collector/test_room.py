"""A lake that cannot be written does not fill the disk: the log is bounded, and says so."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.collector.conftest import TP2, Running

from whiteout.collector.room import Room
from whiteout.collector.settings import CollectorSettings, Limits
from whiteout.errors import LogError
from whiteout.log import open_log
from whiteout.log.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BYTES = st.integers(0, 1 << 40)


@dataclass
class Disk:
    """A log that says of its disk what the test wants."""

    usage_now: Usage | None

    def usage(self) -> Usage:
        if self.usage_now is None:
            raise LogError("cannot measure the log")
        return self.usage_now


def room(*usages: Usage | None, log_bytes: int | None, free_bytes: int) -> Room:
    disks: list[Any] = [Disk(usage) for usage in usages]
    return Room(disks, log_bytes=log_bytes, free_bytes=free_bytes)


@given(kept=BYTES, more=BYTES, free=BYTES, log_bytes=BYTES, free_bytes=BYTES)
def test_what_is_left_breaks_neither_bound(
    kept: int, more: int, free: int, log_bytes: int, free_bytes: int
) -> None:
    usages = (Usage(kept, free), Usage(more, free))

    left = room(*usages, log_bytes=log_bytes, free_bytes=free_bytes).left

    assert kept + more + left <= log_bytes
    assert not free_bytes or free - left >= free_bytes
    assert left in (log_bytes - kept - more, free - free_bytes)


def test_without_bounds_nothing_is_looked_at() -> None:
    assert room(None, log_bytes=None, free_bytes=0).left == math.inf


def test_the_reason_names_the_bound() -> None:
    assert "limits.log_bytes" in room(Usage(10, 100), log_bytes=10, free_bytes=0).reason
    assert "limits.free_bytes" in room(Usage(10, 100), log_bytes=None, free_bytes=101).reason


def test_a_disk_that_cannot_be_measured_changes_nothing() -> None:
    disk = Disk(Usage(10, 100))
    logs: list[Any] = [disk]
    found = Room(logs, log_bytes=30, free_bytes=0)
    disk.usage_now = None

    found.measure()

    assert found.left == 20


def test_a_log_knows_what_it_keeps(tmp_path: Path) -> None:
    log = open_log(tmp_path, writer=True, durability="process")
    empty = log.usage()
    log.append([b"x" * 1000] * 10)
    full = log.usage()
    log.commit("lake", log.end_offset())
    log.trim()
    trimmed = log.usage()
    log.close()

    assert empty.kept_bytes == trimmed.kept_bytes == 0
    assert 10_000 <= full.kept_bytes < 11_000
    assert full.free_bytes > 0


@pytest.mark.parametrize("durability", ["disk", "process"])
def test_a_log_that_has_grown_to_its_bound_takes_nothing_until_it_is_loaded(
    start: Callable[..., Running], caplog: pytest.LogCaptureFixture, durability: str
) -> None:
    limits = Limits(log_bytes=10_000, free_bytes=0)
    settings = CollectorSettings(metrics_path="/metrics", limits=limits)
    collector = start(settings, durability=durability)
    with httpx.Client(base_url=f"http://127.0.0.1:{collector.port}") as client:

        def send() -> int:
            return client.post(TP2, content=b"x" * 1000).status_code

        statuses = [send() for _ in range(20)]
        health = client.get("/health").status_code
        counted = client.get("/metrics").text
        kept = collector.raw.usage().kept_bytes
        collector.raw.commit("lake", collector.raw.end_offset())
        collector.raw.trim()
        deadline = time.monotonic() + 10
        while send() != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert client.get("/health").status_code == 200

    stored = statuses.index(503)
    assert statuses == [200] * stored + [503] * (20 - stored)
    assert 5 <= stored <= 10
    assert 10_000 - 2_000 <= kept <= 10_000 + 2_000
    assert health == 503
    assert f"whiteout_collector_log_full_total {20 - stored}\n" in counted
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 1, "once a minute"
    assert "limits.log_bytes" in messages[0]


def test_the_last_of_a_disk_is_left_to_others(start: Callable[..., Running]) -> None:
    collector = start(CollectorSettings(limits=Limits(log_bytes=None, free_bytes=1 << 62)))

    answer = httpx.post(f"http://127.0.0.1:{collector.port}{TP2}", content=b"{}")

    assert answer.status_code == 503
    assert collector.records() == []
