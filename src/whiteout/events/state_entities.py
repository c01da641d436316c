"""Entities that say in which state the app is: visible or not, its screen, the link it came by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from whiteout.events.deep_link import MAX_URL
from whiteout.events.entities import Entity
from whiteout.events.properties import MAX_INT32, wire
from whiteout.events.screen_engagement import MAX_ITEMS


def _number(
    name: str, description: str, kind: str = "integer", *, low: int = 0, high: int = MAX_INT32
) -> Any:  # noqa: ANN401 - a dataclass field
    return field(
        default=None,
        metadata=wire(
            name=name,
            type=kind,
            nullable=True,
            minimum=low,
            maximum=high,
            description=description,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class LifecycleEntity(Entity):
    """Whether the app is visible.

    Attributes:
        is_visible: True until the first background event, and after a foreground event.
        index: of the latest foreground or background event.
    """

    SCHEMA: ClassVar[str] = (
        "iglu:com.snowplowanalytics.mobile/application_lifecycle/jsonschema/1-0-0"
    )
    DESCRIPTION: ClassVar[str] = "Whether the app is in the foreground"

    is_visible: bool = field(
        metadata=wire(
            name="isVisible", type="boolean", required=True, description="Whether users see the app"
        )
    )
    index: int | None = field(
        default=None,
        metadata=wire(
            name="index",
            type="integer",
            minimum=0,
            maximum=MAX_INT32,
            description="The index of the latest foreground or background event",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ScreenEntity(Entity):
    """The screen that an event happened on; the last four are those of other trackers.

    Attributes:
        name: of the screen.
        screen_id: of this view of the screen, a UUID.
        type: the kind of screen.
        view_controller: a class of iOS.
        top_view_controller: a class of iOS.
        activity: a class of Android.
        fragment: a class of Android.
    """

    SCHEMA: ClassVar[str] = "iglu:com.snowplowanalytics.mobile/screen/jsonschema/1-0-0"
    DESCRIPTION: ClassVar[str] = "The screen that an event happened on"

    name: str = field(
        metadata=wire(
            name="name", type="string", required=True, description="The name of the screen"
        )
    )
    screen_id: str = field(
        metadata=wire(
            name="id",
            type="string",
            required=True,
            format="uuid",
            max_length=36,
            description="The id of this view of the screen",
        )
    )
    type: str | None = field(
        default=None,
        metadata=wire(name="type", type="string", description="The kind of screen"),
    )
    view_controller: str | None = field(
        default=None,
        metadata=wire(name="viewController", type="string", description="Its class on iOS"),
    )
    top_view_controller: str | None = field(
        default=None,
        metadata=wire(
            name="topViewController", type="string", description="The class of the top one on iOS"
        ),
    )
    activity: str | None = field(
        default=None,
        metadata=wire(name="activity", type="string", description="Its activity on Android"),
    )
    fragment: str | None = field(
        default=None,
        metadata=wire(name="fragment", type="string", description="Its fragment on Android"),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ScreenSummary(Entity):
    """What happened on a screen so far; seconds and pixels.

    Attributes:
        foreground_sec: how long the screen was there while the app was visible.
        background_sec: how long while it was not.
        last_item_index: the highest that a list item view had.
        items_count: the highest that a list item view had.
        min_x_offset: how far the user scrolled to the left.
        max_x_offset: how far the user saw to the right.
        min_y_offset: how far the user scrolled up.
        max_y_offset: how far the user saw down.
        content_width: of all that could be scrolled to.
        content_height: of all that could be scrolled to.
    """

    SCHEMA: ClassVar[str] = "iglu:com.snowplowanalytics.mobile/screen_summary/jsonschema/1-0-0"
    DESCRIPTION: ClassVar[str] = "What happened on a screen so far"

    foreground_sec: float = field(
        metadata=wire(
            name="foreground_sec",
            type="number",
            required=True,
            minimum=0,
            maximum=MAX_INT32,
            description="Seconds on the screen with the app in the foreground",
        )
    )
    background_sec: float | None = _number(
        "background_sec", "Seconds on the screen with the app in the background", "number"
    )
    last_item_index: int | None = _number(
        "last_item_index", "The highest index of a list item that was seen", high=MAX_ITEMS
    )
    items_count: int | None = _number(
        "items_count", "The highest count of list items", high=MAX_ITEMS
    )
    min_x_offset: int | None = _number(
        "min_x_offset", "The leftmost pixel that was seen", low=-MAX_INT32
    )
    max_x_offset: int | None = _number(
        "max_x_offset", "The rightmost pixel that was seen", low=-MAX_INT32
    )
    min_y_offset: int | None = _number(
        "min_y_offset", "The topmost pixel that was seen", low=-MAX_INT32
    )
    max_y_offset: int | None = _number(
        "max_y_offset", "The lowest pixel that was seen", low=-MAX_INT32
    )
    content_width: int | None = _number("content_width", "The greatest width of the content")
    content_height: int | None = _number("content_height", "The greatest height of the content")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class DeepLink(Entity):
    """The link that brought the user to a screen.

    Attributes:
        url: of the link.
        referrer: where the link was.
    """

    SCHEMA: ClassVar[str] = "iglu:com.snowplowanalytics.mobile/deep_link/jsonschema/1-0-0"
    DESCRIPTION: ClassVar[str] = "The link that brought the user to the screen"

    url: str = field(
        metadata=wire(
            name="url",
            type="string",
            required=True,
            format="uri",
            max_length=MAX_URL,
            description="The URL of the link",
        )
    )
    referrer: str | None = field(
        default=None,
        metadata=wire(
            name="referrer",
            type="string",
            format="uri",
            max_length=MAX_URL,
            description="Where the link was",
        ),
    )
