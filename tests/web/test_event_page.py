"""One event opened, and the stream of events, as they are served."""

from __future__ import annotations

import json
import re
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from tests.support.pipeline import self_describing
from tests.support.trackers import poll

if TYPE_CHECKING:
    import http.client

    from tests.support.pipeline import Pipeline

SCREEN = "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
ID = "3022bb48-db05-44cb-80b5-b7387caaff3f"


def screen_view(name: object, **more: object) -> dict[str, str]:
    event = self_describing(SCREEN, {"name": name, "id": ID, **more})
    return {**event, "uid": "person-7"}


def opened(pipeline: Pipeline) -> str:
    """The page of the only event."""
    page = pipeline.get("/ui").body.decode()
    addresses = set(re.findall(r'href="(/ui/events/\d+)"', page))
    assert len(addresses) == 1
    answer = pipeline.get(addresses.pop())
    assert answer.status == 200
    return answer.body.decode()


def test_an_event_opened_shows_its_way_its_parts_and_its_identifiers(pipeline: Pipeline) -> None:
    pipeline.send(screen_view("Checkout"))
    assert pipeline.get("/micro/all").json()["good"] == 1

    page = opened(pipeline)

    for stage in ("collected", "enriched", "stored"):
        assert f'<th scope="row">{stage}</th>' in page
    assert "/ui/schemas/com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0" in page
    assert "Checkout" in page
    assert "person-7" in page
    assert "Now: session" in page
    assert '"user_id": "person-7"' in page.replace("&#34;", '"')


def test_beside_it_stands_the_event_at_the_level_asked_for(pipeline: Pipeline) -> None:
    pipeline.send(screen_view("Checkout"))
    assert pipeline.get("/micro/all").json()["good"] == 1
    number = re.findall(r"/ui/events/(\d+)", pipeline.get("/ui").body.decode())[0]

    page = pipeline.get(f"/ui/events/{number}?level=3").body.decode().replace("&#34;", '"')

    now, _, beside = page.partition("At level client</h4>")
    assert '"user_id": "person-7"' in now
    assert '"user_id"' not in beside.partition("</pre>")[0]
    assert '"user_ipaddress"' in beside.partition("</pre>")[0]  # the client cannot hide it


def test_a_failed_event_shows_the_place_in_the_schema_that_refused_it(pipeline: Pipeline) -> None:
    pipeline.send(screen_view(5))
    assert pipeline.get("/micro/all").json()["bad"] == 1

    page = opened(pipeline)

    assert "/properties/name/type" in page
    assert "$.name" in page
    assert "screen_view/jsonschema/1-0-0" in page


def test_nothing_that_an_event_holds_becomes_markup(pipeline: Pipeline) -> None:
    pipeline.send({**screen_view(HOSTILE), "aid": HOSTILE[:60], "uid": HOSTILE})
    assert pipeline.get("/micro/all").json()["good"] == 1
    page = opened(pipeline)
    assert "&lt;script&gt;" in page
    for text in (
        page,
        pipeline.get("/ui").body.decode(),
        pipeline.get("/ui/sessions").body.decode(),
    ):
        assert "<script>alert" not in text
        assert "<img" not in text

    pipeline.get("/micro/reset")
    pipeline.send(screen_view(5, **{HOSTILE: HOSTILE}))
    assert pipeline.get("/micro/all").json()["bad"] == 1
    page = opened(pipeline)
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page
    assert "<img" not in page


def test_an_event_that_is_not_here_says_so(pipeline: Pipeline) -> None:
    for number in ("999999999", "first", "1e9", "9" * 40):
        answer = pipeline.get(f"/ui/events/{number}")
        assert answer.status == 404
        assert b"the latest events of this run only" in answer.body


def test_the_stream_tells_of_new_events_that_meet_the_question(pipeline: Pipeline) -> None:
    with pipeline.stream("/ui/stream?type=screen_view") as lines:
        pipeline.send({"e": "pv", "url": "https://shop.example/"})
        pipeline.send(screen_view("Checkout"))
        news = first_news(lines)
    assert news["count"] == 1
    assert "screen_view" in news["rows"]
    assert "page_view" not in news["rows"]


