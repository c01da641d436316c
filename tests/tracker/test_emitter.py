"""Sending: when, how much, and what becomes of events that fail (reference 7 and 9, E2 to E35)."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from tests.support.clock import ManualClock
from tests.support.collector import Collector, Reply, closed_port, session
from tests.support.real_collector import RealCollector
from tests.support.trackers import Wire, a_tracker, poll

from whiteout import (
    Answer,
    BufferOption,
    DropReason,
    EmitterConfiguration,
    HttpMethod,
    NetworkConfiguration,
    OutgoingRequest,
    Structured,
)
from whiteout.errors import EventStoreError
from whiteout.tracker.environment import Environment
from whiteout.tracker.event_store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whiteout import Tracker

EVENT = Structured(category="a", action="b")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


def track(tracker: Tracker, count: int) -> list[str]:
    ids = [tracker.track(EVENT) for _ in range(count)]
    return [event_id for event_id in ids if event_id is not None]


def is_stored(tracker: Tracker, count: int) -> bool:
    return poll(lambda: tracker.emitter.db_count == count)


def emitter(folder: Path, **options: object) -> EmitterConfiguration:
    return EmitterConfiguration(storage_dir=folder, **options)  # type: ignore[arg-type] # by name


@pytest.mark.parametrize("method", list(HttpMethod))
@pytest.mark.parametrize("count", [1, 2])
def test_e5_e7_e9_what_is_accepted_leaves_the_store(
    tmp_path: Path, collector: Collector, method: HttpMethod, count: int
) -> None:
    network = NetworkConfiguration(endpoint=collector.url, method=method)
    with a_tracker(network, tmp_path) as tracker:
        ids = track(tracker, count)

        assert tracker.flush(10)
        assert tracker.emitter.db_count == 0
    assert collector.accepted_ids == dict.fromkeys(ids, 1)
    assert {request.method for request in collector.requests} == {method.value}


def test_events_of_any_size_reach_the_real_collector_by_get(tmp_path: Path) -> None:
    """It refuses request lines above 20,480 bytes for good."""
    texts = ["x" * size for size in (1, 5_000, 9_000, 21_000, 30_000, 60_000)]
    with RealCollector(tmp_path / "log") as collector:
        network = NetworkConfiguration(endpoint=collector.url, method=HttpMethod.GET)
        with a_tracker(network, tmp_path) as tracker:
            for text in texts:
                tracker.track(Structured(category="a", action=text))
            assert tracker.flush(20)
            assert tracker.drops == {}

        posted = [event["se_ac"] for event in collector.new_events()]
    assert posted == texts[2:]


@pytest.mark.parametrize("method", list(HttpMethod))
def test_e6_e8_what_fails_stays_in_the_store(
    tmp_path: Path, collector: Collector, method: HttpMethod
) -> None:
    collector.default = Reply(status=500)
    network = NetworkConfiguration(endpoint=collector.url, method=method)
    with a_tracker(network, tmp_path) as tracker:
        track(tracker, 2)

        assert collector.wait_for_requests(1)
        assert not tracker.flush(0.1)
        assert tracker.emitter.db_count == 2
        assert tracker.drops == {}


def test_e8_the_second_event_is_not_tried_while_the_first_is_under_way(tmp_path: Path) -> None:
    begun, released = threading.Event(), threading.Event()

    class Slow(Wire):
        def send(self, request: OutgoingRequest) -> Answer:
            answer = super().send(request)
            begun.set()
            assert released.wait(10)
            return answer

    wire = Slow(status=500)
    with a_tracker(wire.network, tmp_path) as tracker:
        track(tracker, 1)
        assert begun.wait(10)
        assert tracker.emitter.is_sending
        track(tracker, 1)
        assert not poll(lambda: len(wire.requests) > 1, timeout_s=0.3)

        released.set()

        assert is_stored(tracker, 2)
        assert tracker.drops == {}


def test_e10_a_paused_emitter_stores_and_sends_on_resuming(
    tmp_path: Path, collector: Collector
) -> None:
    with a_tracker(collector.url, tmp_path) as tracker:
        tracker.emitter.pause()
        track(tracker, 1)

        assert is_stored(tracker, 1)
        assert not tracker.flush(0.2)
        assert collector.requests == []
        tracker.emitter.resume()
        assert collector.wait_for_events(1)
        assert is_stored(tracker, 0)


@pytest.mark.parametrize("status", [400, 401, 403, 410, 422])
def test_e11_what_the_collector_refuses_is_dropped_and_counted(
    tmp_path: Path, collector: Collector, status: int
) -> None:
    collector.reply(Reply(status=status))
    with a_tracker(collector.url, tmp_path) as tracker:
        track(tracker, 1)

        assert tracker.flush(10)
        assert tracker.drops == {DropReason.REJECTED: 1}
    assert len(collector.requests) == 1


def test_e12_custom_rules_decide(tmp_path: Path, collector: Collector) -> None:
    collector.reply(Reply(status=500), Reply(status=403))
    options = emitter(tmp_path, custom_retry_for_status_codes={403: True, 500: False})
    with a_tracker(collector.url, tmp_path, options) as tracker:
        track(tracker, 1)
        assert poll(lambda: tracker.drops == {DropReason.REJECTED: 1})
        track(tracker, 1)
        assert collector.wait_for_requests(2)

        assert tracker.flush(10)
        assert tracker.drops == {DropReason.REJECTED: 1}
    assert sum(collector.accepted_ids.values()) == 1


def test_e13_without_retries_a_failure_drops(tmp_path: Path, collector: Collector) -> None:
    collector.default = Reply(status=500)
    options = emitter(tmp_path, retry_failed_requests=False)
    with a_tracker(collector.url, tmp_path, options) as tracker:
        track(tracker, 1)

        assert tracker.flush(10)
        assert tracker.drops == {DropReason.REJECTED: 1}

        tracker.emitter.retry_failed_requests = True
        before = len(collector.requests)
        track(tracker, 1)
        assert collector.wait_for_requests(before + 1)
        assert not tracker.flush(0.2)
        assert tracker.emitter.db_count == 1
        assert tracker.drops == {DropReason.REJECTED: 1}


def test_e14_nothing_is_sent_before_the_buffer_is_full(
    tmp_path: Path, collector: Collector
) -> None:
    options = emitter(tmp_path, buffer_option=BufferOption.SMALL_GROUP)
    with a_tracker(collector.url, tmp_path, options) as tracker:
        track(tracker, 9)
        assert is_stored(tracker, 9)
        assert collector.requests == []

        track(tracker, 1)

        assert collector.wait_for_events(10)
    assert [len(request.ids) for request in collector.requests] == [10]


def test_flush_sends_though_the_buffer_is_not_full(tmp_path: Path, collector: Collector) -> None:
    options = emitter(tmp_path, buffer_option=BufferOption.LARGE_GROUP)
    with a_tracker(collector.url, tmp_path, options) as tracker:
        track(tracker, 3)

        assert tracker.flush(10)
        assert len(collector.events) == 3


@pytest.mark.parametrize(
    ("count", "emit_range", "requests"), [(20, 20, 1), (40, 20, 2), (10, 2, 5)]
)
def test_e15_e19_the_emit_range_bounds_a_round(
    tmp_path: Path, collector: Collector, count: int, emit_range: int, requests: int
) -> None:
    with a_tracker(collector.url, tmp_path, emitter(tmp_path, emit_range=emit_range)) as tracker:
        tracker.emitter.pause()
        track(tracker, count)
        assert is_stored(tracker, count)

        tracker.emitter.resume()

        assert tracker.flush(10)
    assert [len(request.ids) for request in collector.requests] == [emit_range] * requests


def test_e15_the_byte_limit_splits_a_round(tmp_path: Path, collector: Collector) -> None:
    with a_tracker(collector.url, tmp_path, emitter(tmp_path, byte_limit_post=5)) as tracker:
        tracker.emitter.pause()
        track(tracker, 2)
        assert is_stored(tracker, 2)

        tracker.emitter.resume()

        assert tracker.flush(10)
    assert [len(request.ids) for request in collector.requests] == [1, 1]


def test_e16_after_a_failure_everything_goes_together(tmp_path: Path, collector: Collector) -> None:
    collector.default = Reply(status=500)
    options = emitter(tmp_path, buffer_option=BufferOption.SMALL_GROUP)
    with a_tracker(collector.url, tmp_path, options) as tracker:
        track(tracker, 14)
        assert collector.wait_for_requests(1)
        assert is_stored(tracker, 14)
        collector.default = Reply()

        track(tracker, 1)

        assert tracker.flush(10)
    assert len(collector.requests[-1].ids) == 15


def test_e17_what_is_above_the_byte_limit_is_tried_once(
    tmp_path: Path, collector: Collector
) -> None:
    collector.default = Reply(status=500)
    with a_tracker(collector.url, tmp_path, emitter(tmp_path, byte_limit_post=5)) as tracker:
        track(tracker, 14)
        assert tracker.flush(10)
        assert tracker.drops == {DropReason.REJECTED: 14}
        collector.default = Reply()

        (event_id,) = track(tracker, 1)

        assert tracker.flush(10)
    assert len(collector.requests) == 15
    assert collector.accepted_ids == {event_id: 1}


def test_e18_what_cannot_be_deleted_is_sent_once(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(store: EventStore, ids: object) -> int:
        raise EventStoreError("the event store failed to remove: SQLITE_FULL")

    monkeypatch.setattr(EventStore, "remove", fail)
    with a_tracker(collector.url, tmp_path) as tracker:
        tracker.emitter.pause()
        ids = track(tracker, 2)
        tracker.emitter.resume()
        assert collector.wait_for(lambda: set(ids) <= set(collector.accepted_ids))
        tracker.emitter.pause()
        more = track(tracker, 1)
        tracker.emitter.resume()
        assert collector.wait_for(lambda: set(more) <= set(collector.accepted_ids))

        assert tracker.flush(10)
        assert tracker.emitter.db_count == 3
    assert set(collector.accepted_ids.values()) == {1}


def test_413_splits_a_request_until_it_fits(tmp_path: Path, collector: Collector) -> None:
    collector.reply(*[Reply(status=413)] * 3)
    with a_tracker(collector.url, tmp_path) as tracker:
        tracker.emitter.pause()
        ids = track(tracker, 8)
        assert is_stored(tracker, 8)

        tracker.emitter.resume()

        assert tracker.flush(10)
        assert tracker.drops == {}
    assert [len(request.ids) for request in collector.requests] == [8, 4, 2, 1, 1, 2, 4]
    assert list(collector.accepted_ids) == ids


def test_413_for_a_single_event_drops_it_alone(tmp_path: Path, collector: Collector) -> None:
    collector.reply(*[Reply(status=413)] * 3)
    with a_tracker(collector.url, tmp_path) as tracker:
        tracker.emitter.pause()
        ids = track(tracker, 4)
        assert is_stored(tracker, 4)

        tracker.emitter.resume()

        assert tracker.flush(10)
        assert tracker.drops == {DropReason.REJECTED: 1}
    assert list(collector.accepted_ids) == ids[1:]


def test_e34_a_paused_tracker_tracks_nothing(tmp_path: Path, collector: Collector) -> None:
    with a_tracker(collector.url, tmp_path) as tracker:
        tracker.pause()
        assert tracker.track(EVENT) is None
        assert not tracker.is_tracking
        tracker.resume()

        (event_id,) = track(tracker, 1)

        assert tracker.flush(10)
    assert collector.accepted_ids == {event_id: 1}
    assert session(collector.events[0])["eventIndex"] == 1


def test_the_callback_hears_how_many_were_sent_and_failed(
    tmp_path: Path, collector: Collector
) -> None:
    heard: list[tuple[int, int]] = []
    collector.reply(Reply(status=500), Reply(), Reply(status=403))
    options = emitter(tmp_path, request_callback=lambda sent, failed: heard.append((sent, failed)))
    with a_tracker(collector.url, tmp_path, options) as tracker:
        track(tracker, 1)
        assert poll(lambda: heard == [(0, 1)])
        assert tracker.flush(10)
        assert poll(lambda: heard == [(0, 1), (1, 0)])
        track(tracker, 1)

        assert poll(lambda: heard == [(0, 1), (1, 0), (0, 1)])


def test_a_callback_that_raises_harms_nothing(
    tmp_path: Path, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(sent: int, failed: int) -> None:
        raise RuntimeError

    with a_tracker(collector.url, tmp_path, emitter(tmp_path, request_callback=fail)) as tracker:
        track(tracker, 1)
        assert tracker.flush(10)
        track(tracker, 1)

        assert tracker.flush(10)
    assert caplog.text.count("request_callback raised RuntimeError") == 1


def test_a_callback_may_use_the_tracker(tmp_path: Path, collector: Collector) -> None:
    """No lock is held while the app's code runs."""
    trackers: list[Tracker] = []
    answers: list[object] = []

    def ask(sent: int, failed: int) -> None:
        if not answers:
            answers.append(trackers[0].track(EVENT))
            trackers[0].emitter.pause()
            trackers[0].emitter.resume()
            trackers[0].user_anonymisation = True

    with a_tracker(collector.url, tmp_path, emitter(tmp_path, request_callback=ask)) as tracker:
        trackers.append(tracker)
        track(tracker, 1)

        assert collector.wait_for_events(2)
        assert tracker.user_anonymisation


