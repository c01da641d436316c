"""What the collector's tests share: requests as values, and a real server on loopback."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from whiteout.collector.core import Core
from whiteout.collector.exchange import Request
from whiteout.collector.process import serve
from whiteout.collector.settings import CollectorSettings
from whiteout.log import Log, open_log
from whiteout.protocol.collector_payload import CollectorPayload, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from whiteout.collector.exchange import Outcome
    from whiteout.collector.forwarding import Forwarder
    from whiteout.log import Durability

NOW_MS = 1_700_000_000_123  # Tue, 14 Nov 2023 22:13:20 GMT
FRESH = "11111111-1111-4111-8111-111111111111"
TP2 = "/com.snowplowanalytics.snowplow/tp2"
EVERYTHING = {"max_records": 1_000_000, "max_bytes": 1_000_000_000}


def make_request(
    method: str = "GET",
    target: str = TP2,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    peer: str = "198.51.100.7",
) -> Request:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return Request.of(method.encode(), target.encode(), raw, body, peer)


@dataclass(frozen=True)
class Answer:
    """An outcome, taken apart."""

    outcome: Outcome

    @property
    def status(self) -> int:
        return self.outcome.response.status

    @property
    def body(self) -> bytes:
        return self.outcome.response.body

    @property
    def lines(self) -> list[str]:
        return self.outcome.response.lines.decode().splitlines()

    def header(self, name: str) -> str | None:
        values = self.headers(name)
        assert len(values) <= 1, values
        return values[0] if values else None

    def headers(self, name: str) -> list[str]:
        return [line[len(name) + 2 :] for line in self.lines if line.startswith(f"{name}: ")]

    @property
    def payload(self) -> CollectorPayload:
        (record,) = self.outcome.records
        return decode(record)


@pytest.fixture
def ask() -> Callable[..., Answer]:
    """Ask the core: `ask(method, target, headers, body, peer, **settings)`."""

    def ask_core(
        method: str = "GET",
        target: str = TP2,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        peer: str = "198.51.100.7",
        **settings: object,
    ) -> Answer:
        core = Core(CollectorSettings(**settings))  # type: ignore[arg-type]  # whatever the test says
        request = make_request(method, target, headers, body, peer)
        return Answer(core.handle(request, NOW_MS, lambda: UUID(FRESH)))

    return ask_core


@dataclass
class Running:
    """A collector on a thread of this process."""

    port: int
    raw: Log
    bad: Log

    def records(self) -> list[bytes]:
        return [record for _, record in self.raw.read(0, **EVERYTHING)]

    def payloads(self) -> list[CollectorPayload]:
        return [decode(record) for record in self.records()]

    def bad_rows(self) -> list[bytes]:
        return [record for _, record in self.bad.read(0, **EVERYTHING)]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start collectors: `start(settings, durability=...)`. They are stopped at the end."""
    stops: list[Callable[[], None]] = []

    def start_one(
        settings: CollectorSettings | None = None,
        *,
        durability: Durability = "process",
        raw: Log | None = None,
        forwarder: Forwarder | None = None,
    ) -> Running:
        directory = tmp_path / f"collector{len(stops)}"
        raw_log = raw or open_log(directory / "raw", writer=True, durability=durability)
        bad_log = open_log(directory / "bad", writer=True, durability=durability)
        started = threading.Event()
        state: dict[str, object] = {}

        async def main() -> None:
            stop = asyncio.Event()
            state["stop"], state["loop"] = stop, asyncio.get_running_loop()

            def ready(port: int) -> None:
                state["port"] = port
                started.set()

            await serve(
                settings or CollectorSettings(),
                raw_log,
                bad_log,
                "127.0.0.1",
                0,
                durability=durability,
                ready=ready,
                stop=stop,
                forwarder=forwarder,
            )

        import uvloop  # noqa: PLC0415 - as the product does

        thread = threading.Thread(target=lambda: uvloop.run(main()))
        thread.start()
        assert started.wait(10)

        def stop_one() -> None:
            loop, stop = state["loop"], state["stop"]
            assert isinstance(loop, asyncio.AbstractEventLoop)
            assert isinstance(stop, asyncio.Event)
            loop.call_soon_threadsafe(stop.set)
            thread.join(20)
            assert not thread.is_alive()
            raw_log.close()
            bad_log.close()

        stops.append(stop_one)
        port = state["port"]
        assert isinstance(port, int)
        return Running(port, raw_log, bad_log)

    yield start_one
    for stop_one in stops:
        stop_one()
