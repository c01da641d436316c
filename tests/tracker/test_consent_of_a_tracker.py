"""Consent on real trackers: over restarts, kills and forks, against a real collector."""

from __future__ import annotations

import datetime as dt
import os
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.clock import ManualClock
from tests.support.collector import Collector, entity, unstructured
from tests.support.processes import Child
from tests.support.trackers import STATELESS, Wire, a_tracker, events_of, poll

import whiteout
from whiteout import (
    Anonymisation,
    ConfigurationError,
    ConsentDocument,
    ConsentState,
    InspectableEvent,
    Pending,
    PluginConfiguration,
    ScreenView,
    Structured,
    TrackerConfiguration,
)
from whiteout.tracker.consent_record import ConsentFile, ConsentRecord
from whiteout.tracker.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from whiteout import Tracker

NONE, USER, FULL = Anonymisation.NONE, Anonymisation.USER, Anonymisation.FULL
SERVER = Anonymisation.SERVER
EVENT = Structured(category="a", action="b")
POLICY = ConsentDocument(document_id="policy", document_version="1.2")


def configured(**options: Any) -> TrackerConfiguration:  # noqa: ANN401 - options
    return TrackerConfiguration(
        platform_context=False, base64_encoding=False, **{**STATELESS, **options}
    )


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture
def start(collector: Collector, tmp_path: Path) -> Callable[..., AbstractContextManager[Tracker]]:
    """Start the app again, in the same folder."""

    def starting(**options: Any) -> AbstractContextManager[Tracker]:  # noqa: ANN401 - options
        environment = options.pop("environment", None)
        return a_tracker(collector.url, tmp_path, configured(**options), environment=environment)

    return starting


def kinds(collector: Collector) -> list[str]:
    """The events that arrived: `se`, or the name of the schema."""
    return [
        event["e"] if event["e"] != "ue" else unstructured(event)["schema"].split("/")[1]
        for event in collector.events
    ]


# --- a tracker that is gone ---------------------------------------------------------------------


@pytest.mark.parametrize("level", [NONE, USER])
def test_consent_given_through_a_tracker_that_is_gone_is_not_on_record(
    start: Any,  # noqa: ANN401 - a fixture
    tmp_path: Path,
    level: Anonymisation,
) -> None:
    with start() as gone:
        gone.anonymisation = level
    with start() as tracker:
        tracker.consent.withdraw()
        gone.consent.give(level)

        assert tracker.anonymisation == FULL
    assert ConsentFile(tmp_path, "app").load().state is ConsentState.WITHDRAWN
    with start() as tracker:
        assert tracker.consent.state is ConsentState.WITHDRAWN


def test_consent_that_a_tracker_which_is_gone_saw_expire_changes_no_later_answer(
    start: Any,  # noqa: ANN401 - a fixture
) -> None:
    clock = ManualClock()
    expiry = dt.datetime.fromtimestamp(clock.now_ms() / 1000 + 60, dt.UTC)
    with start(environment=Environment(clock=clock)) as gone:
        gone.consent.give(expiry=expiry)
    with start(environment=Environment(clock=clock)) as tracker:
        tracker.consent.give()
        clock.advance(61)
        gone.consent.take_up()
    with start(environment=Environment(clock=clock)) as tracker:
        assert tracker.consent.state is ConsentState.GIVEN


@pytest.mark.parametrize("how", ["replaced", "removed"])
def test_a_withdrawal_through_a_tracker_that_is_gone_reaches_the_one_that_runs(
    start: Any,  # noqa: ANN401 - a fixture
    tmp_path: Path,
    collector: Collector,
    how: str,
) -> None:
    with start() as gone:
        if how == "removed":
            whiteout.remove_tracker("app", timeout=0)
        with start() as tracker:
            tracker.subject.user_id = "alice"
            tracker.emitter.pause()
            tracker.track(EVENT)

            gone.consent.withdraw(documents=[POLICY])

            assert tracker.consent.state is ConsentState.WITHDRAWN
            assert tracker.anonymisation == FULL
            assert ConsentFile(tmp_path, "app").load().state is ConsentState.WITHDRAWN
            tracker.emitter.resume()
            assert tracker.flush(10)

    assert kinds(collector) == ["se", "consent_withdrawn"]
    assert not any("uid" in event for event in collector.events)


