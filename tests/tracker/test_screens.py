"""Screens and what happens on them (events catalogue 5 and 21; core 8.2)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import CountedUuids, ManualClock
from tests.support.collector import entities, entity, session, unstructured
from tests.support.trackers import STATELESS, Wire, a_tracker, events_of

from whiteout import (
    Anonymisation,
    Background,
    ConfigurationError,
    Foreground,
    ListItemView,
    PageView,
    ScreenEnd,
    ScreenView,
    ScrollChanged,
    SelfDescribing,
    SelfDescribingJson,
    Structured,
    TrackerConfiguration,
    identifying_property,
)
from whiteout.events.schema import SCHEMAS
from whiteout.tracker.environment import Environment
from whiteout.tracker.states.fact import SCREEN_VIEW, Fact
from whiteout.tracker.states.screen_summary import ScreenSummaryMachine
from whiteout.tracker.states.states import FEATURES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whiteout import Event, Tracker

PLAIN = Structured(category="a", action="b")
HOME = "11111111-1111-4111-8111-111111111111"
CART = "22222222-2222-4222-8222-222222222222"


class Scene:
    """A tracker with screens and nothing else, its clock and what it sends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.wire = Wire()

    @contextmanager
    def tracker(self, **options: Any) -> Iterator[Tracker]:  # noqa: ANN401 - of the configuration
        """A tracker; what it tracked is delivered at its end."""
        chosen = {
            **STATELESS,
            "screen_context": True,
            "screen_engagement_autotracking": True,
            **options,
        }
        with a_tracker(
            self.wire.network,
            self.folder,
            TrackerConfiguration(platform_context=False, **chosen),
            environment=Environment(clock=self.clock, new_uuid=CountedUuids()),
        ) as running:
            yield running
            assert running.flush(10)

    @property
    def names(self) -> list[str]:
        """The kinds of the events sent, in the order of tracking."""
        return [name_of(event) for event in self.wire.events]

    def summaries(self) -> list[dict[str, Any] | None]:
        """The screen summary of each event."""
        return [entity(event, "screen_summary") for event in self.wire.events]


def name_of(event: dict[str, str]) -> str:
    return event["e"] if event["e"] != "ue" else unstructured(event)["schema"].split("/")[1]


def screens(scene: Scene) -> list[str | None]:
    found = [entity(event, "screen") for event in scene.wire.events]
    return [data["name"] if data is not None else None for data in found]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def home(**more: Any) -> ScreenView:  # noqa: ANN401 - of the event
    return ScreenView(name="home", screen_id=HOME, **more)


def cart(**more: Any) -> ScreenView:  # noqa: ANN401 - of the event
    return ScreenView(name="cart", screen_id=CART, **more)


# --- the screen ---------------------------------------------------------------------------------


def test_every_event_carries_the_screen_that_was_viewed_last(scene: Scene) -> None:
    with scene.tracker(screen_engagement_autotracking=False) as tracker:
        tracker.track(PLAIN)
        tracker.track(home(type="feed"))
        tracker.track(PLAIN)
        tracker.track(PageView(page_url="https://example.com"))
        tracker.track(cart())
        tracker.track(PLAIN)

    assert screens(scene) == [None, "home", "home", "home", "cart", "cart"]
    assert entity(scene.wire.events[2], "screen") == {"name": "home", "id": HOME, "type": "feed"}
    assert entity(scene.wire.events[5], "screen") == {"name": "cart", "id": CART}


def test_a_screen_without_an_id_has_the_same_made_up_one_everywhere(scene: Scene) -> None:
    with scene.tracker() as tracker:
        tracker.track(ScreenView(name="home"))
        tracker.track(PLAIN)

    body = unstructured(scene.wire.events[0])["data"]
    assert body.keys() == {"name", "id"}
    assert [entity(event, "screen") for event in scene.wire.events] == [body, body]


