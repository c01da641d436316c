"""What kind of site led to the page: search, social, mail, paid, the site's own.

The list of sites is the user's: a file in the format of the official `referers-latest.json`, in the
folder of the configuration.

Source: reference section 2.9; the order of look-ups is that of the public referer-parser libraries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

import msgspec

from whiteout.enrich import conversions
from whiteout.enrich.atomic import COLUMN_INDEX
from whiteout.enrich.enrichments.interface import (
    SNOWPLOW,
    Asset,
    Configuration,
    Kind,
    Surroundings,
    read_parameters,
)
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.event import EnrichedEvent
    from whiteout.enrich.load import Request
    from whiteout.protocol.self_describing import SelfDescribingJson

_PAGE_HOST = COLUMN_INDEX["page_urlhost"]
_SCHEME, _HOST = COLUMN_INDEX["refr_urlscheme"], COLUMN_INDEX["refr_urlhost"]
_PATH, _QUERY = COLUMN_INDEX["refr_urlpath"], COLUMN_INDEX["refr_urlquery"]
_MEDIUM, _SOURCE = COLUMN_INDEX["refr_medium"], COLUMN_INDEX["refr_source"]
_TERM = COLUMN_INDEX["refr_term"]
_SCHEMES = frozenset({"http", "https", "android-app"})
_MAX_LABELS = 16  # of a host; each is one more look-up


class Source(msgspec.Struct, forbid_unknown_fields=True):
    """One site of the list."""

    domains: list[str]
    parameters: list[str] | None = None


Referrers = dict[str, dict[str, Source]]
"""Medium to the names of its sites to what they are."""


@dataclass(frozen=True, slots=True)
class _Site:
    medium: str
    name: str
    terms: tuple[str, ...]


class ParseReferrer:
    """Fills `refr_medium`, `refr_source` and `refr_term`.

    Args:
        lists: lists of sites; a later one counts more.
        internal_domains: hosts that are the site itself.
    """

    schema = f"iglu:{SNOWPLOW}/referer_parser/jsonschema/2-0-1"
    identifier = "referer-parser"

    def __init__(self, lists: Iterable[Referrers], internal_domains: Iterable[str] = ()) -> None:
        self._sites: dict[str, _Site] = {
            domain: _Site(medium, name, tuple(source.parameters or ()))
            for referrers in lists
            for medium, sources in referrers.items()
            for name, source in sources.items()
            for domain in source.domains
        }
        self._internal = frozenset(domain.lower() for domain in internal_domains)

    def enrich(
        self, event: EnrichedEvent, request: Request, parameters: Parameters
    ) -> Sequence[SelfDescribingJson]:
        """No entity: columns are set."""
        fields = event.fields
        host, scheme = fields[_HOST], fields[_SCHEME]
        if not host or scheme is None or scheme.lower() not in _SCHEMES:
            return ()
        host = host.lower()
        if host in self._internal or host == (fields[_PAGE_HOST] or "").lower():
            fields[_MEDIUM] = "internal"
            return ()
        site = self._find(host, fields[_PATH] or "")
        if site is None:
            fields[_MEDIUM] = "unknown"
            return ()
        fields[_MEDIUM], fields[_SOURCE] = site.medium, site.name
        if site.medium == "search":
            fields[_TERM] = _term(fields[_QUERY] or "", site.terms)
        return ()

    def _find(self, host: str, path: str) -> _Site | None:
        """The most specific entry: with path before without, whole host before its domain."""
        hosts = [host]
        while "." in hosts[-1] and len(hosts) < _MAX_LABELS:
            hosts.append(hosts[-1].partition(".")[2])
        first = path.strip("/").partition("/")[0]
        for suffix in (path, f"/{first}", ""):
            if suffix == "/":
                continue
            for one in hosts:
                site = self._sites.get(one + suffix)
                if site is not None:
                    return site
        return None


def _term(query: str, names: Sequence[str]) -> str | None:
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if unquote_plus(name) in names:
            return conversions.text(unquote_plus(value))
    return None


class _Parameters(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    internal_domains: list[str]
    database: str = ""
    uri: str = ""
    referrers: Referrers = {}


def make(configuration: Configuration, surroundings: Surroundings) -> ParseReferrer:
    """From the official configuration."""
    parameters = read_parameters(configuration, _Parameters)
    lists: list[Mapping[str, dict[str, Source]]] = []
    if parameters.database:
        path = Asset(parameters.database, parameters.uri).required(surroundings.folder)
        lists.append(read_list(path.read_bytes(), path.name))
    lists.append(parameters.referrers)
    return ParseReferrer([dict(one) for one in lists], parameters.internal_domains)


def read_list(content: bytes, name: str) -> Referrers:
    """A list of sites from a file.

    Raises:
        ConfigurationError: it is not in the official format.
    """
    try:
        return msgspec.json.decode(content, type=Referrers)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f'{name} must look like {{"search": {{"Site": {{"domains": [...]}}}}}}: {error}'
        ) from error


# 1-0-0 names no list: Snowplow's enrich had one built in.
KIND = Kind(vendor=SNOWPLOW, name="referer_parser", version="2-0-1", older=("1-0-0",), make=make)
