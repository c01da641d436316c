"""Trackers that follow a remote file, from a real server, in the order of their sources."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.clock import ManualClock
from tests.support.collector import Collector, Reply
from tests.tracker.remote.samples import NETWORK, a_bundle, a_document, a_file

import whiteout
from whiteout import (
    Anonymisation,
    ConfigurationError,
    EmitterConfiguration,
    EventStoreError,
    SubjectConfiguration,
    TrackerConfiguration,
)
from whiteout.tracker.counters import Counters
from whiteout.tracker.remote.bundle import ConfigurationBundle
from whiteout.tracker.remote.cache import RemoteCache
from whiteout.tracker.remote.plan import OLDEST, Do, Planned, Step
from whiteout.tracker.remote.settings import ConfigurationState, RemoteConfiguration
from whiteout.tracker.remote.setup import RemoteSetup
from whiteout.tracker.unsaid import settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DEFAULT, CACHED, FETCHED = (
    ConfigurationState.DEFAULT,
    ConfigurationState.CACHED,
    ConfigurationState.FETCHED,
)
FULL, NONE = Anonymisation.FULL, Anonymisation.NONE
BUNDLE = ConfigurationBundle.of("shop", "https://default.example.com")


class Trackers:
    """Stands for those of the process: what would run, and how that came about."""

    def __init__(self) -> None:
        self.running: dict[str, Planned] = {}
        self.steps: list[tuple[Do, str]] = []
        self.states: list[tuple[list[str], ConfigurationState]] = []
        self.threads: list[str] = []
        self.refuses: Callable[[Step], bool] = lambda step: False

    def carry_out(self, step: Step) -> None:
        if self.refuses(step):
            raise EventStoreError("the disk is full")
        self.steps.append((step.do, step.namespace))
        if step.planned is None:
            del self.running[step.namespace]
        else:
            self.running[step.namespace] = step.planned

    def told(self, namespaces: list[str], state: ConfigurationState) -> None:
        self.states.append((namespaces, state))
        self.threads.append(threading.current_thread().name)

    @property
    def order(self) -> list[ConfigurationState]:
        return [state for _, state in self.states]


class Stage:
    """A server, a folder, and set-ups on them."""

    def __init__(self, server: Collector, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.trackers = Trackers()
        self.setups: list[RemoteSetup] = []

    @property
    def endpoint(self) -> str:
        return f"{self.server.url}/trackers.json"

    def serve(self, content: bytes) -> None:
        self.server.default = Reply(body=content)

    def cache(self, *bundles: dict[str, object], version: int) -> None:
        RemoteCache(self.folder, self.endpoint).store(a_document(*bundles, version=version))

    def setup(
        self,
        *bundles: ConfigurationBundle,
        default_version: int = OLDEST,
        before_fetch: Anonymisation | None = None,
    ) -> RemoteSetup:
        """Start, as a process does, and wait for the fetch."""
        self.trackers = Trackers()
        made = self.make(*bundles, default_version=default_version, before_fetch=before_fetch)
        made.start()
        assert made.wait(10)
        return made

    def make(
        self,
        *bundles: ConfigurationBundle,
        default_version: int = OLDEST,
        before_fetch: Anonymisation | None = None,
    ) -> RemoteSetup:
        clock = ManualClock()
        made = RemoteSetup(
            RemoteConfiguration(endpoint=self.endpoint, timeout=5, before_fetch=before_fetch),
            bundles,
            self.trackers.carry_out,
            folder=self.folder,
            clock=clock,
            counters=Counters(clock),
            default_version=default_version,
            on_success=self.trackers.told,
        )
        self.setups.append(made)
        return made


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Collector() as server:
        server.default = Reply(status=404)
        made = Stage(server, tmp_path)
        yield made
        for each in made.setups:
            each.close()
            each.wait(10)


def refreshed(setup: RemoteSetup) -> None:
    setup.refresh()
    assert setup.wait(10)


def test_r2_a_file_that_is_fetched_is_applied(stage: Stage) -> None:
    stage.serve(a_file(a_bundle(tracker={"appId": "remote"})))

    stage.setup(BUNDLE)

    assert stage.trackers.states == [(["shop"], DEFAULT), (["shop"], FETCHED)]
    assert stage.trackers.running["shop"].tracker.app_id == "remote"
    assert stage.trackers.threads == ["MainThread", "whiteout-remote"]


@pytest.mark.parametrize("status", [404, 500])
def test_r2_no_file_is_no_callback(stage: Stage, status: int) -> None:
    stage.server.default = Reply(status=status, body=a_file(a_bundle()))

    setup = stage.setup(BUNDLE)

    assert stage.trackers.order == [DEFAULT]
    assert not setup.is_known


def test_r4_another_schema_is_no_callback(stage: Stage) -> None:
    stage.serve(a_file(a_bundle(), schema="iglu:com.snowplowanalytics.mobile/remote_config/2-0-0"))

    stage.setup(BUNDLE)

    assert stage.trackers.order == [DEFAULT]


@pytest.mark.parametrize(("version", "order"), [(1, [CACHED]), (2, [CACHED, FETCHED])])
def test_r5_a_fetched_file_must_be_newer_than_the_cached_one(
    stage: Stage, version: int, order: list[ConfigurationState]
) -> None:
    stage.cache(a_bundle(), version=1)
    stage.serve(a_file(a_bundle(tracker={"appId": "fetched"}), version=version))

    stage.setup(BUNDLE)

    assert stage.trackers.order == order


def test_r6_a_refresh_tells_only_of_what_is_newer(stage: Stage) -> None:
    stage.cache(a_bundle(), version=1)
    stage.serve(a_file(a_bundle(), version=1))
    setup = stage.setup(BUNDLE)

    refreshed(setup)
    assert stage.trackers.order == [CACHED]

    stage.serve(a_file(a_bundle(tracker={"appId": "newer"}), version=2))
    refreshed(setup)
    refreshed(setup)
    assert stage.trackers.order == [CACHED, FETCHED]


def test_r6_another_file_of_the_same_version_changes_nothing(stage: Stage) -> None:
    stage.serve(a_file(a_bundle(tracker={"appId": "first"}), version=1))
    setup = stage.setup(BUNDLE)

    stage.serve(a_file(a_bundle(tracker={"appId": "second"}), version=1))
    refreshed(setup)

    assert stage.trackers.running["shop"].tracker.app_id == "first"


def test_r7_the_cache_of_another_endpoint_is_passed_over(stage: Stage) -> None:
    other = RemoteCache(stage.folder, "https://config.example.com/other.json")
    other.store(a_document(a_bundle(tracker={"appId": "other"}), version=9))
    stage.serve(a_file(a_bundle(tracker={"appId": "fetched"}), version=1))

    stage.setup(BUNDLE)

    assert stage.trackers.order == [DEFAULT, FETCHED]
    assert stage.trackers.running["shop"].tracker.app_id == "fetched"


@pytest.mark.parametrize(("version", "order"), [(3, [DEFAULT]), (4, [DEFAULT, FETCHED])])
def test_r8_a_fetched_file_must_be_newer_than_the_default_bundles(
    stage: Stage, version: int, order: list[ConfigurationState]
) -> None:
    stage.serve(a_file(a_bundle(tracker={"appId": "fetched"}), version=version))

    stage.setup(BUNDLE, default_version=3)

    assert stage.trackers.order == order


def test_a_fetched_file_is_the_cached_one_of_the_next_start(stage: Stage) -> None:
    stage.serve(a_file(a_bundle(tracker={"appId": "fetched"})))
    stage.setup(BUNDLE)
    stage.server.default = Reply(status=500)

    setup = stage.setup(BUNDLE)

    assert stage.trackers.order == [CACHED]
    assert stage.trackers.running["shop"].tracker.app_id == "fetched"
    assert stage.trackers.running["shop"].minimum == NONE
    assert setup.is_known


# --- privacy --------------------------------------------------------------------------------------


def test_l27a_nothing_permissive_runs_before_a_file_is_known(stage: Stage) -> None:
    bundle = ConfigurationBundle.of(
        "shop", "https://default.example.com", TrackerConfiguration(user_anonymisation=False)
    )
    stage.server.default = Reply(holds=True, body=a_file(a_bundle()))
    setup = stage.make(bundle)

    setup.start()
    before = stage.trackers.running["shop"]
    stage.server.release()
    assert setup.wait(10)

    assert before.minimum == FULL
    assert before.tracker.platform_context is False
    assert stage.trackers.running["shop"].minimum == NONE
    assert stage.trackers.running["shop"].tracker.platform_context is True


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 9999, b"\xff" * 500_000])
def test_l27a_a_file_that_cannot_be_read_changes_nothing(stage: Stage, content: bytes) -> None:
    stage.serve(content)

    stage.setup(BUNDLE)

    assert stage.trackers.order == [DEFAULT]
    assert stage.trackers.running["shop"].minimum == FULL


def test_l27a_a_file_that_is_not_newer_than_the_bundles_settles_what_is_known(stage: Stage) -> None:
    """Nothing changes but that it is known now; at the next start it is so from the beginning."""
    stage.serve(a_file(a_bundle(tracker={"sessionContext": False}), version=3))
    stage.setup(BUNDLE, default_version=3)
    first = stage.trackers.running["shop"]
    stage.server.default = Reply(status=500)

    stage.setup(BUNDLE, default_version=3)

    assert first.minimum == Anonymisation.SESSION
    assert stage.trackers.running["shop"] == first
    assert stage.trackers.order == [DEFAULT]


def test_l27a_a_bundle_that_can_no_longer_be_read_makes_its_tracker_private(stage: Stage) -> None:
    """It keeps its other options, now and after a restart."""
    stage.serve(a_file(a_bundle(tracker={"appId": "first"}), version=1))
    setup = stage.setup()
    stage.serve(a_file(a_bundle(tracker={"appId": 2}), version=2))
    refreshed(setup)
    now = stage.trackers.running["shop"]
    stage.server.default = Reply(status=500)

    stage.setup()

    assert (now.tracker.app_id, now.minimum) == ("first", FULL)
    assert stage.trackers.running["shop"] == now


def test_l27b_a_stricter_default_of_a_new_version_of_the_app_is_not_lost_to_the_cache(
    stage: Stage,
) -> None:
    permissive = TrackerConfiguration(user_anonymisation=False, app_id="app")
    stage.serve(a_file(a_bundle()))
    stage.setup(ConfigurationBundle.of("shop", "https://default.example.com", permissive))
    strict = TrackerConfiguration(user_anonymisation=True)

    stage.setup(ConfigurationBundle.of("shop", "https://default.example.com", strict))

    assert stage.trackers.order == [CACHED]
    assert stage.trackers.running["shop"].tracker == settled(strict, None)


def test_l27c_a_remote_file_enforces_privacy_over_a_live_change(stage: Stage) -> None:
    stage.serve(a_file(a_bundle(), version=1))
    setup = stage.setup(BUNDLE)
    setup.note_live("shop", "tracker", "user_anonymisation", value=False)
    setup.note_live("shop", "emitter", "server_anonymisation", value=True)

    stage.serve(a_file(a_bundle(tracker={"userAnonymisation": True}), version=2))
    refreshed(setup)

    planned = stage.trackers.running["shop"]
    assert planned.tracker.user_anonymisation is True
    assert planned.emitter.server_anonymisation is True
    assert planned.minimum == Anonymisation.USER


def test_l27d_a_namespace_is_disabled_from_afar_and_stays_so_after_a_restart(stage: Stage) -> None:
    stage.serve(a_file(a_bundle(disabled=True), a_bundle("other")))
    stage.setup(BUNDLE)
    assert list(stage.trackers.running) == ["other"]
    stage.server.default = Reply(status=500)

    stage.setup(BUNDLE)

    assert stage.trackers.steps == [(Do.CREATE, "other")]


def test_l24_identifiers_from_afar_are_used_and_fetched_again_but_never_stored(
    stage: Stage,
) -> None:
    stage.serve(a_file(a_bundle(subject={"userId": "canary", "language": "en"})))
    stage.setup(BUNDLE)
    assert stage.trackers.running["shop"].subject.user_id == "canary"
    assert not any(b"canary" in path.read_bytes() for path in stage.folder.iterdir())

    stage.setup(BUNDLE)

    assert stage.trackers.order == [CACHED]  # the version is the same: nothing to tell
    assert stage.trackers.running["shop"].subject == SubjectConfiguration(
        user_id="canary", language="en"
    )


def test_one_warning_names_the_native_trackers_options_that_do_nothing_here(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Of other keys nothing is repeated: they may be anything."""
    tracker = {"logLevel": "debug", "screenViewAutotracking": True, "canaryOption": 1}
    bundles = [
        a_bundle(name, network={"endpoint": "a.invalid"}, tracker=tracker, emitter=emitter)
        for name, emitter in (("one", {"threadPoolSize": 3}), ("two", {"threadPoolSize": 9}))
    ]
    stage.serve(a_file(*bundles))

    stage.setup()

    (warning,) = (each.getMessage() for each in caplog.records if each.levelname == "WARNING")
    assert warning.endswith("passed over: logLevel, screenViewAutotracking, threadPoolSize")
    assert set(stage.trackers.running) == {"one", "two"}


