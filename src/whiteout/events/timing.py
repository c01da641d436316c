"""How long something took."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from whiteout.events.event import Event, body, check_common
from whiteout.events.properties import check_properties, wire, wire_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.protocol.self_describing import SelfDescribingJson


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Timing(Event):
    """Something was timed.

    Args:
        category: the group of timings, such as `start`. Never empty.
        variable: what was timed. Never empty.
        timing: how long it took, in a unit of the app's choice; finite.
        label: more about it.

    Raises:
        ConfigurationError: as `Event`.
    """

    SCHEMA: ClassVar[str] = "iglu:com.snowplowanalytics.snowplow/timing/jsonschema/1-0-0"
    DESCRIPTION: ClassVar[str] = "How long something took"

    category: str = field(
        metadata=wire(
            name="category", type="string", required=True, description="The group of timings"
        )
    )
    variable: str = field(
        metadata=wire(name="variable", type="string", required=True, description="What was timed")
    )
    timing: float = field(
        metadata=wire(
            name="timing",
            type="number",
            required=True,
            description="How long it took, in a unit of the app's choice",
        )
    )
    label: str | None = field(
        default=None,
        metadata=wire(name="label", type="string", description="More about the timing"),
    )

    def __post_init__(self) -> None:
        check_common(self.entities, self.true_timestamp)
        check_properties(self)

    def self_describing(self, new_uuid: Callable[[], str]) -> SelfDescribingJson:  # noqa: ARG002 - the interface
        """The body of the event."""
        return body(self.SCHEMA, wire_data(self))
