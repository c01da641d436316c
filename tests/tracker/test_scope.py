"""Scopes: many visitors at once on one tracker, none of whom is taken for another."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from contextlib import ExitStack
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.collector import entity, unstructured
from tests.support.trackers import Wire, a_tracker, events_of

from whiteout import (
    Anonymisation,
    ConfigurationError,
    DeepLinkReceived,
    ListItemView,
    ScreenView,
    Structured,
    SubjectConfiguration,
    TrackerConfiguration,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whiteout import Tracker

NONE, FULL, USER = Anonymisation.NONE, Anonymisation.FULL, Anonymisation.USER
LEVELS = [Anonymisation(bits) for bits in range(8)]
OWNER = SubjectConfiguration(user_id="operator", language="en", screen_resolution="1x1")


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def tracker(wire: Wire, tmp_path: Path) -> Iterator[Tracker]:
    configuration = TrackerConfiguration(platform_context=False, install_autotracking=False)
    with a_tracker(wire.network, tmp_path, configuration, OWNER) as running:
        yield running


def event(label: str) -> Structured:
    return Structured(category="a", action="b", label=label)


def by_label(wire: Wire) -> dict[str, dict[str, str]]:
    return {each["se_la"]: each for each in wire.events if each["e"] == "se"}


def test_events_in_a_scope_are_of_its_subject_and_of_nothing_else(
    tracker: Tracker, wire: Wire
) -> None:
    """The tracker's subject is the server's: its zone, language and user are no visitor's."""
    with tracker.scope(subject=SubjectConfiguration(user_id="visitor")):
        tracker.track(event("inside"))
    tracker.track(event("outside"))
    assert tracker.flush(10)

    inside, outside = by_label(wire)["inside"], by_label(wire)["outside"]
    assert inside["uid"] == "visitor"
    assert not {"tz", "lang", "res"} & inside.keys()
    assert (outside["uid"], outside["lang"], outside["res"]) == ("operator", "en", "1x1")


def test_without_a_subject_the_trackers_own_holds(tracker: Tracker, wire: Wire) -> None:
    with tracker.scope():
        tracker.track(event("before"))
        tracker.subject.user_id = "another"
        tracker.track(event("after"))
    assert tracker.flush(10)

    assert by_label(wire)["before"]["uid"] == "operator"
    assert by_label(wire)["after"]["uid"] == "another"


def test_visitors_are_in_no_session_and_on_no_screen_of_the_servers(
    tracker: Tracker, wire: Wire
) -> None:
    tracker.track(ScreenView(name="console"))
    tracker.track(DeepLinkReceived(url="app://console"))
    with tracker.scope():
        tracker.track(event("visitor"))
        tracker.track(ScreenView(name="page"))
        tracker.track(ListItemView(index=3))
        tracker.enter_background()  # the app's move, not the visitor's
    tracker.track(event("operator"))
    tracker.track(ScreenView(name="console 2"))
    assert tracker.flush(10)

    names = [
        unstructured(each)["schema"].split("/")[1] if each["e"] == "ue" else each["se_la"]
        for each in wire.events
    ]
    visitors = {"visitor", "screen_view", "list_item_view"}
    scoped = [each for each in wire.events if entity(each, "client_session") is None]
    assert len(scoped) == 3
    for each in scoped:
        for name in ("screen", "application_lifecycle", "deep_link", "screen_summary"):
            assert entity(each, name) is None
        if each["e"] == "ue":
            assert "previousId" not in unstructured(each)["data"]
            assert unstructured(each)["schema"].split("/")[1] in visitors
    operator = by_label(wire)["operator"]
    assert (entity(operator, "screen") or {})["name"] == "console"
    assert entity(operator, "application_lifecycle") == {"isVisible": False, "index": 1}
    assert names.count("screen_end") == 1
    second = next(e for e in wire.events if e["e"] == "ue" and "console 2" in str(unstructured(e)))
    assert entity(second, "deep_link") == {"url": "app://console"}
    sessions = [s for e in wire.events if (s := entity(e, "client_session")) is not None]
    assert [data["eventIndex"] for data in sessions] == list(range(1, len(sessions) + 1))


