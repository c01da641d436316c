"""The schemas this package brings along, so that the usual events need no registry at all."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from whiteout.events.schema import SCHEMAS as SDK_SCHEMAS
from whiteout.iglu.embedded.enrichments import ENRICHMENT_SCHEMAS
from whiteout.iglu.embedded.envelopes import ENVELOPE_SCHEMAS
from whiteout.iglu.embedded.javascript import JAVASCRIPT_SCHEMAS
from whiteout.iglu.embedded.web import WEB_SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMAS: Mapping[str, dict[str, Any]] = MappingProxyType(
    {
        **ENVELOPE_SCHEMAS,
        **WEB_SCHEMAS,
        **JAVASCRIPT_SCHEMAS,
        **ENRICHMENT_SCHEMAS,
        **SDK_SCHEMAS,
    }
)
"""All of them, by Iglu URI: the envelopes, the events of Snowplow's Python and JavaScript
trackers, what enrichments add, and what the SDK of this package sends."""
