"""The collector as a process of its own: started, stopped, killed."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from whiteout.errors import LogError
from whiteout.log import open_log
from whiteout.protocol.collector_payload import decode

if TYPE_CHECKING:
    from pathlib import Path

TP2 = "/com.snowplowanalytics.snowplow/tp2"
EVERYTHING = {"max_records": 1_000_000, "max_bytes": 1_000_000_000}
CODE = """
import sys
from pathlib import Path
from whiteout.collector.process import run_collector
from whiteout.collector.settings import CollectorSettings
sys.exit(run_collector(
    CollectorSettings(), Path(sys.argv[1]), port=0, durability=sys.argv[2],
    ready=lambda port: print(port, flush=True),
))
"""

Run = Callable[..., tuple["subprocess.Popen[str]", int]]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Start a collector process; gives it and its port. What still runs at the end is killed."""
    processes: list[subprocess.Popen[str]] = []

    def run_one(durability: str = "disk") -> tuple[subprocess.Popen[str], int]:
        process = subprocess.Popen(
            [sys.executable, "-c", CODE, str(tmp_path), durability],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        return process, int(process.stdout.readline())

    yield run_one
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)


def _request(body: str) -> bytes:
    return f"POST {TP2} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def _post(client: socket.socket, body: str) -> bool:
    """Send one event; whether it was answered 200."""
    client.sendall(_request(body))
    answer = b""
    while not answer.endswith(b"ok"):
        part = client.recv(4096)
        if not part:
            return False
        answer += part
    return answer.startswith(b"HTTP/1.1 200 ")


def _stored(directory: Path) -> list[str | None]:
    log = open_log(directory / "log" / "raw", writer=False)
    records = log.read(0, **EVERYTHING)
    log.close()
    return [decode(record).body for _, record in records]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_status_0_and_all_stored(
    run: Run, tmp_path: Path, number: signal.Signals
) -> None:
    process, port = run()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        assert _post(client, "event")
        process.send_signal(number)
        assert process.wait(10) == 0

    assert _stored(tmp_path) == ["event"]
    assert process.stderr is not None
    assert process.stderr.read() == ""  # no access log, no noise


def test_what_is_in_flight_when_it_is_stopped_is_answered(run: Run, tmp_path: Path) -> None:
    process, port = run()
    request = _request("in flight")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        assert _post(client, "before")
        client.sendall(request[:-4])
        process.send_signal(signal.SIGTERM)
        _wait_until_refused(port)
        client.sendall(request[-4:])
        answer = b"".join(iter(lambda: client.recv(4096), b""))

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"Connection: close" in answer
    assert process.wait(10) == 0
    assert _stored(tmp_path) == ["before", "in flight"]


def _wait_until_refused(port: int) -> None:
    """Wait until the collector accepts no more; it does so at once, on the signal."""
    for _ in range(10_000):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=10).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            continue  # it was in the queue that was closed
    pytest.fail("it still accepts connections")


def test_two_collectors_do_not_share_a_log(run: Run, tmp_path: Path) -> None:
    run()

    with pytest.raises(LogError, match="already has a writer"):
        open_log(tmp_path / "log" / "raw", writer=True)


@pytest.mark.parametrize("durability", ["disk", "process"])
def test_every_event_answered_with_200_survives_kill_9(
    run: Run, tmp_path: Path, durability: str
) -> None:
    """W20"""
    answered: list[str] = []

    def send_until_it_dies(port: int, name: str, enough: threading.Semaphore) -> None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=10) as client,
        ):
            number = 0
            while _post(client, f"{name}-{number}"):
                answered.append(f"{name}-{number}")
                enough.release()
                number += 1

    for round_ in range(4):
        process, port = run(durability)
        enough = threading.Semaphore(0)
        senders = [
            threading.Thread(target=send_until_it_dies, args=(port, f"{round_}-{sender}", enough))
            for sender in range(8)
        ]
        for sender in senders:
            sender.start()
        for _ in range(200 + 50 * round_):
            assert enough.acquire(timeout=10)
        process.kill()  # in the middle of it
        for sender in senders:
            sender.join(10)

        stored = set(_stored(tmp_path))
        assert len(answered) >= 200
        assert set(answered) <= stored
    # The next one goes on where the killed ones were.
    process, port = run(durability)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        assert _post(client, "last")
    assert _stored(tmp_path)[-1] == "last"
    assert set(answered) <= set(_stored(tmp_path))


def test_idle_connections_do_not_hold_up_the_end(run: Run) -> None:
    process, port = run()
    clients: list[Any] = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
    assert _post(clients[0], "event")

    process.send_signal(signal.SIGTERM)

    assert process.wait(5) == 0
    for client in clients:
        client.close()
