"""Consent events, and their documents."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from whiteout.errors import ConfigurationError
from whiteout.events.consent import ConsentDocument, ConsentGranted, ConsentWithdrawn
from whiteout.protocol.self_describing import SelfDescribingJson

DOCUMENT = "iglu:com.snowplowanalytics.snowplow/consent_document/jsonschema/1-0-0"
USER = SelfDescribingJson("iglu:com.acme/user/jsonschema/1-0-0", {"tier": "gold"})
TERMS = ConsentDocument(document_id="terms", document_version="7")


def no_uuid() -> str:
    pytest.fail("no id is needed")


def test_granting_says_until_when_and_to_what() -> None:
    event = ConsentGranted(
        expiry="2027-11-23T00:00:00Z",
        document_id="policy",
        document_version="1.2",
        document_name="Privacy",
        document_description="What we do",
        documents=[TERMS],
        entities=[USER],
    )

    assert event.self_describing(no_uuid).as_dict() == {
        "schema": "iglu:com.snowplowanalytics.snowplow/consent_granted/jsonschema/1-0-0",
        "data": {"expiry": "2027-11-23T00:00:00Z"},
    }
    assert [entity.as_dict() for entity in event.entities] == [
        USER.as_dict(),
        {
            "schema": DOCUMENT,
            "data": {
                "id": "policy",
                "version": "1.2",
                "name": "Privacy",
                "description": "What we do",
            },
        },
        {"schema": DOCUMENT, "data": {"id": "terms", "version": "7"}},
    ]


def test_withdrawing_keeps_documents_without_one_of_its_own() -> None:
    """The iOS tracker drops them all then."""
    event = ConsentWithdrawn(documents=[TERMS])

    assert event.self_describing(no_uuid).data == {"all": False}
    assert event.entities == (TERMS.self_describing(),)


def test_an_event_that_is_copied_has_its_documents_once() -> None:
    """The native trackers add them again each time that the event is tracked."""
    event = ConsentWithdrawn(all=True, documents=[TERMS], entities=[USER])

    copy = dataclasses.replace(event, all=False)

    assert copy.entities == event.entities == (USER, TERMS.self_describing())


def test_documents_leave_the_entities_of_the_app_alone() -> None:
    entities = [USER]

    ConsentGranted(documents=[TERMS], entities=entities)

    assert entities == [USER]


@pytest.mark.parametrize("make", [ConsentGranted, ConsentWithdrawn])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"document_id": "a"}, "document_version must be text of at most 36 characters, got None"),
        ({"document_version": "1"}, "document_id must be text of at most 36 characters, got None"),
        ({"document_name": "n"}, "document_id must be given"),
        ({"documents": [USER]}, "documents must be a list or tuple of ConsentDocument"),
        ({"documents": TERMS}, "documents must be a list or tuple of ConsentDocument"),
    ],
)
def test_a_document_is_whole(
    make: type[ConsentGranted], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make(**arguments)


@pytest.mark.parametrize(
    ("field", "limit"),
    [
        ("document_id", 36),
        ("document_version", 36),
        ("document_name", 60),
        ("document_description", 10_000),
    ],
)
def test_a_document_has_the_limits_of_its_schema(field: str, limit: int) -> None:
    whole = {"document_id": "a", "document_version": "1"}

    ConsentDocument(**whole | {field: "x" * limit})
    with pytest.raises(ConfigurationError, match=f"{field} must be text of at most {limit}"):
        ConsentDocument(**whole | {field: "x" * (limit + 1)})


def test_a_moment_of_expiry_is_sent_in_utc() -> None:
    moment = datetime(2027, 11, 23, 1, 30, tzinfo=timezone(timedelta(hours=2)))

    event = ConsentGranted(expiry=moment)

    assert event.expiry == "2027-11-22T23:30:00.000Z"
    assert ConsentGranted(expiry=datetime(2027, 1, 1, tzinfo=UTC)).expiry == (
        "2027-01-01T00:00:00.000Z"
    )


@pytest.mark.parametrize("expiry", ["tomorrow", 5, datetime(2027, 1, 1)])  # noqa: DTZ001 - the mistake
def test_an_expiry_is_a_moment(expiry: Any) -> None:  # noqa: ANN401 - the mistakes
    with pytest.raises(ConfigurationError, match="expiry must be a date"):
        ConsentGranted(expiry=expiry)


def test_withdrawing_all_is_yes_or_no() -> None:
    with pytest.raises(ConfigurationError, match="all must be True or False, got 1"):
        ConsentWithdrawn(all=1)  # type: ignore[arg-type] # the mistake
