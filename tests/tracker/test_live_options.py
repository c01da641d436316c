"""Each option that can be changed while a tracker runs acts at once: on the next event or request.

Named after the behaviours of the native trackers' own test suites (reference section 9).
"""

from __future__ import annotations

import dataclasses
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from docs.generate import DOCS
from docs.public import public_names
from docs.tables import OWNERS, live_place, tables_of
from tests.support.clock import ManualClock, fixed_environment
from tests.support.collector import Collector, Reply, closed_port, entity, session
from tests.support.trackers import CONTEXT_FREE, STATELESS, Wire, a_tracker, poll

import whiteout
from whiteout import (
    BufferOption,
    ConfigurationError,
    DevicePlatform,
    DropReason,
    EmitterConfiguration,
    HttpMethod,
    NetworkConfiguration,
    PlatformContextRetriever,
    PlatformProperty,
    SessionConfiguration,
    Structured,
    TrackerConfiguration,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whiteout import Tracker
    from whiteout.tracker.controllers import SessionController

EVENT = Structured(category="c", action="a")
RETRIEVER = PlatformContextRetriever(
    os_type=lambda: "android",
    os_version=lambda: "14",
    device_vendor=lambda: "Acme",
    device_model=lambda: "One",
    carrier=lambda: "Telco",
    language=lambda: "en-GB",
    android_idfa=lambda: "an-advertising-id",
)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


def sent(tracker: Tracker, collector: Collector) -> dict[str, str]:
    """The payload of one more event."""
    tracker.track(EVENT)
    assert tracker.flush()
    return collector.events[-1]


def running_session(tracker: Tracker) -> SessionController:
    found = tracker.session
    assert found is not None
    return found


# --- the tracker -----------------------------------------------------------------------------


def test_what_is_constant_of_a_tracker_changes_with_the_next_event(
    tmp_path: Path, collector: Collector
) -> None:
    with a_tracker(collector.url, tmp_path) as tracker:
        before = sent(tracker, collector)
        tracker.app_id = "shop"
        tracker.device_platform = DevicePlatform.CONNECTED_TV
        tracker.tracker_version_suffix = "wrap per/1"
        tracker.application_version = "2.4.1"
        tracker.base64_encoding = False
        after = sent(tracker, collector)
        tracker.application_context = False
        tracker.app_id = None
        last = sent(tracker, collector)

    assert "aid" not in before
    assert after["aid"] == "shop"
    assert after["p"] == "tv"
    assert after["tv"] == f"{tracker.version} wrapper1"
    assert "cx" in before
    assert "cx" not in after
    assert entity(after, "application") == {"version": "2.4.1", "build": "2.4.1"}
    assert entity(last, "application") is None
    assert "aid" not in last


def test_p11_the_platform_entity_goes_and_comes_back(tmp_path: Path, collector: Collector) -> None:
    configuration = TrackerConfiguration(**STATELESS)
    with a_tracker(collector.url, tmp_path, configuration) as tracker:
        shown = []
        for value in (True, False, True):
            tracker.platform_context = value
            assert tracker.platform_context is value
            event = sent(tracker, collector)
            shown.append(entity(event, "desktop_context") or entity(event, "mobile_context"))

    assert shown[0] is not None
    assert shown[1] is None
    assert shown[2] == shown[0]


def test_p7_p9_properties_and_their_sources_change_with_the_next_event(
    tmp_path: Path, collector: Collector
) -> None:
    configuration = TrackerConfiguration(device_platform=DevicePlatform.MOBILE, **STATELESS)
    with a_tracker(collector.url, tmp_path, configuration) as tracker:
        tracker.platform_context_retriever = RETRIEVER
        every = entity(sent(tracker, collector), "mobile_context")
        tracker.platform_context_properties = [PlatformProperty.CARRIER]
        few = entity(sent(tracker, collector), "mobile_context")
        tracker.platform_context_properties = None
        again = entity(sent(tracker, collector), "mobile_context")

    assert every is not None
    assert every["androidIdfa"] == "an-advertising-id"
    basics = {"osType", "osVersion", "deviceManufacturer", "deviceModel"}
    assert few is not None
    assert few.keys() == {*basics, "carrier"}
    assert again is not None
    assert again["androidIdfa"] == "an-advertising-id"


def test_platform_options_ask_for_no_identifier_while_anonymous(
    tmp_path: Path, collector: Collector
) -> None:
    asked = []

    def identifier() -> str:
        asked.append("idfa")
        return "an-advertising-id"

    configuration = TrackerConfiguration(
        device_platform=DevicePlatform.MOBILE, user_anonymisation=True, **STATELESS
    )
    with a_tracker(collector.url, tmp_path, configuration) as tracker:
        tracker.platform_context_retriever = dataclasses_replace(android_idfa=identifier)
        tracker.platform_context = False
        tracker.platform_context = True
        event = entity(sent(tracker, collector), "mobile_context")
        assert event is not None
        assert "androidIdfa" not in event
        assert not asked

        tracker.user_anonymisation = False
        event = entity(sent(tracker, collector), "mobile_context")
        assert event is not None
        assert event["androidIdfa"] == "an-advertising-id"
        tracker.platform_context_properties = [PlatformProperty.ANDROID_IDFA]
        tracker.user_anonymisation = True
        event = entity(sent(tracker, collector), "mobile_context")
        assert event is not None
        assert "androidIdfa" not in event


def dataclasses_replace(**callbacks: Any) -> PlatformContextRetriever:  # noqa: ANN401 - callbacks
    return dataclasses.replace(RETRIEVER, **callbacks)


# --- the network -----------------------------------------------------------------------------


def test_e2_e3_the_endpoint_changes_with_the_next_request(
    tmp_path: Path, collector: Collector
) -> None:
    with Collector() as other, a_tracker(collector.url, tmp_path) as tracker:
        sent(tracker, collector)
        tracker.network.endpoint = other.url
        tracker.network.custom_post_path = "com.acme/track"
        sent(tracker, other)

        assert tracker.network.url == f"{other.url}/com.acme/track"
        assert [request.path for request in other.requests] == ["/com.acme/track"]
        assert len(collector.requests) == 1
        tracker.network.method = HttpMethod.GET
        assert tracker.network.url == f"{other.url}/i"
        tracker.network.request_headers = {"X-Team": "blue"}
        sent(tracker, other)
        assert other.requests[-1].method == "GET"
        assert other.requests[-1].headers["x-team"] == "blue"


def test_another_endpoint_gets_nothing_of_the_first_ones_cookies(
    tmp_path: Path, collector: Collector
) -> None:
    """Neither on the wire nor on the disk. Cookies do not tell ports of one host apart."""
    collector.default = Reply(headers=(("Set-Cookie", "sp=CANARY; Max-Age=3600"),))
    with Collector() as other, a_tracker(collector.url, tmp_path) as tracker:
        sent(tracker, collector)
        sent(tracker, collector)
        assert collector.requests[-1].headers["cookie"] == "sp=CANARY"
        stored = tmp_path / "app.identity.json"
        assert poll(lambda: b"CANARY" in stored.read_bytes())

        tracker.network.endpoint = other.url

        assert b"CANARY" not in stored.read_bytes()
        sent(tracker, other)
        assert "cookie" not in other.requests[-1].headers


def test_events_that_wait_go_to_the_new_endpoint_at_once(
    tmp_path: Path, collector: Collector
) -> None:
    """Whatever the back-off of the old one is."""
    with a_tracker(f"http://127.0.0.1:{closed_port()}", tmp_path) as tracker:
        ids = [tracker.track(EVENT) for _ in range(3)]
        assert not tracker.flush(0.3)

        tracker.network.endpoint = collector.url

        assert collector.wait_for_events(3, 5)
        assert [event["eid"] for event in collector.events] == ids


def test_a_change_of_method_amid_a_round_loses_no_event(tmp_path: Path) -> None:
    """A group made for POST must not go out as one GET."""
    wire = Wire()
    emitter = EmitterConfiguration(storage_dir=tmp_path, byte_limit_post=2_000)
    with a_tracker(wire.network, tmp_path, emitter) as tracker:
        tracker.emitter.pause()
        ids = [tracker.track(EVENT) for _ in range(50)]
        original = wire.send

        def switch(request: Any) -> Any:  # noqa: ANN401 - passed on
            tracker.network.method = HttpMethod.GET if len(wire.requests) % 2 else HttpMethod.POST
            return original(request)

        wire.send = switch  # type: ignore[method-assign] # amid a round
        tracker.emitter.resume()
        assert tracker.flush()

    assert sorted(event["eid"] for event in wire.events) == sorted(filter(None, ids))


def test_the_timeout_is_the_next_requests(tmp_path: Path) -> None:
    wire = Wire()
    with a_tracker(wire.network, tmp_path) as tracker:
        tracker.network.timeout = 7
        tracker.track(EVENT)
        assert tracker.flush()

    assert [request.timeout for request in wire.requests] == [7]


# --- the emitter -----------------------------------------------------------------------------


def test_e3_e14_a_smaller_buffer_sends_at_once(tmp_path: Path, collector: Collector) -> None:
    emitter = EmitterConfiguration(storage_dir=tmp_path, buffer_option=BufferOption.SMALL_GROUP)
    with a_tracker(collector.url, tmp_path, emitter) as tracker:
        for _ in range(3):
            tracker.track(EVENT)
        assert poll(lambda: tracker.emitter.db_count == 3)
        assert not collector.requests

        tracker.emitter.buffer_option = BufferOption.SINGLE

        assert collector.wait_for_events(3)


def test_e15_ranges_and_limits_bound_the_next_round(tmp_path: Path, collector: Collector) -> None:
    with a_tracker(collector.url, tmp_path) as tracker:
        sending = tracker.emitter
        for name, value, requests in (("emit_range", 2, 3), ("byte_limit_post", 5, 6)):
            sending.pause()
            for _ in range(6):
                tracker.track(EVENT)
            before = len(collector.requests)
            setattr(sending, name, value)
            sending.resume()
            assert tracker.flush()
            assert len(collector.requests) - before == requests


def test_e12_e13_e21_what_a_failure_means_is_decided_as_the_options_say_now(
    tmp_path: Path, collector: Collector
) -> None:
    with a_tracker(collector.url, tmp_path) as tracker:
        collector.default = Reply(status=403)
        tracker.emitter.custom_retry_for_status_codes = {403: True}
        tracker.track(EVENT)
        assert not tracker.flush(0.3)
        assert tracker.emitter.db_count == 1

        tracker.emitter.retry_failed_requests = False
        assert tracker.flush()

        assert tracker.emitter.db_count == 0
        assert tracker.drops[DropReason.REJECTED] == 1


def test_a_smaller_store_drops_the_oldest_at_once(tmp_path: Path, collector: Collector) -> None:
    with a_tracker(collector.url, tmp_path) as tracker:
        tracker.emitter.pause()
        ids = [tracker.track(EVENT) for _ in range(10)]
        assert poll(lambda: tracker.emitter.db_count == 10)

        tracker.emitter.max_event_store_size = 4

        assert poll(lambda: tracker.emitter.db_count == 4)
        assert tracker.drops == {DropReason.STORE_LIMIT: 6}
        tracker.emitter.resume()
        assert tracker.flush()
    assert [event["eid"] for event in collector.events] == ids[-4:]


def test_a_shorter_life_drops_what_is_older(tmp_path: Path) -> None:
    wire, clock = Wire(), ManualClock()
    with a_tracker(wire.network, tmp_path, environment=fixed_environment(clock)) as tracker:
        tracker.emitter.pause()
        tracker.track(EVENT)
        clock.advance(100)
        young = tracker.track(EVENT)
        tracker.emitter.max_event_store_age = 50

        assert poll(lambda: tracker.emitter.db_count == 1)
        tracker.emitter.resume()
        assert tracker.flush()
    assert [event["eid"] for event in wire.events] == [young]


def test_the_callback_can_be_changed_and_taken_away(tmp_path: Path, collector: Collector) -> None:
    heard: list[tuple[str, int, int]] = []
    with a_tracker(collector.url, tmp_path) as tracker:
        tracker.emitter.request_callback = lambda ok, bad: heard.append(("a", ok, bad))
        sent(tracker, collector)
        assert poll(lambda: len(heard) == 1)
        tracker.emitter.request_callback = None
        sent(tracker, collector)
        tracker.emitter.request_callback = lambda ok, bad: heard.append(("b", ok, bad))
        sent(tracker, collector)
        assert poll(lambda: len(heard) == 2)

    assert heard == [("a", 1, 0), ("b", 1, 0)]


def test_e20_all_waiting_events_can_be_removed(tmp_path: Path, collector: Collector) -> None:
    """Those in the store and those in the journal alone; what comes later is sent."""
    with a_tracker(collector.url, tmp_path) as tracker:
        tracker.emitter.pause()
        for _ in range(5):
            tracker.track(EVENT)
        assert poll(lambda: tracker.emitter.db_count == 5)
        tracker.track(EVENT)

        assert tracker.emitter.remove_all_events()

        assert tracker.emitter.db_count == 0
        assert tracker.drops == {DropReason.FORGOTTEN: tracker.drops[DropReason.FORGOTTEN]}
        last = tracker.track(EVENT)
        tracker.emitter.resume()
        assert tracker.flush()
    assert [event["eid"] for event in collector.events] == [last]


# --- sessions --------------------------------------------------------------------------------


def test_s21_the_controller_shows_what_was_configured(tmp_path: Path) -> None:
    configuration = SessionConfiguration(
        foreground_timeout=600, background_timeout=300, continue_session_on_restart=True
    )
    with a_tracker(Wire().network, tmp_path, configuration) as tracker:
        found = running_session(tracker)

        assert (found.foreground_timeout, found.background_timeout) == (600, 300)
        assert found.continue_session_on_restart
        assert found.on_session_update is None


def test_live_timeouts_judge_the_next_event_and_outlive_the_session_context(
    tmp_path: Path,
) -> None:
    """The native trackers go back to the configured ones (reference 3.3)."""
    wire, clock = Wire(), ManualClock()
    heard: list[int] = []
    with a_tracker(wire.network, tmp_path, environment=fixed_environment(clock)) as tracker:
        tracker.track(EVENT)
        clock.advance(5)
        running_session(tracker).foreground_timeout = 3
        tracker.track(EVENT)
        running_session(tracker).background_timeout = 2
        running_session(tracker).on_session_update = lambda state: heard.append(state.session_index)
        tracker.session_context = False
        tracker.session_context = True
        tracker.track(EVENT)
        clock.advance(3)
        tracker.track(EVENT)
        tracker.enter_background()
        clock.advance(2.5)
        tracker.track(EVENT)
        assert running_session(tracker).foreground_timeout == 3
        assert poll(lambda: len(heard) == 2)
        assert tracker.flush()

    assert [session(event)["sessionIndex"] for event in wire.events] == [1, 2, 3, 3, 4]
    assert heard == [3, 4]


def test_continuing_at_the_next_start_can_be_decided_while_running(tmp_path: Path) -> None:
    wire = Wire()
    with a_tracker(wire.network, tmp_path) as tracker:
        tracker.track(EVENT)
        running_session(tracker).continue_session_on_restart = True
        stored = tmp_path / "app.identity.json"
        tracker.track(EVENT)
        assert poll(
            lambda: stored.exists() and b'"event_index":2' in stored.read_bytes().replace(b" ", b"")
        )


# --- all of them -----------------------------------------------------------------------------


def reached(tracker: Tracker, place: str) -> Any:  # noqa: ANN401 - a controller
    for part in place.split(".")[1:]:
        tracker = getattr(tracker, part)
    return tracker


def live_options() -> list[Any]:
    """Each place that the documentation's tables name, from the page itself."""
    page = (DOCS / "tracker/configuration.md").read_text("utf-8")
    places = [
        cell.strip().strip("`")
        for table in tables_of(page)
        for line in table.splitlines()
        for cell in line.split(" | ")[3:4]
        if cell.strip().startswith("`tracker.")
    ]
    return [pytest.param(place, id=place) for place in places]


FIXED = {
    "before_consent": "what comes after it is the user's answer",
    "install_autotracking": "it is about the first start, which is over",
    "install_referrer": "the same",
    "identity_group": "joining or leaving makes another installation, at a start",
    **dict.fromkeys(
        (
            "identifying_properties",
            "error_messages_while_anonymous",
            "privacy_profile",
            "safe_properties",
            "strict_url_parameters",
        ),
        "the gate is the promise of every event that waits",
    ),
    "network_connection": "it holds the connections; make the tracker again",
    "storage_dir": "what is stored stays where it is",
}
"""Options that cannot change while a tracker runs, and why."""


WHOLE = {"GdprConfiguration"}
"""Configurations that are set whole: `tracker.gdpr.reset`."""


@pytest.mark.parametrize(
    ("configuration", "option"),
    [
        pytest.param(name, field.name, id=f"{name}.{field.name}")
        for name in public_names()
        if name in OWNERS and name not in WHOLE
        for field in dataclasses.fields(getattr(whiteout, name))
    ],
)
def test_each_option_is_live_or_says_why_not(configuration: str, option: str) -> None:
    place = live_place(getattr(whiteout, configuration), option)

    assert bool(place) is (option not in FIXED)


@pytest.mark.parametrize("place", live_options())
def test_a_wrong_value_is_refused_and_changes_nothing(tmp_path: Path, place: str) -> None:
    with a_tracker(Wire().network, tmp_path) as tracker:
        path, _, name = place.rpartition(".")
        owner = reached(tracker, path)
        before = getattr(owner, name)

        with pytest.raises(ConfigurationError, match=" must "):
            setattr(owner, name, object())

        assert getattr(owner, name) == before


def test_a_misspelt_option_raises(tmp_path: Path) -> None:
    """On the tracker, and on whatever of ours one of its properties gives."""
    with a_tracker(Wire().network, tmp_path) as tracker:
        controllers = [tracker, *(getattr(tracker, name) for name in CONTROLLERS)]

        for controller in controllers:
            with pytest.raises(AttributeError, match="appid"):
                controller.appid = "shop"


def names_a_controller(member: property) -> bool:
    kind = str(member.fget.__annotations__["return"]).partition(" ")[0]
    return kind.endswith(("Controller", "Subject", "Consent"))


CONTROLLERS = sorted(
    name
    for name, member in vars(whiteout.Tracker).items()
    if isinstance(member, property) and names_a_controller(member)
)


def test_the_controllers_are_all_there_are() -> None:
    assert CONTROLLERS == [
        "consent",
        "emitter",
        "gdpr",
        "global_contexts",
        "network",
        "plugins",
        "session",
        "subject",
    ]


@pytest.mark.parametrize("option", sorted(FIXED))
def test_an_option_that_cannot_change_says_so(tmp_path: Path, option: str) -> None:
    with a_tracker(Wire().network, tmp_path) as tracker:
        for owner in (tracker, tracker.network, tracker.emitter, tracker.session):
            with pytest.raises(AttributeError, match=option):
                setattr(owner, option, None)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("before_consent", None),
        ("install_autotracking", False),
        ("error_messages_while_anonymous", False),
        ("identifying_properties", None),
        ("safe_properties", ()),
        ("strict_url_parameters", ("utm_source", "utm_medium", "utm_campaign")),
    ],
)
def test_what_cannot_change_can_be_read(tmp_path: Path, name: str, shown: object) -> None:
    with a_tracker(Wire().network, tmp_path, TrackerConfiguration(**STATELESS)) as tracker:
        assert getattr(tracker, name) == shown
        with pytest.raises(AttributeError, match="create_tracker"):
            setattr(tracker, name, shown)


