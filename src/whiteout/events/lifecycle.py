"""The app came to the foreground, or went to the background."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from whiteout.events.event import Event, body, check_common
from whiteout.events.properties import MAX_INT32, check_properties, wire, wire_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.protocol.self_describing import SelfDescribingJson


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Foreground(Event):
    """The app came to the foreground. `Tracker.enter_foreground` tracks one with its index.

    Args:
        foreground_index: how often that has happened; 0 to 2147483647.

    Raises:
        ConfigurationError: as `Event`.
    """

    SCHEMA: ClassVar[str] = (
        "iglu:com.snowplowanalytics.snowplow/application_foreground/jsonschema/1-0-0"
    )
    DESCRIPTION: ClassVar[str] = "The app came to the foreground"

    foreground_index: int | None = field(
        default=None,
        metadata=wire(
            name="foregroundIndex",
            type="integer",
            minimum=0,
            maximum=MAX_INT32,
            description="How often the app has come to the foreground",
        ),
    )

    def __post_init__(self) -> None:
        check_common(self.entities, self.true_timestamp)
        check_properties(self)

    def self_describing(self, new_uuid: Callable[[], str]) -> SelfDescribingJson:  # noqa: ARG002 - the interface
        """The body of the event."""
        return body(self.SCHEMA, wire_data(self))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Background(Event):
    """The app went to the background. `Tracker.enter_background` tracks one with its index.

    Args:
        background_index: how often that has happened; 0 to 2147483647.

    Raises:
        ConfigurationError: as `Event`.
    """

    SCHEMA: ClassVar[str] = (
        "iglu:com.snowplowanalytics.snowplow/application_background/jsonschema/1-0-0"
    )
    DESCRIPTION: ClassVar[str] = "The app went to the background"

    background_index: int | None = field(
        default=None,
        metadata=wire(
            name="backgroundIndex",
            type="integer",
            minimum=0,
            maximum=MAX_INT32,
            description="How often the app has gone to the background",
        ),
    )

    def __post_init__(self) -> None:
        check_common(self.entities, self.true_timestamp)
        check_properties(self)

    def self_describing(self, new_uuid: Callable[[], str]) -> SelfDescribingJson:  # noqa: ARG002 - the interface
        """The body of the event."""
        return body(self.SCHEMA, wire_data(self))
