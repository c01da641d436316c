"""What is left to tell people apart where no identifier is: places, links, devices, times (3.5).

Each test carries the id of its leak. Those of the strict profile look at whole payloads, as they
are stored and sent.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tests.privacy.support import (
    NONE,
    SERVER,
    SESSION,
    USER,
    found_on_disk,
    screen,
    text_of,
)
from tests.support.clock import ManualClock
from tests.support.collector import entity
from tests.support.trackers import STATELESS, Wire, a_tracker

from whiteout import (
    Anonymisation,
    Event,
    PageView,
    ScreenView,
    SelfDescribing,
    SelfDescribingJson,
    SessionState,
    Structured,
    TrackerConfiguration,
)
from whiteout.anonymisation import Gate, PrivacyProfile
from whiteout.events.entities import Application, MobileContext
from whiteout.events.geolocation import Geolocation
from whiteout.identifiers import LINKS, EntityProperty
from whiteout.packed import pack
from whiteout.protocol.self_describing import CONTEXTS
from whiteout.tracker.configuration import Pending
from whiteout.tracker.environment import Environment
from whiteout.tracker.event_rows import StoredEvent
from whiteout.tracker.own_part import own_part
from whiteout.tracker.pending import PendingChange
from whiteout.tracker.session import rfc3339
from whiteout.tracker.template import Template, build

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.privacy.support import Scene
    from tests.support.collector import Collector

STRICT = Gate(profile=PrivacyProfile.STRICT)
EVENT_ID = "0b7a2f0e-52e5-4b3c-9d0f-000000000001"
SESSION_ID = "0b7a2f0e-52e5-4b3c-9d0f-000000000002"
NOON_MS = 1_795_435_200_000


# --- under the standard profile -------------------------------------------------------------------


@pytest.mark.parametrize("level", [NONE, USER, SESSION, SERVER, USER | SERVER])
def test_L18_a_place_is_sent_only_where_the_user_is_known(
    scene: Scene, collector: Collector, level: Anonymisation
) -> None:
    place = Geolocation(latitude=52.51631, longitude=13.37771).self_describing()
    tracker = scene.tracker(level)
    tracker.track(ScreenView(name="map", entities=[place]))
    tracker.track(SelfDescribing.from_json(place))
    assert tracker.flush()

    for event in collector.events:
        assert USER not in level or entity(event, "geolocation_context") is None
    sent = "\n".join(text_of(request) for request in collector.requests)
    assert ("52.51631" in sent) is (USER not in level)


def test_L18_a_place_is_not_written_to_the_disk_either(scene: Scene) -> None:
    place = Geolocation(latitude=52.51631, longitude=13.37771).self_describing()
    tracker = scene.tracker(USER)
    tracker.track(ScreenView(name="map", entities=[place]))
    tracker.close(0.0)

    assert found_on_disk(scene.folder, ["52.51631", "13.37771"]) == {}


@pytest.mark.parametrize("link", LINKS, ids=lambda link: f"{link.schema_name}.{link.path[-1]}")
@pytest.mark.parametrize("in_body", [True, False])
def test_L19_links_in_events_and_entities_lose_what_names_a_person_or_a_click(
    scene: Scene, collector: Collector, *, link: EntityProperty, in_body: bool
) -> None:
    url = "https://me:CANARY@shop.example/p?a=1&gclid=CANARY&_sp=CANARY#/r?fbclid=CANARY"
    tracker = scene.tracker(USER)
    tracker.track(_event_with(link, url, in_body=in_body))
    tracker.track(_event_with(link, "utm_source=x&gclid=CANARY&b=2", in_body=in_body))
    assert tracker.flush()

    sent = "\n".join(text_of(request) for request in collector.requests)
    assert "CANARY" not in sent
    # Of notifications no link is left (L28), and of what the table hides whole.
    keeps_links = link.schema_name not in {
        "message_notification",
        "notification_event",
        "referrer_details",
    }
    assert ("https://shop.example/p?a=1#/r" in sent) is keeps_links
    assert ("utm_source=x&b=2" in sent) is keeps_links


def _event_with(link: EntityProperty, url: str, *, in_body: bool) -> Event:
    value: Any = url
    for step in reversed(link.path[1:]):
        value = [{step: value}]
    item = SelfDescribingJson(
        f"iglu:{link.vendor}/{link.schema_name}/jsonschema/1-0-0", {link.path[0]: value}
    )
    return SelfDescribing.from_json(item) if in_body else ScreenView(name="x", entities=[item])


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        ("com.snowplowanalytics.snowplow.ecommerce/user", {"id": "CANARY", "email": "CANARY"}),
        (
            "com.snowplowanalytics.snowplow.ecommerce/checkout_step",
            {"step": 1, "shipping_full_address": "CANARY", "billing_postcode": "CANARY"},
        ),
        ("com.snowplowanalytics.snowplow/identify", {"id": "CANARY", "email": "CANARY"}),
        ("com.snowplowanalytics.snowplow/change_form", {"formId": "f", "value": "CANARY"}),
        ("com.snowplowanalytics.snowplow/submit_form", {"elements": [{"value": "CANARY"}]}),
        ("com.snowplowanalytics.snowplow/ad_click", {"clickId": "CANARY"}),
        ("org.ietf/http_cookie", {"name": "CANARY", "value": "CANARY"}),
    ],
)
def test_L19_official_schemas_lose_what_identifies(
    scene: Scene, collector: Collector, schema: str, data: dict[str, Any]
) -> None:
    item = SelfDescribingJson(f"iglu:{schema}/jsonschema/1-0-0", data)
    tracker = scene.tracker(USER)
    tracker.track(SelfDescribing.from_json(item))
    tracker.track(screen())
    tracker.track(ScreenView(name="x", entities=[item]))
    tracker.track(SelfDescribing.from_json(item), anonymisation=SERVER)
    assert tracker.flush()

    assert len(collector.events) == 4
    assert "CANARY" not in "\n".join(text_of(request) for request in collector.requests)


class _Packer(Event):
    """An event type of the app's that writes its own entities, as a bridge to a web page might."""

    def __init__(self) -> None:
        super().__init__()

    def parameters(self) -> dict[str, str]:
        user = {
            "schema": "iglu:com.snowplowanalytics.snowplow.ecommerce/user/jsonschema/1-0-0",
            "data": {"id": "CANARY"},
        }
        return {
            "e": "pv",
            "url": "https://h/",
            "co": pack({"schema": CONTEXTS, "data": [user]}, is_base64=False),
            "ue_px": pack(user, is_base64=True),
        }

    def self_describing(self, new_uuid: Callable[[], str]) -> None:
        return None


