"""The assertions: what they find, and what they say where they find nothing."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import ANY

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.trackers import CONTEXT_FREE

from whiteout import (
    Anonymisation,
    ConfigurationError,
    DevicePlatform,
    PageView,
    ScreenView,
    SelfDescribing,
    SelfDescribingJson,
    SessionConfiguration,
    Structured,
    SubjectConfiguration,
    Timing,
    TrackerConfiguration,
    identifying_property,
)
from whiteout.testing import (
    assert_anonymous,
    assert_no_failed_events,
    assert_not_tracked,
    assert_tracked,
    memory_tracker,
)
from whiteout.testing.arrivals import NothingToAskError
from whiteout.testing.kinds import same

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whiteout.testing import MemoryTracker

LINK = "iglu:com.snowplowanalytics.snowplow/link_click/jsonschema/1-0-1"
TEA = "iglu:com.acme/tea/jsonschema/1-0-0"
SCREEN_ID = "a1000000-0000-4000-8000-00000000000b"


@pytest.fixture
def memory() -> Iterator[MemoryTracker]:
    with memory_tracker("app", CONTEXT_FREE) as made:
        yield made


def message_of(memory: MemoryTracker, kind: Any, **properties: Any) -> list[str]:  # noqa: ANN401 - as assert_tracked
    with pytest.raises(AssertionError) as raised:
        memory.assert_tracked(kind, **properties)
    return str(raised.value).splitlines()


# --- what is found ---------------------------------------------------------------------------


def test_an_event_is_found_by_its_type_itself_its_schema_and_its_name(
    memory: MemoryTracker,
) -> None:
    event_id = memory.track(ScreenView(name="Checkout", type="page", screen_id=SCREEN_ID))
    schema = "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0"

    for kind in (ScreenView, ScreenView(name="Checkout"), schema, "screen_view"):
        assert assert_tracked(kind, name="Checkout").event_id == event_id
    assert_tracked(ScreenView, screen_id=uuid.UUID(SCREEN_ID))
    assert_tracked(schema, id=SCREEN_ID)
    assert_not_tracked(ScreenView, name="Basket")
    assert_not_tracked("iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-1")


def test_primitive_events_have_the_names_of_their_constructors(memory: MemoryTracker) -> None:
    moment = datetime(2026, 11, 23, 12, tzinfo=UTC)
    memory.track(Structured(category="basket", action="add", value=12.5, true_timestamp=moment))
    memory.track(PageView(page_url="https://shop.example.com/", page_title="Tea"))

    assert_tracked(Structured, category="basket", value=12.5, true_timestamp=moment)
    assert_tracked(Structured, value=Decimal("12.5"), label=None)
    assert_tracked(PageView, page_title="Tea", page_urlhost="shop.example.com")
    assert_not_tracked(PageView, page_title=None)
    assert_not_tracked(Structured, action="remove")


def test_self_describing_events_are_found_by_schema_and_data(memory: MemoryTracker) -> None:
    click = SelfDescribing(schema=LINK, data={"targetUrl": "https://a.example.com"})
    memory.track(click)

    assert_tracked(click)
    assert_tracked(SelfDescribing, schema=LINK, data={"targetUrl": "https://a.example.com"})
    assert_tracked(LINK, targetUrl=ANY)
    with pytest.raises(TypeError, match="needs its schema"):
        assert_tracked(SelfDescribing)


def test_columns_of_the_enriched_event_may_be_asked_for() -> None:
    tracker = TrackerConfiguration(app_id="shop", device_platform=DevicePlatform.WEB)
    with memory_tracker("front", tracker) as memory:
        memory.track(ScreenView(name="Checkout"))

        assert_tracked(ScreenView, app_id="shop", platform=DevicePlatform.WEB, name_tracker="front")


def test_entities_must_be_among_those_of_the_event(memory: MemoryTracker) -> None:
    schema = "iglu:org.schema/WebPage/jsonschema/1-0-0"
    entity = SelfDescribingJson(LINK, {"targetUrl": "https://a.example.com"})
    memory.track(ScreenView(name="A", entities=[entity]))

    assert assert_tracked(ScreenView, entities=[entity]).entity("link_click") == entity.data
    other = SelfDescribingJson(LINK, {"targetUrl": "https://b.example.com"})
    lines = message_of(memory, ScreenView, entities=[other])
    assert f"  ≠ entity {LINK}" in lines
    assert "      wanted  {'targetUrl': 'https://b.example.com'}" in lines
    assert "      got     {'targetUrl': 'https://a.example.com'}" in lines
    absent = message_of(memory, ScreenView, entities=[SelfDescribingJson(schema, {})])
    assert "      got     no such entity; there are: client_session, link_click" in absent


def test_the_first_of_several_is_given(memory: MemoryTracker) -> None:
    ids = [memory.track(Timing(category="a", variable="b", timing=n)) for n in range(3)]

    assert assert_tracked(Timing).event_id == ids[0]
    assert [event.event_id for event in memory.tracked(Timing)] == ids


# --- what is said ----------------------------------------------------------------------------


def test_the_nearest_event_is_compared_field_by_field(memory: MemoryTracker) -> None:
    memory.track(ScreenView(name="Basket", type="page"))
    memory.track(ScreenView(name="Chekout", type="page"))
    memory.track(ScreenView(name="Home", type="feed"))

    lines = message_of(memory, ScreenView, name="Checkout", type="page", app_id=None)

    assert lines == [
        "no ScreenView with name='Checkout', type='page', app_id=None was tracked",
        "",
        "nearest: event 2 of 3, screen_view",
        "  ≠ name    wanted  'Checkout'",
        "            got     'Chekout'",
        "                        ^",
        "  = type    'page'",
        "  = app_id  absent",
    ]


def test_a_value_of_another_type_says_its_type(memory: MemoryTracker) -> None:
    memory.track(SelfDescribing(schema=LINK, data={"targetUrl": "1"}))

    lines = message_of(memory, LINK, targetUrl=1)

    assert lines[-1].endswith("got     '1'  (str)")


def test_a_property_that_is_not_there_is_said_with_those_that_are(memory: MemoryTracker) -> None:
    memory.track(SelfDescribing(schema=LINK, data={"targetUrl": "u", "elementId": "e"}))

    near, far = message_of(memory, LINK, targeturl="u"), message_of(memory, LINK, colour="red")

    assert near[-1].endswith("got     no such property; there is targetUrl='u'")
    assert far[-1].endswith("got     no such property; there are elementId, targetUrl")


def test_other_kinds_are_counted_and_a_similar_name_offered(memory: MemoryTracker) -> None:
    memory.track(ScreenView(name="A"))
    memory.track(ScreenView(name="B"))

    lines = message_of(memory, "scren_view")

    assert lines[2:] == [
        "no event is of that kind; 2 screen_view arrived",
        "did you mean 'screen_view'?",
    ]
    assert message_of(memory, "unlike")[2:] == ["no event is of that kind; 2 screen_view arrived"]


def test_nothing_at_all_is_said_so(memory: MemoryTracker) -> None:
    assert message_of(memory, ScreenView) == [
        "no ScreenView was tracked",
        "",
        "no good event arrived at all",
    ]


def test_failed_events_are_named_since_the_one_may_be_among_them(memory: MemoryTracker) -> None:
    memory.track(SelfDescribing(schema=LINK, data={}))

    lines = message_of(memory, LINK)

    assert lines[4:] == [
        "1 event failed, perhaps this one:",
        "    schema_violations",
        f'        {LINK}: $: "targetUrl" is a required property',
    ]


def test_an_unwanted_event_is_shown(memory: MemoryTracker) -> None:
    memory.track(Timing(category="a", variable="b", timing=2))

    with pytest.raises(AssertionError) as raised:
        assert_not_tracked(Timing, category="a")

    assert str(raised.value).splitlines() == [
        "Timing with category='a' was tracked 1 time",
        "    timing category='a', variable='b', timing=2",
    ]


def test_failed_events_are_told_with_reason_and_place(memory: MemoryTracker) -> None:
    assert_no_failed_events()
    memory.track(SelfDescribing(schema=TEA, data={}))
    memory.track(SelfDescribing(schema=LINK, data={"targetUrl": 1}))

    with pytest.raises(AssertionError) as raised:
        assert_no_failed_events()

    assert str(raised.value).splitlines() == [
        "2 events failed",
        "    schema_violations",
        f"        {TEA}: no registry has this schema; asked were: Whiteout embedded",
        "    schema_violations",
        f'        {LINK}: $.targetUrl: the value is not of type "string"',
    ]


# --- wrong use -------------------------------------------------------------------------------


def test_a_misspelt_property_is_the_tests_fault_and_not_the_apps(memory: MemoryTracker) -> None:
    with pytest.raises(TypeError, match="ScreenView has no property 'nmae'; did you mean 'name'"):
        memory.assert_tracked(ScreenView, nmae="A")
    with pytest.raises(TypeError, match="Structured has no property 'ctgr'"):
        memory.assert_not_tracked(Structured, ctgr="A")


@pytest.mark.parametrize("kind", [3, str, SessionConfiguration, None])
def test_what_is_no_kind_of_event_is_refused(memory: MemoryTracker, kind: Any) -> None:  # noqa: ANN401 - wrong on purpose
    with pytest.raises(TypeError, match="an event is asked for by its type"):
        memory.assert_tracked(kind)


def test_without_anything_that_receives_events_the_cure_is_said() -> None:
    with pytest.raises(NothingToAskError, match="whiteout_micro"):
        assert_no_failed_events()


def test_of_two_the_inner_one_is_asked_and_then_the_outer_one_again(memory: MemoryTracker) -> None:
    memory.track(ScreenView(name="outer"))
    with memory_tracker("inner", CONTEXT_FREE) as inner:
        inner.track(ScreenView(name="inner"))
        assert_tracked(ScreenView, name="inner")
        assert_not_tracked(ScreenView, name="outer")

    assert_tracked(ScreenView, name="outer")


# --- anonymity -------------------------------------------------------------------------------

SECRETS = SubjectConfiguration(user_id="ada", network_user_id="ada-lovelace")


def levels() -> list[Anonymisation]:
    return [Anonymisation(bits) for bits in range(1, Anonymisation.FULL.value + 1)]


@pytest.mark.parametrize("asked", levels(), ids=str)
@pytest.mark.parametrize("level", [Anonymisation.NONE, *levels()], ids=str)
def test_a_level_is_shown_by_trackers_of_that_level_or_a_stricter_one(
    level: Anonymisation, asked: Anonymisation
) -> None:
    with memory_tracker("app", SECRETS) as memory:
        memory.tracker.anonymisation = level
        memory.tracker.track(ScreenView(name="Checkout"))

        # An installation that is known gives something of each group away.
        if asked in level:
            assert_anonymous(asked)
        else:
            with pytest.raises(AssertionError, match="give away what"):
                assert_anonymous(asked)


def test_what_is_given_away_is_named_and_its_value_never_shown() -> None:
    with memory_tracker("app", SECRETS, CONTEXT_FREE) as memory:
        memory.track(ScreenView(name="Checkout"))

        with pytest.raises(AssertionError) as raised:
            assert_anonymous(Anonymisation.FULL)

    lines = str(raised.value).splitlines()
    assert lines[0] == "1 of 1 events give away what FULL hides"
    assert lines[1].startswith("    screen_view: subject.user_id, subject.network_user_id, session")
    assert "the request came without SP-Anonymous" in lines[1]
    assert "ada" not in str(raised.value)


def test_failed_events_must_be_anonymous_too() -> None:
    with memory_tracker("app", SECRETS, CONTEXT_FREE) as memory:
        memory.track(SelfDescribing(schema=LINK, data={}))

        with pytest.raises(AssertionError, match=r"failed event.*subject\.user_id"):
            assert_anonymous(Anonymisation.USER)


def test_marks_of_the_app_count_where_they_are_given(memory: MemoryTracker) -> None:
    mark = identifying_property(LINK.rsplit("/", 2)[0], "elementId")
    memory.tracker.user_anonymisation = True
    memory.track(SelfDescribing(schema=LINK, data={"targetUrl": "u", "elementId": "ada"}))

    assert_anonymous(Anonymisation.USER)
    with pytest.raises(AssertionError, match="elementId"):
        assert_anonymous(Anonymisation.USER, identifying_properties=[mark])


def test_nothing_shows_nothing(memory: MemoryTracker) -> None:
    with pytest.raises(AssertionError, match="does not show"):
        assert_anonymous(Anonymisation.FULL)


@pytest.mark.parametrize("level", [Anonymisation.NONE, True, "FULL"])
def test_a_level_that_hides_nothing_is_refused(memory: MemoryTracker, level: Any) -> None:  # noqa: ANN401 - wrong on purpose
    with pytest.raises(ConfigurationError, match="level must be one of Anonymisation"):
        assert_anonymous(level)


# --- equality --------------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False)
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON)
def test_every_value_is_the_same_as_itself(value: Any) -> None:  # noqa: ANN401 - any JSON
    assert same(value, value)


@given(JSON, JSON)
def test_what_json_tells_apart_is_not_the_same(one: Any, other: Any) -> None:  # noqa: ANN401 - any JSON
    assert same(one, other) == same(other, one)
    if same(one, other):
        assert one == other


@pytest.mark.parametrize(
    ("expected", "found", "is_same"),
    [
        (True, 1, False),
        (0, False, False),
        ((1, 2), [1, 2], True),
        (ANY, True, True),
        (pytest.approx(1.5), 1.5000000001, True),
        (uuid.UUID(SCREEN_ID), SCREEN_ID.upper(), True),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00.000Z", True),
        (datetime(2026, 1, 1, tzinfo=UTC), "yesterday", False),
        (Decimal("0.1"), 0.1, True),
        ({"a": True}, {"a": 1}, False),
    ],
)
def test_values_of_python_are_compared_as_json(
    expected: object,
    found: object,
    is_same: bool,  # noqa: FBT001 - a parameter
) -> None:
    assert same(expected, found) is is_same
