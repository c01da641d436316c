"""What a user does on a screen, and its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from whiteout.events.event import Event, body, check_common
from whiteout.events.properties import MAX_INT32, check_properties, wire, wire_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.protocol.self_describing import SelfDescribingJson

MAX_ITEMS = 65535


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ScreenEnd(Event):
    """A screen was left. With screen engagement on, the tracker tracks it by itself.

    It then precedes each `ScreenView` but the first, and carries the screen's summary; one that the
    app tracks before the first screen view is not sent.

    Raises:
        ConfigurationError: as `Event`.
    """

    SCHEMA: ClassVar[str] = "iglu:com.snowplowanalytics.mobile/screen_end/jsonschema/1-0-0"
    DESCRIPTION: ClassVar[str] = "A screen of the app was left"

    def self_describing(self, new_uuid: Callable[[], str]) -> SelfDescribingJson:  # noqa: ARG002 - the interface
        """The body of the event, which says nothing more."""
        return body(self.SCHEMA, {})


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ListItemView(Event):
    """An item of a list came into view.

    With screen engagement on it is not sent: what it says goes into the summary of the screen.

    Args:
        index: of the item, from 0; at most 65535.
        items_count: how many items the list has; at most 65535.

    Raises:
        ConfigurationError: as `Event`.
    """

    SCHEMA: ClassVar[str] = "iglu:com.snowplowanalytics.mobile/list_item_view/jsonschema/1-0-0"
    DESCRIPTION: ClassVar[str] = "An item of a list came into view"

    index: int = field(
        metadata=wire(
            name="index",
            type="integer",
            required=True,
            minimum=0,
            maximum=MAX_ITEMS,
            description="Which item of the list it is, counted from 0",
        )
    )
    items_count: int | None = field(
        default=None,
        metadata=wire(
            name="items_count",
            type="integer",
            nullable=True,
            minimum=0,
            maximum=MAX_ITEMS,
            description="How many items the list has",
        ),
    )

    def __post_init__(self) -> None:
        check_common(self.entities, self.true_timestamp)
        check_properties(self)

    def self_describing(self, new_uuid: Callable[[], str]) -> SelfDescribingJson:  # noqa: ARG002 - the interface
        """The body of the event."""
        return body(self.SCHEMA, wire_data(self))


def _pixels(name: str, description: str, *, minimum: int = 0) -> Any:  # noqa: ANN401 - a dataclass field
    return field(
        default=None,
        metadata=wire(
            name=name,
            type="integer",
            nullable=True,
            minimum=minimum,
            maximum=MAX_INT32,
            description=description,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ScrollChanged(Event):
    """The user scrolled. All values are pixels, up to 2147483647; only offsets may be negative.

    With screen engagement on it is not sent: what it says goes into the summary of the screen.

    Args:
        x_offset: how far the view is scrolled to the right.
        y_offset: how far the view is scrolled down.
        view_width: of what is visible.
        view_height: of what is visible.
        content_width: of all that can be scrolled to.
        content_height: of all that can be scrolled to.

    Raises:
        ConfigurationError: as `Event`.
    """

    SCHEMA: ClassVar[str] = "iglu:com.snowplowanalytics.mobile/scroll_changed/jsonschema/1-0-0"
    DESCRIPTION: ClassVar[str] = "The user scrolled"

    x_offset: int | None = _pixels("x_offset", "Pixels scrolled to the right", minimum=-MAX_INT32)
    y_offset: int | None = _pixels("y_offset", "Pixels scrolled down", minimum=-MAX_INT32)
    view_width: int | None = _pixels("view_width", "Pixels visible from left to right")
    view_height: int | None = _pixels("view_height", "Pixels visible from top to bottom")
    content_width: int | None = _pixels("content_width", "Width of all content in pixels")
    content_height: int | None = _pixels("content_height", "Height of all content in pixels")

    def __post_init__(self) -> None:
        check_common(self.entities, self.true_timestamp)
        check_properties(self)

    def self_describing(self, new_uuid: Callable[[], str]) -> SelfDescribingJson:  # noqa: ARG002 - the interface
        """The body of the event."""
        return body(self.SCHEMA, wire_data(self))
