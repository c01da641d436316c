"""Health, metrics and the end of a process."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
from tests.collector.conftest import TP2

from whiteout.collector.asgi import create_app
from whiteout.collector.settings import CollectorSettings
from whiteout.log import open_log
from whiteout.protocol.collector_payload import CollectorPayload, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CANARY = "203.0.113.77"
METRICS = CollectorSettings(metrics_path="/metrics", max_bytes=2000)


def status(url: str, data: bytes | None = None, headers: dict[str, str] | None = None) -> int:
    method = "GET" if data is None else "POST"
    return httpx.request(method, url, content=data, headers=headers).status_code


def values(text: str) -> dict[str, float]:
    pairs = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name.removeprefix("whiteout_collector_"): float(value) for name, _, value in pairs}


def test_metrics_count_what_became_of_requests_and_name_nobody(start: Callable[..., Any]) -> None:
    url = f"http://127.0.0.1:{start(METRICS).port}"
    headers = {"X-Forwarded-For": CANARY, "Cookie": f"sp={CANARY}", "User-Agent": CANARY}
    for _ in range(3):
        assert status(f"{url}{TP2}?uid={CANARY}", data=b"{}", headers=headers) == 200
    assert status(f"{url}/i?{'x' * 3000}") == 200  # a bad row
    assert status(f"{url}/{CANARY}") == 404
    assert status(f"{url}/i?{'x' * 30_000}") == 400

    shown = httpx.get(f"{url}/metrics")

    assert shown.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found = values(shown.text)
    assert found.pop("append_seconds_sum") > 0
    assert found.pop("append_seconds_count") == 4
    assert found.pop("record_bytes_total") > 300
    assert found.pop("connections") >= 1
    assert found == {
        'requests_total{outcome="stored"}': 4,
        'requests_total{outcome="unavailable"}': 0,
        'requests_total{outcome="other"}': 2,
        'refused_total{status="400"}': 1,
        "log_full_total": 0,
        "records_total": 3,
        "bad_rows_total": 1,
        "healthy": 1,
        "pending_bytes": 0,
    }
    assert CANARY not in shown.text


def test_metrics_are_nowhere_by_default(start: Callable[..., Any]) -> None:
    assert status(f"http://127.0.0.1:{start().port}/metrics") == 404


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Any]:
    logs = [open_log(tmp_path / name, writer=True) for name in ("raw", "bad")]
    settings = CollectorSettings(
        metrics_path="/metrics",
        redirect_domains=("shop.example",),
        paths={"/acme/go": "/r/tp2"},
        hsts_max_age_s=60,
    )
    yield create_app(settings, *logs, durability="process"), settings, logs[0]
    for log in logs:
        log.close()


ASKED: list[tuple[str, str, dict[str, str], bytes]] = [
    ("POST", TP2, {"Cookie": "sp=de305d54-75b4-431b-adb2-eb6b9e546014"}, b"{}"),
    ("POST", f"{TP2}?sp-anonymous", {"Cookie": "sp=1", "X-Forwarded-For": CANARY}, b"{}"),
    ("GET", "/i?e=pv", {"SP-Anonymous": "*", "Forwarded": f"for={CANARY}"}, b""),
    ("GET", "/acme/go?u=https://shop.example/a", {"SP-Anonymous": "*"}, b""),
    ("GET", "/acme/go?u=https://evil.example/a", {"SP-Anonymous": "*"}, b""),
    ("OPTIONS", TP2, {"Origin": "https://a.example"}, b""),
    ("GET", "/health?x", {}, b""),
    ("GET", "/robots.txt", {}, b""),
    ("HEAD", "/i?sp-anonymous=1", {}, b""),
    ("GET", "/nothing", {}, b""),
    ("GET", "/r/tp2?u=https://shop.example/", {}, b""),
]


@pytest.mark.parametrize(("method", "target", "headers", "body"), ASKED)
def test_both_servers_answer_and_store_alike(  # noqa: PLR0913, PLR0917 - a request has four parts
    start: Callable[..., Any],
    app: tuple[Any, CollectorSettings, Any],
    method: str,
    target: str,
    headers: dict[str, str],
    body: bytes,
) -> None:
    application, settings, log = app
    collector = start(settings)

    async def under_asgi() -> httpx.Response:
        transport = httpx.ASGITransport(application, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
            return await client.request(method, target, headers=headers, content=body)

    theirs = asyncio.run(under_asgi())
    with httpx.Client(base_url=f"http://127.0.0.1:{collector.port}") as client:
        ours = client.request(method, target, headers=headers, content=body)

    assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content)
    assert undated(ours) == undated(theirs)
    theirs_stored = [decode(record) for _, record in log.read(0, max_records=9, max_bytes=9999)]
    assert undated_payloads(collector.payloads()) == undated_payloads(theirs_stored)


def undated_payloads(payloads: list[CollectorPayload]) -> list[CollectorPayload]:
    """Without the time, and without headers, of which `Host` differs."""
    return [msgspec.structs.replace(payload, timestamp=0, headers=()) for payload in payloads]


def undated(answer: httpx.Response) -> dict[str, str]:
    """The headers, but those of the connection and the time."""
    return {
        name: re.sub(r"Expires=[^;]+", "", value)
        for name, value in answer.headers.items()
        if name not in ("date", "connection")
    }


CODE = """
import sys
from pathlib import Path
from whiteout.collector.process import run_collector
from whiteout.collector.settings import CollectorSettings, Limits
sys.exit(run_collector(
    CollectorSettings(limits=Limits(notice_s=float(sys.argv[2]))), Path(sys.argv[1]), port=0,
    durability="process", ready=lambda port: print(port, flush=True),
))
"""


def started(folder: Path, notice_s: float) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, str(folder), str(notice_s)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, f"http://127.0.0.1:{int(process.stdout.readline())}"


def test_a_stop_is_announced_by_health_while_events_are_still_taken(tmp_path: Path) -> None:
    process, url = started(tmp_path, 60)
    try:
        assert status(f"{url}/health") == 200
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 10
        while status(f"{url}/health") != 503:
            assert time.monotonic() < deadline
        assert status(f"{url}{TP2}", data=b"{}") == 200
        assert status(f"{url}/i?e=pv") == 200
        process.send_signal(signal.SIGTERM)  # enough
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()
    log = open_log(tmp_path / "log" / "raw", writer=False)
    assert len(log.read(0, max_records=10, max_bytes=100_000)) == 2
    log.close()


def test_the_notice_ends_by_itself(tmp_path: Path) -> None:
    process, url = started(tmp_path, 0.2)
    try:
        assert status(f"{url}/health") == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()
