"""Headers of the request whose names match a pattern, as entities.

Source: reference section 2.10.4. Nothing is taken from an anonymous request, and headers that carry
an address, a cookie or a credential are never taken, whatever the pattern (W13).
"""

from __future__ import annotations

import re
from functools import lru_cache
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
from whiteout.iglu.embedded.enrichments import HTTP_HEADER
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.event import EnrichedEvent
    from whiteout.enrich.load import Request

# Words rather than names: every proxy and content network has headers of its own.
_IDENTIFYING = re.compile(
    r"forward|via$|cookie|authori[sz]ation|authenticat|token|secret|session|credential|api-?key"
    r"|ip$|ips$|^ip|client-?ip|(?:^|[-_])(?:ip|addr|address|uid|identity|jwt|csrf|xsrf|auth)(?:$|[-_])"
    r"|user-?(?:id|name|mail)|(?:^|[-_])user$|client-?id|geoip|remote-|referer|cert|device-?id"
    r"|visitor|trace|request-?id|correlation-?id|^x-amz-cf-id|^x-amzn-oidc|^cf-ray",
    re.IGNORECASE,
)


def identifies(name: str) -> bool:
    """Whether a header of that name may carry an address, a cookie, a credential or an id."""
    return _IDENTIFYING.search(name) is not None


class ExtractHeaders:
    """Adds an entity `http_header` for each header.

    Args:
        pattern: a regular expression that the whole name matches, in the case it came in.

    Raises:
        ConfigurationError: it is not a regular expression.
    """

    schema = f"iglu:{ENRICHMENTS_VENDOR}/http_header_extractor_config/jsonschema/1-0-0"
    identifier = "http-header-extractor"

    def __init__(self, pattern: str) -> None:
        try:
            compiled = re.compile(pattern)
        except re.error as error:
            raise ConfigurationError(
                f"headersPattern must be a regular expression, got {pattern!r}: {error}"
            ) from error

        @lru_cache(maxsize=1024)  # names repeat; patterns of users may be slow
        def is_taken(name: str) -> bool:
            return compiled.fullmatch(name) is not None and not identifies(name)

        self._is_taken = is_taken

    def enrich(
        self, event: EnrichedEvent, request: Request, parameters: Parameters
    ) -> Sequence[SelfDescribingJson]:
        """The entities, in the order of the request."""
        if request.anonymous:
            return ()
        entities = []
        for header in request.payload.headers:
            name, colon, value = header.partition(":")
            name = name.strip()
            if colon and self._is_taken(name):
                entities.append(
                    SelfDescribingJson(HTTP_HEADER, {"name": name, "value": value.strip()})
                )
        return entities


class _Parameters(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    headers_pattern: str


def make(configuration: Configuration, surroundings: Surroundings) -> ExtractHeaders:
    """From the official configuration."""
    return ExtractHeaders(read_parameters(configuration, _Parameters).headers_pattern)


KIND = Kind(
    vendor=ENRICHMENTS_VENDOR, name="http_header_extractor_config", version="1-0-0", make=make
)