def test_warnings_name_the_field_and_nothing_of_the_file(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stage.serve(a_file(a_bundle("canary", tracker={"userAnonymisation": "canary"})))

    stage.setup(BUNDLE)

    assert "trackerConfiguration.userAnonymisation" in caplog.text
    assert "canary" not in caplog.text
    assert "trackers.json" not in caplog.text


def test_options_that_are_not_known_are_a_note_for_debugging(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stage.serve(a_file(a_bundle(tracker={"canary": 1, "logLevel": "off"})))

    stage.setup(BUNDLE)

    (record,) = (each for each in caplog.records if "not known here" in each.message)
    assert record.levelno == logging.DEBUG
    assert "2 options" in record.message
    assert "canary" not in caplog.text


# --- several namespaces, live changes -------------------------------------------------------------


def test_namespaces_come_change_and_go_with_the_file(stage: Stage) -> None:
    stage.serve(a_file(a_bundle("a"), a_bundle("b"), a_bundle("c"), version=1))
    setup = stage.setup()
    assert stage.trackers.states == [([], DEFAULT), (["a", "b", "c"], FETCHED)]
    stage.trackers.steps.clear()

    stage.serve(a_file(a_bundle("a"), a_bundle("b", tracker={"appId": "b"}), version=2))
    refreshed(setup)

    assert stage.trackers.steps == [(Do.REMOVE, "c"), (Do.REPLACE, "b")]
    assert stage.trackers.states[-1] == (["a", "b"], FETCHED)


def test_live_changes_survive_a_new_file(stage: Stage) -> None:
    stage.serve(a_file(a_bundle(emitter={"emitRange": 10}), version=1))
    setup = stage.setup(BUNDLE)
    setup.note_live("shop", "emitter", "emit_range", 77)
    setup.note_live("shop", "subject", "user_id", "user")
    setup.note_live("shop", "subject", "user_id", None)

    stage.serve(a_file(a_bundle(emitter={"emitRange": 20, "byteLimitGet": 9}), version=2))
    refreshed(setup)

    planned = stage.trackers.running["shop"]
    assert planned.emitter == EmitterConfiguration(emit_range=77, byte_limit_get=9)
    assert planned.subject.user_id is None


def test_a_tracker_is_not_replaced_for_what_it_was_changed_to_itself(stage: Stage) -> None:
    stage.serve(a_file(a_bundle(), version=1))
    setup = stage.setup(BUNDLE)
    stage.trackers.steps.clear()
    setup.note_live("shop", "emitter", "emit_range", 77)

    stage.serve(a_file(a_bundle(), version=2))
    refreshed(setup)

    assert stage.trackers.steps == []
    assert stage.trackers.order[-1] == FETCHED


def test_a_live_change_while_trackers_are_replaced_is_not_lost(stage: Stage) -> None:
    stage.serve(a_file(a_bundle(), version=1))
    setup = stage.setup(BUNDLE)
    changed: list[str] = []

    def change(step: Step) -> bool:
        if not changed:
            changed.append(step.namespace)
            setup.note_live("shop", "emitter", "emit_range", 77)
        return False

    stage.trackers.refuses = change
    stage.serve(a_file(a_bundle(tracker={"appId": "b"}), version=2))
    refreshed(setup)

    planned = stage.trackers.running["shop"]
    assert (planned.tracker.app_id, planned.emitter.emit_range) == ("b", 77)
    assert setup.running == stage.trackers.running


def test_a_live_change_right_after_its_tracker_was_replaced_is_not_lost(stage: Stage) -> None:
    """While the others are being replaced still: it may have been made on the old one."""
    stage.serve(a_file(a_bundle("a"), a_bundle("b"), version=1))
    setup = stage.setup()

    def change(step: Step) -> bool:
        if step.namespace == "b":
            setup.note_live("a", "emitter", "emit_range", 77)
            stage.trackers.refuses = lambda step: False
        return False

    stage.trackers.refuses = change
    app = {"appId": "x"}
    stage.serve(a_file(a_bundle("a", tracker=app), a_bundle("b", tracker=app), version=2))
    refreshed(setup)

    assert stage.trackers.running["a"].emitter.emit_range == 77


def test_a_live_change_of_nothing_that_there_is_is_refused_or_passed_over(stage: Stage) -> None:
    setup = stage.setup(BUNDLE)

    with pytest.raises(ConfigurationError, match="colour"):
        setup.note_live("shop", "tracker", "colour", "red")
    with pytest.raises(ConfigurationError, match="plugins"):
        setup.note_live("shop", "plugins", "x", 1)
    setup.note_live("somebody-else", "emitter", "emit_range", 1)

    assert list(setup.running) == ["shop"]


# --- faults ---------------------------------------------------------------------------------------


def test_a_tracker_that_cannot_be_made_stricter_is_removed(stage: Stage) -> None:
    """It would run on as it was."""
    stage.serve(a_file(a_bundle(), a_bundle("other"), version=1))
    setup = stage.setup()
    stage.trackers.refuses = lambda step: step.do in {Do.REPLACE, Do.CHANGE_MINIMUM}

    strict = {"userAnonymisation": True}
    stage.serve(a_file(a_bundle(tracker=strict), a_bundle("other"), version=2))
    refreshed(setup)

    assert list(stage.trackers.running) == ["other"]
    assert list(setup.running) == ["other"]


def test_a_callback_that_raises_harms_nothing(stage: Stage) -> None:
    def told(namespaces: list[str], state: ConfigurationState) -> None:
        raise LookupError

    stage.trackers.told = told  # type: ignore[method-assign] # what the app does
    stage.serve(a_file(a_bundle(tracker={"appId": "fetched"})))
    setup = stage.make(BUNDLE)

    setup.start()

    assert setup.wait(10)
    assert stage.trackers.running["shop"].tracker.app_id == "fetched"


def test_a_closed_set_up_applies_nothing_more(stage: Stage) -> None:
    stage.server.default = Reply(holds=True, body=a_file(a_bundle(tracker={"appId": "late"})))
    setup = stage.make(BUNDLE)
    setup.start()

    setup.close()
    stage.server.release()
    assert setup.wait(10)
    setup.refresh()

    assert stage.trackers.running["shop"].tracker.app_id is None
    assert len(stage.server.requests) == 1


def test_a_refresh_while_one_is_under_way_asks_once(stage: Stage) -> None:
    stage.server.default = Reply(holds=True, body=a_file(a_bundle()))
    setup = stage.make(BUNDLE)
    setup.start()

    setup.refresh()
    assert not setup.wait(0.01)
    stage.server.release()

    assert setup.wait(10)
    assert len(stage.server.requests) == 1


def test_a_forked_child_can_fetch_again(stage: Stage) -> None:
    stage.server.default = Reply(holds=True, body=a_file(a_bundle()))
    setup = stage.make(BUNDLE)
    setup.start()

    setup.after_fork()
    stage.server.release()
    refreshed(setup)

    assert setup.is_known


@pytest.mark.parametrize(
    ("defaults", "options", "text"),
    [
        (["shop"], {}, "defaults must hold ConfigurationBundle, got str"),
        ([BUNDLE], {"default_version": "3"}, "default_version must be -1 to 2147483647, got '3'"),
        ([BUNDLE], {"default_version": True}, "default_version must be -1 to 2147483647, got True"),
        ([BUNDLE], {"on_success": "done"}, "on_success must be a function, got a str"),
        ([BUNDLE], {"on_success": asyncio.sleep}, "on_success must be a plain function"),
    ],
)
def test_a_wrong_argument_is_named_before_anything_runs(
    defaults: list[Any], options: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{text}"):
        whiteout.setup_remote("https://config.example.com/trackers.json", *defaults, **options)

    assert whiteout.tracker_namespaces() == []


def test_two_default_bundles_of_one_namespace_are_refused(stage: Stage) -> None:
    with pytest.raises(ConfigurationError, match="different namespaces"):
        stage.make(BUNDLE, BUNDLE)


@given(
    files=st.lists(
        st.binary(max_size=50)
        | st.builds(
            lambda version, strict: a_file(
                a_bundle(tracker={"userAnonymisation": strict}), version=version
            ),
            st.integers(-1, 4),
            st.booleans() | st.none() | st.text(max_size=3),
        ),
        max_size=5,
    )
)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40
)
def test_no_sequence_of_files_raises_or_loosens_what_the_last_good_one_asks_for(
    stage: Stage, files: list[bytes]
) -> None:
    """The fetch is played here; the rest is real, the cache on disk as well."""
    for path in stage.folder.iterdir():
        path.unlink()
    offered = list(files)
    trackers = Trackers()
    clock = ManualClock()
    setup = RemoteSetup(
        RemoteConfiguration(endpoint=stage.endpoint),
        [BUNDLE],
        trackers.carry_out,
        folder=stage.folder,
        clock=clock,
        counters=Counters(clock),
        fetch=lambda url, timeout, clock: offered.pop(0) if offered else None,
    )
    setup.start()
    assert setup.wait(10)
    while offered:
        refreshed(setup)

    known = RemoteCache(stage.folder, stage.endpoint).load()
    minimum = trackers.running["shop"].minimum
    if known is None or "shop" in known.unsure:
        assert minimum == FULL
    else:
        tracker = known.bundles["shop"].sections["tracker"]
        strict = tracker.get("user_anonymisation") is True
        assert (Anonymisation.USER in minimum) == strict


def test_real_trackers_follow_the_file(stage: Stage) -> None:
    """With `create_tracker`, whose flags stand for the minimum here."""

    def carry_out(step: Step) -> None:
        if step.planned is None:
            whiteout.remove_tracker(step.namespace, timeout=0)
            return
        strict = step.planned.at_minimum()
        whiteout.create_tracker(step.namespace, strict.network, *strict.configurations)

    bundle = ConfigurationBundle.of(
        "remote-shop",
        stage.server.url,
        TrackerConfiguration(user_anonymisation=False, session_context=True),
        EmitterConfiguration(server_anonymisation=False, storage_dir=stage.folder / "t"),
    )
    stage.trackers.carry_out = carry_out  # type: ignore[method-assign] # real ones instead
    setup = stage.make(bundle)
    levels = []
    try:
        setup.start()
        assert setup.wait(10)
        levels.append(level("remote-shop"))
        network = {**NETWORK, "endpoint": stage.server.url}
        for version, tracker in enumerate(({}, {"userAnonymisation": True}), 1):
            item = a_bundle("remote-shop", network=network, tracker=tracker)
            stage.serve(a_file(item, version=version))
            refreshed(setup)
            levels.append(level("remote-shop"))
        stage.serve(a_file(a_bundle("remote-shop", disabled=True), version=3))
        refreshed(setup)
        assert whiteout.get_tracker("remote-shop") is None
    finally:
        whiteout.remove_tracker("remote-shop", timeout=0)

    assert levels == [FULL, NONE, Anonymisation.USER]


def level(namespace: str) -> Anonymisation:
    tracker = whiteout.get_tracker(namespace)
    assert tracker is not None
    return tracker.anonymisation
