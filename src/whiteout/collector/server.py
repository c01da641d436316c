"""What all connections share: limits, core, sink, clock, and the sweep over their deadlines.

Nothing of a request is logged: no line, header, query, peer or body, and there is no access log.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

from whiteout.collector.connection import Connection
from whiteout.collector.core import Core
from whiteout.collector.exchange import KEEP_ALIVE, Outcome, plain, standing_lines
from whiteout.collector.faults import answer_to
from whiteout.collector.operations import Operations

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.collector.exchange import Answer, Decision, Request, Response
    from whiteout.collector.forwarding import Forwarder
    from whiteout.collector.settings import CollectorSettings
    from whiteout.collector.sink import Sink

_SWEEP_S = 1.0
_STATUSES = (200, 301, 302, 303, 307, 308, 400, 404, 408, 413, 417, 500, 503)
_REASONS = {status: HTTPStatus(status).phrase.encode() for status in _STATUSES}
_REASONS[413] = b"Content Too Large"  # its name since RFC 9110
_STATUS_LINES = {
    status: b"HTTP/1.1 %d %b\r\n" % (status, reason) for status, reason in _REASONS.items()
}


def _length_line(size: int) -> bytes:
    return b"Content-Length: %d\r\n" % size


_LENGTH_LINES = tuple(_length_line(size) for size in range(64))
_HEAD_ENDS = tuple(line + b"\r\n" for line in _LENGTH_LINES)  # of most answers, by size of body
_KEPT_ENDS = tuple(line + KEEP_ALIVE + b"\r\n" for line in _LENGTH_LINES)


class Server:
    """What the connections of one listening socket share.

    Args:
        settings: limits, and what the core is told.
        sink: where records go.
        loop: that all of it runs on.
        now_ms: Unix epoch milliseconds.
        new_uuid: makes random ids.
        forwarder: for requests that another process answers; None where there is none.
    """

    def __init__(  # noqa: PLR0913 - all keyword-only, most with a default
        self,
        settings: CollectorSettings,
        sink: Sink,
        *,
        loop: asyncio.AbstractEventLoop,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        new_uuid: Callable[[], uuid.UUID] = uuid.uuid4,
        forwarder: Forwarder | None = None,
    ) -> None:
        self.forwarder = forwarder
        self.limits = settings.limits
        self.sink = sink
        self.loop = loop
        self.core = Core(settings, sink.name)
        self.now_ms = now_ms
        self.new_uuid = new_uuid
        self.connections: set[Connection] = set()
        self.operations = Operations(settings, sink, lambda: len(self.connections))
        self.draining = False
        self.drained = asyncio.Event()
        self._standing = standing_lines(settings)
        self._second = -1
        self._starts: dict[int, bytes] = {}  # status lines with the date of that second
        self._timer = loop.call_later(self.sweep_s, self._sweep)

    def connection(self) -> Connection:
        """Make the protocol of one connection: the factory for `loop.create_server`."""
        return Connection(self)

    def handle(self, request: Request) -> Decision:
        """Ask the core. A fault of ours is answered 500 and logged without what caused it."""
        now_ms = self.now_ms()
        if now_ms // 1000 != self._second:
            self._know_date(now_ms)
        try:
            return self.core.decide(request, now_ms, self.new_uuid)
        except Exception as error:  # noqa: BLE001 - the top of a request
            return Outcome(answer_to(error))

    def answer(self, response: Answer, connection: bytes, is_head: bool) -> bytes:  # noqa: FBT001 - positional: on the path of every request
        """Return an answer as it goes over the wire, dated by the last request.

        Args:
            response: the core's.
            connection: the line that tells what becomes of the connection, if it must be told.
            is_head: leaves out the body.
        """
        status, lines, body = response
        size = len(body)
        length = _LENGTH_LINES[size] if size < len(_LENGTH_LINES) else _length_line(size)
        end = b"" if is_head else body
        return b"".join((self._starts[status], lines, length, connection, b"\r\n", end))

    def usual_answer(self, response: Answer, *, keep_alive: bool) -> bytes:
        """Return the same as `answer` does where little or nothing is to be said otherwise."""
        status, lines, body = response
        size = len(body)
        if size >= len(_LENGTH_LINES):
            return self.answer(response, KEEP_ALIVE if keep_alive else b"", False)
        end = _KEPT_ENDS[size] if keep_alive else _HEAD_ENDS[size]
        return b"".join((self._starts[status], lines, end, body))

    def refusal(self, status: int) -> Response:
        """Return the answer that refuses a request before the core sees it."""
        self.look_at_clock()
        self.sink.metrics.refuse(status)
        return plain(status, _REASONS[status])

    def look_at_clock(self) -> None:
        """Date answers as of now: requests that never come to the core do not do it."""
        self._know_date(self.now_ms())

    def _know_date(self, now_ms: int) -> None:
        self._second = now_ms // 1000
        date = formatdate(self._second, usegmt=True).encode()
        self._starts = {
            status: b"%bDate: %b\r\n%b" % (line, date, self._standing)
            for status, line in _STATUS_LINES.items()
        }

    def left(self, connection: Connection) -> None:
        """Note that a connection is gone."""
        self.connections.discard(connection)
        if self.draining and not self.connections:
            self.drained.set()

    def drain(self) -> None:
        """Close idle connections, and the others once they are answered."""
        self.draining = self.operations.leaving = True
        if not self.connections:
            self.drained.set()
        for connection in list(self.connections):
            connection.close_when_answered()

    def close(self) -> None:
        """Cut what is left."""
        self._timer.cancel()
        for connection in list(self.connections):
            connection.abort()

    def _sweep(self) -> None:
        now = self.loop.time()
        for connection in list(self.connections):
            connection.check_deadline(now)
        self._timer = self.loop.call_later(self.sweep_s, self._sweep)

    @property
    def sweep_s(self) -> float:
        """How often deadlines are looked at: a short limit needs it more often."""
        limits = self.limits
        shortest = min(limits.head_timeout_s, limits.body_timeout_s, limits.idle_timeout_s)
        return min(_SWEEP_S, shortest / 4)
