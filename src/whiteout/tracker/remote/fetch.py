"""One GET of a file that may be hostile: bounded in bytes, time and redirects.

The request is the same for everybody: no cookie, no validator such as `If-None-Match` (an `ETag`
is an identifier that a server can hand out), no header of the app's, a connection of its own.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import SplitResult, urljoin, urlsplit

from whiteout.tracker.network import USER_AGENT
from whiteout.tracker.remote.document import MAX_BYTES

if TYPE_CHECKING:
    import urllib3
    from urllib3.connection import HTTPConnection

    from whiteout.tracker.clock import Clock

FETCHING_THREAD: Final = "whiteout-remote"
_REDIRECTS: Final = 3  # arbitrary; a missing slash takes one
_REDIRECTING: Final = frozenset({301, 302, 303, 307, 308})
_PORTS: Final = {"http": 80, "https": 443}
_HEADERS: Final = {
    "User-Agent": USER_AGENT,
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Connection": "close",
}


def fetch(url: str, timeout_s: float, clock: Clock) -> bytes | None:
    """The body of a 2xx answer; None: there was none, it was too large, or took too long.

    Never raises for the network's faults. Redirects are followed within the same scheme, host and
    port, three at most.

    Args:
        url: as `RemoteConfiguration` checked it.
        timeout_s: for all of it; a name server that hangs can take longer, and is not waited for
            by anybody.
        clock: for the time.
    """
    deadline_s = clock.monotonic_s() + timeout_s
    origin = _origin(urlsplit(url))
    for _ in range(_REDIRECTS + 1):
        left_s = deadline_s - clock.monotonic_s()
        if left_s <= 0:
            return None
        body, location = _ask(url, left_s, clock)
        if location is None:
            return body
        try:
            url = urljoin(url, location).partition("#")[0]
            if _origin(urlsplit(url)) != origin:
                return None
        except ValueError:
            return None
    return None


def _ask(url: str, timeout_s: float, clock: Clock) -> tuple[bytes | None, str | None]:
    """The body, or where the answer sends us instead."""
    # 100 ms, on a thread that nobody waits for.
    from http.client import HTTPException  # noqa: PLC0415 - see above

    import urllib3  # noqa: PLC0415 - see above

    logging.getLogger("urllib3.connection").addFilter(_is_not_ours)
    deadline_s = clock.monotonic_s() + timeout_s
    parts = urlsplit(url)
    with (
        closing(_connection(parts, timeout_s)) as connection,
        _Watch(connection, timeout_s) as watch,
    ):
        try:
            connection.connect()
            watch.socket = connection.sock
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request(
                "GET", target, headers=_HEADERS, preload_content=False, decode_content=False
            )
            with closing(connection.getresponse()) as response:
                if response.status in _REDIRECTING:
                    return None, response.headers.get("Location")
                if not 200 <= response.status <= 299:  # noqa: PLR2004 - HTTP's range
                    return None, None
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    return None, None
                return _body(response, deadline_s, clock), None
        except (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError):
            return None, None


def _connection(parts: SplitResult, timeout_s: float) -> HTTPConnection:
    from urllib3.connection import HTTPConnection, HTTPSConnection  # noqa: PLC0415 - as above

    host = parts.hostname or ""
    if parts.scheme == "https":
        return HTTPSConnection(
            host,
            parts.port or _PORTS["https"],
            timeout=timeout_s,
            ssl_context=ssl.create_default_context(),
        )
    return HTTPConnection(host, parts.port or _PORTS["http"], timeout=timeout_s)


def _body(response: urllib3.BaseHTTPResponse, deadline_s: float, clock: Clock) -> bytes | None:
    """The whole body; None: it is too large, too slow, or shorter than it was said to be."""
    body = bytearray()
    while clock.monotonic_s() < deadline_s:
        chunk = response.read1(MAX_BYTES + 1 - len(body), decode_content=False)
        if not chunk:
            said = response.headers.get("Content-Length")
            return bytes(body) if said is None or said.strip() == str(len(body)) else None
        body += chunk
        if len(body) > MAX_BYTES:
            return None
    return None


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def _is_not_ours(_: logging.LogRecord) -> bool:
    """Keep our URL out of the log: `urllib3` names it where headers cannot be read (L28)."""
    return threading.current_thread().name != FETCHING_THREAD


class _Watch:
    """Cuts a connection off at the deadline: a time-out of each read alone can be drip-fed."""

    def __init__(self, connection: HTTPConnection, timeout_s: float) -> None:
        self._connection = connection
        self.socket: Any = None  # kept apart: the connection lets go of it at `Connection: close`
        self._timer = threading.Timer(timeout_s, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _cut(self) -> None:
        for each in (self.socket, self._connection.sock):
            if each is not None:
                with suppress(OSError, ValueError):
                    each.shutdown(socket.SHUT_RDWR)