def test_L32_what_an_event_packed_itself_passes_the_gate_too(
    scene: Scene, collector: Collector
) -> None:
    tracker = scene.tracker(USER)
    tracker.track(_Packer())
    assert tracker.flush()

    assert "CANARY" not in text_of(collector.requests[0])


# --- under the strict profile ---------------------------------------------------------------------


class _Person(NamedTuple):
    """What only one user's device and day are like."""

    device: dict[str, Any]
    subject: dict[str, str]
    link: str
    moment_ms: int
    user_id: str


ANNA = _Person(
    {
        "os_version": "14.1.2",
        "device_manufacturer": "Fairphone",
        "device_model": "FP5",
        "carrier": "Alpha",
        "network_technology": "LTE",
        "physical_memory": 8_123_456_789,
        "battery_level": 71,
        "available_storage": 12_345_678,
        "resolution": "1224x2700",
        "scale": 2.75,
        "language": "de-CH",
    },
    {"ua": "A/1", "res": "1224x2700", "vp": "1200x2680", "tz": "Europe/Zurich", "lang": "de-CH"},
    "https://anna:pw@shop.example/tea?utm_source=mail&user=anna&gclid=1#/anna",
    NOON_MS + 12_345,
    "8d3f6a3e-1111-4c4c-8888-00000000000a",
)
BEN = _Person(
    {
        "os_version": "14.4",
        "device_manufacturer": "Nokia",
        "device_model": "XR21",
        "language": "de-AT",
        "low_power_mode": True,
        "total_storage": 99,
        "is_portrait": False,
    },
    {"ua": "B/2", "res": "2400x1080", "vp": "2100x900", "tz": "Europe/Vienna", "lang": "de"},
    "https://shop.example/tea?_sp=ben&utm_source=mail",
    NOON_MS + 54_321,
    "8d3f6a3e-1111-4c4c-8888-00000000000b",
)


