"""The platform entity on the wire, from a tracker's configuration to the request."""

from __future__ import annotations

import base64
import json
import uuid
from typing import TYPE_CHECKING, Any, Final

import pytest

import whiteout
from whiteout import (
    Anonymisation,
    Answer,
    EmitterConfiguration,
    NetworkConfiguration,
    OutgoingRequest,
    PlatformContextRetriever,
    PlatformProperty,
    ScreenView,
    TrackerConfiguration,
)
from whiteout.tracker.configuration import DevicePlatform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whiteout.tracker.tracker import Tracker

MOBILE_CONTEXT: Final = "mobile_context"
PHONE: Final = PlatformContextRetriever(
    os_type=lambda: "android",
    os_version=lambda: "14",
    device_vendor=lambda: "Fairphone",
    device_model=lambda: "FP5",
    battery_level=lambda: 80,
    android_idfa=lambda: "2c1f2a52-0000-4000-8000-00000000000d",
    app_set_id=lambda: "2c1f2a52-0000-4000-8000-00000000000e",
    app_set_id_scope=lambda: "developer",
)
SENT: Final = {
    "osType": "android",
    "osVersion": "14",
    "deviceManufacturer": "Fairphone",
    "deviceModel": "FP5",
    "batteryLevel": 80,
}


class Wire:
    """A connection that takes everything and remembers it."""

    sends_headers: Final = True

    def __init__(self) -> None:
        self.events: list[dict[str, str]] = []

    def send(self, request: OutgoingRequest) -> Answer:
        self.events += json.loads(request.body or b'{"data": []}')["data"]
        return Answer(status=200)

    def close(self) -> None:
        """Nothing is kept."""

    def platform(self, index: int) -> dict[str, Any] | None:
        """The data of the platform entity of an event; None: it has none."""
        encoded = self.events[index].get("cx", "")
        padded = encoded + "=" * (-len(encoded) % 4)
        entities = json.loads(base64.urlsafe_b64decode(padded) or b'{"data": []}')["data"]
        found = [entity["data"] for entity in entities if MOBILE_CONTEXT in entity["schema"]]
        assert len(found) <= 1
        return found[0] if found else None


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"platform-{uuid.uuid4()}"
    yield name
    whiteout.remove_tracker(name)


def create(namespace: str, wire: Wire, folder: Path, tracker: TrackerConfiguration) -> Tracker:
    return whiteout.create_tracker(
        namespace,
        NetworkConfiguration(endpoint="https://collector.invalid", network_connection=wire),
        tracker,
        EmitterConfiguration(storage_dir=folder),
    )


def configuration(**options: Any) -> TrackerConfiguration:  # noqa: ANN401 - those of the class
    options.setdefault("platform_context_retriever", PHONE)
    # The only properties that do not depend on the computer which runs the test.
    options.setdefault(
        "platform_context_properties",
        [
            PlatformProperty.BATTERY_LEVEL,
            PlatformProperty.ANDROID_IDFA,
            PlatformProperty.APP_SET_ID,
            PlatformProperty.APP_SET_ID_SCOPE,
        ],
    )
    return TrackerConfiguration(
        device_platform=DevicePlatform.MOBILE, install_autotracking=False, **options
    )


def test_an_identified_event_carries_what_the_retriever_says(
    namespace: str, wire: Wire, tmp_path: Path
) -> None:
    tracker = create(namespace, wire, tmp_path, configuration())

    tracker.track(ScreenView(name="Checkout"))

    assert tracker.flush(10)
    assert wire.platform(0) == SENT | {
        "androidIdfa": "2c1f2a52-0000-4000-8000-00000000000d",
        "appSetId": "2c1f2a52-0000-4000-8000-00000000000e",
        "appSetIdScope": "developer",
    }


def test_a6_a_tracker_that_begins_anonymous_never_asks_for_identifiers(
    namespace: str, wire: Wire, tmp_path: Path
) -> None:
    def refuse() -> str:
        pytest.fail("an identifier was asked for")

    retriever = PlatformContextRetriever(
        os_type=lambda: "android",
        os_version=lambda: "14",
        device_vendor=lambda: "Fairphone",
        device_model=lambda: "FP5",
        battery_level=lambda: 80,
        android_idfa=refuse,
        app_set_id=refuse,
        app_set_id_scope=refuse,
    )
    tracker = create(
        namespace,
        wire,
        tmp_path,
        configuration(user_anonymisation=True, platform_context_retriever=retriever),
    )

    tracker.track(ScreenView(name="Checkout"))

    assert tracker.flush(10)
    assert wire.platform(0) == SENT


def test_a_single_anonymous_event_has_no_identifiers_and_takes_none_from_the_others(
    namespace: str, wire: Wire, tmp_path: Path
) -> None:
    tracker = create(namespace, wire, tmp_path, configuration())

    tracker.track(ScreenView(name="Advice"), anonymisation=Anonymisation.USER)
    assert tracker.flush(10)
    tracker.track(ScreenView(name="Checkout"))
    assert tracker.flush(10)

    assert wire.platform(0) == SENT
    assert (wire.platform(1) or {})["androidIdfa"] == "2c1f2a52-0000-4000-8000-00000000000d"


def test_l16_switching_to_anonymous_removes_every_identifier_at_once(
    namespace: str, wire: Wire, tmp_path: Path
) -> None:
    tracker = create(namespace, wire, tmp_path, configuration())

    tracker.user_anonymisation = True
    tracker.track(ScreenView(name="Checkout"))

    assert tracker.flush(10)
    assert wire.platform(0) == SENT


def test_p12_without_the_platform_context_there_is_none(
    namespace: str, wire: Wire, tmp_path: Path
) -> None:
    tracker = create(namespace, wire, tmp_path, configuration(platform_context=False))

    tracker.track(ScreenView(name="Checkout"))

    assert tracker.flush(10)
    assert len(wire.events) == 1
    assert wire.platform(0) is None
