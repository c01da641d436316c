"""Errors as events of a real tracker: uncaught ones before the process dies, and its own."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from tests.support.clock import ManualClock
from tests.support.collector import entity, unstructured
from tests.support.errors import CANARY, ERRORS, errors_of, fail, fail_in_thread, quiet_hooks
from tests.support.processes import Child
from tests.support.trackers import CONTEXT_FREE, Wire, a_tracker, poll

import whiteout
from whiteout import (
    ScreenView,
    SubjectConfiguration,
    TrackerConfiguration,
)
from whiteout.tracker.environment import Environment
from whiteout.tracker.scrubbing import _RULES
from whiteout.tracker.tracker_gate import WITH_TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whiteout import Tracker


@pytest.fixture(autouse=True)
def hooks() -> Iterator[list[str]]:
    """What stood in the hooks before; it notes the types that it is called with."""
    with quiet_hooks() as called:
        yield called


# --- exceptions ------------------------------------------------------------------------------


def test_an_exception_that_nobody_catches_is_tracked_and_passed_on(
    tmp_path: Path, hooks: list[str]
) -> None:
    wire = Wire()
    with a_tracker(wire.network, tmp_path, TrackerConfiguration(**ERRORS)) as tracker:
        fail_in_thread(fail)
        assert tracker.flush()

    (error,) = errors_of(wire)
    assert error["message"] == CANARY
    assert error["exceptionName"].endswith("PassedOnError")
    assert error["isFatal"] is False
    assert hooks == ["PassedOnError"]


def test_it_is_on_unless_the_app_says_no(tmp_path: Path) -> None:
    wire = Wire()
    with a_tracker(wire.network, tmp_path, TrackerConfiguration()) as tracker:
        assert tracker.exception_autotracking
    with a_tracker(wire.network, tmp_path, CONTEXT_FREE) as tracker:
        assert not tracker.exception_autotracking
        fail_in_thread(fail)
        assert tracker.flush()

    assert errors_of(wire) == []


def test_it_is_switched_while_the_tracker_runs_and_ends_with_it(tmp_path: Path) -> None:
    wire, before = Wire(), (sys.excepthook, threading.excepthook)
    with a_tracker(wire.network, tmp_path, TrackerConfiguration(**ERRORS)) as tracker:
        assert (sys.excepthook, threading.excepthook) != before
        tracker.exception_autotracking = False
        assert (sys.excepthook, threading.excepthook) == before
        fail_in_thread(fail)
        tracker.exception_autotracking = True
        fail_in_thread(fail)
        assert tracker.flush()
        with pytest.raises(whiteout.ConfigurationError, match="exception_autotracking"):
            tracker.exception_autotracking = 1  # type: ignore[assignment] # what is tested
    fail_in_thread(fail)
    tracker.exception_autotracking = False

    assert len(errors_of(wire)) == 1
    assert (sys.excepthook, threading.excepthook) == before
    assert tracker.exception_autotracking  # it is inert, and says what was last


def test_switched_off_it_stays_off_for_the_tracker_that_takes_its_place(tmp_path: Path) -> None:
    """L34: what the app does not mention keeps the stricter value."""
    options = {**ERRORS, "exception_autotracking": None}
    configuration = TrackerConfiguration(**options)
    with (
        a_tracker(Wire().network, tmp_path, configuration) as first,
        a_tracker(Wire().network, tmp_path, configuration) as second,
    ):
        assert second.exception_autotracking
        second.exception_autotracking = False
        with a_tracker(Wire().network, tmp_path, configuration) as third:
            assert not third.exception_autotracking
        assert not first.is_tracking


def test_each_tracker_tracks_an_event_of_its_own(tmp_path: Path) -> None:
    """L33: side by side without an id in common."""
    wires = Wire(), Wire()
    trackers = TrackerConfiguration(**ERRORS)
    with (
        a_tracker(wires[0].network, tmp_path, trackers, namespace="one") as one,
        a_tracker(wires[1].network, tmp_path, trackers, namespace="two") as two,
    ):
        fail_in_thread(fail)
        assert one.flush()
        assert two.flush()

    (first,), (second,) = wires[0].events, wires[1].events
    assert first["eid"] != second["eid"]
    assert errors_of(wires[0])[0]["message"] == errors_of(wires[1])[0]["message"]


def test_tasks_that_nobody_awaits_are_reached(tmp_path: Path) -> None:
    wire = Wire()
    logging.getLogger("asyncio").setLevel(logging.ERROR)

    async def run() -> None:
        asyncio.get_running_loop().call_soon(fail)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    with a_tracker(wire.network, tmp_path, TrackerConfiguration(**ERRORS)) as tracker:
        asyncio.run(run())
        assert tracker.flush()

    assert len(errors_of(wire)) == 1


def test_a_hook_that_was_set_later_is_passed_and_stays(tmp_path: Path) -> None:
    """Of two trackers the second stands on top; what others put there ends the process its way."""
    with (
        Child(
            "die_of_an_exception",
            folder=str(tmp_path),
            endpoint="http://127.0.0.1:9",
            where="hard",
            anonymous=False,
        ) as child,
        pytest.raises(AssertionError, match="ended with 7"),
    ):
        child.join()

    wire = Wire()
    with a_tracker(wire.network, tmp_path, CONTEXT_FREE, namespace="second") as tracker:
        assert tracker.flush()
    assert len(errors_of(wire)) == 1


# --- scopes ----------------------------------------------------------------------------------


def test_an_exception_in_a_scope_is_of_the_visitor(tmp_path: Path) -> None:
    wire = Wire()

    def serve(tracker: Tracker) -> None:
        with tracker.scope(subject=SubjectConfiguration(user_id="visitor")):
            fail()

    with a_tracker(wire.network, tmp_path, TrackerConfiguration(**ERRORS)) as tracker:
        tracker.subject.user_id = "operator"
        fail_in_thread(lambda: serve(tracker))
        assert tracker.flush()

    assert [event["uid"] for event in wire.events] == ["visitor"]


# --- messages while anonymous ------------------------------------------------------------------


def test_the_schemas_that_are_scrubbed_are_those_that_have_rules() -> None:
    assert set(WITH_TEXT) == _RULES.keys()


# --- diagnostics -----------------------------------------------------------------------------


def test_what_the_tracker_warns_of_is_tracked_apart_from_session_and_states(
    tmp_path: Path,
) -> None:
    wire = Wire()
    configuration = TrackerConfiguration(
        platform_context=False,
        application_version="1",
        user_anonymisation=True,
        exception_autotracking=False,
        diagnostic_autotracking=True,
    )
    with a_tracker(wire.network, tmp_path, configuration) as tracker:
        tracker.track(ScreenView(name="first"))
        before = tracker.session.session_index if tracker.session else None
        tracker._counters.warn("store-failed", f"the event store failed: {CANARY}")
        tracker._core._keep_house()
        tracker.track(ScreenView(name="second"))
        after = tracker.session.session_index if tracker.session else None
        assert tracker.flush()

    assert before == after
    (own,) = [event for event in wire.events if "diagnostic_error" in str(unstructured(event))]
    assert unstructured(own)["data"] == {
        "message": "the event store failed: ...",
        "className": "store-failed",
    }
    names = [entity(own, name) for name in ("client_session", "application_lifecycle", "screen")]
    assert names == [None, None, None]
    assert entity(own, "application") == {"version": "1", "build": "1"}
    indexes = [
        session["eventIndex"]
        for event in wire.events
        if (session := entity(event, "client_session")) is not None
    ]
    assert indexes == list(range(1, len(indexes) + 1))


def test_a_diagnostic_neither_prolongs_a_session_nor_starts_one(tmp_path: Path) -> None:
    clock, wire = ManualClock(), Wire()
    configuration = TrackerConfiguration(**{**ERRORS, "diagnostic_autotracking": True})
    environment = Environment(clock=clock)
    with a_tracker(wire.network, tmp_path, configuration, environment=environment) as tracker:
        tracker._counters.warn("early", "a warning before any event")
        tracker._core._keep_house()
        tracker.track(ScreenView(name="first"))
        for minute in range(40):
            clock.advance(60)
            tracker._counters.warn(f"kind-{minute}", "a warning")
            tracker._core._keep_house()
        tracker.track(ScreenView(name="second"))
        tracker._engine.drain()
        assert poll(lambda: tracker.emitter.db_count == 0 or tracker.flush(0.1))

    sessions = [s for e in wire.events if (s := entity(e, "client_session")) is not None]
    assert [session["sessionIndex"] for session in sessions] == [1, 2]
    assert [session["eventIndex"] for session in sessions] == [1, 1]
    assert sessions[0]["firstEventId"] == sessions[0]["firstEventId"]
    assert len(errors_of(wire)) == 12  # an hour's worth


def test_diagnostics_are_off_until_they_are_switched_on(tmp_path: Path) -> None:
    wire = Wire()
    with a_tracker(wire.network, tmp_path, TrackerConfiguration(**ERRORS)) as tracker:
        tracker._counters.warn("one", "a warning")
        assert not tracker.diagnostic_autotracking
        tracker.diagnostic_autotracking = True
        tracker._counters.warn("two", "a warning")
        tracker._core._keep_house()
        tracker.diagnostic_autotracking = False
        tracker._counters.warn("three", "a warning")
        tracker._core._keep_house()
        assert tracker.flush()

    assert [error["className"] for error in errors_of(wire)] == ["two"]


def test_trouble_with_a_diagnostic_makes_no_more_of_them(tmp_path: Path) -> None:
    """A retriever that fails is warned of; a journal that is full refuses the report about it."""
    wire = Wire()
    configuration = TrackerConfiguration(**{**ERRORS, "diagnostic_autotracking": True})
    with a_tracker(wire.network, tmp_path, configuration) as tracker:
        tracker.pause()
        for number in range(1000):
            tracker._counters.warn(f"kind-{number}", "a warning")
        tracker._core._keep_house()
        tracker.resume()
        tracker._core._keep_house()
        assert tracker.flush()

    assert errors_of(wire) == []


def test_a_diagnostic_is_tracked_at_the_latest_when_the_tracker_is_closed(tmp_path: Path) -> None:
    wire = Wire()
    configuration = TrackerConfiguration(**{**ERRORS, "diagnostic_autotracking": True})
    with a_tracker(wire.network, tmp_path, configuration) as tracker:
        tracker._counters.warn("late", "a warning")
        assert tracker.close(10)

    assert [error["className"] for error in errors_of(wire)] == ["late"]
