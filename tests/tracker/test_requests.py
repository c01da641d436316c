"""Grouping, sizes and encoding of requests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout import Anonymisation, EmitterConfiguration, HttpMethod, NetworkConfiguration
from whiteout.tracker.event_rows import WaitingEvent
from whiteout.tracker.network import USER_AGENT, OutgoingRequest
from whiteout.tracker.requests import LONGEST_URL, Batch, batches, request_for
from whiteout.tracker.template import SEPARATOR, Template

if TYPE_CHECKING:
    from collections.abc import Sequence

NONE, USER, SERVER = Anonymisation.NONE, Anonymisation.USER, Anonymisation.SERVER
POST = NetworkConfiguration(endpoint="https://collector.example")
GET = NetworkConfiguration(endpoint="https://collector.example", method=HttpMethod.GET)
SENT_MS = 1_654_496_481_999
ENVELOPE_BYTES = 88
TEMPLATES = {
    level.value: Template(
        level, 0, base64=False, parameters='"tv":"t","p":"pc"', entities="", session=""
    )
    for level in map(Anonymisation, range(8))
}


def stored(
    number: int, *, level: Anonymisation = NONE, line: int = 0, text: str = "label"
) -> WaitingEvent:
    parameters = f'"e":"se","se_la":{json.dumps(text, ensure_ascii=False)}'
    data = SEPARATOR.join((parameters, "", "")).encode()
    event_id = f"id-{number}".encode()
    return WaitingEvent(number, level.value, line, level.value, event_id, 1000, number, data)


def grouped(
    events: Sequence[WaitingEvent],
    *,
    network: NetworkConfiguration = POST,
    limit: int = 250_000,
) -> list[Batch]:
    emitter = EmitterConfiguration(byte_limit_post=limit, byte_limit_get=limit)
    return list(batches(events, TEMPLATES.__getitem__, network=network, emitter=emitter))


def sent(batch: Batch, network: NetworkConfiguration = POST) -> OutgoingRequest:
    return request_for(batch, network, sent_ms=SENT_MS)


def posted(request: OutgoingRequest) -> list[dict[str, str]]:
    envelope = json.loads(request.body or b"")
    assert list(envelope) == ["schema", "data"]
    assert envelope["schema"] == "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
    data: list[dict[str, str]] = envelope["data"]
    return data


def payload_bytes(event: WaitingEvent) -> int:
    """The size of the event alone as it is sent, by encoding it independently."""
    (payload,) = posted(sent(grouped([event])[0]))
    return len(json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode())


def test_a_post_is_one_envelope_with_every_event_whole() -> None:
    """Reference 1.3 and 1.1."""
    (batch,) = grouped([stored(1), stored(2, text='quote " and \N{SNOWMAN}')])

    request = sent(batch)

    assert request.method == "POST"
    assert request.url == "https://collector.example/com.snowplowanalytics.snowplow/tp2"
    assert dict(request.headers) == {
        "User-Agent": USER_AGENT,
        "Content-Type": "application/json; charset=utf-8",
    }
    shared = {"tv": "t", "p": "pc", "dtm": "1000", "stm": str(SENT_MS), "e": "se"}
    assert posted(request) == [
        shared | {"eid": "id-1", "se_la": "label"},
        shared | {"eid": "id-2", "se_la": 'quote " and \N{SNOWMAN}'},
    ]


def test_a_get_is_one_event_in_the_query() -> None:
    (first, second) = grouped([stored(1, text="a b&c=ü"), stored(2)], network=GET)

    request = sent(first, GET)

    assert (request.method, request.body) == ("GET", None)
    parts = urlsplit(request.url)
    assert (parts.netloc, parts.path) == ("collector.example", "/i")
    assert dict(parse_qsl(parts.query)) == {
        "tv": "t",
        "p": "pc",
        "dtm": "1000",
        "stm": str(SENT_MS),
        "e": "se",
        "eid": "id-1",
        "se_la": "a b&c=ü",
    }
    assert second.ids == (2,)


def test_an_event_whose_url_would_be_too_long_goes_by_post() -> None:
    """RFC 9112: only request lines of 8,000 octets pass everywhere."""
    short_bytes = len(sent(grouped([stored(1, text="")], network=GET)[0], GET).url)
    room = LONGEST_URL - short_bytes

    requests = [
        sent(grouped([stored(1, text=text)], network=GET)[0], GET)
        for text in ("x" * room, "x" * (room + 1), "\N{SNOWMAN}" * (room // 9 + 1))
    ]

    assert [request.method for request in requests] == ["GET", "POST", "POST"]
    assert len(requests[0].url) == LONGEST_URL
    assert requests[1].url == POST.post_url
    assert [event["se_la"] for event in posted(requests[1])] == ["x" * (room + 1)]
    assert not requests[1].is_anonymous


@pytest.mark.parametrize("level", list(map(Anonymisation, range(1, 8))))
def test_l30_an_anonymous_event_goes_by_post_though_get_is_configured(
    level: Anonymisation,
) -> None:
    (batch,) = grouped([stored(1, level=level)], network=GET)

    assert sent(batch, GET).method == "POST"


@pytest.mark.parametrize("text", ["label", "\N{SNOWMAN}" * 10])
def test_equal_to_the_byte_limit_still_fits_and_one_byte_less_does_not(text: str) -> None:
    """Reference 7.3: the sizes of the payloads, one byte an event between, 88 for the envelope."""
    events = [stored(1, text=text), stored(2, text=text)]
    exact = sum(payload_bytes(event) for event in events) + 1 + ENVELOPE_BYTES

    assert [batch.ids for batch in grouped(events, limit=exact)] == [(1, 2)]
    assert [batch.ids for batch in grouped(events, limit=exact - 1)] == [(1,), (2,)]


def test_a_body_is_never_longer_than_the_limit() -> None:
    events = [stored(number) for number in range(50)]
    limit = 1000

    for batch in grouped(events, limit=limit):
        assert len(sent(batch).body or b"") <= limit


def test_an_event_above_the_limit_goes_alone_and_in_an_envelope() -> None:
    """The native trackers post it bare (reference 1.3)."""
    events = [stored(1), stored(2, text="x" * 500), stored(3)]

    found = grouped(events, limit=400)

    assert [(batch.ids, batch.is_oversize) for batch in found] == [
        ((1,), False),
        ((2,), True),
        ((3,), False),
    ]
    assert len(posted(sent(found[1]))) == 1


def test_an_event_exactly_at_the_limit_alone_is_not_oversize() -> None:
    event = stored(1)
    size = payload_bytes(event)

    assert not grouped([event], limit=size)[0].is_oversize
    assert grouped([event], limit=size - 1)[0].is_oversize


def test_e15_a_limit_of_five_bytes_makes_each_event_a_request() -> None:
    """Two events, two requests, as the native trackers' test has it."""
    assert [batch.ids for batch in grouped([stored(1), stored(2)], limit=5)] == [(1,), (2,)]


