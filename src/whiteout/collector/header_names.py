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
accept accept-encoding accept-language authorization cache-control cdn-loop cf-connecting-ip
cf-ipcountry cf-ray cf-visitor connection content-length content-type cookie dnt expect forwarded
host if-none-match keep-alive origin pragma priority referer save-data sec-ch-ua sec-ch-ua-arch
sec-ch-ua-full-version-list sec-ch-ua-mobile sec-ch-ua-model sec-ch-ua-platform
sec-ch-ua-platform-version sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-storage-access
sec-fetch-user sec-gpc sp-anonymous te traceparent tracestate transfer-encoding true-client-ip
upgrade-insecure-requests user-agent via x-amzn-trace-id x-cloud-trace-context x-forwarded-for
x-forwarded-host x-forwarded-port x-forwarded-proto x-forwarded-server x-real-ip x-request-id
x-requested-with
"""
_ABBREVIATED = b"""
CDN-Loop CF-Connecting-IP CF-IPCountry CF-Ray CF-Visitor DNT SP-Anonymous Sec-GPC TE True-Client-IP
X-Real-IP X-Request-ID
"""


class _Lower(dict[bytes, bytes]):
    def __missing__(self, name: bytes) -> bytes:
        return name.lower()  # and not remembered: whoever sends them could send any number


LOWER = _Lower(
    (written, written.lower())
    for written in (*_USUAL.split(), *_USUAL.title().split(), *_ABBREVIATED.split())
)
"""Name as it came to name in lower case, whatever it is.

Looking up takes a third of the time of `lower` and the hash of what it returns.
"""

_REMEMBERED = 512  # lists of names; then all are forgotten


class Names:
    """The names of one request's headers, in order of arrival.

    Attributes:
        written: as they came.
        lower: in lower case.
        places: of each name in lower case, where it stands; of a repeated one the last.
        starts: of their lines in a record.
        is_repeated: whether a name comes twice.
        frames_usually: in HTTP/1.1, these names raise no question where the request ends.
        has_connection: whether one of them is `Connection`.
        length_place: of `Content-Length`; -1 where there is none.
        cookie_place: of `Cookie`, the last one, if written like that; -1 where there is none.
        stay: whether the lines go into a record as they came, but for what the cookie says: no
            name is repeated, or a credential's, or a cookie's written in another way.
        may_ask: whether one of them can ask for anonymity.
    """

    __slots__ = (
        "cookie_place",
        "frames_usually",
        "has_connection",
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
        self.lower = tuple([LOWER[name] for name in self.written])
        self.places = places = {name: place for place, name in enumerate(self.lower)}
        self.starts = line_starts(self.written)
        self.is_repeated = is_repeated = len(places) < len(self.lower)
        self.frames_usually = (
            b"host" in places
            and b"transfer-encoding" not in places
            and b"expect" not in places
            and not is_repeated
        )
        self.has_connection = b"connection" in places
        self.length_place = places.get(b"content-length", -1)
        place = places.get(b"cookie", -1)
        self.cookie_place = place if place >= 0 and self.written[place] == b"Cookie" else -1
        self.stay = (
            self.cookie_place == place
            and b"authorization" not in places
            and b"proxy-authorization" not in places
            and not is_repeated
        )
        self.may_ask = b"sp-anonymous" in places or b"sec-gpc" in places


class _Lists(dict[bytes, Names]):
    def __missing__(self, key: bytes) -> Names:
        names = Names(key.split(b":") if key else ())
        # A name that is nobody's but the client's is not kept beyond its connection.
        if not names.is_repeated and all(map(LOWER.__contains__, names.written)):
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