def test_a_collector_that_comes_back_gets_everything(tmp_path: Path) -> None:
    port = closed_port()
    with a_tracker(f"http://127.0.0.1:{port}", tmp_path) as tracker:
        ids = track(tracker, 50)
        assert not tracker.flush(0.3)
        assert tracker.emitter.db_count == 50

        with Collector(port=port) as collector:
            assert tracker.flush(15)

            assert collector.accepted_ids == dict.fromkeys(ids, 1)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=500),
        Reply(status=302, headers=(("Location", "http://127.0.0.1:1/"),)),
        Reply(resets=True),
        Reply(raw=b"garbage\r\n\r\n"),
        Reply(raw=b""),
        Reply(status=503, headers=(("Retry-After", "soon"),)),
        Reply(status=503, headers=(("Retry-After", "Mon, 06 Jun 99999999 06:21:21 GMT"),)),
        Reply(status=429, headers=(("Retry-After", "-1"),)),
    ],
)
def test_after_any_failure_everything_arrives_once_the_collector_answers(
    tmp_path: Path, collector: Collector, reply: Reply
) -> None:
    collector.reply(reply)
    with a_tracker(collector.url, tmp_path) as tracker:
        ids = track(tracker, 5)

        assert collector.wait_for_requests(1)
        assert tracker.flush(15)
        assert tracker.drops == {}
    assert collector.accepted_ids == dict.fromkeys(ids, 1)


