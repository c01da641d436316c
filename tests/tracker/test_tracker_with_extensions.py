"""Plugins and global contexts of a real tracker: what arrives, and what plugins are told."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.collector import Collector, entities, entity
from tests.support.extensions import FIRST, SECOND, an_entity
from tests.support.trackers import STATELESS, Wire, a_tracker

import whiteout
from whiteout import (
    Anonymisation,
    ConfigurationError,
    DropReason,
    FocalMeterConfiguration,
    GdprConfiguration,
    GlobalContext,
    GlobalContextsConfiguration,
    InspectableEvent,
    PluginConfiguration,
    SchemaRuleset,
    ScreenView,
    SelfDescribing,
    SelfDescribingJson,
    Structured,
    Timing,
    TrackerConfiguration,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCREENS = TrackerConfiguration(
    platform_context=False,
    **{**STATELESS, "screen_context": True, "screen_engagement_autotracking": True},
)
STRUCTURED = Structured(category="shop", action="look")


def described(schema: str = FIRST) -> SelfDescribing:
    return SelfDescribing(schema=schema, data={"x": 1})


def static(number: int, **options: Any) -> GlobalContext:  # noqa: ANN401 - options of it
    return GlobalContext(entities=[an_entity(number)], **options)


def gives(number: int) -> Callable[[InspectableEvent], list[SelfDescribingJson]]:
    return lambda _event: [an_entity(number)]


def numbers(event: dict[str, str]) -> list[int]:
    """Which of the entities that these tests attach an event carries."""
    return [item["data"]["number"] for item in entities(event) if "/entity/" in item["schema"]]


class Heard:
    """A function that is told of events."""

    def __init__(self) -> None:
        self.events: list[InspectableEvent] = []

    def __call__(self, event: InspectableEvent) -> None:
        self.events.append(event)

    @property
    def keys(self) -> list[str]:
        return [event.key for event in self.events]


# --- global contexts ------------------------------------------------------------------------------


def test_G1_tags_are_listed_added_once_and_removed(tmp_path: Path) -> None:  # noqa: N802 - its id
    first = static(1)
    contexts = GlobalContextsConfiguration(contexts={"a": first, "b": static(2), "c": static(3)})
    with a_tracker(Wire().network, tmp_path, contexts) as tracker:
        controller = tracker.global_contexts

        assert controller.tags == ("a", "b", "c")
        assert controller.remove("d") is None
        assert controller.remove("a") is first
        assert controller.add("a", first) is True
        assert controller.add("a", first) is False


def test_G2_contexts_come_and_go_while_the_tracker_runs(tmp_path: Path) -> None:  # noqa: N802
    wire = Wire()
    with a_tracker(wire.network, tmp_path) as tracker:
        tracker.track(STRUCTURED)
        assert tracker.global_contexts.add("a", static(1)) is True
        tracker.track(STRUCTURED)
        assert tracker.global_contexts.remove("a") is not None
        tracker.track(STRUCTURED)
        assert tracker.flush(10)

    assert [numbers(event) for event in wire.events] == [[], [1], []]


def test_G3_G4_G6_static_entities_filters_and_generators(tmp_path: Path) -> None:  # noqa: N802
    class Generator:
        def filter(self, event: InspectableEvent) -> bool:
            return event.name == "se"

        def generate(self, event: InspectableEvent) -> list[SelfDescribingJson]:
            return [an_entity(5, category=event.parameters["se_ca"])]

    wire = Wire()
    contexts = GlobalContextsConfiguration(
        contexts={
            "static": static(1),
            "matching": static(2, filter=lambda event: event.parameters.get("se_ca") == "shop"),
            "never": static(3, filter=lambda _event: False),
            "function": GlobalContext(generator=gives(4)),
            "object": GlobalContext(generator=Generator()),
        }
    )
    with a_tracker(wire.network, tmp_path, contexts) as tracker:
        tracker.track(STRUCTURED)
        tracker.track(described())
        assert tracker.flush(10)

    assert [numbers(event) for event in wire.events] == [[1, 2, 4, 5], [1, 4]]
    assert entities(wire.events[0])[-1]["data"] == {"number": 5, "category": "shop"}


def test_G5_G7_G8_rules_choose_by_schema_and_what_denies_is_stronger(  # noqa: N802 - their ids
    tmp_path: Path,
) -> None:
    def chosen(**rules: list[str]) -> GlobalContext:
        return static(1, ruleset=SchemaRuleset(**rules))

    mobile = "iglu:com.snowplowanalytics.mobile/*/jsonschema/*-*-*"
    wire = Wire()
    with a_tracker(wire.network, tmp_path) as tracker:
        for context in (
            chosen(allow=["iglu:com.snowplowanalytics.*/*/jsonschema/*-*-*"], deny=[mobile]),
            chosen(deny=[mobile]),
            chosen(allow=["iglu:com.acme/*/jsonschema/*-*-*"]),
        ):
            tracker.global_contexts.add("x", context)
            for event in (
                STRUCTURED,
                ScreenView(name="s"),
                Timing(category="c", variable="v", timing=1),
                described(),
            ):
                tracker.track(event)
            tracker.global_contexts.remove("x")
        assert tracker.flush(10)

    attached = [bool(numbers(event)) for event in wire.events]
    assert attached[:4] == [False, False, True, False]  # both
    assert attached[4:8] == [False, False, True, True]  # deny only
    assert attached[8:] == [False, False, False, True]  # allow only


# --- plugins --------------------------------------------------------------------------------------


def test_G9_entities_of_several_plugins_are_attached_to_the_events_they_list(  # noqa: N802
    tmp_path: Path,
) -> None:
    wire = Wire()
    with a_tracker(
        wire.network,
        tmp_path,
        PluginConfiguration(identifier="all", entities=gives(1)),
        PluginConfiguration(identifier="first", entities=gives(2), entities_schemas=[FIRST]),
        PluginConfiguration(identifier="none", entities=gives(3), entities_schemas=[]),
    ) as tracker:
        assert tracker.plugins.identifiers == ("all", "first", "none")
        tracker.track(described(FIRST))
        tracker.track(described(SECOND))
        assert tracker.flush(10)

    assert [numbers(event) for event in wire.events] == [[1, 2], [1]]


def test_G10_G11_after_track_is_told_of_what_it_lists_while_it_is_there(  # noqa: N802
    tmp_path: Path,
) -> None:
    first, structured, late = Heard(), Heard(), Heard()
    with a_tracker(
        Wire().network,
        tmp_path,
        PluginConfiguration(identifier="a", after_track=first, after_track_schemas=[FIRST]),
        PluginConfiguration(identifier="b", after_track=structured, after_track_schemas=["se"]),
    ) as tracker:
        for event in (described(FIRST), described(SECOND), STRUCTURED):
            tracker.track(event)
        tracker.plugins.add(PluginConfiguration(identifier="late", after_track=late))
        tracker.track(described(SECOND))
        tracker.close(10)

    assert (first.keys, structured.keys, late.keys) == ([FIRST], ["se"], [SECOND])


def test_G11_a_plugin_that_is_removed_adds_and_vetoes_no_more(tmp_path: Path) -> None:  # noqa: N802
    wire = Wire()
    plugin = PluginConfiguration(identifier="x", entities=gives(1), filter=lambda _event: False)
    with a_tracker(wire.network, tmp_path, plugin) as tracker:
        tracker.track(STRUCTURED)
        assert tracker.plugins.remove("x") is True
        assert tracker.plugins.remove("x") is False
        tracker.track(STRUCTURED)
        assert tracker.flush(10)

    assert [numbers(event) for event in wire.events] == [[]]


def test_G12_a_vetoed_event_keeps_its_id_and_reaches_nothing(tmp_path: Path) -> None:  # noqa: N802
    """It moves no session and no screen, and is no loss: the app's own filter kept it back."""
    wire, heard = Wire(), Heard()
    with a_tracker(
        wire.network,
        tmp_path,
        SCREENS,
        PluginConfiguration(
            identifier="x",
            filter=lambda event: event.payload.get("name") != "secret",
            after_track=heard,
        ),
    ) as tracker:
        tracker.track(ScreenView(name="start"))
        assert tracker.track(ScreenView(name="secret")) is not None
        tracker.track(STRUCTURED)
        assert tracker.close(10)
        assert tracker.drops == {}

    assert "secret" not in str([*map(entities, wire.events), heard.events, wire.requests])
    assert len(wire.events) == len(heard.events) == 2
    screen = entity(wire.events[1], "screen")
    assert screen is not None
    assert screen["name"] == "start"
    session = entity(wire.events[1], "client_session")
    assert session is not None
    assert session["eventIndex"] == 2


