"""The event that consent was withdrawn: nothing links it with what was tracked before or after.

It is fully anonymous whatever the level was, alone in its request, and of no session, screen or
line of anybody's: two that were tracked next to one another have nothing in common either.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.privacy.support import (
    COOKIE,
    LEVELS,
    NONE,
    USER_CANARIES,
    found_in,
    found_on_disk,
    screen,
    text_of,
)
from tests.support.collector import Reply, entities, unstructured

from whiteout import (
    Anonymisation,
    GdprConfiguration,
    Pending,
    SessionConfiguration,
)
from whiteout.identifiers import NULL_UUID

if TYPE_CHECKING:
    from tests.privacy.support import Scene
    from tests.support.collector import Collector, Received

    from whiteout import Tracker

UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
STATES = {
    "screen_context": True,
    "screen_engagement_autotracking": True,
    "lifecycle_autotracking": True,
    "deep_link_context": True,
    "geo_location_context": True,
}
OF_THE_DEVICE = {"e", "eid", "dtm", "stm", "tv", "tna", "p", "lang", "tz", "ue_px", "cx"}


def is_withdrawal(event: dict[str, str]) -> bool:
    return event["e"] == "ue" and "/consent_withdrawn/" in unstructured(event)["schema"]


def alone(collector: Collector) -> list[Received]:
    """The requests with a withdrawal: each holds nothing else."""
    found = [r for r in collector.requests if any(map(is_withdrawal, r.events))]
    assert all(len(request.events) == 1 for request in found)
    return found


def use(tracker: Tracker) -> None:
    """All that the tracker keeps of an app's course."""
    tracker.track(screen("first"))
    tracker.enter_background()
    tracker.enter_foreground()
    tracker.track(screen("second"))


def with_cookies(collector: Collector) -> None:
    for _ in range(20):
        collector.reply(Reply(headers=(("Set-Cookie", f"sp={COOKIE}; Path=/; Max-Age=9999"),)))


@pytest.mark.parametrize("pending", Pending, ids=str)
@pytest.mark.parametrize("level", LEVELS, ids=str)
def test_a_withdrawal_is_linked_with_nothing_before_or_after_it(
    scene: Scene, collector: Collector, level: Anonymisation, pending: Pending
) -> None:
    """FULL over FULL too, where no line ends."""
    with_cookies(collector)
    session = SessionConfiguration(continue_session_on_restart=True)
    tracker = scene.tracker(level, tracker=STATES, session=session)
    tracker.gdpr.reset(GdprConfiguration(basis_for_processing="consent", document_id="basis"))
    use(tracker)
    assert tracker.flush()
    use(tracker)  # perhaps still under way

    tracker.consent.withdraw(pending=pending)
    use(tracker)
    tracker.consent.withdraw(pending=pending)  # nothing changes, and it is tracked again

    assert tracker.flush()
    requests = alone(collector)
    assert len(requests) == 2
    for request in requests:
        (event,) = request.events
        others = [other for other in collector.requests if other is not request]
        assert request.headers["sp-anonymous"] == "*"
        assert "cookie" not in request.headers
        assert request.connection not in {other.connection for other in others}
        assert set(event) <= OF_THE_DEVICE
        names = {one["schema"].split("/")[1] for one in entities(event)}
        assert names <= {"mobile_context", "gdpr"}  # the same for everybody who runs the app
        ids = set(UUID.findall(text_of(request))) - {NULL_UUID}
        assert ids == {event["eid"]}
        assert not any(ids & set(UUID.findall(text_of(other))) for other in others)
        assert event["stm"] not in {other.events[0]["stm"] for other in others}
        assert not found_in(text_of(request), [*USER_CANARIES.values(), COOKIE])


def test_a_withdrawal_moves_nothing_of_the_anonymous_line(
    scene: Scene, collector: Collector
) -> None:
    """The session before it goes on after it, as if it had not been."""
    tracker = scene.tracker(Anonymisation.USER)
    tracker.track(screen())
    tracker.consent.withdraw(Anonymisation.USER)
    tracker.track(screen())
    assert tracker.flush()

    sessions = [
        one["data"]
        for event in collector.events
        for one in entities(event)
        if "/client_session/" in one["schema"]
    ]
    assert [session["eventIndex"] for session in sessions] == [1, 2]
    assert len({session["sessionId"] for session in sessions}) == 1


def test_a_withdrawal_that_waits_over_a_restart_is_still_alone(
    scene: Scene, collector: Collector
) -> None:
    collector.default = Reply(status=503)
    tracker = scene.tracker(NONE)
    tracker.track(screen())
    tracker.consent.withdraw(pending=Pending.ANONYMISE)
    tracker.track(screen())
    scene.close()
    found = found_on_disk(scene.folder, USER_CANARIES.values())
    collector.default = Reply()
    delivered = len(collector.requests)

    tracker = scene.tracker()
    tracker.track(screen())
    assert tracker.flush()

    sent = [[is_withdrawal(event) for event in r.events] for r in collector.requests[delivered:]]
    assert not found
    assert sum(map(len, sent)) == 4
    assert [True] in sent
    assert not any(True in each for each in sent if each != [True])
