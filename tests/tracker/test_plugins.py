"""Plugins: what they add, veto and follow, and that none of them can harm an event."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from tests.support.clock import ManualClock
from tests.support.extensions import (
    FIRST,
    SECOND,
    an_entity,
    data_of,
    described,
    extensions,
    structured,
)

from whiteout.anonymisation import Gate
from whiteout.errors import ConfigurationError
from whiteout.tracker.counters import Counters, DropReason
from whiteout.tracker.extensions import MAX_QUEUED, Extensions
from whiteout.tracker.global_contexts import GlobalContext, GlobalContextsConfiguration
from whiteout.tracker.plugins import PluginConfiguration, PluginsController

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout import SelfDescribingJson
    from whiteout.tracker.inspectable import InspectableEvent


def gives(number: int) -> Callable[[InspectableEvent], list[SelfDescribingJson]]:
    return lambda _event: [an_entity(number)]


def raises(_event: InspectableEvent) -> NoReturn:
    raise RuntimeError("canary")


class App:
    """As much of a tracker as plugins can see: `track`, with its guard against what is removed.

    What passes is in `tracked`, in order.
    """

    def __init__(self) -> None:
        self.tracked: list[InspectableEvent] = []
        self.extensions = extensions()

    def track(self, event: InspectableEvent) -> None:
        extended = self.extensions.extend(event)
        if extended is not None:
            self.tracked.append(extended)
            self.extensions.after_track(extended)

    def names(self) -> list[str]:
        return [event.key for event in self.tracked]


def test_no_plugins_cost_nothing_but_a_look() -> None:
    made = extensions()

    assert made.is_empty
    made.add_plugin(PluginConfiguration(identifier="a", entities=gives(1)))
    assert not made.is_empty
    made.remove_plugin("a")
    assert made.is_empty


def test_entities_of_several_plugins_are_attached_to_the_events_they_list() -> None:
    """G9."""
    made = extensions(
        PluginConfiguration(identifier="all", entities=gives(1)),
        PluginConfiguration(identifier="first", entities=gives(2), entities_schemas=[FIRST]),
        PluginConfiguration(
            identifier="structured", entities=gives(3), entities_schemas=["se", SECOND]
        ),
        PluginConfiguration(identifier="none", entities=gives(4), entities_schemas=[]),
    )

    numbers = [
        [data["number"] for data in data_of(made.extend(event))]
        for event in (described(FIRST), described(SECOND), structured())
    ]

    assert numbers == [[1, 2], [1, 3], [1, 3]]


def test_after_track_is_called_for_the_events_it_lists() -> None:
    """G10."""
    called: dict[str, list[str]] = {"first": [], "structured": []}
    made = extensions(
        PluginConfiguration(
            identifier="first",
            after_track=lambda event: called["first"].append(event.key),
            after_track_schemas=[FIRST],
        ),
        PluginConfiguration(
            identifier="structured",
            after_track=lambda event: called["structured"].append(event.key),
            after_track_schemas=["se"],
        ),
    )

    for event in (described(FIRST), described(SECOND), structured()):
        made.after_track(event)
    assert called == {"first": [], "structured": []}
    assert made.run_after_track() == 2

    assert called == {"first": [FIRST], "structured": ["se"]}


def test_plugins_come_and_go_while_the_tracker_runs() -> None:
    """G11; one that is removed is not told of what is still queued."""
    called: list[str] = []
    made = extensions()
    controller = PluginsController(made)
    controller.add(
        PluginConfiguration(identifier="x", after_track=lambda event: called.append(event.key))
    )

    made.after_track(described(FIRST))
    made.run_after_track()
    made.after_track(described(SECOND))
    assert controller.remove("x") is True
    made.run_after_track()
    made.after_track(described(FIRST))
    made.run_after_track()

    assert called == [FIRST]
    assert controller.identifiers == ()
    assert controller.remove("x") is False


def test_a_filter_keeps_events_from_everything_behind_it() -> None:
    """G12."""
    app = App()
    called: list[str] = []
    app.extensions.add_plugin(
        PluginConfiguration(
            identifier="x",
            filter=lambda _event: False,
            filter_schemas=[FIRST],
            after_track=lambda event: called.append(event.key),
        )
    )

    app.track(described(FIRST))
    app.track(described(SECOND))
    app.extensions.run_after_track()

    assert called == app.names() == [SECOND]


def test_a_filter_sees_what_all_plugins_attach() -> None:
    seen: list[int] = []
    made = extensions(
        PluginConfiguration(
            identifier="f",
            filter=lambda event: not seen.append(len(event.entities)),  # type: ignore[func-returns-value] # short
        ),
        PluginConfiguration(identifier="e", entities=gives(1)),
        g=GlobalContext(entities=[an_entity(2)]),
    )

    made.extend(structured())

    assert seen == [2]


def test_the_first_veto_decides() -> None:
    asked: list[str] = []

    def answering(name: str, *, answer: bool) -> PluginConfiguration:
        return PluginConfiguration(
            identifier=name,
            filter=lambda _event: bool(asked.append(name)) or answer,  # type: ignore[func-returns-value] # short
        )

    made = extensions(
        answering("a", answer=True), answering("b", answer=False), answering("c", answer=True)
    )

    assert made.extend(structured()) is None
    assert asked == ["a", "b"]


def test_adding_replaces_what_has_the_same_identifier() -> None:
    made = extensions(
        PluginConfiguration(identifier="a", entities=gives(1)),
        PluginConfiguration(identifier="b", entities=gives(2)),
    )

    made.add_plugin(PluginConfiguration(identifier="a", entities=gives(3)))

    assert made.identifiers() == ("b", "a")
    assert data_of(made.extend(structured())) == [{"number": 2}, {"number": 3}]


def test_an_identifier_that_is_there_twice_is_an_error() -> None:
    plugin = PluginConfiguration(identifier="a", entities=gives(1))
    contexts = GlobalContextsConfiguration(contexts={"a": GlobalContext(entities=[])})

    with pytest.raises(ConfigurationError, match="'a' twice"):
        extensions(plugin, plugin)
    with pytest.raises(ConfigurationError, match="'a' twice"):
        Extensions(Gate(), Counters(ManualClock()), plugins=[plugin], contexts=contexts)


async def _asynchronous(_event: InspectableEvent) -> bool:
    return True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "needs entities, filter or after_track"),
        ({"identifier": "", "filter": raises}, "identifier must be a text"),
        ({"identifier": "x" * 256, "filter": raises}, "identifier must be a text"),
        ({"filter": 5}, "filter must be a function"),
        ({"filter": _asynchronous}, "filter must be a plain function"),
        ({"after_track": raises, "after_track_schemas": FIRST}, "must be a list"),
        ({"filter": raises, "filter_schemas": ["iglu:com.acme/*/jsonschema/*-*-*"]}, "wildcards"),
        ({"filter": raises, "filter_schemas": [FIRST + "\n"]}, "must hold schemas"),
        ({"filter": raises, "filter_schemas": ["structured"]}, "event names"),
        ({"filter": raises, "filter_schemas": [None]}, "NoneType"),
    ],
)
def test_a_plugin_that_is_wrong_is_an_error(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        PluginConfiguration(**{"identifier": "x", **arguments})


def test_what_is_no_plugin_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="PluginConfiguration"):
        PluginsController(extensions()).add("x")  # type: ignore[arg-type] # the mistake


# --- plugins that fail ----------------------------------------------------------------------------


def test_a_plugin_that_raises_does_not_harm_the_event_or_the_others() -> None:
    told: list[str] = []
    made = extensions(
        PluginConfiguration(identifier="bad", entities=raises, after_track=raises),
        PluginConfiguration(
            identifier="good", entities=gives(1), after_track=lambda event: told.append(event.key)
        ),
    )

    extended = made.extend(structured())
    assert extended is not None
    made.after_track(extended)
    made.run_after_track()

    assert data_of(extended) == [{"number": 1}]
    assert told == ["se"]
    assert PluginsController(made).faults == {"bad": 2}


@pytest.mark.parametrize("fails", [raises, lambda _event: None, lambda _event: 1])
def test_a_filter_that_fails_vetoes(fails: Callable[[InspectableEvent], Any]) -> None:
    """Nobody knows what it would have kept back: not tracking is the more private choice."""
    counters = Counters(ManualClock())
    made = Extensions(Gate(), counters, plugins=[PluginConfiguration(identifier="f", filter=fails)])

    assert made.extend(structured()) is None
    assert made.faults() == {"f": 1}
    assert counters.drops() == {DropReason.FILTER_FAILED: 1}


def test_a_plugin_is_warned_of_once_a_minute_without_its_data(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = extensions(
        PluginConfiguration(identifier="x", entities=raises),
        PluginConfiguration(identifier="y", entities=raises),
    )

    for _ in range(5):
        made.extend(structured("canary"))

    assert [record.getMessage() for record in caplog.records] == [
        "plugin 'x': entities failed: RuntimeError",
        "plugin 'y': entities failed: RuntimeError",
    ]
    assert made.faults() == {"x": 5, "y": 5}


def test_a_queue_that_is_full_takes_no_more_and_counts() -> None:
    told: list[int] = []
    made = extensions(
        PluginConfiguration(identifier="slow", after_track=lambda _event: told.append(1))
    )

    for _ in range(MAX_QUEUED + 5):
        made.after_track(structured())

    assert made.faults() == {"slow": 5}
    assert made.run_after_track() == len(told) == MAX_QUEUED
    made.after_track(structured())
    assert made.run_after_track() == 1


def test_a_queue_is_bounded_in_bytes_too() -> None:
    made = extensions(PluginConfiguration(identifier="slow", after_track=lambda _event: None))
    large = structured("x" * 900_000)

    for _ in range(30):
        made.after_track(large)

    assert 16 <= made.run_after_track() <= 18


def test_events_that_are_forgotten_are_told_to_nobody() -> None:
    told: list[int] = []
    made = extensions(
        PluginConfiguration(identifier="x", after_track=lambda _event: told.append(1))
    )
    made.after_track(structured())

    made.forget()

    assert made.run_after_track() == 0
    assert told == []


# --- plugins that track ---------------------------------------------------------------------------


def test_a_plugin_may_track_and_is_not_asked_about_that_event_again() -> None:
    """In each of its functions; the others are asked."""
    app = App()
    calls: list[str] = []

    def entities(event: InspectableEvent) -> list[SelfDescribingJson]:
        calls.append(f"entities {event.key}")
        app.track(described(FIRST))
        return [an_entity(1)]

    app.extensions.add_plugin(PluginConfiguration(identifier="x", entities=entities))
    app.extensions.add_plugin(PluginConfiguration(identifier="y", entities=gives(2)))

    app.track(structured())

    assert calls == ["entities se"]
    assert app.names() == [FIRST, "se"]
    assert [data_of(event) for event in app.tracked] == [
        [{"number": 2}],
        [{"number": 1}, {"number": 2}],
    ]


def test_a_plugin_that_tracks_after_each_event_does_not_go_on_for_ever() -> None:
    app = App()
    app.extensions.add_plugin(
        PluginConfiguration(identifier="x", after_track=lambda _event: app.track(described(FIRST)))
    )

    app.track(structured())

    assert app.extensions.run_after_track() == 1
    assert app.extensions.run_after_track() == 0
    assert app.names() == ["se", FIRST]


def test_plugins_that_track_for_each_other_come_to_an_end() -> None:
    """Every function of every plugin tracks: a storm, but one that is over."""
    app = App()

    def tracks(_event: InspectableEvent) -> list[SelfDescribingJson]:
        app.track(described(SECOND))
        return []

    def tracks_and_passes(_event: InspectableEvent) -> bool:
        app.track(described(FIRST))
        return True

    for name in "ab":
        app.extensions.add_plugin(
            PluginConfiguration(
                identifier=name, entities=tracks, filter=tracks_and_passes, after_track=tracks
            )
        )

    app.track(structured())
    app.extensions.run_after_track()

    assert "se" in app.names()
    assert len(app.tracked) < 2000
    assert app.extensions.run_after_track() == 0


def test_a_filter_is_asked_again_once_it_is_through() -> None:
    """The guard ends with the function, also where it ends by an exception."""
    asked: list[str] = []

    def raises_once(event: InspectableEvent) -> bool:
        asked.append(event.key)
        if len(asked) == 1:
            raise RuntimeError
        return True

    made = extensions(PluginConfiguration(identifier="x", filter=raises_once))

    assert made.extend(structured()) is None
    assert made.extend(structured()) is not None
    assert asked == ["se", "se"]


def test_a_plugin_may_remove_itself() -> None:
    made = extensions()

    def once(_event: InspectableEvent) -> list[SelfDescribingJson]:
        made.remove_plugin("x")
        return [an_entity()]

    made.add_plugin(PluginConfiguration(identifier="x", entities=once))

    assert data_of(made.extend(structured())) == [{"number": 1}]
    assert data_of(made.extend(structured())) == []


# --- threads --------------------------------------------------------------------------------------


def test_plugins_come_and_go_while_other_threads_track() -> None:
    """Each event meets all of a plugin or nothing of it, and the one that stays always."""
    made = extensions(PluginConfiguration(identifier="stays", entities=gives(0)))
    is_over = threading.Event()
    wrong: list[object] = []

    def track() -> None:
        while not is_over.is_set():
            numbers = [data["number"] for data in data_of(made.extend(structured()))]
            if numbers[:1] != [0] or len(numbers) != len(set(numbers)):
                wrong.append(numbers)
            made.after_track(structured())
            made.run_after_track()

    def change(number: int) -> None:
        name = f"plugin {number}"
        for _ in range(300):
            made.add_plugin(
                PluginConfiguration(
                    identifier=name, entities=gives(number), after_track=lambda _event: None
                )
            )
            made.add_context(f"context {number}", GlobalContext(entities=[an_entity(-number)]))
            if not made.remove_plugin(name) or made.remove_context(f"context {number}") is None:
                wrong.append(name)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        trackers = [threading.Thread(target=track) for _ in range(2)]
        changers = [threading.Thread(target=change, args=(number,)) for number in (1, 2)]
        for thread in (*trackers, *changers):
            thread.start()
        for thread in changers:
            thread.join(30)
        is_over.set()
        for thread in trackers:
            thread.join(30)
    finally:
        sys.setswitchinterval(before)

    assert wrong == []
    assert made.identifiers() == ("stays",)
    assert made.tags() == ()
    assert made.faults() == {}


def test_without_a_thread_of_the_tracker_s_a_thread_of_its_own_tells() -> None:
    told: list[str] = []
    is_told = threading.Event()

    def tell(_event: InspectableEvent) -> None:
        told.append(threading.current_thread().name)
        is_told.set()

    made = extensions(PluginConfiguration(identifier="x", after_track=tell), wake=None)
    for _ in range(3):
        is_told.clear()
        made.after_track(structured())
        assert is_told.wait(10)

    assert made.close(10)
    assert told == ["whiteout-plugins"] * 3


def test_close_tells_of_what_is_queued_and_then_does_nothing_more() -> None:
    told: list[int] = []
    made = extensions(
        PluginConfiguration(identifier="x", after_track=lambda _event: told.append(1)), wake=None
    )
    for _ in range(100):
        made.after_track(structured())

    assert made.close(10) is True
    made.after_track(structured())
    made.add_plugin(PluginConfiguration(identifier="y", entities=gives(1)))

    assert len(told) == 100
    assert made.close(10) is True
    assert made.run_after_track() == 0
    assert made.identifiers() == ("x",)
    assert made.remove_plugin("x") is False


def test_close_does_not_wait_longer_than_it_is_told_to() -> None:
    release = threading.Event()
    made = extensions(
        PluginConfiguration(identifier="x", after_track=lambda _event: release.wait(20)), wake=None
    )
    made.after_track(structured())

    started = time.monotonic()
    assert made.close(0.05) is False
    assert time.monotonic() - started < 5
    release.set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_tells_of_its_own_events_only() -> None:
    read, write = os.pipe()
    release = threading.Event()

    def tell(event: InspectableEvent) -> None:
        os.write(write, f"{event.payload['se_ca']} ".encode())
        assert release.wait(20)

    made = extensions(PluginConfiguration(identifier="x", after_track=tell), wake=None)
    made.after_track(structured("busy"))
    assert os.read(read, 100) == b"busy "
    made.after_track(structured("parent"))  # waits behind the one that is being told of
    pid = os.fork()
    if pid == 0:
        release.set()
        made.after_fork()
        made.after_track(structured("child"))
        os._exit(0 if made.close(10) else 1)
    status = os.waitpid(pid, 0)[1]

    assert status == 0
    assert os.read(read, 100) == b"child "
    release.set()
    assert made.close(10)
    assert os.read(read, 100) == b"parent "
    os.close(read)
    os.close(write)
