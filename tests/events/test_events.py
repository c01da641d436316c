"""What each event sends, and what it refuses."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout.errors import ConfigurationError
from whiteout.events.page import PageView
from whiteout.events.properties import properties_of
from whiteout.events.schema import SCHEMAS
from whiteout.events.screen import ScreenView
from whiteout.events.self_describing import SelfDescribing
from whiteout.events.structured import Structured, decimal_text
from whiteout.events.timing import Timing
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.events.event import Event

NEW_ID = "7f1a1c0e-9f1b-4c61-9df0-0f3c6d1f6a11"
SCREEN_ID = UUID("0b7c2f66-3c5e-4a2e-8a63-5b0e6a9d5f01")
PREVIOUS_ID = UUID("1c8d3f77-4d6f-4b3f-9b74-6c1f7bae6f12")
ORDER = "iglu:com.acme/order/jsonschema/1-0-0"
USER = SelfDescribingJson("iglu:com.acme/user/jsonschema/1-0-0", {"tier": "gold"})

MAKERS: list[Callable[..., Event]] = [
    lambda **common: PageView(page_url="https://shop.example/", **common),
    lambda **common: ScreenView(name="Checkout", **common),
    lambda **common: Structured(category="basket", action="add", **common),
    lambda **common: SelfDescribing(schema=ORDER, data={"id": 1}, **common),
    lambda **common: Timing(category="start", variable="cold", timing=5, **common),
]
any_event = pytest.mark.parametrize(
    "make", MAKERS, ids=["PageView", "ScreenView", "Structured", "SelfDescribing", "Timing"]
)


def new_uuid() -> str:
    return NEW_ID


def no_uuid() -> str:
    pytest.fail("no id is needed")


def body(event: Event) -> dict[str, Any]:
    json = event.self_describing(new_uuid)
    assert json is not None
    return json.as_dict()


def test_a_page_view_is_its_parameters() -> None:
    event = PageView(
        page_url="https://shop.example/a?b=c",
        page_title="A page",
        referrer="https://search.example/",
    )

    assert event.parameters() == {
        "e": "pv",
        "url": "https://shop.example/a?b=c",
        "page": "A page",
        "refr": "https://search.example/",
    }
    assert event.self_describing(no_uuid) is None  # type: ignore[func-returns-value]  # that is so


def test_a_page_view_leaves_out_what_is_not_known() -> None:
    event = PageView(page_url="https://shop.example/", page_title="", referrer=None)

    assert event.parameters() == {"e": "pv", "url": "https://shop.example/"}


def test_a_structured_event_is_its_parameters() -> None:
    event = Structured(category="basket", action="add", label="shoes", property="red", value=49.9)

    assert event.parameters() == {
        "e": "se",
        "se_ca": "basket",
        "se_ac": "add",
        "se_la": "shoes",
        "se_pr": "red",
        "se_va": "49.9",
    }
    assert event.self_describing(no_uuid) is None  # type: ignore[func-returns-value]  # that is so


def test_a_structured_event_leaves_out_what_is_not_known() -> None:
    event = Structured(category="basket", action="add", label="")

    assert event.parameters() == {"e": "se", "se_ca": "basket", "se_ac": "add"}


def test_a_screen_view_is_described_by_its_schema() -> None:
    event = ScreenView(
        name="Checkout",
        screen_id=SCREEN_ID,
        type="form",
        transition_type="push",
        previous_name="Basket",
        previous_id=PREVIOUS_ID,
        previous_type="list",
    )

    assert event.parameters() == {"e": "ue"}
    assert body(event) == {
        "schema": "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0",
        "data": {
            "name": "Checkout",
            "id": "0b7c2f66-3c5e-4a2e-8a63-5b0e6a9d5f01",
            "type": "form",
            "transitionType": "push",
            "previousName": "Basket",
            "previousId": "1c8d3f77-4d6f-4b3f-9b74-6c1f7bae6f12",
            "previousType": "list",
        },
    }


def test_the_tracker_makes_the_id_of_a_screen_view_that_has_none() -> None:
    assert body(ScreenView(name="Checkout"))["data"] == {"name": "Checkout", "id": NEW_ID}


def test_the_tracker_may_add_the_previous_screen() -> None:
    """Each body is a dictionary of its own."""
    event = ScreenView(name="Checkout")

    body(event)["data"]["previousName"] = "Basket"

    assert body(event)["data"] == {"name": "Checkout", "id": NEW_ID}


def test_a_timing_is_described_by_its_schema() -> None:
    event = Timing(category="start", variable="cold", timing=0.25, label="disk cache")

    assert event.parameters() == {"e": "ue"}
    assert body(event) == {
        "schema": "iglu:com.snowplowanalytics.snowplow/timing/jsonschema/1-0-0",
        "data": {
            "category": "start",
            "variable": "cold",
            "timing": 0.25,
            "label": "disk cache",
        },
    }


def test_a_timing_of_zero_is_sent_and_an_empty_label_is_not() -> None:
    event = Timing(category="start", variable="cold", timing=0, label="")

    assert body(event)["data"] == {"category": "start", "variable": "cold", "timing": 0}


def test_a_self_describing_event_sends_what_the_app_says() -> None:
    event = SelfDescribing(schema=ORDER, data={"id": 7})

    assert event.parameters() == {"e": "ue"}
    assert body(event) == {"schema": ORDER, "data": {"id": 7}}


def test_a_self_describing_event_can_be_made_from_its_json() -> None:
    moment = datetime(2026, 11, 23, tzinfo=UTC)

    event = SelfDescribing.from_json(
        SelfDescribingJson(ORDER, {"id": 7}), entities=[USER], true_timestamp=moment
    )

    assert event == SelfDescribing(
        schema=ORDER, data={"id": 7}, entities=[USER], true_timestamp=moment
    )


@any_event
def test_every_event_takes_entities_and_a_true_timestamp(make: Callable[..., Event]) -> None:
    moment = datetime(2026, 11, 23, 12, tzinfo=UTC)

    event = make(entities=[USER], true_timestamp=moment)

    assert event.entities == [USER]
    assert event.true_timestamp == moment
    assert make().entities == ()
    assert make().true_timestamp is None


@any_event
@pytest.mark.parametrize(
    "entities", [USER, "text", {"schema": ORDER}, [{"schema": ORDER, "data": {}}], [USER, None], 5]
)
def test_entities_are_a_list_of_self_describing_json(
    make: Callable[..., Event], entities: object
) -> None:
    with pytest.raises(
        ConfigurationError, match="entities must be a list or tuple of SelfDescribingJson, got "
    ):
        make(entities=entities)


@any_event
@pytest.mark.parametrize("moment", [datetime(2026, 11, 23), 1_795_000_000_000, "2026-11-23"])  # noqa: DTZ001 - the mistake
def test_a_true_timestamp_has_a_time_zone(make: Callable[..., Event], moment: object) -> None:
    with pytest.raises(
        ConfigurationError, match="true_timestamp must be a datetime with a time zone, got "
    ):
        make(true_timestamp=moment)


@any_event
def test_an_event_cannot_be_changed(make: Callable[..., Event]) -> None:
    event = make()

    with pytest.raises(dataclasses.FrozenInstanceError):
        event.entities = [USER]  # type: ignore[misc]  # the mistake


@any_event
def test_an_event_is_made_of_keywords_and_has_no_other_attributes(
    make: Callable[..., Event],
) -> None:
    event = make()

    with pytest.raises(TypeError, match="positional"):
        type(event)("Checkout")  # type: ignore[call-arg, arg-type]  # the mistake
    assert not hasattr(event, "__dict__")


@any_event
def test_an_event_does_not_show_what_it_holds(make: Callable[..., Event]) -> None:
    """It may be personal, and a debugging line is where it would end up."""
    event = make(entities=[USER])

    assert repr(event) == f"{type(event).__name__}(...)"


@any_event
def test_equal_events_are_equal(make: Callable[..., Event]) -> None:
    assert make() == make()
    assert make() != make(entities=[USER])


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda text: PageView(page_url=text), "page_url"),
        (lambda text: ScreenView(name=text), "name"),
        (lambda text: Structured(category=text, action="add"), "category"),
        (lambda text: Structured(category="basket", action=text), "action"),
        (lambda text: Timing(category=text, variable="cold", timing=1), "category"),
        (lambda text: Timing(category="start", variable=text, timing=1), "variable"),
    ],
)
@pytest.mark.parametrize(
    ("text", "shown"), [("", "an empty text"), (None, "None"), (5, "5"), (b"a", "a value of type")]
)
def test_a_required_text_is_text_and_not_empty(
    make: Callable[[object], Event], field: str, text: object, shown: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"{field} must be text.*, got {shown}"):
        make(text)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda text: PageView(page_url="u", page_title=text), "page_title"),
        (lambda text: PageView(page_url="u", referrer=text), "referrer"),
        (lambda text: ScreenView(name="n", type=text), "type"),
        (lambda text: ScreenView(name="n", transition_type=text), "transition_type"),
        (lambda text: ScreenView(name="n", previous_name=text), "previous_name"),
        (lambda text: ScreenView(name="n", previous_type=text), "previous_type"),
        (lambda text: Structured(category="c", action="a", label=text), "label"),
        (lambda text: Structured(category="c", action="a", property=text), "property"),
        (lambda text: Timing(category="c", variable="v", timing=1, label=text), "label"),
    ],
)
def test_an_optional_text_is_text(make: Callable[[object], Event], field: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{field} must be text.*, got 5"):
        make(5)


def test_the_text_of_an_id_is_as_good_as_the_id() -> None:
    by_text = ScreenView(
        name="Checkout", screen_id=str(SCREEN_ID).upper(), previous_id=str(PREVIOUS_ID)
    )
    by_id = ScreenView(name="Checkout", screen_id=SCREEN_ID, previous_id=PREVIOUS_ID)

    assert by_text.self_describing(new_uuid) == by_id.self_describing(new_uuid)


@pytest.mark.parametrize("field", ["screen_id", "previous_id"])
@pytest.mark.parametrize("value", ["no-uuid", str(SCREEN_ID)[1:], str(SCREEN_ID) + "\n", "", 5])
def test_the_id_of_a_screen_is_a_uuid(field: str, value: object) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"{field} must be a uuid\.UUID, its text, or None, got "
    ):
        ScreenView(name="Checkout", **{field: value})  # type: ignore[arg-type]  # the mistake


@pytest.mark.parametrize(
    "number", [math.nan, math.inf, -math.inf, 10**400, True, "5", Decimal("NaN"), 5j]
)
def test_numbers_are_finite(number: Any) -> None:  # noqa: ANN401 - the mistakes
    with pytest.raises(ConfigurationError, match="value must be a finite number or None, got "):
        Structured(category="basket", action="add", value=number)
    with pytest.raises(ConfigurationError, match="timing must be a finite number, got "):
        Timing(category="start", variable="cold", timing=number)


@pytest.mark.parametrize("number", [Decimal("1e309"), Decimal("1e-5000"), Decimal("Infinity")])
def test_a_decimal_has_the_range_of_a_double(number: Decimal) -> None:
    """Else a few bytes of it would be written as a million digits."""
    with pytest.raises(ConfigurationError, match="value must be a finite number or None, got "):
        Structured(category="basket", action="add", value=number)


def test_an_error_does_not_repeat_a_text() -> None:
    """Messages end up in logs, and the text may be personal."""
    with pytest.raises(ConfigurationError) as raised:
        Timing(category="start", variable="cold", timing="alice@example.com")  # type: ignore[arg-type]  # the mistake

    assert str(raised.value) == "timing must be a finite number, got a text of 17 characters"


@pytest.mark.parametrize("schema", ["", "com.acme/order", "iglu:com.acme/order/jsonschema/1", None])
def test_a_self_describing_event_has_an_iglu_uri(schema: Any) -> None:  # noqa: ANN401 - the mistakes
    with pytest.raises(ConfigurationError, match=r"schema.* must "):
        SelfDescribing(schema=schema, data={})


@pytest.mark.parametrize("data", [None, [], "text", 5])
def test_the_data_of_a_self_describing_event_is_a_mapping(data: Any) -> None:  # noqa: ANN401 - the mistakes
    with pytest.raises(ConfigurationError, match="data must be a mapping, got "):
        SelfDescribing(schema=ORDER, data=data)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (5, "5"),
        (5.0, "5"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (1 / 3, "0.3333333333333333"),
        (100.0, "100"),
        (1e22, "10000000000000000000000"),
        (1e-7, "0.0000001"),
        (-2.5e-5, "-0.000025"),
        (Decimal("12.50"), "12.5"),
        (Decimal("1E+3"), "1000"),
        (Decimal("-0.00"), "0"),
    ],
)
def test_a_value_is_the_shortest_exact_decimal(value: float | Decimal, text: str) -> None:
    assert decimal_text(value) == text
    assert Structured(category="c", action="a", value=value).parameters()["se_va"] == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_value_reads_back_as_itself_and_has_no_exponent(value: float) -> None:
    text = decimal_text(value)

    assert float(text) == value
    assert set(text) <= set("-.0123456789")
    assert not ("." in text and text.endswith(("0", ".")))


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
OPTIONAL = st.none() | TEXTS
REQUIRED = TEXTS.filter(bool)
SCREEN_VIEWS = st.builds(
    ScreenView,
    name=REQUIRED,
    screen_id=st.none() | st.uuids(),
    type=OPTIONAL,
    transition_type=OPTIONAL,
    previous_name=OPTIONAL,
    previous_id=st.none() | st.uuids(),
    previous_type=OPTIONAL,
)
TIMINGS = st.builds(
    Timing,
    category=REQUIRED,
    variable=REQUIRED,
    timing=st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**300), 10**300),
    label=OPTIONAL,
)
VALIDATORS = {
    uri: jsonschema_rs.Draft4Validator(
        {key: value for key, value in schema.items() if key not in {"$schema", "self"}},
        validate_formats=True,
    )
    for uri, schema in SCHEMAS.items()
}


@given(SCREEN_VIEWS | TIMINGS)
def test_the_body_of_every_event_satisfies_its_schema(event: ScreenView | Timing) -> None:
    json = event.self_describing(new_uuid)

    assert json.schema == event.SCHEMA
    VALIDATORS[json.schema].validate(json.data)


@given(SCREEN_VIEWS)
def test_a_screen_view_sends_its_fields_by_the_names_of_its_schema(event: ScreenView) -> None:
    """Its body is written by hand, for speed; the names must be those of the field metadata."""
    sent = event.self_describing(new_uuid).data

    expected = {
        definition.name: str(getattr(event, attribute))
        for attribute, definition in properties_of(ScreenView).items()
        if getattr(event, attribute)
    }
    assert sent == {"id": NEW_ID} | expected


def test_the_constructor_of_a_screen_view_knows_every_field_and_its_default() -> None:
    """It is written by hand, too."""
    names = [field.name for field in dataclasses.fields(ScreenView)]

    event = ScreenView(name="Checkout")

    assert sorted(ScreenView.__init__.__annotations__) == sorted([*names, "return"])
    for field in dataclasses.fields(ScreenView):
        if field.name != "name":
            assert getattr(event, field.name) == field.default