def test_a_screen_view_names_the_screen_before_as_far_as_it_does_not_say_so_itself(
    scene: Scene,
) -> None:
    with scene.tracker(screen_engagement_autotracking=False) as tracker:
        tracker.track(home(type="feed"))
        tracker.track(cart())
        tracker.track(home(previous_name="said by the app"))

    first, second, third = [unstructured(event)["data"] for event in scene.wire.events]
    assert first == {"name": "home", "id": HOME, "type": "feed"}
    assert second == {
        "name": "cart",
        "id": CART,
        "previousName": "home",
        "previousId": HOME,
        "previousType": "feed",
    }
    assert third == {
        "name": "home",
        "id": HOME,
        "previousName": "said by the app",
        "previousId": CART,
    }


def test_only_one_screen_before_is_remembered(scene: Scene) -> None:
    """The native trackers keep the chain of all screens of a run in memory."""
    with scene.tracker() as tracker:
        machine = tracker._passage.states._machines["screen_context"]
        for number in range(50):
            tracker.track(ScreenView(name=f"screen {number}"))

        kept = [value["name"] for value in vars(machine).values() if value is not None]
        assert sorted(kept) == ["screen 48", "screen 49"]


def test_a_generic_event_with_a_screen_views_schema_clears_the_screen_after_its_end(
    scene: Scene,
) -> None:
    """Machines are offered events by schema, and read those of the class (catalogue 3)."""
    with scene.tracker() as tracker:
        tracker.track(home())
        tracker.track(SelfDescribing(schema=SCREEN_VIEW, data={"name": "x", "id": CART}))
        tracker.track(PLAIN)
        tracker.track(cart())

    assert scene.names == [
        "screen_view",
        "screen_end",
        "screen_view",
        "se",
        "screen_end",
        "screen_view",
    ]
    assert screens(scene) == ["home", "home", None, None, None, "cart"]
    assert "previousId" not in unstructured(scene.wire.events[5])["data"]


class OfTheApp(ScreenView):
    """A screen view that an app has made its own."""


def test_a_subclass_of_a_screen_view_is_a_screen_view(scene: Scene) -> None:
    with scene.tracker() as tracker:
        tracker.track(OfTheApp(name="mine"))
        tracker.track(PLAIN)

    assert screens(scene) == ["mine", "mine"]


def test_entities_of_the_app_stay_beside_the_trackers(scene: Scene) -> None:
    mine = SelfDescribingJson("iglu:com.acme/user/jsonschema/1-0-0", {"plan": "gold"})
    with scene.tracker() as tracker:
        tracker.track(home(entities=[mine]))
        tracker.track(Structured(category="a", action="b", entities=[mine]))

    for event in scene.wire.events:
        schemas = [each["schema"].split("/")[1] for each in entities(event)]
        assert schemas == ["client_session", "user", "screen"]


def test_properties_that_the_app_marked_are_masked_in_what_machines_add(scene: Scene) -> None:
    vendor = "iglu:com.snowplowanalytics.mobile"
    marks = (
        identifying_property(f"{vendor}/screen", "name"),
        identifying_property(f"{vendor}/screen_view", "previousName"),
        identifying_property(f"{vendor}/screen_summary", "last_item_index"),
    )
    with scene.tracker(identifying_properties=marks, user_anonymisation=True) as tracker:
        tracker.track(home())
        tracker.track(ListItemView(index=4, items_count=9))
        tracker.track(cart())

    assert [entity(event, "screen") for event in scene.wire.events] == [
        {"id": HOME},
        {"id": HOME},
        {"id": CART},
    ]
    assert unstructured(scene.wire.events[2])["data"] == {
        "name": "cart",
        "id": CART,
        "previousId": HOME,
    }
    assert entity(scene.wire.events[1], "screen_summary") == {
        "foreground_sec": 0,
        "background_sec": 0,
        "items_count": 9,
    }


# --- ends and summaries ---------------------------------------------------------------------------


