"""Where a device is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from whiteout.events.described import optional, required
from whiteout.events.entities import Entity


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Geolocation(Entity):
    """A place on earth, given by the app; never sent under user anonymity (leak L18).

    Args:
        latitude: degrees, -90 to 90.
        longitude: degrees, -180 to 180.
        latitude_longitude_accuracy: metres.
        altitude: metres.
        altitude_accuracy: metres.
        bearing: degrees.
        speed: metres a second.
        timestamp: when it was measured, Unix epoch milliseconds.
    """

    SCHEMA: ClassVar[str] = (
        "iglu:com.snowplowanalytics.snowplow/geolocation_context/jsonschema/1-1-0"
    )
    DESCRIPTION: ClassVar[str] = "Where the device was"

    latitude: float = required(
        "latitude", "number", "Degrees north of the equator", minimum=-90, maximum=90
    )
    longitude: float = required(
        "longitude", "number", "Degrees east of Greenwich", minimum=-180, maximum=180
    )
    latitude_longitude_accuracy: float | None = optional(
        "latitudeLongitudeAccuracy", "number", "How exact both are, in metres"
    )
    altitude: float | None = optional("altitude", "number", "Height in metres")
    altitude_accuracy: float | None = optional(
        "altitudeAccuracy", "number", "How exact the height is, in metres"
    )
    bearing: float | None = optional("bearing", "number", "Direction of movement in degrees")
    speed: float | None = optional("speed", "number", "Speed in metres a second")
    timestamp: int | None = optional(
        "timestamp", "integer", "When it was measured, Unix epoch milliseconds"
    )
