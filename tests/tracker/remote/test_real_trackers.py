"""Real trackers that follow a file on a real server (reference 8.8, behaviours R1 to R9, A12)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.collector import Collector, Reply, unstructured
from tests.support.remote import EVENT, RemoteScene, sent, shop
from tests.support.trackers import poll
from tests.tracker.remote.samples import a_bundle

import whiteout
from whiteout import (
    Anonymisation,
    BufferOption,
    ConfigurationError,
    ConfigurationState,
    EmitterConfiguration,
    NetworkConfiguration,
    PrivacyProfile,
    RemoteConfiguration,
    SubjectConfiguration,
    TrackerConfiguration,
)
from whiteout.tracker.inside import inside_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


FULL, NONE, USER = Anonymisation.FULL, Anonymisation.NONE, Anonymisation.USER
DEFAULT, CACHED, FETCHED = (
    ConfigurationState.DEFAULT,
    ConfigurationState.CACHED,
    ConfigurationState.FETCHED,
)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[RemoteScene]:
    with Collector() as server, Collector() as collector:
        made = RemoteScene(server, collector, tmp_path)
        try:
            yield made
        finally:
            made.restart()


def test_r2_r8_defaults_run_first_and_what_is_fetched_changes_them(scene: RemoteScene) -> None:
    """The app keeps its tracker: it is changed, not replaced."""
    scene.serve(
        scene.bundle(
            tracker={"appId": "remote", "base64encoding": False},
            session={"foregroundTimeout": 60, "backgroundTimeout": 60},
            emitter={"bufferOption": "SmallGroup", "customRetryForStatusCodes": {"500": False}},
            subject={"domainUserId": "duid2"},
        )
    )
    default = scene.default(
        "shop",
        TrackerConfiguration(app_id="default", user_anonymisation=False),
        SubjectConfiguration(user_id="somebody", domain_user_id="duid1"),
    )
    setup = scene.setup(default, before_fetch=NONE)
    tracker = shop()
    assert tracker.app_id in {"default", "remote"}
    assert setup.wait(10)

    assert shop() is tracker
    assert scene.states == [(["shop"], DEFAULT), (["shop"], FETCHED)]
    assert tracker.app_id == "remote"
    assert tracker.session is not None
    assert tracker.session.foreground_timeout == 60
    assert tracker.emitter.buffer_option is BufferOption.SMALL_GROUP
    assert tracker.emitter.custom_retry_for_status_codes == {500: False}
    event = sent(tracker, scene.collector)
    assert (event["aid"], event["uid"], event["duid"]) == ("remote", "somebody", "duid2")
    assert "co" in event


@pytest.mark.parametrize("answer", [Reply(status=404), Reply(status=500), Reply(body=b"{")])
def test_r2_r4_without_a_file_the_defaults_go_on(scene: RemoteScene, answer: Reply) -> None:
    scene.server.default = answer
    setup = scene.setup(scene.default(), before_fetch=NONE)
    assert setup.wait(10)

    assert scene.states == [(["shop"], DEFAULT)]
    assert shop().track(EVENT) is not None


def test_r3_r5_r6_a12_the_cache_holds_at_the_next_start(scene: RemoteScene) -> None:
    scene.serve(
        scene.bundle(
            tracker={"appId": "one"},
            session={"foregroundTimeout": 60},
            emitter={"serverAnonymisation": True},
        ),
        version=1,
    )
    assert scene.setup(scene.default()).wait(10)
    scene.restart()

    setup = scene.setup(scene.default())
    tracker = shop()
    assert tracker.app_id == "one"
    assert tracker.emitter.server_anonymisation
    assert tracker.session is not None
    timeouts = (tracker.session.foreground_timeout, tracker.session.background_timeout)
    assert timeouts == (60, 1800)  # what was not given is not stored as given
    assert setup.wait(10)
    assert scene.states == [(["shop"], CACHED)]

    setup.refresh()
    assert setup.wait(10)
    assert len(scene.states) == 1
    scene.serve(scene.bundle(tracker={"appId": "two"}), version=2)
    setup.refresh()
    assert setup.wait(10)

    assert scene.states == [(["shop"], CACHED), (["shop"], FETCHED)]
    assert (tracker.app_id, tracker.anonymisation) == ("two", NONE)


def test_r7_the_cache_of_another_endpoint_is_nobodys(scene: RemoteScene) -> None:
    scene.serve(scene.bundle(tracker={"appId": "other"}), version=9)
    remote = RemoteConfiguration(
        endpoint=f"{scene.server.url}/other.json", storage_dir=scene.folder
    )
    other = whiteout.setup_remote(remote, scene.default())
    scene.made.append(other)
    assert other.wait(10)
    scene.restart()
    scene.serve(scene.bundle(tracker={"appId": "mine"}), version=1)

    assert scene.setup(scene.default()).wait(10)

    assert scene.states == [(["shop"], DEFAULT), (["shop"], FETCHED)]
    assert shop().app_id == "mine"


def test_several_namespaces_come_and_go(scene: RemoteScene) -> None:
    scene.serve(scene.bundle("shop"), scene.bundle("till"), version=1)
    setup = scene.setup(scene.default("shop"), scene.default("desk"))
    assert setup.wait(10)
    till, desk = shop("till"), shop("desk")
    assert sorted(setup.running) == ["desk", "shop", "till"]

    scene.serve(scene.bundle("shop"), {"namespace": "desk"}, version=2)
    setup.refresh()
    assert setup.wait(10)

    assert sorted(setup.running) == ["shop"]
    assert whiteout.get_tracker("till") is None
    assert whiteout.get_tracker("desk") is None
    assert till.track(EVENT) is None
    assert desk.track(EVENT) is None


def test_live_changes_survive_what_is_fetched(scene: RemoteScene) -> None:
    scene.serve(scene.bundle(tracker={"appId": "one"}), version=1)
    setup = scene.setup(scene.default())
    assert setup.wait(10)
    tracker = shop()
    tracker.app_id = "live"
    tracker.emitter.emit_range = 7
    tracker.subject.language = "de-DE"
    tracker.screen_context = False

    scene.serve(
        scene.bundle(
            tracker={"appId": "two", "screenContext": True, "trackerVersionSuffix": "s"},
            emitter={"emitRange": 9},
            subject={"language": "fr-FR"},
        ),
        version=2,
    )
    setup.refresh()
    assert setup.wait(10)

    assert (tracker.app_id, tracker.emitter.emit_range) == ("live", 7)
    assert tracker.subject.language == "de-DE"
    assert not tracker.screen_context
    assert tracker.tracker_version_suffix == "s"


def installs(scene: RemoteScene) -> list[dict[str, str]]:
    """The install events that arrived."""
    return [
        event
        for event in scene.collector.events
        if event["e"] == "ue" and "application_install" in unstructured(event)["schema"]
    ]


def test_the_first_run_is_tracked_once_the_file_is_known(scene: RemoteScene) -> None:
    """At its start nobody knew whether it may be; the event says when that was."""
    scene.server.default = Reply(status=500)
    before_s = time.time()
    setup = scene.setup(scene.default())
    assert setup.wait(10)
    tracker = shop()
    made_s = time.time()
    tracker.track(EVENT)
    assert tracker.flush(10)
    assert not tracker.install_autotracking
    assert not installs(scene)
    scene.serve(scene.bundle(tracker={"base64encoding": False}), version=1)
    setup.refresh()
    assert setup.wait(10)
    setup.refresh()
    assert setup.wait(10)
    assert shop().flush(10)

    assert shop() is tracker
    assert tracker.install_autotracking
    (event,) = installs(scene)
    assert int(before_s) * 1000 <= int(event["dtm"]) <= made_s * 1000
    scene.setup(scene.default())
    assert shop().flush(10)
    assert len(installs(scene)) == 1


def test_the_first_run_is_not_tracked_where_the_file_forbids_it(scene: RemoteScene) -> None:
    off = {"installAutotracking": False}
    scene.serve(scene.bundle(tracker=off), version=1)
    setup = scene.setup(scene.default())
    assert setup.wait(10)
    assert shop().flush(10)
    assert not installs(scene)
    assert not list(scene.folder.glob("*.install"))


def test_a_first_run_without_the_file_is_tracked_in_the_next(scene: RemoteScene) -> None:
    scene.server.default = Reply(status=500)
    setup = scene.setup(scene.default())
    assert setup.wait(10)
    whiteout.remove_tracker("shop")
    scene.serve(scene.bundle(), version=1)
    assert scene.setup(scene.default()).wait(10)
    assert shop().flush(10)

    assert len(installs(scene)) == 1


@pytest.mark.parametrize("how", ["change", "clear", "forget"])
def test_no_file_brings_back_a_user_whom_the_app_has_cleared(scene: RemoteScene, how: str) -> None:
    def serve(version: int, suffix: str) -> None:
        tracker = {"trackerVersionSuffix": suffix}
        scene.serve(
            scene.bundle(tracker=tracker, subject={"userId": f"u{version}"}), version=version
        )

    serve(1, "one")
    setup = scene.setup(scene.default())
    assert setup.wait(10)
    tracker = shop()
    assert tracker.subject.user_id == "u1"
    if how == "change":
        tracker.subject.change("user_id", None)
    elif how == "clear":
        tracker.subject.clear()
    else:
        assert tracker.forget()

    serve(2, "two")
    setup.refresh()
    assert setup.wait(10)

    assert tracker.tracker_version_suffix == "two"
    assert tracker.subject.user_id is None


def test_another_endpoint_gets_what_waits(scene: RemoteScene) -> None:
    with Collector() as other:
        scene.serve(scene.bundle(), version=1)
        setup = scene.setup(scene.default("shop", TrackerConfiguration(install_autotracking=False)))
        assert setup.wait(10)
        tracker = shop()
        tracker.emitter.pause()
        event_id = tracker.track(EVENT)
        scene.serve(a_bundle("shop", network={"endpoint": other.url}), version=2)
        setup.refresh()
        assert setup.wait(10)
        tracker.emitter.resume()
        assert tracker.flush()

        assert [event["eid"] for event in other.events] == [event_id]
        assert not scene.collector.events


def test_a_second_set_up_takes_the_place_of_the_first(scene: RemoteScene) -> None:
    scene.serve(scene.bundle(tracker={"appId": "one"}), version=1)
    first = scene.setup(scene.default())
    assert first.wait(10)
    second = scene.setup(scene.default(), default_version=5)
    assert second.wait(10)
    scene.serve(scene.bundle(tracker={"appId": "two"}), version=2)

    first.refresh()
    assert first.wait(10)
    assert shop().app_id is None
    scene.serve(scene.bundle(tracker={"appId": "six"}), version=6)
    second.refresh()
    assert second.wait(10)
    assert shop().app_id == "six"


@pytest.mark.parametrize("removes", [True, False])
def test_a_tracker_that_the_app_makes_itself_keeps_to_the_file(
    scene: RemoteScene, *, removes: bool
) -> None:
    """Whether the one before was removed or is replaced: the file speaks of the namespace."""
    scene.serve(
        scene.bundle(
            tracker={
                "userAnonymisation": True,
                "platformContext": False,
                "privacyProfile": "strict",
            }
        )
    )
    setup = scene.setup(scene.default())
    assert setup.wait(10)
    if removes:
        before = shop()
        whiteout.remove_tracker("shop")
        before.app_id = "removed"
        assert "shop" in setup.running

    made = whiteout.create_tracker(
        "shop",
        scene.collector.url,
        TrackerConfiguration(
            user_anonymisation=False,
            platform_context=True,
            privacy_profile=PrivacyProfile.STANDARD,
            app_id="mine",
        ),
        EmitterConfiguration(storage_dir=scene.folder),
    )

    assert made.user_anonymisation
    assert not made.platform_context
    assert made.privacy_profile is PrivacyProfile.STRICT
    assert made.app_id == "mine"
    with pytest.raises(ConfigurationError, match="remote"):
        made.platform_context = True
    scene.serve(scene.bundle(), version=2)
    setup.refresh()
    assert setup.wait(10)
    assert shop().anonymisation is NONE
    assert shop().platform_context
    assert shop().privacy_profile is PrivacyProfile.STANDARD


def test_another_namespace_and_a_closed_set_up_limit_nothing(scene: RemoteScene) -> None:
    scene.serve(scene.bundle(tracker={"platformContext": False}))
    setup = scene.setup(scene.default())
    assert setup.wait(10)
    emitter = EmitterConfiguration(storage_dir=scene.folder)
    said = TrackerConfiguration(platform_context=True)

    with whiteout.create_tracker("desk", scene.collector.url, said, emitter) as other:
        other.app_id = "desk"
        assert other.platform_context
    setup.close()
    with whiteout.create_tracker("shop", scene.collector.url, said, emitter) as mine:
        assert mine.platform_context
    whiteout.remove_tracker("desk")


def test_an_option_that_a_file_forbids_meanwhile_is_taken_back(scene: RemoteScene) -> None:
    """The app was let, then the file was applied, then the app's value arrived."""
    scene.serve(scene.bundle(), version=1)
    setup = scene.setup(scene.default())
    assert setup.wait(10)
    tracker = shop()
    seen: list[object] = []

    class Late(type(tracker._changes.watch)):  # type: ignore[misc] # what it hears of
        def before(self, section: str, name: str, value: object) -> None:
            super().before(section, name, value)
            seen.append(name)
            scene.serve(scene.bundle(tracker={"geoLocationContext": False}), version=2)
            setup.refresh()
            assert setup.wait(10)

    inside_of(tracker).watch(Late(setup, tracker))
    tracker.geo_location_context = True

    assert seen == ["geo_location_context"]
    assert not tracker.geo_location_context