def test_number_1_a_summary_tells_foreground_from_background(scene: Scene) -> None:
    with scene.tracker() as tracker:
        tracker.track(home())
        scene.clock.advance(10)
        tracker.track(Background())
        scene.clock.advance(5)
        tracker.track(Foreground())

    assert scene.summaries() == [
        None,
        {"foreground_sec": 10, "background_sec": 0},
        {"foreground_sec": 10, "background_sec": 5},
    ]


def test_number_2_a_screen_ends_before_the_next_one_is_viewed(scene: Scene) -> None:
    """The end is an event of its own: its id, its time, its place in the session, its screen."""
    with scene.tracker() as tracker:
        first = tracker.track(home())
        scene.clock.advance(10)
        second = tracker.track(cart())

    view, end, last = scene.wire.events
    assert scene.names == ["screen_view", "screen_end", "screen_view"]
    assert scene.summaries() == [None, {"foreground_sec": 10, "background_sec": 0}, None]
    assert unstructured(end)["data"] == {}
    assert (view["eid"], last["eid"]) == (first, second)
    assert end["eid"] not in {first, second}
    assert end["dtm"] == last["dtm"] == str(int(view["dtm"]) + 10_000)
    assert [session(event)["eventIndex"] for event in scene.wire.events] == [1, 2, 3]
    assert screens(scene) == ["home", "home", "cart"]


def test_number_3_list_items_are_summed_up_and_not_sent(scene: Scene) -> None:
    with scene.tracker() as tracker:
        tracker.track(home())
        for index in (1, 3, 2):
            assert tracker.track(ListItemView(index=index, items_count=10)) is not None
        tracker.track(cart())

    assert scene.names == ["screen_view", "screen_end", "screen_view"]
    assert scene.summaries()[1] == {
        "foreground_sec": 0,
        "background_sec": 0,
        "last_item_index": 3,
        "items_count": 10,
    }


def test_number_4_scrolling_is_summed_up_by_axis(scene: Scene) -> None:
    with scene.tracker() as tracker:
        tracker.track(home())
        tracker.track(ScrollChanged(y_offset=10, view_height=20, content_height=100))
        tracker.track(
            ScrollChanged(
                x_offset=15,
                y_offset=30,
                view_width=15,
                view_height=20,
                content_width=200,
                content_height=100,
            )
        )
        tracker.track(ScrollChanged(y_offset=20, view_height=20, content_height=100))
        tracker.track(cart())

    assert scene.names == ["screen_view", "screen_end", "screen_view"]
    assert scene.summaries()[1] == {
        "foreground_sec": 0,
        "background_sec": 0,
        "min_y_offset": 10,
        "max_y_offset": 50,
        "min_x_offset": 15,
        "max_x_offset": 30,
        "content_width": 200,
        "content_height": 100,
    }


def test_what_is_kept_back_leaves_no_hole_in_the_session(scene: Scene) -> None:
    """In the native trackers the very first screen view is event 2 of its session."""
    with scene.tracker() as tracker:
        tracker.track(ScreenEnd())
        tracker.track(ListItemView(index=1))
        first = tracker.track(home())
        tracker.track(ScrollChanged(y_offset=1))
        tracker.track(PLAIN)

    assert scene.names == ["screen_view", "se"]
    sessions = [session(event) for event in scene.wire.events]
    assert [data["eventIndex"] for data in sessions] == [1, 2]
    assert {data["firstEventId"] for data in sessions} == {first}


def test_nothing_of_a_screen_is_in_the_summary_of_the_next(scene: Scene) -> None:
    with scene.tracker() as tracker:
        tracker.track(home())
        tracker.track(ListItemView(index=7))
        scene.clock.advance(3)
        tracker.track(cart())
        scene.clock.advance(2)
        tracker.track(home())

    assert scene.summaries()[3] == {"foreground_sec": 2, "background_sec": 0}


def test_a_clock_that_is_set_back_makes_no_negative_seconds(scene: Scene) -> None:
    with scene.tracker() as tracker:
        tracker.track(home())
        scene.clock.set_back(3600)
        scene.clock.advance(4)
        tracker.track(cart())

    assert scene.summaries()[1] == {"foreground_sec": 4, "background_sec": 0}


