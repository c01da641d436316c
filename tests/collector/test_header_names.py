"""What is found out about a list of names once holds for each request that has it."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, ClassVar, cast
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from tests.collector.conftest import FRESH, NOW_MS, TP2

from whiteout.collector.core import Core
from whiteout.collector.exchange import Request
from whiteout.collector.header_names import LOWER, NAMES, Names
from whiteout.collector.metrics import Metrics
from whiteout.collector.server import Server
from whiteout.collector.settings import CollectorSettings
from whiteout.protocol.collector_payload import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from whiteout.collector.sink import Sink, Waiter

OWN = "de305d54-75b4-431b-adb2-eb6b9e546014"

_heads = st.sampled_from(
    [
        ["Host", "Cookie", "User-Agent"],
        ["host", "cookie", "user-agent"],
        ["Host", "User-Agent", "Cookie"],
        ["Host", "Cookie", "Cookie"],
        ["Host", "Connection", "Cookie", "Referer"],
        ["Host", "Authorization", "Referer", "Content-Type"],
        ["Host", "SP-Anonymous", "Cookie", "User-Agent"],
        ["Host", "X-Nobodys", "Content-Type"],
        ["Host", "Content-Type", "Sec-GPC", "Origin"],
        ["Host"],
    ]
)
_values = st.sampled_from(
    [
        f"sp={OWN}",
        f"a=b; sp={OWN}; c=d",
        "a=b",
        "",
        "1",
        "text/plain; charset=iso-8859-1",
        "caf\xe9",
        "https://a.example",
    ]
)
_requests = st.lists(
    st.tuples(
        _heads,
        st.lists(_values, min_size=4, max_size=4),
        st.sampled_from([b"{}", "\N{SNOWMAN}".encode(), b"\xe9"]),
    ),
    min_size=1,
    max_size=5,
)


class _Shelf:
    """A sink that keeps what it is given, and tells nobody."""

    name: ClassVar[str] = "spool"
    healthy = True
    waiting_bytes = 0

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.records: list[bytes] = []

    def submit(self, records: Sequence[bytes], bad_rows: Sequence[bytes], waiter: Waiter) -> bool:
        assert not bad_rows
        assert waiter is not None
        self.records += records
        return True

    def trim(self) -> None: ...
    def close(self) -> None: ...


class _Client(asyncio.Transport):
    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("198.51.100.7", 4242) if name == "peername" else default

    def write(self, data: object) -> None:
        raise AssertionError(data)  # each waits for the sink

    def pause_reading(self) -> None: ...


def _take(pieces: Iterable[bytes]) -> list[bytes]:
    """Feed one connection, and return the records of its requests."""
    shelf = _Shelf()
    loop = asyncio.new_event_loop()
    try:
        server = Server(
            CollectorSettings(),
            cast("Sink", shelf),
            loop=loop,
            now_ms=lambda: NOW_MS,
            new_uuid=lambda: UUID(FRESH),
        )
        connection = server.connection()
        connection.connection_made(_Client())
        for piece in pieces:
            connection.data_received(piece)
        connection.connection_lost(None)
        server.close()
    finally:
        loop.close()
    return shelf.records


@given(requests=_requests, cuts=st.sets(st.integers(0, 600), max_size=4))
def test_whatever_a_client_sent_before_and_however_it_is_cut_its_requests_are_read_alike(
    requests: list[tuple[list[str], list[str], bytes]], cuts: set[int]
) -> None:
    sent = b""
    expected: list[bytes] = []
    for names, values, body in requests:
        headers = [
            (name.encode(), value.encode("latin-1"))
            for name, value in zip(names, values, strict=False)
        ]
        headers.append((b"Content-Length", b"%d" % len(body)))
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        sent += b"POST %b HTTP/1.1\r\n%b\r\n%b" % (TP2.encode(), lines, body)
        request = Request.of(b"POST", TP2.encode(), headers, body, "198.51.100.7")
        expected += Core(CollectorSettings()).handle(request, NOW_MS, lambda: UUID(FRESH)).records
    places = [0, *sorted(cuts), len(sent)]

    records = _take(sent[start:end] for start, end in itertools.pairwise(places) if start < end)

    assert records == expected


def test_what_stands_in_trailers_is_no_header_of_this_request_or_the_next() -> None:
    head = b"POST %b HTTP/1.1\r\nHost: a\r\n" % TP2.encode()
    trailers = b"0\r\nUser-Agent: trailer\r\nX-Trailer: 1\r\n\r\n"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n" + trailers
    next_one = head + b"Accept: */*\r\nContent-Length: 2\r\n\r\n{}"

    first, second = map(decode, _take([chunked + next_one]))

    assert first.headers == ("Host: a", "Transfer-Encoding: chunked")
    assert second.headers == ("Host: a", "Accept: */*", "Content-Length: 2")
    assert first.user_agent is second.user_agent is None


def test_a_list_of_well_known_names_is_remembered() -> None:
    for key in (b"host:DNT:Sec-GPC:sec-ch-ua:TE", b"Host:X-Real-IP:X-Forwarded-For:CF-Ray"):
        assert NAMES[key] is NAMES[key]
    key = b"Host:Accept:User-Agent:Cookie"

    assert NAMES[key] is NAMES[key]
    assert NAMES[key].written == (b"Host", b"Accept", b"User-Agent", b"Cookie")


def test_a_list_with_a_name_that_may_be_one_clients_own_is_not_remembered() -> None:
    key = b"Host:X-Of-Jane-Doe"

    assert NAMES[key].lower == (b"host", b"x-of-jane-doe")
    assert key not in NAMES


def test_however_many_lists_clients_send_a_bounded_number_is_remembered() -> None:
    names = list(LOWER)
    for first in names:
        for second in names:
            assert NAMES[b"%b:%b" % (first, second)].written == (first, second)

    assert len(NAMES) <= 512


def test_no_headers_are_a_list_too() -> None:
    assert NAMES[b""].written == Names(()).written == ()
