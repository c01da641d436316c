"""What the tracker adds to every event besides the session: constants, subject, platform, app."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from whiteout.tracker.application import application_entity
from whiteout.tracker.configuration import DevicePlatform
from whiteout.tracker.gdpr import GdprController
from whiteout.tracker.platform import (
    PlatformContext,
    SystemPlatformReader,
    entity_type_of,
)
from whiteout.tracker.subject import Subject
from whiteout.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from whiteout.events.gdpr import GdprConfiguration
    from whiteout.protocol.self_describing import SelfDescribingJson
    from whiteout.tracker.configuration import SubjectConfiguration, TrackerConfiguration
    from whiteout.tracker.counters import Counters
    from whiteout.tracker.environment import Environment
    from whiteout.tracker.scope import EventScope

TRACKER_VERSION: Final = f"whiteout-{__version__}"
_NOT_IN_SUFFIX: Final = re.compile(r"[^A-Za-z0-9.-]")


class SharedPart:
    """The parameters and entities that every event of a tracker carries, unmasked.

    `parameters_for` and `entities` are called, and `version` is changed, under the tracker's lock.

    Args:
        namespace: `tna`.
        tracker: says what is added.
        subject: what the app says of its user and device.
        environment: time, and the device.
        lock: the tracker's.
        counters: where failing retrievers are reported.
        gdpr: the legal basis from the start; None: none.
    """

    def __init__(  # noqa: PLR0913 - one argument a collaborator
        self,
        namespace: str,
        tracker: TrackerConfiguration,
        subject: SubjectConfiguration,
        *,
        environment: Environment,
        lock: AbstractContextManager[object],
        counters: Counters,
        gdpr: GdprConfiguration | None = None,
    ) -> None:
        self._counters = counters
        self._is_closed = False
        self.version = 0  # differs when `parameters_for` or `entities` would answer differently
        self._platform_version = 0
        self._lock = lock
        self.subject = Subject(subject, lock=lock, on_change=self._count_change)
        self.sends_geolocation = tracker.geo_location_context
        self.gdpr = GdprController(
            gdpr, lock=lock, on_change=self._count_change, is_open=lambda: not self._is_closed
        )
        reader = environment.platform_reader or SystemPlatformReader()
        os_type = reader.read("os_type")
        natural = entity_type_of(str(os_type))
        is_phone = natural is entity_type_of("android")
        platform = tracker.device_platform or (
            DevicePlatform.MOBILE if is_phone else DevicePlatform.DESKTOP
        )
        self._constants = _constants(namespace, tracker, platform)
        self._more: dict[str, tuple[SelfDescribingJson, bool]] = {}
        self._application = None
        if tracker.application_context:
            build = tracker.application_build or tracker.application_version
            self._application = application_entity(tracker.application_version, build)
        self._platform = None
        if tracker.platform_context:
            is_mobile = platform is DevicePlatform.MOBILE
            self._platform = PlatformContext(
                entity_type=entity_type_of("android") if is_mobile else natural,
                reader=reader,
                monotonic_s=environment.clock.monotonic_s,
                on_error=self._report,
                retriever=tracker.platform_context_retriever,
                properties=tracker.platform_context_properties,
            )

    def parameters_for(self, subject: Mapping[str, str] | None) -> Mapping[str, str]:
        """The tracker's parameters and those of a subject; None: its own subject."""
        return {**self._constants, **(self.subject.parameters() if subject is None else subject)}

    def entities(
        self, *, with_identifiers: bool, is_of_line: bool = True, scope: EventScope | None = None
    ) -> list[SelfDescribingJson]:
        """The platform and application entities, and what else is shared.

        Args:
            with_identifiers: whether the platform's identifiers and the place may be among them.
            is_of_line: whether the event belongs to the running line, so that what the line is in
                the middle of concerns it.
            scope: the event's; a subject of its own is elsewhere than the tracker's.
        """
        platform = None
        if self._platform is not None:
            platform = self._platform.entity(with_identifiers=with_identifiers)
        place = None
        if self.sends_geolocation and with_identifiers:
            if scope is None or scope.subject is None:
                place = self.subject.geolocation()
            else:
                place = scope.geolocation
        shared = (platform, self._application, place, self.gdpr.entity)
        found = [entity for entity in shared if entity is not None]
        found += [entity for entity, of_line in self._more.values() if is_of_line or not of_line]
        return found

    def share(
        self, name: str, entity: SelfDescribingJson | None, *, is_of_line: bool = False
    ) -> None:
        """Put an entity on every event from the next one on; the caller holds the lock.

        The one place for entities that change more rarely than events are tracked.

        Args:
            name: whose it is; it takes the place of the one that was shared by that name.
            entity: None: none by that name any more.
            is_of_line: it says something of the running line, and is not put on events that leave
                no mark on it.
        """
        if entity is None:
            self._more.pop(name, None)
        else:
            self._more[name] = entity, is_of_line
        self.version += 1

    def switch_geolocation(self, *, on: bool) -> None:
        """Put the subject's place on events from the next one on, or do not."""
        with self._lock:
            if not self._is_closed:
                self.sends_geolocation = on
                self.version += 1

    def close(self) -> None:
        """Change nothing from now on that an app can change (leak L26)."""
        self._is_closed = True
        self.subject.close()

    def refresh(self, *, with_identifiers: bool | None) -> None:
        """Read the device again, as far as it is due; not for the path of an event.

        Args:
            with_identifiers: whether identifiers may be asked for; None: as was said last.
        """
        if self._platform is not None:
            self._platform.refresh(with_identifiers=with_identifiers)
            self._follow_platform(self._platform)

    def forget(self) -> None:
        """Drop identifiers of user and device."""
        self.subject.clear()
        if self._platform is not None:
            self._platform.forget_identifiers()
            self._follow_platform(self._platform)

    def after_fork(self) -> None:
        """In a forked child: make new locks."""
        if self._platform is not None:
            self._platform.reset_after_fork()

    def _follow_platform(self, platform: PlatformContext) -> None:
        with self._lock:
            if platform.version != self._platform_version:
                self._platform_version = platform.version
                self.version += 1

    def _count_change(self) -> None:
        self.version += 1

    def _report(self, name: str, error: Exception) -> None:
        self._counters.warn(f"platform-{name}", f"reading {name} raised {type(error).__name__}")


def _constants(
    namespace: str, tracker: TrackerConfiguration, platform: DevicePlatform
) -> dict[str, str]:
    suffix = _NOT_IN_SUFFIX.sub("", tracker.tracker_version_suffix or "")
    constants = {
        "tv": f"{TRACKER_VERSION} {suffix}" if suffix else TRACKER_VERSION,
        "tna": namespace,
        "p": platform.value,
    }
    if tracker.app_id:
        constants["aid"] = tracker.app_id
    return constants
