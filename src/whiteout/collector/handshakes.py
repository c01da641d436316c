"""TLS connections until they are there: as many may be in their handshake as may be open.

The event loop's own server knows of a connection once its handshake is done, and keeps any number
of sockets that never begin one.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Sequence

    from whiteout.collector.server import Server

_PAUSE_S = 1.0  # where no more files may be open; the standard event loop waits as long


class TlsListener:
    """Accepts connections for a server. Owner: the event loop.

    Args:
        server: that they are for.
        sockets: bound, not yet listening; closed at the end.
        context: with the certificate.
        backlog: connections that the system keeps waiting.

    Attributes:
        sockets: that it listens on.
    """

    def __init__(
        self,
        server: Server,
        sockets: Sequence[socket.socket],
        context: ssl.SSLContext,
        *,
        backlog: int,
    ) -> None:
        self.sockets = sockets
        self._server = server
        self._context = context
        self._greeting: set[asyncio.Task[None]] = set()
        for listening in sockets:
            listening.setblocking(False)
            listening.listen(backlog)
        self._accepting = [server.loop.create_task(self._accept(one)) for one in sockets]

    def close(self) -> None:
        """Accept no more; handshakes that have begun go on."""
        for task in self._accepting:
            task.cancel()

    async def _accept(self, listening: socket.socket) -> None:
        loop = self._server.loop
        with listening:
            while True:
                try:
                    client, _ = await loop.sock_accept(listening)
                except OSError:
                    await asyncio.sleep(_PAUSE_S)
                    continue
                if len(self._greeting) >= self._server.limits.connections:
                    client.close()  # to tell it why would need the handshake
                    continue
                task = loop.create_task(self._greet(client))
                self._greeting.add(task)
                task.add_done_callback(self._greeting.discard)

    async def _greet(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):  # what TLS complains of is one as well
            await self._server.loop.connect_accepted_socket(
                self._server.connection,
                client,
                ssl=self._context,
                ssl_handshake_timeout=self._server.limits.head_timeout_s,
            )