def test_failures_wait_longer_each_time_and_a_success_begins_anew(tmp_path: Path) -> None:
    """Native: 5 s at most on iOS, none on Android (reference 7.4). The clock is by hand."""
    clock = ManualClock()
    wire = Wire(status=500)
    with a_tracker(wire.network, tmp_path, environment=Environment(clock=clock)) as tracker:
        track(tracker, 1)
        assert poll(lambda: len(wire.requests) == 1)
        for longest_s in (1.0, 2.0, 4.0, 8.0):
            sent = len(wire.requests)
            clock.advance(longest_s * 0.49)
            track(tracker, 1)  # wakes the emitter, which must still wait
            assert not poll(lambda sent=sent: len(wire.requests) > sent, timeout_s=0.2)  # type: ignore[misc] # a default
            clock.advance(longest_s * 0.52)
            track(tracker, 1)
            assert poll(lambda sent=sent: len(wire.requests) > sent)  # type: ignore[misc] # a default
            assert poll(lambda: not tracker.emitter.is_sending)
            # What has failed for long and what is new, each in a request.
            assert len(wire.requests) <= sent + (1 if longest_s < 4 else 2)


def test_retry_after_is_obeyed(tmp_path: Path) -> None:
    clock = ManualClock()
    answers = [Answer(status=503, retry_after="120"), Answer(status=200)]

    class Busy(Wire):
        def send(self, request: OutgoingRequest) -> Answer:
            super().send(request)
            return answers[min(len(self.requests), 2) - 1]

    wire = Busy()
    with a_tracker(wire.network, tmp_path, environment=Environment(clock=clock)) as tracker:
        track(tracker, 1)
        assert poll(lambda: len(wire.requests) == 1)
        clock.advance(119)
        track(tracker, 1)
        assert not poll(lambda: len(wire.requests) > 1, timeout_s=0.3)

        clock.advance(2)
        track(tracker, 1)

        assert poll(lambda: tracker.emitter.db_count == 0)


