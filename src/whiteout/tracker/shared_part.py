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

    from whiteout.anonymisation import Gate
    from whiteout.events.gdpr import GdprConfiguration
    from whiteout.protocol.self_describing import SelfDescribingJson
    from whiteout.tracker.configuration import SubjectConfiguration, TrackerConfiguration
    from whiteout.tracker.counters import Counters
    from whiteout.tracker.environment import Environment
    from whiteout.tracker.scope import EventScope

TRACKER_VERSION: Final = f"whiteout-{__version__}"
_OF_PLATFORM: Final = (
    "platform_context",
    "platform_context_properties",
    "platform_context_retriever",
    "device_platform",
)
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
        gate: tells what no anonymous event may say, which is not asked for then.
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
        gate: Gate,
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
        self._namespace = namespace
        self._monotonic_s = environment.clock.monotonic_s
        self._reader = environment.platform_reader or SystemPlatformReader()
        self._natural = entity_type_of(str(self._reader.read("os_type")))
        self._more: dict[str, tuple[SelfDescribingJson, bool]] = {}
        self._withholds = gate.withholds
        self._constants = self._constants_of(tracker)
        self._application = _application(tracker)
        self._platform = self._new_platform(tracker)

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
        place = None
        if self.sends_geolocation and with_identifiers:
            if scope is None or scope.subject is None:
                place = self.subject.geolocation()
            else:
                place = scope.geolocation
        found = self.basic_entities(with_identifiers=with_identifiers)
        found += [entity for entity in (place, self.gdpr.entity) if entity is not None]
        found += [entity for entity, of_line in self._more.values() if is_of_line or not of_line]
        return found

    def follow(
        self, before: TrackerConfiguration, after: TrackerConfiguration, *, with_identifiers: bool
    ) -> None:
        """Add what another configuration says, from the next event on.

        Where that changes what is told of the device, all of it is read anew: what was known of
        properties that are taken off is dropped (leak L23).

        Args:
            before: the one that holds.
            after: the one that will.
            with_identifiers: whether the platform's identifiers may be asked for.

        Raises:
            ConfigurationError: a value is wrong; nothing has changed.
        """
        constants, application = self._constants_of(after), _application(after)
        platform = self._platform
        if any(getattr(before, name) != getattr(after, name) for name in _OF_PLATFORM):
            platform = self._new_platform(after)
            if platform is not None:  # before it counts, since this takes a while
                platform.refresh(with_identifiers=with_identifiers)
        with self._lock:
            self._constants, self._application, self._platform = constants, application, platform
            self._platform_version = platform.version if platform is not None else 0
            self.version += 1

    def basic_entities(self, *, with_identifiers: bool) -> list[SelfDescribingJson]:
        """The platform and application entities alone: for errors of the tracker itself.

        Args:
            with_identifiers: whether the platform's identifiers may be among them.
        """
        platform = None
        if self._platform is not None:
            platform = self._platform.entity(with_identifiers=with_identifiers)
        return [entity for entity in (platform, self._application) if entity is not None]

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
        platform = self._platform
        if platform is not None:
            platform.refresh(with_identifiers=with_identifiers)
            self._follow_platform(platform)

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
            if platform is self._platform and platform.version != self._platform_version:
                self._platform_version = platform.version
                self.version += 1

    def _count_change(self) -> None:
        self.version += 1

    def _device_platform(self, tracker: TrackerConfiguration) -> DevicePlatform:
        is_phone = self._natural is entity_type_of("android")
        return tracker.device_platform or (
            DevicePlatform.MOBILE if is_phone else DevicePlatform.DESKTOP
        )

    def _constants_of(self, tracker: TrackerConfiguration) -> dict[str, str]:
        return _constants(self._namespace, tracker, self._device_platform(tracker))

    def _new_platform(self, tracker: TrackerConfiguration) -> PlatformContext | None:
        if not tracker.platform_context:
            return None
        is_mobile = self._device_platform(tracker) is DevicePlatform.MOBILE
        return PlatformContext(
            entity_type=entity_type_of("android") if is_mobile else self._natural,
            reader=self._reader,
            monotonic_s=self._monotonic_s,
            on_error=self._report,
            retriever=tracker.platform_context_retriever,
            properties=tracker.platform_context_properties,
            withholds=self._withholds,
        )

    def _report(self, name: str, error: Exception) -> None:
        self._counters.warn(f"platform-{name}", f"reading {name} raised {type(error).__name__}")


def _application(tracker: TrackerConfiguration) -> SelfDescribingJson | None:
    if not tracker.application_context:
        return None
    build = tracker.application_build or tracker.application_version
    return application_entity(tracker.application_version, build)


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