def test_a_scope_inside_another_adds_to_its_level_and_keeps_its_subject(
    tracker: Tracker, wire: Wire
) -> None:
    with tracker.scope(
        subject=SubjectConfiguration(user_id="visitor"), anonymisation=Anonymisation.SERVER
    ):
        with tracker.scope():
            tracker.track(event("kept"))
        with tracker.scope(anonymisation=USER):
            tracker.track(event("hidden"))
        with tracker.scope(subject=SubjectConfiguration(user_id="guest")):
            tracker.track(event("guest"))
    assert tracker.flush(10)

    found = by_label(wire)
    assert found["kept"]["uid"] == "visitor"
    assert "uid" not in found["hidden"]
    assert found["guest"]["uid"] == "guest"
    assert all(request.headers.get("SP-Anonymous") == "*" for request in wire.requests)


def test_another_tracker_does_not_notice(tracker: Tracker, wire: Wire, tmp_path: Path) -> None:
    """L33: what one tracker was told of its visitor is not for another."""
    with a_tracker(wire.network, tmp_path, OWNER, namespace="other") as other:
        with (
            tracker.scope(subject=SubjectConfiguration(user_id="visitor")),
            other.scope(anonymisation=USER),
        ):
            tracker.track(event("first"))
            other.track(event("second"))
        with tracker.scope(subject=SubjectConfiguration(user_id="visitor"), anonymisation=FULL):
            other.track(event("third"))
        assert tracker.flush(10)
        assert other.flush(10)

    found = by_label(wire)
    assert found["first"]["uid"] == "visitor"
    assert "uid" not in found["second"]
    assert found["third"]["uid"] == "operator"


def test_what_is_wrong_is_refused(tracker: Tracker) -> None:
    wrong: list[dict[str, Any]] = [{"subject": "me"}, {"anonymisation": True}]
    for arguments in wrong:
        with pytest.raises(ConfigurationError), tracker.scope(**arguments):
            pass


def test_a_scope_ends_although_its_body_raises(tracker: Tracker, wire: Wire) -> None:
    with pytest.raises(RuntimeError), tracker.scope(anonymisation=FULL):
        raise RuntimeError
    tracker.track(event("after"))
    assert tracker.flush(10)

    assert by_label(wire)["after"]["uid"] == "operator"


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    tracker_level=st.sampled_from(LEVELS),
    scopes=st.lists(st.sampled_from(LEVELS), min_size=1, max_size=3),
    extra=st.sampled_from(LEVELS),
)
def test_a_scope_can_only_be_more_anonymous(
    tracker: Tracker,
    wire: Wire,
    tracker_level: Anonymisation,
    scopes: list[Anonymisation],
    extra: Anonymisation,
) -> None:
    from contextlib import ExitStack  # noqa: PLC0415 - here alone

    tracker.anonymisation = tracker_level
    with ExitStack() as stack:
        level = tracker_level | extra
        for scope in scopes:
            level |= scope
            stack.enter_context(
                tracker.scope(
                    subject=SubjectConfiguration(user_id="visitor", ip_address="192.0.2.1"),
                    anonymisation=scope,
                )
            )
        event_id = tracker.track(event("x"), anonymisation=extra)
    assert tracker.flush(10)

    for request in wire.requests:
        for sent in events_of(request):
            if sent["eid"] == event_id:
                assert ("uid" in sent) is (USER not in level)
                assert ("ip" in sent) is not bool(level & (USER | Anonymisation.SERVER))
                marked = request.headers.get("SP-Anonymous") == "*"
                assert marked is (Anonymisation.SERVER in level)


def test_tasks_that_take_turns_never_mix(tracker: Tracker, wire: Wire) -> None:
    async def serve(name: str, level: Anonymisation, turns: int) -> None:
        with tracker.scope(subject=SubjectConfiguration(user_id=name), anonymisation=level):
            for turn in range(turns):
                await asyncio.sleep(0)
                await inner(f"{name} {turn}")
                tracker.track(event(f"{name} {turn} outer"))

    async def inner(label: str) -> None:
        await asyncio.sleep(0)
        tracker.track(event(label))

    async def both() -> None:
        await asyncio.gather(
            *(serve(f"visitor-{n}", FULL if n % 2 else NONE, 10) for n in range(10))
        )
        tracker.track(event("operator"))

    asyncio.run(both())
    assert tracker.flush(10)

    _assert_apart(wire, 200)


