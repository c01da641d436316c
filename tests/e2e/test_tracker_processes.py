"""Several processes with one namespace: forks, siblings, exits without `close`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from tests.support.collector import Collector, Reply, closed_port, session
from tests.support.processes import Child

if TYPE_CHECKING:
    from pathlib import Path

NOWHERE = f"http://127.0.0.1:{closed_port()}"


def deliver_the_rest(folder: Path, collector: Collector) -> None:
    with Child("deliver", folder=str(folder), endpoint=collector.url) as child:
        child.join(40)
        assert child.lines == ["delivered True"]


def assert_each_arrived_once(collector: Collector, ids: list[str]) -> None:
    arrived = collector.accepted_ids
    assert set(ids) == set(arrived)
    assert set(arrived.values()) == {1}


def test_two_processes_with_one_namespace_send_everything_once(tmp_path: Path) -> None:
    with Collector() as collector:
        collector.default = Reply(delay_s=0.005)
        arguments = {"folder": str(tmp_path), "endpoint": collector.url, "interval_s": 0.0005}
        with (
            Child("track_until_told", **arguments) as first,
            Child("track_until_told", **arguments) as second,
        ):
            first.wait_for_lines("id ", 800)
            second.wait_for_lines("id ", 800)
            first.tell("stop")
            second.tell("stop")
            second.join(40)
            first.join(40)
            ids = first.ids + second.ids

        deliver_the_rest(tmp_path, collector)

        assert_each_arrived_once(collector, ids)


def test_when_the_sending_process_is_killed_another_takes_over(tmp_path: Path) -> None:
    with Collector() as collector:
        arguments = {"folder": str(tmp_path), "endpoint": collector.url, "interval_s": 0.002}
        with Child("track_until_told", **arguments) as first:
            first.wait_for_lines("id ", 20)
            with Child("track_until_told", **arguments) as second:
                second.wait_for_lines("id ", 20)
                first.kill()
                killed = set(first.ids)
                second.tell("stop")
                second.join(40)

                deliver_the_rest(tmp_path, collector)

                arrived = collector.accepted_ids
                assert killed | set(second.ids) <= set(arrived)
                in_flight = [event_id for event_id, times in arrived.items() if times > 1]
                assert len(in_flight) <= len(killed)
                assert set(arrived.values()) <= {1, 2}


def test_events_of_a_process_that_is_not_the_sender_go_out_while_the_sender_idles(
    tmp_path: Path,
) -> None:
    """The one that sends may have nothing of its own to send: it must not sit on the lock."""
    with Collector() as collector:
        arguments = {"folder": str(tmp_path), "endpoint": collector.url, "interval_s": 3600.0}
        with Child("track_until_told", **arguments) as first:
            first.wait_for_lines("id ", 1)
            assert collector.wait_for_events(1)
            with Child("track_until_told", **arguments) as second:
                second.wait_for_lines("id ", 1)

                assert collector.wait_for_events(2, timeout_s=8)


def test_a_process_with_nothing_left_to_send_rests(tmp_path: Path) -> None:
    """What a sibling delivered is not looked for again and again."""
    with Collector() as collector:
        arguments = {"folder": str(tmp_path), "endpoint": collector.url}
        with Child("track_until_told", **arguments, interval_s=0.001) as first:
            first.wait_for_lines("id ", 10)
            with Child("track_until_told", **arguments, interval_s=3600.0) as second:
                second.wait_for_lines("id ", 1)
                assert collector.wait_for(lambda: second.ids[0] in collector.accepted_ids)
                first.tell("stop")
                first.join(40)
                before_s = processor_seconds(second.pid)

                end = time.monotonic() + 2
                while time.monotonic() < end:
                    time.sleep(0.1)

                assert processor_seconds(second.pid) - before_s < 0.5


def processor_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    psutil = pytest.importorskip("psutil")
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def test_a_fork_amid_traffic_loses_and_repeats_nothing(tmp_path: Path) -> None:
    with Collector() as collector:
        collector.default = Reply(delay_s=0.002)
        with Child(
            "fork_with_traffic",
            folder=str(tmp_path),
            endpoint=collector.url,
            forks=6,
            events=100,
        ) as child:
            child.join(60)
            lines = child.lines

        assert [line for line in lines if line.startswith("error")] == []
        assert f"statuses {[0] * 6}" in lines
        ids = child.ids
        deliver_the_rest(tmp_path, collector)
        assert_each_arrived_once(collector, ids)


def test_parent_and_child_never_count_in_one_session(tmp_path: Path) -> None:
    """After a fork the child's events have a session of their own, counted from 1."""
    with Collector() as collector:
        with Child(
            "fork_with_traffic",
            folder=str(tmp_path),
            endpoint=collector.url,
            forks=2,
            events=5,
        ) as child:
            child.join(60)
        deliver_the_rest(tmp_path, collector)

        places = [
            (session(event)["sessionId"], session(event)["eventIndex"])
            for event in collector.events
        ]
        assert len(set(places)) == len(places)
        assert len({session_id for session_id, _ in places}) == 3


