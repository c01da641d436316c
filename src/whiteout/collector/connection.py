"""One client's connection: HTTP/1.1 as an `asyncio.Protocol` on httptools, no task a request.

Invariants:

- Answers leave in the order of their requests; at most `Limits.pipelined` are in work (and what one
  slice of input started), reading waits beyond, and what has been read is parsed no further.
- Every wait for the client has an end: `_deadline`, which the server's sweep looks at.
- Framing is never guessed: see `framing`. What is in doubt is answered 400 and closed.

Owner of all state: the event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, cast

import httptools

from whiteout.collector.address import UNKNOWN, normalise
from whiteout.collector.exchange import KEEP_ALIVE, UNAVAILABLE, Request
from whiteout.collector.framing import doubt_about
from whiteout.collector.header_names import NAMES, NO_NAMES
from whiteout.collector.owed import Exchange

if TYPE_CHECKING:
    from whiteout.collector.exchange import Answer
    from whiteout.collector.forwarding import Forwarder, Forwarding
    from whiteout.collector.server import Server
    from whiteout.collector.settings import Limits

_logger = logging.getLogger("whiteout.collector")

_SLICE_BYTES = 16 * 1024  # parsed at once: bounds the requests that one read can start
_LINGER_S = 2.0  # for a refused client to read why
_NEVER = float("inf")
_NOTHING, _HEAD, _BODY = range(3)  # what a connection awaits from its client


class _RefusedError(Exception):
    """Raised into the parser to stop it. The connection knows the status."""


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._limits: Limits = server.limits
        self._time = server.loop.time
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._feed_data = self._parser.feed_data
        self._request = Request(b"", b"", NO_NAMES, (), b"", UNKNOWN)
        self._exchanges: deque[Exchange] = deque()  # in order of their requests
        self._spare: Exchange | None = None  # to be used again: 0.1 us less than a new one
        self._unparsed: list[bytes] = []
        self._deadline = _NEVER
        self._paused = False  # reading
        self._parsing = False  # the parser is on the stack, and must not be entered again
        self._blocked = False  # the client does not read
        self._last = False  # no further request is parsed
        self._refusal = 0  # status, where the parser was stopped
        self._awaited = _NOTHING  # from the client, by the parser
        self._timed = _NOTHING  # what `_deadline` was set for
        self._owes_continue = False  # `100 Continue`, to the request that is being read
        self._is_usual = False  # the head raised no question: HTTP/1.1, kept alive
        self._body_bytes = 0
        self._raw_bytes = 0
        self._target = b""
        self._names: list[bytes] = []
        self._texts: list[bytes] = []
        self._key = b""  # the names of the request that was last begun, joined
        self._body: list[bytes] = []
        self._is_ascii = False  # all that was read, since a read that began a request
        self._most = self._limits.pipelined
        self._idle_s = self._limits.idle_timeout_s
        self._header_room = self._limits.header_bytes - _SLICE_BYTES
        self._header_count = self._limits.header_count
        self._body_limit = self._limits.body_bytes

    # The transport calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; beyond the limit of connections, only to say so."""
        self._transport = cast("asyncio.Transport", transport)
        server = self._server
        server.connections.add(self)
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self._request.peer = normalise(peer[0])
        self._wait(self._limits.idle_timeout_s)
        if len(server.connections) > self._limits.connections or server.draining:
            self._refuse(503)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forget what is not answered: what is durable stays durable."""
        self._server.left(self)
        self._transport = None
        if forwarding := self._forwarding():
            forwarding.cancel()
        self._exchanges.clear()
        self._unparsed.clear()
        self._spare = None
        # Parser and connection know each other, so that this object may outlive its client by far.
        self._request = Request(b"", b"", NO_NAMES, (), b"", UNKNOWN)
        self._names, self._texts, self._body, self._key = [], [], [], b""

    def data_received(self, data: bytes) -> None:
        """Parse, unless earlier input waits."""
        if self._last:
            return
        if self._unparsed:
            self._unparsed.append(data)
            return
        # Once for all: 0.2 us, where a look at each part of a request takes 0.6.
        self._is_ascii = data.isascii() and (self._is_ascii or self._awaited == _NOTHING)
        self._parsing = True
        try:
            if len(data) <= _SLICE_BYTES:
                self._raw_bytes += len(data)
                self._feed_data(data)
                if self._awaited != _NOTHING:
                    self._look_at_what_is_begun()
            else:
                self._feed_slices(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._stopped(error)
        finally:
            self._parsing = False
        if self._blocked or len(self._exchanges) >= self._most:
            self._pause()

    def eof_received(self) -> bool:
        """A client that has sent all may still read its answers."""
        self._last = True
        forwarding = self._forwarding()
        if not self._exchanges or (forwarding is not None and forwarding.is_stream):
            return False
        self._exchanges[-1].close = True
        return True

    def pause_writing(self) -> None:
        """The client does not read: take nothing more from it."""
        self._blocked = True
        self._wait(self._limits.idle_timeout_s)
        self._pause()
        if forwarding := self._forwarding():
            forwarding.pause()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._blocked = False
        if self._exchanges:
            self._deadline = _NEVER
        else:
            self._wait(self._limits.idle_timeout_s)
        if forwarding := self._forwarding():
            forwarding.resume()
        if not self._parsing:
            self._resume()

    # The parser calls these.

    def on_message_begin(self) -> None:
        """Start with an empty request; its head must be here in time."""
        if self._last:
            raise _RefusedError  # behind the last request: nobody will answer
        self._awaited = _HEAD
        self._target = b""
        self._names, self._texts, self._body = [], [], []
        self._body_bytes = self._raw_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self._target += url
        if len(self._target) > self._limits.request_line_bytes:
            self._stop(400)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. All are looked at together; `data_received` bounds what comes before."""
        self._names.append(name)
        self._texts.append(value)

    def on_headers_complete(self) -> None:
        """Decide whether the framing is beyond doubt, before any body is read."""
        self._awaited = _BODY
        request = self._request
        request.texts = texts = self._texts
        key = b":".join(self._names)
        self._names, self._texts = [], []  # take trailers, which count for nothing
        if key != self._key:  # a client has the same ones again and again
            self._key = key
            request.names = NAMES[key]
        names = request.names
        parser = self._parser
        self._is_usual = (
            names.frames_usually
            and len(texts) <= self._header_count
            and self._raw_bytes <= self._header_room
            and not parser.should_upgrade()
            and parser.should_keep_alive()  # without `Connection`: this is HTTP/1.1
            and (not names.has_connection or parser.get_http_version() == "1.1")
            and (names.length_place < 0 or int(texts[names.length_place]) <= self._body_limit)
        )
        if not self._is_usual:
            self._check_framing()

    def _check_framing(self) -> None:
        """Look at what the quick way did not."""
        version = self._parser.get_http_version()
        upgrades = self._parser.should_upgrade()
        headers, values = self._request.headers, self._request.values
        status = doubt_about(headers, version, upgrades=upgrades, limits=self._limits)
        if status:
            self._stop(status)
        if b"expect" in values:
            self._expect(values[b"expect"], version)

    def _expect(self, expectation: bytes, version: str) -> None:
        if expectation.strip().lower() != b"100-continue":
            self._stop(417)
        if version == "1.1":
            self._owes_continue = True
            self._continue_if_due()

    def _continue_if_due(self) -> None:
        """Tell a client that waits for it to go on with its body.

        Not before answers that are still owed: the client would take it for one of those.
        """
        if not self._exchanges and self._transport is not None:
            self._owes_continue = False
            if not self._body_bytes:  # else it has not waited
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self._wait(self._limits.body_timeout_s)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body, as far as the limit allows."""
        self._body_bytes += len(body)
        if self._body_bytes > self._limits.body_bytes:
            self._stop(413)
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Hand the request over; its answer may come at once or later."""
        self._owes_continue = False
        self._awaited = self._timed = _NOTHING
        self._deadline = _NEVER  # the next wait is ours
        parts = self._body
        request = self._request
        request.method = self._parser.get_method()
        request.target = self._target
        request.body = parts[0] if len(parts) == 1 else b"".join(parts)
        request.is_ascii = self._is_ascii
        server = self._server
        if server.forwarder is not None and server.forwarder.takes(request.target):
            self._forward(server.forwarder)
            return
        response, records, bad_rows = server.handle(request)
        if (exchange := self._spare) is None:
            exchange = Exchange(self, response)
        else:
            self._spare = None
            exchange.response = response
        exchange.tell = request.names.has_connection
        if not self._is_usual or server.draining or request.method == b"HEAD":
            self._mark(exchange)
        self._exchanges.append(exchange)
        if not records and not bad_rows:
            self.answer(exchange, server.operations.answer(request, response))
        elif not server.sink.submit(records, bad_rows, exchange):
            self.answer(exchange, UNAVAILABLE)

    def _forward(self, forwarder: Forwarder) -> None:
        """Let another process answer, once it is its turn. The connection ends with the answer."""
        transport = self._transport
        if transport is None or self._server.draining:
            return
        self._last = True
        self._server.look_at_clock()
        exchange = Exchange(self, UNAVAILABLE)
        exchange.close = True
        exchange.forwarding = forwarder.forward(self._request, exchange, transport)
        self._exchanges.append(exchange)
        if exchange.forwarding is None:
            self.answer(exchange, UNAVAILABLE)
        elif len(self._exchanges) == 1:
            exchange.forwarding.start()

    def _forwarding(self) -> Forwarding | None:
        return self._exchanges[-1].forwarding if self._exchanges else None

    def _mark(self, exchange: Exchange) -> None:
        """Note what is unusual about the answer of the request that is complete now."""
        keep = self._parser.should_keep_alive() and not self._server.draining
        if not keep:
            self._last = True
        exchange.is_head = self._request.method == b"HEAD"
        exchange.close = not keep
        exchange.tell = keep and self._request.names.has_connection

    # Ours.

    def answer(self, exchange: Exchange, response: Answer) -> None:
        """Give `exchange` its answer, and send what is next in order."""
        transport = self._transport
        if transport is None:
            return
        server, exchanges = self._server, self._exchanges
        if (
            len(exchanges) == 1
            and exchanges[0] is exchange
            and not (exchange.close or exchange.is_head or server.draining)
        ):  # nearly always
            exchanges.clear()
            self._spare = exchange
            transport.write(server.usual_answer(response, keep_alive=exchange.tell))
        elif not self._answer_in_order(transport, exchange, response):
            return
        if not exchanges and self._awaited == _NOTHING:
            self._deadline = self._time() + self._idle_s
        elif self._owes_continue:
            self._continue_if_due()
        if self._paused and not self._parsing:
            self._resume()

    def _answer_in_order(
        self, transport: asyncio.Transport, exchange: Exchange, response: Answer
    ) -> bool:
        """Whether the connection goes on."""
        server, exchanges = self._server, self._exchanges
        connection = b""
        if exchange.close or server.draining:
            exchange.close = True
            connection = b"Connection: close\r\n"
        elif exchange.tell:
            connection = KEEP_ALIVE
        exchange.answer = server.answer(response, connection, exchange.is_head)
        while exchanges and exchanges[0].answer is not None:
            first = exchanges.popleft()
            transport.write(cast("bytes", first.answer))
            if first.close:
                self._finish(linger=first.linger)
                return False
            if exchanges and exchanges[0].forwarding is not None:
                exchanges[0].forwarding.start()
        return True

    def close_when_answered(self) -> None:
        """Take no further request; what goes to another process has no end, and is cut."""
        if (forwarding := self._forwarding()) and self._transport is not None:
            forwarding.cancel()
            self._transport.close()
        elif self._exchanges:
            self._last = True
            self._exchanges[-1].close = True
        elif self._transport is not None and self._awaited == _NOTHING:
            self._transport.close()

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def check_deadline(self, now: float) -> None:
        """Answer or cut a client that has been waited for long enough."""
        if now < self._deadline:
            return
        if self._last or self._blocked:
            self.abort()
        elif self._awaited != _NOTHING:
            self._refuse(408)
        elif self._transport is not None:
            self._transport.close()

    def _feed_slices(self, data: bytes) -> None:
        view = memoryview(data)
        for start in range(0, len(data), _SLICE_BYTES):
            if self._last:
                return
            if self._must_wait():
                self._unparsed.append(data[start:])
                return
            piece = view[start : start + _SLICE_BYTES]
            self._raw_bytes += len(piece)
            self._feed_data(piece)
            if self._awaited != _NOTHING:
                self._look_at_what_is_begun()

    def _look_at_what_is_begun(self) -> None:
        """Bound the size and the time of a request that is not complete yet."""
        limits = self._limits
        if self._awaited == _HEAD:
            if self._raw_bytes > limits.header_bytes + limits.request_line_bytes:
                self._refuse(400)  # one endless name or value, which the parser has not handed over
                return
            seconds = limits.head_timeout_s
        else:
            if self._raw_bytes > 4 * limits.body_bytes + _SLICE_BYTES:
                self._refuse(413)  # chunk extensions and trailers without end
                return
            seconds = limits.body_timeout_s
        if self._timed != self._awaited:  # else the time runs already
            self._timed = self._awaited
            self._wait(seconds)

    def _must_wait(self) -> bool:
        return self._blocked or len(self._exchanges) >= self._most

    def _pause(self) -> None:
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        """Go on with what was read, then with reading, as far as the limits allow."""
        while self._unparsed and not self._last and not self._must_wait():
            data = self._unparsed.pop(0)
            rest, self._unparsed = self._unparsed, []
            self.data_received(data)
            self._unparsed += rest
        if self._paused and self._transport is not None and not self._must_wait():
            self._paused = False
            self._transport.resume_reading()

    def _stop(self, status: int) -> None:
        """Stop the parser from within one of its calls."""
        self._refusal = status
        raise _RefusedError

    def _stopped(self, error: Exception) -> None:
        if self._last:
            return  # data behind a last request, which has or gets its answer
        status = self._refusal or 400
        if isinstance(error, httptools.HttpParserCallbackError) and not isinstance(
            error.__context__, _RefusedError
        ):
            _logger.error("a request failed: %s", type(error.__context__).__name__)
            status = 500
        self._refuse(status)

    def _refuse(self, status: int) -> None:
        """Answer with `status` after what is owed, and close."""
        if self._last:
            return
        self._last = True
        self._awaited = self._timed = _NOTHING
        self._deadline = _NEVER
        response = self._server.refusal(status)
        exchange = Exchange(self, response)
        exchange.close = exchange.linger = True
        self._exchanges.append(exchange)
        self.answer(exchange, response)

    def _finish(self, *, linger: bool) -> None:
        transport = self._transport
        if transport is None:
            return
        self._last = True
        self._exchanges.clear()
        self._unparsed.clear()
        if linger and transport.can_write_eof():
            transport.write_eof()
            self._wait(_LINGER_S)
            self._resume()  # reading, only to throw away
        else:
            transport.close()

    def _wait(self, seconds: float) -> None:
        self._deadline = self._time() + seconds
