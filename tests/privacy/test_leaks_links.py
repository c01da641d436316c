"""Links, plugins and FocalMeter of a real tracker: nobody is named while the user is hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.privacy.support import (
    FULL,
    LEVELS,
    NONE,
    SERVER,
    SUBJECT,
    USER,
    Recorder,
    Scene,
    found_in,
    found_on_disk,
    recorded,
    screen,
    sent_text,
)
from tests.support.collector import Collector
from tests.support.trackers import STATELESS, a_tracker

import whiteout
from whiteout import (
    Anonymisation,
    CrossDeviceParameterConfiguration,
    EmitterConfiguration,
    FocalMeterConfiguration,
    GlobalContext,
    GlobalContextsConfiguration,
    NetworkConfiguration,
    PluginConfiguration,
    SelfDescribingJson,
    SubjectConfiguration,
    TrackerConfiguration,
    identifying_property,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whiteout import InspectableEvent, Tracker

EVERYTHING = CrossDeviceParameterConfiguration(
    session_id=True, subject_user_id=True, source_id=True, source_platform=True, reason="ad"
)
HIDDEN = [level for level in LEVELS if level & (USER | SERVER)]


def session_id(tracker: Tracker) -> str:
    session = tracker.session
    assert session is not None
    assert session.session_id is not None
    return session.session_id


@pytest.mark.parametrize("level", HIDDEN)
def test_L20_while_the_user_is_hidden_a_link_holds_nothing(
    scene: Scene, level: Anonymisation
) -> None:
    """Not even what came with it: the canary names a person on another device."""
    tracker = recorded(scene, Recorder(), NONE)
    tracker.track(screen())
    tracker.anonymisation = level
    tracker.track(screen())

    link = tracker.decorate_link("https://h/p?a=1&_sp=canary-of-another#f", EVERYTHING)

    assert link == "https://h/p?a=1#f"


def test_L20_between_a_switch_and_the_next_event_no_session_of_before_is_named(
    scene: Scene,
) -> None:
    tracker = recorded(scene, Recorder(), NONE)
    tracker.track(screen())
    before = session_id(tracker)
    assert before in str(tracker.decorate_link("https://h/", EVERYTHING))

    tracker.anonymisation = USER
    tracker.anonymisation = NONE
    link = str(tracker.decorate_link("https://h/", EVERYTHING))

    assert link.partition("_sp=")[2].split(".")[2] == ""
    assert before not in link
    tracker.track(screen())
    assert session_id(tracker) in str(tracker.decorate_link("https://h/", EVERYTHING))


def test_L20_a_link_after_an_anonymous_time_names_no_session_of_it(scene: Scene) -> None:
    tracker = recorded(scene, Recorder(), USER)
    tracker.track(screen())
    anonymous = session_id(tracker)

    tracker.anonymisation = NONE

    assert anonymous not in str(tracker.decorate_link("https://h/", EVERYTHING))


def test_L20_links_of_an_app_that_was_always_anonymous_make_no_id(scene: Scene) -> None:
    tracker = recorded(scene, Recorder(), FULL)
    tracker.track(screen())

    assert tracker.decorate_link("https://h/", EVERYTHING) == "https://h/"
    tracker.close(5)
    assert not list(scene.folder.glob("*identity*"))


def test_L20_a_decorated_link_that_is_tracked_is_stripped(scene: Scene) -> None:
    recorder = Recorder()
    tracker = recorded(scene, recorder, NONE)
    tracker.track(screen())
    link = tracker.decorate_link("https://h/p", EVERYTHING)
    assert link is not None
    value = link.partition("_sp=")[2]

    tracker.anonymisation = FULL
    tracker.track(whiteout.PageView(page_url=link, referrer=link))
    assert tracker.flush(10)

    assert not found_in("".join(map(sent_text, recorder.requests)), [value])


@pytest.mark.parametrize("level", LEVELS)
def test_L19_a_tracker_s_plugins_see_and_attach_no_more_than_its_level(
    tmp_path: Path, level: Anonymisation
) -> None:
    """On the wire, on the disk, in what functions are shown; the subject never."""
    canary = "canary@mail.example"
    schema = "iglu:com.acme/customer/jsonschema/1-0-0"
    seen: list[str] = []

    def attach(event: InspectableEvent) -> list[SelfDescribingJson]:
        look(event)
        return [SelfDescribingJson(schema, {"email": canary, "town": "T"})]

    def look(event: InspectableEvent) -> bool:
        seen.append(f"{event.parameters}{event.payload}{event.own_part!r}{event.entities}")
        return True

    recorder = Recorder(status=None)
    with a_tracker(
        NetworkConfiguration(endpoint="https://h.example", network_connection=recorder),
        tmp_path,
        TrackerConfiguration(
            identifying_properties=(identifying_property("iglu:com.acme/customer", "email"),),
            base64_encoding=False,
            **STATELESS,
        ),
        EmitterConfiguration(storage_dir=tmp_path),
        SubjectConfiguration(**SUBJECT),  # type: ignore[arg-type] # all of these are text
        GlobalContextsConfiguration(contexts={"g": GlobalContext(generator=attach, filter=look)}),
        PluginConfiguration(identifier="p", entities=attach, filter=look, after_track=look),
    ) as tracker:
        tracker.anonymisation = level
        tracker.track(whiteout.SelfDescribing(schema=schema, data={"email": canary, "town": "T"}))
        tracker.close(0.4)
        kept = found_on_disk(tmp_path, [canary])

    sent = "".join(map(sent_text, recorder.requests))
    is_hidden = bool(level & USER)
    assert '"town": "T"' in sent.replace("\\", "")
    assert bool(found_in(sent, [canary])) is not is_hidden
    assert bool(kept) is not is_hidden
    assert len(seen) == 5
    assert bool(found_in("".join(seen), [canary])) is not is_hidden
    assert not found_in("".join(seen), SUBJECT.values())


# --- FocalMeter -----------------------------------------------------------------------------------


@pytest.fixture
def meter() -> Iterator[Collector]:
    with Collector() as running:
        yield running


def metered(scene: Scene, meter: Collector) -> Tracker:
    """A tracker with a meter; its events go nowhere."""
    return whiteout.create_tracker(
        scene.namespace,
        NetworkConfiguration(endpoint="https://h.example", network_connection=Recorder()),
        TrackerConfiguration(platform_context=False, **STATELESS),
        EmitterConfiguration(storage_dir=scene.folder),
        FocalMeterConfiguration(kantar_endpoint=meter.url),
    )


def test_L21_a_tracker_s_meter_is_told_once_after_an_identified_event_in_a_session(
    scene: Scene, meter: Collector
) -> None:
    """A13, without its first request: nobody is called for being anonymous, or for switching."""
    tracker = metered(scene, meter)
    for level in LEVELS[1:]:
        tracker.anonymisation = level
        tracker.track(screen())
        tracker.anonymisation = NONE
        tracker.track(screen(), anonymisation=level)
    with tracker.scope(subject=SubjectConfiguration(user_id="visitor")):
        tracker.track(screen())  # of a visitor, in no session
    assert not meter.wait_for_requests(1, timeout_s=0.3)

    tracker.track(screen())
    assert meter.wait_for_requests(1)
    tracker.track(screen())
    session = tracker.session
    assert session is not None
    user_id = session.user_id
    tracker.close(5)

    (request,) = meter.requests
    assert request.query == f"vendor=snowplow&cs_fpid={user_id}&c12=not_set"
    assert "cookie" not in request.headers


def test_L21_forgetting_tells_the_meter_of_nobody_until_the_next_identified_event(
    scene: Scene, meter: Collector
) -> None:
    tracker = metered(scene, meter)
    tracker.track(screen())
    assert meter.wait_for_requests(1)

    tracker.forget()
    assert not meter.wait_for_requests(2, timeout_s=0.2)
    tracker.track(screen())

    assert meter.wait_for_requests(2)
    assert meter.requests[0].query != meter.requests[1].query


def test_L21_a_meter_that_is_removed_or_of_a_closed_tracker_is_not_called(
    scene: Scene, meter: Collector
) -> None:
    tracker = metered(scene, meter)
    assert tracker.plugins.remove("KantarFocalMeter")
    tracker.track(screen())
    tracker.close(5)
    again = metered(scene, meter)
    again.close(5)
    again.track(screen())

    assert meter.requests == []