def test_the_apps_code_in_a_tracker_that_is_gone_is_asked_nothing(tmp_path: Path) -> None:
    """Its screen had no end; a switch of its level would have ended it."""
    asked: list[object] = []

    def entities(event: InspectableEvent) -> tuple[()]:
        asked.append(event.schema)
        return ()

    plugin = PluginConfiguration(identifier="p", entities=entities)
    states = configured(screen_context=True, screen_engagement_autotracking=True)
    with a_tracker(Wire().network, tmp_path, states, plugin) as gone:
        gone.track(ScreenView(name="Start"))
    asked.clear()

    gone.consent.give(FULL)
    gone.consent.withdraw()

    assert not asked


def test_a_withdrawal_through_a_tracker_that_is_gone_is_owed_to_what_it_left(
    start: Any,  # noqa: ANN401 - a fixture
    collector: Collector,
) -> None:
    with start() as gone:
        gone.subject.user_id = "alice"
        gone.emitter.pause()
        gone.track(EVENT)
    gone.consent.withdraw()

    with start() as tracker:
        assert tracker.anonymisation == FULL
        assert tracker.flush(10)

    assert kinds(collector) == ["se"]
    assert "uid" not in collector.events[0]


# --- the answer, and what follows --------------------------------------------------------------


def test_before_any_answer_the_level_of_the_app_holds_and_nothing_lowers_it(start: Any) -> None:  # noqa: ANN401 - a fixture
    with start(before_consent=FULL, user_anonymisation=False) as tracker:
        assert tracker.anonymisation == FULL
        assert tracker.consent.state is ConsentState.UNKNOWN
        with pytest.raises(ConfigurationError, match="until the user consents"):
            tracker.anonymisation = NONE
        with pytest.raises(ConfigurationError, match=r"Anonymisation\.USER until"):
            tracker.user_anonymisation = False
        with pytest.raises(ConfigurationError, match=r"Anonymisation\.SESSION until"):
            tracker.session_context = True
        with pytest.raises(ConfigurationError, match=r"Anonymisation\.SERVER until"):
            tracker.emitter.server_anonymisation = False
        assert tracker.anonymisation == FULL


def test_an_app_that_asks_nobody_notices_nothing(start: Any, tmp_path: Path) -> None:  # noqa: ANN401 - a fixture
    with start() as tracker:
        for level in (FULL, NONE, USER, NONE):
            tracker.anonymisation = level
            assert tracker.anonymisation == level

    assert not list(tmp_path.glob("*.consent.json"))


def test_consent_lets_the_app_go_as_far_as_the_user_said(start: Any, collector: Collector) -> None:  # noqa: ANN401 - a fixture
    with start(before_consent=FULL) as tracker:
        tracker.subject.user_id = "alice"
        tracker.track(EVENT)
        tracker.consent.give(SERVER, documents=[POLICY])
        tracker.track(EVENT)
        with pytest.raises(ConfigurationError):
            tracker.emitter.server_anonymisation = False
        tracker.user_anonymisation = True  # more is always allowed
        tracker.user_anonymisation = False
        assert tracker.flush(10)

    assert kinds(collector) == ["se", "consent_granted", "se"]
    before, granted, after = collector.events
    assert "uid" not in before
    assert granted["uid"] == after["uid"] == "alice"
    assert entity(granted, "consent_document") == {"id": "policy", "version": "1.2"}
    assert all(request.headers["sp-anonymous"] == "*" for request in collector.requests)


def test_the_answer_holds_after_a_restart_whatever_the_app_configures(start: Any) -> None:  # noqa: ANN401 - a fixture
    with start(before_consent=FULL) as tracker:
        tracker.consent.give(documents=[POLICY])
    with start(before_consent=FULL) as tracker:
        assert tracker.anonymisation == NONE
        assert tracker.consent.documents == (("policy", "1.2"),)
        tracker.consent.withdraw(USER)
    with start(before_consent=FULL, user_anonymisation=False, session_context=True) as tracker:
        assert tracker.anonymisation == USER
        assert tracker.consent.state is ConsentState.WITHDRAWN
        with pytest.raises(ConfigurationError):
            tracker.user_anonymisation = False


