"""Notifications in the form of older iOS trackers, and what is left of them under anonymity."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout import (
    Anonymisation,
    ConfigurationError,
    NotificationContent,
    PrivacyProfile,
    PushNotification,
    PushNotificationAttachment,
    PushNotificationTrigger,
    TrackerConfiguration,
)
from whiteout.events.schema import SCHEMAS
from whiteout.protocol.self_describing import SelfDescribingJson
from whiteout.tracker.tracker_gate import gate_of

VALIDATOR = jsonschema_rs.Draft4Validator(
    {
        key: value
        for key, value in SCHEMAS[PushNotification.SCHEMA].items()
        if key not in {"$schema", "self"}
    }
)
CANARY = "canary"


def texts(limit: int, low: int = 1) -> st.SearchStrategy[str]:
    plain = st.text(st.characters(exclude_categories=["Cs"]), min_size=low, max_size=30)
    return plain | st.just("é" * limit)


ATTACHMENTS = st.builds(
    PushNotificationAttachment, identifier=texts(100), url=texts(750), type=texts(100)
)
CONTENTS = st.builds(
    NotificationContent,
    title=texts(300),
    body=texts(1000),
    badge=st.none() | st.integers(),
    subtitle=st.none() | texts(300),
    sound=st.none() | texts(300),
    launch_image_name=st.none() | texts(300),
    user_info=st.none()
    | st.fixed_dictionaries(
        {
            "aps": st.fixed_dictionaries(
                {
                    "alert": texts(300),
                    "contentAvailable": st.booleans() | st.sampled_from([0, 1]),
                }
            ),
            "of the app": st.integers() | texts(10) | st.lists(texts(5)),
        }
    ),
    attachments=st.none() | st.lists(ATTACHMENTS, max_size=2),
)
EVENTS = st.builds(
    PushNotification,
    date=texts(100),
    action=texts(100, 0),
    trigger=st.sampled_from(PushNotificationTrigger),
    category=texts(100, 0),
    thread=texts(100, 0),
    notification=CONTENTS,
)


def data_of(event: PushNotification) -> Any:  # noqa: ANN401 - JSON
    return event.self_describing(lambda: pytest.fail("no id is needed")).data


def notification(**changes: Any) -> PushNotification:  # noqa: ANN401 - of any field
    content = NotificationContent(
        title="Dear canary",
        body="canary wrote to you",
        badge=17,
        subtitle="canary",
        sound="ping.aiff",
        launch_image_name="letter",
        user_info={"aps": {"alert": "canary"}, "canary": "canary"},
        attachments=[
            PushNotificationAttachment(identifier="canary", url="https://canary/", type="png")
        ],
    )
    given: dict[str, Any] = {
        "date": "canary 2026-11-23",
        "action": "open",
        "trigger": "PUSH",
        "category": "messages",
        "thread": "canary",
        "notification": content,
    }
    return PushNotification(**given | changes)


@given(EVENTS)
def test_what_is_allowed_satisfies_the_schema(event: PushNotification) -> None:
    VALIDATOR.validate(data_of(event))


@given(EVENTS, st.sampled_from(PrivacyProfile))
def test_what_anonymity_leaves_satisfies_it_too(
    event: PushNotification, profile: PrivacyProfile
) -> None:
    gate = gate_of(TrackerConfiguration(), profile, keeps_messages=False)

    (left,) = gate.entities([event.self_describing(lambda: "")], Anonymisation.FULL)

    VALIDATOR.validate(json.loads(json.dumps(left.data)))


def test_the_names_on_the_wire_are_apples() -> None:
    assert data_of(notification()) == {
        "deliveryDate": "canary 2026-11-23",
        "action": "open",
        "trigger": "PUSH",
        "categoryIdentifier": "messages",
        "threadIdentifier": "canary",
        "notification": {
            "title": "Dear canary",
            "body": "canary wrote to you",
            "badge": 17,
            "subtitle": "canary",
            "sound": "ping.aiff",
            "launchImageName": "letter",
            "userInfo": {"aps": {"alert": "canary"}, "canary": "canary"},
            "attachments": [{"identifier": "canary", "url": "https://canary/", "type": "png"}],
        },
    }


@pytest.mark.parametrize(("given_", "sent"), [(0, False), (1, True), (True, True), (2, 2)])
def test_a_number_that_tells_whether_content_is_available_becomes_a_boolean(
    given_: object, sent: object
) -> None:
    info = {"aps": {"alert": "a", "contentAvailable": given_}}
    content = NotificationContent(title="t", body="b", user_info=info)

    data = data_of(notification(notification=content))

    assert data["notification"]["userInfo"]["aps"]["contentAvailable"] is sent
    assert info["aps"]["contentAvailable"] is given_  # the app's own is left alone


def test_a_known_users_notification_is_left_whole_and_a_hidden_ones_keeps_what_the_app_fixed() -> (
    None
):
    event = notification().self_describing(lambda: "")
    gate = gate_of(TrackerConfiguration(), PrivacyProfile.STANDARD, keeps_messages=False)

    (known,) = gate.entities([event], Anonymisation.NONE)
    (hidden,) = gate.entities([event], Anonymisation.USER)

    assert known.data == event.data
    assert hidden.data == {
        "deliveryDate": "",
        "threadIdentifier": "",
        "action": "open",
        "categoryIdentifier": "messages",
        "trigger": "PUSH",
        "notification": {
            "title": "",
            "body": "",
            "sound": "ping.aiff",
            "launchImageName": "letter",
        },
    }


def test_the_strict_profile_leaves_the_trigger() -> None:
    gate = gate_of(TrackerConfiguration(), PrivacyProfile.STRICT, keeps_messages=False)

    (left,) = gate.entities([notification().self_describing(lambda: "")], Anonymisation.FULL)

    withheld = "withheld"
    assert left.data == {
        "deliveryDate": "",
        "threadIdentifier": "",
        "action": withheld,
        "categoryIdentifier": withheld,
        "trigger": "PUSH",
        "notification": {"title": "", "body": ""},
    }


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda v: (
            st.lists(v)
            | st.dictionaries(st.sampled_from(["notification", "title", "sound", "aps"]), v)
        ),
    )
)
def test_whatever_an_app_says_itself_in_this_form_nothing_of_the_text_is_left(
    content: Any,  # noqa: ANN401 - any JSON
) -> None:
    gate = gate_of(TrackerConfiguration(), PrivacyProfile.STANDARD, keeps_messages=False)
    own = {"notification": content, "deliveryDate": CANARY, "other": CANARY}
    event = SelfDescribingJson(PushNotification.SCHEMA, own)

    (left,) = gate.entities([event], Anonymisation.USER)

    assert CANARY not in json.dumps(left.data)
    assert left.data["notification"]["title"] == left.data["notification"]["body"] == ""
    assert gate.entities([left], Anonymisation.USER)[0] == left


@pytest.mark.parametrize(
    "wrong",
    [
        {"trigger": "UNKNOWN"},
        {"notification": None},
        {"notification": {"title": "t", "body": "b"}},
        {"date": ""},
        {"action": None},
        {"thread": "x" * 101},
    ],
    ids=str,
)
def test_what_the_schema_refuses_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(wrong))} must be"):
        notification(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [{"title": ""}, {"body": "x" * 1001}, {"badge": "1"}, {"user_info": "text"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_content_that_the_schema_refuses_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(wrong))} must be"):
        NotificationContent(**{"title": "t", "body": "b"} | wrong)


@pytest.mark.parametrize("aps", [{}, {"badge": 1}, "text"], ids=str)
def test_a_payload_without_an_alert_is_refused(aps: object) -> None:
    with pytest.raises(ConfigurationError, match="user_info must have an alert"):
        NotificationContent(title="t", body="b", user_info={"aps": aps})


def test_nothing_that_is_held_is_shown() -> None:
    event = notification()

    assert repr(event) == "PushNotification(...)"
    assert repr(event.notification) == "NotificationContent(...)"
    assert repr((event.notification.attachments or [])[0]) == "PushNotificationAttachment(...)"
