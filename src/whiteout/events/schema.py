"""The JSON Schemas of what the tracker sends by itself, generated from the types.

The pipeline's embedded registry serves them. The tracker never imports this module.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from whiteout.events.consent import ConsentDocument, ConsentGranted, ConsentWithdrawn
from whiteout.events.deep_link import DeepLinkReceived
from whiteout.events.entities import Application, DesktopContext, MobileContext, SessionEntity
from whiteout.events.error import ApplicationError, TrackerError
from whiteout.events.gdpr import GdprConfiguration
from whiteout.events.geolocation import Geolocation
from whiteout.events.install import Install, InstallReferrer
from whiteout.events.lifecycle import Background, Foreground
from whiteout.events.notification import MessageNotification
from whiteout.events.properties import properties_of
from whiteout.events.push_notification import PushNotification
from whiteout.events.screen import ScreenView
from whiteout.events.screen_engagement import ListItemView, ScreenEnd, ScrollChanged
from whiteout.events.state_entities import (
    DeepLink,
    LifecycleEntity,
    ScreenEntity,
    ScreenSummary,
)
from whiteout.events.timing import Timing
from whiteout.protocol.iglu import parse_schema_key

if TYPE_CHECKING:
    from collections.abc import Mapping

META_SCHEMA = (
    "http://iglucentral.com/schemas/com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0#"
)


class Described(Protocol):
    """A type whose fields carry the definitions of `whiteout.events.properties`."""

    SCHEMA: ClassVar[str]
    DESCRIPTION: ClassVar[str]


def json_schema(described: type[Described]) -> dict[str, Any]:
    """The self-describing JSON Schema, draft 4, of an event's or entity's data."""
    key = parse_schema_key(described.SCHEMA)
    definitions = properties_of(described).values()
    schema: dict[str, Any] = {
        "$schema": META_SCHEMA,
        "description": described.DESCRIPTION,
        "self": {
            "vendor": key.vendor,
            "name": key.name,
            "format": key.format,
            "version": key.version,
        },
        "type": "object",
        "properties": {definition.name: definition.json_schema() for definition in definitions},
        "additionalProperties": False,
    }
    # Draft 4 wants at least one name where it is given.
    if required := [definition.name for definition in definitions if definition.required]:
        schema["required"] = required
    return schema


_DESCRIBED: tuple[type[Described], ...] = (
    ScreenView,
    ScreenEnd,
    ListItemView,
    ScrollChanged,
    Foreground,
    Background,
    DeepLinkReceived,
    Timing,
    SessionEntity,
    MobileContext,
    DesktopContext,
    Application,
    Install,
    InstallReferrer,
    MessageNotification,
    PushNotification,
    ConsentGranted,
    ConsentWithdrawn,
    ConsentDocument,
    GdprConfiguration,
    ApplicationError,
    TrackerError,
    Geolocation,
    ScreenEntity,
    ScreenSummary,
    LifecycleEntity,
    DeepLink,
)

SCHEMAS: Mapping[str, dict[str, Any]] = MappingProxyType(
    {described.SCHEMA: json_schema(described) for described in _DESCRIBED}
)
"""Schema by Iglu URI. Read only: whoever changes a schema works on a copy."""
