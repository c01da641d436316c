"""How the embedded schemas are written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whiteout.protocol.iglu import parse_schema_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VENDOR = "com.snowplowanalytics.snowplow"
_META_SCHEMA = (
    "http://iglucentral.com/schemas/com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0#"
)

STRING: dict[str, Any] = {"type": "string"}
NUMBER: dict[str, Any] = {"type": "number"}


def self_describing(uri: str, **definition: Any) -> dict[str, Any]:  # noqa: ANN401 - any keyword
    """A self-describing schema: the key of `uri` and the keywords of `definition`."""
    key = parse_schema_key(uri)
    own = {"vendor": key.vendor, "name": key.name, "format": key.format, "version": key.version}
    return {"$schema": _META_SCHEMA, "self": own, **definition}


def closed_object(
    properties: Mapping[str, dict[str, Any]], *, required: Sequence[str]
) -> dict[str, Any]:
    """An object that has these properties and no others."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def uri_of(name: str, version: str) -> str:
    """The Iglu URI of one of Snowplow's own schemas."""
    return f"iglu:{VENDOR}/{name}/jsonschema/{version}"


def by_uri(definitions: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Make each definition self-describing under its URI."""
    return {uri: self_describing(uri, **definition) for uri, definition in definitions.items()}
