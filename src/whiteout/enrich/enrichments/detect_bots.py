"""Whether an event comes from a robot, from all that is known of it.

Source: reference section 2.10.6.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from whiteout.enrich.enrichments.interface import (
    ENRICHMENTS_VENDOR,
    Configuration,
    Kind,
    Surroundings,
    read_parameters,
)
from whiteout.errors import ConfigurationError
from whiteout.iglu.embedded.enrichments import (
    ASN,
    BOT_DETECTION,
    CLIENT_SIDE_BOT_DETECTION,
    SPIDERS_AND_ROBOTS,
)
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.event import EnrichedEvent
    from whiteout.enrich.load import Request

_LOGGER = logging.getLogger(__name__)

# Indicator to the entity that it reads and the property that says so.
_INDICATORS = {
    "iab": (SPIDERS_AND_ROBOTS, "spiderOrRobot"),
    "asnLookups": (ASN, "likelyBot"),
    "clientSideDetection": (CLIENT_SIDE_BOT_DETECTION, "bot"),
}


class DetectBots:
    """Adds the entity `bot_detection`.

    Args:
        indicators: of `iab`, `asnLookups` and `clientSideDetection` those that count.
    """

    schema = f"iglu:{ENRICHMENTS_VENDOR}/bot_detection_enrichment_config/jsonschema/1-0-1"
    identifier = "bot-detection"

    def __init__(self, indicators: Iterable[str]) -> None:
        counted = frozenset(indicators)
        self._indicators = [
            (name, *found) for name, found in _INDICATORS.items() if name in counted
        ]

    def enrich(
        self, event: EnrichedEvent, request: Request, parameters: Parameters
    ) -> Sequence[SelfDescribingJson]:
        """One entity, whatever it says."""
        # What enrichments found is trusted only from enrichments: a tracker may send anything.
        places = {"clientSideDetection": event.contexts}
        found = [
            name
            for name, schema, key in self._indicators
            if any(
                entity.schema == schema and entity.data.get(key) is True
                for entity in places.get(name, event.derived_contexts)
            )
        ]
        data = {"bot": bool(found), "indicators": found}
        return (SelfDescribingJson(BOT_DETECTION, data),)


class _Parameters(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    use_yauaa: bool = False
    use_iab: bool = False
    use_asn_lookups: bool = False
    use_client_side_detection: bool = False


def make(configuration: Configuration, surroundings: Surroundings) -> DetectBots:
    """From the official configuration."""
    parameters = read_parameters(configuration, _Parameters)
    if parameters.use_yauaa and surroundings.unsupported == "refuse":
        raise ConfigurationError(
            "useYauaa must be false: there is no YAUAA in Python; use iab, ASN or the client's"
            " word, or leave it out with --set enrich.unsupported=warn"
        )
    if parameters.use_yauaa:
        _LOGGER.warning("bot_detection_enrichment_config: useYauaa is left out")
    used = {
        "iab": parameters.use_iab,
        "asnLookups": parameters.use_asn_lookups,
        "clientSideDetection": parameters.use_client_side_detection,
    }
    return DetectBots(name for name, is_used in used.items() if is_used)


KIND = Kind(
    vendor=ENRICHMENTS_VENDOR, name="bot_detection_enrichment_config", version="1-0-1", make=make
)
