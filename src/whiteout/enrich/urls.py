"""Parts of URLs, and what the link decoration `_sp` in them says.

Source: reference section 2.5.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_plus

from whiteout.enrich.conversions import ConversionError
from whiteout.protocol.cross_navigation import CROSS_NAVIGATION_KEY

# RFC 3986, appendix B: matches any text, in linear time.
_URL = re.compile(
    r"(?:(?P<scheme>[^:/?#]+):)?(?://(?P<authority>[^/?#]*))?"
    r"(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#(?P<fragment>.*))?",
    re.DOTALL,
)
_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{0,5}))?")
_MAX_PORT = 65535
_DEFAULT_PORT, _DEFAULT_PORT_HTTPS = 80, 443


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
    if "sp=" not in query and "%" not in query:  # nearly always
        return None
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if unquote_plus(name) == CROSS_NAVIGATION_KEY:
            return unquote_plus(value) or None
    return None
