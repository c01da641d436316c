"""Self-describing JSON: data that names its own schema."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from whiteout.errors import ConfigurationError, ProtocolError
from whiteout.protocol.iglu import SchemaKey, parse_schema_key

if TYPE_CHECKING:
    from collections.abc import Mapping

UNSTRUCT_EVENT = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"
CONTEXTS = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1"
PAYLOAD_DATA = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"


@dataclass(frozen=True, slots=True)
class SelfDescribingJson:
    """An entity, or the body of a self-describing event.

    Args:
        schema: an Iglu URI, `iglu:com.acme/user/jsonschema/1-0-0`.
        data: what the schema describes; read once, when the event is tracked.

    Raises:
        ConfigurationError: `schema` is not an Iglu URI.
    """

    schema: str
    data: Mapping[str, Any] = field(repr=False)

    def __post_init__(self) -> None:
        try:
            parse_schema_key(self.schema)
        except ProtocolError as error:
            raise ConfigurationError(f"schema: {error}") from error

    @property
    def key(self) -> SchemaKey:
        """The parsed schema."""
        return parse_schema_key(self.schema)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form, `{"schema": ..., "data": ...}`."""
        return {"schema": self.schema, "data": self.data}
