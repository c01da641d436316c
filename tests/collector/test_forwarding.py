"""Requests that the process behind answers: what it is told, and what becomes of slow ones."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import pytest

from whiteout.collector import forwarding
from whiteout.collector.forwarding import Forwarder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Start = Callable[..., Any]
WAIT_S = 10.0
LENGTH = 16 * 1024 * 1024  # more than all buffers between the two hold
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class Behind:
    """The process behind: it gives out connections, and says nothing by itself."""

    def __init__(self, path: Path) -> None:
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.settimeout(WAIT_S)
        self._listening.bind(str(path))
        self._listening.listen(128)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()

    def asked(self) -> tuple[socket.socket, list[str]]:
        """The next connection, and the lines of its request, sorted after the first."""
        connection, _ = self._listening.accept()
        connection.settimeout(WAIT_S)
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        first, *rest = head.partition(b"\r\n\r\n")[0].decode().split("\r\n")
        return connection, [first, *sorted(rest)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "page"


@pytest.fixture
def behind(path: Path) -> Iterator[Behind]:
    with Behind(path) as process:
        yield process


def ask(port: int, *lines: str, target: str = "/ui") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
    head = [f"GET {target} HTTP/1.1", "Host: localhost", *lines, "", ""]
    client.sendall("\r\n".join(head).encode())
    return client


def answer(client: socket.socket) -> bytes:
    """All that is answered, until the connection ends."""
    received = b""
    with client:
        while part := client.recv(65536):
            received += part
    return received


def test_only_what_the_page_needs_is_passed_on(start: Start, path: Path, behind: Behind) -> None:
    collector = start(forwarder=Forwarder(path))
    client = ask(
        collector.port, "Cookie: a=b", "User-Agent: me", "X-Secret: 1", "Whiteout-Scheme: https"
    )

    connection, lines = behind.asked()
    assert lines == [
        "GET /ui HTTP/1.1",
        "Connection: close",
        "Content-Length: 0",
        "Cookie: a=b",
        "Host: localhost",
    ]
    with connection:
        connection.sendall(OK)
    assert answer(client) == OK


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("X-Forwarded-For: 198.51.100.7", ["Via: 1.1 proxy"]),
        ("Forwarded: for=198.51.100.7", ["Via: 1.1 proxy"]),
        ("X-Forwarded-Proto: https", ["Via: 1.1 proxy", "Whiteout-Scheme: https"]),
        ("Referer: https://a.example/secret?x=1", ["Referer: https://a.example"]),
    ],
)
def test_of_proxies_and_referrers_only_that_they_are_there_is_told(
    start: Start, path: Path, behind: Behind, line: str, told: list[str]
) -> None:
    """It decides who may come in; who it was is nobody's business."""
    client = ask(start(forwarder=Forwarder(path)).port, line)

    connection, lines = behind.asked()
    assert [one for one in lines if one.startswith(("Via", "Whiteout", "Referer"))] == told
    connection.close()
    client.close()


def test_a_request_waits_for_the_process_to_start(start: Start, path: Path) -> None:
    client = ask(start(forwarder=Forwarder(path)).port)
    with Behind(path) as late:
        connection, _ = late.asked()
        with connection:
            connection.sendall(OK)
        assert answer(client) == OK


def test_where_no_process_comes_it_is_unavailable(
    start: Start, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "_PATIENCE_S", 0.1)
    assert answer(ask(start(forwarder=Forwarder(path)).port)).startswith(b"HTTP/1.1 503 ")


def test_a_process_that_dies_before_it_answers_is_unavailable(
    start: Start, path: Path, behind: Behind
) -> None:
    client = ask(start(forwarder=Forwarder(path)).port)
    behind.asked()[0].close()
    assert answer(client).startswith(b"HTTP/1.1 503 ")


def test_an_answer_that_breaks_off_ends_the_connection(
    start: Start, path: Path, behind: Behind
) -> None:
    client = ask(start(forwarder=Forwarder(path)).port)
    connection, _ = behind.asked()
    with connection:
        connection.sendall(OK[:-1])
    assert answer(client) == OK[:-1]


def test_more_than_64_at_once_are_unavailable_until_one_has_ended(
    start: Start, path: Path, behind: Behind
) -> None:
    port = start(forwarder=Forwarder(path)).port
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(ask(port, target="/ui/stream")) for _ in range(64)]
        connections = [stack.enter_context(behind.asked()[0]) for _ in clients]
        assert answer(ask(port)).startswith(b"HTTP/1.1 503 ")

        connections[0].close()
        [done] = [one for one in clients if is_ended(one)]
        clients.remove(done)
        client = ask(port)
        with behind.asked()[0] as connection:
            connection.sendall(OK)
        assert answer(client) == OK


def is_ended(client: socket.socket) -> bool:
    """Whether something was answered, which here is only said at the end."""
    client.settimeout(0.02)
    try:
        return client.recv(1) != b""
    except TimeoutError:
        return False


def test_a_client_that_has_gone_makes_room(start: Start, path: Path, behind: Behind) -> None:
    """Else pages that were closed would use the 64 up. It is noticed when something is said."""
    forwarder = Forwarder(path)
    client = ask(start(forwarder=forwarder).port, target="/ui/stream")
    connection, _ = behind.asked()
    assert len(forwarder.under_way) == 1

    client.close()

    with connection, contextlib.suppress(ConnectionError):
        while forwarder.under_way:
            connection.sendall(b":\n\n")
    assert forwarder.under_way == set()


def test_a_client_that_does_not_read_holds_the_process_up_and_not_the_collector(
    start: Start, path: Path, behind: Behind
) -> None:
    """Else an answer would stand in the collector's memory as a whole."""
    port = start(forwarder=Forwarder(path)).port
    client = ask(port)
    connection, _ = behind.asked()
    sent = threading.Event()

    def send() -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * LENGTH)
        connection.close()
        sent.set()

    sending = threading.Thread(target=send)
    sending.start()
    assert b"200" in answer(ask(port, "Connection: close", target="/health"))
    assert not sent.is_set()

    assert answer(client).endswith(b"x" * 1000)
    sending.join(WAIT_S)
    assert sent.is_set()


@pytest.mark.parametrize(
    ("target", "is_taken"),
    [
        (b"/", True),
        (b"/ui", True),
        (b"/ui?q=a", True),
        (b"/ui/events/1", True),
        (b"/micro/all", True),
        (b"/uibolt/v1", False),
        (b"/microphone/v1", False),
        (b"/i?e=pv", False),
        (b"/health", False),
        (b"/micro/own", False),
    ],
)
def test_only_paths_of_the_page_are_taken(tmp_path: Path, target: bytes, *, is_taken: bool) -> None:
    forwarder = Forwarder(tmp_path / "page", own_paths=[b"/micro/own"])
    assert forwarder.takes(target) is is_taken
