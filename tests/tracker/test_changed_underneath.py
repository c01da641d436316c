"""Another process, or a fault, may change the event store: each send looks at it again."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from tests.support.collector import Collector
from tests.support.trackers import a_tracker

from whiteout import Anonymisation, DropReason, ScreenView

if TYPE_CHECKING:
    from pathlib import Path

    from whiteout import Answer, OutgoingRequest


def other_process(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(folder / "app.events.sqlite", timeout=10)
    try:
        with connection:
            connection.execute(statement)
    finally:
        connection.close()


def test_an_event_without_its_template_is_dropped_counted_and_in_nobodys_way(
    tmp_path: Path,
) -> None:
    with Collector() as collector, a_tracker(collector.url, tmp_path) as tracker:
        tracker.emitter.pause()
        tracker.track(ScreenView(name="lost"))
        tracker._engine.drain()
        other_process(tmp_path, "DELETE FROM templates")
        tracker.subject.user_agent = "another template"
        kept = tracker.track(ScreenView(name="kept"))
        tracker.emitter.resume()

        assert tracker.flush(10)
        assert set(collector.accepted_ids) == {kept}
        assert tracker.drops == {DropReason.STORE_FAILED: 1}


def test_an_event_whose_data_is_broken_is_dropped_counted_and_in_nobodys_way(
    tmp_path: Path,
) -> None:
    with Collector() as collector, a_tracker(collector.url, tmp_path) as tracker:
        tracker.emitter.pause()
        tracker.track(ScreenView(name="broken"))
        tracker._engine.drain()
        other_process(tmp_path, "UPDATE events SET data = 'no fragments'")
        kept = tracker.track(ScreenView(name="kept"))
        tracker.emitter.resume()

        assert tracker.flush(10)
        assert set(collector.accepted_ids) == {kept}
        assert tracker.drops == {DropReason.STORE_FAILED: 1}


def test_what_another_process_withdrew_is_not_sent_though_it_was_read_before(
    tmp_path: Path,
) -> None:
    """The first request is under way, the second batch is read, when the rest is withdrawn."""
    with Collector() as collector, a_tracker(collector.url, tmp_path) as tracker:
        tracker.emitter.pause()
        first = tracker.track(ScreenView(name="first"))
        tracker.track(ScreenView(name="second"), anonymisation=Anonymisation.SERVER)
        tracker._engine.drain()
        connection = tracker._connection
        send = connection.send

        def send_and_withdraw(request: OutgoingRequest) -> Answer:
            other_process(tmp_path, "DELETE FROM events WHERE level <> 0")
            return send(request)

        connection.send = send_and_withdraw  # type: ignore[method-assign]  # the moment that counts
        tracker.emitter.resume()

        assert tracker.flush(10)
        assert set(collector.accepted_ids) == {first}
