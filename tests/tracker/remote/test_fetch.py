"""One GET against servers that misbehave."""

from __future__ import annotations

import contextlib
import gzip
import logging
import shutil
import socket
import ssl
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest
from tests.support.collector import Collector, Reply, closed_port

from whiteout.tracker.clock import SystemClock
from whiteout.tracker.network import USER_AGENT
from whiteout.tracker.remote.document import MAX_BYTES
from whiteout.tracker.remote.fetch import FETCHING_THREAD, fetch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLOCK = SystemClock()
MAKE_A_CERTIFICATE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test "
    "-addext subjectAltName=IP:127.0.0.1"
)


@pytest.fixture
def server() -> Iterator[Collector]:
    with Collector() as running:
        yield running


def test_the_request_is_the_same_for_everybody(server: Collector) -> None:
    """No cookie, no validator, nothing of the app; not even what an earlier answer asked for."""
    headers = (("Set-Cookie", "id=1"), ("ETag", '"1"'), ("Last-Modified", "yesterday"))
    server.reply(Reply(body=b"{}", headers=headers), Reply(body=b"{}", headers=headers))

    for _ in range(2):
        assert fetch(f"{server.url}/trackers.json?v=2", 5.0, CLOCK) == b"{}"

    first, second = server.requests
    assert (first.method, first.path, first.query, first.body) == (
        "GET",
        "/trackers.json",
        "v=2",
        b"",
    )
    assert (
        first.headers
        == second.headers
        == {
            "host": f"127.0.0.1:{server.port}",
            "user-agent": USER_AGENT,
            "accept": "application/json",
            "accept-encoding": "identity",
            "connection": "close",
        }
    )
    assert first.connection != second.connection


@pytest.mark.parametrize("status", [204, 301, 304, 400, 404, 500, 503])
def test_r2_only_an_answer_with_2xx_is_one(server: Collector, status: int) -> None:
    server.reply(Reply(status=status, body=b"" if status in {204, 304} else b"{}"))

    assert not fetch(server.url, 5.0, CLOCK)


def test_a_redirect_within_the_host_is_followed(server: Collector) -> None:
    server.reply(
        Reply(status=301, headers=(("Location", "/b?c=d"),)),
        Reply(status=307, headers=(("Location", f"{server.url}/e#f"),)),
        Reply(body=b"{}"),
    )

    assert fetch(f"{server.url}/a", 5.0, CLOCK) == b"{}"
    assert [(r.path, r.query) for r in server.requests] == [("/a", ""), ("/b", "c=d"), ("/e", "")]


@pytest.mark.parametrize(
    "elsewhere",
    ["http://localhost:{port}/", "https://127.0.0.1:{port}/", "//127.0.0.1:{other}/", "http://[/"],
)
def test_a_redirect_to_another_origin_is_not_followed(server: Collector, elsewhere: str) -> None:
    with Collector() as other:
        location = elsewhere.format(port=server.port, other=other.port)
        server.reply(Reply(status=302, headers=(("Location", location),)))

        assert fetch(server.url, 5.0, CLOCK) is None
        assert other.requests == []
    assert len(server.requests) == 1


def test_redirects_in_a_circle_end(server: Collector) -> None:
    server.default = Reply(status=302, headers=(("Location", "/"),))

    assert fetch(server.url, 5.0, CLOCK) is None
    assert len(server.requests) == 4


def test_a_file_at_the_limit_is_taken_and_a_larger_one_is_not(server: Collector) -> None:
    server.reply(Reply(body=b"x" * MAX_BYTES), Reply(body=b"x" * (MAX_BYTES + 1)))

    assert fetch(server.url, 5.0, CLOCK) == b"x" * MAX_BYTES
    assert fetch(server.url, 5.0, CLOCK) is None


def test_a_stream_without_end_is_cut_off_at_the_limit(server: Collector) -> None:
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    server.reply(Reply(raw=head + b"x" * (4 * MAX_BYTES)))

    assert fetch(server.url, 5.0, CLOCK) is None


def test_a_compressed_answer_that_nobody_asked_for_is_refused(server: Collector) -> None:
    """What it unfolds to has no bound."""
    body = gzip.compress(b" " * 10_000_000)
    server.reply(Reply(body=body, headers=(("Content-Encoding", "gzip"),)))

    assert fetch(server.url, 5.0, CLOCK) is None


def test_an_answer_shorter_than_it_was_said_to_be_is_refused(server: Collector) -> None:
    server.reply(Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}"))

    assert fetch(server.url, 5.0, CLOCK) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00" * 100,
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 " + b"y" * 200_000 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
    ],
)
def test_what_is_no_http_is_no_answer(server: Collector, raw: bytes) -> None:
    server.reply(Reply(raw=raw))

    assert fetch(server.url, 5.0, CLOCK) in {None, b"{}"}


def test_no_server_is_no_answer(server: Collector) -> None:
    server.reply(Reply(resets=True))

    assert fetch(server.url, 5.0, CLOCK) is None
    assert fetch(f"http://127.0.0.1:{closed_port()}/", 5.0, CLOCK) is None
    assert fetch(f"https://127.0.0.1:{server.port}/", 5.0, CLOCK) is None  # it speaks no TLS


@pytest.mark.parametrize("reply", [Reply(holds=True), Reply(drip_s=0.2), Reply(delay_s=30)])
def test_a_slow_answer_ends_in_time_whatever_it_does(server: Collector, reply: Reply) -> None:
    """Byte by byte too, in the head as well as in the body."""
    server.reply(reply)
    started = time.monotonic()

    assert fetch(server.url, 0.5, CLOCK) is None

    assert time.monotonic() - started < 5
    server.release()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
@pytest.mark.parametrize("is_trusted", [True, False])
def test_a_certificate_that_the_system_does_not_trust_is_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_trusted: bool
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [*MAKE_A_CERTIFICATE.split(), "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
        timeout=30,
    )
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer_once, args=(listener, context))
        thread.start()
        port = listener.getsockname()[1]

        body = fetch(f"https://127.0.0.1:{port}/trackers.json", 10.0, CLOCK)

        thread.join(10)
    assert body == (b"{}" if is_trusted else None)


def answer_once(listener: socket.socket, context: ssl.SSLContext) -> None:
    """One answer over TLS; a client that hangs up is one too."""
    connection, _ = listener.accept()
    with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
        secured.recv(65_536)
        secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    connection.close()


def test_no_url_reaches_the_log(server: Collector, caplog: pytest.LogCaptureFixture) -> None:
    """L28: urllib3 names the URL where it cannot read the headers."""
    caplog.set_level(logging.DEBUG)
    server.default = Reply(raw=b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n{}")
    thread = threading.Thread(
        target=fetch, args=(f"{server.url}/hidden?token=hidden", 5.0, CLOCK), name=FETCHING_THREAD
    )

    thread.start()
    thread.join(10)

    assert len(server.requests) == 1
    assert "hidden" not in caplog.text
