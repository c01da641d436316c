"""The collector as an ASGI application: the plain fallback, for uvicorn and odd proxies.

The same core and the same sink as the server of our own; framing, limits on the head and time-outs
are the ASGI server's. Run it without access log (`uvicorn --no-access-log`), which would hold what
the door keeps out. The peer's address is the server's word: leave its proxy headers off
(`--no-proxy-headers`) and set `trusted_proxies` here.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, Any

from whiteout.collector.address import UNKNOWN, normalise
from whiteout.collector.core import Core
from whiteout.collector.exchange import UNAVAILABLE, Request, Response, plain, standing_lines
from whiteout.collector.faults import answer_to
from whiteout.collector.operations import Operations
from whiteout.collector.sink import LogSink

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from whiteout.collector.exchange import Header
    from whiteout.collector.settings import CollectorSettings
    from whiteout.collector.sink import Sink
    from whiteout.log import Durability, Log

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Application = Callable[[Message, Receive, Send], Awaitable[None]]


class _Waiter:
    """Turns the sink's call into something to await."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.done: asyncio.Future[bool] = loop.create_future()

    def stored(self, ok: bool) -> None:  # noqa: FBT001 - see `sink.Waiter`
        if not self.done.done():  # it is where the client has gone and the request was cancelled
            self.done.set_result(ok)


class _Application:
    def __init__(
        self, settings: CollectorSettings, raw_log: Log, bad_log: Log, durability: Durability
    ) -> None:
        self._settings = settings
        self._logs = (raw_log, bad_log)
        self._durability = durability
        self._core = Core(settings)
        self._standing = standing_lines(settings)
        self._sink: Sink | None = None
        self._operations: Operations | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._running_sink()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                if self._sink is not None:
                    self._sink.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _running_sink(self) -> Sink:
        """Return the sink, made at the first use: servers may leave the lifespan out."""
        if self._sink is None:
            self._sink = LogSink(
                *self._logs,
                asyncio.get_running_loop(),
                threaded=self._durability == "disk",
                limits=self._settings.limits,
            )
            self._operations = Operations(self._settings, self._sink)
        return self._sink

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            response = await self._response(scope, receive)
        except Exception as error:  # noqa: BLE001 - the server would log its text
            response = answer_to(error)
        if response is None:
            return  # the client has gone: what came of its request is none
        lines = self._standing + response.lines
        headers = [
            (name.lower(), value)
            for name, _, value in (line.partition(b": ") for line in lines.splitlines())
        ]
        headers.append((b"content-length", b"%d" % len(response.body)))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        sent = b"" if scope["method"] == "HEAD" else response.body
        await send({"type": "http.response.body", "body": sent})

    async def _response(self, scope: Message, receive: Receive) -> Response | None:
        body = await self._body(receive)
        if body is None:
            return None
        if len(body) > self._settings.limits.body_bytes:
            self._running_sink().metrics.refuse(413)
            return plain(413, b"Content Too Large")
        return await self._answer(_request(scope, body))

    async def _body(self, receive: Receive) -> bytes | None:
        """Read the whole body, as far as one part over the limit; None: the client has gone."""
        parts: list[bytes] = []
        room = self._settings.limits.body_bytes
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            part = message.get("body", b"")
            room -= len(part)
            parts.append(part)
            if room < 0 or not message.get("more_body", False):
                return b"".join(parts)

    async def _answer(self, request: Request) -> Response:
        sink = self._running_sink()
        outcome = self._core.handle(request, time.time_ns() // 1_000_000, uuid.uuid4)
        if not outcome.records and not outcome.bad_rows:
            operations = self._operations
            if operations is None:
                return UNAVAILABLE
            return Response(*operations.answer(request, outcome.response))
        waiter = _Waiter(asyncio.get_running_loop())
        taken = sink.submit(outcome.records, outcome.bad_rows, waiter)
        return outcome.response if taken and await waiter.done else UNAVAILABLE


def _request(scope: Message, body: bytes) -> Request:
    headers: list[Header] = [(_title(name), value) for name, value in scope["headers"]]
    target: bytes = scope.get("raw_path") or scope["path"].encode()
    target = target.partition(b"?")[0]
    query: bytes = scope.get("query_string", b"")
    client = scope.get("client")
    return Request.of(
        scope["method"].encode(),
        b"%b?%b" % (target, query) if query else target,
        headers,
        body,
        normalise(client[0]) if client else UNKNOWN,
    )


def _title(name: bytes) -> bytes:
    """Write a name as clients do: ASGI has it in lower case only."""
    return b"SP-Anonymous" if name == b"sp-anonymous" else name.title()


def create_app(
    settings: CollectorSettings, raw_log: Log, bad_log: Log, *, durability: Durability = "disk"
) -> Application:
    """Make the application.

    Args:
        settings: how to answer; of `limits` only those in bytes of body and log count here.
        raw_log: a writer, for records. The caller closes it, after the server has stopped.
        bad_log: a writer, for bad rows.
        durability: of `raw_log`.
    """
    return _Application(settings, raw_log, bad_log, durability)
