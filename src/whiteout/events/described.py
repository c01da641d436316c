"""What events have in common whose properties are those of their schema, one field each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from whiteout.events.event import Event, body, check_common
from whiteout.events.properties import check_properties, wire, wire_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.protocol.self_describing import SelfDescribingJson


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DescribedEvent(Event):
    """An event whose fields carry the properties of its schema.

    Raises:
        ConfigurationError: as `Event`; or a value is outside what the schema allows.
    """

    SCHEMA: ClassVar[str]
    DESCRIPTION: ClassVar[str]

    def __post_init__(self) -> None:
        check_common(self.entities, self.true_timestamp)
        check_properties(self)

    def self_describing(self, new_uuid: Callable[[], str]) -> SelfDescribingJson:  # noqa: ARG002 - the interface
        """The body of the event; absent values are left out."""
        return body(self.SCHEMA, wire_data(self))


def required(name: str, kind: str, description: str, **limits: Any) -> Any:  # noqa: ANN401 - a dataclass field
    """A field that the schema insists on; `limits` as in `Property`."""
    return field(
        metadata=wire(name=name, type=kind, description=description, required=True, **limits)
    )


def optional(name: str, kind: str, description: str, **limits: Any) -> Any:  # noqa: ANN401 - a dataclass field
    """A field that may be left out, or null on the wire; `limits` as in `Property`."""
    limits = {"nullable": True} | limits
    return field(
        default=None, metadata=wire(name=name, type=kind, description=description, **limits)
    )
