"""A collector that answers 200 at once and remembers what it was sent: the far end of a benchmark.

Run as a program: prints its port, then answers lines on standard input with a number: `count
PATTERN`, the distinct matches of the regular expression in all bodies so far; `all PATTERN`, all
matches; `bytes`, the size of the bodies; `requests`; `arrived`, when the last came, in epoch
microseconds. Bodies are kept as they came and looked at
only when asked, so that the sink stays quick.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import sys
import threading
import time
from typing import cast

import httptools

BODIES: list[bytes] = []
ARRIVED: list[float] = []  # when the last of them came, Unix epoch seconds
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n"
ANSWER += b'{"status":"ok"}'


class Sink(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.parser = httptools.HttpRequestParser(self)
        self.parts: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        self.parts.append(data)

    def on_message_complete(self) -> None:
        BODIES.append(b"".join(self.parts))
        ARRIVED[:] = [time.time()]
        self.parts = []
        self.transport.write(ANSWER)
        if not self.parser.should_keep_alive():
            self.transport.close()


def text(body: bytes) -> bytes:
    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


def answer_questions() -> None:
    seen: set[bytes] = set()
    looked_at = 0
    for line in sys.stdin:
        verb, _, pattern = line.strip().partition(" ")
        if verb == "count":
            expression = re.compile(pattern.encode())
            while looked_at < len(BODIES):
                seen.update(expression.findall(text(BODIES[looked_at])))
                looked_at += 1
            print(len(seen), flush=True)
        elif verb == "all":
            expression = re.compile(pattern.encode())
            print(sum(len(expression.findall(text(body))) for body in BODIES), flush=True)
        elif verb == "bytes":
            print(sum(map(len, BODIES)), flush=True)
        elif verb == "requests":
            print(len(BODIES), flush=True)
        elif verb == "arrived":
            print(int(ARRIVED[0] * 1e6), flush=True)


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    threading.Thread(target=answer_questions, daemon=True).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.run(main())
    except ImportError:
        asyncio.run(main())
