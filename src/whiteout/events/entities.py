"""The entities that the tracker makes itself: session, platform, application.

Sources: reference sections 4.1, 5.1 and 5.5; the schemas in Iglu Central.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from whiteout.events.event import body
from whiteout.events.properties import (
    MAX_INT32,
    MAX_INT64,
    check_properties,
    wire,
    wire_data,
)
from whiteout.identifiers import CLIENT_SESSION, MOBILE_CONTEXT

if TYPE_CHECKING:
    from whiteout.protocol.self_describing import SelfDescribingJson

_UUID_OR_HEX = "^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$|^[0-9a-f]{16}$"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Entity:
    """Something that describes the circumstances of an event.

    Raises:
        ConfigurationError: a required value is missing or empty, or a value outside its limits.
    """

    SCHEMA: ClassVar[str]
    DESCRIPTION: ClassVar[str]

    def __post_init__(self) -> None:
        check_properties(self)

    def __repr__(self) -> str:
        """The name of the type only: what an entity holds does not belong in logs."""
        return f"{type(self).__name__}(...)"

    def self_describing(self) -> SelfDescribingJson:
        """The entity as it is sent; absent values are left out."""
        return body(self.SCHEMA, wire_data(self))


def _text(name: str, description: str, **limits: Any) -> dict[str, Any]:  # noqa: ANN401 - limits of a Property
    return wire(name=name, type="string", description=description, **limits)


def _optional(name: str, kind: str, description: str, **limits: Any) -> Any:  # noqa: ANN401 - a dataclass field
    """A field that may be left out, or null on the wire."""
    definition = wire(name=name, type=kind, description=description, nullable=True, **limits)
    return field(default=None, metadata=definition)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SessionEntity(Entity):
    """The session that an event belongs to.

    Attributes:
        user_id: the installation; the null UUID under user anonymity.
        session_id: fresh for every session.
        session_index: 1, 2, 3, ... along a line of sessions.
        storage_mechanism: where the session is kept.
        event_index: 1, 2, 3, ... within the session.
        previous_session_id: None in the first session, and under user anonymity; then sent as
            null, since one published version of the schema insists on the property.
        first_event_id: the id of the event that started the session.
        first_event_timestamp: when that was, RFC 3339, UTC, milliseconds.
    """

    SCHEMA: ClassVar[str] = CLIENT_SESSION
    DESCRIPTION: ClassVar[str] = "The session that an event belongs to"

    user_id: str = field(
        metadata=_text(
            "userId",
            "The installation of the app; all zeros while the user is anonymous",
            required=True,
            pattern=_UUID_OR_HEX,
            max_length=36,
        )
    )
    session_id: str = field(
        metadata=_text("sessionId", "The id of the session", required=True, format="uuid")
    )
    session_index: int = field(
        metadata=wire(
            name="sessionIndex",
            type="integer",
            required=True,
            minimum=0,
            maximum=MAX_INT32,
            description="Which session of this installation it is, counted from 1",
        )
    )
    storage_mechanism: str = field(
        default="LOCAL_STORAGE",
        metadata=_text(
            "storageMechanism",
            "Where the device keeps the session",
            required=True,
            choices=("SQLITE", "COOKIE_1", "COOKIE_3", "LOCAL_STORAGE", "FLASH_LSO"),
        ),
    )
    event_index: int | None = _optional(
        "eventIndex",
        "integer",
        "Which event of the session it is, counted from 1",
        minimum=0,
        maximum=MAX_INT32,
    )
    previous_session_id: str | None = _optional(
        "previousSessionId", "string", "The id of the session before this one", format="uuid"
    )
    first_event_id: str | None = _optional(
        "firstEventId", "string", "The id of the event that started the session", format="uuid"
    )
    first_event_timestamp: str | None = _optional(
        "firstEventTimestamp", "string", "When the session started", format="date-time"
    )

    def self_describing(self) -> SelfDescribingJson:
        """The entity as it is sent, `previousSessionId` always included."""
        data = wire_data(self)
        data.setdefault("previousSessionId", None)
        return body(self.SCHEMA, data)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class MobileContext(Entity):
    """The device that an event was tracked on. The names are those of `PlatformProperty`."""

    SCHEMA: ClassVar[str] = MOBILE_CONTEXT
    DESCRIPTION: ClassVar[str] = "The device and its operating system"

    os_type: str = field(
        metadata=_text(
            "osType", "The operating system, such as android, ios or linux", required=True
        )
    )
    os_version: str = field(
        metadata=_text("osVersion", "The version of the operating system", required=True)
    )
    device_manufacturer: str = field(
        metadata=_text("deviceManufacturer", "Who made the device", required=True)
    )
    device_model: str = field(
        metadata=_text("deviceModel", "The name of the product", required=True)
    )
    carrier: str | None = _optional("carrier", "string", "The mobile network operator")
    network_type: str | None = _optional(
        "networkType",
        "string",
        "How the device is connected",
        choices=("mobile", "wifi", "offline"),
    )
    network_technology: str | None = _optional(
        "networkTechnology", "string", "The radio technology in use"
    )
    open_idfa: str | None = _optional("openIdfa", "string", "An old advertising id; not in use")
    apple_idfa: str | None = _optional("appleIdfa", "string", "Apple's advertising id")
    apple_idfv: str | None = _optional("appleIdfv", "string", "Apple's id for a vendor's apps")
    android_idfa: str | None = _optional("androidIdfa", "string", "Android's advertising id")
    physical_memory: int | None = _optional(
        "physicalMemory", "integer", "Bytes of memory built in", minimum=0, maximum=MAX_INT64
    )
    system_available_memory: int | None = _optional(
        "systemAvailableMemory",
        "integer",
        "Bytes of memory free on the device",
        minimum=0,
        maximum=MAX_INT64,
    )
    app_available_memory: int | None = _optional(
        "appAvailableMemory",
        "integer",
        "Bytes of memory that the app may still take",
        minimum=0,
        maximum=MAX_INT64,
    )
    battery_level: int | None = _optional(
        "batteryLevel", "integer", "Charge of the battery in per cent", minimum=0, maximum=100
    )
    battery_state: str | None = _optional(
        "batteryState",
        "string",
        "What the battery is doing",
        choices=("unplugged", "charging", "full"),
        max_length=255,
    )
    low_power_mode: bool | None = _optional(
        "lowPowerMode", "boolean", "Whether the device saves power"
    )
    available_storage: int | None = _optional(
        "availableStorage", "integer", "Bytes of storage free", minimum=0, maximum=MAX_INT64
    )
    total_storage: int | None = _optional(
        "totalStorage", "integer", "Bytes of storage built in", minimum=0, maximum=MAX_INT64
    )
    is_portrait: bool | None = _optional(
        "isPortrait", "boolean", "Whether the screen is higher than wide as it is held"
    )
    resolution: str | None = _optional(
        "resolution", "string", "Width x height of the screen in pixels", max_length=20
    )
    scale: float | None = _optional(
        "scale", "number", "Device pixels to a logical pixel", minimum=0, maximum=1000
    )
    language: str | None = _optional(
        "language", "string", "The language of the system, ISO 639", max_length=8
    )
    app_set_id: str | None = _optional(
        "appSetId", "string", "Android's id for an app or a developer's apps", format="uuid"
    )
    app_set_id_scope: str | None = _optional(
        "appSetIdScope",
        "string",
        "Whether the app set id is for one app or all of a developer's",
        choices=("app", "developer"),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class DesktopContext(Entity):
    """The computer that an event was tracked on. Its schema has no place for identifiers."""

    SCHEMA: ClassVar[str] = "iglu:com.snowplowanalytics.snowplow/desktop_context/jsonschema/1-0-0"
    DESCRIPTION: ClassVar[str] = "The computer and its operating system"

    os_type: str = field(
        metadata=_text(
            "osType", "The operating system, such as osx, windows or linux", required=True
        )
    )
    os_version: str = field(
        metadata=_text("osVersion", "The version of the operating system", required=True)
    )
    os_service_pack: str | None = field(
        default=None,
        metadata=_text("osServicePack", "The service pack of the operating system"),
    )
    os_is_64_bit: bool | None = field(
        default=None,
        metadata=wire(
            name="osIs64Bit",
            type="boolean",
            description="Whether the operating system is a 64-bit one",
        ),
    )
    device_manufacturer: str | None = field(
        default=None, metadata=_text("deviceManufacturer", "Who made the computer")
    )
    device_model: str | None = field(
        default=None, metadata=_text("deviceModel", "The name of the product")
    )
    device_processor_count: float | None = field(
        default=None,
        metadata=wire(
            name="deviceProcessorCount", type="number", description="The number of processors"
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Application(Entity):
    """The app that tracks.

    Attributes:
        version: as users know it, `1.4.2`; at most 255 characters.
        build: as the build system knows it, `1042`; at most 255 characters.
    """

    SCHEMA: ClassVar[str] = "iglu:com.snowplowanalytics.mobile/application/jsonschema/1-0-0"
    DESCRIPTION: ClassVar[str] = "The app that tracks the event"

    version: str = field(
        metadata=_text(
            "version", "The version that users see, such as 1.4.2", required=True, max_length=255
        )
    )
    build: str = field(
        metadata=_text(
            "build", "The build that this is, such as 1042", required=True, max_length=255
        )
    )
