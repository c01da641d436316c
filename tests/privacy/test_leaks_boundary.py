"""What joins the two sides of a change of the level in the native trackers (reference 3.5).

Each test carries the id of its leak. The recorded requests are those of a real collector.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.privacy.support import (
    ANONYMOUS,
    CLIENT,
    FULL,
    NONE,
    SERVER,
    SESSION,
    USER,
    by_id,
    screen,
    session_of,
)
from tests.support.clock import ManualClock, fixed_environment
from tests.support.collector import entity, unstructured
from tests.support.trackers import poll

import whiteout
from whiteout import (
    Anonymisation,
    ConfigurationError,
    EmitterConfiguration,
    PlatformProperty,
    PrivacyProfile,
    SafeProperties,
    SelfDescribing,
    SessionConfiguration,
    SessionState,
    TrackerConfiguration,
    identifying_property,
)
from whiteout.identifiers import NULL_UUID

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.privacy.support import Scene
    from tests.support.collector import Collector

    from whiteout import Tracker


MARKS = (identifying_property("iglu:com.acme/customer", "email"),)


def sessions(collector: Collector) -> list[dict[str, Any] | None]:
    return [entity(event, "client_session") for event in collector.events]


def test_A1_A6_a_masked_session_and_platform_entity(scene: Scene, collector: Collector) -> None:
    tracker = scene.tracker(NONE)
    tracker.track(screen())
    assert tracker.session is not None
    tracker.session.start_new_session()
    tracker.track(screen())
    tracker.anonymisation = USER
    tracker.track(screen())
    assert tracker.flush()

    first, second, masked = (session_of(event) for event in collector.events)
    assert second["userId"] == first["userId"] != NULL_UUID
    assert second["previousSessionId"] == first["sessionId"]
    assert masked["userId"] == NULL_UUID
    assert masked["previousSessionId"] is None
    platform = entity(collector.events[2], "mobile_context")
    assert platform is not None
    assert platform["osType"] == "android"
    assert not {name for name in platform if "Idf" in name or "appSet" in name}


def test_A2_the_subject_keeps_only_what_does_not_identify(
    scene: Scene, collector: Collector
) -> None:
    tracker = scene.tracker(USER)
    tracker.subject.language = "de"
    tracker.track(screen())
    assert tracker.flush()

    (event,) = collector.events
    assert not {"uid", "duid", "tnuid", "ip"} & event.keys()
    assert event["lang"] == "de"


def test_A7_each_switch_of_user_anonymity_starts_a_session(
    scene: Scene, collector: Collector
) -> None:
    tracker = scene.tracker(NONE)
    for user_anonymisation in (False, True, False):
        tracker.user_anonymisation = user_anonymisation
        tracker.track(screen())
        tracker.track(screen())
    assert tracker.flush()

    ids = [session_of(event)["sessionId"] for event in collector.events]
    assert ids[0::2] == ids[1::2]
    assert len(set(ids)) == 3


@pytest.mark.parametrize("level", ANONYMOUS)
def test_L1_the_identified_session_never_names_an_anonymous_one(
    scene: Scene, collector: Collector, level: Anonymisation
) -> None:
    tracker = scene.tracker(NONE)
    before = tracker.track(screen())
    tracker.anonymisation = level
    tracker.track(screen())
    tracker.track(screen())
    tracker.anonymisation = NONE
    after = tracker.track(screen())
    assert tracker.flush()

    last = session_of(by_id(collector.events, before))
    resumed = session_of(by_id(collector.events, after))
    assert resumed["previousSessionId"] == last["sessionId"]
    assert resumed["userId"] == last["userId"]


@pytest.mark.parametrize("level", ANONYMOUS)
def test_L1_a_first_identified_session_has_none_before_it(
    scene: Scene, collector: Collector, level: Anonymisation
) -> None:
    tracker = scene.tracker(level)
    tracker.track(screen())
    tracker.anonymisation = NONE
    first = tracker.track(screen())
    assert tracker.flush()

    session = session_of(by_id(collector.events, first))
    assert session["previousSessionId"] is None
    assert session["sessionIndex"] == 1


def test_L2_each_line_counts_its_own_sessions(scene: Scene, collector: Collector) -> None:
    tracker = scene.tracker(NONE)
    ids = []
    for level in (NONE, USER, NONE, USER, NONE):
        tracker.anonymisation = level
        ids.append(tracker.track(screen()))
    assert tracker.flush()

    tracked = [session_of(by_id(collector.events, event_id)) for event_id in ids]
    assert [session["sessionIndex"] for session in tracked] == [1, 1, 2, 1, 3]


def test_L3_forgetting_gives_the_installation_another_id(
    scene: Scene, collector: Collector
) -> None:
    tracker = scene.tracker(NONE)
    first = tracker.track(screen())
    assert tracker.flush()
    assert tracker.forget()
    second = tracker.track(screen())
    assert tracker.flush()

    before = session_of(by_id(collector.events, first))
    after = session_of(by_id(collector.events, second))
    assert after["userId"] != before["userId"]
    assert after["previousSessionId"] is None
    assert after["sessionIndex"] == 1
    assert "uid" not in by_id(collector.events, second)


@pytest.mark.parametrize("level", [USER, FULL])
@pytest.mark.parametrize("start", [NONE, USER])
def test_L4_a_restart_at_another_level_continues_no_session(
    scene: Scene, collector: Collector, start: Anonymisation, level: Anonymisation
) -> None:
    """Though the app asked for sessions to continue over restarts."""
    continues = SessionConfiguration(continue_session_on_restart=True)
    for each in (start, level, NONE, start):
        tracker = scene.tracker(each, session=continues)
        tracker.track(screen())
        assert tracker.close()

    ids = [data["sessionId"] for data in sessions(collector) if data is not None]
    # The last two runs are one identified session where both are identified: that is continuing.
    assert len(set(ids)) == len(ids) - (1 if start is NONE else 0)


def test_L4_a_switch_before_a_restart_ends_the_session(scene: Scene, collector: Collector) -> None:
    continues = SessionConfiguration(continue_session_on_restart=True)
    tracker = scene.tracker(NONE, session=continues)
    tracker.track(screen())
    tracker.anonymisation = USER
    tracker.anonymisation = NONE
    assert tracker.close()

    tracker = scene.tracker(NONE, session=continues)
    tracker.track(screen())
    assert tracker.close()

    first, second = (session_of(event) for event in collector.events)
    assert second["sessionId"] != first["sessionId"]
    assert second["previousSessionId"] == first["sessionId"]


@pytest.mark.parametrize("level", [USER, SESSION, CLIENT])
def test_L5_a_paused_checker_lets_no_session_cross(
    scene: Scene, collector: Collector, level: Anonymisation
) -> None:
    """Pausing the checker holds back time-outs, never the change of the level."""
    tracker = scene.tracker(NONE)
    first = tracker.track(screen())
    assert tracker.session is not None
    tracker.session.pause()
    tracker.anonymisation = level
    anonymous = tracker.track(screen())
    tracker.anonymisation = NONE
    last = tracker.track(screen())
    assert tracker.flush()

    before = session_of(by_id(collector.events, first))
    after = session_of(by_id(collector.events, last))
    assert after["sessionId"] != before["sessionId"]
    assert after["previousSessionId"] == before["sessionId"]
    if level is USER:
        between = session_of(by_id(collector.events, anonymous))
        assert between["sessionId"] not in {before["sessionId"], after["sessionId"]}
        assert between["sessionIndex"] == 1


def test_L5_a_paused_checker_still_holds_back_time_outs(scene: Scene, collector: Collector) -> None:
    clock = ManualClock()
    tracker = scene.tracker(NONE, environment=fixed_environment(clock))
    tracker.track(screen())
    assert tracker.session is not None
    tracker.session.pause()
    tracker.session.start_new_session()
    clock.advance(4000)
    tracker.track(screen())
    tracker.session.resume()
    tracker.track(screen())
    assert tracker.flush()

    assert [session_of(event)["sessionIndex"] for event in collector.events] == [1, 1, 2]


def _all_at_once(tracker: Tracker, level: Anonymisation) -> None:
    tracker.anonymisation = level


def _one_by_one(tracker: Tracker, level: Anonymisation) -> None:
    tracker.emitter.server_anonymisation = SERVER in level
    tracker.session_context = SESSION not in level
    tracker.user_anonymisation = USER in level


@pytest.mark.parametrize("switch", [_all_at_once, _one_by_one])
def test_L10_a_level_is_switched_before_the_next_event_however(
    scene: Scene, collector: Collector, switch: Callable[[Tracker, Anonymisation], None]
) -> None:
    tracker = scene.tracker(NONE)
    switch(tracker, FULL)
    tracker.track(screen())
    assert tracker.flush()

    (request,) = collector.requests
    assert request.headers["sp-anonymous"] == "*"
    (event,) = request.events
    assert entity(event, "client_session") is None
    assert "uid" not in event


def test_L22_no_id_of_a_screen_is_seen_twice(scene: Scene, collector: Collector) -> None:
    tracker = scene.tracker(NONE)
    for level in (NONE, CLIENT, NONE):
        tracker.anonymisation = level
        tracker.track(screen("same"))
        tracker.track(screen("same"))
    assert tracker.flush()

    bodies = [unstructured(event)["data"] for event in collector.events]
    assert len({body["id"] for body in bodies}) == 6
    first_of_a_side = bodies[0::2]
    assert not {key for body in first_of_a_side for key in body if key.startswith("previous")}


def test_L29_the_second_session_of_an_anonymous_run_is_masked_too(scene: Scene) -> None:
    told: list[SessionState] = []
    tracker = scene.tracker(USER, session=SessionConfiguration(on_session_update=told.append))
    session = tracker.session
    assert session is not None
    tracker.track(screen())
    session.start_new_session()
    tracker.track(screen())

    state = session.state
    assert state is not None
    assert state.session_index == 2
    assert state.previous_session_id is None
    assert poll(lambda: len(told) == 2)
    assert {heard.previous_session_id for heard in told} == {None}


@pytest.mark.parametrize("level", [USER, FULL])
def test_L29_the_app_sees_a_masked_session(
    scene: Scene, collector: Collector, level: Anonymisation
) -> None:
    told: list[SessionState] = []
    called = threading.Event()

    def on_session_update(state: SessionState) -> None:
        told.append(state)
        called.set()

    tracker = scene.tracker(NONE, session=SessionConfiguration(on_session_update=on_session_update))
    tracker.track(screen())
    assert called.wait(10)
    called.clear()
    kept = tracker.session
    assert kept is not None
    identified = kept.state
    assert identified is not None
    tracker.anonymisation = level
    tracker.track(screen())

    assert kept.user_id in {None, NULL_UUID}
    assert kept.session_id != identified.session_id
    if SESSION in level:
        assert tracker.session is None
        assert kept.state is None
    else:
        assert called.wait(10)
        assert told[-1].user_id == NULL_UUID
        assert told[-1].previous_session_id is None
        assert told[-1] is not kept.state


def test_L33_trackers_side_by_side_share_nothing(scene: Scene, collector: Collector) -> None:
    """One event object, given to an identified and an anonymous tracker."""
    identified = scene.tracker(NONE)
    anonymous = scene.tracker(USER, namespace=scene.namespace + "_anonymous")
    other = scene.tracker(NONE, namespace=scene.namespace + "_other")
    event = screen()
    for tracker in (identified, anonymous, other):
        tracker.track(event)
        assert tracker.flush()

    assert len({event["eid"] for event in collector.events}) == 3
    assert len({unstructured(event)["data"]["id"] for event in collector.events}) == 3
    assert len({session_of(event)["sessionId"] for event in collector.events}) == 3
    assert session_of(collector.events[0])["userId"] != session_of(collector.events[2])["userId"]
    assert len({request.connection for request in collector.requests}) == 3


@pytest.mark.parametrize("closes", [True, False])
@pytest.mark.parametrize("level", [USER, SESSION, SERVER, FULL])
def test_L34_a_tracker_made_again_keeps_the_stricter_level(
    scene: Scene, level: Anonymisation, *, closes: bool
) -> None:
    tracker = scene.tracker(NONE)
    tracker.anonymisation = level
    if closes:
        whiteout.remove_tracker(scene.namespace)

    assert scene.tracker().anonymisation is level
    assert scene.tracker(NONE).anonymisation is NONE
    assert scene.tracker().anonymisation is NONE


@pytest.mark.parametrize(
    ("option", "strict", "loose"),
    [
        ("platform_context", False, True),
        ("application_context", False, True),
        ("deep_link_context", False, True),
        ("screen_context", False, True),
        ("screen_engagement_autotracking", False, True),
        ("lifecycle_autotracking", False, True),
        ("platform_context_properties", (PlatformProperty.SCALE,), tuple(PlatformProperty)),
    ],
)
@pytest.mark.parametrize("is_live", [True, False])
def test_L34_a_tracker_made_again_tells_no_more_unless_told_to(
    scene: Scene, option: str, strict: object, loose: object, *, is_live: bool
) -> None:
    """What was switched off stays off, whether a configuration or the running app said so."""

    def made(**said: Any) -> Tracker:  # noqa: ANN401 - options
        emitter = EmitterConfiguration(storage_dir=scene.folder)
        configuration = TrackerConfiguration(**said)
        return whiteout.create_tracker(scene.namespace, scene.endpoint, configuration, emitter)

    if is_live:
        setattr(made(), option, strict)
    else:
        made(**{option: strict})

    try:
        assert getattr(made(), option) == strict
        assert getattr(made(), option) == strict
        assert getattr(made(**{option: loose}), option) == loose
        assert getattr(made(), option) == loose
    finally:
        whiteout.remove_tracker(scene.namespace)


@pytest.mark.parametrize(
    ("option", "strict", "loose"),
    [
        ("identifying_properties", MARKS, ()),
        ("strict_url_parameters", ("utm_source",), ("utm_source", "who")),
        ("before_consent", FULL, NONE),
        ("install_autotracking", False, True),
    ],
)
def test_L34_what_cannot_change_live_is_kept_by_a_tracker_made_again(
    scene: Scene, option: str, strict: object, loose: object
) -> None:
    """An app that only names another endpoint marks as much as before, and asks as before."""

    def made(**said: Any) -> Tracker:  # noqa: ANN401 - options
        emitter = EmitterConfiguration(storage_dir=scene.folder)
        configuration = TrackerConfiguration(**said)
        return whiteout.create_tracker(scene.namespace, scene.endpoint, configuration, emitter)

    try:
        made(**{option: strict})

        assert getattr(made(), option) == strict
        assert getattr(made(), option) == strict
        assert getattr(made(**{option: loose}), option) == loose
    finally:
        whiteout.remove_tracker(scene.namespace)


def test_L34_a_tracker_that_cannot_be_made_again_leaves_the_one_that_runs(scene: Scene) -> None:
    """Nor is what was said before lost with the attempt."""
    emitter = EmitterConfiguration(storage_dir=scene.folder)
    said = TrackerConfiguration(platform_context=False, privacy_profile=PrivacyProfile.STRICT)
    official = SafeProperties(
        criterion="iglu:com.snowplowanalytics.mobile/screen_view", properties=("name",)
    )
    wrong = TrackerConfiguration(safe_properties=(official,))
    tracker = whiteout.create_tracker(scene.namespace, scene.endpoint, said, emitter)
    try:
        with pytest.raises(ConfigurationError):
            whiteout.create_tracker(scene.namespace, scene.endpoint, wrong, emitter)

        assert whiteout.get_tracker(scene.namespace) is tracker
        assert tracker.track(screen()) is not None
        again = whiteout.create_tracker(scene.namespace, scene.endpoint, emitter)
        assert not again.platform_context
    finally:
        whiteout.remove_tracker(scene.namespace)


def test_L34_a_tracker_that_could_not_be_made_again_is_closed_and_not_forgotten(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it fails so late that the other one has given way."""
    emitter = EmitterConfiguration(storage_dir=scene.folder)
    said = TrackerConfiguration(platform_context=False, user_anonymisation=True)
    whiteout.create_tracker(scene.namespace, scene.endpoint, said, emitter)
    try:
        with monkeypatch.context() as patch:
            patch.setattr("whiteout.tracker.core.open_folder", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                whiteout.create_tracker(scene.namespace, scene.endpoint, emitter)
        closed = whiteout.get_tracker(scene.namespace)
        assert closed is not None
        assert not closed.is_tracking

        again = whiteout.create_tracker(scene.namespace, scene.endpoint, emitter)
        assert not again.platform_context
        assert again.user_anonymisation
    finally:
        whiteout.remove_tracker(scene.namespace)


def test_L34_a_tracker_made_again_masks_what_the_first_one_marked(
    scene: Scene, collector: Collector
) -> None:
    emitter = EmitterConfiguration(storage_dir=scene.folder)
    said = TrackerConfiguration(user_anonymisation=True, identifying_properties=MARKS)
    whiteout.create_tracker(scene.namespace, scene.endpoint, said, emitter)

    tracker = whiteout.create_tracker(scene.namespace, scene.endpoint, emitter)
    try:
        customer = {"email": "CANARY", "tier": "gold"}
        tracker.track(
            SelfDescribing(schema="iglu:com.acme/customer/jsonschema/1-0-0", data=customer)
        )
        assert tracker.flush()
    finally:
        whiteout.remove_tracker(scene.namespace)

    assert unstructured(collector.events[-1])["data"] == {"tier": "gold"}


def test_L34_a_damaged_record_of_the_level_means_the_strictest(scene: Scene) -> None:
    scene.tracker(NONE).close()
    (record,) = scene.folder.glob("*.privacy.json")
    for content in (b"", b"{", b'{"level": 9}', b'{"level": "NONE"}', b"\xff\xfe", b"[]"):
        record.write_bytes(content)
        whiteout.remove_tracker(scene.namespace)

        assert scene.tracker().anonymisation is FULL