def test_e4_a_connection_that_raises_is_no_end(tmp_path: Path) -> None:
    class Broken(Wire):
        def send(self, request: OutgoingRequest) -> Answer:
            if not self.requests:
                self.requests.append(request)
                raise RuntimeError
            return super().send(request)

    wire = Broken()
    with a_tracker(wire.network, tmp_path) as tracker:
        track(tracker, 1)

        assert poll(lambda: len(wire.requests) == 1)
        assert poll(lambda: not tracker.emitter.is_sending)
        assert tracker.flush(10)
    assert len(wire.events) == 1


def test_flush_answers_in_time_with_the_collector_hanging(
    tmp_path: Path, collector: Collector
) -> None:
    collector.default = Reply(holds=True)
    with a_tracker(collector.url, tmp_path) as tracker:
        track(tracker, 1)
        started_s = time.monotonic()

        assert not tracker.flush(0.3)

        assert time.monotonic() - started_s < 1
        collector.release()


def test_close_answers_in_time_and_a_second_time_at_once(
    tmp_path: Path, collector: Collector
) -> None:
    collector.default = Reply(holds=True)
    with a_tracker(collector.url, tmp_path) as tracker:
        track(tracker, 1)
        started_s = time.monotonic()

        assert not tracker.close(0.3)

        assert time.monotonic() - started_s < 2
        assert tracker.close(10)
        assert not tracker.is_tracking
        collector.release()


