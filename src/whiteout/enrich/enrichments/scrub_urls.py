"""Takes out of URLs what may identify somebody: logins, fragments, and of queries all but a list.

An enrichment of this project (W7): pseudonyms reach whole columns, and what is written into a URL
stands in three of them. It runs first, so that nothing later sees what it takes away; campaigns are
attributed from what is kept.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

import msgspec

from whiteout.enrich.atomic import COLUMN_INDEX
from whiteout.enrich.enrichments.interface import (
    OWN_VENDOR,
    Configuration,
    Kind,
    Surroundings,
    read_parameters,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.event import EnrichedEvent
    from whiteout.enrich.load import Request
    from whiteout.protocol.self_describing import SelfDescribingJson

_URLS = tuple(
    (
        COLUMN_INDEX[url],
        COLUMN_INDEX[f"{prefix}_urlquery"],
        COLUMN_INDEX[f"{prefix}_urlfragment"],
    )
    for url, prefix in (("page_url", "page"), ("page_referrer", "refr"))
)
_COLUMNS = frozenset(column for columns in _URLS for column in columns)
_URL_COLUMNS = frozenset(columns[0] for columns in _URLS)
_QUERY_COLUMNS = frozenset(columns[1] for columns in _URLS)
_NAVIGATION = tuple(COLUMN_INDEX[name] for name in ("refr_domain_userid", "refr_dvce_tstamp"))
_URL = re.compile(
    r"(?P<start>(?:[^:/?#]+:)?//)?(?:(?P<login>[^/?#@]*)@)?(?P<path>[^?#]*)"
    r"(?:\?(?P<query>[^#]*))?(?:#.*)?",
    re.DOTALL,
)


class ScrubUrls:
    """Cleans page and referrer.

    Args:
        keep: names of parameters of the query that stay.
    """

    schema = f"iglu:{OWN_VENDOR}/url_scrubbing_config/jsonschema/1-0-0"
    identifier = "url-scrubbing"
    hidden_parameters = frozenset({"url", "refr"})

    def __init__(self, keep: Iterable[str]) -> None:
        self._keep = frozenset(keep)

    def enrich(
        self, event: EnrichedEvent, request: Request, parameters: Parameters
    ) -> Sequence[SelfDescribingJson]:
        """No entity: columns are changed."""
        fields = event.fields
        for url, query, fragment in _URLS:
            text = fields[url]
            if text is not None:
                fields[url] = self._clean(text)
                fields[query] = self._clean_query(fields[query] or "") or None
                fields[fragment] = None
        if "_sp" not in self._keep:
            for column in _NAVIGATION:
                fields[column] = None
        return ()

    def applies(self, request: Request) -> bool:
        """To every request."""
        return True

    def mask(self, column: int, text: str) -> str | None:
        """What may stand in a column."""
        if column in _URL_COLUMNS:
            return self._clean(text)
        if column in _QUERY_COLUMNS:
            return self._clean_query(text) or None
        return None if column in _COLUMNS or column in _NAVIGATION else text

    def mask_parts(self, event: EnrichedEvent) -> None:
        """Nothing: entities are the business of pseudonyms."""

    def _clean(self, url: str) -> str:
        match = _URL.fullmatch(url)
        if match is None:
            return ""
        query = self._clean_query(match["query"] or "")
        return f"{match['start'] or ''}{match['path']}{'?' if query else ''}{query}"

    def _clean_query(self, query: str) -> str:
        return "&".join(
            part
            for part in query.split("&")
            if part and unquote_plus(part.partition("=")[0]) in self._keep
        )


class _Parameters(msgspec.Struct, forbid_unknown_fields=True):
    keep: list[str]


def make(configuration: Configuration, surroundings: Surroundings) -> ScrubUrls:
    """From its configuration."""
    return ScrubUrls(read_parameters(configuration, _Parameters).keep)


KIND = Kind(
    vendor=OWN_VENDOR, name="url_scrubbing_config", version="1-0-0", make=make, is_privacy=True
)
