"""Notifications in the older form, Apple's, which only the iOS tracker knows."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from whiteout.errors import ConfigurationError
from whiteout.events.described import DescribedEvent, optional, required
from whiteout.events.event import body
from whiteout.events.properties import check_properties, wire_data

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from whiteout.protocol.self_describing import SelfDescribingJson

_NAME: Final = 100  # characters
_TEXT: Final = 300
_LONG_TEXT: Final = 1000

_ARGUMENTS: Final = {
    "type": "array",
    "items": {"type": "string", "maxLength": _NAME},
    "minItems": 1,
}
_ALERT: Final = {
    "type": ["string", "object"],
    "properties": {
        "title": {"type": "string", "maxLength": _TEXT},
        "body": {"type": "string", "maxLength": _LONG_TEXT},
        "titleLocKey": {"type": "string", "maxLength": _NAME},
        "titleLocArgs": _ARGUMENTS,
        "actionLocKey": {"type": "string", "maxLength": _NAME},
        "locKey": {"type": "string", "maxLength": _NAME},
        "locArgs": _ARGUMENTS,
        "launchImage": {"type": "string", "maxLength": _TEXT},
    },
    "required": ["title", "body"],
    "additionalProperties": {"type": ["string", "number"]},
}
_APS: Final = {
    "type": "object",
    "properties": {
        "alert": _ALERT,
        "badge": {"type": "integer"},
        "sound": {"type": "string", "maxLength": _TEXT},
        "contentAvailable": {"type": "boolean"},
        "category": {"type": "string", "maxLength": _NAME},
        "threadId": {"type": "string", "maxLength": _NAME},
    },
    "required": ["alert"],
    "additionalProperties": True,
}
_USER_INFO: Final = {
    "type": "object",
    "properties": {"aps": _APS},
    "additionalProperties": {"type": ["object", "array", "string", "number", "boolean"]},
}


class PushNotificationTrigger(enum.StrEnum):
    """What raised a notification."""

    PUSH = "PUSH"
    LOCATION = "LOCATION"
    CALENDAR = "CALENDAR"
    TIME_INTERVAL = "TIME_INTERVAL"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PushNotificationAttachment:
    """A file that a notification shows.

    Args:
        identifier: at most 100 characters.
        url: at most 750 characters.
        type: of the file, at most 100 characters.

    Raises:
        ConfigurationError: a value is empty or too long.
    """

    DESCRIPTION: ClassVar[str] = "A file that the notification shows"

    identifier: str = required("identifier", "string", "Which file it is", max_length=_NAME)
    url: str = required("url", "string", "Where the file is", max_length=750)
    type: str = required("type", "string", "The kind of file", max_length=_NAME)

    def __post_init__(self) -> None:
        check_properties(self)

    def __repr__(self) -> str:
        """The name of the type only."""
        return "PushNotificationAttachment(...)"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class NotificationContent:
    """What a notification says.

    Args:
        title: at most 300 characters; never empty.
        body: at most 1,000 characters; never empty.
        badge: the number on the app's icon.
        subtitle: at most 300 characters, as the next two.
        sound: what is played.
        launch_image_name: what is shown while the app starts.
        user_info: the payload of the push, in plain JSON values. `aps` in it needs an `alert`; a
            `contentAvailable` of 0 or 1 is sent as a boolean.
        attachments: files that it shows.

    Raises:
        ConfigurationError: a value is outside what the schema allows.
    """

    DESCRIPTION: ClassVar[str] = "What it says, and shows"

    title: str = required("title", "string", "The headline", max_length=_TEXT)
    body: str = required("body", "string", "The text", max_length=_LONG_TEXT)
    badge: int | None = optional(
        "badge", "integer", "The number on the icon of the app", nullable=False
    )
    subtitle: str | None = optional(
        "subtitle", "string", "Below the headline", nullable=False, max_length=_TEXT
    )
    sound: str | None = optional(
        "sound", "string", "What is played", nullable=False, max_length=_TEXT
    )
    launch_image_name: str | None = optional(
        "launchImageName", "string", "Shown at the start", nullable=False, max_length=_TEXT
    )
    user_info: Mapping[str, Any] | None = optional(
        "userInfo", "object", "The payload of the push", nullable=False, schema=_USER_INFO
    )
    attachments: Sequence[PushNotificationAttachment] | None = optional(
        "attachments",
        "array",
        "Files that it shows",
        nullable=False,
        items=PushNotificationAttachment,
    )

    def __post_init__(self) -> None:
        check_properties(self)
        aps = (self.user_info or {}).get("aps")
        if aps is not None and not (isinstance(aps, Mapping) and "alert" in aps):
            raise ConfigurationError("user_info must have an alert in aps, where it has aps")

    def __repr__(self) -> str:
        """The name of the type only."""
        return "NotificationContent(...)"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PushNotification(DescribedEvent):
    """A notification was shown, or acted upon, in the form of older iOS trackers.

    For new apps: `MessageNotification`, which needs less. Under user anonymity only what the app
    fixes beforehand remains: trigger, action, category, sound and launch image.

    Args:
        date: when it was delivered, as a text of at most 100 characters.
        action: what the user chose; at most 100 characters, as the next two, and perhaps empty.
        trigger: what raised it, or its text.
        category: the kind of notification.
        thread: what it is shown with.
        notification: what it says.

    Raises:
        ConfigurationError: as `DescribedEvent`.
    """

    SCHEMA: ClassVar[str] = "iglu:com.apple/notification_event/jsonschema/1-0-1"
    DESCRIPTION: ClassVar[str] = "A notification of an Apple device was shown or acted upon"

    date: str = required("deliveryDate", "string", "When it came", max_length=_NAME)
    action: str = required(
        "action", "string", "What the user chose", max_length=_NAME, takes_empty=True
    )
    trigger: PushNotificationTrigger | str = required(  # noqa: RUF009 - a field
        "trigger", "string", "What raised it", choices=tuple(PushNotificationTrigger)
    )
    category: str = required(
        "categoryIdentifier", "string", "The kind", max_length=_NAME, takes_empty=True
    )
    thread: str = required(
        "threadIdentifier", "string", "What it is shown with", max_length=_NAME, takes_empty=True
    )
    notification: NotificationContent = required(  # noqa: RUF009 - a field
        "notification", "object", "What it says, and shows", items=NotificationContent
    )

    def self_describing(self, new_uuid: Callable[[], str]) -> SelfDescribingJson:  # noqa: ARG002 - the interface
        """The body of the event."""
        data = wire_data(self)
        user_info = data["notification"].get("userInfo")
        if isinstance(user_info, Mapping) and isinstance(user_info.get("aps"), Mapping):
            aps = dict(user_info["aps"])
            available = aps.get("contentAvailable")
            if available.__class__ is int and available in {0, 1}:
                aps["contentAvailable"] = bool(available)
            data["notification"]["userInfo"] = {**user_info, "aps": aps}
        return body(self.SCHEMA, data)
