"""A collector on loopback that answers as a test says, and remembers what it was asked."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import struct
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_BACKLOG = 64
_MAX_HEAD_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How to answer one request.

    Attributes:
        status: the HTTP status.
        headers: besides `Content-Length`.
        body: of the answer.
        delay_s: seconds to wait before.
        raw: bytes to send instead of an HTTP answer; the connection is closed after them.
        resets: reset the connection instead of answering.
        holds: answer only once the test calls `release`.
        drip_s: send byte by byte, with so many seconds in between.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b"ok"
    delay_s: float = 0.0
    raw: bytes | None = None
    resets: bool = False
    holds: bool = False
    drip_s: float = 0.0

    def encoded(self) -> bytes:
        """The bytes of the answer."""
        if self.raw is not None:
            return self.raw
        lines = [f"HTTP/1.1 {self.status} Status", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request.

    Attributes:
        connection: which connection it came on: 1 for the first that was accepted.
        method: `GET` or `POST`.
        path: without the query.
        query: as it stood in the request line.
        headers: names in lower case.
        header_names: as they were written, in order.
        body: as it came.
        events: the payloads, one an event.
        status: what was answered; None where the connection was reset or garbage was sent.
    """

    connection: int
    method: str
    path: str
    query: str
    headers: dict[str, str]
    header_names: tuple[str, ...]
    body: bytes
    events: tuple[dict[str, str], ...]
    status: int | None

    @property
    def ids(self) -> tuple[str, ...]:
        """The event ids."""
        return tuple(event["eid"] for event in self.events)


class Collector:
    """A server on a free port of loopback, one thread a connection.

    Requests are answered by `replies`, first come first served, and by `default` when those are
    used up. Use it as a context manager.
    """

    def __init__(self, *, port: int = 0) -> None:
        self.replies: deque[Reply] = deque()
        self.default = Reply()
        self._changed = threading.Condition()
        self._received: list[Received] = []
        self._connections: dict[int, socket.socket] = {}
        self._accepted = 0
        self._released = False
        self._stopped = False
        self._listener = socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="collector", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """What to give a tracker as its endpoint."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[Received]:
        """What has come so far, in the order of the answers."""
        with self._changed:
            return list(self._received)

    @property
    def events(self) -> list[dict[str, str]]:
        """The payloads of all requests, in order, accepted or not."""
        return [event for request in self.requests for event in request.events]

    @property
    def accepted_ids(self) -> Counter[str]:
        """How often each event id came in a request that was answered with 2xx."""
        return Counter(
            event_id
            for request in self.requests
            if request.status is not None and 200 <= request.status <= 299
            for event_id in request.ids
        )

    def reply(self, *replies: Reply) -> None:
        """Answer the next requests so."""
        with self._changed:
            self.replies.extend(replies)

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 10.0) -> bool:
        """Wait until something that came makes `condition` true; False: not within the time."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            with self._changed:
                self._changed.wait(min(left, 0.05))
        return True

    def wait_for_requests(self, count: int, timeout_s: float = 10.0) -> bool:
        """Wait until so many requests have come."""
        return self.wait_for(lambda: len(self.requests) >= count, timeout_s)

    def wait_for_events(self, count: int, timeout_s: float = 10.0) -> bool:
        """Wait until so many events have come."""
        return self.wait_for(lambda: len(self.events) >= count, timeout_s)

    def release(self) -> None:
        """Answer the requests that are held, and hold no more."""
        with self._changed:
            self._released = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Close the port and every connection."""
        with self._changed:
            self._stopped = True
            connections = list(self._connections.values())
            self._changed.notify_all()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                self._accepted += 1
                number = self._accepted
                self._connections[number] = connection
            threading.Thread(target=self._serve, args=(number, connection), daemon=True).start()

    def _serve(self, number: int, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as stream:
                while self._serve_one(number, connection, stream):
                    pass
        except (OSError, ValueError):
            return  # the client went away, as some tests want it to
        finally:
            with self._changed:
                self._connections.pop(number, None)

    def _serve_one(self, number: int, connection: socket.socket, stream: Any) -> bool:  # noqa: ANN401 - a file
        """Answer one request; False: the connection is at its end."""
        request_line = stream.readline(_MAX_HEAD_BYTES).decode("latin-1").split()
        if not request_line:
            return False
        method, target, _ = request_line
        pairs = []
        while line := stream.readline(_MAX_HEAD_BYTES).decode("latin-1").strip():
            name, _, value = line.partition(":")
            pairs.append((name, value.strip()))
        headers = {name.lower(): value for name, value in pairs}
        body = stream.read(int(headers.get("content-length", "0")))
        reply = self._next_reply()
        if reply.delay_s:
            self._pause(reply.delay_s)
        if reply.holds:
            self._hold()
        parts = urlsplit(target)
        is_answered = not reply.resets and reply.raw is None
        with self._changed:
            self._received.append(
                Received(
                    connection=number,
                    method=method,
                    path=parts.path,
                    query=parts.query,
                    headers=headers,
                    header_names=tuple(name for name, _ in pairs),
                    body=body,
                    events=_events(method, parts.query, body),
                    status=reply.status if is_answered else None,
                )
            )
            self._changed.notify_all()
        return self._answer(connection, reply) and headers.get("connection") != "close"

    def _answer(self, connection: socket.socket, reply: Reply) -> bool:
        if reply.resets:
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            return False
        content = reply.encoded()
        if not reply.drip_s:
            connection.sendall(content)
        for position in range(len(content) if reply.drip_s else 0):
            connection.sendall(content[position : position + 1])
            self._pause(reply.drip_s)
        return reply.raw is None

    def _next_reply(self) -> Reply:
        with self._changed:
            return self.replies.popleft() if self.replies else self.default

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped, seconds)

    def _hold(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._released or self._stopped)


def closed_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def entities(event: dict[str, str]) -> list[dict[str, Any]]:
    """The entities of a payload, from `cx` or `co`."""
    envelope = _json(event, "cx", "co")
    return envelope["data"] if envelope else []


def entity(event: dict[str, str], name: str) -> dict[str, Any] | None:
    """The data of the entity whose schema has this name; None: there is none."""
    found = [item["data"] for item in entities(event) if f"/{name}/jsonschema/" in item["schema"]]
    assert len(found) <= 1
    return found[0] if found else None


def session(event: dict[str, str]) -> dict[str, Any]:
    """The data of the session entity, which must be there."""
    data = entity(event, "client_session")
    assert data is not None
    return data


def unstructured(event: dict[str, str]) -> dict[str, Any]:
    """The body of a self-describing event, from `ue_px` or `ue_pr`, without its envelope."""
    envelope = _json(event, "ue_px", "ue_pr")
    assert envelope is not None
    data: dict[str, Any] = envelope["data"]
    return data


def _json(event: dict[str, str], base64_key: str, plain_key: str) -> dict[str, Any] | None:
    if base64_key in event:
        encoded = event[base64_key]
        decoded: dict[str, Any] = json.loads(
            base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        )
        return decoded
    if plain_key in event:
        plain: dict[str, Any] = json.loads(event[plain_key])
        return plain
    return None


def _events(method: str, query: str, body: bytes) -> tuple[dict[str, str], ...]:
    if method == "GET":
        return (dict(parse_qsl(query, keep_blank_values=True)),)
    return tuple(json.loads(body)["data"])