@pytest.mark.parametrize("remote", ["ftp://config.example", 5, None])
def test_a_wrong_address_is_refused(remote: Any) -> None:  # noqa: ANN401 - wrong on purpose
    with pytest.raises(ConfigurationError):
        whiteout.setup_remote(remote)


def test_each_option_that_a_file_can_set_acts_on_a_running_tracker(scene: RemoteScene) -> None:
    """Except for what is looked at once, and for what a tracker is made anew for."""
    from whiteout.tracker.remote.options import KINDS, options_of  # noqa: PLC0415 - for this alone
    from whiteout.tracker.remote.trackers import _OF_GATE  # noqa: PLC0415 - the same

    scene.server.default = Reply(status=500)
    assert scene.setup(scene.default(), before_fetch=NONE).wait(10)
    tracker = shop()
    fixed = set()
    for section in KINDS:
        owner: Any = inside_of(tracker).owner_of(section)
        for option in options_of(section).values():
            try:
                setattr(owner, option.name, getattr(owner, option.name))
            except AttributeError:
                fixed.add(option.name)

    assert fixed == {"install_autotracking", *_OF_GATE}


def test_a_stricter_profile_makes_the_tracker_anew(scene: RemoteScene) -> None:
    """It holds for a tracker's whole life; the one before is closed, and tells nothing more."""
    scene.serve(scene.bundle(), version=1)
    setup = scene.setup(scene.default())
    assert setup.wait(10)
    before = shop()
    scene.serve(scene.bundle(tracker={"privacyProfile": "strict"}), version=2)
    setup.refresh()
    assert setup.wait(10)

    assert shop().privacy_profile is PrivacyProfile.STRICT
    assert before.track(EVENT) is None
    shop().app_id = "live"
    assert setup.running["shop"].tracker.app_id == "live"


