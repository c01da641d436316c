"""The same collector as an ASGI application, under uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn

from whiteout.collector.asgi import create_app
from whiteout.collector.settings import CollectorSettings, Limits
from whiteout.errors import LogError
from whiteout.log import Log, open_log
from whiteout.protocol.collector_payload import CollectorPayload, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from whiteout.log.usage import Usage

TP2 = "/com.snowplowanalytics.snowplow/tp2"
EVERYTHING = {"max_records": 1_000_000, "max_bytes": 1_000_000_000}
ID = "de305d54-75b4-431b-adb2-eb6b9e546014"
NULL = "00000000-0000-0000-0000-000000000000"
CANARY = "CANARY-31c0"


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[tuple[Log, Log]]:
    raw = open_log(tmp_path / "raw", writer=True)
    bad = open_log(tmp_path / "bad", writer=True)
    yield raw, bad
    raw.close()
    bad.close()


@pytest.fixture
def serve(logs: tuple[Log, Log]) -> Iterator[Callable[..., str]]:
    """Run the application under uvicorn; gives its base URL."""
    running: list[tuple[uvicorn.Server, threading.Thread, socket.socket]] = []

    def serve_one(settings: CollectorSettings | None = None, **options: Any) -> str:  # noqa: ANN401 - as given
        app: Any = create_app(settings or CollectorSettings(), *logs, **options)
        config = uvicorn.Config(
            app,
            access_log=False,
            log_level="error",
            proxy_headers=False,
            timeout_graceful_shutdown=5,
        )
        server = uvicorn.Server(config)
        listener = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=lambda: server.run(sockets=[listener]))
        thread.start()
        running.append((server, thread, listener))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield serve_one
    for server, thread, listener in running:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()
        listener.close()


def _payloads(logs: tuple[Log, Log]) -> list[CollectorPayload]:
    return [decode(record) for _, record in logs[0].read(0, **EVERYTHING)]


@pytest.mark.parametrize("durability", ["disk", "process"])
def test_events_are_stored_under_uvicorn(
    serve: Callable[..., str], logs: tuple[Log, Log], durability: str
) -> None:
    with httpx.Client(base_url=serve(durability=durability)) as client:
        posted = client.post(f"{TP2}?a=b", json={"x": 1}, headers={"Cookie": f"sp={ID}; other=1"})
        pixel = client.get("/i?e=pv")
        head = client.head("/i?e=pp")

        assert (posted.status_code, posted.text) == (200, "ok")
        assert posted.headers["set-cookie"].startswith(f"sp={ID}; Expires=")
        assert pixel.headers["content-type"] == "image/gif"
        assert len(pixel.content) == 43
        assert (head.headers["content-length"], head.content) == ("43", b"")
        assert client.get("/health").text == "ok"
        assert client.get("/nothing").status_code == 404
        assert client.options("/x").headers["access-control-max-age"] == "3600"

    first, second, third = _payloads(logs)
    assert (first.path, first.querystring, first.body) == (TP2, "a=b", '{"x":1}')
    assert (first.network_user_id, first.ip_address) == (ID, "127.0.0.1")
    assert f"Cookie: sp={ID}" in first.headers
    assert (second.querystring, third.querystring) == ("e=pv", "e=pp")


def test_an_anonymous_request_is_forgotten_there_too(
    serve: Callable[..., str], logs: tuple[Log, Log]
) -> None:
    with httpx.Client(base_url=serve()) as client:
        answer = client.post(
            f"{TP2}?ip={CANARY}",
            json={"schema": "iglu:a", "data": [{"e": "pv", "tnuid": CANARY}]},
            headers={"SP-Anonymous": "", "X-Forwarded-For": CANARY, "Cookie": "sp=1"},
        )

    assert answer.headers["set-cookie"].startswith("sp=; Expires=")
    (payload,) = _payloads(logs)
    assert (payload.ip_address, payload.network_user_id) == ("unknown", NULL)
    assert payload.body == '{"schema":"iglu:a","data":[{"e":"pv"}]}'
    assert "SP-Anonymous: *" in payload.headers
    assert CANARY not in repr(payload)


def test_a_body_beyond_the_limit_is_refused(
    serve: Callable[..., str], logs: tuple[Log, Log]
) -> None:
    settings = CollectorSettings(limits=Limits(body_bytes=1000))
    with httpx.Client(base_url=serve(settings)) as client:
        assert client.post(TP2, content=b"x" * 1000).status_code == 200
        assert client.post(TP2, content=b"x" * 1001).status_code == 413

    assert len(_payloads(logs)) == 1


def test_a_request_whose_client_went_midway_is_none(logs: tuple[Log, Log]) -> None:
    """Half a body would be stored, and counted as delivered."""
    sent: list[object] = []
    messages: list[dict[str, object]] = [
        {"type": "http.request", "body": b'{"schema":', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, object]:
        return messages.pop(0)

    async def send(message: object) -> None:
        sent.append(message)

    app: Any = create_app(CollectorSettings(), *logs, durability="process")
    scope = {"type": "http", "method": "POST", "path": TP2, "headers": [], "query_string": b""}
    asyncio.run(app(scope, receive, send))

    assert sent == []
    assert _payloads(logs) == []


def test_W10_a_fault_is_not_told_to_the_server(
    logs: tuple[Log, Log], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """uvicorn logs whatever an application raises, with its text."""

    def faulty(*_: object) -> None:
        raise ValueError(CANARY)

    monkeypatch.setattr("whiteout.collector.core.Core.decide", faulty)

    async def main() -> httpx.Response:
        app: Any = create_app(CollectorSettings(), *logs, durability="process")
        transport = httpx.ASGITransport(app)  # raises what the application raises
        async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
            return await client.post(TP2, content=b"x")

    answer = asyncio.run(main())

    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert "a request failed: ValueError" in caplog.text
    assert CANARY not in caplog.text


class _FullLog:
    def append(self, records: object) -> int:
        raise LogError("no space")

    def usage(self) -> Usage:
        raise LogError("no way to know")

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - nothing else is used
        raise AttributeError(name)


def test_while_the_log_fails_events_are_refused() -> None:
    async def main() -> list[int]:
        full: Any = _FullLog()
        app: Any = create_app(CollectorSettings(), full, full, durability="process")
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
            answers = [await client.post(TP2, content=b"x"), await client.get("/health")]
            return [answer.status_code for answer in answers]

    assert asyncio.run(main()) == [503, 503]


def test_many_clients_at_once_are_all_answered(
    serve: Callable[..., str], logs: tuple[Log, Log]
) -> None:
    url = serve()

    async def main() -> list[int]:
        async with httpx.AsyncClient(base_url=url) as client:
            posts = [client.post(TP2, content=f"event{n}".encode()) for n in range(100)]
            return [answer.status_code for answer in await asyncio.gather(*posts)]

    with contextlib.closing(asyncio.new_event_loop()) as loop:
        assert loop.run_until_complete(main()) == [200] * 100
    assert {p.body for p in _payloads(logs)} == {f"event{n}" for n in range(100)}
