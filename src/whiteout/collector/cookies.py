"""The network user id's cookie: read, set, cleared (reference section 1.4).

Only ids that the collector made, and that came back as its cookie, are ever written into a cookie,
and only UUIDs: a parameter of the request never is (weaknesses W21 and W22).
"""

from __future__ import annotations

import re
import string
from email.utils import formatdate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whiteout.collector.exchange import Header
    from whiteout.collector.settings import CollectorSettings

_SHAPE_OF_BYTES = bytes(
    ord("x") if chr(byte) in string.hexdigits else byte if byte == ord("-") else 0
    for byte in range(256)
)
_SHAPE_OF_UUID = b"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"

_ORIGIN = re.compile(
    rb"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", re.IGNORECASE
)
_MAX_ORIGINS = 16
_COOKIE = re.compile(rb"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+")


def is_uuid(text: bytes) -> bool:
    """Tell whether `text` is a UUID as it is usually written, in either case."""
    return (
        text.translate(_SHAPE_OF_BYTES) == _SHAPE_OF_UUID
    )  # a third of a regular expression's time


def parse_origins(value: bytes) -> tuple[bytes | None, list[str]]:
    """Read an `Origin` header.

    Returns:
        The first origin as it came, None where it is not one (`null`, garbage); and the host names
        of all origins, in lower case.
    """
    origins = value.split()[:_MAX_ORIGINS]
    matches = [_ORIGIN.fullmatch(origin) for origin in origins]
    hosts = [match[1].decode().lower() for match in matches if match]
    return (origins[0] if matches and matches[0] else None), hosts


class Cookies:
    """The cookie lines for one configuration."""

    def __init__(self, settings: CollectorSettings) -> None:
        self._enabled = settings.cookie_enabled
        self._expiration_s = settings.cookie_expiration_s
        self._domains = settings.cookie_domains
        self._fallback = settings.cookie_fallback_domain
        same_site = settings.cookie_same_site
        shared = "; Path=/"
        if same_site is not None:
            shared += f"; SameSite={same_site}"
        if settings.cookie_secure or same_site == "None":
            shared += "; Secure"
        http_only = "; HttpOnly" if settings.cookie_http_only else ""
        names = [(settings.cookie_name, shared + http_only)]
        if settings.client_cookie_name is not None:
            names.append((settings.client_cookie_name, shared))
        self._names = [
            (b"Set-Cookie: %b=" % name.encode(), rest.encode() + b"\r\n") for name, rest in names
        ]
        every = [settings.cookie_name, settings.client_cookie_name]
        self._own = frozenset(name.encode() for name in every if name is not None)
        self._start = settings.cookie_name.encode() + b"="
        self._stored = frozenset(name.encode() for name in settings.stored_cookies)
        do_not_track = settings.do_not_track_cookie or ("", "")
        self._do_not_track = do_not_track[0].encode()
        self._do_not_track_value = re.compile(do_not_track[1].encode())
        self._second = -1  # the memo of one second's dates
        self._expires = self._expired = b""
        # One cookie without a domain, as by default: all but the id is the same for a second.
        has_domain = bool(self._domains or self._fallback)
        self._simple = self._enabled and len(self._names) == 1 and not has_domain
        self._simple_start = self._names[0][0]
        self._simple_end = b""

    def read(self, values: Iterable[bytes]) -> bytes | None:
        """Return the network user id from the values of `Cookie` headers.

        The first cookie of the name counts; None where it is missing or not a UUID (W21).
        """
        start = self._start
        for value in values:
            for part in value.split(b";"):
                cookie = part.strip()
                if cookie.startswith(start):
                    content = cookie[len(start) :]
                    return content if is_uuid(content) else None
        return None

    def only(self, value: bytes) -> bytes | None:
        """Return what `read` would, where the collector's cookie stands alone; else None."""
        start = self._start
        content = value[len(start) :]
        # A UUID has no `;`: there is nothing behind it. 0.2 us where `read` takes 0.7.
        if value.startswith(start) and content.translate(_SHAPE_OF_BYTES) == _SHAPE_OF_UUID:
            return content
        return None

    def kept(self, own: bytes | None, values: Iterable[bytes]) -> bytes:
        """Return what goes into the record: the collector's cookie, and those that are configured.

        Args:
            own: as `read` returned it.
            values: of `Cookie` headers.
        """
        kept = [] if own is None else [self._start + own]
        if self._stored:
            for value in values:
                for part in value.split(b";"):
                    cookie = part.replace(b" ", b"")
                    name = cookie.partition(b"=")[0]
                    # The official collector's filter, from RFC 6265.
                    if name in self._stored and _COOKIE.fullmatch(cookie):
                        kept.append(cookie)
        return b";".join(kept)

    def are_in(self, values: Iterable[bytes]) -> bool:
        """Tell whether a cookie of the collector's is there, whatever its value."""
        return any(
            part.strip().partition(b"=")[0] in self._own
            for value in values
            for part in value.split(b";")
        )

    def forbids_tracking(self, headers: Iterable[Header]) -> bool:
        """Tell whether the do-not-track cookie is there with a value that matches wholly."""
        if not self._do_not_track:
            return False
        for header, value in headers:
            if header.lower() == b"cookie":
                for part in value.split(b";"):
                    name, _, content = part.strip().partition(b"=")
                    if name == self._do_not_track and self._do_not_track_value.fullmatch(content):
                        return True
        return False

    def set(self, user_id: bytes, hosts: list[str], now_ms: int) -> bytes:
        """Return the lines that set the cookie to `user_id`.

        Args:
            user_id: a UUID.
            hosts: of the request's `Origin`.
            now_ms: Unix epoch milliseconds.
        """
        if now_ms // 1000 != self._second:
            self._know_dates(now_ms)
        if self._simple:
            return self._simple_start + user_id + self._simple_end
        if not self._enabled:
            return b""
        domain = self._domain(hosts)
        return b"".join(
            b"%b%b; Expires=%b%b%b" % (start, user_id, self._expires, domain, rest)
            for start, rest in self._names
        )

    def clear(self, now_ms: int) -> bytes:
        """Return the lines that remove the cookie, wherever it may have been set (W17).

        A browser removes a cookie only where the domain is the same as when it was set, and that
        depended on an `Origin` that may be missing now: so every configured domain is named, and
        the host alone.
        """
        if not self._enabled:
            return b""
        if now_ms // 1000 != self._second:
            self._know_dates(now_ms)
        domains = [*self._domains, *([self._fallback] if self._fallback else [])]
        places = [b"", *(b"; Domain=" + domain.encode() for domain in dict.fromkeys(domains))]
        return b"".join(
            b"%b; Expires=%b%b%b" % (start, self._expired, place, rest)
            for start, rest in self._names
            for place in places
        )

    def _domain(self, hosts: list[str]) -> bytes:
        for domain in self._domains:
            lower = domain.lower()
            if any(host == lower or host.endswith("." + lower) for host in hosts):
                return b"; Domain=" + domain.encode()
        return b"; Domain=" + self._fallback.encode() if self._fallback else b""

    def _know_dates(self, now_ms: int) -> None:
        second = now_ms // 1000
        self._expires = formatdate(second + self._expiration_s, usegmt=True).encode()
        self._expired = formatdate(max(0, second - self._expiration_s), usegmt=True).encode()
        self._simple_end = b"; Expires=" + self._expires + self._names[0][1]
        self._second = second