def test_l8_l9_events_of_different_levels_share_no_request_and_do_not_overtake() -> None:
    """A request begins wherever the level changes: order is that of the whole namespace."""
    events = [
        stored(1),
        stored(2, level=SERVER),
        stored(3, level=SERVER),
        stored(4),
        stored(5, level=USER, line=9),
        stored(6, level=SERVER),
    ]

    found = [(batch.ids, batch.level) for batch in grouped(events)]

    assert found == [((1,), NONE), ((2, 3), SERVER), ((4,), NONE), ((5,), USER), ((6,), SERVER)]


def test_events_of_different_lines_share_no_request_and_do_not_overtake() -> None:
    """A request is a link: it has one address and one time."""
    events = [stored(number, level=USER, line=number // 2 % 2) for number in range(6)]

    assert [batch.ids for batch in grouped(events)] == [(0, 1), (2, 3), (4, 5)]


def test_only_a_request_of_server_anonymity_says_so() -> None:
    for level in map(Anonymisation, range(8)):
        (batch,) = grouped([stored(1, level=level)])

        headers = sent(batch).headers

        assert headers.get("SP-Anonymous") == ("*" if SERVER in level else None)
        assert sent(batch).is_anonymous is bool(level)


def test_l13_the_apps_own_headers_stay_away_from_anonymous_requests() -> None:
    network = NetworkConfiguration(
        endpoint="https://collector.example", request_headers={"Authorization": "Bearer secret"}
    )

    (identified,) = grouped([stored(1)], network=network)
    (anonymous,) = grouped([stored(1, level=SERVER)], network=network)

    assert sent(identified, network).headers["Authorization"] == "Bearer secret"
    assert "Authorization" not in sent(anonymous, network).headers


def test_halves_hold_the_same_events_in_order() -> None:
    (batch,) = grouped([stored(number) for number in range(5)])

    first, second = batch.halves()

    assert first.ids + second.ids == batch.ids
    assert first.payloads + second.payloads == batch.payloads
    assert (first.level, second.level) == (batch.level, batch.level)


@given(
    levels=st.lists(
        st.tuples(st.integers(0, 7), st.integers(0, 3), st.integers(0, 400)), max_size=30
    ),
    limit=st.integers(1, 2000),
)
def test_every_event_is_in_exactly_one_request_and_in_order(
    levels: list[tuple[int, int, int]], limit: int
) -> None:
    events = [
        stored(number, level=Anonymisation(bits), line=line, text="x" * size)
        for number, (bits, line, size) in enumerate(levels)
    ]

    found = grouped(events, limit=limit)

    assert [row for batch in found for row in batch.ids] == list(range(len(events)))
    for batch in found:
        assert {(events[row].level, events[row].line) for row in batch.ids} == {
            (batch.level.value, events[batch.ids[0]].line)
        }
        if batch.is_oversize:
            assert len(batch.ids) == 1
        else:
            assert len(batch.ids) == 1 or len(sent(batch).body or b"") <= limit
