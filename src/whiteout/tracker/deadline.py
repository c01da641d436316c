"""Connections whose requests end in time. To be imported only where one is sent: loads `urllib3`.

Its time-outs begin anew with every read, so that a head that comes byte by byte would be waited for
without end. Here each read and write gets what is left of the time for the whole request. No thread
and no timer: it costs a system call or two.

Connecting is bounded by `urllib3`: where a host has several addresses, for each of them.
"""

from __future__ import annotations

import http.client
import io
import math
from functools import partial
from typing import TYPE_CHECKING, Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from typing_extensions import Buffer

    _Base = HTTPConnection
else:
    _Base = object


class Deadline:
    """When the request that is under way must end.

    Args:
        monotonic_s: tells the time.
    """

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._at_s = math.inf

    def begin(self, timeout_s: float) -> None:
        """A request begins, for which there is so much time."""
        self._at_s = self._monotonic_s() + timeout_s

    def left_s(self) -> float:
        """Seconds, more than 0.

        Raises:
            TimeoutError: none are left.
        """
        left = self._at_s - self._monotonic_s()
        if left <= 0:
            raise TimeoutError
        return left


class _Reads(io.RawIOBase):
    """What a socket receives, until the deadline."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: Deadline) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int | None:
        self._sock.settimeout(self._deadline.left_s())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(
        self,
        deadline: Deadline,
        sock: socket.socket,
        *arguments: Any,  # noqa: ANN401 - those of the standard library's, handed on
        **options: Any,  # noqa: ANN401 - the same
    ) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(_Reads(self.fp.detach(), sock, deadline))


class _InTime(_Base):
    """Of a connection: `deadline` bounds what it sends and receives."""

    def __init__(self, *arguments: Any, deadline: Deadline, **options: Any) -> None:  # noqa: ANN401 - urllib3's, handed on
        super().__init__(*arguments, **options)
        self.response_class = partial(_Response, deadline)  # type: ignore[assignment] # all it is is called
        self._deadline = deadline

    def send(self, data: Any) -> None:  # noqa: ANN401 - whatever http.client takes
        if self.sock is not None:
            self.sock.settimeout(self._deadline.left_s())
        super().send(data)


class _Plain(_InTime, HTTPConnection):
    """Over TCP."""


class _Encrypted(_InTime, HTTPSConnection):
    """Over TLS."""


def pool_of_one(url: str, deadline: Deadline) -> urllib3.HTTPConnectionPool:
    """One connection to the host of `url`, kept between requests."""
    pool = urllib3.connection_from_url(url, maxsize=1, deadline=deadline)
    pool.ConnectionCls = _Encrypted if pool.scheme == "https" else _Plain
    return pool
