"""Events and entities whose fields are their schema's properties: what they send and refuse."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout.errors import ConfigurationError
from whiteout.events.consent import ConsentDocument
from whiteout.events.error import ApplicationError, TrackerError
from whiteout.events.event import Event
from whiteout.events.gdpr import BasisForProcessing, GdprConfiguration
from whiteout.events.geolocation import Geolocation
from whiteout.events.install import Install, InstallReferrer
from whiteout.events.notification import (
    MessageNotification,
    MessageNotificationAttachment,
    MessageNotificationTrigger,
)
from whiteout.events.properties import Property, properties_of
from whiteout.events.schema import SCHEMAS

TYPES: list[Any] = [
    ApplicationError,
    ConsentDocument,
    GdprConfiguration,
    Geolocation,
    Install,
    InstallReferrer,
    MessageNotification,
    TrackerError,
]
CUTS = (ApplicationError, TrackerError)
VALIDATORS = {
    uri: jsonschema_rs.Draft4Validator(
        {key: value for key, value in schema.items() if key not in {"$schema", "self"}},
        validate_formats=True,
    )
    for uri, schema in SCHEMAS.items()
}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
MOMENTS = st.sampled_from(["2026-11-23T12:00:00Z", "2026-11-23t12:00:00.5+01:00"])
URIS = st.sampled_from(["https://shop.example/a?b#c", "urn:x", "file:///tmp/x"])


FORMATS = {"date-time": MOMENTS, "uri": URIS}
ATTACHMENTS = st.builds(MessageNotificationAttachment, identifier=TEXTS, type=TEXTS, url=URIS)


def no_uuid() -> str:
    pytest.fail("no id is needed")


def data_of(described: Any) -> Any:  # noqa: ANN401 - an event or entity
    if isinstance(described, Event):
        json = described.self_describing(no_uuid)
        assert json is not None
        return json.data
    return described.self_describing().data


def values_of(definition: Property) -> st.SearchStrategy[Any]:
    """Values that a property allows, those at its limits among them."""
    if definition.choices:
        return st.sampled_from(definition.choices)
    low, high = definition.minimum, definition.maximum
    by_type: dict[str, st.SearchStrategy[Any]] = {
        "boolean": st.booleans(),
        "integer": st.integers(low, high),
        "number": st.floats(low, high, allow_nan=False, allow_infinity=False),
        "string": FORMATS.get(definition.format or "", TEXTS),
        "array": st.lists(st.none() | TEXTS, min_size=1, max_size=3)
        if isinstance(definition.items, Property)
        else st.lists(ATTACHMENTS, max_size=3),
    }
    values, limit = by_type[definition.type], definition.max_length
    if limit is None:
        return values
    return values.filter(lambda text: len(text) <= limit) | st.just("é" * limit)


@st.composite
def instances(draw: st.DrawFn) -> Any:  # noqa: ANN401 - an event or entity
    described = draw(st.sampled_from(TYPES))
    arguments: dict[str, Any] = {}
    for attribute, definition in properties_of(described).items():
        if definition.required or draw(st.booleans()):
            arguments[attribute] = draw(values_of(definition))
    return described(**arguments)


@given(instances())
def test_what_is_allowed_satisfies_the_schema(described: Any) -> None:  # noqa: ANN401 - any
    VALIDATORS[described.SCHEMA].validate(data_of(described))


SMALLEST: dict[Any, dict[str, Any]] = {
    ApplicationError: {"message": "m"},
    ConsentDocument: {"document_id": "a", "document_version": "1"},
    GdprConfiguration: {"basis_for_processing": "consent"},
    Geolocation: {"latitude": 0, "longitude": 0},
    Install: {},
    InstallReferrer: {"google_play_instant_param": True},
    MessageNotification: {"title": "t", "body": "b", "trigger": "push"},
    TrackerError: {"message": "m"},
}


def beyond(definition: Property) -> list[Any]:
    """Values just outside of what a property allows."""
    wrong: list[Any] = [object(), b"bytes"]
    if definition.type == "boolean":
        wrong += [1, "true"]
    if definition.type in {"integer", "number"}:
        wrong += [True, "1", float("nan"), float("inf")]
        wrong += [definition.minimum - 1] if definition.minimum is not None else []
        wrong += [definition.maximum + 1] if definition.maximum is not None else []
    if definition.type == "string":
        wrong += [5]
    if definition.choices or definition.format is not None:
        wrong += ["something else"]
    if definition.type == "array":
        wrong += ["text", [5], [{"identifier": "i", "type": "t", "url": "u:"}], ["x" * 1025]]
    if definition.required:
        wrong += [None, ""]
    return wrong


@pytest.mark.parametrize("described", TYPES)
def test_what_is_just_outside_of_the_limits_is_refused(described: Any) -> None:  # noqa: ANN401 - any
    for attribute, definition in properties_of(described).items():
        for value in beyond(definition):
            with pytest.raises(ConfigurationError, match=f"^{attribute} must be "):
                described(**SMALLEST[described] | {attribute: value})


@pytest.mark.parametrize("described", TYPES)
def test_texts_that_are_too_long_are_refused_but_cut_in_errors(described: Any) -> None:  # noqa: ANN401 - any
    for attribute, definition in properties_of(described).items():
        if definition.type != "string" or definition.max_length is None:
            continue
        long = "x" * (definition.max_length + 1)
        arguments = SMALLEST[described] | {attribute: long}
        if described in CUTS:
            assert data_of(described(**arguments))[definition.name] == long[:-1]
        else:
            with pytest.raises(ConfigurationError, match=f"of at most {definition.max_length} "):
                described(**arguments)


@pytest.mark.parametrize("described", TYPES)
def test_nothing_that_is_held_is_shown(described: Any) -> None:  # noqa: ANN401 - any
    assert repr(described(**SMALLEST[described])) == f"{described.__name__}(...)"


def test_an_install_has_no_properties() -> None:
    assert data_of(Install()) == {}


def test_empty_lists_are_left_out() -> None:
    """The schema wants at least one item, and the Android tracker omits them too."""
    event = MessageNotification(
        title="t",
        body="b",
        trigger=MessageNotificationTrigger.TIME_INTERVAL,
        body_loc_args=[],
        attachments=(),
    )

    assert data_of(event) == {"title": "t", "body": "b", "trigger": "timeInterval"}


def test_a_basis_is_one_of_six() -> None:
    assert [basis.value for basis in BasisForProcessing] == [
        "consent",
        "contract",
        "legal_obligation",
        "vital_interests",
        "public_task",
        "legitimate_interests",
    ]
    with pytest.raises(ConfigurationError, match="basis_for_processing must be one of consent, "):
        GdprConfiguration(basis_for_processing="CONSENT")


@pytest.mark.parametrize("url", ["no uri", "", "x" * 2000, "https://a b", 5])
def test_an_attachment_is_somewhere(url: Any) -> None:  # noqa: ANN401 - the mistakes
    with pytest.raises(ConfigurationError, match="url must be a URI of at most 1024 characters"):
        MessageNotificationAttachment(identifier="i", type="t", url=url)