def test_an_end_by_hand_carries_the_summary_and_does_not_close_it(scene: Scene) -> None:
    with scene.tracker() as tracker:
        tracker.track(home())
        scene.clock.advance(1)
        tracker.track(ScreenEnd())
        scene.clock.advance(1)
        tracker.track(cart())

    assert scene.names == ["screen_view", "screen_end", "screen_end", "screen_view"]
    assert [data and data["foreground_sec"] for data in scene.summaries()] == [None, 1, 2, None]


def test_without_engagement_lists_and_scrolling_are_ordinary_events(scene: Scene) -> None:
    with scene.tracker(screen_engagement_autotracking=False) as tracker:
        tracker.track(home())
        tracker.track(ListItemView(index=1, items_count=2))
        tracker.track(ScrollChanged(y_offset=-5, content_height=100))
        tracker.track(cart())

    assert scene.names == ["screen_view", "list_item_view", "scroll_changed", "screen_view"]
    assert unstructured(scene.wire.events[1])["data"] == {"index": 1, "items_count": 2}
    assert unstructured(scene.wire.events[2])["data"] == {"y_offset": -5, "content_height": 100}
    assert scene.summaries() == [None] * 4


def test_switching_a_feature_acts_at_once_and_forgets_its_state(scene: Scene) -> None:
    """G13: a machine that is removed takes its state along; one that runs already keeps it."""
    with scene.tracker() as tracker:
        tracker.track(home())
        tracker.screen_context = False
        assert not tracker.screen_context
        tracker.track(PLAIN)
        tracker.screen_context = True
        tracker.track(PLAIN)
        tracker.screen_engagement_autotracking = False
        tracker.screen_engagement_autotracking = True
        tracker.track(cart())
        tracker.screen_engagement_autotracking = True  # runs already: nothing is lost
        tracker.track(home())

    assert scene.names == ["screen_view", "se", "se", "screen_view", "screen_end", "screen_view"]
    assert screens(scene) == ["home", None, None, "cart", "cart", "home"]


@pytest.mark.parametrize("option", FEATURES)
def test_a_switch_takes_nothing_but_true_and_false(scene: Scene, option: str) -> None:
    wrong: dict[str, Any] = {option: 1}
    with scene.tracker() as tracker, pytest.raises(ConfigurationError, match=option):
        setattr(tracker, option, "yes")
    with pytest.raises(ConfigurationError, match=option):
        TrackerConfiguration(**wrong)


def test_all_four_features_are_on_unless_the_app_says_otherwise(scene: Scene) -> None:
    """Reference 2.1."""
    with a_tracker(scene.wire.network, scene.folder, TrackerConfiguration()) as tracker:
        assert all(getattr(tracker, option) for option in FEATURES)


@pytest.mark.parametrize("level", [Anonymisation.USER, Anonymisation.SESSION, Anonymisation.FULL])
def test_an_event_on_another_side_passes_as_if_there_were_no_machines(
    scene: Scene, level: Anonymisation
) -> None:
    """It neither carries ids of the line nor moves its states, and what it says is not lost."""
    with scene.tracker() as tracker:
        tracker.track(home())
        apart = [
            tracker.track(event, anonymisation=level)
            for event in (PLAIN, cart(), ListItemView(index=9), ScreenEnd(), Background())
        ]
        tracker.track(PLAIN)
        tracker.track(cart())

    by_id = {event["eid"]: event for event in scene.wire.events}
    assert [name_of(by_id[str(event_id)]) for event_id in apart] == [
        "se",
        "screen_view",
        "list_item_view",
        "screen_end",
        "application_background",
    ]
    for event_id in apart:
        event = by_id.pop(str(event_id))
        assert entity(event, "screen") is None
        assert entity(event, "screen_summary") is None
        assert HOME not in str(unstructured(event) if event["e"] == "ue" else event)
    assert [name_of(event) for event in by_id.values()] == [
        "screen_view",
        "se",
        "screen_end",
        "screen_view",
    ]
    assert [session(event)["eventIndex"] for event in by_id.values()] == [1, 2, 3, 4]
    end = list(by_id.values())[2]
    assert entity(end, "screen_summary") == {"foreground_sec": 0, "background_sec": 0}


