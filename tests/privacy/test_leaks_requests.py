"""What requests give away in the native trackers: headers, cookies, company, connections (3.5).

Each test carries the id of its leak.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.privacy.support import (
    ANONYMOUS,
    COOKIE,
    FULL,
    HEADER,
    LEVELS,
    NONE,
    SERVER,
    SUBJECT,
    USER,
    Recorder,
    found_in,
    is_marked,
    recorded,
    screen,
    sent_text,
    text_of,
)
from tests.support.clock import ManualClock, fixed_environment
from tests.support.collector import Reply, closed_port

import whiteout
from whiteout import ConfigurationError, HttpMethod, NetworkConfiguration
from whiteout.version import __version__

if TYPE_CHECKING:
    from tests.privacy.support import Scene
    from tests.support.collector import Collector

    from whiteout import Anonymisation

SETS_COOKIE = Reply(headers=(("Set-Cookie", f"sp={COOKIE}; Path=/; Max-Age=31536000"),))


@pytest.mark.parametrize("method", HttpMethod)
@pytest.mark.parametrize("level", LEVELS)
def test_A8_A9_A10_A11_the_header_is_there_exactly_when_asked_for(
    scene: Scene, collector: Collector, level: Anonymisation, method: HttpMethod
) -> None:
    """A9: otherwise than natively, an anonymous event does not go by GET, and has the header."""
    tracker = scene.tracker(level, network={"method": method})
    tracker.track(screen())
    assert tracker.flush()

    (request,) = collector.requests
    assert request.method == ("POST" if level else method.value)
    assert request.headers.get("sp-anonymous") == ("*" if SERVER in level else None)
    assert tracker.emitter.server_anonymisation is (SERVER in level)


def test_L8_an_event_keeps_its_header_however_late_it_is_sent(
    scene: Scene, collector: Collector
) -> None:
    """Offline while anonymous; then switched off, restarted at another level, and online."""
    endpoint, scene.endpoint = scene.endpoint, f"http://127.0.0.1:{closed_port()}"
    tracker = scene.tracker(FULL)
    anonymous = {tracker.track(screen()) for _ in range(3)}
    assert not tracker.flush(0.3)
    tracker.anonymisation = NONE
    identified = tracker.track(screen())
    assert not tracker.close(0.0)
    scene.endpoint = endpoint
    tracker = scene.tracker(NONE)
    assert tracker.flush()

    for request in collector.requests:
        is_anonymous = set(request.ids) <= anonymous
        assert is_anonymous or request.ids == (identified,)
        assert ("sp-anonymous" in request.headers) is is_anonymous


def test_L8_a_tracker_made_at_a_looser_level_sends_the_old_events_under_theirs(
    scene: Scene, collector: Collector
) -> None:
    """Construction flushes in the native Android tracker, before the app can say anything."""
    recorder = Recorder(status=None)
    tracker = recorded(scene, recorder, FULL)
    event_id = tracker.track(screen())
    tracker.close(0.0)

    scene.tracker(NONE)

    assert collector.wait_for_events(1)
    (request,) = collector.requests
    assert request.ids == (event_id,)
    assert request.headers["sp-anonymous"] == "*"


def test_L9_events_of_different_levels_share_no_request(scene: Scene, collector: Collector) -> None:
    tracker = scene.tracker(NONE)
    tracker.emitter.pause()
    level_of: dict[str | None, Anonymisation] = {}
    for level in (*LEVELS, *LEVELS):
        tracker.anonymisation = level
        level_of[tracker.track(screen())] = level
        level_of[tracker.track(screen(), anonymisation=SERVER)] = level | SERVER
        level_of[tracker.track(screen(), anonymisation=FULL)] = FULL
    tracker.emitter.resume()
    assert tracker.flush()

    assert sum(len(request.ids) for request in collector.requests) == len(level_of)
    for request in collector.requests:
        (level,) = {level_of[event_id] for event_id in request.ids}
        assert ("sp-anonymous" in request.headers) is (SERVER in level)


def test_L9_anonymous_events_of_two_spells_share_no_request(
    scene: Scene, collector: Collector
) -> None:
    tracker = scene.tracker(FULL)
    tracker.emitter.pause()
    first = {tracker.track(screen()) for _ in range(2)}
    tracker.anonymisation = NONE
    tracker.anonymisation = FULL
    second = {tracker.track(screen()) for _ in range(2)}
    tracker.emitter.resume()
    assert tracker.flush()

    assert [set(request.ids) for request in collector.requests] == [first, second]


def test_L9_no_two_requests_have_the_same_time_of_sending(
    scene: Scene, collector: Collector
) -> None:
    """`stm` to the millisecond joins what else is kept apart; here even the clock stands still."""
    tracker = scene.tracker(NONE, environment=fixed_environment(ManualClock()))
    tracker.emitter.pause()
    for level in (NONE, USER, FULL, NONE):
        tracker.anonymisation = level
        tracker.track(screen())
    tracker.emitter.resume()
    assert tracker.flush()

    times = [{event["stm"] for event in request.events} for request in collector.requests]
    assert all(len(of_one) == 1 for of_one in times)
    assert len(set.union(*times)) == len(times)


def test_L11_another_network_connection_is_given_the_header(scene: Scene) -> None:
    recorder = Recorder()
    tracker = recorded(scene, recorder, NONE)
    for level in (NONE, SERVER, FULL, NONE):
        tracker.anonymisation = level
        tracker.track(screen())
        assert tracker.flush()

    assert [is_marked(request) for request in recorder.requests] == [False, True, True, False]


def test_L11_a_network_connection_that_does_not_send_headers_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="SP-Anonymous"):
        NetworkConfiguration(endpoint="h", network_connection=Recorder(sends_headers=False))


def test_L12_a_tracker_made_again_sends_by_its_own_connection(scene: Scene) -> None:
    """The running loop of the native Android tracker goes on with the connection it began with."""
    first, second = Recorder(status=None), Recorder()
    tracker = recorded(scene, first, NONE)
    tracker.track(screen())
    assert first.arrived.acquire(timeout=10)
    tracker = recorded(scene, second, FULL)
    tracker.track(screen())
    assert tracker.flush()

    sent_before = len(first.requests)
    assert [is_marked(request) for request in second.requests] == [False, True]
    assert len(first.requests) == sent_before


def test_L12_a_live_endpoint_keeps_what_anonymous_requests_must_carry(
    scene: Scene, collector: Collector
) -> None:
    """The native loop goes on with the connection, and the header, that it began with."""
    tracker = scene.tracker(NONE)
    tracker.network.endpoint = f"http://127.0.0.1:{closed_port()}"
    tracker.track(screen())
    tracker.anonymisation = FULL
    tracker.track(screen())

    tracker.network.endpoint = collector.url
    assert tracker.flush()

    assert ["sp-anonymous" in request.headers for request in collector.requests] == [False, True]
    assert len({request.connection for request in collector.requests}) == 2


@pytest.mark.parametrize("level", LEVELS)
def test_L13_the_app_s_own_headers_go_with_identified_events_alone(
    scene: Scene, collector: Collector, level: Anonymisation
) -> None:
    tracker = scene.tracker(level, network={"request_headers": {"Authorization": HEADER}})
    tracker.track(screen())
    assert tracker.flush()

    (request,) = collector.requests
    assert found_in(text_of(request), [HEADER]) == (set() if level else {HEADER})


@pytest.mark.parametrize("name", ["SP-Anonymous", "sp-anonymous", "Cookie", "Host"])
def test_L13_a_header_of_ours_cannot_be_overwritten(name: str) -> None:
    with pytest.raises(ConfigurationError, match="set by the tracker"):
        NetworkConfiguration(endpoint="h", request_headers={name: "x"})


@pytest.mark.parametrize("level", [level for level in LEVELS if level])
def test_L14_no_cookie_goes_out_or_comes_in_with_anonymous_requests(
    scene: Scene, collector: Collector, level: Anonymisation
) -> None:
    collector.default = SETS_COOKIE
    tracker = scene.tracker(NONE)
    for each in (level, NONE, NONE, level, NONE):
        tracker.anonymisation = each
        tracker.track(screen())
        assert tracker.flush()
    assert tracker.close()
    tracker = scene.tracker(level)
    tracker.track(screen())
    assert tracker.flush()

    cookies = [request.headers.get("cookie") for request in collector.requests]
    # The first answer came to an anonymous request, and was not kept.
    assert cookies == [None, None, f"sp={COOKIE}", None, f"sp={COOKIE}", None]


def test_L14_no_redirect_is_followed(scene: Scene, collector: Collector) -> None:
    """It would carry events, and the cookie, to an address that nobody configured."""
    collector.reply(Reply(status=302, headers=(("Location", f"{collector.url}/elsewhere"),)))
    for level in (NONE, FULL):
        tracker = scene.tracker(level)
        tracker.track(screen())
        tracker.flush(0.3)

    assert {request.path for request in collector.requests} == {
        "/com.snowplowanalytics.snowplow/tp2"
    }


def test_L14_a_cookie_that_arrives_after_forgetting_is_not_kept(
    scene: Scene, collector: Collector
) -> None:
    """The request was under way: its answer sets the cookie again that was just erased."""
    collector.reply(SETS_COOKIE, Reply(headers=SETS_COOKIE.headers, holds=True))
    tracker = scene.tracker(NONE)
    tracker.track(screen())
    assert tracker.flush()
    tracker.track(screen())
    assert collector.wait_for(lambda: not collector.replies)
    assert tracker.forget()
    collector.release()
    assert collector.wait_for_requests(2)
    tracker.track(screen())
    assert tracker.flush()
    assert tracker.close()

    assert [request.headers.get("cookie") for request in collector.requests] == [
        None,
        f"sp={COOKIE}",
        None,
    ]
    (identity,) = scene.folder.glob("*.identity.json")
    assert COOKIE.encode() not in identity.read_bytes()


@pytest.mark.parametrize("level", LEVELS)
def test_L15_server_anonymity_takes_address_and_network_user_id_from_the_body(
    scene: Scene, collector: Collector, level: Anonymisation
) -> None:
    tracker = scene.tracker(level | SERVER)
    tracker.track(screen())
    assert tracker.flush()

    (event,) = collector.events
    assert not {"ip", "tnuid"} & event.keys()
    assert ("uid" in event) is (USER not in level)


@pytest.mark.parametrize("closes", [True, False])
def test_L26_a_tracker_that_was_removed_is_inert(
    scene: Scene, collector: Collector, *, closes: bool
) -> None:
    tracker = scene.tracker(FULL)
    tracker.track(screen())
    assert tracker.flush()
    emitter, subject = tracker.emitter, tracker.subject
    whiteout.remove_tracker(scene.namespace)
    if not closes:
        scene.tracker(FULL)

    emitter.server_anonymisation = False
    emitter.resume()
    tracker.anonymisation = NONE
    subject.user_id = "somebody"
    tracker.resume()

    assert tracker.track(screen()) is None
    assert tracker.flush()
    assert tracker.anonymisation is FULL
    assert emitter.server_anonymisation
    assert scene.tracker().anonymisation is FULL
    assert len(collector.events) == 1


@pytest.mark.parametrize("level", [level for level in LEVELS if level])
def test_L30_anonymous_events_never_stand_in_a_url(
    scene: Scene, collector: Collector, level: Anonymisation
) -> None:
    tracker = scene.tracker(NONE, network={"method": HttpMethod.GET})
    tracker.track(screen())
    tracker.track(screen(), anonymisation=level)
    tracker.anonymisation = level
    tracker.track(screen())
    assert tracker.flush()

    assert [request.method for request in collector.requests] == ["GET", "POST", "POST"]
    assert [request.query for request in collector.requests[1:]] == ["", ""]


def test_L31_every_anonymous_request_has_the_same_headers(
    scene: Scene, collector: Collector
) -> None:
    """An app's own user agent is in its events at most, never in the request."""
    for index, subject in enumerate(({"user_agent": "One/1"}, {"user_agent": "Two/2"})):
        tracker = scene.tracker(FULL, namespace=f"{scene.namespace}_{index}", subject=subject)
        tracker.track(screen())
        assert tracker.flush()

    first, second = (dict(request.headers) for request in collector.requests)
    assert first.pop("content-length")
    assert second.pop("content-length")
    assert first == second
    assert first == {
        "host": f"127.0.0.1:{collector.port}",
        "accept-encoding": "identity",
        "user-agent": f"whiteout/{__version__}",
        "sp-anonymous": "*",
        "content-type": "application/json; charset=utf-8",
        "connection": "close",
    }