def test_a_tracker_that_takes_the_place_of_another_knows_the_answer(tmp_path: Path) -> None:
    """Also where the disk has refused to keep it."""
    with a_tracker(Wire().network, tmp_path, configured()) as tracker:
        tracker.consent.withdraw()
        (tmp_path / "app.consent.json").unlink()
        with a_tracker(Wire().network, tmp_path, configured(user_anonymisation=False)) as again:
            assert again.anonymisation == FULL
            assert again.consent.state is ConsentState.WITHDRAWN


def test_withdrawn_consent_reaches_the_events_that_wait(start: Any, collector: Collector) -> None:  # noqa: ANN401 - a fixture
    with start() as tracker:
        tracker.subject.user_id = "alice"
        tracker.emitter.pause()
        tracker.track(EVENT)
        tracker.consent.withdraw()
        tracker.emitter.resume()
        assert tracker.flush(10)

    assert sorted(kinds(collector)) == ["consent_withdrawn", "se"]
    assert all("uid" not in event for event in collector.events)


def test_a_withdrawal_shares_its_request_with_no_event(tmp_path: Path) -> None:
    """Its time would say when anonymous events of the same request were tracked, and by whom."""
    wire = Wire()
    with a_tracker(wire.network, tmp_path, configured()) as tracker:
        tracker.anonymisation = FULL
        tracker.emitter.pause()
        tracker.track(EVENT)
        tracker.consent.withdraw()
        tracker.track(EVENT)
        tracker.consent.withdraw()
        tracker.emitter.resume()
        assert tracker.flush(10)

    sizes = [[event["e"] for event in events_of(request)] for request in wire.requests]
    assert len([kind for kinds in sizes for kind in kinds if kind == "se"]) == 2
    assert [kinds for kinds in sizes if "ue" in kinds] == [["ue"], ["ue"]]


def test_forgetting_keeps_the_answer_alone(start: Any, tmp_path: Path) -> None:  # noqa: ANN401 - a fixture
    with start(before_consent=FULL) as tracker:
        tracker.consent.give(documents=[POLICY])
        assert tracker.forget()

        assert tracker.consent.state is ConsentState.GIVEN
        assert tracker.consent.documents == ()
        assert tracker.consent.decided_at is None
    assert "policy" not in (tmp_path / "app.consent.json").read_text()


def test_consent_that_expires_ends_by_itself_while_the_app_runs(start: Any) -> None:  # noqa: ANN401 - a fixture
    clock = ManualClock()
    with start(before_consent=USER, environment=Environment(clock=clock)) as tracker:
        end = dt.datetime.fromtimestamp(clock.now_ms() / 1000, dt.UTC) + dt.timedelta(hours=1)
        tracker.consent.give(expiry=end)
        assert tracker.anonymisation == NONE
        clock.advance(3600)
        tracker.track(EVENT)  # wakes the tracker's own thread

        assert poll(lambda: tracker.anonymisation == USER, 20)
        assert tracker.consent.state is ConsentState.UNKNOWN
        with pytest.raises(ConfigurationError):
            tracker.anonymisation = NONE


def test_a_setter_ends_expired_consent_before_it_looks(start: Any) -> None:  # noqa: ANN401 - a fixture
    clock = ManualClock()
    with start(environment=Environment(clock=clock)) as tracker:
        end = dt.datetime.fromtimestamp(clock.now_ms() / 1000, dt.UTC) + dt.timedelta(hours=1)
        tracker.consent.give(expiry=end)
        clock.advance(3600)

        with pytest.raises(ConfigurationError):
            tracker.anonymisation = NONE
        assert tracker.anonymisation == FULL


# --- kills, forks, threads ----------------------------------------------------------------------


def test_what_a_killed_withdrawal_owes_is_done_before_anything_is_sent(
    start: Any,  # noqa: ANN401 - a fixture
    collector: Collector,
    tmp_path: Path,
) -> None:
    """The record was on the disk, and the level was not: as a kill between the two leaves it."""
    with start() as tracker:
        tracker.subject.user_id = "alice"
        tracker.emitter.pause()
        tracker.track(EVENT)
    owed = ConsentRecord(state=ConsentState.WITHDRAWN, level=FULL, pending=Pending.DROP)
    assert ConsentFile(tmp_path, "app").save(owed)

    with start(user_anonymisation=False, session_context=True) as tracker:
        assert tracker.anonymisation == FULL
        tracker.track(EVENT)
        assert tracker.flush(10)

    (event,) = collector.events
    assert "uid" not in event
    assert ConsentFile(tmp_path, "app").load().pending is Pending.KEEP


