"""One HTTP request: what it carries, and how it is sent.

Invariants (promise 5; leaks L11, L13, L14, L30, L31, L35)
- An anonymous request has a connection of its own, closed after it; no cookie goes out or comes in;
  the app's own headers stay away; the user agent is the same for everybody; it is a POST.
- No redirect is followed, for anybody: the collector's address is what was configured.
- Cookies belong to identified requests alone, and to the collector's host.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from whiteout.tracker.clock import SystemClock
from whiteout.version import __version__

if TYPE_CHECKING:
    import http.cookiejar
    from collections.abc import Mapping

    import urllib3

    from whiteout.tracker.deadline import Deadline

USER_AGENT: Final = f"whiteout/{__version__}"
_MAX_ANSWER_BYTES: Final = 65_536
_MAX_COOKIES: Final = 20
_CLOCK: Final = SystemClock()
SENDING_THREAD: Final = "whiteout-emitter"
_TALKATIVE_LOGGERS: Final = ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingRequest:
    """A request, whole.

    Attributes:
        method: `GET` or `POST`.
        url: with the query for GET.
        headers: all of them; to be sent as they are.
        body: of a POST.
        is_anonymous: whether the connection must not be shared, nor cookies used.
        timeout: seconds for all of it.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    is_anonymous: bool
    timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back.

    Attributes:
        status: the HTTP status; None: no answer.
        retry_after: the header's text.
    """

    status: int | None
    retry_after: str | None = None


class NetworkConnection(Protocol):
    """What sends requests; an app may bring its own (reference 2.2, leak L11)."""

    @property
    def sends_headers(self) -> bool:
        """True: every header of a request is sent as it is."""
        ...

    def send(self, request: OutgoingRequest) -> Answer:
        """Send, and wait for the answer; never raises for the network's faults."""
        ...

    def close(self) -> None:
        """Give up kept connections."""
        ...


class HttpConnection:
    """The built-in sender, on `urllib3`, which is loaded at the first request.

    Owner: the emitter's thread.
    """

    sends_headers: Final = True

    def __init__(self) -> None:
        self._deadline: Deadline | None = None
        self._pool: urllib3.HTTPConnectionPool | None = None  # of one collector, `_origin`
        self._origin = ""
        self._jar: http.cookiejar.CookieJar | None = None
        self._stored: tuple[dict[str, Any], ...] = ()
        self._forgotten = 0  # how often: an answer to a request made before brings cookies back

    def send(self, request: OutgoingRequest) -> Answer:
        """Send, and wait for the answer."""
        if request.is_anonymous:
            pool = self._new_pool(request.url)
            try:
                answer, _ = self._send(pool, request, {"Connection": "close"})
            finally:
                pool.close()
            return answer
        origin = origin_of(request.url)
        if self._origin not in {"", origin}:
            self.forget_cookies()  # they are the other collector's
        forgotten = self._forgotten
        if self._pool is None:
            self._pool = self._new_pool(request.url)
        self._origin = origin
        answer, headers = self._send(self._pool, request, self._cookie_header(request))
        if headers is not None and forgotten == self._forgotten:
            self._keep_cookies(request, headers)
        return answer

    def close(self) -> None:
        """Give up kept connections."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def restore_cookies(self, cookies: tuple[dict[str, Any], ...]) -> None:
        """Take up the cookies that an earlier process stored."""
        self._stored = cookies
        self._jar = None

    def cookies(self) -> tuple[dict[str, Any], ...]:
        """The cookies of identified requests, to be stored."""
        if self._jar is None:
            return self._stored
        kept = [vars(cookie).copy() for cookie in self._jar]
        for record in kept:
            record["rest"] = record.pop("_rest", {})
        return tuple(kept[:_MAX_COOKIES])

    def forget_cookies(self) -> None:
        """Forget them, the connections that carried them, and what is under way brings."""
        self._forgotten += 1
        self._stored = ()
        self._jar = None
        self.close()

    def _new_pool(self, url: str) -> urllib3.HTTPConnectionPool:
        """A connection to the host of `url`."""
        from whiteout.tracker.deadline import (  # noqa: PLC0415 - 100 ms of urllib3 that an app without events does not pay
            Deadline,
            pool_of_one,
        )

        for name in _TALKATIVE_LOGGERS:
            logging.getLogger(name).addFilter(_is_not_ours)
        if self._deadline is None:
            self._deadline = Deadline(_CLOCK.monotonic_s)
        return pool_of_one(url, self._deadline)

    def _send(
        self, pool: urllib3.HTTPConnectionPool, request: OutgoingRequest, more: Mapping[str, str]
    ) -> tuple[Answer, urllib3.HTTPHeaderDict | None]:
        import urllib3  # noqa: PLC0415 - loaded already

        if self._deadline is not None:
            self._deadline.begin(request.timeout)
        try:
            response = pool.urlopen(
                request.method,
                _target(request.url),
                body=request.body,
                headers={**request.headers, **more},
                retries=False,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                timeout=urllib3.Timeout(total=request.timeout),
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            return Answer(status=None), None
        _read_to_the_end(response)
        return Answer(
            status=response.status, retry_after=response.headers.get("Retry-After")
        ), response.headers

    def _cookie_header(self, request: OutgoingRequest) -> dict[str, str]:
        if self._jar is None:
            if not self._stored:
                return {}
            self._jar = _jar(self._stored)
        view = _CookieView(request.url)
        self._jar.add_cookie_header(view)  # type: ignore[arg-type] # a duck, as its docs allow
        return view.added

    def _keep_cookies(self, request: OutgoingRequest, headers: urllib3.HTTPHeaderDict) -> None:
        if "set-cookie" not in headers:
            return
        if self._jar is None:
            self._jar = _jar(self._stored)
        answer = _HeadersView(headers.getlist("set-cookie"))
        self._jar.extract_cookies(answer, _CookieView(request.url))  # type: ignore[arg-type] # ducks


def _is_not_ours(record: logging.LogRecord) -> bool:  # noqa: ARG001 - a filter's interface
    """Keep our URLs out of the debug log: `urllib3` writes a GET's whole query there (L28)."""
    return threading.current_thread().name != SENDING_THREAD


