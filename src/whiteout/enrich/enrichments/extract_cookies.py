"""Cookies of the request that are named in the configuration, as entities.

Source: reference section 2.10.4. An anonymous request has none, and none is looked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from whiteout.enrich.enrichments.interface import (
    SNOWPLOW,
    Configuration,
    Kind,
    Surroundings,
    read_parameters,
)
from whiteout.iglu.embedded.enrichments import HTTP_COOKIE
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.event import EnrichedEvent
    from whiteout.enrich.load import Request


class ExtractCookies:
    """Adds an entity `http_cookie` for each cookie.

    Args:
        names: of the cookies, exactly.
    """

    schema = f"iglu:{SNOWPLOW}/cookie_extractor_config/jsonschema/1-0-0"
    identifier = "cookie-extractor"

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)

    def enrich(
        self, event: EnrichedEvent, request: Request, parameters: Parameters
    ) -> Sequence[SelfDescribingJson]:
        """The entities, in the order of the request."""
        if request.anonymous:
            return ()
        entities = []
        for header in request.payload.headers:
            name, colon, value = header.partition(":")
            if not colon or name.strip().lower() != "cookie":
                continue
            for part in value.split(";"):
                cookie, equals, content = part.strip().partition("=")
                if cookie in self._names and part.strip():
                    data = {"name": cookie, "value": content.strip('"') if equals else None}
                    entities.append(SelfDescribingJson(HTTP_COOKIE, data))
        return entities


class _Parameters(msgspec.Struct, forbid_unknown_fields=True):
    cookies: list[str]


def make(configuration: Configuration, surroundings: Surroundings) -> ExtractCookies:
    """From the official configuration."""
    return ExtractCookies(read_parameters(configuration, _Parameters).cookies)


KIND = Kind(vendor=SNOWPLOW, name="cookie_extractor_config", version="1-0-0", make=make)
