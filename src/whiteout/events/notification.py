"""Push and local notifications."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from whiteout.events.described import DescribedEvent, optional, required
from whiteout.events.properties import Property, check_properties

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONG = 1024  # characters: the limit of nearly all texts here


class MessageNotificationTrigger(enum.StrEnum):
    """What raised a notification."""

    PUSH = "push"
    LOCATION = "location"
    CALENDAR = "calendar"
    TIME_INTERVAL = "timeInterval"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MessageNotificationAttachment:
    """A file that a notification shows.

    Args:
        identifier: at most 1024 characters, as the others.
        type: of the file.
        url: a URI.

    Raises:
        ConfigurationError: a value is empty or too long, or `url` is no URI.
    """

    DESCRIPTION: ClassVar[str] = "A file that comes with the notification"

    identifier: str = required("identifier", "string", "Which file it is", max_length=_LONG)
    type: str = required("type", "string", "The kind of file", max_length=_LONG)
    url: str = required("url", "string", "Where the file is", format="uri", max_length=_LONG)

    def __post_init__(self) -> None:
        check_properties(self)

    def __repr__(self) -> str:
        """The name of the type only."""
        return "MessageNotificationAttachment(...)"


def _texts(name: str, description: str, item: str) -> Sequence[str | None] | None:
    of = Property(name="", type="string", description=item, nullable=True, max_length=_LONG)
    field: Sequence[str | None] | None = optional(name, "array", description, items=of, min_items=1)
    return field


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MessageNotification(DescribedEvent):
    """A notification was shown, or acted upon. Data of the app's own goes into entities.

    What it says may be addressed to one person. Under user anonymity only what the app fixes
    beforehand remains: trigger, action, category, keys of texts, icon, sound and the counts.

    Args:
        title: at most 1024 characters; never empty.
        body: at most 4096 characters; never empty.
        trigger: what raised it, or its text.
        action: what the user chose.
        attachments: files that it shows.
        body_loc_args: texts put into the body's, at most 1024 characters each.
        body_loc_key: the name of the body's text in the app's resources.
        category: the kind of notification.
        content_available: iOS: it wakes the app.
        group: of notifications that are shown together.
        icon: Android: its icon.
        notification_count: 0 to 10,000; on iOS the badge.
        notification_timestamp: when it was raised, RFC 3339.
        sound: what is played.
        subtitle: iOS: below the title.
        tag: Android: notifications of one tag replace one another.
        thread_identifier: iOS: as `group`.
        title_loc_args: texts put into the title's.
        title_loc_key: the name of the title's text in the app's resources.

    Raises:
        ConfigurationError: as `DescribedEvent`.
    """

    SCHEMA: ClassVar[str] = (
        "iglu:com.snowplowanalytics.mobile/message_notification/jsonschema/1-0-0"
    )
    DESCRIPTION: ClassVar[str] = "A notification was shown or acted upon"

    title: str = required("title", "string", "The headline", max_length=_LONG)
    body: str = required("body", "string", "The text", max_length=4096)
    trigger: MessageNotificationTrigger | str = required(  # noqa: RUF009 - a field
        "trigger", "string", "What raised it", choices=tuple(MessageNotificationTrigger)
    )
    notification_timestamp: str | None = optional(
        "notificationTimestamp", "string", "When it was raised", format="date-time"
    )
    sound: str | None = optional("sound", "string", "What is played", max_length=_LONG)
    action: str | None = optional("action", "string", "What the user chose", max_length=_LONG)
    body_loc_key: str | None = optional(
        "bodyLocKey", "string", "The name of the text in the app's resources", max_length=_LONG
    )
    body_loc_args: Sequence[str | None] | None = _texts(
        "bodyLocArgs", "What is put into the text", "A value for the text"
    )
    title_loc_key: str | None = optional(
        "titleLocKey", "string", "The name of the headline in the resources", max_length=_LONG
    )
    title_loc_args: Sequence[str | None] | None = _texts(
        "titleLocArgs", "What is put into the headline", "A value for the headline"
    )
    group: str | None = optional("group", "string", "What it is shown with", max_length=_LONG)
    category: str | None = optional("category", "string", "The kind", max_length=_LONG)
    notification_count: int | None = optional(
        "notificationCount", "integer", "How many things wait", minimum=0, maximum=10_000
    )
    subtitle: str | None = optional("subtitle", "string", "Below the title", max_length=_LONG)
    content_available: bool | None = optional(
        "contentAvailable", "boolean", "Whether it wakes the app"
    )
    thread_identifier: str | None = optional(
        "threadIdentifier", "string", "What it is shown with on iOS", max_length=_LONG
    )
    icon: str | None = optional("icon", "string", "Its icon", max_length=_LONG)
    tag: str | None = optional("tag", "string", "What it replaces", max_length=_LONG)
    attachments: Sequence[MessageNotificationAttachment] | None = optional(
        "attachments", "array", "Files that it shows", items=MessageNotificationAttachment
    )
