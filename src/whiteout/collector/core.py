"""What a request comes to: the collector without sockets, clock and log.

`Core.handle` is a function of the request, the settings, the time and a source of ids. It is on the
path of every request, hence the bytes: text is only made of what must be looked into.
Reference sections 1.1 to 1.9; `door` holds what is different for an anonymous request.
"""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from whiteout.collector import door
from whiteout.collector.address import UNKNOWN, client_address
from whiteout.collector.cookies import Cookies, is_uuid, parse_origins
from whiteout.collector.exchange import Outcome, Request, Response
from whiteout.collector.split import fit
from whiteout.identifiers import NULL_UUID
from whiteout.protocol.collector_payload import (
    SCHEMA,
    STRUCT_END,
    add_headers,
    decode,
    text_field,
    text_length,
    text_start,
    timestamp_field,
)
from whiteout.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from whiteout.collector.exchange import Header
    from whiteout.collector.settings import CollectorSettings

COLLECTOR_NAME = f"whiteout-{__version__}-spool"[:32]
"""What records say of their maker; bad-row schemas allow 32 characters."""

PIXEL = base64.b64decode("R0lGODlhAQABAPAAAP///wAAACH5BAUAAAAALAAAAAABAAEAAAICRAEAOw==")
ROBOTS = b"\n\n".join(
    b"User-agent: %b\nDisallow: /" % agent for agent in (b"*", b"Googlebot", b"AdsBot-Google")
)

_two_segments = re.compile(rb"/[^/]+/[^/]+").fullmatch
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_TP2 = b"/com.snowplowanalytics.snowplow/tp2"
_READS = frozenset({b"GET", b"HEAD"})
_TEXTS = {b"/health": b"ok", b"/sink-health": b"ok", b"/robots.txt": ROBOTS}
_PIXEL_PATHS = frozenset({b"/i", b"/ice.png"})
_NUID = re.compile(rb"(?:^|[&;])nuid=([0-9a-fA-F-]{36})(?=[&;]|$)")
_TEXT = b"Content-Type: text/plain\r\n"
_GIF = b"Content-Type: image/gif\r\nCache-Control: no-cache, no-store, must-revalidate\r\n"
_START = (
    text_field(31337, SCHEMA.encode())
    + text_field(210, b"UTF-8")
    + text_field(220, COLLECTOR_NAME.encode())
)
_ANONYMOUS_FIELDS = text_field(100, UNKNOWN.encode()) + text_field(410, NULL_UUID.encode())
_NO_QUERY = text_field(330, b"")
_ADDRESS, _USER_AGENT, _BODY, _CONTENT_TYPE = map(text_start, (100, 300, 340, 360))
_USER_ID = text_start(410) + text_length(len(NULL_UUID))  # all UUIDs are of one length
_new_tuple = tuple.__new__  # a NamedTuple in half the time: 0.18 us against 0.33
_MAX_MEMO_BYTES = 100  # a content type longer than that is nobody's, and not remembered


class _Target(NamedTuple):
    """Where a request goes."""

    path: bytes
    query: bytes
    host: bytes | None  # of a target that is a whole URI


_TO_TP2 = _Target(_TP2, b"", None)


