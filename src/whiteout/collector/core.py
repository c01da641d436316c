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
from whiteout.protocol.collector_payload import SCHEMA, decode, encode_parts, encode_texts
from whiteout.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

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
_NULL_UUID = NULL_UUID.encode()
_UNKNOWN = UNKNOWN.encode()
_TEXT = b"Content-Type: text/plain\r\n"
_GIF = b"Content-Type: image/gif\r\nCache-Control: no-cache, no-store, must-revalidate\r\n"
_CONSTANT_FIELDS = encode_texts(
    [(31337, SCHEMA.encode()), (210, b"UTF-8"), (220, COLLECTOR_NAME.encode())]
)
_MAX_MEMO_BYTES = 100  # a content type longer than that is nobody's, and not remembered


class _Target(NamedTuple):
    """Where a request goes."""

    path: bytes
    query: bytes
    host: bytes | None  # of a target that is a whole URI


class Core:
    """The collector for one configuration.

    Args:
        settings: how it answers.
    """

    def __init__(self, settings: CollectorSettings) -> None:
        self._settings = settings
        self._cookies = Cookies(settings)
        self._cookie_line = b"Cookie: %b=" % settings.cookie_name.encode()
        self._paths = {a.encode(): b.encode() for a, b in settings.paths.items()}
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
        target = _parse_target(request.target)
        path, method = target.path, request.method
        if path == _TP2 and method == b"POST":  # nearly all
            return self._event(request, target, now_ms, new_uuid)
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
            self._privacy_control
            and any(lower == b"sec-gpc" and value == b"1" for lower, _, value in request.headers)
        ):
            fields, headers, cookie = self._anonymous(request, target, now_ms)
        else:
            fields, headers, cookie = self._identified(request, target, hosts, now_ms, new_uuid)
        lines = self._text_lines if is_post else self._pixel_lines
        if origin is not None:
            lines = lines.replace(_ANY_ORIGIN, _cross_origin(origin))
        response = Response(200, lines + cookie, b"ok" if is_post else PIXEL)
        if b"cookie" in values and self._cookies.forbids_tracking(request.headers):
            return Outcome(response._replace(lines=lines))
        path = self._paths.get(target.path, target.path) if self._paths else target.path
        fields.append((320, _as_utf8(path)))
        if not b"".join(headers).isascii():
            headers = [_as_utf8(header) for header in headers]
        record = encode_parts(now_ms, fields, headers, encoded=_CONSTANT_FIELDS)
        if len(record) < self._max_bytes:
            return Outcome(response, (record,))
        records, bad_rows = fit(
            decode(record),
            size=len(record),
            max_bytes=self._settings.max_bytes,
            max_payload_bytes=self._settings.max_payload_bytes,
            now_ms=now_ms,
        )
        return Outcome(response, records, bad_rows)

    def _anonymous(
        self, request: Request, target: _Target, now_ms: int
    ) -> tuple[list[tuple[int, bytes]], list[bytes], bytes]:
        """Fields, headers and cookie lines of a request that is to be forgotten."""
        values = request.values
        is_post = request.method == b"POST"
        given = None
        if is_post and b"content-type" in values:  # not through the memo: it would be remembered
            given = _render_content_type(values[b"content-type"])
        content_type = door.anonymous_content_type(given)
        fields = [
            (100, _UNKNOWN),
            (330, _as_utf8(door.strip_query(target.query))),
            (410, _NULL_UUID),
        ]
        if b"user-agent" in values:
            fields.append((300, _as_utf8(values[b"user-agent"])))
        headers = door.anonymous_headers(values, content_type)
        if is_post and request.body:
            fields.append((340, door.strip_body(_body(request.body, given))))
        if content_type is not None:
            fields.append((360, content_type.encode()))
            headers.append(content_type.encode())
        brings_cookie = b"cookie" in values and self._cookies.are_in(_all(request, b"cookie"))
        return fields, headers, self._cookies.clear(now_ms) if brings_cookie else b""

    def _identified(
        self,
        request: Request,
        target: _Target,
        hosts: list[str],
        now_ms: int,
        new_uuid: Callable[[], UUID],
    ) -> tuple[list[tuple[int, bytes]], list[bytes], bytes]:
        """Fields, headers and cookie lines of every other request."""
        values = request.values
        own, headers = self._copied(request)
        user_id = own if own is not None else str(new_uuid()).encode()
        # A parameter names the event's id, but never the cookie's (W22).
        named = _NUID.search(target.query) if b"nuid=" in target.query else None
        fields = [
            (100, (self._address(request) if self._proxies else request.peer).encode()),
            (330, _as_utf8(target.query)),
            (410, named[1] if named and is_uuid(named[1]) else user_id),
        ]
        if b"user-agent" in values:
            fields.append((300, _as_utf8(values[b"user-agent"])))
        if b"referer" in values:
            fields.append((310, _as_utf8(values[b"referer"])))
        if target.host:
            fields.append((400, _as_utf8(target.host)))
        if request.method == b"POST":
            content_type = _content_type(values.get(b"content-type"))
            if request.body:
                fields.append((340, _body(request.body, content_type)))
            if content_type is not None:
                fields.append((360, content_type.encode()))
                headers.append(content_type.encode())
        return fields, headers, self._cookies.set(user_id, hosts, now_ms)

    def _copied(self, request: Request) -> tuple[bytes | None, list[bytes]]:
        """Return the cookie's id, and the headers that go into the record.

        `Authorization` and foreign cookies go no further (W15).
        """
        own: bytes | None = None
        cookie = b""
        if b"cookie" in request.values:
            own = self._cookies.read(_all(request, b"cookie"))
            if own is not None:
                cookie = self._cookie_line + own
        headers = [
            name + b": " + value if lower != b"cookie" else cookie
            for lower, name, value in request.headers
            if lower not in _WITHHELD
        ]
        if b"" in headers or headers.count(cookie) > 1:
            headers = [line for line in headers if line and line != cookie]
            if cookie:
                headers.append(cookie)
        return own, headers

    def _address(self, request: Request) -> str:
        forwarded_for = _all(request, b"x-forwarded-for")
        return client_address(request.peer, forwarded_for, self._proxies)


