"""What a request comes to: the collector without sockets, clock and log.

`Core.decide` is a function of the request, the settings, the time and a source of ids. It is on the
path of every request, hence the bytes: text is only made of what must be looked into.
Reference sections 1.1 to 1.9; `door` holds what is different for an anonymous request.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING
from uuid import UUID

from whiteout.collector import door
from whiteout.collector.address import UNKNOWN, Proxies
from whiteout.collector.cookies import Cookies, is_uuid
from whiteout.collector.cross_origin import CrossOrigin
from whiteout.collector.exchange import Outcome, Request, Response, plain
from whiteout.collector.pages import pages
from whiteout.collector.reading import (
    NO_CONTENT_TYPE,
    Target,
    all_values,
    as_utf8,
    body_as_utf8,
    content_type_of,
    objects,
    parse_target,
    render_content_type,
)
from whiteout.collector.redirect import is_plain_path, location, parameter
from whiteout.collector.split import fit
from whiteout.identifiers import NULL_UUID
from whiteout.protocol.anonymous import DROPPED_PARAMETERS, TRACKER_IDENTIFIERS
from whiteout.protocol.collector_payload import (
    LENGTHS,
    SCHEMA,
    STRUCT_END,
    TIMESTAMP_START,
    add_headers,
    decode,
    line_of,
    line_starts,
    text_field,
    text_length,
    text_start,
    timestamp_bytes,
)
from whiteout.protocol.cross_navigation import without_cross_navigation
from whiteout.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from whiteout.collector.exchange import Decision, Header
    from whiteout.collector.settings import CollectorSettings
    from whiteout.protocol.collector_payload import LineStart


def collector_name(sink: str) -> str:
    """What records say of their maker, with the kind of sink; bad-row schemas allow 32 letters."""
    return f"whiteout-{__version__}-{sink}"[:32]


PIXEL = base64.b64decode("R0lGODlhAQABAPAAAP///wAAACH5BAUAAAAALAAAAAABAAEAAAICRAEAOw==")

_two_segments = re.compile(rb"/[^/]+/[^/]+").fullmatch
_TP2 = b"/com.snowplowanalytics.snowplow/tp2"
_READS = frozenset({b"GET", b"HEAD"})
_PIXEL_PATHS = frozenset({b"/i", b"/ice.png"})
_NUID = re.compile(rb"(?:^|[&;])nuid=([0-9a-fA-F-]{36})(?=[&;]|$)")
_TEXT = b"Content-Type: text/plain\r\n"
_NOT_CACHED = b"Cache-Control: no-cache, no-store, must-revalidate\r\n"
_GIF = b"Content-Type: image/gif\r\n" + _NOT_CACHED
_REDIRECT = b"/r/"
_START = text_field(31337, SCHEMA.encode()) + text_field(210, b"UTF-8")
_ANONYMOUS_FIELDS = text_field(100, UNKNOWN.encode()) + text_field(410, NULL_UUID.encode())
_NO_QUERY = text_field(330, b"")
_ADDRESS, _USER_AGENT, _BODY = map(text_start, (100, 300, 340))
_USER_ID = text_start(410) + text_length(len(NULL_UUID))  # all UUIDs are of one length


_TO_TP2 = Target(_TP2, b"", None)


class Core:
    """The collector for one configuration.

    Args:
        settings: how it answers.
        sink: where records go, in one word.
    """

    def __init__(self, settings: CollectorSettings, sink: str = "spool") -> None:
        self._settings = settings
        self._start = _START + text_field(220, collector_name(sink).encode())
        self._cookies = Cookies(settings)
        self._cookie_start = settings.cookie_name.encode() + b"="
        self._paths = {a.encode(): b.encode() for a, b in settings.paths.items()}
        known = (_TP2, *_PIXEL_PATHS, *self._paths)
        self._starts = {path: self._start_of(path) for path in known}
        self._may_forbid = settings.do_not_track_cookie is not None
        self._proxies = Proxies(settings)
        self._has_proxies = settings.trusted_proxies > 0
        self._max_bytes = settings.max_bytes
        self._privacy_control = settings.honour_global_privacy_control
        self._dropped = (
            DROPPED_PARAMETERS - TRACKER_IDENTIFIERS
            if settings.keep_tracker_identifiers
            else DROPPED_PARAMETERS
        )
        self._time_step_ms = settings.anonymous_time_step_s * 1000
        self._asks = door.anonymity_asked_by(settings.anonymous_parameter)
        self._redirect_domains = frozenset(host.lower() for host in settings.redirect_domains)
        self._default_redirect = settings.default_redirect
        self._bounce = settings.cookie_bounce
        self._pages = {path: Outcome(page) for path, page in pages(settings).items()}
        self._cross_origin = CrossOrigin(settings)
        self._text_lines = _TEXT + self._cross_origin.default
        self._pixel_lines = _GIF + self._cross_origin.default

    def handle(self, request: Request, now_ms: int, new_uuid: Callable[[], UUID]) -> Outcome:
        """Decide what `request` comes to.

        Args:
            request: with its framing checked by the HTTP layer.
            now_ms: Unix epoch milliseconds.
            new_uuid: makes random ids.

        Returns:
            The answer, to be given once the records with it are durable.
        """
        return _named(self.decide(request, now_ms, new_uuid))

    def decide(self, request: Request, now_ms: int, new_uuid: Callable[[], UUID]) -> Decision:
        """The same as `handle`, without names."""
        method = request.method
        if request.target == _TP2 and method == b"POST":  # nearly all
            return self._event(request, _TO_TP2, now_ms, new_uuid)
        target = parse_target(request.target)
        path = target.path
        if path.startswith(_REDIRECT) and not self._default_redirect:
            return Outcome(plain(404, b"redirects disabled"))
        is_read = method in _READS
        if _two_segments(path):
            is_event = is_read or method == b"POST"
        else:
            is_event = is_read and path in _PIXEL_PATHS
        if is_event:
            return self._visit(request, target, now_ms, new_uuid)
        if method == b"OPTIONS":
            lines = self._cross_origin.preflight(request.values.get(b"origin"))
            return Outcome(Response(200, lines, b""))
        if method == b"GET" and path in self._pages:
            return self._pages[path]
        return Outcome(plain(404, b"Not found"))

    def _visit(
        self, request: Request, target: Target, now_ms: int, new_uuid: Callable[[], UUID]
    ) -> Decision:
        """An event whose answer may be to go elsewhere."""
        if self._paths.get(target.path, target.path).startswith(_REDIRECT):
            outcome = _named(self._event(request, target, now_ms, new_uuid))
            lines = outcome.response.lines.replace(_GIF, _NOT_CACHED, 1).replace(_TEXT, b"", 1)
            place = location(target.query, self._redirect_domains)
            if place is not None and self._is_anonymous(request, target):
                place = without_cross_navigation(place.decode()).encode()
            if place is None:
                return outcome._replace(response=Response(400, lines, b""))
            lines += b"Location: " + place + b"\r\n"
            return outcome._replace(response=Response(302, lines, b""))
        if self._bounce is not None and request.method in _READS:
            return self._tested_visit(request, target, now_ms, new_uuid)
        return self._event(request, target, now_ms, new_uuid)

    def _tested_visit(
        self, request: Request, target: Target, now_ms: int, new_uuid: Callable[[], UUID]
    ) -> Decision:
        """A pixel where browsers are tested for cookies (reference section 1.5, W16)."""
        bounce = self._bounce
        outcome = _named(self._event(request, target, now_ms, new_uuid))
        has_id = self._cookies.read(all_values(request, b"cookie")) or _named_id(target.query)
        if (
            bounce is None
            or has_id
            or self._is_anonymous(request, target)
            or not is_plain_path(target.path)
            or not (outcome.records or outcome.bad_rows)  # do not track
        ):
            return outcome
        name = bounce.name.encode()
        if parameter(target.query, name) is None:
            query = target.query + b"&" if target.query else b""
            lines = outcome.response.lines.replace(_GIF, _NOT_CACHED, 1)
            lines += b"Location: %b?%b%b=true\r\n" % (target.path, query, name)
            return Outcome(Response(302, lines, b""))
        fallback = UUID(bounce.fallback_network_user_id)
        outcome = _named(self._event(request, target, now_ms, lambda: fallback))
        kept = [
            line
            for line in outcome.response.lines.splitlines(keepends=True)
            if not line.startswith(b"Set-Cookie: ")  # many would share it
        ]
        return outcome._replace(response=outcome.response._replace(lines=b"".join(kept)))

    def _is_anonymous(self, request: Request, target: Target) -> bool:
        places = request.names.places
        return (
            b"sp-anonymous" in places  # present is enough, whatever its value
            or bool(target.query and self._asks(target.query))
            or (
                self._privacy_control
                and b"sec-gpc" in places
                and objects(all_values(request, b"sec-gpc"))
            )
        )

    def _event(
        self, request: Request, target: Target, now_ms: int, new_uuid: Callable[[], UUID]
    ) -> Decision:
        names = request.names
        is_post = request.method == b"POST"
        lines = self._text_lines if is_post else self._pixel_lines
        hosts: list[str] = []
        if b"origin" in names.places:
            origin = request.texts[names.places[b"origin"]]
            allowed, hosts = self._cross_origin.lines(origin)
            lines = lines.replace(self._cross_origin.default, allowed)
        if (names.may_ask or target.query) and self._is_anonymous(request, target):
            parts, cookie = self._anonymous(request, target, now_ms)
            now_ms -= now_ms % self._time_step_ms
        else:
            parts, cookie = self._identified(request, target, hosts, now_ms, new_uuid)
        if self._may_forbid and self._cookies.forbids_tracking(request.headers):
            return Outcome(Response(200, lines, b"ok" if is_post else PIXEL))
        response = (200, lines + cookie, b"ok" if is_post else PIXEL)
        record = b"".join(parts)
        if len(record) < self._max_bytes:
            return response, (record,), ()
        records, bad_rows = fit(
            decode(record),
            size=len(record),
            max_bytes=self._settings.max_bytes,
            max_payload_bytes=self._settings.max_payload_bytes,
            now_ms=now_ms,
        )
        return response, records, bad_rows

    def _start_of(self, path: bytes) -> bytes:
        """What stands before the timestamp in a record of this path."""
        path_field = text_field(320, as_utf8(self._paths.get(path, path)))
        return self._start + path_field + TIMESTAMP_START

    def _anonymous(
        self, request: Request, target: Target, now_ms: int
    ) -> tuple[list[bytes], bytes]:
        """Parts of the record, and cookie lines, of a request that is to be forgotten."""
        values = request.values
        is_post = request.method == b"POST"
        given = None
        if is_post and b"content-type" in values:  # not through the memo: it would be remembered
            given = render_content_type(values[b"content-type"])
        content_type = door.anonymous_content_type(given)
        parts = [
            self._starts.get(target.path) or self._start_of(target.path),
            timestamp_bytes(now_ms - now_ms % self._time_step_ms),
            _ANONYMOUS_FIELDS,
            text_field(330, as_utf8(door.strip_query(target.query, self._dropped))),
        ]
        if b"user-agent" in values:
            parts.append(text_field(300, as_utf8(values[b"user-agent"])))
        if is_post and request.body:
            body = door.strip_body(body_as_utf8(request.body, given), self._dropped)
            parts.append(text_field(340, body))
        if content_type is not None:
            parts.append(text_field(360, content_type))
        headers = door.anonymous_headers(values, content_type)
        add_headers(
            parts,
            line_starts(name for name, _ in headers),
            [as_utf8(value) for _, value in headers],
            b"" if content_type is None else line_of(content_type),
        )
        parts.append(STRUCT_END)
        brings_cookie = b"cookie" in values and self._cookies.are_in(all_values(request, b"cookie"))
        return parts, self._cookies.clear(now_ms) if brings_cookie else b""

    def _identified(
        self,
        request: Request,
        target: Target,
        hosts: list[str],
        now_ms: int,
        new_uuid: Callable[[], UUID],
    ) -> tuple[list[bytes], bytes]:
        """Parts of the record, and cookie lines, of every other request."""
        places, texts = request.names.places, request.texts
        own, starts, lines = self._copied(request)
        user_id = own if own is not None else str(new_uuid()).encode()
        query, given_id = target.query, user_id
        # A parameter names the event's id, but never the cookie's (W22).
        if query and b"nuid=" in query:
            given_id = _named_id(query) or user_id
        address = (self._proxies.client(request) if self._has_proxies else request.peer).encode()
        parts = [
            self._starts.get(target.path) or self._start_of(target.path),
            timestamp_bytes(now_ms),
            _ADDRESS,
            LENGTHS[len(address)],
            address,
            _USER_ID,
            given_id,
            text_field(330, as_utf8(query)) if query else _NO_QUERY,
        ]
        if b"user-agent" in places:
            user_agent = texts[places[b"user-agent"]]
            if not request.is_ascii:
                user_agent = as_utf8(user_agent)
            parts += (_USER_AGENT, text_length(len(user_agent)), user_agent)
        if b"referer" in places:
            parts.append(text_field(310, as_utf8(texts[places[b"referer"]])))
        if target.host:
            parts.append(text_field(400, as_utf8(target.host)))
        content_type = NO_CONTENT_TYPE
        if request.method == b"POST":
            if b"content-type" in places:
                content_type = content_type_of(texts[places[b"content-type"]])
                parts.append(content_type.field)
            body = request.body
            if body:
                if not request.is_ascii:
                    body = body_as_utf8(body, content_type.bare)
                parts += (_BODY, text_length(len(body)), body)
        add_headers(parts, starts, lines, content_type.line)
        parts.append(STRUCT_END)
        return parts, self._cookies.set(user_id, hosts, now_ms)

    def _copied(
        self, request: Request
    ) -> tuple[bytes | None, Sequence[LineStart], Sequence[bytes]]:
        """Return the cookie's id, and the headers that go into the record, in UTF-8.

        `Authorization` and foreign cookies go no further (W15).
        """
        names, texts = request.names, request.texts
        if not names.stay:
            own, headers = self._picked(request)
            starts = line_starts(name for name, _ in headers)
            return own, starts, [as_utf8(value) for _, value in headers]
        starts, place, own = names.starts, names.cookie_place, None
        if place >= 0:
            cookies = texts[place]
            own = self._cookies.only(cookies)
            if own is None:  # there is something to take out
                own = self._cookies.read((cookies,))
                kept = self._cookies.kept(own, (cookies,))
                texts = [*texts[:place], kept, *texts[place + 1 :]]
                if not kept:
                    starts = starts[:place] + starts[place + 1 :]
        if not request.is_ascii and not b"".join(texts).isascii():
            texts = [as_utf8(text) for text in texts]
        return own, starts, texts

    def _picked(self, request: Request) -> tuple[bytes | None, list[Header]]:
        values = all_values(request, b"cookie")
        own = self._cookies.read(values)
        kept = self._cookies.kept(own, values)
        cookies = [(b"Cookie", kept)] if kept else []
        headers: list[Header] = []
        for name, value in request.headers:
            lower = name.lower()
            if lower == b"cookie":
                headers += cookies
                cookies = []  # it is one, even where it came twice
            elif lower not in _CREDENTIALS:
                headers.append((name, value))
        return own, headers


_CREDENTIALS = frozenset({b"authorization", b"proxy-authorization"})


def _named(decision: Decision) -> Outcome:
    response, records, bad_rows = decision
    return Outcome(Response(*response), records, bad_rows)


def _named_id(query: bytes) -> bytes | None:
    named = _NUID.search(query)
    return named[1] if named and is_uuid(named[1]) else None