class _Row(NamedTuple):
    event_id: bytes
    created_ms: int
    event_index: int
    data: bytes


def _template(person: _Person, level: Anonymisation, gate: Gate) -> Template:
    session = SessionState(
        user_id=person.user_id,
        session_id=SESSION_ID,
        previous_session_id=person.user_id,
        session_index=1,
        event_index=1,
        first_event_id=person.user_id,
        first_event_at_ms=person.moment_ms,
        last_event_at_ms=person.moment_ms,
    )
    return build(
        gate,
        level,
        line=7,
        base64=True,
        parameters={"tv": "whiteout", "tna": "shop", "p": "mob", "uid": "u", **person.subject},
        entities=[
            MobileContext(os_type="android", **person.device).self_describing(),
            Application(version="1", build="2").self_describing(),
        ],
        session=None if SESSION in level else session,
        is_identified_line=False,
    )


def _events(person: _Person) -> list[Event]:
    moment = dt.datetime.fromtimestamp(person.moment_ms / 1000, dt.UTC)
    place = Geolocation(latitude=person.moment_ms % 90, longitude=1).self_describing()
    mine = SelfDescribingJson("iglu:com.acme/me/jsonschema/1-0-0", {"me": person.user_id})
    return [
        PageView(page_url=person.link, page_title=person.user_id, true_timestamp=moment),
        ScreenView(name="Home", previous_name=person.user_id, entities=[place, mine]),
        ScreenView(name="Home", screen_id=person.user_id),
        Structured(category="tea", action="buy", label=person.user_id, value=person.moment_ms),
        SelfDescribing.from_json(mine),
    ]


def _payloads(person: _Person, level: Anonymisation, gate: Gate) -> list[bytes]:
    template = _template(person, level, gate)
    return [
        template.payload(
            _Row(
                EVENT_ID.encode(),
                gate.time_ms(person.moment_ms, level),
                index,
                own_part(event, level, gate, lambda: EVENT_ID),
            )
        )
        for index, event in enumerate(_events(person), 1)
    ]


@pytest.mark.parametrize("level", [USER, USER | SESSION, USER | SERVER, USER | SESSION | SERVER])
def test_L17_payloads_of_two_people_in_the_same_minute_are_the_same_bytes(
    level: Anonymisation,
) -> None:
    """Neither device nor link nor time nor content tells one from the other (L17, L19, L38)."""
    assert _payloads(ANNA, level, STRICT) == _payloads(BEN, level, STRICT)
    for one, other in zip(
        _payloads(ANNA, level, Gate()), _payloads(BEN, level, Gate()), strict=True
    ):
        assert one != other


def test_L17_the_payload_says_a_few_coarse_things() -> None:
    payload = json.loads(_payloads(ANNA, USER, STRICT)[0] + b"}")
    opened = json.loads(base64.urlsafe_b64decode(payload.pop("cx") + "=="))["data"]

    assert payload == {
        "e": "pv",
        "url": "https://shop.example/tea?utm_source=mail",
        "ttm": str(NOON_MS),
        "tv": "whiteout",
        "tna": "shop",
        "p": "mob",
        "res": "1440x2560",
        "vp": "1440x2560",
        "lang": "de",
        "eid": EVENT_ID,
        "dtm": str(NOON_MS),
    }
    assert [item["data"] for item in opened] == [
        {
            "osType": "android",
            "osVersion": "14",
            "deviceManufacturer": "withheld",
            "deviceModel": "mobile",
            "language": "de",
        },
        {"version": "1", "build": "2"},
        {
            "userId": "00000000-0000-0000-0000-000000000000",
            "sessionId": SESSION_ID,
            "sessionIndex": 1,
            "previousSessionId": None,
            "storageMechanism": "LOCAL_STORAGE",
            "firstEventTimestamp": rfc3339(NOON_MS).replace(".000Z", "Z"),
            "eventIndex": 1,
        },
    ]


@pytest.mark.parametrize("level", [USER, USER | SESSION])
def test_L38_no_time_in_a_payload_is_finer_than_a_minute(level: Anonymisation) -> None:
    template = _template(ANNA, level, STRICT)
    text = template.text
    for event in _events(ANNA):
        text += own_part(event, level, STRICT, lambda: EVENT_ID).decode()

    assert STRICT.time_ms(ANNA.moment_ms, level) == NOON_MS
    assert str(ANNA.moment_ms) not in text
    assert ":12.345" not in text
    assert SESSION in level or ":00Z" in text


