"""The tracker's own troubles as events: few, harmless, and never about themselves."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import ManualClock

from whiteout.tracker.diagnostics import (
    Diagnostic,
    Diagnostics,
    tracker_error,
    without_personal,
)


def diagnostics(clock: ManualClock | None = None) -> tuple[Diagnostics, list[Diagnostic]]:
    tracked: list[Diagnostic] = []
    return Diagnostics(tracked.append, clock=clock or ManualClock()), tracked


def test_a_report_is_tracked_on_the_thread_that_drains() -> None:
    threads: list[int] = []
    noted = Diagnostics(lambda _: threads.append(threading.get_ident()), clock=ManualClock())
    noted.note("writer", "the writer failed: OSError")
    assert threads == []

    thread = threading.Thread(target=noted.drain)
    thread.start()
    thread.join()

    assert threads == [thread.ident]


def test_a_report_says_what_was_logged() -> None:
    noted, tracked = diagnostics()

    noted.note("writer", "the writer failed: OSError")

    assert noted.drain() == 1
    assert tracked == [Diagnostic(kind="writer", message="the writer failed: OSError")]


def test_each_kind_is_reported_once_an_hour() -> None:
    clock = ManualClock()
    noted, tracked = diagnostics(clock)

    for _ in range(119):
        noted.note("writer", "the writer failed: OSError")
        noted.drain()
        clock.advance(60)

    assert len(tracked) == 2


def test_all_kinds_together_are_reported_twelve_times_an_hour() -> None:
    clock = ManualClock()
    noted, tracked = diagnostics(clock)

    for number in range(59):
        noted.note(f"kind {'x' * number}", "trouble")
        noted.drain()
        clock.advance(60)
    assert len(tracked) == 12

    clock.advance(3600)
    noted.note("another", "trouble")
    assert noted.drain() == 1


def test_no_more_than_sixteen_wait_and_the_newest_stay() -> None:
    noted, tracked = diagnostics()

    for number in range(1000):
        noted.note(f"kind {'x' * number}", "trouble")

    noted.drain()
    assert len(tracked) == 12
    assert tracked[0].kind == without_personal(f"kind {'x' * 984}")


def test_what_goes_wrong_while_one_is_tracked_is_not_reported() -> None:
    def track(_: Diagnostic) -> None:
        noted.note("callback", "tracking failed")
        raise OSError("disk")

    noted = Diagnostics(track, clock=ManualClock())
    noted.note("writer", "the writer failed: OSError")

    assert noted.drain() == 0
    assert noted.drain() == 0


def test_trouble_on_another_thread_meanwhile_is_reported() -> None:
    tracked: list[str] = []

    def track(report: Diagnostic) -> None:
        tracked.append(report.kind)
        if report.kind == "first":
            thread = threading.Thread(target=noted.note, args=("second", "trouble"))
            thread.start()
            thread.join()

    noted = Diagnostics(track, clock=ManualClock())
    noted.note("first", "trouble")
    noted.drain()

    assert tracked == ["first", "second"]


@pytest.mark.parametrize(
    "secret",
    [
        "/home/alice/.local/share/shop",
        r"C:\Users\alice\shop",
        "alice@example.com",
        "https://shop.example.com/?user=alice",
        "192.168.10.20",
        "2001:db8::ff00:42",
        "6f1c7a52-9a0c-4f4c-8f0e-3d2f2f1f8a11",
        "deadbeef00112233",
        "'alice'",
        '"alice smith"',
        "004915112345678",
    ],
)
def test_what_could_name_somebody_is_left_out(secret: str) -> None:
    text = without_personal(f"the store failed at {secret} with OSError")

    assert text == "the store failed at ... with OSError"


def test_what_the_tracker_says_itself_stays_readable() -> None:
    for text in (
        "events dropped: the journal was full: events came faster than they could be stored",
        "reading battery_level raised ValueError",
        "the event store failed to add: SQLITE_FULL",
    ):
        assert without_personal(text) == text


@given(st.text(max_size=2000))
def test_a_text_is_never_empty_nor_longer_than_the_schema_allows(text: str) -> None:
    assert 1 <= len(without_personal(text)) <= 512


def test_a_report_is_a_diagnostic_error() -> None:
    event = tracker_error(Diagnostic(kind="writer", message="the writer failed: OSError"))

    body = event.self_describing(lambda: "id")
    assert body is not None
    assert body.data == {"className": "writer", "message": "the writer failed: OSError"}
