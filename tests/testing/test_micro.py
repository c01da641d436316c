"""The pipeline for tests, as clients see it over HTTP."""

from __future__ import annotations

import http.client
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.trackers import CONTEXT_FREE

import whiteout
from whiteout import (
    Anonymisation,
    ConfigurationError,
    EmitterConfiguration,
    PageView,
    ScreenView,
    SubjectConfiguration,
)
from whiteout.testing import Micro, assert_tracked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TP2 = "/com.snowplowanalytics.snowplow/tp2"
PAYLOAD_DATA = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"


@pytest.fixture(scope="module")
def server() -> Iterator[Micro]:
    with Micro() as running:
        yield running


@pytest.fixture
def micro(server: Micro) -> Micro:
    server.clear()
    return server


def request(
    micro: Micro, method: str, target: str, body: str | None = None, **headers: str
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", micro.port, timeout=10)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, target, body, names)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def post(micro: Micro, *events: dict[str, Any], **headers: str) -> int:
    body = json.dumps(
        {"schema": PAYLOAD_DATA, "data": [{"tv": "t", "p": "web", **e} for e in events]}
    )
    return request(micro, "POST", TP2, body, Content_Type="application/json", **headers)[0]


def test_an_event_is_there_once_its_request_is_answered(micro: Micro) -> None:
    """Without waiting: the answer comes after enrich."""
    for number in range(50):
        assert post(micro, {"e": "pv", "url": f"https://shop.example.com/{number}"}) == 200
        assert len(micro._pipeline.events) == number + 1
    assert_tracked(PageView, page_urlpath="/49")


def test_events_come_by_get_too(micro: Micro) -> None:
    status, pixel = request(micro, "GET", "/i?e=pv&p=web&tv=t&page=Tea")

    assert (status, pixel[:3]) == (200, b"GIF")
    assert_tracked(PageView, page_title="Tea")


def test_it_answers_health_and_nothing_unknown(micro: Micro) -> None:
    assert request(micro, "GET", "/health")[0] == 200
    assert request(micro, "GET", "/nothing")[0] == 404


@pytest.mark.parametrize(
    "body", ["", "{", "[]", '{"schema": 1}', "\x00", "[" * 5000, '{"schema":"iglu:a/b/c/1-0-0"}']
)
def test_a_body_that_is_none_becomes_one_failed_event(micro: Micro, body: str) -> None:
    assert request(micro, "POST", TP2, body, Content_Type="application/json")[0] == 200

    (failed,) = micro.failed_events
    assert failed.reasons
    assert micro.events == []


def test_a_body_that_is_too_large_is_refused_and_leaves_nothing(micro: Micro) -> None:
    status, _ = request(micro, "POST", TP2, "x" * 3_000_000, Content_Type="application/json")

    assert status == 413
    assert (micro.events, micro.failed_events) == ([], [])


def test_each_event_of_a_request_has_the_parameters_that_were_its_own(micro: Micro) -> None:
    post(micro, {"e": "pv", "page": "A"}, {"e": "nonsense", "page": "B"}, {"e": "pv", "page": "C"})

    assert [event.parameters["page"] for event in micro.events] == ["A", "C"]
    assert [event.parameters["page"] for event in micro.failed_events] == ["B"]


def test_an_anonymous_request_is_known_by_its_header(micro: Micro) -> None:
    post(micro, {"e": "pv", "page": "A"}, SP_Anonymous="*")
    micro.assert_anonymous(Anonymisation.FULL)

    post(micro, {"e": "pv", "page": "B", "uid": "ada"}, SP_Anonymous="*")
    with pytest.raises(AssertionError, match=r"1 of 2 events.*\n.*subject\.user_id"):
        micro.assert_anonymous(Anonymisation.FULL)
    micro.assert_anonymous(Anonymisation.SERVER)


def test_a_tracker_of_the_same_process_needs_no_flush(micro: Micro, tmp_path: Path) -> None:
    tracker = whiteout.create_tracker(
        "same",
        micro.endpoint,
        CONTEXT_FREE,
        EmitterConfiguration(storage_dir=tmp_path),
        SubjectConfiguration(user_id="ada"),
    )
    try:
        for number in range(200):
            tracker.track(ScreenView(name=f"Screen {number}"))

        assert len(micro.events) == 200
        assert_tracked(ScreenView, name="Screen 199", user_id="ada")
    finally:
        whiteout.remove_tracker("same", timeout=0)


def test_a_tracker_of_the_same_process_that_sends_elsewhere_is_left_alone(
    micro: Micro, tmp_path: Path
) -> None:
    whiteout.create_tracker(
        "other", "http://127.0.0.1:9", CONTEXT_FREE, EmitterConfiguration(storage_dir=tmp_path)
    ).track(ScreenView(name="A"))
    try:
        assert micro.events == []
    finally:
        whiteout.remove_tracker("other", timeout=0)


def test_an_event_that_is_on_its_way_is_waited_for(micro: Micro) -> None:
    sender = threading.Timer(0.3, lambda: post(micro, {"e": "pv", "page": "late"}))
    sender.start()
    try:
        micro.assert_tracked(PageView, page_title="late")
    finally:
        sender.join()


def test_a_port_that_is_taken_is_said_with_the_cure(micro: Micro) -> None:
    with pytest.raises(ConfigurationError, match="0 takes a free one"):
        Micro(port=micro.port).start()


def test_it_stops_with_its_thread_and_its_port_while_clients_are_connected() -> None:
    with Micro() as running:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=5)
        connection.request("GET", "/health")
        connection.getresponse().read()
        port = running.port

    assert running._thread is not None
    assert not running._thread.is_alive()
    connection.close()
    with pytest.raises(ConnectionError):
        http.client.HTTPConnection("127.0.0.1", port, timeout=5).request("GET", "/health")