@pytest.mark.parametrize("level", ANONYMOUS)
def test_L35_an_anonymous_request_has_a_connection_of_its_own(
    scene: Scene, collector: Collector, level: Anonymisation
) -> None:
    tracker = scene.tracker(NONE)
    for each in (NONE, NONE, level, level, NONE):
        tracker.anonymisation = each
        tracker.track(screen())
        assert tracker.flush()

    numbers = [request.connection for request in collector.requests]
    assert numbers[0] == numbers[1]
    assert len({numbers[0], numbers[2], numbers[3]}) == 3
    assert numbers[4] not in numbers[2:4]


@pytest.mark.parametrize("pending", ["drop", "anonymise"])
@pytest.mark.parametrize("method", HttpMethod)
def test_withdrawn_consent_stops_the_requests_that_are_made_but_not_yet_sent(
    scene: Scene, pending: str, method: HttpMethod
) -> None:
    """The emitter read them from the store before; they must not leave from its memory."""
    recorder = Recorder(holding=True)
    tracker = recorded(scene, recorder, NONE, emitter={"byte_limit_post": 10})
    tracker.emitter.pause()
    for _ in range(3):
        tracker.track(screen())
    tracker.emitter.resume()
    assert recorder.arrived.acquire(timeout=10)
    tracker.set_anonymisation(FULL, pending=pending)
    before = len(recorder.requests)
    recorder.release.set()
    assert tracker.flush()

    assert before == 1
    assert all(is_marked(request) for request in recorder.requests[1:])
    assert len(recorder.events) == (1 if pending == "drop" else 3)
    assert found_in(sent_text(recorder.requests[0]), SUBJECT.values())
    later = "".join(sent_text(request) for request in recorder.requests[1:])
    assert not found_in(later, SUBJECT.values())


def test_forgetting_stops_the_requests_that_are_made_but_not_yet_sent(scene: Scene) -> None:
    recorder = Recorder(holding=True)
    tracker = recorded(scene, recorder, NONE, emitter={"byte_limit_post": 10})
    tracker.emitter.pause()
    for _ in range(3):
        tracker.track(screen())
    tracker.emitter.resume()
    assert recorder.arrived.acquire(timeout=10)
    assert tracker.forget()
    recorder.release.set()
    assert tracker.flush()

    assert len(recorder.requests) == 1


def test_an_answer_that_halves_a_request_does_not_undo_a_withdrawal(scene: Scene) -> None:
    recorder = Recorder(holding=True, status=413)
    tracker = recorded(scene, recorder, NONE)
    tracker.emitter.pause()
    for _ in range(4):
        tracker.track(screen())
    tracker.emitter.resume()
    assert recorder.arrived.acquire(timeout=10)
    tracker.set_anonymisation(FULL, pending="drop")
    recorder.release.set()
    assert tracker.flush()

    assert len(recorder.requests) == 1
