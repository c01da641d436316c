"""HTTP/1.1 over real sockets: framing, order, limits, time-outs, hostile clients."""

from __future__ import annotations

import contextlib
import logging
import random
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from whiteout.collector.settings import CollectorSettings, Limits
from whiteout.errors import LogError
from whiteout.log import open_log

if TYPE_CHECKING:
    from pathlib import Path

Start = Callable[..., Any]

TP2 = "/com.snowplowanalytics.snowplow/tp2"
HOST = "Host: localhost\r\n"
CANARY = "CANARY-0d2e"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def _post(body: str, *, extra: str = "", version: str = "1.1") -> bytes:
    length = len(body.encode())
    head = f"POST {TP2} HTTP/{version}\r\n{HOST}Content-Type: application/json\r\n{extra}"
    return f"{head}Content-Length: {length}\r\n\r\n{body}".encode()


def _get(path: str, *, extra: str = "", version: str = "1.1") -> bytes:
    return f"GET {path} HTTP/{version}\r\n{HOST}{extra}\r\n".encode()


@contextlib.contextmanager
def _connected(port: int) -> Any:  # noqa: ANN401 - a socket, as a context
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        yield client


def _read_all(client: socket.socket) -> bytes:
    """Read until the server closes."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(65536):
            received += part
    return received


def _read_answers(client: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """Read `count` answers: status and body of each."""
    file = client.makefile("rb")
    answers = []
    for _ in range(count):
        status = int(file.readline().split()[1])
        length = 0
        while (line := file.readline()) != b"\r\n":
            assert line, "the connection was closed in a head"
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        answers.append((status, file.read(length)))
    return answers


def _exchange(port: int, *pieces: bytes) -> bytes:
    """Send, say that no more comes, and return all that is answered."""
    with _connected(port) as client:
        for piece in pieces:
            client.sendall(piece)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_WR)
        return _read_all(client)


def _statuses(answers: bytes) -> list[int]:
    return [int(part.split(b" ", 1)[0]) for part in answers.split(b"HTTP/1.1 ")[1:]]


def test_a_connection_is_kept_for_many_requests(start: Start) -> None:
    collector = start()
    with _connected(collector.port) as client:
        for number in range(5):
            client.sendall(_post(f"event{number}"))
            assert _read_answers(client, 1) == [(200, b"ok")]

    assert [p.body for p in collector.payloads()] == [f"event{n}" for n in range(5)]
    assert {p.ip_address for p in collector.payloads()} == {"127.0.0.1"}


def test_an_answer_has_a_date_a_length_and_no_server_name(start: Start) -> None:
    answer = _exchange(start().port, _get("/health", extra="Connection: close\r\n"))

    head, _, body = answer.partition(b"\r\n\r\n")
    names = [line.split(b":")[0] for line in head.split(b"\r\n")]
    assert names == [b"HTTP/1.1 200 OK", b"Date", b"Content-Type", b"Content-Length", b"Connection"]
    assert body == b"ok"


def test_pipelined_requests_are_answered_in_order(start: Start) -> None:
    """Answers that need the log wait; those that do not may not overtake them."""
    collector = start(durability="disk")
    count = 300
    pieces = []
    for number in range(count):
        pieces += [_post(f"event{number}"), _get("/health"), _get("/missing")]
    with _connected(collector.port) as client:
        sender = threading.Thread(target=client.sendall, args=(b"".join(pieces),))
        sender.start()
        answers = _read_answers(client, 3 * count)
        sender.join(10)

    assert answers == [(200, b"ok"), (200, b"ok"), (404, b"Not found")] * count
    assert [p.body for p in collector.payloads()] == [f"event{n}" for n in range(count)]


def test_a_client_that_only_pipelines_and_never_reads_is_not_read_for_ever(start: Start) -> None:
    limits = Limits(pipelined=4, idle_timeout_s=0.5)
    collector = start(CollectorSettings(limits=limits))
    sent = 0
    with _connected(collector.port) as client:
        client.settimeout(3)
        with contextlib.suppress(OSError):
            while sent < 200_000_000:
                sent += client.send(_get("/robots.txt") * 1000)
    assert sent < 200_000_000  # held back, then cut
    assert _statuses(_exchange(collector.port, _get("/health"))) == [200]


def test_a_request_may_come_byte_by_byte(start: Start) -> None:
    collector = start()
    request = _post("slow")
    pieces = [request[i : i + 1] for i in range(len(request))]

    assert _statuses(_exchange(collector.port, *pieces)) == [200]
    assert [p.body for p in collector.payloads()] == ["slow"]


def test_a_chunked_body_is_put_together(start: Start) -> None:
    collector = start()
    head = f"POST {TP2} HTTP/1.1\r\n{HOST}Transfer-Encoding: Chunked\r\n\r\n".encode()
    chunks = b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nSP-Anonymous: *\r\nHost: b\r\n\r\n"

    assert _statuses(_exchange(collector.port, head, chunks, _get("/health"))) == [200, 200]
    (payload,) = collector.payloads()
    assert payload.body == "hello world"
    assert not any("SP-Anonymous" in header for header in payload.headers)  # trailers do not count


def test_a_large_body_is_taken_whole(start: Start) -> None:
    collector = start()
    body = "x" * 900_000

    assert _statuses(_exchange(collector.port, _post(body))) == [200]
    assert collector.payloads()[0].body == body


def test_expect_100_continue_is_answered_before_the_body(start: Start) -> None:
    collector = start()
    head, _, body = _post("event", extra="Expect: 100-continue\r\n").partition(b"\r\n\r\n")
    with _connected(collector.port) as client:
        client.sendall(head + b"\r\n\r\n")
        assert client.recv(100) == CONTINUE
        client.sendall(body)
        assert _read_answers(client, 1) == [(200, b"ok")]

    assert _statuses(_exchange(collector.port, _post("x", extra="Expect: magic\r\n"))) == [417]


class HeldLog:
    """A log that takes nothing before `released` is set."""

    def __init__(self, log: Any) -> None:  # noqa: ANN401 - any log
        self._log = log
        self.released = threading.Event()

    def append(self, records: Sequence[bytes]) -> int:
        assert self.released.wait(10)
        offset: int = self._log.append(records)
        return offset

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - all else as it is
        return getattr(self._log, name)


@pytest.mark.parametrize("waits", [True, False])
def test_a_100_continue_behind_an_answer_that_is_owed_comes_in_its_turn(
    start: Start, tmp_path: Path, *, waits: bool
) -> None:
    """A client that keeps its body back until then waited for its time to be over: 408."""
    from whiteout.log import open_log  # noqa: PLC0415 - used here only

    log = HeldLog(open_log(tmp_path / "raw", writer=True))
    collector = start(raw=log)
    head, _, body = _post("second", extra="Expect: 100-continue\r\n").partition(b"\r\n\r\n")
    with _connected(collector.port) as client:
        client.sendall(_post("first") + head + b"\r\n\r\n" + (b"" if waits else body[:1]))
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(100)
        client.settimeout(10)
        log.released.set()
        received = b""
        while not received.endswith(CONTINUE if waits else b"ok"):
            received += client.recv(1000)
        assert _statuses(received) == ([200, 100] if waits else [200])
        client.sendall(body if waits else body[1:])
        assert _read_answers(client, 1) == [(200, b"ok")]

    assert [payload.body for payload in collector.payloads()] == ["first", "second"]


def test_http_1_0_is_closed_unless_it_asks_otherwise(start: Start) -> None:
    collector = start()

    closed = _exchange(collector.port, _get("/i", version="1.0"))
    assert b"Connection: close" in closed
    kept = _exchange(
        collector.port, _get("/i", version="1.0", extra="Connection: keep-alive\r\n") * 2
    )
    assert _statuses(kept) == [200, 200]
    assert kept.count(b"Connection: keep-alive") == 2


def test_http_1_1_is_kept_and_says_so_to_whom_names_the_connection(start: Start) -> None:
    named = _post("{}", extra="Connection: keep-alive\r\n")

    answers = _exchange(start().port, named + _post("{}") + named)

    assert _statuses(answers) == [200, 200, 200]
    told = [b"Connection: keep-alive" in one for one in answers.split(b"HTTP/1.1 ")[1:]]
    assert told == [True, False, True]


def test_head_is_answered_without_a_body(start: Start) -> None:
    answer = _exchange(start().port, f"HEAD /i HTTP/1.1\r\n{HOST}\r\n".encode(), _get("/health"))

    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert b"Content-Length: 43\r\n\r\nHTTP/1.1" in answer


def test_connection_close_is_honoured_and_what_follows_is_not_done(start: Start) -> None:
    collector = start()

    answers = _exchange(collector.port, _post("a", extra="Connection: close\r\n") + _post("b"))

    assert _statuses(answers) == [200]
    assert [p.body for p in collector.payloads()] == ["a"]


UPGRADE = "Connection: Upgrade\r\nUpgrade: h2c\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    "head",
    [
        f"POST {TP2} HTTP/1.1\r\n{HOST}Content-Length: 3\r\n{CHUNKED}\r\n",
        f"POST {TP2} HTTP/1.1\r\n{HOST}{CHUNKED}Content-Length: 3\r\n\r\n",
        f"POST {TP2} HTTP/1.1\r\n{HOST}Content-Length: 3\r\nContent-Length: 3\r\n\r\n",
        f"POST {TP2} HTTP/1.1\r\n{HOST}Content-Length: 3\r\nContent-Length: 4\r\n\r\n",
        f"POST {TP2} HTTP/1.1\r\n{HOST}Content-Length: 3, 3\r\n\r\n",
        f"POST {TP2} HTTP/1.1\r\n{HOST}Content-Length: +3\r\n\r\n",
        f"POST {TP2} HTTP/1.1\r\n{HOST}Content-Length: -3\r\n\r\n",
        f"POST {TP2} HTTP/1.1\r\n{HOST}Content-Length: 0x3\r\n\r\n",
        f"POST {TP2} HTTP/1.1\r\n{HOST}Content-Length: 3 4\r\n\r\n",
        f"POST {TP2} HTTP/1.1\r\n{HOST}Content-Length:\r\n\r\n",
        f"POST {TP2} HTTP/1.1\r\n{HOST}Content-Length: {'9' * 40}\r\n\r\n",
        f"POST {TP2} HTTP/1.1\r\n{HOST}Transfer-Encoding: gzip\r\n\r\n",
        f"POST {TP2} HTTP/1.1\r\n{HOST}Transfer-Encoding: gzip, chunked\r\n\r\n",
        f"POST {TP2} HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked, gzip\r\n\r\n",
        f"POST {TP2} HTTP/1.1\r\n{HOST}Transfer-Encoding: xchunked\r\n\r\n",
        f"POST {TP2} HTTP/1.1\r\n{HOST}Transfer-Encoding: \x0bchunked\r\n\r\n",
        f"POST {TP2} HTTP/1.1\r\n{HOST}Transfer-Encoding : chunked\r\n\r\n",
        f"POST {TP2} HTTP/1.1\r\n{HOST}Transfer-Encoding: identity\r\n\r\n",
        f"POST {TP2} HTTP/1.1\r\n{HOST}{CHUNKED}{CHUNKED}\r\n",
        f"POST {TP2} HTTP/1.0\r\n{HOST}{CHUNKED}\r\n",
        f"POST {TP2} HTTP/1.1\r\n{HOST}X: a\r\n b\r\n\r\n",
        f"POST {TP2} HTTP/1.1\r\n X: a\r\n{HOST}\r\n",
        f"POST {TP2} HTTP/1.1\n{HOST}\n",
        f"GET {TP2} HTTP/1.1\r\nHost: localhost\nX: a\r\n\r\n",
        f"GET {TP2} HTTP/1.1\r\nHost: localhost\rX: a\r\n\r\n",
        f"GET {TP2} HTTP/1.1\r\nHost: a\0b\r\n\r\n",
        f"GET {TP2} HTTP/1.1\r\nHost: a\x01b\r\n\r\n",
        f"GET /a\0/b HTTP/1.1\r\n{HOST}\r\n",
        f"GET {TP2} HTTP/1.1\r\n{HOST}Na(me: a\r\n\r\n",
        f"GET {TP2} HTTP/1.1\r\n{HOST}: a\r\n\r\n",
        f"GET {TP2} HTTP/1.1\r\n{HOST}no colon\r\n\r\n",
        f"GET {TP2} HTTP/1.1\r\n\r\n",  # no Host
        f"GET {TP2} HTTP/1.1\r\n{HOST}{HOST}\r\n",
        f"GET {TP2}\r\n\r\n",  # HTTP/0.9
        f"GET {TP2} HTTP/2.0\r\n{HOST}\r\n",
        f"GET {TP2} HTTP/1.2\r\n{HOST}\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n",
        f"GET {TP2} HTTP/1.1\r\n{HOST}{UPGRADE}\r\n",
        f"POST {TP2} HTTP/1.1\r\n{HOST}{UPGRADE}Content-Length: 3\r\n\r\n",
        f"get {TP2} HTTP/1.1\r\n{HOST}\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    ],
)  # fmt: skip
def test_framing_in_doubt_is_refused_and_nothing_is_stored(start: Start, head: str) -> None:
    collector = start()
    smuggled = _post("smuggled")

    answers = _exchange(collector.port, head.encode("latin-1") + b"0\r\n\r\n" + smuggled)

    assert _statuses(answers) == [400]
    assert b"Connection: close" in answers
    assert collector.records() == []


@pytest.mark.parametrize(
    "body",
    [
        b"3\nabc\n0\n\n",
        b"3\r\nabcX\r\n0\r\n\r\n",
        b"ffffffffffffffffff\r\nabc",
        b"3 \r\nabc\r\n0\r\n\r\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    ],
)
def test_broken_chunks_are_refused(start: Start, body: bytes) -> None:
    collector = start()
    head = f"POST {TP2} HTTP/1.1\r\n{HOST}{CHUNKED}\r\n".encode()

    assert _statuses(_exchange(collector.port, head + body)) == [400]
    assert collector.records() == []


def test_a_refusal_does_not_overtake_answers_that_are_owed(start: Start) -> None:
    collector = start(durability="disk")

    answers = _exchange(collector.port, _post("good") + b"nonsense\r\n\r\n")

    assert _statuses(answers) == [200, 400]
    assert [p.body for p in collector.payloads()] == ["good"]


SMALL = Limits(request_line_bytes=200, header_bytes=500, header_count=5, body_bytes=1000)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (_get("/i?" + "q" * 150), 200),
        (_get("/i?" + "q" * 300), 400),
        (_get("/i", extra="X: " + "x" * 300 + "\r\n"), 200),
        (_get("/i", extra="X: " + "x" * 600 + "\r\n"), 400),
        (_get("/i", extra="X: 1\r\n" * 4), 200),
        (_get("/i", extra="X: 1\r\n" * 6), 400),
        (_post("x" * 1000), 200),
        (_post("x" * 1001), 413),
        (f"POST {TP2} HTTP/1.1\r\n{HOST}{CHUNKED}\r\n".encode() + b"3e9\r\n" + b"x" * 1001, 413),
        (
            f"POST {TP2} HTTP/1.1\r\n{HOST}{CHUNKED}\r\n".encode()
            + b"1;" + b"e" * 50_000 + b"\r\nx\r\n",
            413,
        ),
        (
            f"POST {TP2} HTTP/1.1\r\n{HOST}{CHUNKED}\r\n0\r\n".encode() + b"T: " + b"t" * 50_000,
            413,
        ),
        (_get("/i", extra="X: " + "x" * 50_000), 400),  # a header without end
        (b"GET /" + b"x" * 50_000, 400),
    ],
)  # fmt: skip
def test_the_limits_hold_BC40(start: Start, request_: bytes, status: int) -> None:
    """BC40"""
    collector = start(CollectorSettings(limits=SMALL))

    assert _statuses(_exchange(collector.port, request_)) == [status]
    assert len(collector.records()) == (1 if status == 200 else 0)


def test_a_body_beyond_the_default_limit_is_refused_and_the_client_can_read_why(
    start: Start,
) -> None:
    collector = start()
    with _connected(collector.port) as client:
        client.sendall(_post("x" * 2_097_153)[:1_000_000])
        assert _statuses(_read_all(client)) == [413]
    assert collector.records() == []


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", []),  # idle
        (_get("/health"), [200]),  # idle after an answer
        (b"GET /i HTT", [408]),
        (_get("/i")[:-2], [408]),
        (_post("event")[:-2], [408]),
        (_post("first") + _get("/i")[:-4], [200, 408]),
        (f"POST {TP2} HTTP/1.1\r\n{HOST}{CHUNKED}\r\n5\r\nhel".encode(), [408]),
    ],
)
def test_a_client_that_stops_is_not_waited_for_BC40(
    start: Start, sent: bytes, status: list[int]
) -> None:
    """BC40"""
    limits = Limits(head_timeout_s=0.3, body_timeout_s=0.3, idle_timeout_s=0.3)
    collector = start(CollectorSettings(limits=limits))
    with _connected(collector.port) as client:
        client.sendall(sent)
        begun = time.monotonic()
        answers = _read_all(client)

    assert _statuses(answers) == status
    assert 0.2 < time.monotonic() - begun < 5


def test_dripping_bytes_does_not_buy_time(start: Start) -> None:
    """Slowloris: the deadline is the head's, not the last byte's."""
    collector = start(CollectorSettings(limits=Limits(head_timeout_s=0.5)))
    begun = time.monotonic()
    with _connected(collector.port) as client:
        client.sendall(b"GET /i HTTP/1.1\r\n")
        client.settimeout(0.05)
        received = b""
        while time.monotonic() - begun < 5:
            with contextlib.suppress(TimeoutError):
                client.sendall(b"X: 1\r\n")
                if part := client.recv(1000):
                    received += part
                    break

    assert _statuses(received) == [408]
    assert time.monotonic() - begun < 3


def test_connections_beyond_the_limit_are_told_so(start: Start) -> None:
    collector = start(CollectorSettings(limits=Limits(connections=3)))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(_connected(collector.port)) for _ in range(3)]
        for client in clients:
            client.sendall(_get("/health"))
            assert _read_answers(client, 1) == [(200, b"ok")]
        extra = stack.enter_context(_connected(collector.port))
        assert _statuses(_read_all(extra)) == [503]
        clients[0].sendall(_get("/health"))
        assert _read_answers(clients[0], 1) == [(200, b"ok")]


class BrokenLog:
    """A log whose disk is full while `broken`."""

    def __init__(self, log: Any) -> None:  # noqa: ANN401 - any log
        self._log = log
        self.broken = False

    def append(self, records: Sequence[bytes]) -> int:
        if self.broken:
            raise LogError(f"no space for {len(records)} records")
        offset: int = self._log.append(records)
        return offset

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - all else as it is
        return getattr(self._log, name)


@pytest.mark.parametrize("durability", ["disk", "process"])
def test_while_the_log_fails_events_are_refused_and_the_collector_serves_on(
    start: Start,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    durability: str,
) -> None:
    """W20"""
    log = BrokenLog(open_log(tmp_path / "raw", writer=True))
    collector = start(durability=durability, raw=log)
    with _connected(collector.port) as client:

        def statuses(*requests: bytes) -> list[int]:
            client.sendall(b"".join(requests))
            return [status for status, _ in _read_answers(client, len(requests))]

        assert statuses(_post("a"), _get("/health")) == [200, 200]
        log.broken = True
        assert statuses(_post(CANARY)) == [503]
        assert statuses(_get(f"/i?{CANARY}"), _get("/health"), _get("/robots.txt")) == [
            503,
            503,
            200,
        ]
        log.broken = False
        assert statuses(_post("b")) == [200]
        assert statuses(_get("/health")) == [200]

    assert [p.body for p in collector.payloads()] == ["a", "b"]
    assert CANARY not in caplog.text
    assert sum("the log failed" in record.message for record in caplog.records) == 1


def test_a_fault_of_ours_is_logged_without_the_request(
    start: Start, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W10"""

    def faulty(*_: object) -> None:
        raise ValueError(CANARY)

    collector = start()
    monkeypatch.setattr("whiteout.collector.core.Core.decide", faulty)
    with caplog.at_level(logging.DEBUG):
        answers = _exchange(
            collector.port, _get(f"/i?{CANARY}", extra=f"X-Forwarded-For: {CANARY}\r\n")
        )

    assert _statuses(answers) == [500]
    assert CANARY not in caplog.text
    assert "ValueError" in caplog.text