def test_server_anonymity_of_one_event_is_no_other_side(scene: Scene) -> None:
    with scene.tracker() as tracker:
        tracker.track(home())
        tracker.track(PLAIN, anonymisation=Anonymisation.SERVER)
        tracker.track(cart(), anonymisation=Anonymisation.SERVER)

    marked = [r for r in scene.wire.requests if r.headers.get("SP-Anonymous") == "*"]
    named = {name_of(event): event for request in marked for event in events_of(request)}
    assert sorted(named) == ["screen_end", "screen_view", "se"]
    assert entity(named["se"], "screen") == {"name": "home", "id": HOME}
    assert unstructured(named["screen_view"])["data"]["previousId"] == HOME


OFFSETS = st.none() | st.integers(-(2**31) + 1, 2**31 - 1)
SIZES = st.none() | st.integers(0, 2**31 - 1)
FACTS = st.one_of(
    st.builds(
        lambda **data: Fact(ScrollChanged.SCHEMA, {k: v for k, v in data.items() if v is not None}),
        x_offset=OFFSETS,
        y_offset=OFFSETS,
        view_width=SIZES,
        view_height=SIZES,
        content_width=SIZES,
        content_height=SIZES,
    ),
    st.builds(lambda index: Fact(ListItemView.SCHEMA, {"index": index}), st.integers(0, 65535)),
    st.sampled_from(
        [Background.SCHEMA, Foreground.SCHEMA, ScreenEnd.SCHEMA, ScreenView.SCHEMA]
    ).map(lambda schema: Fact(schema, {})),
)


@given(st.lists(st.tuples(FACTS, st.floats(-1e12, 1e12))))
def test_whatever_happens_on_a_screen_its_summary_is_valid(
    steps: list[tuple[Fact, float]],
) -> None:
    import jsonschema_rs  # noqa: PLC0415 - of the pipeline

    schema = dict(SCHEMAS["iglu:com.snowplowanalytics.mobile/screen_summary/jsonschema/1-0-0"])
    validator = jsonschema_rs.Draft4Validator(
        {key: value for key, value in schema.items() if key not in {"$schema", "self"}}
    )
    machine = ScreenSummaryMachine()
    machine.transition(Fact(SCREEN_VIEW, {}), 0.0)

    for fact, now_s in steps:
        machine.transition(fact, now_s)
        addition = machine.addition(fact)
        assert addition is not None
        assert addition.entity is not None
        assert validator.is_valid(addition.entity[1])


def test_events_refuse_what_their_schemas_do_not_allow() -> None:
    wrong: list[Any] = [
        lambda: ListItemView(index=65536),
        lambda: ListItemView(index=-1),
        lambda: ListItemView(index=1, items_count=65536),
        lambda: ScrollChanged(view_width=-1),
        lambda: ScrollChanged(x_offset=2**31),
        lambda: Background(background_index=-1),
        lambda: Foreground(foreground_index=2**31),
    ]
    for make in wrong:
        with pytest.raises(ConfigurationError):
            make()


def test_what_is_made_of_other_classes_costs_nothing_to_keep_apart(scene: Scene) -> None:
    """A class of the app's is looked at once, and is then known to move nothing."""

    class Mine(SelfDescribing):
        pass

    with scene.tracker() as tracker:
        moving = tracker._passage._moving
        event: Event = Mine(schema="iglu:com.acme/x/jsonschema/1-0-0", data={})
        tracker.track(event)

        assert moving[Mine] == ""
        assert moving.get(Structured, "unknown") == "unknown"
        tracker.track(PLAIN)
        assert moving[Structured] is None
