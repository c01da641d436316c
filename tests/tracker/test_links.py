"""Links of a real tracker: what they tell of it, at each level and moment."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.clock import FIRST_EVENT_MS, ManualClock, fixed_environment
from tests.support.trackers import STATELESS, Wire, a_tracker

from whiteout import (
    Anonymisation,
    ConfigurationError,
    CrossDeviceParameterConfiguration,
    DevicePlatform,
    SessionConfiguration,
    Structured,
    SubjectConfiguration,
    TrackerConfiguration,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whiteout import Tracker

URI = "https://shop.example/offer?a=1&a=2&b=#top"
EVENT = Structured(category="shop", action="look")
NONE = CrossDeviceParameterConfiguration(session_id=False, source_id=False)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def tracker(tmp_path: Path, clock: ManualClock) -> Iterator[Tracker]:
    with a_tracker(
        Wire().network,
        tmp_path,
        TrackerConfiguration(
            app_id="shop",
            device_platform=DevicePlatform.MOBILE,
            platform_context=False,
            **STATELESS,
        ),
        SubjectConfiguration(user_id="user"),
        SessionConfiguration(foreground_timeout=600, background_timeout=60),
        environment=fixed_environment(clock),
    ) as running:
        yield running


def parts(link: str | None) -> list[str]:
    assert link is not None
    return link.partition("_sp=")[2].partition("#")[0].split(".")


def b64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_M3_a_link_says_installation_time_session_and_app(tracker: Tracker) -> None:  # noqa: N802
    tracker.track(EVENT)
    session = tracker.session
    assert session is not None

    link = tracker.decorate_link(URI)

    sp = f"{session.user_id}.{FIRST_EVENT_MS}.{session.session_id}..{b64('shop')}"
    assert link == f"https://shop.example/offer?a=1&a=2&b=&_sp={sp}#top"
    assert tracker.decorate_link(link) == link


@pytest.mark.parametrize(
    ("options", "rest"),
    [
        ({}, []),
        ({"subject_user_id": True}, ["", b64("user")]),
        ({"source_platform": True}, ["", "", "", "mob"]),
        ({"reason": "ad"}, ["", "", "", "", b64("ad")]),
    ],
)
def test_M3_each_part_stands_in_its_place(  # noqa: N802 - its id
    tracker: Tracker, options: dict[str, Any], rest: list[str]
) -> None:
    tracker.track(EVENT)
    wanted = CrossDeviceParameterConfiguration(session_id=False, source_id=False, **options)

    assert parts(tracker.decorate_link(URI, wanted))[2:] == rest


def test_M3_before_the_first_event_the_session_is_empty(tracker: Tracker) -> None:  # noqa: N802
    assert parts(tracker.decorate_link(URI))[2:] == ["", "", b64("shop")]


@pytest.mark.parametrize("in_background", [False, True])
def test_a_session_that_has_timed_out_is_not_named(
    tracker: Tracker, clock: ManualClock, *, in_background: bool
) -> None:
    tracker.track(EVENT)
    if in_background:
        tracker.enter_background()
    clock.advance(60 if in_background else 600)
    assert parts(tracker.decorate_link(URI))[2] != ""

    clock.advance(0.001)

    assert parts(tracker.decorate_link(URI))[2] == ""


def test_a_session_that_is_to_begin_is_not_named_by_the_one_before(tracker: Tracker) -> None:
    tracker.track(EVENT)
    assert tracker.session is not None

    tracker.session.start_new_session()

    assert parts(tracker.decorate_link(URI))[2] == ""


def test_A14_without_sessions_there_is_no_link(tracker: Tracker) -> None:  # noqa: N802 - its id
    tracker.session_context = False

    assert tracker.decorate_link(URI) is None


def test_a_visitor_of_a_server_is_not_the_installation(tracker: Tracker) -> None:
    tracker.track(EVENT)

    with tracker.scope(subject=SubjectConfiguration(user_id="visitor")):
        assert tracker.decorate_link(URI) is None
    with tracker.scope(anonymisation=Anonymisation.USER):
        assert tracker.decorate_link(f"{URI}?_sp=x") == URI
    assert tracker.decorate_link(URI) is not None


def test_a_closed_tracker_decorates_nothing(tracker: Tracker) -> None:
    tracker.track(EVENT)
    tracker.close(0)

    assert tracker.decorate_link(URI) is None


def test_a_closed_tracker_that_hides_its_user_still_strips(tracker: Tracker) -> None:
    tracker.anonymisation = Anonymisation.USER
    tracker.close(0)

    assert tracker.decorate_link("https://h/?_sp=somebody") == "https://h/"


@pytest.mark.parametrize("level", [Anonymisation.NONE, Anonymisation.FULL])
def test_wrong_arguments_are_errors(tracker: Tracker, level: Anonymisation) -> None:
    tracker.anonymisation = level

    with pytest.raises(ConfigurationError, match="uri must be text"):
        tracker.decorate_link(5)  # type: ignore[arg-type] # the mistake
    with pytest.raises(ConfigurationError, match="CrossDeviceParameterConfiguration"):
        tracker.decorate_link(URI, {"reason": "ad"})  # type: ignore[arg-type] # the mistake