PROGRAM = """
import os, sys, whiteout
from whiteout import (
    Anonymisation, ConfigurationBundle, EmitterConfiguration, RemoteConfiguration, Structured,
    TrackerConfiguration,
)
folder, server, collector, how = sys.argv[1:]
remote = RemoteConfiguration(endpoint=server, storage_dir=folder, before_fetch=Anonymisation.NONE)
default = ConfigurationBundle.of(
    "shop",
    collector,
    EmitterConfiguration(storage_dir=folder),
    TrackerConfiguration(install_autotracking=False),
)
setup = whiteout.setup_remote(remote, default)
if how == "fork":
    setup.wait(10)
    child = os.fork()
    if not child:
        setup.refresh()
        ok = setup.wait(10)
        tracker = whiteout.get_tracker("shop")
        tracker.app_id = "child"
        tracker.track(Structured(category="c", action="a"))
        os._exit(0 if ok and tracker.flush(10) else 1)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
whiteout.get_tracker("shop").track(Structured(category="c", action="a"))
"""


def run_program(scene: RemoteScene, how: str) -> int:
    """The exit status of a process that sets trackers up."""
    urls = [f"{scene.server.url}/trackers.json", scene.collector.url]
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(scene.folder), *urls, how],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        timeout=30,
        check=False,
    )
    return ended.returncode


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_goes_on_following(scene: RemoteScene) -> None:
    scene.serve(scene.bundle(), version=1)

    ended = run_program(scene, "fork")

    assert ended == 0
    assert [event["aid"] for event in scene.collector.events] == ["child"]


