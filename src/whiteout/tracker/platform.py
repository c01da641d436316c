"""The platform entity: what device and system an event was tracked on.

Invariants:

- Only `refresh` reads anything. `entity`, on the way of every event, hands out what was read last.
- Identifiers are neither asked for nor kept while they are not wanted (leak L23), all of them,
  `appSetId` and its scope included (leak L16). Which ones they are says `whiteout.identifiers`.
- What the entity's schema forbids is left out, wherever it came from.

Source: reference section 5. Refresh: what cannot change once, what changes fast at most every
second, the network and identifiers at most every ten seconds; identifiers that are not there each
time. One that is gone, since the user has taken a permission back, is dropped (leak L23).
"""

from __future__ import annotations

import math
import re
import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from whiteout.errors import ConfigurationError
from whiteout.events.entities import DesktopContext, MobileContext
from whiteout.events.event import body
from whiteout.events.properties import is_absent, properties_of
from whiteout.identifiers import IDENTIFIERS, NULL_UUID, Anonymisation, EntityProperty
from whiteout.tracker.platform_properties import PlatformContextRetriever, PlatformProperty
from whiteout.tracker.platform_reader import SystemPlatformReader

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from whiteout.events.entities import Entity
    from whiteout.events.properties import Property
    from whiteout.protocol.self_describing import SelfDescribingJson
    from whiteout.tracker.platform_reader import PlatformReader, Value

__all__ = [
    "DesktopContext",
    "MobileContext",
    "PlatformContext",
    "PlatformContextRetriever",
    "PlatformProperty",
    "SystemPlatformReader",
    "entity_type_of",
]

PlatformEntityType = type[MobileContext] | type[DesktopContext]

_BASICS = ("os_type", "os_version", "device_manufacturer", "device_model")
_FAST = frozenset(
    {
        PlatformProperty.SYSTEM_AVAILABLE_MEMORY,
        PlatformProperty.APP_AVAILABLE_MEMORY,
        PlatformProperty.BATTERY_LEVEL,
        PlatformProperty.BATTERY_STATE,
        PlatformProperty.LOW_POWER_MODE,
        PlatformProperty.AVAILABLE_STORAGE,
        PlatformProperty.IS_PORTRAIT,
    }
)
_NETWORK = frozenset({PlatformProperty.NETWORK_TYPE, PlatformProperty.NETWORK_TECHNOLOGY})
_IDENTIFYING_NAMES = frozenset(
    row.location.path[0]
    for row in IDENTIFIERS
    if isinstance(row.location, EntityProperty)
    and row.location.schema_name == "mobile_context"
    and Anonymisation.USER in row.masks
)
_RESOLUTION: Final = "[0-9]{1,9}x[0-9]{1,9}"
_MAX_TEXT: Final = 255  # where the schema has no limit; longer ones are no names of anything
_WAIT_S: Final = 1.0  # for the app's retrievers, which may hang


def entity_type_of(os_type: str) -> PlatformEntityType:
    """The entity that the native trackers send on such a system: mobile or desktop."""
    return MobileContext if os_type in {"android", "ios", "visionos"} else DesktopContext


class _Snapshot(NamedTuple):
    """The entity's data, without and with identifiers; None while a required value is missing."""

    version: int
    plain: dict[str, Value] | None
    identified: dict[str, Value] | None


