"""The place that the subject names: on events when the app wants it, never of a hidden user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.collector import entity
from tests.support.trackers import STATELESS, Wire, a_tracker

from whiteout import (
    Anonymisation,
    ConfigurationError,
    Pending,
    Structured,
    SubjectConfiguration,
    TrackerConfiguration,
)

if TYPE_CHECKING:
    from pathlib import Path

EVENT = Structured(category="a", action="b")
WITH_PLACES = TrackerConfiguration(
    platform_context=False, base64_encoding=False, geo_location_context=True, **STATELESS
)
WITHOUT = TrackerConfiguration(platform_context=False, base64_encoding=False, **STATELESS)
BERLIN = SubjectConfiguration(geo_latitude=52.5163, geo_longitude=13.3777)
LIMA = SubjectConfiguration(
    geo_latitude=-12.0464,
    geo_longitude=-77.0428,
    geo_latitude_longitude_accuracy=12.5,
    geo_altitude=154,
    geo_altitude_accuracy=3,
    geo_bearing=270,
    geo_speed=1.4,
    geo_timestamp=1_795_000_000_000,
)


def places(wire: Wire) -> list[dict[str, Any] | None]:
    return [entity(event, "geolocation_context") for event in wire.events]


def test_the_entity_has_all_that_the_subject_says(tmp_path: Path) -> None:
    """Reference 5.6 and 6."""
    wire = Wire()
    with a_tracker(wire.network, tmp_path, WITH_PLACES, LIMA) as tracker:
        tracker.track(EVENT)
        assert tracker.flush(10)

    assert places(wire) == [
        {
            "latitude": -12.0464,
            "longitude": -77.0428,
            "latitudeLongitudeAccuracy": 12.5,
            "altitude": 154,
            "altitudeAccuracy": 3,
            "bearing": 270,
            "speed": 1.4,
            "timestamp": 1_795_000_000_000,
        }
    ]


def test_it_is_off_by_default_and_switched_at_once(tmp_path: Path) -> None:
    """The Android tracker ignores it when it is switched off (L18)."""
    wire = Wire()
    with a_tracker(wire.network, tmp_path, WITHOUT, BERLIN) as tracker:
        tracker.track(EVENT)
        tracker.geo_location_context = True
        tracker.track(EVENT)
        tracker.geo_location_context = False
        tracker.track(EVENT)
        assert tracker.flush(10)
        tracker.close()
        tracker.geo_location_context = True
        assert not tracker.geo_location_context  # a closed tracker is inert

    before, on, off = places(wire)
    assert (before, off) == (None, None)
    assert on == {"latitude": 52.5163, "longitude": 13.3777}


def test_a_place_needs_latitude_and_longitude_and_is_changed_and_cleared(tmp_path: Path) -> None:
    wire = Wire()
    half = SubjectConfiguration(geo_latitude=1.0)
    with a_tracker(wire.network, tmp_path, WITH_PLACES, half) as tracker:
        tracker.track(EVENT)
        tracker.subject.geo_longitude = 2
        tracker.track(EVENT)
        tracker.subject.geo_latitude = None
        tracker.track(EVENT)
        tracker.subject.geo_latitude = 3
        assert tracker.flush(10)
        assert tracker.forget()
        assert tracker.subject.geo_latitude is None
        tracker.track(EVENT)
        assert tracker.flush(10)

    assert places(wire) == [None, {"latitude": 1.0, "longitude": 2}, None, None]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("geo_latitude", 90.1, "geo_latitude must be a number from -90 to 90"),
        ("geo_longitude", "east", "geo_longitude must be a number from -180 to 180"),
        ("geo_latitude", float("nan"), "geo_latitude must be a number from -90 to 90"),
        ("geo_speed", float("inf"), "geo_speed must be a number"),
        ("geo_speed", True, "geo_speed must be a number, got bool"),
        ("geo_timestamp", 1.5, "geo_timestamp must be whole milliseconds, got float"),
    ],
)
def test_what_is_no_place_is_refused(tmp_path: Path, name: str, value: Any, message: str) -> None:  # noqa: ANN401 - anything
    with pytest.raises(ConfigurationError, match=message):
        SubjectConfiguration(**{name: value})
    with (
        a_tracker(Wire().network, tmp_path) as tracker,
        pytest.raises(ConfigurationError, match=message),
    ):
        setattr(tracker.subject, name, value)


def test_a_place_does_not_show_in_the_configurations_text() -> None:
    assert "77.04" not in repr(LIMA)


def test_L18_the_place_of_a_hidden_user_is_neither_sent_nor_stored(tmp_path: Path) -> None:  # noqa: N802 - the leak's id
    wire = Wire()
    with a_tracker(wire.network, tmp_path, WITH_PLACES, LIMA) as tracker:
        tracker.emitter.pause()
        tracker.anonymisation = Anonymisation.USER
        tracker.track(EVENT)
        at_rest = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
        tracker.anonymisation = Anonymisation.SERVER  # the user is known again
        tracker.track(EVENT)
        tracker.emitter.resume()
        assert tracker.flush(10)

    assert b"12.0464" not in at_rest
    hidden, known = places(wire)
    assert hidden is None
    assert known is not None


def test_a_place_that_waits_when_consent_is_withdrawn_is_not_sent(tmp_path: Path) -> None:
    wire = Wire()
    with a_tracker(wire.network, tmp_path, WITH_PLACES, LIMA) as tracker:
        tracker.emitter.pause()
        tracker.track(EVENT)
        tracker.set_anonymisation(Anonymisation.USER, pending=Pending.ANONYMISE)
        tracker.emitter.resume()
        assert tracker.flush(10)

    assert places(wire) == [None]


def test_events_of_another_subject_are_where_that_one_is(tmp_path: Path) -> None:
    """A server's own place says nothing of its visitors."""
    wire = Wire()
    with a_tracker(wire.network, tmp_path, WITH_PLACES, BERLIN) as tracker:
        with tracker.scope(subject=LIMA):
            tracker.track(EVENT)
            with tracker.scope():
                tracker.track(EVENT)
        with tracker.scope(subject=SubjectConfiguration(user_id="visitor")):
            tracker.track(EVENT)
        with tracker.scope():
            tracker.track(EVENT)
        assert tracker.flush(10)

    latitudes = [place and place["latitude"] for place in places(wire)]
    assert latitudes == [-12.0464, -12.0464, None, 52.5163]