def test_a_program_ends_at_once_though_the_server_hangs(scene: RemoteScene) -> None:
    """What was tracked is stored, or sent if there was time."""
    scene.server.default = Reply(holds=True)
    started_s = time.monotonic()

    assert run_program(scene, "exit") == 0

    assert time.monotonic() - started_s < 4
    tracker = whiteout.create_tracker(
        "shop", scene.collector.url, EmitterConfiguration(storage_dir=scene.folder)
    )

    def sent() -> list[str]:  # and the first start, which no file has allowed to tell of
        return [event["e"] for event in scene.collector.events if event["e"] != "ue"]

    try:
        assert poll(lambda: sent() == ["se"])
    finally:
        tracker.close(0)
        whiteout.remove_tracker("shop")


def test_the_cache_holds_no_identifier_and_no_endpoint_of_the_file(scene: RemoteScene) -> None:
    scene.serve(scene.bundle(subject={"userId": "CANARY"}), version=1)
    assert scene.setup(scene.default()).wait(10)

    (cached,) = scene.folder.glob("remote-*.json")
    assert json.loads(cached.read_bytes())["configurationVersion"] == 1
    assert b"CANARY" not in cached.read_bytes()
    assert scene.server.url.encode() not in cached.read_bytes()
    assert (
        NetworkConfiguration(endpoint=scene.collector.url).endpoint.encode() in cached.read_bytes()
    )
