"""The one address of a request: decided here, and by nothing after (weaknesses W2, W9, W11)."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from whiteout.collector.reading import all_values

if TYPE_CHECKING:
    from whiteout.collector.exchange import Request
    from whiteout.collector.settings import CollectorSettings

UNKNOWN = "unknown"
"""What stands for no address, on the wire of the official pipeline too."""

_WITH_PORT = re.compile(r"\[([^\]]*)\](?::\d{1,5})?|([0-9.]+):\d{1,5}")
_LONGEST = 64  # an IPv6 address with brackets, scope and port


def normalise(text: str) -> str:
    """Return an address in its canonical form, `UNKNOWN` for what is none.

    Port, brackets and IPv6 scope are removed; an IPv4 address mapped into IPv6 becomes IPv4.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        return UNKNOWN
    if match := _WITH_PORT.fullmatch(text):
        text = match[1] or match[2] or ""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return UNKNOWN
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(address)


# Of one element of `Forwarded` (RFC 7239). An address has neither comma nor escape, so elements are
# split at every comma: a quote that a client left open must not swallow its proxies' elements.
_FOR = re.compile(r'(?:^|;)[ \t]*for=("[^"]*"|[^\s";]*)', re.IGNORECASE)


class Proxies:
    """Who the client is, behind the proxies of one configuration (W11).

    Each proxy appends the address that it saw. Elements left of theirs come from the client and
    count for nothing.
    """

    def __init__(self, settings: CollectorSettings) -> None:
        self._count = settings.trusted_proxies
        self._networks = [ipaddress.ip_network(text) for text in settings.trusted_networks]
        self._is_standard = settings.forwarded_header == "Forwarded"
        self._header = settings.forwarded_header.lower().encode()

    def client(self, request: Request) -> str:
        """Return the client's address."""
        if not self._count or not self._is_proxy(request.peer):
            return request.peer
        values = all_values(request, self._header)
        if not values:
            return request.peer
        elements = b",".join(values).decode("latin-1").split(",")
        element = elements[max(-self._count, -len(elements))]
        return _forwarded_for(element) if self._is_standard else normalise(element)

    def _is_proxy(self, peer: str) -> bool:
        if not self._networks:
            return True
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False  # a Unix socket: name no networks where there is one
        return any(address in network for network in self._networks)


def _forwarded_for(element: str) -> str:
    """Return the address after `for=`; `UNKNOWN` where there is none, two, or it is hidden."""
    found = _FOR.findall(element)
    return normalise(found[0].strip('"')) if len(found) == 1 else UNKNOWN