@pytest.mark.parametrize("lines", [1, 2, 3, 4, 9, 30])
def test_a_kill_never_undoes_an_answer(tmp_path: Path, lines: int) -> None:
    """A process that gives and withdraws in turn is killed; the next start keeps to its last word.

    What it said last is written before and after each answer: in between both hold.
    """
    with Child("answer_until_killed", folder=str(tmp_path), endpoint="http://127.0.0.1:9") as child:
        assert poll(lambda: len(child.lines) >= lines, 20)
        threading.Event().wait(random.random() * 0.01)
        child.kill()
        said = child.lines[-1]

    with a_tracker(Wire().network, tmp_path, configured()) as tracker:
        state, level = tracker.consent.state, tracker.anonymisation
    if said == "withdrawn":
        assert (state, level) == (ConsentState.WITHDRAWN, FULL)
    elif said == "given":
        assert (state, level) == (ConsentState.GIVEN, NONE)
    assert level == (FULL if state is ConsentState.WITHDRAWN else level)
    assert not (state is ConsentState.GIVEN and said == "withdrawn")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_keeps_to_the_answer_and_can_change_it(tmp_path: Path) -> None:
    with a_tracker(Wire().network, tmp_path, configured(before_consent=FULL)) as tracker:
        tracker.consent.withdraw(USER)
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                with pytest.raises(ConfigurationError):
                    tracker.anonymisation = NONE
                tracker.consent.give()
                status = 0 if tracker.anonymisation == NONE else 2
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0
        assert tracker.anonymisation & USER  # the parent's is its own


def test_a_withdrawal_in_another_process_is_not_undone_by_forgetting(tmp_path: Path) -> None:
    """This process knows the answer of before and must not write it back."""
    with a_tracker(Wire().network, tmp_path, configured()) as tracker:
        tracker.consent.give(documents=[POLICY])
        withdrawn = ConsentRecord(state=ConsentState.WITHDRAWN, level=FULL, decided_at_ms=5)
        assert ConsentFile(tmp_path, "app").save(withdrawn)

        assert tracker.forget()

    assert ConsentFile(tmp_path, "app").load().state is ConsentState.WITHDRAWN


def test_no_setter_on_another_thread_gets_past_a_withdrawal(tmp_path: Path) -> None:
    """Looking at the answer and switching are one step."""
    with a_tracker(Wire().network, tmp_path, configured()) as tracker:
        is_over = threading.Event()

        def lower() -> None:
            while not is_over.is_set():
                try:
                    tracker.anonymisation = NONE
                except ConfigurationError:
                    continue

        threads = [threading.Thread(target=lower) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(20):
                tracker.consent.withdraw()
                seen = {tracker.anonymisation for _ in range(50)}
                assert seen == {FULL}
                tracker.consent.give()
        finally:
            is_over.set()
            for thread in threads:
                thread.join()


def test_the_apps_code_runs_under_no_lock_of_an_answer(tmp_path: Path) -> None:
    """A plugin may wait for another thread, which switches the level meanwhile."""
    waited: list[bool] = []

    def entities(_event: object) -> list[Any]:
        thread = threading.Thread(
            target=setattr, args=(tracker.emitter, "server_anonymisation", True)
        )
        thread.start()
        thread.join(10)
        waited.append(not thread.is_alive())
        return []

    configuration = configured(screen_context=True, screen_engagement_autotracking=True)
    tracker = whiteout.create_tracker(
        "app",
        Wire().network,
        configuration,
        whiteout.EmitterConfiguration(storage_dir=tmp_path),
    )
    with tracker:
        tracker.track(ScreenView(name="a"))
        tracker.plugins.add(PluginConfiguration(identifier="waits", entities=entities))
        tracker.consent.withdraw()  # ends the screen, of which the plugin is told

    assert waited
    assert all(waited)
