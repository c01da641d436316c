"""The one place where extensions come in: before an event passes, and after it has."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from tests.support.collector import entity, session, unstructured
from tests.support.trackers import Wire, a_tracker

from whiteout import (
    Anonymisation,
    ConfigurationError,
    Event,
    ScreenView,
    Structured,
    TrackerConfiguration,
)
from whiteout.tracker.own_part import own_part, regate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whiteout import Tracker
    from whiteout.tracker.inspectable import InspectableEvent

NONE = Anonymisation.NONE
PLAIN = Structured(category="a", action="b")
MARK = b'{"schema":"iglu:com.acme/mark/jsonschema/1-0-0","data":{"by":"extension"}}'


class Marks:
    """Attaches an entity to each event, vetoes what it is told to, and remembers what followed."""

    is_empty = False

    def __init__(self, tracker: Tracker) -> None:
        self._lock = tracker._lock
        self.vetoed: set[str] = set()
        self.followed: list[InspectableEvent] = []
        self.was_free: list[bool] = []

    def extend(self, event: InspectableEvent) -> InspectableEvent | None:
        self.was_free.append(_is_free(self._lock))
        return None if event.key in self.vetoed else event.with_entities([MARK])

    def after_track(self, event: InspectableEvent) -> None:
        self.was_free.append(_is_free(self._lock))
        self.followed.append(event)


def _is_free(lock: threading.RLock) -> bool:
    """Whether another thread could take the lock now."""
    taken: list[bool] = []

    def take() -> None:
        taken.append(lock.acquire(blocking=False))
        if taken[0]:
            lock.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return taken[0]


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def tracker(wire: Wire, tmp_path: Path) -> Iterator[Tracker]:
    configuration = TrackerConfiguration(
        platform_context=False, base64_encoding=False, install_autotracking=False
    )
    with a_tracker(wire.network, tmp_path, configuration) as running:
        yield running


@pytest.fixture
def marks(tracker: Tracker) -> Marks:
    extension = Marks(tracker)
    tracker._passage.extensions = extension
    return extension


def test_extensions_add_to_all_events_the_trackers_own_too(
    tracker: Tracker, marks: Marks, wire: Wire
) -> None:
    """And are told of each as it is stored, its states included; never under the lock."""
    tracker.track(ScreenView(name="home"))
    tracker.track(ScreenView(name="cart"))
    tracker.enter_background()
    tracker.user_anonymisation = True
    assert tracker.flush(10)

    names = [unstructured(event)["schema"].split("/")[1] for event in wire.events]
    assert names == [
        "screen_view",
        "screen_end",
        "screen_view",
        "application_background",
        "screen_end",
    ]
    assert all(entity(event, "mark") == {"by": "extension"} for event in wire.events)
    assert [str(each.schema).split("/")[1] for each in marks.followed] == names
    assert all(any("/screen/" in item.schema for item in each.entities) for each in marks.followed)
    assert marks.was_free
    assert all(marks.was_free)


def test_what_a_filter_vetoes_is_counted_by_nobody(
    tracker: Tracker, marks: Marks, wire: Wire
) -> None:
    """It gets an id, and moves no state; a vetoed end does not keep the next screen back."""
    tracker.track(ScreenView(name="home"))
    marks.vetoed = {"se", ScreenView.SCHEMA}
    assert tracker.track(PLAIN) is not None
    assert tracker.track(ScreenView(name="never")) is not None
    marks.vetoed = {"iglu:com.snowplowanalytics.mobile/screen_end/jsonschema/1-0-0"}
    tracker.track(PLAIN)
    tracker.track(ScreenView(name="cart"))
    assert tracker.flush(10)

    names = [(entity(event, "screen") or {})["name"] for event in wire.events]
    assert names == ["home", "home", "cart"]
    assert [session(event)["eventIndex"] for event in wire.events] == [1, 2, 3]
    assert len(marks.followed) == 3


def test_a_vetoed_move_of_the_app_still_changes_the_timeout(
    tracker: Tracker, marks: Marks, wire: Wire
) -> None:
    marks.vetoed = {"iglu:com.snowplowanalytics.snowplow/application_background/jsonschema/1-0-0"}

    tracker.enter_background()

    assert tracker.session is not None
    assert tracker.session.is_in_background
    assert tracker.flush(10)
    assert wire.events == []


def test_what_was_gated_for_one_level_is_gated_again_for_a_stricter_one() -> None:
    """An event that waited for another on its own thread, while a signal handler switched."""
    from whiteout import (  # noqa: PLC0415 - here alone
        Anonymisation,
        PageView,
        SelfDescribing,
        identifying_property,
    )
    from whiteout.anonymisation import Gate  # noqa: PLC0415 - here alone
    from whiteout.identifiers import IDENTIFIERS  # noqa: PLC0415 - here alone

    gate = Gate((*IDENTIFIERS, identifying_property("iglu:com.acme/customer", "email")))
    customer = "iglu:com.acme/customer/jsonschema/1-0-0"
    for event in (
        PageView(page_url="https://a.example/?gclid=1&q=2"),
        SelfDescribing(schema=customer, data={"email": "a@b", "note": "n"}),
    ):
        for level in (Anonymisation.USER, Anonymisation.FULL):
            loose = own_part(event, Anonymisation.NONE, gate, str)

            assert regate(loose, level, gate) == own_part(event, level, gate, str)


@pytest.mark.parametrize(
    ("event", "anonymisation", "text"),
    [
        ("Checkout", NONE, "event must be an event such as ScreenView(name=…), got str"),
        (
            ScreenView,
            NONE,
            "event must be an event such as ScreenView(name=…), got the class ScreenView itself",
        ),
        (PLAIN, "full", "anonymisation must be an Anonymisation such as Anonymisation.FULL"),
        (PLAIN, True, "anonymisation must be an Anonymisation such as Anonymisation.FULL"),
        (PLAIN, None, "anonymisation must be an Anonymisation such as Anonymisation.FULL"),
    ],
)
def test_what_cannot_be_tracked_is_refused_with_its_cure(
    tracker: Tracker,
    event: Any,  # noqa: ANN401 - the mistakes
    anonymisation: Any,  # noqa: ANN401 - the same
    text: str,
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(text)):
        tracker.track(event, anonymisation=anonymisation)


def test_a_fault_in_an_event_of_the_app_s_own_is_raised_as_it_is(tracker: Tracker) -> None:
    class Broken(Event):
        def self_describing(self, new_uuid: object) -> NoReturn:
            raise TypeError("the app's own")

    with pytest.raises(TypeError, match="the app's own"):
        tracker.track(Broken())