def test_a_filter_that_fails_vetoes_and_the_drop_is_counted(tmp_path: Path) -> None:
    wire = Wire()
    plugin = PluginConfiguration(identifier="x", filter=lambda event: event.payload["missing"])
    with a_tracker(wire.network, tmp_path, plugin) as tracker:
        tracker.track(STRUCTURED)
        assert tracker.flush(10)

        assert tracker.drops == {DropReason.FILTER_FAILED: 1}
        assert tracker.plugins.faults == {"x": 1}
    assert wire.events == []


def test_a_plugin_that_raises_harms_no_event(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(event: InspectableEvent) -> list[SelfDescribingJson]:
        raise RuntimeError(str(event.parameters))

    wire = Wire()
    with (
        caplog.at_level(logging.DEBUG),
        a_tracker(
            wire.network,
            tmp_path,
            PluginConfiguration(identifier="x", entities=fail, after_track=fail),
            PluginConfiguration(identifier="y", entities=gives(1)),
        ) as tracker,
    ):
        tracker.track(Structured(category="canary", action="look"))
        tracker.close(10)
        assert tracker.plugins.faults == {"x": 2}

    assert [numbers(event) for event in wire.events] == [[1]]
    assert "canary" not in caplog.text


def test_an_event_that_is_dropped_is_told_to_nobody(tmp_path: Path) -> None:
    heard = Heard()
    plugin = PluginConfiguration(identifier="x", after_track=heard)
    with a_tracker(Wire().network, tmp_path, plugin) as tracker:
        tracker.track(SelfDescribing(schema=FIRST, data={"x": "y" * 1_100_000}))
        tracker.track(STRUCTURED)
        tracker.close(10)
        assert tracker.drops == {DropReason.TOO_LARGE: 1}

    assert heard.keys == ["se"]


def test_plugins_may_track_and_are_not_told_of_that_again(tmp_path: Path) -> None:
    wire = Wire()

    def echo(event: InspectableEvent) -> None:
        tracker.track(Structured(category="echo", action=event.name))

    plugin = PluginConfiguration(identifier="x", after_track=echo)
    with a_tracker(wire.network, tmp_path, plugin) as tracker:
        tracker.track(described())
        assert tracker.close(10)

    assert [event.get("se_ac") for event in wire.events] == [None, "ue"]


def test_a_plugin_may_do_anything_with_the_tracker_without_a_deadlock(tmp_path: Path) -> None:
    """Nothing of the app's runs under a lock of the tracker's: not even as a level changes."""
    wire = Wire()
    answers: list[object] = []
    used = threading.Event()

    def use(event: InspectableEvent) -> list[SelfDescribingJson]:
        def elsewhere() -> None:
            tracker.session_context = not tracker.session_context
            tracker.anonymisation = Anonymisation.NONE
            answers.append(tracker.decorate_link("https://h/"))

        if "/screen_end/" in event.key and not used.is_set():
            used.set()
            thread = threading.Thread(target=elsewhere, daemon=True)
            thread.start()
            thread.join(5)
            answers.append(thread.is_alive())
        return []

    plugin = PluginConfiguration(identifier="x", entities=use)
    with a_tracker(wire.network, tmp_path, SCREENS, plugin) as tracker:
        tracker.track(ScreenView(name="start"))
        tracker.anonymisation = Anonymisation.FULL

        assert answers
        assert True not in answers
        assert tracker.anonymisation is Anonymisation.FULL


def test_the_end_of_a_screen_is_told_and_can_be_vetoed(tmp_path: Path) -> None:
    wire, heard = Wire(), Heard()
    plugin = PluginConfiguration(identifier="x", entities=gives(1), after_track=heard)
    with a_tracker(wire.network, tmp_path, SCREENS, plugin) as tracker:
        tracker.track(ScreenView(name="first"))
        tracker.track(ScreenView(name="second"))
        tracker.anonymisation = Anonymisation.FULL  # ends the second
        tracker.plugins.add(PluginConfiguration(identifier="no", filter=lambda _event: False))
        tracker.anonymisation = Anonymisation.NONE
        tracker.close(10)

    kinds = [key.split("/")[1] for key in heard.keys]
    assert kinds == ["screen_view", "screen_end", "screen_view", "screen_end"]
    assert [numbers(event) for event in wire.events] == [[1]] * 4
    assert all("SP-Anonymous" not in request.headers for request in wire.requests)


# --- the tracker's life ---------------------------------------------------------------------------


def plugin_threads() -> set[threading.Thread]:
    """Those that run; other tests may have left some."""
    return {thread for thread in threading.enumerate() if thread.name == "whiteout-plugins"}


def test_a_tracker_without_plugins_makes_nothing_for_them(tmp_path: Path) -> None:
    before = plugin_threads()
    with a_tracker(Wire().network, tmp_path) as tracker:
        tracker.track(STRUCTURED)

        assert tracker._passage.extensions is None
        assert plugin_threads() == before


def test_after_track_runs_on_a_thread_of_the_tracker_and_close_waits_for_it(
    tmp_path: Path,
) -> None:
    before = plugin_threads()
    threads: list[str] = []

    def slow(_event: InspectableEvent) -> None:
        time.sleep(0.002)
        threads.append(threading.current_thread().name)

    plugin = PluginConfiguration(identifier="x", after_track=slow)
    with a_tracker(Wire().network, tmp_path, plugin) as tracker:
        for _ in range(100):
            tracker.track(STRUCTURED)
        tracker.close(20)

    assert threads == ["whiteout-plugins"] * 100
    assert plugin_threads() <= before


def test_a_plugin_that_hangs_does_not_hold_up_a_close(tmp_path: Path) -> None:
    release = threading.Event()
    plugin = PluginConfiguration(identifier="x", after_track=lambda _event: release.wait(20))
    with a_tracker(Wire().network, tmp_path, plugin) as tracker:
        tracker.track(STRUCTURED)
        started_s = time.monotonic()
        tracker.close(0)
        took_s = time.monotonic() - started_s
        release.set()

    assert took_s < 2


def test_L26_controllers_of_a_closed_tracker_are_inert(tmp_path: Path) -> None:  # noqa: N802
    plugin = PluginConfiguration(identifier="x", entities=gives(1))
    with a_tracker(Wire().network, tmp_path, plugin) as tracker:
        plugins, contexts = tracker.plugins, tracker.global_contexts
        tracker.close(0)

        plugins.add(PluginConfiguration(identifier="y", entities=gives(2)))
        assert plugins.remove("x") is False
        assert contexts.add("z", static(3)) is False
        assert contexts.remove("z") is None
        assert (plugins.identifiers, contexts.tags) == (("x",), ())


def test_L26_controllers_that_a_closed_tracker_makes_are_inert(tmp_path: Path) -> None:  # noqa: N802
    with a_tracker(Wire().network, tmp_path) as tracker:
        tracker.close(0)

        tracker.plugins.add(PluginConfiguration(identifier="y", entities=gives(2)))
        assert tracker.global_contexts.add("z", static(3)) is False
        assert tracker.plugins.identifiers == ()


def test_nobody_is_told_of_what_was_forgotten_or_withdrawn(tmp_path: Path) -> None:
    release, begun, heard = threading.Event(), threading.Event(), Heard()

    def hold(event: InspectableEvent) -> None:
        begun.set()
        release.wait(20)
        heard(event)

    plugin = PluginConfiguration(identifier="x", after_track=hold)
    with a_tracker(Wire().network, tmp_path, plugin) as tracker:
        tracker.track(STRUCTURED)  # the one that is held
        assert begun.wait(10)
        tracker.track(described(FIRST))
        tracker.set_anonymisation(Anonymisation.FULL, pending="drop")
        tracker.track(described(SECOND))
        tracker.forget()
        tracker.track(Structured(category="c", action="last"))
        release.set()
        tracker.close(10)

    assert heard.keys == ["se", "se"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_goes_on_with_its_plugins_and_nothing_queued(tmp_path: Path) -> None:
    told = tmp_path / "told"
    release, begun = threading.Event(), threading.Event()

    def follow(event: InspectableEvent) -> None:
        begun.set()
        release.wait(20)
        with told.open("a") as file:
            file.write(f"{os.getpid()} {event.parameters['se_ac']}\n")

    with Collector() as collector:
        plugin = PluginConfiguration(identifier="x", entities=gives(1), after_track=follow)
        with a_tracker(collector.url, tmp_path / "store", plugin) as tracker:
            tracker.track(Structured(category="c", action="held"))
            assert begun.wait(10)
            tracker.track(Structured(category="c", action="queued"))
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    release.set()
                    tracker.track(Structured(category="c", action="child"))
                    status = 0 if tracker.close(10) else 2
                finally:
                    os._exit(status)
            _, status = os.waitpid(child, 0)
            release.set()
            assert tracker.close(10)

        assert os.waitstatus_to_exitcode(status) == 0
        assert sorted(told.read_text().splitlines()) == sorted(
            [f"{os.getpid()} held", f"{os.getpid()} queued", f"{child} child"]
        )
        assert collector.wait_for_events(3)
        assert [numbers(event) for event in collector.events] == [[1]] * 3


# --- configuration --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("configurations", "message"),
    [
        ([PluginConfiguration(identifier="a", entities=gives(1))] * 2, "'a' twice"),
        ([GlobalContextsConfiguration()] * 2, "one GlobalContextsConfiguration, got two"),
        ([FocalMeterConfiguration(kantar_endpoint="h")] * 2, "one FocalMeterConfiguration"),
        (
            [
                FocalMeterConfiguration(kantar_endpoint="h"),
                PluginConfiguration(identifier="KantarFocalMeter", entities=gives(1)),
            ],
            "'KantarFocalMeter' twice",
        ),
        ([static(1)], "got GlobalContext"),
    ],
)
def test_what_is_wrong_leaves_the_running_tracker_alone(
    tmp_path: Path, configurations: list[Any], message: str
) -> None:
    wire = Wire()
    with a_tracker(wire.network, tmp_path) as tracker:
        with pytest.raises(ConfigurationError, match=message):
            whiteout.create_tracker("app", wire.network, *configurations)

        assert whiteout.get_tracker("app") is tracker
        assert tracker.is_tracking


# --- a tracker made again -----------------------------------------------------------------------


def test_a_tracker_made_again_keeps_what_the_app_has_put_into_it(tmp_path: Path) -> None:
    """A filter that kept something back does so on; what was added live stays as well."""
    wire = Wire()
    meter = FocalMeterConfiguration(kantar_endpoint="https://meter.invalid")
    said = (
        PluginConfiguration(identifier="veto", filter=lambda event: event.name != "pp"),
        PluginConfiguration(identifier="gone", entities=gives(9)),
        GlobalContextsConfiguration(contexts={"one": static(1)}),
        meter,
    )
    with a_tracker(wire.network, tmp_path, *said) as first:
        first.plugins.add(PluginConfiguration(identifier="live", entities=gives(2)))
        first.global_contexts.add("two", static(3))
        first.plugins.remove("gone")
        identifiers = first.plugins.identifiers
        more = PluginConfiguration(identifier="more", entities=gives(4))
        with a_tracker(wire.network, tmp_path, more) as again:
            assert set(again.plugins.identifiers) == {*identifiers, "more"}
            assert again.global_contexts.tags == ("one", "two")
            again.track(STRUCTURED)
            assert again.flush(10)

    assert sorted(numbers(wire.events[-1])) == [1, 2, 3, 4]


def test_what_is_said_again_takes_the_place_of_what_had_its_name(tmp_path: Path) -> None:
    wire = Wire()
    said = (
        PluginConfiguration(identifier="one", entities=gives(1)),
        GlobalContextsConfiguration(contexts={"two": static(2), "three": static(3)}),
    )
    with a_tracker(wire.network, tmp_path, *said):
        now = (
            PluginConfiguration(identifier="two", entities=gives(22)),
            GlobalContextsConfiguration(contexts={"one": static(11)}),
        )
        with a_tracker(wire.network, tmp_path, *now) as again:
            again.track(STRUCTURED)
            assert again.flush(10)
            assert again.plugins.identifiers == ("two",)
            assert set(again.global_contexts.tags) == {"one", "three"}

    assert sorted(numbers(wire.events[-1])) == [3, 11, 22]


def test_the_legal_basis_is_as_a_tracker_made_again_says(tmp_path: Path) -> None:
    wire = Wire()
    basis = GdprConfiguration(basis_for_processing="contract")
    with a_tracker(wire.network, tmp_path, basis) as first:
        assert first.gdpr.is_enabled
        with a_tracker(wire.network, tmp_path) as again:
            assert not again.gdpr.is_enabled