def test_an_anonymous_request_leaves_no_trace_in_files_answers_and_logs(
    start: Start,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    """Promise 7, on the wire and at rest."""
    collector = start(CollectorSettings(max_bytes=1000))
    names = "X-Forwarded-For Forwarded X-Real-IP Cookie Authorization Referer Host Accept".split()
    extra = "SP-Anonymous: \r\n" + "".join(f"{n}: {CANARY}\r\n" for n in names if n != "Host")
    good = f'{{"schema":"iglu:a","data":[{{"e":"pv","ip":"{CANARY}","nuid":"{CANARY}"}}]}}'
    huge = good.replace("]", "," + ",".join([f'{{"tnuid":"{CANARY}{"x" * 2000}"}}'] * 3) + "]")
    with caplog.at_level(logging.DEBUG):
        answers = _exchange(
            collector.port,
            _post(good, extra=extra),
            _post(huge, extra=extra),
            _post(CANARY * 200, extra=extra),
            _get(f"/i?ip={CANARY}&x={'x' * 2000}", extra=extra),
            b"nonsense " + CANARY.encode() + b"\r\n\r\n",
        )

    assert _statuses(answers) == [200, 200, 200, 200, 400]
    at_rest = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert len(collector.records()) >= 3
    assert CANARY.encode() not in at_rest
    assert b"127.0.0.1" not in at_rest
    assert CANARY.encode() not in answers
    assert CANARY not in caplog.text


def _mutated(generator: random.Random) -> bytes:
    """A request, or something like one."""
    request = bytearray(
        generator.choice(
            [
                _post('{"schema":"iglu:a","data":[{"e":"pv"}]}'),
                _post("x", extra="SP-Anonymous: *\r\nCookie: sp=1\r\n"),
                _get("/i?e=pv&ip=1", extra="Origin: https://a.com\r\nX-Forwarded-For: 1.2.3.4\r\n"),
                _get("/health"),
                f"OPTIONS * HTTP/1.1\r\n{HOST}\r\n".encode(),
                f"POST {TP2} HTTP/1.1\r\n{HOST}{CHUNKED}\r\n5\r\nhello\r\n0\r\n\r\n".encode(),
            ]
        )
    )
    for _ in range(generator.choice([0, 0, 1, 1, 2, 8])):
        at = generator.randrange(len(request))
        match generator.randrange(5):
            case 0:
                request[at] = generator.randrange(256)
            case 1:
                del request[at : at + generator.randrange(1, 20)]
            case 2:
                request[at:at] = generator.randbytes(generator.randrange(1, 20))
            case 3:
                request[at:at] = generator.choice(
                    [b"\r\n", b"\n", b"\0", b"%", b": ", b"Content-Length: 5\r\n", b"\xff\xfe"]
                )
            case _:
                request[at:at] = request[: generator.randrange(40)]
        if not request:
            break
    return bytes(request)


def test_ten_thousand_odd_requests_harm_nothing(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """No answer of 5xx, no crash, and events sent beside them all arrive."""
    collector = start(CollectorSettings(trusted_proxies=1))
    seed = random.randrange(2**32)
    generator = random.Random(seed)
    good = 0
    statuses: dict[int, int] = {}
    with _connected(collector.port) as beside:
        for number in range(10_000):
            # Most alone; some behind each other on one connection, up to the first refusal.
            count = 1 if number % 10 else 2
            sent = b"".join(_mutated(generator) for _ in range(count))
            for status in _statuses(_exchange(collector.port, sent)):
                statuses[status] = statuses.get(status, 0) + 1
            if number % 100 == 0:
                beside.sendall(_post(f"good{good}"))
                assert _read_answers(beside, 1) == [(200, b"ok")], seed
                good += 1

    assert not [status for status in statuses if status >= 500], (seed, statuses)
    assert statuses[200] > 1000, statuses
    assert statuses[400] > 1000, statuses
    bodies = {payload.body for payload in collector.payloads()}
    assert {f"good{number}" for number in range(good)} <= bodies, seed
    assert "a request failed" not in caplog.text


@pytest.mark.parametrize("age", [60, None])
def test_strict_transport_security_is_on_every_answer_where_configured_BC34(
    start: Start, tmp_path: Path, age: int | None
) -> None:
    """On those too that refuse a request, before anything has looked at it."""
    limits = Limits(body_bytes=100, head_timeout_s=0.2, connections=8)
    settings = CollectorSettings(hsts_max_age_s=age, metrics_path="/metrics", limits=limits)
    collector = start(settings)
    requests = {
        _post("event"): 200,
        _get("/i"): 200,
        _get("/x"): 404,
        _get("/health"): 200,
        _get("/metrics"): 200,
        f"OPTIONS / HTTP/1.1\r\n{HOST}\r\n".encode(): 200,
        b"GET / HTTP/1.1\r\n\r\n": 400,
        _post("x" * 101): 413,
        _post("x", extra="Expect: magic\r\n"): 417,
    }
    answers = {_exchange(collector.port, request): status for request, status in requests.items()}
    with _connected(collector.port) as slow:
        slow.sendall(_get("/i")[:-2])
        answers[_read_all(slow)] = 408
    log = BrokenLog(open_log(tmp_path / "broken", writer=True))
    log.broken = True
    broken = start(settings, raw=log)
    answers[_exchange(broken.port, _post("event"))] = 503
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("whiteout.collector.core.Core.decide", None)
        answers[_exchange(collector.port, _post("event"))] = 500

    line = b"Strict-Transport-Security: max-age=60; includeSubDomains\r\n"
    for answer, status in answers.items():
        assert _statuses(answer) == [status]
        assert answer.count(line) == (0 if age is None else 1)