def test_what_a_forked_child_tracks_outlives_its_parent(tmp_path: Path) -> None:
    """A parent that closes its database must not take the child's with it."""
    with Child(
        "fork_then_parent_ends_first", folder=str(tmp_path), endpoint=NOWHERE, events=50
    ) as child:
        child.wait_for_line("child ready")
        child.tell("end")
        child.wait_for_line("child done")
        child.join(20)
        ids = child.ids
    assert len(ids) == 52

    with Collector() as collector:
        deliver_the_rest(tmp_path, collector)

        assert_each_arrived_once(collector, ids)


def test_workers_of_multiprocessing_lose_nothing_though_they_never_close(tmp_path: Path) -> None:
    with Collector() as collector:
        with Child(
            "multiprocess", folder=str(tmp_path), endpoint=collector.url, workers=3, events=50
        ) as child:
            child.join(60)
            assert "statuses [0, 0, 0]" in child.lines
            ids = child.ids
        assert len(ids) == 201

        deliver_the_rest(tmp_path, collector)

        assert set(ids) <= set(collector.accepted_ids)


def test_an_exit_without_close_leaves_everything_to_the_next_start(tmp_path: Path) -> None:
    with Child("track_some", folder=str(tmp_path), endpoint=NOWHERE, count=300) as child:
        child.join()
        ids = child.ids
    assert len(ids) == 300

    with Collector() as collector:
        deliver_the_rest(tmp_path, collector)

        assert_each_arrived_once(collector, ids)


def test_an_end_without_any_clean_up_leaves_everything_to_the_next_start(tmp_path: Path) -> None:
    """`os._exit`: no exit handler runs."""
    with Child(
        "track_some", folder=str(tmp_path), endpoint=NOWHERE, count=300, ending="hard"
    ) as child:
        child.join()
        ids = child.ids

    with Collector() as collector:
        deliver_the_rest(tmp_path, collector)

        assert_each_arrived_once(collector, ids)


def test_the_exit_takes_less_than_a_second_with_the_collector_down(tmp_path: Path) -> None:
    with Child("track_some", folder=str(tmp_path), endpoint=NOWHERE, count=50) as child:
        child.wait_for_line("tracked")

        assert child.join() < 1.0


def test_the_exit_takes_less_than_a_second_with_the_collector_hanging(tmp_path: Path) -> None:
    with Collector() as collector:
        collector.default = Reply(holds=True)
        with Child("track_some", folder=str(tmp_path), endpoint=collector.url, count=50) as child:
            child.wait_for_line("tracked")

            assert child.join() < 1.0
            ids = child.ids
        collector.release()
        collector.default = Reply()

        deliver_the_rest(tmp_path, collector)

        assert set(ids) == set(collector.accepted_ids)


def test_the_exit_while_sending_says_nothing_and_loses_nothing(tmp_path: Path) -> None:
    with Collector() as collector:
        collector.default = Reply(delay_s=0.05)
        with Child("track_some", folder=str(tmp_path), endpoint=collector.url, count=500) as child:
            child.join()
            ids = child.ids
            assert child.errors == ""

        deliver_the_rest(tmp_path, collector)

        assert set(ids) == set(collector.accepted_ids)