@pytest.mark.parametrize(
    "place", ["tracker.network.request_headers", "tracker.emitter.custom_retry_for_status_codes"]
)
def test_a_mapping_that_is_read_cannot_be_changed_in_place(tmp_path: Path, place: str) -> None:
    with a_tracker(Wire().network, tmp_path) as tracker, pytest.raises(TypeError):
        reached(tracker, place)["X"] = "y"


def test_a_configuration_that_was_given_stays_as_it_was(tmp_path: Path) -> None:
    configuration = TrackerConfiguration(app_id="one", platform_context=False, **STATELESS)
    network = NetworkConfiguration(endpoint="https://a.invalid", network_connection=Wire())
    with a_tracker(network, tmp_path, configuration) as tracker:
        tracker.app_id = "two"
        tracker.network.endpoint = "https://b.invalid"

    assert configuration.app_id == "one"
    assert network.endpoint == "https://a.invalid"


def test_threads_that_change_different_options_lose_none(tmp_path: Path) -> None:
    """A change replaces the configuration whole: two at a time must not undo each other."""
    with a_tracker(Wire().network, tmp_path) as tracker:
        gate = threading.Barrier(4)

        def change(name: str, values: list[Any]) -> None:
            gate.wait(10)
            for value in values:
                setattr(tracker.emitter, name, value)

        threads = [
            threading.Thread(target=change, args=(name, [*range(100, 200)]))
            for name in ("emit_range", "byte_limit_post", "byte_limit_get", "max_event_store_age")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)

        sending = tracker.emitter
        assert sending.emit_range == sending.byte_limit_post == sending.byte_limit_get == 199
        assert sending.max_event_store_age == 199


