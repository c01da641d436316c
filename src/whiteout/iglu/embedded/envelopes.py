"""The protocol's own schemas: what a POST body, entities and self-describing events travel in.

Source: reference sections 2.3 (payload_data) and 2.7 (envelopes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whiteout.iglu.embedded.definition import STRING, by_uri, closed_object, uri_of
from whiteout.protocol.parameters import PARAMETERS, REQUIRED_PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Mapping

_LATER_PARAMETERS = (
    frozenset[str](),
    frozenset({"ua"}),
    frozenset({"tnuid"}),
    frozenset({"stm", "sid"}),
    frozenset({"ttm"}),
)
"""What each of `payload_data` 1-0-0 to 1-0-4 added."""

_SELF_DESCRIBING = closed_object(
    {
        "schema": {
            "type": "string",
            "pattern": r"^iglu:[a-zA-Z0-9-_.]+/[a-zA-Z0-9-_]+/[a-zA-Z0-9-_]+/[0-9]+-[0-9]+-[0-9]+$",
        },
        "data": {},
    },
    required=["schema", "data"],
)


def _payload_data(addition: int) -> dict[str, Any]:
    not_yet = frozenset[str]().union(*_LATER_PARAMETERS[addition + 1 :])
    names = sorted(PARAMETERS - not_yet)
    event = closed_object(
        dict.fromkeys(names, STRING), required=sorted(REQUIRED_PARAMETERS, reverse=True)
    )
    return {"type": "array", "items": event, "minItems": 1}


ENVELOPE_SCHEMAS: Mapping[str, dict[str, Any]] = by_uri(
    {
        **{
            uri_of("payload_data", f"1-0-{addition}"): _payload_data(addition)
            for addition in range(len(_LATER_PARAMETERS))
        },
        uri_of("unstruct_event", "1-0-0"): _SELF_DESCRIBING,
        uri_of("contexts", "1-0-0"): {"type": "array", "items": _SELF_DESCRIBING, "minItems": 1},
        uri_of("contexts", "1-0-1"): {"type": "array", "items": _SELF_DESCRIBING},
    }
)
