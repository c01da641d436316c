"""Parts of URLs, and the link decoration `_sp` that carries an identifier across sites.

Source: reference section 2.5.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_plus

from whiteout.enrich.conversions import ConversionError

# RFC 3986, appendix B: matches any text, in linear time.
_URL = re.compile(
    r"(?:(?P<scheme>[^:/?#]+):)?(?://(?P<authority>[^/?#]*))?"
    r"(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#(?P<fragment>.*))?",
    re.DOTALL,
)
_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{0,5}))?")
_MAX_PORT = 65535
_DEFAULT_PORT, _DEFAULT_PORT_HTTPS = 80, 443

CROSS_NAVIGATION_KEY = "_sp"


@dataclass(frozen=True, slots=True)
class UrlParts:
    """A URL as the columns have it; what is not there is None, the port has a default."""

    scheme: str | None
    host: str | None
    port: int
    path: str | None
    query: str | None
    fragment: str | None


def split_url(url: str) -> UrlParts:
    """Take a URL apart; nothing is decoded.

    Raises:
        ConversionError: it has a port that is none, or a host that is none.
    """
    match = _URL.fullmatch(url)
    without_user = ((match and match["authority"]) or "").rpartition("@")[2]
    authority = _HOST_AND_PORT.fullmatch(without_user)
    if match is None or authority is None:
        raise ConversionError("not a URL: its host or port is malformed")
    port_text = authority["port"]
    if port_text:
        port = int(port_text)
        if port > _MAX_PORT:
            raise ConversionError("not a URL: its port is beyond 65535")
    else:
        port = _DEFAULT_PORT_HTTPS if match["scheme"] == "https" else _DEFAULT_PORT
    return UrlParts(
        scheme=match["scheme"] or None,
        host=authority["host"] or None,
        port=port,
        path=match["path"] or None,
        query=match["query"] or None,
        fragment=match["fragment"] or None,
    )


def cross_navigation(query: str) -> str | None:
    """The value of `_sp` in a query string, decoded; None where there is none or it is empty."""
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if unquote_plus(name) == CROSS_NAVIGATION_KEY:
            return unquote_plus(value) or None
    return None


def without_cross_navigation(url: str) -> str:
    """The URL without `_sp` in its query and in its fragment, however the name is escaped."""
    if "sp" not in url and "%" not in url:
        return url
    rest, mark, fragment = url.partition("#")
    # Applications that route by fragment have queries in there too, with or without `?`.
    return f"{_drop(rest)}{mark}{_drop(fragment, all_is_query='?' not in fragment)}"


def _drop(text: str, *, all_is_query: bool = False) -> str:
    path, mark, query = ("", "", text) if all_is_query else text.partition("?")
    parts = re.split("[&;]", query)
    kept = [part for part in parts if not _is_cross_navigation(part)]
    if len(kept) == len(parts):
        return text
    return f"{path}{mark}{'&'.join(kept)}" if kept else path


def _is_cross_navigation(part: str) -> bool:
    name = unquote_plus(part.partition("=")[0])
    # Escaped twice, or with a query inside the query, it still names somebody.
    return unquote_plus(name).rpartition("?")[2].strip() == CROSS_NAVIGATION_KEY
