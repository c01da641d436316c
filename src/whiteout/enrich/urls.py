"""Parts of URLs, and what the link decoration `_sp` in them says.

Source: reference section 2.5.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote_plus

from whiteout.enrich.conversions import ConversionError
from whiteout.protocol.cross_navigation import CROSS_NAVIGATION_KEY

# RFC 3986, appendix B: matches any text, in linear time.
_URL = re.compile(r"(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_HOST_AND_PORT = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{0,5}))?")
_MAX_PORT = 65535
_DEFAULT_PORT, _DEFAULT_PORT_HTTPS = 80, 443


class UrlParts(NamedTuple):
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
    scheme, authority, path, query, fragment = match.groups() if match else (None,) * 5
    host_and_port = _HOST_AND_PORT.fullmatch((authority or "").rpartition("@")[2])
    if match is None or host_and_port is None:
        raise ConversionError("not a URL: its host or port is malformed")
    host, port_text = host_and_port.groups()
    if port_text:
        port = int(port_text)
        if port > _MAX_PORT:
            raise ConversionError("not a URL: its port is beyond 65535")
    else:
        port = _DEFAULT_PORT_HTTPS if scheme == "https" else _DEFAULT_PORT
    return UrlParts(
        scheme or None, host or None, port, path or None, query or None, fragment or None
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
