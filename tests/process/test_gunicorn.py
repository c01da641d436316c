"""A real gunicorn with two workers: one of them is killed, and the rest stopped gracefully."""

from __future__ import annotations

import concurrent.futures
import http.client
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.process.support import (
    NOWHERE,
    ROOT,
    assert_each_is_sent_once,
    what_the_next_start_sends,
)
from tests.support.collector import Collector
from tests.support.trackers import poll

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("gunicorn")

REQUESTS = 40


class Site:
    """A running gunicorn.

    Attributes:
        workers: process ids of the workers that have answered.
        ids: of the events that they tracked.
    """

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self._port = port
        self._process = process
        self.workers: set[int] = set()
        self.ids: list[str] = []

    def visit(self, times: int) -> None:
        """Make requests, some at the same time; a worker that dies leaves some unanswered."""
        with concurrent.futures.ThreadPoolExecutor(4) as visitors:
            for answer in visitors.map(self._get, range(times)):
                if answer:
                    worker, event_id = answer.decode().split()
                    self.workers.add(int(worker))
                    self.ids.append(event_id)

    def has_answered(self, workers: int) -> bool:
        """Visit, and tell whether so many different workers have answered."""
        self.visit(4)
        return len(self.workers) >= workers

    def stop(self) -> None:
        """End it gracefully."""
        self._process.terminate()
        assert self._process.wait(8) == 0

    def _get(self, number: int) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", f"/page/{number}")
            return connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return b""
        finally:
            connection.close()


@contextmanager
def serving(folder: Path, endpoint: str, *options: str) -> Iterator[Site]:
    """A gunicorn with two workers; killed at the end if it still runs."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "--workers", "2", *options),
                *("--bind", f"fd://{listener.fileno()}", "--graceful-timeout", "3"),
                *("--log-level", "critical", "tests.process.gunicorn_app"),
            ],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([*filter(None, sys.path), str(ROOT)]),
                "FOLDER": str(folder),
                "COLLECTOR": endpoint,
            },
            cwd=folder,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
        site = Site(listener.getsockname()[1], process)
        try:
            yield site
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["each its own", "preload"])
def test_nothing_is_lost_or_doubled_when_a_worker_is_killed_and_the_rest_stopped(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    with serving(tmp_path, NOWHERE, *options) as site:
        assert poll(lambda: site.has_answered(2))
        site.visit(REQUESTS)
        os.kill(min(site.workers), signal.SIGKILL)
        assert poll(lambda: site.has_answered(3)), "no worker took the place of the killed one"
        site.visit(REQUESTS)
        site.stop()

    assert len(site.ids) >= 2 * REQUESTS
    assert_each_is_sent_once(tmp_path, site.ids)


def test_workers_send_what_they_track_and_the_next_start_the_rest(tmp_path: Path) -> None:
    with Collector() as collector:
        with serving(tmp_path, collector.url, "--preload") as site:
            assert poll(lambda: site.has_answered(2))
            site.visit(REQUESTS)
            assert collector.wait_for(lambda: set(site.ids) <= set(collector.accepted_ids))
            site.visit(REQUESTS)
            site.stop()

        arrived = collector.accepted_ids + what_the_next_start_sends(tmp_path).accepted_ids
        assert set(arrived) == set(site.ids)
