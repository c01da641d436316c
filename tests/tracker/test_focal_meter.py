"""FocalMeter against a real server: who is told of, when, and what happens when it fails."""

from __future__ import annotations

import hashlib
import logging
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
from tests.support.clock import ManualClock
from tests.support.collector import Collector, Reply, closed_port
from tests.support.extensions import extensions, inspected

from whiteout import Structured
from whiteout.errors import ConfigurationError
from whiteout.identifiers import NULL_UUID, Anonymisation
from whiteout.tracker.counters import Counters
from whiteout.tracker.focal_meter import IDENTIFIER, FocalMeter, FocalMeterConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

USER_ID = "c0ffee00-0000-4000-8000-00000000f0ca"
OTHER = "c0ffee00-0000-4000-8000-00000000f0cb"


class Scene:
    """A meter, and the tracker around it as far as the meter knows it."""

    def __init__(self, endpoint: str, process_user_id: Callable[[str], str] | None = None) -> None:
        self.clock = ManualClock()
        self.user_id: str | None = USER_ID
        self.meter = FocalMeter(
            FocalMeterConfiguration(kantar_endpoint=endpoint, process_user_id=process_user_id),
            user_id=lambda: self.user_id,
            counters=Counters(self.clock),
            clock=self.clock,
        )

    def track(self, level: Anonymisation = Anonymisation.NONE) -> None:
        """Track an event, and let the meter's thread do what it does for it."""
        made = extensions(self.meter.plugin())
        made.after_track(inspected(Structured(category="c", action="a"), level))
        made.run_after_track()
        worker = self.meter._worker
        if worker._thread is not None:
            assert worker.close(20)
            worker.after_fork()  # the next event starts a fresh thread


@pytest.fixture
def server() -> Iterator[Collector]:
    with Collector() as running:
        yield running


def ids(server: Collector) -> list[str]:
    return [parse_qs(request.query)["cs_fpid"][0] for request in server.requests]


def test_the_request_says_who_and_nothing_else(server: Collector) -> None:
    scene = Scene(f"{server.url}/meter")

    scene.track()

    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("GET", "/meter", b"")
    assert request.query == f"vendor=snowplow&cs_fpid={USER_ID}&c12=not_set"
    assert set(request.headers) <= {"host", "user-agent", "connection", "accept-encoding"}
    assert request.headers["user-agent"].startswith("whiteout/")


def test_it_is_told_once_of_each_user_id(server: Collector) -> None:
    scene = Scene(server.url)

    for user_id in (USER_ID, USER_ID, OTHER, OTHER, USER_ID):
        scene.user_id = user_id
        scene.track()

    assert ids(server) == [USER_ID, OTHER, USER_ID]


@pytest.mark.parametrize("user_id", [None, NULL_UUID])
def test_without_a_session_nobody_is_told(server: Collector, user_id: str | None) -> None:
    scene = Scene(server.url)
    scene.user_id = user_id

    scene.track()

    assert server.requests == []
    assert scene.meter.failures == 0


def test_the_user_id_is_changed_as_the_app_says(server: Collector) -> None:
    scene = Scene(
        server.url + "/m?key=1", lambda text: hashlib.sha256(text.encode()).hexdigest() + "&ä"
    )

    scene.track()
    scene.track()

    expected = hashlib.sha256(USER_ID.encode()).hexdigest() + "&ä"
    assert ids(server) == [expected]
    assert server.requests[0].query.startswith("key=1&vendor=snowplow&")


def _fails(_text: str) -> str:
    raise RuntimeError(_text)


