"""What an app says about the platform entity: which properties, and where they come from."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whiteout.tracker.checks import check_callback

if TYPE_CHECKING:
    from collections.abc import Callable


class PlatformProperty(enum.StrEnum):
    """The properties that can be chosen. The four basics are always sent with them."""

    CARRIER = "carrier"
    NETWORK_TYPE = "network_type"
    NETWORK_TECHNOLOGY = "network_technology"
    PHYSICAL_MEMORY = "physical_memory"
    SYSTEM_AVAILABLE_MEMORY = "system_available_memory"
    APP_AVAILABLE_MEMORY = "app_available_memory"
    BATTERY_LEVEL = "battery_level"
    BATTERY_STATE = "battery_state"
    LOW_POWER_MODE = "low_power_mode"
    AVAILABLE_STORAGE = "available_storage"
    TOTAL_STORAGE = "total_storage"
    IS_PORTRAIT = "is_portrait"
    RESOLUTION = "resolution"
    SCALE = "scale"
    LANGUAGE = "language"
    ANDROID_IDFA = "android_idfa"
    APPLE_IDFA = "apple_idfa"
    APPLE_IDFV = "apple_idfv"
    OPEN_IDFA = "open_idfa"
    APP_SET_ID = "app_set_id"
    APP_SET_ID_SCOPE = "app_set_id_scope"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PlatformContextRetriever:
    """The app's own readings, one optional callback a property.

    A callback that is given replaces the built-in reading, also when it returns None. It is called
    on a thread of the tracker, as often as the property is refreshed. One that raises counts as
    one that returns None, and so does a value that the entity's schema forbids. Callbacks for
    identifiers (the advertising ids, `apple_idfv`, `app_set_id` and its scope) are not called
    while the user is anonymous.

    Attributes:
        os_type: such as `android`.
        os_version: such as `14`.
        device_vendor: who made the device.
        device_model: the name of the product.
        carrier: the mobile network operator.
        network_type: `mobile`, `wifi` or `offline`.
        network_technology: such as `LTE`.
        physical_memory: bytes.
        system_available_memory: bytes.
        app_available_memory: bytes.
        battery_level: 0 to 100.
        battery_state: `unplugged`, `charging` or `full`.
        low_power_mode: whether the device saves power.
        available_storage: bytes.
        total_storage: bytes.
        is_portrait: whether the screen is higher than wide as it is held.
        resolution: pixels, `1170x2532`.
        scale: device pixels to a logical pixel, 0 to 1000.
        language: a language tag; cut to 8 characters.
        android_idfa: advertising id.
        apple_idfa: advertising id.
        apple_idfv: id for a vendor's apps.
        open_idfa: advertising id of old.
        app_set_id: a UUID.
        app_set_id_scope: `app` or `developer`.

    Raises:
        ConfigurationError: a value is neither None nor callable.
    """

    os_type: Callable[[], str | None] | None = None
    os_version: Callable[[], str | None] | None = None
    device_vendor: Callable[[], str | None] | None = None
    device_model: Callable[[], str | None] | None = None
    carrier: Callable[[], str | None] | None = None
    network_type: Callable[[], str | None] | None = None
    network_technology: Callable[[], str | None] | None = None
    physical_memory: Callable[[], int | None] | None = None
    system_available_memory: Callable[[], int | None] | None = None
    app_available_memory: Callable[[], int | None] | None = None
    battery_level: Callable[[], int | None] | None = None
    battery_state: Callable[[], str | None] | None = None
    low_power_mode: Callable[[], bool | None] | None = None
    available_storage: Callable[[], int | None] | None = None
    total_storage: Callable[[], int | None] | None = None
    is_portrait: Callable[[], bool | None] | None = None
    resolution: Callable[[], str | None] | None = None
    scale: Callable[[], float | None] | None = None
    language: Callable[[], str | None] | None = None
    android_idfa: Callable[[], str | None] | None = None
    apple_idfa: Callable[[], str | None] | None = None
    apple_idfv: Callable[[], str | None] | None = None
    open_idfa: Callable[[], str | None] | None = None
    app_set_id: Callable[[], str | None] | None = None
    app_set_id_scope: Callable[[], str | None] | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            check_callback(name, getattr(self, name))
