"""L27: a remote configuration never makes a tracker tell more than anybody has allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.collector import Collector, Reply, entity
from tests.support.remote import RemoteScene, sent, shop
from tests.tracker.remote.samples import a_file

import whiteout
from whiteout import (
    Anonymisation,
    ConfigurationError,
    EmitterConfiguration,
    PrivacyProfile,
    SessionConfiguration,
    Structured,
    SubjectConfiguration,
    TrackerConfiguration,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FULL, NONE, USER = Anonymisation.FULL, Anonymisation.NONE, Anonymisation.USER


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[RemoteScene]:
    with Collector() as server, Collector() as collector:
        made = RemoteScene(server, collector, tmp_path)
        try:
            yield made
        finally:
            made.restart()


def test_L27_a_events_before_the_first_fetch_are_fully_anonymous(scene: RemoteScene) -> None:
    scene.server.reply(Reply(holds=True, body=a_file(scene.bundle(), version=1)))
    setup = scene.setup(
        scene.default("shop", SubjectConfiguration(user_id="CANARY"), SessionConfiguration())
    )
    tracker = shop()
    before = sent(tracker, scene.collector)
    request = scene.collector.requests[-1]
    assert tracker.anonymisation is FULL
    assert not tracker.platform_context
    scene.server.release()
    assert setup.wait(10)
    after = sent(tracker, scene.collector)

    assert "uid" not in before
    assert request.headers["sp-anonymous"] == "*"
    assert entity(before, "client_session") is None
    assert tracker.anonymisation is NONE
    assert tracker.platform_context
    assert after["uid"] == "CANARY"
    session = entity(after, "client_session")
    assert session is not None
    assert session["sessionIndex"] == 1


def test_L27_a_what_holds_before_the_fetch_is_no_decision(scene: RemoteScene) -> None:
    """It is not stored: it would outlast the reason for it."""
    scene.server.default = Reply(status=500)
    assert scene.setup(scene.default()).wait(10)
    assert shop().anonymisation is FULL
    scene.restart()

    emitter = EmitterConfiguration(storage_dir=scene.folder)
    tracker = whiteout.create_tracker("shop", scene.collector.url, emitter)

    assert tracker.anonymisation is NONE


def test_L27_c_a_remote_file_is_a_limit_that_no_setter_goes_below(scene: RemoteScene) -> None:
    scene.serve(
        scene.bundle(tracker={"userAnonymisation": True, "platformContext": False}), version=1
    )
    setup = scene.setup(scene.default("shop", TrackerConfiguration(user_anonymisation=False)))
    assert setup.wait(10)
    tracker = shop()
    assert tracker.user_anonymisation

    for name, value in (
        ("user_anonymisation", False),
        ("anonymisation", NONE),
        ("platform_context", True),
    ):
        with pytest.raises(ConfigurationError, match="remote"):
            setattr(tracker, name, value)
    assert tracker.anonymisation is USER
    tracker.session_context = False
    assert not tracker.session_context

    scene.serve(scene.bundle(tracker={"userAnonymisation": False}), version=2)
    setup.refresh()
    assert setup.wait(10)

    assert tracker.anonymisation is Anonymisation.SESSION
    tracker.platform_context = True


def test_L27_c_a_profile_of_the_file_is_no_decision_and_undoes_none(scene: RemoteScene) -> None:
    """Strict as long as the file asks for it; the app's own choice outlasts any file."""
    emitter = EmitterConfiguration(storage_dir=scene.folder)
    scene.serve(scene.bundle(tracker={"privacyProfile": "strict"}), version=1)
    assert scene.setup(scene.default()).wait(10)
    assert shop().privacy_profile is PrivacyProfile.STRICT
    scene.restart()
    with whiteout.create_tracker("shop", scene.collector.url, emitter) as alone:
        assert alone.privacy_profile is PrivacyProfile.STANDARD
    whiteout.remove_tracker("shop")
    strict = TrackerConfiguration(privacy_profile=PrivacyProfile.STRICT)
    with whiteout.create_tracker("shop", scene.collector.url, strict, emitter):
        whiteout.remove_tracker("shop")

    scene.serve(scene.bundle(tracker={"privacyProfile": "standard"}), version=2)
    assert scene.setup(scene.default()).wait(10)

    assert shop().privacy_profile is PrivacyProfile.STRICT


def test_L27_c_what_the_user_has_decided_is_not_undone_by_a_file(scene: RemoteScene) -> None:
    scene.serve(scene.bundle(tracker={"userAnonymisation": False}), version=1)
    assert scene.setup(scene.default()).wait(10)
    shop().anonymisation = FULL
    scene.restart()

    assert scene.setup(scene.default()).wait(10)
    assert shop().anonymisation is FULL
    scene.serve(scene.bundle(tracker={"userAnonymisation": False}), version=2)
    scene.made[-1].refresh()
    assert scene.made[-1].wait(10)

    assert shop().anonymisation is FULL
    shop().anonymisation = NONE
    assert shop().anonymisation is NONE


def test_L27_b_a_stricter_default_of_a_new_version_of_the_app_holds(scene: RemoteScene) -> None:
    """The cache keeps what was fetched, not what the defaults were then."""
    scene.serve(scene.bundle(), version=1)
    loose = TrackerConfiguration(user_anonymisation=False)
    assert scene.setup(scene.default("shop", loose)).wait(10)
    assert shop().anonymisation is NONE
    scene.restart()

    strict = TrackerConfiguration(user_anonymisation=True, geo_location_context=False)
    assert scene.setup(scene.default("shop", strict)).wait(10)

    assert shop().user_anonymisation


@pytest.mark.parametrize("is_said", [True, False])
def test_L27_d_a_namespace_that_a_file_disables_stops_whatever_the_default_says(
    scene: RemoteScene, *, is_said: bool
) -> None:
    """What waits is kept, and not sent."""
    scene.serve(scene.bundle(), version=1)
    setup = scene.setup(scene.default())
    assert setup.wait(10)
    tracker = shop()
    tracker.emitter.pause()
    tracker.track(Structured(category="c", action="a"))
    bundle = scene.bundle() | {"disabled": True} if is_said else {"namespace": "shop"}
    scene.serve(bundle, version=2)
    setup.refresh()
    assert setup.wait(10)

    assert whiteout.get_tracker("shop") is None
    assert tracker.track(Structured(category="c", action="a")) is None
    assert not scene.collector.events
    scene.restart()
    assert scene.setup(scene.default()).wait(10)
    assert whiteout.get_tracker("shop") is None