class PlatformContext:
    """Keeps the platform entity up to date.

    Any thread may call anything. Nothing is read before the first `refresh`; until then, and while
    a required value is missing, there is no entity.

    Args:
        entity_type: `MobileContext`, or `DesktopContext`, which has the four basics only.
        reader: reads the system.
        monotonic_s: seconds since an arbitrary origin.
        on_error: called with the property's name and the exception when a reading fails; on the
            thread of `refresh`, which goes on.
        retriever: the app's own readings, used instead of the reader's.
        properties: only these, besides the four basics; None for all. Others are not even read.
        withholds: whether no event of an anonymous user may tell a property, by schema and name;
            it is then treated like an identifier.
        fast_interval_s: age at which battery, free memory and the like are read again.
        network_interval_s: the same for the network, and for identifiers.

    Raises:
        ConfigurationError: `properties` names one that does not exist.
    """

    # `_lock` guards `_values`, `_wants_identifiers`, `_generation` and the change of `_snapshot`.
    # It is never held while something is read. `_reading` makes refreshes one at a time, and
    # guards the rest.

    def __init__(  # noqa: PLR0913 - all that it depends on
        self,
        *,
        entity_type: PlatformEntityType,
        reader: PlatformReader,
        monotonic_s: Callable[[], float],
        on_error: Callable[[str, Exception], None],
        retriever: PlatformContextRetriever | None = None,
        properties: Collection[PlatformProperty] | None = None,
        withholds: Callable[[str, str], bool] | None = None,
        fast_interval_s: float = 1.0,
        network_interval_s: float = 10.0,
    ) -> None:
        self._schema = entity_type.SCHEMA
        definitions = _definitions(entity_type, properties)
        self._definitions = definitions
        self._identifiers = frozenset(
            name
            for name, definition in definitions.items()
            if definition.name in _IDENTIFYING_NAMES
        )
        self._identifying = self._identifiers.union(
            name
            for name, definition in definitions.items()
            if withholds is not None
            and not definition.required
            and withholds(entity_type.SCHEMA, definition.name)
        )
        self._fast = _FAST & definitions.keys()
        self._network = _NETWORK & definitions.keys()
        self._once = definitions.keys() - self._fast - self._network - self._identifying
        self._sources = _sources(definitions, reader, retriever)
        self._monotonic_s = monotonic_s
        self._on_error = on_error
        self._fast_interval_s = fast_interval_s
        self._network_interval_s = network_interval_s
        self._values: dict[str, Value] = {}
        self._wants_identifiers = False
        self._generation = 0
        self._snapshot = _Snapshot(0, None, None)
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Call it in the child: the thread that held a lock, or was just reading, is not there."""
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._once_done = False
        self._fast_due_s = self._network_due_s = self._identifiers_due_s = -math.inf

    @property
    def version(self) -> int:
        """Changes only when the entity does. Read it before `entity`, never after."""
        return self._snapshot.version

    def entity(self, *, with_identifiers: bool) -> SelfDescribingJson | None:
        """The entity as it was last read; a fresh copy. Reads nothing and waits for nothing."""
        snapshot = self._snapshot
        data = snapshot.identified if with_identifiers else snapshot.plain
        return None if data is None else body(self._schema, data.copy())

    def forget_identifiers(self) -> None:
        """Drop the identifiers that are kept, and those that a refresh is just reading."""
        with self._lock:
            self._generation += 1
            for name in self._identifying:
                self._values.pop(name, None)
            self._publish()

    def refresh(self, *, with_identifiers: bool | None = None) -> None:
        """Read again what is due. Reads small files and calls the app: for a background thread.

        Returns at once while another thread refreshes, unless identifiers are asked for: that
        thread may have begun when they were not.

        Args:
            with_identifiers: whether identifiers are asked for from now on; if not, those kept are
                forgotten. None: as was said last, at first not. A thread that only keeps house
                says None: it might say True just after another has said False.
        """
        if with_identifiers is not None:
            with self._lock:
                self._wants_identifiers = with_identifiers
        if with_identifiers is False:
            self.forget_identifiers()
        reading = self._reading
        if not reading.acquire(timeout=_WAIT_S if with_identifiers else 0):
            return
        try:
            with self._lock:
                generation, wanted = self._generation, self._wants_identifiers
            readings = {}
            for name in self._due(wanted):
                if name in self._identifying and generation != self._generation:
                    continue  # the user has become anonymous since
                readings[name] = self._read(name)
            self._merge(readings, generation)
        finally:
            reading.release()

    def _due(self, with_identifiers: bool) -> list[str]:  # noqa: FBT001 - passed on
        """What to read now, in the order of the schema; notes when it is due next."""
        now_s = self._monotonic_s()
        due: set[str] = set()
        if not self._once_done:
            due |= self._once
            self._once_done = True
        if now_s >= self._fast_due_s:
            due |= self._fast
            self._fast_due_s = now_s + self._fast_interval_s
        if now_s >= self._network_due_s:
            due |= self._network
            self._network_due_s = now_s + self._network_interval_s
        if with_identifiers:
            due |= self._identifying - self._values.keys()
            if now_s >= self._identifiers_due_s:
                due |= self._identifiers
                self._identifiers_due_s = now_s + self._network_interval_s
        else:
            due -= self._identifying  # a strict profile withholds free memory and the like
        return [name for name in self._definitions if name in due]

    def _read(self, name: str) -> Value:
        try:
            value = self._sources[name]()
        except Exception as error:  # noqa: BLE001 - the app's code: whatever it raises is no value
            self._on_error(name, error)
            return None
        return _allowed(value, name, self._definitions[name], name in self._identifying)

    def _merge(self, readings: Mapping[str, Value], generation: int) -> None:
        with self._lock:
            for name, value in readings.items():
                if name in self._identifying and generation != self._generation:
                    continue  # forgotten while they were being read
                if value is None:
                    self._values.pop(name, None)
                else:
                    self._values[name] = value
            self._publish()

    def _publish(self) -> None:
        """Swap the snapshot, if the entity has changed. Under the lock."""
        plain = self._data(with_identifiers=False)
        identified = self._data(with_identifiers=True)
        before = self._snapshot
        if (plain, identified) != (before.plain, before.identified):
            self._snapshot = _Snapshot(before.version + 1, plain, identified)

    def _data(self, *, with_identifiers: bool) -> dict[str, Value] | None:
        data: dict[str, Value] = {}
        for name, definition in self._definitions.items():
            value = self._values.get(name)
            if value is not None and (with_identifiers or name not in self._identifying):
                data[definition.name] = value
            elif definition.required:
                return None
        return data


def _definitions(
    entity_type: type[Entity], properties: Collection[PlatformProperty] | None
) -> dict[str, Property]:
    """The properties to send, by attribute."""
    chosen = set(PlatformProperty)
    if properties is not None:
        try:
            chosen = {PlatformProperty(name) for name in properties}
        except (TypeError, ValueError) as error:
            message = (
                "platform_context_properties must be a collection of PlatformProperty,"
                f" of which there are {', '.join(PlatformProperty)}"
            )
            raise ConfigurationError(message) from error
    return {
        name: definition
        for name, definition in properties_of(entity_type).items()
        if name in _BASICS or name in chosen
    }


def _sources(
    names: Collection[str], reader: PlatformReader, retriever: PlatformContextRetriever | None
) -> dict[str, Callable[[], Any]]:
    """Where each property is read: from the app's callback if there is one, else the reader."""

    def source(name: str) -> Callable[[], Any]:
        of_app = "device_vendor" if name == "device_manufacturer" else name
        callback: Callable[[], Any] | None = getattr(retriever, of_app, None)
        return (lambda: reader.read(name)) if callback is None else callback

    return {name: source(name) for name in names}


def _allowed(value: object, name: str, definition: Property, identifying: bool) -> Value:  # noqa: FBT001 - passed on
    """`value` as it may be sent; None if it may not."""
    if isinstance(value, str):
        value = value.strip()
        if name == PlatformProperty.LANGUAGE:
            value = value[: definition.max_length].rstrip("-_")
        if not _is_sendable(value) or (identifying and value == NULL_UUID):
            return None
        if name == PlatformProperty.RESOLUTION and re.fullmatch(_RESOLUTION, value) is None:
            return None
    if is_absent(value) or not definition.allows(value):
        return None
    return value  # type: ignore[return-value]  # a JSON scalar, as the definition has just said


def _is_sendable(text: str) -> bool:
    """Short enough, and text that can be written as UTF-8: half a surrogate cannot."""
    return len(text) <= _MAX_TEXT and (
        text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
    )