def test_who_knows_events_of_another_run_is_told_to_empty_the_list(pipeline: Pipeline) -> None:
    """Numbers of this run are beyond those of earlier ones."""
    pipeline.send(screen_view("Checkout"))
    assert pipeline.get("/micro/all").json()["good"] == 1
    with pipeline.stream("/ui/stream?after=500") as lines:
        news = first_news(lines)
    assert (news["is_emptied"], news["count"]) == (True, 1)
    assert pipeline.get("/ui/events/500").status == 404


def test_a_page_that_was_away_during_a_reset_is_told_to_empty_the_list(pipeline: Pipeline) -> None:
    pipeline.send(screen_view("Checkout"))
    assert pipeline.get("/micro/all").json()["good"] == 1
    last = re.findall(r"/ui/events/(\d+)", pipeline.get("/ui").body.decode())[0]

    with pipeline.stream(f"/ui/stream?after={last}") as lines:
        assert not next_news(lines)["is_emptied"]
        pipeline.get("/micro/reset")
        news = next_news(lines)
        assert (news["is_emptied"], news["good"]) == (True, 0)
    with pipeline.stream(f"/ui/stream?after={last}") as lines:
        assert next_news(lines)["is_emptied"]


def test_an_event_opened_leads_back_to_the_list_it_was_opened_from(pipeline: Pipeline) -> None:
    pipeline.send(screen_view("Checkout"))
    assert pipeline.get("/micro/all").json()["good"] == 1
    question = "type=screen_view&amp;q=%3CCheckout"
    listed = pipeline.get("/ui?type=screen_view&q=Checkout").body.decode()
    (address,) = re.findall(r'href="(/ui/events/[^"]*)"', listed)

    page = pipeline.get(address).body.decode()

    assert 'href="/ui?type=screen_view&amp;q=Checkout" data-back' in page
    number = address.partition("?")[0]
    hostile = pipeline.get(f"{number}?from=type%3Dscreen_view%26q%3D%253CCheckout%26x%3D//evil")
    assert f'href="/ui?{question}" data-back' in hostile.body.decode()


def first_news(lines: http.client.HTTPResponse) -> dict[str, Any]:
    """The first that tells of events."""
    while not (news := next_news(lines))["count"]:
        pass
    return news


def next_news(lines: http.client.HTTPResponse) -> dict[str, Any]:
    for line in lines:
        if line.startswith(b"data: "):
            news: dict[str, Any] = json.loads(line[6:])
            return news
    raise AssertionError("the stream ended")


@pytest.mark.parametrize("text", ['Say "hi"', "100%_\\o/", "C:\\new", "Käse"])
def test_a_search_finds_text_as_it_was_tracked_not_as_json_writes_it(
    pipeline: Pipeline, text: str
) -> None:
    pipeline.send(screen_view(f"before {text} after"))
    pipeline.send(screen_view(5, type=text))  # refused: a name is no number
    pipeline.send({"page": text})
    pipeline.send(screen_view("another"), {"page": "100% \\\\new hi"})
    assert pipeline.get("/micro/all").json() == {"total": 5, "good": 4, "bad": 1}

    page = pipeline.get(f"/ui?{urlencode({'q': text})}").body

    assert page.count(b"<tr class=") == 3


def test_a_stream_whose_browser_has_left_makes_room_at_once(pipeline: Pipeline) -> None:
    """Each view that is opened, and left, leaves one; there is room for 32."""

    def is_open() -> bool:
        with socket.create_connection(("127.0.0.1", pipeline.port), 5) as browser:
            browser.sendall(
                b"GET /ui/stream HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
            )
            answer = b""  # with the first message: what is left unread would cut the connection
            while b"\ndata:" not in answer and (more := browser.recv(65_536)):
                answer += more
            return answer.startswith(b"HTTP/1.1 200")

    for _ in range(40):
        is_open()

    assert poll(is_open, 5), "streams of browsers that have left are still held"