# --- trackers made again ---------------------------------------------------------------------


def test_e32_what_is_paused_stays_paused_in_a_tracker_made_again(tmp_path: Path) -> None:
    wire = Wire()
    emitter = EmitterConfiguration(storage_dir=tmp_path)
    with a_tracker(wire.network, tmp_path) as first:
        first.emitter.pause()
        running_session(first).pause()
        first.pause()
        second = whiteout.create_tracker("app", wire.network, CONTEXT_FREE, emitter)
        try:
            assert second.track(EVENT) is None
            second.resume()
            assert second.track(EVENT) is not None
            assert not second.flush(0.3)
            assert not wire.requests
            second.emitter.resume()
            assert second.flush()
            assert len(wire.events) == 1
        finally:
            whiteout.remove_tracker("app")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_live_options_go_on_in_a_forked_child(tmp_path: Path, collector: Collector) -> None:
    with a_tracker(f"http://127.0.0.1:{closed_port()}", tmp_path) as tracker:
        tracker.app_id = "live"
        tracker.network.endpoint = collector.url
        child = os.fork()
        if not child:
            tracker.track(EVENT)
            os._exit(0 if tracker.flush(10) else 1)
        assert os.waitpid(child, 0)[1] == 0

    assert [event["aid"] for event in collector.events] == ["live"]
