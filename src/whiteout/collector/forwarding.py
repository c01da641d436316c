"""Requests that are no events, handed to the process behind: the page and its API.

The collector only finds out whose request it is. It passes on a few of its headers over a Unix
socket in a folder of ours, and lets the answer through as it comes, event streams too. Such a
request is the last one of its connection, so that nobody has to find out where its answer ends.

Events pay one look at the first bytes of the target for this, and nothing where there is no page.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from whiteout.collector.exchange import UNAVAILABLE
from whiteout.collector.header_names import tells_of_a_proxy

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from whiteout.collector.exchange import Request
    from whiteout.collector.owed import Exchange

_MOST = 64  # at once: pages keep a stream open
_PATIENCE_S = 15.0  # for the process behind to start, or to start again
_RETRY_S = 0.05
_FOLDERS = (b"/micro/", b"/ui/", b"/micro?", b"/ui?")
_PAGES = frozenset({b"/micro", b"/ui"})
# Nothing else of a request is the page's business: no address, and of forwarding headers and of the
# referrer only what decides who may come in, see `_facts`.
_HEADERS = frozenset(
    b"host accept accept-language authorization content-type cookie last-event-id origin"
    b" sec-fetch-dest sec-fetch-mode sec-fetch-site".split()
)


class Forwarder:
    """Whose request is it, and where does it go?

    Args:
        socket: of the process behind; it need not be there yet.
        own_paths: paths that are the collector's own, whatever they look like.
    """

    def __init__(self, socket: Path, *, own_paths: Collection[bytes] = ()) -> None:
        self.socket = str(socket)
        self._own_paths = frozenset(own_paths)
        self._pages = _PAGES if b"/" in self._own_paths else _PAGES | {b"/"}
        self.under_way: set[Forwarding] = set()

    def takes(self, target: bytes) -> bool:
        """Whether a request for `target` is not the collector's."""
        if target.startswith(_FOLDERS) or target in self._pages:
            return target.partition(b"?")[0] not in self._own_paths
        return False

    def forward(
        self, request: Request, exchange: Exchange, client: asyncio.Transport
    ) -> Forwarding | None:
        """Send a request on its way; None where too many are. Keeps nothing of `request`."""
        if len(self.under_way) >= _MOST:
            return None
        is_tls = client.get_extra_info("ssl_object") is not None
        message = _message(request, is_tls=is_tls)
        is_stream = b"text/event-stream" in request.values.get(b"accept", b"")
        return Forwarding(self, message, exchange, client, is_stream=is_stream)


class Forwarding(asyncio.Protocol):
    """One request behind, and its answer on the way back. Owner: the event loop.

    Attributes:
        is_stream: whether the answer has no end, so that a client that ends its side has left.
    """

    def __init__(
        self,
        forwarder: Forwarder,
        message: bytes,
        exchange: Exchange,
        client: asyncio.Transport,
        *,
        is_stream: bool = False,
    ) -> None:
        self.is_stream = is_stream
        self._forwarder = forwarder
        self._message = message
        self._exchange = exchange
        self._client = client
        self._transport: asyncio.Transport | None = None
        self._has_begun = self._is_over = False
        self._loop = asyncio.get_running_loop()
        forwarder.under_way.add(self)
        self._connecting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Its turn has come: what the connection owed before is answered."""
        self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        deadline = self._loop.time() + _PATIENCE_S
        while True:
            try:
                await self._loop.create_unix_connection(lambda: self, self._forwarder.socket)
            except OSError:
                if self._loop.time() >= deadline:
                    self.connection_lost(None)
                    return
            else:
                return
            await asyncio.sleep(_RETRY_S)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand the request over."""
        self._transport = cast("asyncio.Transport", transport)
        if self._is_over:
            self._transport.abort()
        else:
            self._transport.write(self._message)

    def data_received(self, data: bytes) -> None:
        """Let the answer through."""
        self._has_begun = True
        self._client.write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The answer is whole, or there is none."""
        if self._is_over:
            return
        self._is_over = True
        self._forwarder.under_way.discard(self)
        if self._has_begun:
            self._client.close()  # after what is written
        else:
            self._exchange.connection.answer(self._exchange, UNAVAILABLE)

    def pause(self) -> None:
        """The client does not read."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """The client reads again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def cancel(self) -> None:
        """The client has gone, or is sent away."""
        self._is_over = True
        self._forwarder.under_way.discard(self)
        if self._transport is not None:
            self._transport.abort()
        elif self._connecting is not None:
            self._connecting.cancel()


def _message(request: Request, *, is_tls: bool) -> bytes:
    """The request as it goes on: framed anew, by the length of the body that was read."""
    lines = [b"%b %b HTTP/1.1" % (request.method, request.target)]
    lines += [
        b"%b: %b" % (name, value)
        for name, value in request.headers
        if name.lower() in _HEADERS and b"\r" not in value and b"\n" not in value
    ]
    lines += _facts(request, is_tls=is_tls)
    lines += [b"Connection: close", b"Content-Length: %d" % len(request.body), b"", b""]
    return b"\r\n".join(lines) + request.body


def _facts(request: Request, *, is_tls: bool) -> Iterator[bytes]:
    """That a proxy was there, that the client speaks TLS, and which site it comes from."""
    if any(map(tells_of_a_proxy, request.values)):
        yield b"Via: 1.1 proxy"
    if is_tls or request.values.get(b"x-forwarded-proto", b"").lower() == b"https":
        yield b"Whiteout-Scheme: https"
    referer = request.values.get(b"referer")
    if referer is not None and b"\r" not in referer and b"\n" not in referer:
        yield b"Referer: " + b"/".join(referer.split(b"/", 3)[:3])
