"""What events themselves give away in the native trackers (3.5): fields, entities, links, logs.

Each test carries the id of its leak.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.privacy.support import (
    FULL,
    LEVELS,
    NONE,
    PLATFORM,
    SERVER,
    SUBJECT,
    USER,
    USER_CANARIES,
    Recorder,
    found_in,
    recorded,
    screen,
    text_of,
)
from tests.support.collector import Reply, entity

from whiteout import (
    Anonymisation,
    ConfigurationError,
    Event,
    HttpMethod,
    NetworkConfiguration,
    PageView,
    SelfDescribing,
    SelfDescribingJson,
    SessionState,
    Structured,
    SubjectConfiguration,
    identifying_property,
)
from whiteout.identifiers import CLICK_IDS
from whiteout.tracker.identity import Identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.privacy.support import Scene
    from tests.support.collector import Collector

CUSTOMER = "iglu:com.acme/customer/jsonschema/1-0-0"


@pytest.mark.parametrize("level", LEVELS)
def test_every_canary_is_on_the_wire_exactly_where_the_table_lets_it(
    scene: Scene, collector: Collector, level: Anonymisation
) -> None:
    tracker = scene.tracker(level)
    tracker.track(screen())
    assert tracker.flush()

    (request,) = collector.requests
    expected = set(USER_CANARIES.values())
    if USER in level:
        expected = set()
    elif SERVER in level:
        expected -= {SUBJECT["network_user_id"], SUBJECT["ip_address"]}
    assert found_in(text_of(request), USER_CANARIES.values()) == expected


def test_L16_the_app_set_id_and_its_scope_are_masked(scene: Scene, collector: Collector) -> None:
    """The native Android tracker sends them, and one of its tests asserts it (A5)."""
    tracker = scene.tracker(NONE)
    tracker.track(screen())
    tracker.track(screen(), anonymisation=USER)
    assert tracker.flush()

    identified, masked = (entity(event, "mobile_context") for event in collector.events)
    assert identified is not None
    assert masked is not None
    assert identified["appSetId"] == PLATFORM["app_set_id"]
    assert identified.keys() - masked.keys() == {
        "appleIdfa",
        "appleIdfv",
        "androidIdfa",
        "openIdfa",
        "appSetId",
        "appSetIdScope",
    }


@pytest.mark.parametrize(
    "key", ["_sp", "%5fsp", "_SP", "%255fsp", "+_sp", "%20gclid", "_gl", "mkt_tok", *CLICK_IDS]
)
def test_L19_links_lose_what_names_a_person_or_a_click(
    scene: Scene, collector: Collector, key: str
) -> None:
    link = f"https://me:CANARY@shop.example/p?a=1&{key}=CANARY&b=2#/r?{key}=CANARY"
    tracker = scene.tracker(USER)
    tracker.track(PageView(page_url=link, referrer=link))
    assert tracker.flush()

    (event,) = collector.events
    assert event["url"] == event["refr"] == "https://shop.example/p?a=1&b=2#/r"


@pytest.mark.parametrize("in_body", [True, False])
def test_L19_properties_that_the_app_marked_are_masked(
    scene: Scene, collector: Collector, *, in_body: bool
) -> None:
    marks = (
        identifying_property("iglu:com.acme/customer", "email"),
        identifying_property("iglu:com.acme/customer", "orders.address.street"),
    )
    data = {
        "email": "CANARY@mail.example",
        "orders": [{"address": {"street": "CANARY street", "town": "T"}}],
        "segment": "kept",
    }
    event: Event = SelfDescribing(schema=CUSTOMER, data=data)
    if not in_body:
        event = Structured(category="c", action="a", entities=[SelfDescribingJson(CUSTOMER, data)])
    tracker = scene.tracker(NONE, tracker={"identifying_properties": marks})
    tracker.track(event, anonymisation=USER)
    tracker.track(event)
    assert tracker.flush()

    masked, plain = (text_of(request) for request in collector.requests)
    assert "CANARY" not in masked
    assert "kept" in masked
    assert '"town": "T"' in masked
    assert plain.count("CANARY street") == 1
    assert data["email"] == "CANARY@mail.example"


def test_L23_identifiers_are_neither_asked_for_nor_kept_while_anonymous(scene: Scene) -> None:
    recorder = Recorder()
    tracker = recorded(scene, recorder, USER)
    for _ in range(3):
        tracker.track(screen())
        assert tracker.flush()
    assert not set(scene.retrieved) & {*PLATFORM, "app_set_id_scope"}

    tracker.anonymisation = NONE
    assert set(PLATFORM) <= set(scene.retrieved)
    tracker.track(screen())
    tracker.anonymisation = USER
    scene.retrieved.clear()
    tracker.track(screen())
    assert tracker.flush()

    assert not set(scene.retrieved) & {*PLATFORM, "app_set_id_scope"}
    values = vars(tracker)["_shared"]._platform._values
    assert not found_in(str(values), PLATFORM.values())


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("user_id", "uid"),
        ("domain_user_id", "duid"),
        ("network_user_id", "tnuid"),
        ("ip_address", "ip"),
        ("user_agent", "ua"),
    ],
)
def test_L25_none_clears_what_was_set(
    scene: Scene, collector: Collector, name: str, parameter: str
) -> None:
    tracker = scene.tracker(NONE, subject={**SUBJECT, "user_agent": "Agent/1"})
    tracker.track(screen())
    setattr(tracker.subject, name, None)
    tracker.track(screen())
    assert tracker.flush()

    before, after = collector.events
    assert parameter in before
    assert parameter not in after


class _Smuggler(Event):
    """An event type of the app's whose parameters are named like identifiers."""

    def __init__(self) -> None:
        super().__init__()

    def parameters(self) -> dict[str, str]:
        return {
            "e": "pv",
            **dict.fromkeys(("uid", "duid", "tnuid", "ip", "nuid", "sid", "vid"), "CANARY"),
            "url": "app://x?_sp=CANARY",
        }

    def self_describing(self, new_uuid: Callable[[], str]) -> None:
        return None


