"""The one address of a request: decided here, and by nothing after (weaknesses W2, W9, W11)."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def client_address(peer: str, forwarded_for: Sequence[bytes], trusted_proxies: int) -> str:
    """Return the client's address.

    Args:
        peer: the socket's, normalised.
        forwarded_for: the values of all `X-Forwarded-For` headers, in order.
        trusted_proxies: how many proxies stand in front; each appended what it saw. Elements left
            of theirs come from the client and count for nothing.
    """
    if not trusted_proxies or not forwarded_for:
        return peer
    elements = b",".join(forwarded_for).split(b",")
    element = elements[max(-trusted_proxies, -len(elements))]
    return normalise(element.decode("latin-1"))
