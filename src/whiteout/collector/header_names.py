"""What the names of a request's headers say, whatever their values.

Clients are many, but lists of names are few: each browser and each HTTP library has its own, in its
own order. What follows from a list is found out once and looked up by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whiteout.protocol.collector_payload import line_starts

if TYPE_CHECKING:
    from collections.abc import Iterable

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

_REMEMBERED = 512  # lists of names; then all are forgotten
_OF_FRAMING = frozenset({b"connection", b"transfer-encoding", b"expect"})
_CREDENTIALS = frozenset({b"authorization", b"proxy-authorization"})
_WISHES = frozenset({b"sp-anonymous", b"sec-gpc"})


class Names:
    """The names of one request's headers, in order of arrival.

    Attributes:
        written: as they came.
        lower: in lower case.
        places: of each name in lower case, where it stands; of a repeated one the last.
        starts: of their lines in a record.
        is_repeated: whether a name comes twice.
        frames_usually: in HTTP/1.1, these names raise no question where the request ends.
        length_place: of `Content-Length`; -1 where there is none.
        cookie_place: of a `Cookie`, written like that; -1 where there is none.
        stay: whether the lines go into a record as they came, but for what the cookie says: no
            name is repeated, or a credential's, or a cookie's written in another way.
        may_ask: whether one of them can ask for anonymity.
    """

    __slots__ = (
        "cookie_place",
        "frames_usually",
        "is_repeated",
        "length_place",
        "lower",
        "may_ask",
        "places",
        "starts",
        "stay",
        "written",
    )

    def __init__(self, written: Iterable[bytes]) -> None:
        self.written = tuple(written)
        self.lower = lower = tuple([LOWER[name] for name in self.written])
        self.places = {name: place for place, name in enumerate(lower)}
        self.starts = line_starts(self.written)
        names = self.places.keys()
        self.is_repeated = len(names) < len(lower)
        self.frames_usually = (
            b"host" in names and not self.is_repeated and names.isdisjoint(_OF_FRAMING)
        )
        self.length_place = self.places.get(b"content-length", -1)
        self.cookie_place = self.written.index(b"Cookie") if b"Cookie" in self.written else -1
        self.stay = (
            not self.is_repeated
            and names.isdisjoint(_CREDENTIALS)
            and (b"cookie" not in names or self.cookie_place >= 0)
        )
        self.may_ask = not names.isdisjoint(_WISHES)


class _Lists(dict[bytes, Names]):
    def __missing__(self, key: bytes) -> Names:
        names = Names(key.split(b":") if key else ())
        # A name that is nobody's but the client's is not kept beyond its connection.
        if not names.is_repeated and LOWER.keys() >= set(names.written):
            if len(self) >= _REMEMBERED:
                self.clear()
            self[key] = names
        return names


NAMES = _Lists()
"""Names, with `:` between them (none has one, and none is empty), to what they say."""

NO_NAMES = Names(())

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
