"""A real Celery whose forked workers end after some tasks, and are stopped gracefully at last."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.process.support import NOWHERE, ROOT, assert_each_is_sent_once
from tests.support.trackers import poll

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("celery", reason="needs Celery, which is not among what tests install")

TASKS = 8


class Worker:
    """A running worker of Celery, with its pool.

    Attributes:
        process: the one that forks.
    """

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._output = folder / "output"

    @property
    def ids(self) -> list[str]:
        """Of the events that were tracked."""
        return self._said("id ")

    @property
    def pool(self) -> set[int]:
        """The processes that have done a task."""
        return {int(pid) for pid in self._said("worker ")}

    def has_done(self, tasks: int) -> bool:
        return len(self._said("worker ")) >= tasks

    def _said(self, prefix: str) -> list[str]:
        lines = self._output.read_text("utf-8").splitlines()
        return [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([*filter(None, sys.path), str(ROOT)]),
        "FOLDER": str(folder),
        "COLLECTOR": NOWHERE,
    }


def ask_for_work(folder: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "tests.process.celery_app", str(TASKS)],
        env=environment(folder),
        cwd=folder,
        check=True,
        timeout=30,
    )


@contextmanager
def working(folder: Path, *options: str) -> Iterator[Worker]:
    """A Celery; killed with its pool at the end if it still runs."""
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "--app", "tests.process.celery_app", "worker"),
                *("--pool", "prefork", "--concurrency", "2", "--loglevel", "CRITICAL"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat", *options),
            ],
            env=environment(folder),
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Worker(folder, process)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_nothing_is_lost_or_doubled_while_processes_of_the_pool_end_and_others_come(
    tmp_path: Path,
) -> None:
    """They end as Celery ends them, without clean-up."""
    ask_for_work(tmp_path)
    with working(tmp_path, "--max-tasks-per-child", "3") as worker:
        assert poll(lambda: worker.has_done(TASKS), 30)
        worker.process.terminate()
        assert worker.process.wait(10) == 0

    assert len(worker.pool) > 2
    assert len(worker.ids) == 1 + TASKS
    assert_each_is_sent_once(tmp_path, worker.ids)