def test_what_is_answered_after_close_is_not_sent_again(
    tmp_path: Path, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """By the tracker that takes the namespace, say: it waits until this one's request is over."""
    collector.default = Reply(holds=True)
    with a_tracker(collector.url, tmp_path) as before:
        track(before, 1)
        assert poll(lambda: before.emitter.is_sending)

        with a_tracker(collector.url, tmp_path) as tracker:
            track(tracker, 1)
            collector.release()
            assert tracker.flush(10)

    ids = [event["eid"] for event in collector.events]
    assert len(ids) == len(set(ids)) == 2
    assert caplog.messages == []


def test_a_closed_tracker_is_inert(tmp_path: Path, collector: Collector) -> None:
    """L26: it neither tracks nor starts another."""
    with a_tracker(collector.url, tmp_path) as tracker:
        track(tracker, 1)
        assert tracker.close(10)
        threads = threading.active_count()

        assert tracker.track(EVENT) is None
        assert tracker.flush(1)
        tracker.user_anonymisation = True
        tracker.emitter.pause()
        tracker.emitter.resume()
        tracker.forget()

        assert not tracker.user_anonymisation
        assert threading.active_count() <= threads
    assert len(collector.events) == 1


def test_track_during_close_either_keeps_the_event_or_says_that_it_does_not(
    tmp_path: Path, collector: Collector
) -> None:
    with a_tracker(collector.url, tmp_path) as tracker:
        ids: list[str | None] = []

        def keep_tracking() -> None:
            while not ids or ids[-1] is not None:
                ids.append(tracker.track(EVENT))

        threads = [threading.Thread(target=keep_tracking) for _ in range(4)]
        for thread in threads:
            thread.start()
        assert poll(lambda: len(ids) > 200)
        tracker.close(0.2)
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()
    tracked = {event_id for event_id in ids if event_id is not None}

    with a_tracker(collector.url, tmp_path) as again:
        assert again.flush(20)

    assert tracked <= set(collector.accepted_ids)


def test_eight_threads_at_once_keep_each_ones_order_and_leave_no_gap(
    tmp_path: Path, collector: Collector
) -> None:
    """Event indexes count every event once, in the order of the wire."""

    def track_numbered(name: str) -> None:
        for number in range(200):
            tracker.track(Structured(category=name, action=str(number)))

    with a_tracker(collector.url, tmp_path) as tracker:
        threads = [
            threading.Thread(target=track_numbered, args=(f"thread {number}",))
            for number in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert tracker.flush(30)

    events = collector.events
    assert [session(event)["eventIndex"] for event in events] == list(range(1, 1601))
    for number in range(8):
        mine = [event["se_ac"] for event in events if event["se_ca"] == f"thread {number}"]
        assert mine == [str(count) for count in range(200)]


def test_switching_the_level_amid_traffic_never_mixes_levels(
    tmp_path: Path, collector: Collector
) -> None:
    """Every event is wholly on one side, whatever is switched meanwhile (L6, L7)."""
    with a_tracker(collector.url, tmp_path) as tracker:
        tracker.subject.user_id = "someone"
        is_over = threading.Event()

        def keep_tracking() -> None:
            while not is_over.wait(0.0005):
                tracker.track(EVENT)

        threads = [threading.Thread(target=keep_tracking) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(20):
            tracker.user_anonymisation = number % 2 == 0
        is_over.set()
        for thread in threads:
            thread.join()
        assert tracker.flush(30)

    null_uuid = "00000000-0000-0000-0000-000000000000"
    assert len(collector.events) > 20
    for request in collector.requests:
        sides = {session(event)["userId"] == null_uuid for event in request.events}
        assert len(sides) == 1
    for event in collector.events:
        assert (session(event)["userId"] == null_uuid) == ("uid" not in event)


def test_a_large_event_is_refused_and_counted(tmp_path: Path, collector: Collector) -> None:
    with a_tracker(collector.url, tmp_path) as tracker:
        tracker.track(Structured(category="x" * 1_100_000, action="b"))
        track(tracker, 1)

        assert tracker.flush(10)
        assert tracker.drops == {DropReason.TOO_LARGE: 1}
    assert len(collector.events) == 1


def test_nothing_is_kept_of_a_run_that_delivered_everything(
    tmp_path: Path, collector: Collector
) -> None:
    """No journal, no lock, and no row that grows from run to run."""
    for _ in range(3):
        with a_tracker(collector.url, tmp_path) as tracker:
            track(tracker, 3)
            assert tracker.close(10)

    names = sorted(path.name for path in tmp_path.iterdir())
    assert [name for name in names if "journal" in name] == []
    assert [name for name in names if name.endswith(".lock")] in ([], ["app.sender.lock"])
    store = EventStore(tmp_path / "app.events.sqlite")
    with store._database.statement("read") as connection:
        assert connection.execute("SELECT count(*) FROM journals").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (0,)
    store.close()
