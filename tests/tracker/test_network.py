"""The built-in sender against collectors that misbehave."""

from __future__ import annotations

import gzip
import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.support.collector import Collector, Reply, closed_port

from whiteout import Answer, OutgoingRequest
from whiteout.tracker.network import HttpConnection

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = b'{"schema":"x","data":[]}'


def a_request(url: str, *, is_anonymous: bool = False, timeout: float = 5.0) -> OutgoingRequest:
    return OutgoingRequest(
        method="POST",
        url=f"{url}/com.snowplowanalytics.snowplow/tp2",
        headers={"User-Agent": "test", "Content-Type": "application/json; charset=utf-8"},
        body=BODY,
        is_anonymous=is_anonymous,
        timeout=timeout,
    )


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture
def connection() -> Iterator[HttpConnection]:
    opened = HttpConnection()
    yield opened
    opened.close()


@pytest.mark.parametrize("status", [200, 204, 301, 403, 404, 413, 500, 503, 599])
def test_the_status_is_handed_on(
    collector: Collector, connection: HttpConnection, status: int
) -> None:
    body = b"" if status == 204 else b"some text"
    collector.reply(Reply(status=status, body=body, headers=(("Retry-After", "7"),)))

    answer = connection.send(a_request(collector.url))

    assert answer == Answer(status=status, retry_after="7")


def test_headers_and_body_go_out_as_they_are(
    collector: Collector, connection: HttpConnection
) -> None:
    """E22: the content type; and no `Accept` or `Accept-Encoding` that nobody asked for."""
    connection.send(a_request(collector.url))

    (request,) = collector.requests
    assert request.path == "/com.snowplowanalytics.snowplow/tp2"
    assert request.body == BODY
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    assert set(request.headers) - {"accept-encoding"} == {
        "host",
        "user-agent",
        "content-type",
        "content-length",
    }


def test_a_redirect_is_not_followed(collector: Collector, connection: HttpConnection) -> None:
    """The collector's address is what was configured."""
    collector.reply(Reply(status=302, headers=(("Location", f"{collector.url}/elsewhere"),)))

    answer = connection.send(a_request(collector.url))

    assert answer.status == 302
    assert len(collector.requests) == 1


def test_identified_requests_share_a_connection(
    collector: Collector, connection: HttpConnection
) -> None:
    for _ in range(3):
        connection.send(a_request(collector.url))

    assert [request.connection for request in collector.requests] == [1, 1, 1]


def test_l35_each_anonymous_request_has_a_connection_of_its_own(
    collector: Collector, connection: HttpConnection
) -> None:
    connection.send(a_request(collector.url))
    for _ in range(3):
        connection.send(a_request(collector.url, is_anonymous=True))
    connection.send(a_request(collector.url))

    assert [request.connection for request in collector.requests] == [1, 2, 3, 4, 1]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n",
        b"garbage without any sense\r\n\r\n",
        b"HTTP/1.1 two hundred OK\r\n\r\n",
        b"HTTP/9.9 99999 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x00" * 2000,
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 1000 + b"\r\n",
    ],
)
def test_garbage_is_no_answer(collector: Collector, connection: HttpConnection, raw: bytes) -> None:
    collector.reply(Reply(raw=raw))

    assert connection.send(a_request(collector.url)) == Answer(status=None)
    assert connection.send(a_request(collector.url)).status == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nless than a hundred bytes",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a chunk size\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: gzip\r\n\r\nno gzip",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 300_000,
    ],
)
def test_a_status_counts_though_the_rest_of_the_answer_is_broken(
    collector: Collector, connection: HttpConnection, raw: bytes
) -> None:
    """The collector has the events: taken for no answer, it would be sent them again and again."""
    collector.reply(Reply(raw=raw))

    assert connection.send(a_request(collector.url)).status == 200
    assert connection.send(a_request(collector.url)).status == 200


def test_a_body_that_unpacks_to_gigabytes_is_not_unpacked(
    collector: Collector, connection: HttpConnection
) -> None:
    bomb = gzip.compress(gzip.compress(bytes(50_000_000)))
    collector.reply(Reply(body=bomb, headers=(("Content-Encoding", "gzip, gzip"),)))

    started_s = time.monotonic()

    assert connection.send(a_request(collector.url)).status == 200
    assert time.monotonic() - started_s < 0.5


def test_a_body_that_drips_is_not_waited_for_longer_than_the_time_out(
    collector: Collector, connection: HttpConnection
) -> None:
    collector.reply(Reply(drip_s=0.02, body=b"x" * 1000))

    started_s = time.monotonic()
    answer = connection.send(a_request(collector.url, timeout=1.5))

    assert answer.status == 200
    assert time.monotonic() - started_s < 4