_WITHHELD = frozenset({b"authorization", b"proxy-authorization"})


def _all(request: Request, wanted: bytes) -> list[bytes]:
    if len(request.values) == len(request.headers):  # none is repeated
        return [request.values[wanted]] if wanted in request.values else []
    return [value for lower, _, value in request.headers if lower == wanted]


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
    return b"Access-Control-Allow-Origin: " + origin + _CREDENTIALS


_CREDENTIALS = b"\r\nAccess-Control-Allow-Credentials: true\r\nVary: Origin\r\n"
_ANY_ORIGIN = b"Access-Control-Allow-Origin: *" + _CREDENTIALS


def _content_type(value: bytes | None) -> str | None:
    if value is None:
        return None
    return _remembered(value) if len(value) <= _MAX_MEMO_BYTES else _render_content_type(value)


def _render_content_type(value: bytes) -> str:
    """Write a content type as the official collector does: lower case, one space after `;`."""
    parts = value.decode("utf-8", "replace").lower().split(";")
    return "; ".join(part.strip() for part in parts)


_remembered = lru_cache(maxsize=64)(_render_content_type)


def _body(body: bytes, content_type: str | None) -> bytes:
    """Return a body as UTF-8, read with the charset that its content type names."""
    if body.isascii():
        return body
    _, _, charset = (content_type or "").partition("charset=")
    charset = charset.partition(";")[0].strip(' "')
    if charset in _LATIN:
        return body.decode("latin-1").encode()
    return _as_utf8(body)


_LATIN = frozenset({"iso-8859-1", "latin1", "latin-1", "us-ascii", "windows-1252"})


def _as_utf8(raw: bytes) -> bytes:
    if raw.isascii():
        return raw
    return raw.decode("utf-8", "replace").encode()
