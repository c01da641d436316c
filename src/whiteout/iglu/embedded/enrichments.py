"""What enrichments add to an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whiteout.iglu.embedded.definition import STRING, by_uri, closed_object, uri_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEXT_OR_NULL = {"type": ["string", "null"]}

UA_PARSER_CONTEXT = uri_of("ua_parser_context", "1-0-0")

ENRICHMENT_SCHEMAS: Mapping[str, dict[str, Any]] = by_uri(
    {
        UA_PARSER_CONTEXT: closed_object(
            {
                "useragentFamily": STRING,
                "useragentMajor": _TEXT_OR_NULL,
                "useragentMinor": _TEXT_OR_NULL,
                "useragentPatch": _TEXT_OR_NULL,
                "useragentVersion": STRING,
                "osFamily": STRING,
                "osMajor": _TEXT_OR_NULL,
                "osMinor": _TEXT_OR_NULL,
                "osPatch": _TEXT_OR_NULL,
                "osPatchMinor": _TEXT_OR_NULL,
                "osVersion": STRING,
                "deviceFamily": STRING,
            },
            required=[
                "useragentFamily",
                "useragentMajor",
                "useragentMinor",
                "osFamily",
                "deviceFamily",
            ],
        )
    }
)
