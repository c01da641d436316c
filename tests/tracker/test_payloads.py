"""What an event looks like on the wire, compared whole (reference 1.1 and 4.1)."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.clock import FIRST_EVENT_MS, fixed_environment
from tests.support.collector import entities, unstructured
from tests.support.trackers import CONTEXT_FREE, STATELESS, Wire, a_tracker

from whiteout import (
    Anonymisation,
    ConfigurationError,
    DevicePlatform,
    Event,
    HttpMethod,
    NetworkConfiguration,
    PageView,
    ScreenView,
    SelfDescribing,
    SelfDescribingJson,
    Structured,
    SubjectConfiguration,
    Timing,
    TrackerConfiguration,
    __version__,
)
from whiteout.protocol.parameters import PARAMETERS, REQUIRED_PARAMETERS

if TYPE_CHECKING:
    from tests.support.trackers import Configuration

ANY_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
IGLU_CENTRAL = Path(__file__).parents[3] / "shared" / "iglu-central" / "schemas"
QUIET_SUBJECT = SubjectConfiguration(timezone="Europe/London", language="en-GB")
PLAIN = TrackerConfiguration(
    app_id="shop",
    device_platform=DevicePlatform.DESKTOP,
    platform_context=False,
    session_context=False,
    base64_encoding=False,
    **STATELESS,
)
BASE64 = TrackerConfiguration(
    app_id="shop",
    device_platform=DevicePlatform.DESKTOP,
    platform_context=False,
    session_context=False,
    **STATELESS,
)
SHARED = {
    "tv": f"whiteout-{__version__}",
    "tna": "app",
    "aid": "shop",
    "p": "pc",
    "tz": "Europe/London",
    "lang": "en-GB",
    "dtm": str(FIRST_EVENT_MS),
}


def sent(
    folder: Path,
    event: Event,
    *configurations: Configuration,
    network: Any = None,  # noqa: ANN401 - of the wire
) -> dict[str, str]:
    """The payload of one event."""
    wire = Wire()
    if SubjectConfiguration not in map(type, configurations):
        configurations += (QUIET_SUBJECT,)
    with a_tracker(
        network or wire.network, folder, *configurations, environment=fixed_environment()
    ) as tracker:
        event_id = tracker.track(event)
        assert tracker.flush(10)
    (payload,) = wire.events
    assert payload["eid"] == event_id
    return payload


def without_ids(payload: dict[str, str]) -> dict[str, str]:
    """The payload but for `eid` and `stm`, whose form is checked."""
    assert ANY_UUID.fullmatch(payload["eid"])
    assert int(payload["stm"]) >= FIRST_EVENT_MS
    return {key: value for key, value in payload.items() if key not in {"eid", "stm"}}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            Structured(category="basket", action="add"),
            {"e": "se", "se_ca": "basket", "se_ac": "add"},
        ),
        (
            Structured(category="basket", action="add", label="tea", property="green", value=12.50),
            {
                "e": "se",
                "se_ca": "basket",
                "se_ac": "add",
                "se_la": "tea",
                "se_pr": "green",
                "se_va": "12.5",
            },
        ),
        (
            Structured(category="a", action="b", value=Decimal("1E-7")),
            {"e": "se", "se_ca": "a", "se_ac": "b", "se_va": "0.0000001"},
        ),
        (
            PageView(page_url="https://shop.example/tea?q=%C3%BC#top", page_title="T\u00e9a"),
            {"e": "pv", "url": "https://shop.example/tea?q=%C3%BC#top", "page": "T\u00e9a"},
        ),
        (
            PageView(page_url="https://shop.example/", referrer="https://search.example/"),
            {"e": "pv", "url": "https://shop.example/", "refr": "https://search.example/"},
        ),
    ],
)
def test_a_primitive_event_is_its_parameters_and_the_shared_ones(
    tmp_path: Path, event: Event, expected: dict[str, str]
) -> None:
    assert without_ids(sent(tmp_path, event, PLAIN)) == SHARED | expected


def test_e36_a_self_describing_event_in_plain_json(tmp_path: Path) -> None:
    """`ue_pr` and no `ue_px`; the envelope with exactly `schema` and `data`; no `co`."""
    event = SelfDescribing(
        schema="iglu:com.acme/order/jsonschema/2-0-1", data={"id": 7, "note": "\u00fc \U0001f375"}
    )

    payload = without_ids(sent(tmp_path, event, PLAIN))

    body = payload.pop("ue_pr")
    assert payload == SHARED | {"e": "ue"}
    assert json.loads(body) == {
        "schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0",
        "data": {
            "schema": "iglu:com.acme/order/jsonschema/2-0-1",
            "data": {"id": 7, "note": "\u00fc \U0001f375"},
        },
    }


def test_a_self_describing_event_in_base64_is_url_safe_and_unpadded(tmp_path: Path) -> None:
    """Reference 1.2."""
    event = SelfDescribing(
        schema="iglu:com.acme/order/jsonschema/1-0-0", data={"note": "\u00bf\u00ff?>~" * 9}
    )

    payload = without_ids(sent(tmp_path, event, BASE64))

    body = payload.pop("ue_px")
    assert payload == SHARED | {"e": "ue"}
    assert re.fullmatch(r"[A-Za-z0-9_-]+", body)
    assert json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))) == {
        "schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0",
        "data": {
            "schema": "iglu:com.acme/order/jsonschema/1-0-0",
            "data": {"note": "\u00bf\u00ff?>~" * 9},
        },
    }


@pytest.mark.parametrize("tracker", [PLAIN, BASE64])
def test_entities_of_the_app_come_in_their_order(
    tmp_path: Path, tracker: TrackerConfiguration
) -> None:
    mine = [
        SelfDescribingJson("iglu:com.acme/user/jsonschema/1-0-0", {"plan": "gold"}),
        SelfDescribingJson("iglu:com.acme/cart/jsonschema/1-0-0", {"items": [1, None, {"a": 2.5}]}),
    ]

    payload = sent(tmp_path, Structured(category="a", action="b", entities=mine), tracker)

    key = "co" if tracker is PLAIN else "cx"
    assert set(without_ids(payload)) == {*SHARED, "e", "se_ca", "se_ac", key}
    assert entities(payload) == [entity.as_dict() for entity in mine]


@pytest.mark.parametrize("is_base64", [True, False])
def test_every_entity_of_ours_and_the_apps_in_one_envelope(
    tmp_path: Path, *, is_base64: bool
) -> None:
    tracker = TrackerConfiguration(
        platform_context=False,
        application_version="2.4.1",
        application_build="2419",
        base64_encoding=is_base64,
        **STATELESS,
    )
    mine = SelfDescribingJson("iglu:com.acme/user/jsonschema/1-0-0", {"plan": "gold"})

    payload = sent(tmp_path, Structured(category="a", action="b", entities=[mine]), tracker)

    found = {entity["schema"]: entity["data"] for entity in entities(payload)}
    session = found.pop("iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2")
    assert found == {
        "iglu:com.snowplowanalytics.mobile/application/jsonschema/1-0-0": {
            "version": "2.4.1",
            "build": "2419",
        },
        "iglu:com.acme/user/jsonschema/1-0-0": {"plan": "gold"},
    }
    assert ANY_UUID.fullmatch(session.pop("userId"))
    assert ANY_UUID.fullmatch(session.pop("sessionId"))
    assert session == {
        "previousSessionId": None,
        "sessionIndex": 1,
        "eventIndex": 1,
        "firstEventId": payload["eid"],
        "firstEventTimestamp": "2022-06-06T06:21:21.346Z",
        "storageMechanism": "LOCAL_STORAGE",
    }


def test_a_screen_view_gets_an_id_where_the_app_gives_none(tmp_path: Path) -> None:
    payload = sent(tmp_path, ScreenView(name="Checkout"), PLAIN)

    body = unstructured(payload)
    assert ANY_UUID.fullmatch(body["data"].pop("id"))
    assert body == {
        "schema": "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0",
        "data": {"name": "Checkout"},
    }


def test_a_screen_view_keeps_the_id_that_the_app_gives(tmp_path: Path) -> None:
    screen_id = UUID("11111111-2222-4333-8444-555555555555")

    payload = sent(tmp_path, ScreenView(name="Checkout", screen_id=screen_id), PLAIN)

    assert unstructured(payload)["data"] == {"name": "Checkout", "id": str(screen_id)}


def test_ttm_is_the_true_timestamp_and_dtm_the_devices(tmp_path: Path) -> None:
    moment = dt.datetime(2020, 2, 29, 12, 0, 0, 250_500, tzinfo=dt.UTC)

    payload = sent(tmp_path, Structured(category="a", action="b", true_timestamp=moment), PLAIN)

    assert payload["ttm"] == "1582977600250"
    assert payload["dtm"] == str(FIRST_EVENT_MS)


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        ("test With Space 1-2-3", f"whiteout-{__version__} testWithSpace1-2-3"),
        ("qt.6", f"whiteout-{__version__} qt.6"),
        ("\u00fc !", f"whiteout-{__version__}"),
        (None, f"whiteout-{__version__}"),
    ],
)
def test_e38_the_version_suffix_is_cleaned_and_set_apart(
    tmp_path: Path, suffix: str | None, expected: str
) -> None:
    tracker = TrackerConfiguration(
        platform_context=False, tracker_version_suffix=suffix, **STATELESS
    )

    assert sent(tmp_path, Structured(category="a", action="b"), tracker)["tv"] == expected


@pytest.mark.parametrize("platform", list(DevicePlatform))
def test_p_is_the_configured_platform(tmp_path: Path, platform: DevicePlatform) -> None:
    tracker = TrackerConfiguration(
        device_platform=platform, platform_context=False, session_context=False, **STATELESS
    )

    payload = sent(tmp_path, Structured(category="a", action="b"), tracker)

    assert payload["p"] == platform.value


def test_an_app_id_that_is_not_given_is_absent(tmp_path: Path) -> None:
    assert "aid" not in sent(tmp_path, Structured(category="a", action="b"), CONTEXT_FREE)


def test_e37_null_and_empty_values_inside_data_are_kept(tmp_path: Path) -> None:
    """Ours keep both; what the app leaves out of an event is absent."""
    data = {"text": "", "nothing": None, "list": [None, ""], "nested": {"nothing": None}}

    for number, tracker in enumerate((PLAIN, BASE64)):
        payload = sent(
            tmp_path / str(number),
            SelfDescribing(schema="iglu:com.acme/order/jsonschema/1-0-0", data=data),
            tracker,
        )

        assert unstructured(payload)["data"] == data


def test_what_json_has_no_form_for_is_written_in_the_nearest(tmp_path: Path) -> None:
    data: dict[Any, Any] = {
        "date": dt.date(2026, 11, 23),
        "moment": dt.datetime(2026, 11, 23, 17, 5, tzinfo=dt.UTC),
        "price": Decimal("12.50"),
        "id": UUID(int=7),
        "enum": DevicePlatform.MOBILE,
        "tuple": (1, 2),
        "nan": float("nan"),
        "infinite": float("inf"),
        "large": 2**70,
        1: "a key that is a number",
        "half": "half a surrogate: \ud83d",
    }

    payload = sent(
        tmp_path, SelfDescribing(schema="iglu:com.acme/x/jsonschema/1-0-0", data=data), PLAIN
    )

    assert unstructured(payload)["data"] == {
        "date": "2026-11-23",
        "moment": "2026-11-23T17:05:00+00:00",
        "price": 12.5,
        "id": "00000000-0000-0000-0000-000000000007",
        "enum": "mob",
        "tuple": [1, 2],
        "nan": None,
        "infinite": None,
        "large": 2**70,
        "1": "a key that is a number",
        "half": "half a surrogate: ?",
    }


def test_an_integer_of_thousands_of_digits_is_refused_as_the_apps_mistake(tmp_path: Path) -> None:
    event = SelfDescribing(schema="iglu:com.acme/x/jsonschema/1-0-0", data={"n": 10**5000})

    with (
        a_tracker(Wire().network, tmp_path) as tracker,
        pytest.raises(ConfigurationError, match="too many digits"),
    ):
        tracker.track(event)


def test_later_changes_to_the_apps_objects_change_nothing(tmp_path: Path) -> None:
    """Reference 0: the iOS tracker reads the live event later."""
    wire = Wire()
    data: dict[str, Any] = {"items": [1, 2]}
    event = SelfDescribing(schema="iglu:com.acme/order/jsonschema/1-0-0", data=data)
    with a_tracker(wire.network, tmp_path) as tracker:
        tracker.track(event)
        data["items"].append(3)
        data["late"] = True
        tracker.flush(10)

    assert unstructured(wire.events[0])["data"] == {"items": [1, 2]}


def test_e35_the_id_that_track_returns_is_on_the_wire_and_never_repeats(tmp_path: Path) -> None:
    wire = Wire()
    event = ScreenView(name="Checkout")
    with a_tracker(wire.network, tmp_path) as tracker:
        ids = [tracker.track(event) for _ in range(3)]
        tracker.flush(10)

    assert [payload["eid"] for payload in wire.events] == ids
    assert len(set(ids)) == 3


def test_by_get_the_payload_is_the_same(tmp_path: Path) -> None:
    wire = Wire()
    network = NetworkConfiguration(
        endpoint="https://collector.invalid", method=HttpMethod.GET, network_connection=wire
    )
    with a_tracker(
        network, tmp_path, PLAIN, QUIET_SUBJECT, environment=fixed_environment()
    ) as tracker:
        # Without the session there is anonymity in part, which goes by POST alone.
        tracker.session_context = True
        tracker.track(Structured(category="T\u00e9a & co", action="=?#"))
        assert tracker.flush(10)

    assert [request.method for request in wire.requests] == ["GET"]
    payload = without_ids(wire.events[0])
    del payload["co"]
    assert payload == SHARED | {"e": "se", "se_ca": "T\u00e9a & co", "se_ac": "=?#"}


EVERYTHING = [
    Structured(category="a", action="b", label="c", property="d", value=1),
    PageView(page_url="https://a.example/", page_title="t", referrer="https://b.example/"),
    ScreenView(name="Checkout", type="form", previous_name="Basket"),
    Timing(category="start", variable="db", timing=12.5, label="cold"),
    SelfDescribing(schema="iglu:com.acme/order/jsonschema/1-0-0", data={"a": 1}),
]
FULL_SUBJECT = SubjectConfiguration(
    user_id="uid-1",
    network_user_id="tnuid-1",
    domain_user_id="duid-1",
    ip_address="192.0.2.1",
    user_agent="agent/1",
    timezone="Europe/London",
    language="en-GB",
    screen_resolution="1920x1080",
    screen_view_port="800x600",
    color_depth=24,
)


@pytest.mark.parametrize("level", list(map(Anonymisation, range(8))))
@pytest.mark.parametrize("is_base64", [True, False])
def test_every_payload_has_known_keys_and_text_values(
    tmp_path: Path, level: Anonymisation, *, is_base64: bool
) -> None:
    """`payload_data` 1-0-4 has text properties alone, and no others than those it names."""
    wire = Wire()
    tracker_configuration = TrackerConfiguration(
        base64_encoding=is_base64, install_autotracking=False
    )
    with a_tracker(wire.network, tmp_path, tracker_configuration, FULL_SUBJECT) as tracker:
        tracker.anonymisation = level
        for event in EVERYTHING:
            tracker.track(event)
        assert tracker.flush(10)

    assert len(wire.events) == len(EVERYTHING)
    for payload in wire.events:
        assert REQUIRED_PARAMETERS <= set(payload) <= PARAMETERS
        assert all(isinstance(value, str) and value for value in payload.values())


@pytest.mark.skipif(
    not IGLU_CENTRAL.is_dir(), reason="no copy of Iglu Central beside the repository"
)
def test_every_request_body_is_valid_by_the_published_schemas(tmp_path: Path) -> None:
    jsonschema_rs = pytest.importorskip("jsonschema_rs")
    wire = Wire()
    with a_tracker(
        wire.network, tmp_path, TrackerConfiguration(install_autotracking=False), FULL_SUBJECT
    ) as tracker:
        for event in EVERYTHING[:-1]:
            tracker.track(event)
        assert tracker.flush(10)

    def check(uri: str, data: object) -> None:
        schema = json.loads((IGLU_CENTRAL / uri.removeprefix("iglu:")).read_text("utf-8"))
        for key in ("$schema", "self"):
            schema.pop(key, None)
        jsonschema_rs.validator_for(schema).validate(data)

    for request in wire.requests:
        envelope = json.loads(request.body or b"")
        check(envelope["schema"], envelope["data"])
    for payload in wire.events:
        for entity in entities(payload):
            check(entity["schema"], entity["data"])
        if payload["e"] == "ue":
            body = unstructured(payload)
            check(body["schema"], body["data"])


TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=30, deadline=None)
@given(data=st.lists(st.dictionaries(TEXT, JSON, max_size=5), min_size=1, max_size=8))
def test_any_json_arrives_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, data: list[dict[str, Any]]
) -> None:
    """In the body and in an entity, through journal, store, template and base64."""
    wire = Wire()
    with a_tracker(wire.network, tmp_path_factory.mktemp("any")) as tracker:
        for item in data:
            entity = SelfDescribingJson("iglu:com.acme/y/jsonschema/1-0-0", item)
            tracker.track(
                SelfDescribing(
                    schema="iglu:com.acme/x/jsonschema/1-0-0", data=item, entities=[entity]
                )
            )
        assert tracker.flush(10)

    assert [unstructured(payload)["data"] for payload in wire.events] == data
    assert [entities(payload)[-1]["data"] for payload in wire.events] == data
