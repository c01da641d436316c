"""Names that most requests have, as they are usually written."""

from __future__ import annotations

_USUAL = b"""
accept accept-encoding accept-language authorization cache-control connection content-length
content-type cookie dnt expect forwarded host origin pragma referer sec-ch-ua sec-ch-ua-mobile
sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-fetch-site sec-gpc sp-anonymous
transfer-encoding user-agent x-forwarded-for x-forwarded-host x-forwarded-proto x-real-ip
"""


class _Lower(dict[bytes, bytes]):
    def __missing__(self, name: bytes) -> bytes:
        return name.lower()  # and not remembered: whoever sends them could send any number


LOWER = _Lower(
    (written, lower)
    for lower in _USUAL.split()
    for written in (lower, lower.title(), lower.title().replace(b"Sp-", b"SP-"))
)
"""Name as it came to name in lower case, whatever it is.

Looking up takes a third of the time of `lower` and the hash of what it returns.
"""

_OF_PROXIES = frozenset(
    b"forwarded via x-real-ip x-client-ip x-cluster-client-ip x-original-forwarded-for"
    b" cf-connecting-ip true-client-ip fly-client-ip".split()
)


def tells_of_a_proxy(name: bytes) -> bool:
    """Whether a header is one that proxies add, whatever it says.

    Args:
        name: in lower case.
    """
    return name in _OF_PROXIES or name.startswith(b"x-forwarded")
