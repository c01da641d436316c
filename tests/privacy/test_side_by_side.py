"""Several trackers of one app, in one process and one folder: no value says so (L33).

The app must not hand them shared values itself: these have no subject and no ids of the device.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from tests.privacy.support import FULL, NONE, SERVER, SESSION, USER, screen, session_of, text_of
from tests.support.collector import Reply, entity, unstructured
from tests.support.errors import fail, fail_in_thread, quiet_hooks

import whiteout
from whiteout import (
    Anonymisation,
    EmitterConfiguration,
    SessionConfiguration,
    TrackerConfiguration,
)
from whiteout.identifiers import NULL_UUID
from whiteout.tracker.web_view import WebViewBridge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.collector import Collector

    from whiteout import Tracker

UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
COOKIE = re.compile("cookie-[0-9]+")
SIDES = ("shop", "support")
PAIRS = [(NONE, NONE), (NONE, USER), (USER, USER), (NONE, SESSION), (NONE, FULL), (SERVER, USER)]


class House:
    """A folder, a collector, and the trackers that are made there."""

    def __init__(self, folder: Path, collector: Collector) -> None:
        self.folder = folder
        self.collector = collector

    def tracker(self, namespace: str, level: Anonymisation) -> Tracker:
        return whiteout.create_tracker(
            namespace,
            self.collector.url,
            TrackerConfiguration(
                app_id="shop",
                user_anonymisation=USER in level,
                session_context=SESSION not in level,
                install_autotracking=False,
            ),
            EmitterConfiguration(
                storage_dir=self.folder,
                server_anonymisation=SERVER in level,
            ),
            SessionConfiguration(continue_session_on_restart=True),
        )

    def on_the_wire(self, namespace: str) -> set[str]:
        """Every id in the requests of a tracker, opened; cookies too."""
        ids: set[str] = set()
        for request in self.collector.requests:
            names = {event["tna"] for event in request.events}
            assert len(names) == 1  # two trackers never share a request
            if names == {namespace}:
                text = text_of(request)
                ids |= {*UUID.findall(text.lower()), *COOKIE.findall(text)}
        return ids - {NULL_UUID}

    def at_rest(self, namespace: str) -> set[str]:
        """Every id in the identity file of a tracker."""
        ids: set[str] = set()
        for path in self.folder.glob(f"{namespace}*.identity.json"):
            text = path.read_text("utf-8")
            assert isinstance(json.loads(text), dict)
            ids |= {*UUID.findall(text), *COOKIE.findall(text)}
        return ids - {NULL_UUID}


@pytest.fixture
def house(tmp_path: Path, collector: Collector) -> Iterator[House]:
    yield House(tmp_path / "store", collector)
    for namespace in (*SIDES, "Shop", "s p", "s-p"):
        whiteout.remove_tracker(namespace, timeout=0.0)


def set_cookies(collector: Collector) -> None:
    """Let each of the next answers set another cookie."""
    for number in range(20):
        cookie = f"sp=cookie-{number}; Path=/; Max-Age=9999"
        collector.reply(Reply(headers=(("Set-Cookie", cookie),)))


def apart(house: House) -> bool:
    """Whether no id of one tracker is anywhere in what the other sent or stored."""
    shop, support = (house.on_the_wire(name) | house.at_rest(name) for name in SIDES)
    return bool(shop) and bool(support) and not shop & support


@pytest.mark.parametrize("levels", PAIRS)
def test_L33_no_id_of_one_tracker_is_ever_anothers(
    house: House, collector: Collector, levels: tuple[Anonymisation, Anonymisation]
) -> None:
    """Though they are given the same events in turn, and are started again."""
    set_cookies(collector)
    event = screen()
    for _ in range(2):
        trackers = [house.tracker(*side) for side in zip(SIDES, levels, strict=True)]
        for tracker in trackers * 2:
            assert tracker.track(event) is not None
            assert tracker.flush()
        for name in SIDES:
            whiteout.remove_tracker(name)

    assert len(collector.events) == 12  # the end of a screen before every second one
    assert apart(house)
    for name, level in zip(SIDES, levels, strict=True):
        has_cookie = any(value.startswith("cookie-") for value in house.at_rest(name))
        assert has_cookie is (level is NONE)  # so that there was something to share


def test_L33_switching_one_tracker_changes_nothing_about_the_other(
    house: House, collector: Collector
) -> None:
    shop, support = (house.tracker(name, NONE) for name in SIDES)
    for level in (NONE, FULL, USER, NONE):
        shop.anonymisation = level
        for tracker in (shop, support):
            tracker.track(screen())
            assert tracker.flush()

    others = [session_of(event) for event in collector.events if event["tna"] == "support"]
    assert support.anonymisation is NONE
    assert len({(session["userId"], session["sessionId"]) for session in others}) == 1
    assert [session["eventIndex"] for session in others] == [1, 2, 3, 4, 5, 6, 7]
    assert apart(house)


def test_L33_forgetting_one_tracker_leaves_the_other(house: House, collector: Collector) -> None:
    shop, support = (house.tracker(name, NONE) for name in SIDES)
    for tracker in (shop, support):
        tracker.track(screen())
        assert tracker.flush()
    assert shop.forget()
    for tracker in (shop, support):
        tracker.track(screen())
        assert tracker.flush()

    users = {
        name: [session_of(e)["userId"] for e in collector.events if e["tna"] == name]
        for name in SIDES
    }
    assert len(set(users["shop"])) == 2
    assert len(set(users["support"])) == 1
    assert apart(house)


@pytest.mark.parametrize("names", [("shop", "Shop"), ("s p", "s-p")])
def test_L33_names_that_look_alike_are_two_trackers(
    house: House, collector: Collector, names: tuple[str, str]
) -> None:
    """Where file names have no case, and where characters that cannot be in one were replaced."""
    for name in names:
        tracker = house.tracker(name, NONE)
        tracker.track(screen())
        assert tracker.flush()

    users = [session_of(event)["userId"] for event in collector.events]
    assert len(set(users)) == 2
    assert not house.on_the_wire(names[0]) & house.on_the_wire(names[1])


def test_L33_nothing_is_sent_over_a_connection_of_another_tracker(
    house: House, collector: Collector
) -> None:
    trackers = [house.tracker(name, NONE) for name in SIDES]
    for tracker in trackers * 3:
        tracker.track(screen())
        assert tracker.flush()

    connections = {
        name: {r.connection for r in collector.requests if r.events[0]["tna"] == name}
        for name in SIDES
    }
    assert not connections["shop"] & connections["support"]


@pytest.mark.parametrize("levels", PAIRS)
def test_L33_an_event_of_a_page_does_not_join_the_trackers_that_it_names(
    house: House, collector: Collector, levels: tuple[Anonymisation, Anonymisation]
) -> None:
    """Each gets ids of its own, and the strictest level of both: nobody is told whose it is."""
    trackers = [house.tracker(*side) for side in zip(SIDES, levels, strict=True)]
    bridge = WebViewBridge(SIDES, allowed_origins=["https://shop.example"])
    of_page = "0b7c2f66-3c5e-4a2e-8a63-5b0e6a9d5f01"
    event = {"name": "Cart", "id": of_page, "previousId": of_page}

    bridge.receive(
        {"command": "trackScreenView", "event": event, "trackers": [*SIDES]},
        origin="https://shop.example",
    )

    for tracker in trackers:
        assert tracker.flush()
    first, second = collector.requests
    strictest = levels[0] | levels[1]
    for request in (first, second):
        assert ("sp-anonymous" in request.headers) is (SERVER in strictest)
        session = entity(request.events[0], "client_session")
        assert (session is None) is (SESSION in strictest)
        if session is not None and USER in strictest:
            assert session["userId"] == NULL_UUID
        assert of_page not in text_of(request)
    assert apart(house)


@pytest.mark.parametrize("levels", PAIRS)
def test_L33_an_exception_that_nobody_catches_does_not_join_the_trackers_that_track_it(
    house: House, collector: Collector, levels: tuple[Anonymisation, Anonymisation]
) -> None:
    """Frames, line and time are the same in both copies: so neither may say whose it is."""
    with quiet_hooks():
        trackers = [house.tracker(*side) for side in zip(SIDES, levels, strict=True)]
        for tracker in trackers:
            tracker.subject.user_id = f"user of {tracker.namespace}"
        fail_in_thread(fail)
        for tracker in trackers:
            assert tracker.flush()
            whiteout.remove_tracker(tracker.namespace)

    strictest = levels[0] | levels[1]
    assert len(collector.requests) == 2
    for request in collector.requests:
        (event,) = request.events
        assert "application_error" in unstructured(event)["schema"]
        assert ("sp-anonymous" in request.headers) is (SERVER in strictest)
        assert ("uid" in event) is (USER not in strictest)
        session = entity(event, "client_session")
        assert (session is None) is (SESSION in strictest)
        if session is not None and USER in strictest:
            assert session["userId"] == NULL_UUID
    assert apart(house)


def test_L33_an_exception_that_left_a_scope_is_as_anonymous_as_that_for_all(
    house: House, collector: Collector
) -> None:
    def serve() -> None:
        with shop.scope(anonymisation=FULL):
            fail()

    with quiet_hooks():
        shop, support = (house.tracker(name, NONE) for name in SIDES)
        support.subject.user_id = "alice"
        fail_in_thread(serve)
        for tracker in (shop, support):
            assert tracker.flush()
            whiteout.remove_tracker(tracker.namespace)

    assert len(collector.requests) == 2
    assert all("sp-anonymous" in request.headers for request in collector.requests)
    assert all("uid" not in event for event in collector.events)