class Core:
    """The collector for one configuration.

    Args:
        settings: how it answers.
    """

    def __init__(self, settings: CollectorSettings) -> None:
        self._settings = settings
        self._cookies = Cookies(settings)
        self._cookie_start = settings.cookie_name.encode() + b"="
        self._paths = {a.encode(): b.encode() for a, b in settings.paths.items()}
        known = (_TP2, *_PIXEL_PATHS, *self._paths)
        self._path_fields = {path: self._path_field(path) for path in known}
        self._proxies = settings.trusted_proxies
        self._max_bytes = settings.max_bytes
        self._privacy_control = settings.honour_global_privacy_control
        age = settings.hsts_max_age_s
        self._always = (
            b""
            if age is None
            else b"Strict-Transport-Security: max-age=%d; includeSubDomains\r\n" % age
        )
        self._text_lines = self._always + _TEXT + _ANY_ORIGIN
        self._pixel_lines = self._always + _GIF + _ANY_ORIGIN

    def handle(self, request: Request, now_ms: int, new_uuid: Callable[[], UUID]) -> Outcome:
        """Decide what `request` comes to.

        Args:
            request: with its framing checked by the HTTP layer.
            now_ms: Unix epoch milliseconds.
            new_uuid: makes random ids.

        Returns:
            The answer, to be given once the records with it are durable.
        """
        method = request.method
        if request.target == _TP2 and method == b"POST":  # nearly all
            return self._event(request, _TO_TP2, now_ms, new_uuid)
        target = _parse_target(request.target)
        path = target.path
        if path.startswith(b"/r/"):
            return self._plain(404, b"redirects disabled")
        is_read = method in _READS
        if _two_segments(path):
            is_event = is_read or method == b"POST"
        else:
            is_event = is_read and path in _PIXEL_PATHS
        if is_event:
            return self._event(request, target, now_ms, new_uuid)
        if method == b"OPTIONS":
            return self._preflight(request)
        if method == b"GET" and path in _TEXTS:
            return self._plain(200, _TEXTS[path])
        return self._plain(404, b"Not found")

    def _plain(self, status: int, body: bytes) -> Outcome:
        return Outcome(Response(status, self._always + _TEXT, body))

    def _preflight(self, request: Request) -> Outcome:
        origin = request.values.get(b"origin")
        lines = (
            self._always
            + _cross_origin(None if origin is None else parse_origins(origin)[0])
            + b"Access-Control-Allow-Headers: Content-Type, SP-Anonymous\r\n"
            + b"Access-Control-Max-Age: %d\r\n" % self._settings.cors_max_age_s
        )
        return Outcome(Response(200, lines, b""))

    def _event(
        self, request: Request, target: _Target, now_ms: int, new_uuid: Callable[[], UUID]
    ) -> Outcome:
        values = request.values
        origin: bytes | None = None
        hosts: list[str] = []
        if b"origin" in values:
            origin, hosts = parse_origins(values[b"origin"])
        is_post = request.method == b"POST"
        if b"sp-anonymous" in values or (  # present is enough, whatever its value
            self._privacy_control and b"sec-gpc" in values and b"1" in _all(request, b"sec-gpc")
        ):
            parts, cookie = self._anonymous(request, target, now_ms)
        else:
            parts, cookie = self._identified(request, target, hosts, now_ms, new_uuid)
        lines = self._text_lines if is_post else self._pixel_lines
        if origin is not None:
            lines = lines.replace(_ANY_ORIGIN, _cross_origin(origin))
        if b"cookie" in values and self._cookies.forbids_tracking(request.headers):
            return Outcome(Response(200, lines, b"ok" if is_post else PIXEL))
        response = _new_tuple(Response, (200, lines + cookie, b"ok" if is_post else PIXEL))
        parts += (self._path_fields.get(target.path) or self._path_field(target.path), STRUCT_END)
        record = b"".join(parts)
        if len(record) < self._max_bytes:
            return _new_tuple(Outcome, (response, (record,), ()))
        records, bad_rows = fit(
            decode(record),
            size=len(record),
            max_bytes=self._settings.max_bytes,
            max_payload_bytes=self._settings.max_payload_bytes,
            now_ms=now_ms,
        )
        return Outcome(response, records, bad_rows)

    def _path_field(self, path: bytes) -> bytes:
        return text_field(320, _as_utf8(self._paths.get(path, path)))

    def _anonymous(
        self, request: Request, target: _Target, now_ms: int
    ) -> tuple[list[bytes], bytes]:
        """Parts of the record, and cookie lines, of a request that is to be forgotten."""
        values = request.values
        is_post = request.method == b"POST"
        given = None
        if is_post and b"content-type" in values:  # not through the memo: it would be remembered
            given = _render_content_type(values[b"content-type"])
        content_type = door.anonymous_content_type(given)
        parts = [
            _START,
            timestamp_field(now_ms),
            _ANONYMOUS_FIELDS,
            text_field(330, _as_utf8(door.strip_query(target.query))),
        ]
        if b"user-agent" in values:
            parts.append(text_field(300, _as_utf8(values[b"user-agent"])))
        if is_post and request.body:
            parts.append(text_field(340, door.strip_body(_body(request.body, given))))
        if content_type is not None:
            parts.append(text_field(360, content_type))
        headers = door.anonymous_headers(values, content_type)
        add_headers(parts, [(name, _as_utf8(value)) for name, value in headers], content_type)
        brings_cookie = b"cookie" in values and self._cookies.are_in(_all(request, b"cookie"))
        return parts, self._cookies.clear(now_ms) if brings_cookie else b""

    def _identified(
        self,
        request: Request,
        target: _Target,
        hosts: list[str],
        now_ms: int,
        new_uuid: Callable[[], UUID],
    ) -> tuple[list[bytes], bytes]:
        """Parts of the record, and cookie lines, of every other request."""
        values = request.values
        own, headers = self._copied(request)
        user_id = own if own is not None else str(new_uuid()).encode()
        query, given_id = target.query, user_id
        # A parameter names the event's id, but never the cookie's (W22).
        if b"nuid=" in query and (named := _NUID.search(query)) and is_uuid(named[1]):
            given_id = named[1]
        address = (self._address(request) if self._proxies else request.peer).encode()
        parts = [
            _START,
            timestamp_field(now_ms),
            _ADDRESS,
            text_length(len(address)),
            address,
            _USER_ID,
            given_id,
            text_field(330, _as_utf8(query)) if query else _NO_QUERY,
        ]
        if b"user-agent" in values:
            user_agent = _as_utf8(values[b"user-agent"])
            parts += (_USER_AGENT, text_length(len(user_agent)), user_agent)
        if b"referer" in values:
            parts.append(text_field(310, _as_utf8(values[b"referer"])))
        if target.host:
            parts.append(text_field(400, _as_utf8(target.host)))
        bare: bytes | None = None
        if request.method == b"POST":
            if b"content-type" in values:
                bare = _content_type(values[b"content-type"])
                parts += (_CONTENT_TYPE, text_length(len(bare)), bare)
            body = request.body
            if body:
                if not body.isascii():
                    body = _body(body, bare)
                parts += (_BODY, text_length(len(body)), body)
        add_headers(parts, headers, bare)
        return parts, self._cookies.set(user_id, hosts, now_ms)

    def _copied(self, request: Request) -> tuple[bytes | None, Sequence[Header]]:
        """Return the cookie's id, and the headers that go into the record, in UTF-8.

        `Authorization` and foreign cookies go no further (W15).
        """
        values, headers = request.values, request.headers
        own: bytes | None = None
        if b"cookie" in values and (b"Cookie", values[b"cookie"]) in headers:
            own = self._cookies.only(values[b"cookie"])  # then there is nothing to take out
        is_repeated = len(values) < len(headers)
        if (
            is_repeated
            or (b"cookie" in values and own is None)
            or b"authorization" in values
            or b"proxy-authorization" in values
        ):
            own, headers = self._picked(request)
        if is_repeated or not b"".join(values.values()).isascii():
            headers = [(name, _as_utf8(value)) for name, value in headers]
        return own, headers

    def _picked(self, request: Request) -> tuple[bytes | None, list[Header]]:
        own = self._cookies.read(_all(request, b"cookie"))
        cookies = [] if own is None else [(b"Cookie", self._cookie_start + own)]
        headers: list[Header] = []
        for name, value in request.headers:
            lower = name.lower()
            if lower == b"cookie":
                headers += cookies
                cookies = []  # it is one, even where it came twice
            elif lower not in _CREDENTIALS:
                headers.append((name, value))
        return own, headers

    def _address(self, request: Request) -> str:
        forwarded_for = _all(request, b"x-forwarded-for")
        return client_address(request.peer, forwarded_for, self._proxies)