@pytest.mark.parametrize("is_anonymous", [False, True])
def test_a_head_that_drips_is_no_answer_once_the_time_is_over(
    collector: Collector, connection: HttpConnection, *, is_anonymous: bool
) -> None:
    """Each byte comes in time: it is the whole request that must end."""
    collector.reply(Reply(drip_s=0.1))

    started_s = time.monotonic()
    answer = connection.send(a_request(collector.url, is_anonymous=is_anonymous, timeout=0.7))

    assert answer == Answer(status=None)
    assert 0.6 < time.monotonic() - started_s < 2
    assert connection.send(a_request(collector.url)).status == 200


def test_a_connection_that_is_kept_gives_each_request_the_whole_time(
    collector: Collector, connection: HttpConnection
) -> None:
    collector.default = Reply(delay_s=0.3)

    answers = [connection.send(a_request(collector.url, timeout=1.0)) for _ in range(4)]

    assert [answer.status for answer in answers] == [200] * 4
    assert {request.connection for request in collector.requests} == {1}


def test_a_collector_that_does_not_read_is_given_up_in_time(connection: HttpConnection) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        request = replace(a_request(url, timeout=0.5), body=b"x" * 50_000_000)

        started_s = time.monotonic()

        assert connection.send(request) == Answer(status=None)
        assert time.monotonic() - started_s < 2


def test_a_reset_is_no_answer(collector: Collector, connection: HttpConnection) -> None:
    collector.reply(Reply(resets=True))

    assert connection.send(a_request(collector.url)) == Answer(status=None)


def test_an_answer_that_is_too_late_is_none(
    collector: Collector, connection: HttpConnection
) -> None:
    collector.reply(Reply(holds=True))

    started_s = time.monotonic()

    assert connection.send(a_request(collector.url, timeout=0.3)) == Answer(status=None)
    assert time.monotonic() - started_s < 2


def test_a_collector_that_is_not_there_is_no_answer(connection: HttpConnection) -> None:
    url = f"http://127.0.0.1:{closed_port()}"

    assert connection.send(a_request(url)) == Answer(status=None)
    assert connection.send(a_request("http://no-such-host.invalid")) == Answer(status=None)


def test_e23_cookies_come_back_on_identified_requests_alone(
    collector: Collector, connection: HttpConnection
) -> None:
    collector.default = Reply(headers=(("Set-Cookie", "sp=test; Path=/"),))

    connection.send(a_request(collector.url))
    connection.send(a_request(collector.url, is_anonymous=True))
    connection.send(a_request(collector.url))

    assert [request.headers.get("cookie") for request in collector.requests] == [
        None,
        None,
        "sp=test",
    ]


def test_e23_cookies_can_be_stored_and_restored(
    collector: Collector, connection: HttpConnection
) -> None:
    collector.reply(Reply(headers=(("Set-Cookie", "sp=test; Path=/; Max-Age=1000"),)))
    connection.send(a_request(collector.url))
    again = HttpConnection()

    again.restore_cookies(({"not": "a cookie"}, *connection.cookies()))
    again.send(a_request(collector.url))
    again.close()

    assert collector.requests[-1].headers["cookie"] == "sp=test"


def test_e23_cookies_stay_with_their_host(collector: Collector, connection: HttpConnection) -> None:
    """A stored one too; and nobody sets one for another domain."""
    collector.reply(
        Reply(headers=(("Set-Cookie", "sp=test; Path=/; Max-Age=1000"),)),
        Reply(headers=(("Set-Cookie", "other=test; Path=/; Domain=collector.example"),)),
    )
    connection.send(a_request(collector.url))
    connection.send(a_request(collector.url))
    stored = connection.cookies()
    again = HttpConnection()
    again.restore_cookies(stored)

    again.send(a_request(collector.url.replace("127.0.0.1", "localhost")))
    again.close()

    assert [cookie["name"] for cookie in stored] == ["sp"]
    assert [request.headers.get("cookie") for request in collector.requests] == [
        None,
        "sp=test",
        None,
    ]


def test_a_cookie_that_an_anonymous_answer_sets_is_not_kept(
    collector: Collector, connection: HttpConnection
) -> None:
    collector.reply(Reply(headers=(("Set-Cookie", "sp=test; Path=/"),)))

    connection.send(a_request(collector.url, is_anonymous=True))

    assert connection.cookies() == ()