def test_threads_never_mix(tracker: Tracker, wire: Wire) -> None:
    barrier = threading.Barrier(2)

    def serve(name: str, level: Anonymisation) -> None:
        barrier.wait()
        for turn in range(200):
            subject = SubjectConfiguration(user_id=name)
            with tracker.scope(subject=subject, anonymisation=level):
                tracker.track(event(f"{name} {turn}"))

    threads = [
        threading.Thread(target=serve, args=(f"visitor-{n}", FULL if n % 2 else NONE))
        for n in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    tracker.track(event("operator"))
    assert tracker.flush(20)

    _assert_apart(wire, 400)


def _assert_apart(wire: Wire, count: int) -> None:
    found = by_label(wire)
    assert len(found) == count + 1
    assert found.pop("operator")["uid"] == "operator"
    for label, sent in found.items():
        name = label.split()[0]
        assert sent.get("uid") == (None if int(name[-1]) % 2 else name)
    for request in wire.requests:
        users = {"uid" in sent for sent in events_of(request)}
        assert len(users) == 1  # identified and anonymous visitors never share a request


def test_what_a_scopes_events_share_is_made_once(tracker: Tracker) -> None:
    """Or each event of a request would cost what a template does."""
    lines = tracker._lines
    made = []
    build = lines._build

    def counting(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - passed on
        made.append(arguments)
        return build(*arguments, **named)

    lines._build = counting  # type: ignore[method-assign]  # to count
    with tracker.scope(subject=SubjectConfiguration(user_id="visitor")):
        for _ in range(5):
            tracker.track(event("x"))
    assert len(made) == 1
    for _ in range(5):
        with tracker.scope(anonymisation=FULL):
            tracker.track(event("x"))
    assert len(made) == 2


# --- the level here and now ------------------------------------------------------------------


@given(
    levels=st.lists(st.sampled_from(LEVELS), min_size=1, max_size=4),
    own=st.sampled_from(LEVELS),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_effective_level_is_what_an_event_tracked_there_has(
    tracker: Tracker, wire: Wire, levels: list[Anonymisation], own: Anonymisation
) -> None:
    """The tracker's flags with those of all scopes around."""
    tracker.anonymisation = own
    wire.requests.clear()
    with ExitStack() as stack:
        for level in levels:
            who = SubjectConfiguration(user_id="visitor")
            stack.enter_context(tracker.scope(subject=who, anonymisation=level))
        effective = tracker.effective_anonymisation
        tracker.track(event("here"))
    assert tracker.flush()

    assert effective == reduce(or_, levels, own)
    (request,) = [r for r in wire.requests if any("se_la" in e for e in events_of(r))]
    (sent,) = [e for e in events_of(request) if e.get("se_la") == "here"]
    assert ("uid" not in sent) is (USER in effective)
    assert ("SP-Anonymous" in request.headers) is (Anonymisation.SERVER in effective)
    assert tracker.effective_anonymisation == tracker.anonymisation == own


def test_the_effective_level_is_of_the_tracker_and_the_task_that_ask(
    tracker: Tracker, tmp_path: Path
) -> None:
    seen: list[Anonymisation] = []

    async def main() -> None:
        with tracker.scope(anonymisation=FULL):
            seen.append(await asyncio.create_task(ask()))  # within, and so in the scope
            elsewhere = threading.Thread(
                target=lambda: seen.append(tracker.effective_anonymisation)
            )
            elsewhere.start()
            elsewhere.join()

    async def ask() -> Anonymisation:
        return tracker.effective_anonymisation

    asyncio.run(main())
    with (
        a_tracker(Wire().network, tmp_path, namespace="other") as other,
        tracker.scope(anonymisation=FULL),
    ):
        seen.append(other.effective_anonymisation)
    assert seen == [FULL, NONE, NONE]


def test_the_effective_level_cannot_be_set(tracker: Tracker) -> None:
    with pytest.raises(AttributeError):
        tracker.effective_anonymisation = NONE  # type: ignore[misc] # that is the point


# --- what outlives a scope ---------------------------------------------------------------------

VISITOR = SubjectConfiguration(user_id="visitor", language="fr")


def test_a_task_that_outlives_the_scope_tracks_for_nobody(tracker: Tracker, wire: Wire) -> None:
    """It belongs to the visitor's request while that lasts, and to nobody's afterwards."""

    async def main() -> None:
        over = asyncio.Event()

        async def work() -> None:
            tracker.track(event("during"))
            await over.wait()
            tracker.track(event("after"))
            with tracker.scope():
                tracker.track(event("in a scope of its own"))
            with tracker.scope(subject=SubjectConfiguration(user_id="guest")):
                tracker.track(event("of a guest"))

        with tracker.scope(subject=VISITOR, anonymisation=Anonymisation.SERVER):
            task = asyncio.create_task(work())
            await asyncio.sleep(0)
        over.set()
        await task

    asyncio.run(main())
    assert tracker.flush(10)

    found = by_label(wire)
    assert (found["during"]["uid"], found["during"]["lang"]) == ("visitor", "fr")
    for label in ("after", "in a scope of its own"):
        assert not {"uid", "lang"} & found[label].keys()
        assert entity(found[label], "client_session") is None
    assert found["of a guest"]["uid"] == "guest"
    assert all(request.headers.get("SP-Anonymous") == "*" for request in wire.requests)


def test_a_thread_that_took_the_scope_along_tracks_for_nobody_once_that_is_over(
    tracker: Tracker, wire: Wire
) -> None:
    is_over = threading.Event()

    def work() -> None:
        tracker.track(event("during"))
        is_begun.set()
        is_over.wait(10)
        tracker.track(event("after"))
        assert tracker.effective_anonymisation == USER

    is_begun = threading.Event()
    with tracker.scope(subject=VISITOR, anonymisation=USER):
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(work,))
        thread.start()
        assert is_begun.wait(10)
    is_over.set()
    thread.join(10)
    assert tracker.flush(10)

    found = by_label(wire)
    assert found["during"]["lang"] == "fr"
    assert "lang" not in found["after"]
    assert "uid" not in found["after"]


def test_a_scope_without_a_subject_that_was_entered_in_time_ends_with_the_one_around(
    tracker: Tracker, wire: Wire
) -> None:
    """Its subject is the one's around, and goes with that."""

    async def main() -> None:
        over = asyncio.Event()

        async def work() -> None:
            with tracker.scope():
                tracker.track(event("during"))
                await over.wait()
                tracker.track(event("after"))

        with tracker.scope(subject=VISITOR):
            task = asyncio.create_task(work())
            await asyncio.sleep(0)
        over.set()
        await task

    asyncio.run(main())
    assert tracker.flush(10)

    assert by_label(wire)["during"]["uid"] == "visitor"
    assert "uid" not in by_label(wire)["after"]


def test_the_place_of_a_visitor_is_told_no_more_once_the_scope_is_over(
    wire: Wire, tmp_path: Path
) -> None:
    configuration = TrackerConfiguration(
        platform_context=False, install_autotracking=False, geo_location_context=True
    )
    here = SubjectConfiguration(geo_latitude=1.0, geo_longitude=2.0)
    with a_tracker(wire.network, tmp_path, configuration, here, namespace="places") as tracker:
        there = SubjectConfiguration(geo_latitude=3.0, geo_longitude=4.0)
        with tracker.scope(subject=there):
            context = contextvars.copy_context()
            tracker.track(event("during"))
        context.run(tracker.track, event("after"))
        assert tracker.flush(10)

    places = {label: entity(sent, "geolocation_context") for label, sent in by_label(wire).items()}
    assert (places["during"] or {})["latitude"] == 3.0
    assert places["after"] is None


def test_without_a_subject_what_outlives_a_scope_keeps_its_level(
    tracker: Tracker, wire: Wire
) -> None:
    with tracker.scope(anonymisation=Anonymisation.SERVER):
        context = contextvars.copy_context()
    context.run(tracker.track, event("after"))
    assert tracker.flush(10)

    assert by_label(wire)["after"]["uid"] == "operator"
    assert wire.requests[0].headers["SP-Anonymous"] == "*"