_CREDENTIALS = frozenset({b"authorization", b"proxy-authorization"})


def _all(request: Request, wanted: bytes) -> list[bytes]:
    if len(request.values) == len(request.headers):  # none is repeated
        return [request.values[wanted]] if wanted in request.values else []
    return [value for name, value in request.headers if name.lower() == wanted]


def _parse_target(target: bytes) -> _Target:
    host: bytes | None = None
    if target[:1] != b"/" and (absolute := _ABSOLUTE.fullmatch(target)):
        host, target = absolute[1], absolute[2]
    if b"#" in target:
        target = target.partition(b"#")[0]
    path, _, query = target.partition(b"?")
    return _Target(path, query, host)


def _cross_origin(origin: bytes | None) -> bytes:
    if origin is None:
        return _ANY_ORIGIN
    return b"Access-Control-Allow-Origin: " + origin + _WITH_CREDENTIALS


_WITH_CREDENTIALS = b"\r\nAccess-Control-Allow-Credentials: true\r\nVary: Origin\r\n"
_ANY_ORIGIN = b"Access-Control-Allow-Origin: *" + _WITH_CREDENTIALS


def _content_type(value: bytes) -> bytes:
    return _remembered(value) if len(value) <= _MAX_MEMO_BYTES else _render_content_type(value)


def _render_content_type(value: bytes) -> bytes:
    """Write a content type as the official collector does: lower case, one space after `;`."""
    parts = value.decode("utf-8", "replace").lower().split(";")
    return "; ".join(part.strip() for part in parts).encode()


_remembered = lru_cache(maxsize=64)(_render_content_type)


def _body(body: bytes, content_type: bytes | None) -> bytes:
    """Return a body as UTF-8, read with the charset that its content type names."""
    if body.isascii():
        return body
    _, _, charset = (content_type or b"").partition(b"charset=")
    charset = charset.partition(b";")[0].strip(b' "')
    if charset in _LATIN:
        return body.decode("latin-1").encode()
    return _as_utf8(body)


_LATIN = frozenset({b"iso-8859-1", b"latin1", b"latin-1", b"us-ascii", b"windows-1252"})


def _as_utf8(raw: bytes) -> bytes:
    if raw.isascii():
        return raw
    return raw.decode("utf-8", "replace").encode()
