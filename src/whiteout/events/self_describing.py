"""Events that a schema describes, the app's own or any other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whiteout.errors import ConfigurationError, ProtocolError
from whiteout.events.event import Event, body, check_common
from whiteout.events.properties import wrong_value
from whiteout.protocol.iglu import parse_schema_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from whiteout.protocol.self_describing import SelfDescribingJson


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SelfDescribing(Event):
    """An event described by a schema. Its data is not validated on the device.

    Args:
        schema: an Iglu URI, `iglu:com.acme/order/jsonschema/1-0-0`.
        data: what the schema describes.

    Raises:
        ConfigurationError: as `Event`; or `schema` is no Iglu URI, or `data` no mapping.
    """

    schema: str
    data: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.entities or self.true_timestamp is not None:
            check_common(self.entities, self.true_timestamp)
        if not isinstance(self.schema, str):
            raise wrong_value("schema", self.schema, "an Iglu URI")
        # A dict first: asking for the methods of any mapping takes much longer.
        if not isinstance(self.data, dict) and not hasattr(self.data, "keys"):
            raise wrong_value("data", self.data, "a mapping")
        try:
            parse_schema_key(self.schema)
        except ProtocolError as error:
            raise ConfigurationError(f"schema: {error}") from error

    @classmethod
    def from_json(
        cls,
        json: SelfDescribingJson,
        *,
        entities: Sequence[SelfDescribingJson] = (),
        true_timestamp: datetime | None = None,
    ) -> SelfDescribing:
        """The event whose body is `json`; `entities` and `true_timestamp` as in `Event`."""
        return cls(
            schema=json.schema, data=json.data, entities=entities, true_timestamp=true_timestamp
        )

    def self_describing(self, new_uuid: Callable[[], str]) -> SelfDescribingJson:  # noqa: ARG002 - the interface
        """The body of the event."""
        return body(self.schema, self.data)