def origin_of(url: str) -> str:
    """The scheme, host and port of an absolute URL."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0].partition('?')[0].lower()}"


def _target(url: str) -> str:
    """The path and query of an absolute URL."""
    return "/" + url.partition("://")[2].partition("/")[2]


def _read_to_the_end(response: urllib3.BaseHTTPResponse) -> None:
    """Read an answer's body, so that the connection can serve again, or else give that up.

    The status has been read: whatever is wrong with the rest, the collector has decided.
    """
    import urllib3  # noqa: PLC0415 - loaded already

    left = _MAX_ANSWER_BYTES
    try:
        while left > 0:
            chunk = response.read1(left, decode_content=False)
            if not chunk:
                response.release_conn()
                return
            left -= len(chunk)
    except (urllib3.exceptions.HTTPError, OSError, ValueError):
        pass  # closed below
    response.close()


def _jar(stored: tuple[dict[str, Any], ...]) -> http.cookiejar.CookieJar:
    import http.cookiejar  # noqa: PLC0415 - only where the collector sets cookies

    jar = http.cookiejar.CookieJar(
        http.cookiejar.DefaultCookiePolicy(
            strict_ns_domain=http.cookiejar.DefaultCookiePolicy.DomainStrict
        )
    )
    for record in stored:
        try:
            jar.set_cookie(http.cookiejar.Cookie(**record))
        except (TypeError, ValueError):
            continue  # written by another version, or by nobody: not ours
    return jar


class _CookieView:
    """As much of a `urllib.request.Request` as `http.cookiejar` asks for."""

    unverifiable = False

    def __init__(self, url: str) -> None:
        import urllib.parse  # noqa: PLC0415 - with http.cookiejar

        self._url = url
        parts = urllib.parse.urlsplit(url)
        self.type = parts.scheme
        self.host = self.origin_req_host = parts.netloc
        self.added: dict[str, str] = {}

    def get_full_url(self) -> str:
        return self._url

    def has_header(self, name: str) -> bool:
        return name in self.added

    def add_unredirected_header(self, name: str, value: str) -> None:
        self.added[name] = value

    def get_header(self, name: str, default: str | None = None) -> str | None:
        return self.added.get(name, default)


class _HeadersView:
    """As much of a response as `http.cookiejar` asks for."""

    def __init__(self, cookies: list[str]) -> None:
        self._cookies = cookies

    def info(self) -> _HeadersView:
        return self

    def get_all(self, name: str, default: list[str] | None = None) -> list[str] | None:
        return self._cookies if name.lower() == "set-cookie" else default
