"""The subject: what the app says of its user and device, changeable at any time.

Owner: the tracker's lock, which is handed in; each change raises `version`, so that the part of the
payload that events share is built anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whiteout.errors import ConfigurationError
from whiteout.events.geolocation import Geolocation
from whiteout.tracker.checks import (
    GEOLOCATION,
    SUBJECT_LIMITS,
    check_color_depth,
    check_geolocation,
    check_size,
    check_text,
)
from whiteout.tracker.live import Controlled
from whiteout.tracker.system_locale import system_language, system_timezone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from whiteout.protocol.self_describing import SelfDescribingJson
    from whiteout.tracker.configuration import SubjectConfiguration
    from whiteout.tracker.live import LiveChanges

# Source: reference section 6.
_PARAMETERS = {
    "user_id": "uid",
    "network_user_id": "tnuid",
    "domain_user_id": "duid",
    "ip_address": "ip",
    "user_agent": "ua",
    "timezone": "tz",
    "language": "lang",
    "screen_resolution": "res",
    "screen_view_port": "vp",
    "color_depth": "cd",
}

_OF_USER = ("user_id", "network_user_id", "domain_user_id", "ip_address", *GEOLOCATION)


class _Field:
    """One property: reading gives what was set, setting checks it, None clears it (leak L25)."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, subject: Subject, owner: type) -> Any:  # noqa: ANN401 - see annotations below
        return subject.get(self._name)

    def __set__(self, subject: Subject, value: float | str | None) -> None:
        subject._put(self._name, value)  # noqa: SLF001 - a part of it


class Subject(Controlled):
    """The values of `SubjectConfiguration`, live.

    Setting one acts on the next event; None clears it. Identifying values stay in memory: what
    leaves the device is decided by the gate, event by event.
    """

    _section = "subject"

    user_id = _Field()
    network_user_id = _Field()
    domain_user_id = _Field()
    ip_address = _Field()
    user_agent = _Field()
    timezone = _Field()
    language = _Field()
    screen_resolution = _Field()
    screen_view_port = _Field()
    color_depth = _Field()
    geo_latitude = _Field()
    geo_longitude = _Field()
    geo_latitude_longitude_accuracy = _Field()
    geo_altitude = _Field()
    geo_altitude_accuracy = _Field()
    geo_bearing = _Field()
    geo_speed = _Field()
    geo_timestamp = _Field()

    def __init__(
        self,
        configuration: SubjectConfiguration,
        *,
        lock: AbstractContextManager[object],
        on_change: Callable[[], None],
        environment: tuple[str | None, str | None] | None = None,
    ) -> None:
        self._lock = lock
        self._on_change = on_change
        self._is_closed = False
        self._values: dict[str, str | float | None] = {
            name: getattr(configuration, name) for name in (*_PARAMETERS, *GEOLOCATION)
        }
        timezone, language = environment or (system_timezone(), system_language())
        self._values["timezone"] = self._values["timezone"] or timezone
        self._values["language"] = self._values["language"] or language

    def get(self, name: str) -> str | float | None:
        """The value of one property."""
        return self._values[name]

    def change(self, name: str, value: float | str | None) -> None:
        """Set one property by its name; None clears it.

        Args:
            name: of an option of `SubjectConfiguration`.
            value: as of that option.

        Raises:
            ConfigurationError: there is no such option, or the value has another form or is too
                long for its column.
        """
        if name not in self._values:
            names = ", ".join(self._values)
            raise ConfigurationError(f"name must be one of {names}, got {name!r}")
        setattr(self, name, value)  # as by an assignment: whoever watches is told

    def _put(self, name: str, value: float | str | None) -> None:
        if name in SUBJECT_LIMITS:
            check_text(name, value, SUBJECT_LIMITS[name])
        elif name == "color_depth":
            check_color_depth(value)  # type: ignore[arg-type] # it refuses what is no number
        elif name in GEOLOCATION:
            check_geolocation(name, value)
        else:
            check_size(name, value)  # type: ignore[arg-type] # it refuses what is no text
        with self._lock:
            if not self._is_closed:
                self._values[name] = value
                self._on_change()

    def belong_to(self, changes: LiveChanges) -> None:
        """Let those hear of changes who hear of the tracker's others."""
        self._changes = changes

    def close(self) -> None:
        """Change nothing from now on (leak L26)."""
        self._is_closed = True

    def clear(self) -> None:
        """Forget the four values that identify the user, and where they were."""
        with self._lock:
            if self._is_closed:
                return
            self._values |= dict.fromkeys(_OF_USER)
            self._on_change()
        if self._changes is not None:  # else a remote file could bring one back
            self._changes.note(self._section, _OF_USER, None)

    def parameters(self) -> dict[str, str]:
        """The values as payload parameters, unmasked; the caller holds the lock."""
        return {
            parameter: str(value)
            for name, parameter in _PARAMETERS.items()
            if (value := self._values[name]) is not None
        }

    def geolocation(self) -> SelfDescribingJson | None:
        """The place as an entity, unmasked; None: latitude or longitude is missing."""
        return _geolocation(self._values)


def geolocation_of(configuration: SubjectConfiguration) -> SelfDescribingJson | None:
    """The place that a configuration names as an entity, unmasked; None: it names none."""
    return _geolocation({name: getattr(configuration, name) for name in GEOLOCATION})


def _geolocation(values: Mapping[str, Any]) -> SelfDescribingJson | None:
    if values["geo_latitude"] is None or values["geo_longitude"] is None:
        return None
    place = {name.removeprefix("geo_"): values[name] for name in GEOLOCATION}
    return Geolocation(**place).self_describing()


def parameters_of(configuration: SubjectConfiguration) -> dict[str, str]:
    """What a configuration says, and nothing of this system, as payload parameters, unmasked."""
    return {
        parameter: str(value)
        for name, parameter in _PARAMETERS.items()
        if (value := getattr(configuration, name)) is not None
    }