@pytest.mark.parametrize(
    "process", [_fails, lambda _text: None, lambda _text: "", lambda t: t * 99]
)
def test_an_id_that_cannot_be_changed_is_not_sent(
    server: Collector, process: Callable[[str], Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither as it is, nor in a log."""
    caplog.set_level(logging.DEBUG)
    scene = Scene(server.url, process)

    scene.track()

    assert server.requests == []
    assert scene.meter.failures == 1
    assert USER_ID not in caplog.text


@pytest.mark.parametrize(
    "reply", [Reply(status=500), Reply(status=404), Reply(resets=True), Reply(raw=b"x\r\n\r\n")]
)
def test_a_request_that_fails_is_made_again_at_the_next_event(
    server: Collector, reply: Reply
) -> None:
    scene = Scene(server.url)
    server.reply(reply)

    scene.track()
    assert (len(server.requests), scene.meter.failures) == (1, 1)
    scene.track()
    scene.track()

    assert ids(server) == [USER_ID, USER_ID]
    assert scene.meter.failures == 1


def test_a_redirect_is_not_followed(server: Collector) -> None:
    with Collector() as elsewhere:
        server.default = Reply(status=302, headers=(("Location", f"{elsewhere.url}/there"),))
        scene = Scene(server.url)

        scene.track()

        assert elsewhere.requests == []
        assert scene.meter.failures == 1


def test_no_cookie_is_kept(server: Collector) -> None:
    server.default = Reply(headers=(("Set-Cookie", "who=canary; Path=/"),))
    scene = Scene(server.url)

    for user_id in (USER_ID, OTHER):
        scene.user_id = user_id
        scene.track()

    assert ["cookie" in request.headers for request in server.requests] == [False, False]


def test_a_meter_that_stays_away_is_asked_less_and_less_often() -> None:
    """After the first failure at the next event, then after 2, 4, … at most 300 seconds."""
    scene = Scene(f"http://127.0.0.1:{closed_port()}")
    pauses: list[int] = []
    for _ in range(12):
        before = scene.meter.failures
        pause = 0
        scene.track()
        while scene.meter.failures == before:
            scene.clock.advance(1)
            pause += 1
            scene.meter.ask()
        pauses.append(pause)

    assert pauses == [0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_tracking_does_not_wait_for_the_meter(server: Collector) -> None:
    server.default = Reply(holds=True)
    scene = Scene(server.url)
    plugin = scene.meter.plugin()
    assert plugin.after_track is not None

    for _ in range(100):
        plugin.after_track(inspected(Structured(category="c", action="a")))

    assert scene.meter.close(0.05) is False
    server.release()
    assert scene.meter.close(20)
    assert len(server.requests) <= 1  # while one is under way, no other is made


def test_after_close_nobody_is_asked(server: Collector) -> None:
    scene = Scene(server.url)
    scene.meter.close()

    scene.meter.ask()
    scene.track()

    assert server.requests == []


def test_who_was_told_of_can_be_forgotten(server: Collector) -> None:
    scene = Scene(server.url)
    scene.track()

    scene.meter.forget()

    assert USER_ID not in str(vars(scene.meter))
    scene.track()
    assert len(server.requests) == 2


def test_what_is_forgotten_while_a_request_is_under_way_stays_forgotten(
    server: Collector,
) -> None:
    server.reply(Reply(holds=True))
    scene = Scene(server.url)
    thread = threading.Thread(target=scene.meter.ask)
    thread.start()
    assert server.wait_for(lambda: len(server._connections) > 0)

    scene.meter.forget()
    server.release()
    thread.join(20)

    assert scene.meter._told is None


def test_no_log_shows_the_user_id_or_the_address(
    server: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """With every logger of the process, urllib3's too, at its most talkative."""
    caplog.set_level(logging.DEBUG)
    scene = Scene(server.url + "/?key=canary")
    server.reply(Reply(status=500), Reply(raw=b"garbage"), Reply())

    for _ in range(3):
        scene.clock.advance(600)
        scene.track()

    assert len(server.requests) == 3
    text = "\n".join([caplog.text, *(str(record.__dict__) for record in caplog.records)])
    assert "the request to FocalMeter" in text
    assert USER_ID not in text
    assert "canary" not in text
    assert USER_ID not in repr(scene.meter)


def test_it_is_a_plugin_under_its_own_name() -> None:
    plugin = Scene("https://meter.example").meter.plugin()

    assert plugin.identifier == IDENTIFIER == "KantarFocalMeter"
    assert plugin.entities is None
    assert plugin.filter is None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("meter.example", "https://meter.example/"),
        ("http://meter.example?a=b", "http://meter.example/?a=b"),
        ("meter.example:8443/a?b=c", "https://meter.example:8443/a?b=c"),
        ("http://127.0.0.1:1/x", "http://127.0.0.1:1/x"),
        ("https://[::1]:8000", "https://[::1]:8000/"),
    ],
)
def test_an_address_without_a_scheme_is_https(given: str, kept: str) -> None:
    assert FocalMeterConfiguration(kantar_endpoint=given).kantar_endpoint == kept


@pytest.mark.parametrize(
    "wrong",
    [
        *("", None, 5, "ftp://h", "https://", "https:///x", "https://h:x", "https://h:99999"),
        *("https://user:secret@h/", "https://h/#secret", "https://h/a b", "https://h/\r\nX: y"),
        *("https://h/ä", "https://[::1"),
    ],
)
def test_an_address_that_is_none_is_an_error_that_does_not_repeat_it(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="kantar_endpoint must") as caught:
        FocalMeterConfiguration(kantar_endpoint=wrong)

    assert "secret" not in str(caught.value)


def test_a_function_that_is_none_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="process_user_id must be a function"):
        FocalMeterConfiguration(kantar_endpoint="https://h", process_user_id="sha256")  # type: ignore[arg-type] # the mistake
