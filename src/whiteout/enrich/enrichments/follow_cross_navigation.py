"""Who came from which other site or app, from `_sp` in the page's URL, as an entity.

Source: reference sections 2.5 and 2.9. Anonymous events have no `_sp` any more (W14).
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING

from whiteout.enrich import conversions, timestamps
from whiteout.enrich.atomic import COLUMN_INDEX
from whiteout.enrich.enrichments.interface import (
    ENRICHMENTS_VENDOR,
    Configuration,
    Kind,
    NoParameters,
    Surroundings,
    read_parameters,
)
from whiteout.enrich.urls import cross_navigation
from whiteout.iglu.embedded.enrichments import CROSS_NAVIGATION
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.event import EnrichedEvent
    from whiteout.enrich.load import Request

_QUERY = COLUMN_INDEX["page_urlquery"]


class FollowCrossNavigation:
    """Adds the entity `cross_navigation`."""

    schema = f"iglu:{ENRICHMENTS_VENDOR}/cross_navigation_config/jsonschema/1-0-0"
    identifier = "cross-navigation"

    def enrich(
        self, event: EnrichedEvent, request: Request, parameters: Parameters
    ) -> Sequence[SelfDescribingJson]:
        """One entity; none where the link names nobody, or no moment."""
        query = event.fields[_QUERY]
        decoration = None if query is None or request.anonymous else cross_navigation(query)
        if decoration is None:
            return ()
        texts = [conversions.text(part) for part in decoration.split(".")]
        user, time, session, business, source, platform, reason = (texts + [None] * 7)[:7]
        if user is None or time is None:
            return ()
        try:
            moment = timestamps.to_iso(conversions.epoch_ms(time))
        except conversions.ConversionError:
            return ()  # the derived columns have failed over it already
        data = {
            "domain_user_id": user,
            "timestamp": moment,
            "session_id": session,
            "user_id": _decode(business),
            "source_id": _decode(source),
            "source_platform": platform,
            "reason": _decode(reason),
        }
        return (SelfDescribingJson(CROSS_NAVIGATION, data),)


def _decode(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return conversions.text(urlsafe_b64decode(f"{text}===").decode())
    except (binascii.Error, ValueError):
        return None


def make(configuration: Configuration, surroundings: Surroundings) -> FollowCrossNavigation:
    """From the official configuration."""
    read_parameters(configuration, NoParameters)
    return FollowCrossNavigation()


KIND = Kind(vendor=ENRICHMENTS_VENDOR, name="cross_navigation_config", version="1-0-0", make=make)