def test_L32_an_event_s_own_parameters_pass_the_gate_too(
    scene: Scene, collector: Collector
) -> None:
    tracker = scene.tracker(FULL)
    tracker.track(_Smuggler())
    assert tracker.flush()

    assert "CANARY" not in text_of(collector.requests[0])
    assert collector.events[0]["url"] == "app://x"


def test_L28_no_identifier_is_logged_at_any_level(
    scene: Scene, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """Everything that can go wrong does, with every logger of the process at its most talkative."""
    caplog.set_level(logging.DEBUG)
    collector.reply(
        Reply(status=500), Reply(status=413), Reply(raw=b"garbage\r\n\r\n"), Reply(status=403)
    )
    for method in HttpMethod:
        for level in (NONE, USER, FULL):
            tracker = scene.tracker(
                level,
                network={"method": method, "request_headers": {"X-Token": "canary-token"}},
                emitter={"max_event_store_size": 2},
            )
            link = "https://canary:canary@h/?gclid=canary-click"
            for _ in range(4):
                tracker.track(PageView(page_url=link))
                tracker.track(screen("canary-screen"))
            tracker.flush(0.3)
            tracker.set_anonymisation(FULL, pending="anonymise")
            with pytest.raises(ConfigurationError):
                tracker.track(SelfDescribing(schema=CUSTOMER, data={"x": object()}))
            tracker.forget()
            tracker.close(0.0)

    text = "\n".join([caplog.text, *(f"{record.__dict__}" for record in caplog.records)])
    assert "whiteout" in text
    assert not found_in(text, USER_CANARIES.values())
    assert "canary" not in text
    assert "uid=" not in text


SCRIPT = """
import logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
import whiteout
tracker = whiteout.create_tracker(
    "shop", "http://127.0.0.1:9",
    whiteout.EmitterConfiguration(storage_dir=sys.argv[1]),
    whiteout.SubjectConfiguration(user_id="canary-user", ip_address="203.0.113.77"),
)
tracker.track(whiteout.PageView(page_url="https://h/?gclid=canary-click"))
tracker.flush(0.2)
tracker.set_anonymisation(whiteout.Anonymisation.FULL, pending="drop")
print("done")
"""


def test_L28_a_process_with_debug_logs_prints_no_identifier(scene: Scene) -> None:
    finished = subprocess.run(
        [sys.executable, "-X", "dev", "-c", SCRIPT, str(scene.folder)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert finished.stdout == "done\n"
    assert "whiteout" in finished.stderr
    assert "canary" not in finished.stderr
    assert "203.0.113.77" not in finished.stderr


def test_L28_the_repr_of_what_holds_identifiers_shows_none() -> None:
    """A host program's error report shows the repr of local variables."""
    recorder = Recorder()
    network = NetworkConfiguration(endpoint="h", request_headers={"X-Token": "canary"})
    state = SessionState(
        user_id="canary",
        session_id="s",
        previous_session_id="canary",
        session_index=1,
        event_index=1,
        first_event_id="f",
        first_event_at_ms=1,
        last_event_at_ms=1,
    )
    shown = [
        repr(SubjectConfiguration(**dict.fromkeys(SUBJECT, "canary"))),  # type: ignore[arg-type] # text
        repr(network),
        repr(state),
        repr(Identity(installation_id="canary", session=state, cookies=({"value": "canary"},))),
        repr(SelfDescribingJson(CUSTOMER, {"email": "canary"})),
        repr(PageView(page_url="https://canary/")),
        repr(recorder),
    ]

    assert not [text for text in shown if "canary" in text]


def test_L28_the_repr_of_a_request_shows_no_payload(scene: Scene) -> None:
    recorder = Recorder()
    tracker = recorded(scene, recorder, NONE, network={"method": HttpMethod.GET})
    tracker.track(screen())
    tracker.track(screen(), anonymisation=USER)
    assert tracker.flush()

    for request in recorder.requests:
        assert "tna" not in repr(request)
        assert not found_in(repr(request), USER_CANARIES.values())
