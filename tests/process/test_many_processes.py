"""Processes that come of others: nothing lost, nothing doubled, nothing hangs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.process.support import NOWHERE, Ended, assert_each_is_sent_once, run
from tests.support.collector import Collector, Reply

if TYPE_CHECKING:
    from pathlib import Path

METHODS = ["fork", "spawn", "forkserver"]
WORKERS = 2
EVENTS = 20


def run_workers(action: str, folder: Path, endpoint: str, **arguments: str) -> Ended:
    given: dict[str, Any] = {"folder": str(folder), "endpoint": endpoint, **arguments}
    ended = run(action, workers=WORKERS, events=EVENTS, **given)
    assert ended.status == 0, ended.errors
    return ended


@pytest.mark.parametrize("method", METHODS)
def test_processes_of_multiprocessing(tmp_path: Path, method: str) -> None:
    with Collector() as collector:
        collector.default = Reply(delay_s=0.005)
        ended = run_workers("processes", tmp_path, collector.url, method=method)

        assert f"statuses {[0] * WORKERS}" in ended.lines
        assert ended.lines.count("delivered True") == WORKERS + 1
        assert len(ended.ids) == 1 + EVENTS * (WORKERS + 1)
        assert_each_is_sent_once(tmp_path, ended.ids, collector)


@pytest.mark.parametrize("method", METHODS)
def test_a_pool_whose_workers_are_ended_by_a_signal(tmp_path: Path, method: str) -> None:
    ended = run_workers("pool", tmp_path, NOWHERE, method=method)

    assert f"statuses {list(range(WORKERS * 2))}" in ended.lines
    assert len(ended.ids) == 2 + EVENTS * WORKERS * 2
    assert_each_is_sent_once(tmp_path, ended.ids)


@pytest.mark.parametrize("method", METHODS)
def test_an_executor_of_concurrent_futures(tmp_path: Path, method: str) -> None:
    ended = run_workers("executor", tmp_path, NOWHERE, method=method)

    assert f"statuses {list(range(WORKERS * 2))}" in ended.lines
    assert len(ended.ids) == 2 + EVENTS * WORKERS * 2
    assert_each_is_sent_once(tmp_path, ended.ids)


def test_workers_that_are_forked_after_the_first_event_and_end_without_clean_up(
    tmp_path: Path,
) -> None:
    ended = run_workers("prefork", tmp_path, NOWHERE)

    assert f"statuses {[0] * WORKERS}" in ended.lines
    assert len(ended.ids) == 1 + WORKERS + WORKERS * EVENTS
    assert_each_is_sent_once(tmp_path, ended.ids)


def test_a_subinterpreter_tracks_or_refuses_and_the_process_lives(tmp_path: Path) -> None:
    pytest.importorskip("_xxsubinterpreters")

    ended = run("subinterpreter", folder=str(tmp_path), endpoint=NOWHERE)

    assert ended.status == 0, ended.errors
    assert ended.lines[-1] == "done"
    assert len(ended.ids) == 1 or ended.lines[0].startswith("refused ")
    assert_each_is_sent_once(tmp_path, ended.ids)