def test_L38_the_time_that_the_app_gives_an_event_is_cut_too() -> None:
    moment = dt.datetime.fromtimestamp(ANNA.moment_ms / 1000, dt.UTC)
    event = Structured(category="tea", action="buy", true_timestamp=moment)

    text = own_part(event, USER, STRICT, lambda: EVENT_ID).decode()

    assert f'"ttm":"{NOON_MS}"' in text.replace(" ", "")
    assert str(ANNA.moment_ms) not in text


def test_L38_events_that_are_anonymised_after_the_fact_have_coarse_times_too() -> None:
    template = _template(ANNA, NONE, STRICT)
    own = own_part(_events(ANNA)[2], NONE, STRICT, lambda: EVENT_ID)
    change = PendingChange(Pending.ANONYMISE, USER, STRICT, lambda: bytes(16))
    stored = StoredEvent(1, 0, 0, template.id, EVENT_ID, ANNA.moment_ms, 1, own.decode())

    changed = change(stored, template.text)

    assert changed is not None
    event, text = changed
    assert event.created_ms == NOON_MS
    assert str(ANNA.moment_ms) not in text
    assert "12.345" not in text
    assert ANNA.user_id not in text + str(event)


def test_L38_a_session_whose_address_is_hidden_after_the_fact_has_coarse_times_too() -> None:
    """It is the same session, of the same user: no boundary is crossed."""
    template = _template(ANNA, NONE, STRICT)
    own = own_part(_events(ANNA)[2], NONE, STRICT, lambda: EVENT_ID)
    change = PendingChange(Pending.ANONYMISE, SERVER, STRICT, lambda: bytes(16))
    stored = StoredEvent(1, 0, 0, template.id, EVENT_ID, ANNA.moment_ms, 1, own.decode())

    changed = change(stored, template.text)

    assert changed is not None
    event, text = changed
    assert (event.created_ms, event.event_index) == (NOON_MS, 1)
    assert str(ANNA.moment_ms) not in text
    assert "12.345" not in text
    assert SESSION_ID in text


@pytest.mark.parametrize("level", [USER, USER | SERVER, USER | SESSION])
def test_L38_of_a_minute_only_a_session_keeps_the_order(
    tmp_path: Path, level: Anonymisation
) -> None:
    """By `eventIndex`. Without a session nothing in an event says when in its minute it was."""
    wire, clock = Wire(), ManualClock(now_ms=NOON_MS)
    configuration = TrackerConfiguration(
        platform_context=False, privacy_profile=PrivacyProfile.STRICT, **STATELESS
    )
    environment = Environment(clock=clock)
    with a_tracker(wire.network, tmp_path, configuration, environment=environment) as tracker:
        tracker.anonymisation = level
        tracked = []
        for _ in range(5):
            tracked.append(tracker.track(Structured(category="tea", action="buy")))
            clock.advance(7)
        assert tracker.flush(10)

    assert {event["dtm"] for event in wire.events} == {str(NOON_MS)}
    found = {event["eid"]: entity(event, "client_session") for event in wire.events}
    if SESSION in level:
        assert list(found.values()) == [None] * 5
        assert len({str({**event, "eid": ""}) for event in wire.events}) == 1
    else:
        indexes = {event_id: (session or {})["eventIndex"] for event_id, session in found.items()}
        assert sorted(indexes, key=indexes.__getitem__) == tracked


@pytest.mark.parametrize(
    ("namespace", "sent"), [("ada@example.org", "withheld"), ("account-73011", "withheld")]
)
def test_L19_a_namespace_that_names_an_account_is_withheld_under_the_strict_profile(
    scene: Scene, collector: Collector, namespace: str, sent: str
) -> None:
    """An app with several accounts may make a tracker of each."""
    tracker = scene.tracker(
        USER, namespace=namespace, tracker={"privacy_profile": PrivacyProfile.STRICT}
    )
    tracker.track(screen())
    assert tracker.flush()

    (event,) = collector.events
    assert event["tna"] == sent
    assert namespace not in text_of(collector.requests[0])
