"""Where a browser may be sent: to allowed hosts, or back to where it came from (W16, W19)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Collection

_SEPARATOR = re.compile(rb"[&;]")
# One reading for all: no login, nothing that a browser would repair (`\`, tabs, spaces, `///`).
_URL = re.compile(
    r"https?://(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::[0-9]{1,5})?(?:[/?#].*)?",
    re.IGNORECASE,
)
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_KEPT = "".join(map(chr, range(0x21, 0x7F)))  # all of ASCII that is printed stays as it is
_MAX_BYTES = 8192


def parameter(query: bytes, name: bytes) -> bytes | None:
    """The value of the first parameter of that name, decoded once; None where there is none."""
    for pair in _SEPARATOR.split(query):
        key, _, value = pair.partition(b"=")
        if key == name or (b"%" in key and unquote_to_bytes(key) == name):
            return unquote_to_bytes(value.replace(b"+", b" "))
    return None


def is_plain_path(path: bytes) -> bool:
    """Tell whether a browser reads a path as it is, and not a backslash as a slash (W19)."""
    return _UNSAFE.search(path.decode("latin-1")) is None


def location(query: bytes, domains: Collection[str]) -> bytes | None:
    """Return where the parameter `u` leads.

    Args:
        query: raw.
        domains: host names in lower case; the target's must be one of them exactly.

    Returns:
        A URL in ASCII; None where `u` is missing, is no plain HTTP URL, or leads elsewhere.
    """
    given = parameter(query, b"u")
    if given is None or len(given) > _MAX_BYTES:
        return None
    try:
        url = given.decode()
    except UnicodeDecodeError:
        return None
    match = _URL.fullmatch(url)
    if match is None or _UNSAFE.search(url) or match["host"].lower() not in domains:
        return None
    return quote(url, safe=_KEPT).encode()
