"""L26: whatever an app still holds of a tracker that was removed or replaced does nothing.

Every public attribute of everything that can be reached from a tracker is tried. One that is new
fails here until it is said how to call or to set it.
"""

from __future__ import annotations

import asyncio
import enum
import inspect
import threading
from typing import TYPE_CHECKING, Any, Final

import pytest
from tests.support.collector import Collector
from tests.support.trackers import poll

import whiteout
from whiteout import (
    Anonymisation,
    BasisForProcessing,
    BufferOption,
    DevicePlatform,
    EmitterConfiguration,
    GdprConfiguration,
    GlobalContext,
    HttpMethod,
    PlatformContextRetriever,
    PlatformProperty,
    PluginConfiguration,
    Structured,
    TrackerConfiguration,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from whiteout import Tracker

EVENT = Structured(category="c", action="a")

VALUES: Final[dict[str, Any]] = {
    "anonymisation": Anonymisation.FULL,
    "device_platform": DevicePlatform.HEADSET,
    "platform_context_properties": (PlatformProperty.CARRIER,),
    "anonymous_session_lifetime": 60,
    "platform_context_retriever": PlatformContextRetriever(),
    "endpoint": "https://other.invalid",
    "method": HttpMethod.GET,
    "custom_post_path": "com.acme/other",
    "request_headers": {"X-Team": "blue"},
    "buffer_option": BufferOption.LARGE_GROUP,
    "request_callback": print,
    "on_session_update": print,
    "custom_retry_for_status_codes": {500: False},
    "color_depth": 24,
    "screen_resolution": "1920x1080",
    "screen_view_port": "1920x1080",
}
"""What to set an option to, where neither the other truth value, 77 nor a text will do."""


def _leaves_alone_a_loop(use: Callable[[asyncio.AbstractEventLoop], object]) -> None:
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        use(loop)
        assert loop.get_exception_handler() is None


def _enter_and_leave(context: AbstractContextManager[object]) -> None:
    with context:
        pass


CALLS: Final[dict[str, Callable[[Any], object]]] = {
    "track": lambda found: found.track(EVENT),
    "set_anonymisation": lambda found: found.set_anonymisation(Anonymisation.FULL, pending="drop"),
    "change": lambda subject: subject.change("user_id", "somebody"),
    "reset": lambda gdpr: gdpr.reset(
        GdprConfiguration(basis_for_processing=BasisForProcessing.CONTRACT)
    ),
    "flush_async": lambda tracker: asyncio.run(tracker.flush_async()),
    "close_async": lambda tracker: asyncio.run(tracker.close_async()),
    "track_exceptions_of": lambda tracker: _leaves_alone_a_loop(tracker.track_exceptions_of),
    "decorate_link": lambda tracker: tracker.decorate_link("https://shop.example/"),
    "add": lambda found: (
        found.add(PluginConfiguration(identifier="another", after_track=print))
        if type(found).__name__ == "PluginsController"
        else found.add("another", GlobalContext(entities=[]))
    ),
    "remove": lambda found: found.remove("another"),
    "get": lambda subject: subject.get("user_id"),
    "give": lambda consent: consent.give(),
    "scope": lambda found: found.scope().__enter__() and None,
    "permitting": lambda consent: _enter_and_leave(consent.permitting(Anonymisation.FULL)),
}
"""How to call a method that cannot be called without arguments."""

REACHES_BACK: Final = frozenset({"withdraw", "forget"})
"""What makes things more private, for the disk and whoever has the namespace now; tried last."""

INSIDE: Final = frozenset({"belong_to"})
"""What the parts of a tracker ask of each other."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


def attributes(found: object) -> list[str]:
    return [name for name in dir(type(found)) if not name.startswith("_") and name not in INSIDE]


def is_property(found: object, name: str) -> bool:
    member = inspect.getattr_static(type(found), name)
    return isinstance(member, property) or hasattr(type(member), "__set__")


def controllers_of(tracker: Tracker) -> list[Any]:
    """The tracker, and all of ours that is reached by one of its properties."""
    found: list[Any] = [tracker]
    for name in attributes(tracker):
        if is_property(tracker, name):
            value = getattr(tracker, name)
            kind = type(value)
            is_ours = kind.__module__.startswith("whiteout.")
            if is_ours and not isinstance(value, (enum.Enum, tuple)):
                found.append(value)
    return found


def state_of(controllers: list[Any]) -> dict[str, object]:
    """All that can be read, by class and name."""
    return {
        f"{type(found).__name__}.{name}": getattr(found, name)
        for found in controllers
        for name in attributes(found)
        if is_property(found, name)
    }


def other_value(name: str, value: object) -> object:
    if name in VALUES:
        return VALUES[name]
    if isinstance(value, bool):
        return not value
    is_number = isinstance(value, (int, float)) or name.startswith("geo_")
    return 77 if is_number else "other"


def use(found: Any, name: str) -> None:  # noqa: ANN401 - a controller
    """Set the option, or call the method."""
    if not is_property(found, name):
        if name in CALLS:
            CALLS[name](found)
        else:
            getattr(found, name)()
        return
    member = inspect.getattr_static(type(found), name)
    if not isinstance(member, property) or member.fset is not None:
        setattr(found, name, other_value(name, getattr(found, name)))


def every_use(tracker: Tracker) -> list[tuple[Any, str]]:
    uses = [(found, name) for found in controllers_of(tracker) for name in attributes(found)]
    return [(found, name) for found, name in uses if name not in REACHES_BACK]


def made(collector: Collector, folder: Path, **said: Any) -> Tracker:  # noqa: ANN401 - options
    return whiteout.create_tracker(
        "app",
        collector.url,
        TrackerConfiguration(**said),
        EmitterConfiguration(storage_dir=folder),
    )


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("answer", ["none", "given", "withdrawn"])
@pytest.mark.parametrize("is_anonymous", [False, True], ids=["identified", "anonymous"])
@pytest.mark.parametrize("how", ["removed", "replaced", "closed"])
def test_L26_nothing_of_a_tracker_that_is_gone_does_anything(
    tmp_path: Path, collector: Collector, how: str, answer: str, *, is_anonymous: bool
) -> None:
    """M2, without a tracker that is made again."""
    tracker = made(collector, tmp_path, user_anonymisation=is_anonymous)
    try:
        if answer != "none":
            tracker.consent.give()
        if answer == "withdrawn":
            tracker.consent.withdraw(tracker.anonymisation)
        tracker.anonymisation = Anonymisation.USER if is_anonymous else Anonymisation.NONE
        tracker.track(EVENT)
        assert tracker.flush()
        held = controllers_of(tracker)
        assert len(held) >= 5
        uses = every_use(tracker)
        if how == "removed":
            whiteout.remove_tracker("app")
        elif how == "closed":
            tracker.close()
        else:
            made(collector, tmp_path)
        before = state_of(held)
        requests = len(collector.requests)
        files = files_of(tmp_path)
        threads = threading.active_count()

        for found, name in uses:
            use(found, name)
            assert state_of(held) == before, f"{type(found).__name__}.{name} changed something"

        assert threading.active_count() <= threads
        assert len(collector.requests) == requests
        kept = files if how != "replaced" else {n: files[n] for n in files if n.endswith(".json")}
        assert {name: files_of(tmp_path)[name] for name in kept} == kept
        now = whiteout.get_tracker("app")
        assert now is None or now is not tracker or how == "closed"
    finally:
        whiteout.remove_tracker("app")


@pytest.mark.parametrize("how", ["removed", "replaced", "closed"])
@pytest.mark.parametrize("reach", sorted(REACHES_BACK))
def test_L26_what_reaches_back_changes_nothing_else_of_a_tracker_that_is_gone(
    tmp_path: Path, collector: Collector, how: str, reach: str
) -> None:
    """A withdrawal and `forget` still do what they can; consent is not given after them either."""
    tracker = made(collector, tmp_path)
    try:
        tracker.consent.give()
        tracker.track(EVENT)
        assert tracker.flush()
        held = controllers_of(tracker)
        uses = every_use(tracker)
        if how == "removed":
            whiteout.remove_tracker("app")
        elif how == "closed":
            tracker.close()
        else:
            made(collector, tmp_path)
        before = state_of(held)
        for found in held:
            if hasattr(found, reach):
                getattr(found, reach)()
        after = state_of(held)
        requests = len(collector.requests) + (how == "replaced" and reach == "withdraw")
        assert poll(lambda: len(collector.requests) == requests)
        changed = {name for name in before if after[name] != before[name]}
        assert all(name.startswith("Consent.") for name in changed)
        records = {n: text for n, text in files_of(tmp_path).items() if n.endswith(".json")}

        for found, name in uses:
            use(found, name)
            assert state_of(held) == after, f"{type(found).__name__}.{name} changed something"

        assert {name: files_of(tmp_path)[name] for name in records} == records
        assert len(collector.requests) == requests
    finally:
        whiteout.remove_tracker("app")


def test_the_uses_do_something_to_a_tracker_that_runs(tmp_path: Path, collector: Collector) -> None:
    """The check itself can fail: each option that is set holds."""
    tracker = made(collector, tmp_path, user_anonymisation=True)
    try:
        for found, name in every_use(tracker):
            member = inspect.getattr_static(type(found), name)
            is_option = isinstance(member, property) and member.fset is not None
            if not is_option and not hasattr(type(member), "__set__"):
                continue
            if isinstance(member, property) and not is_option:
                continue
            before = getattr(found, name)
            use(found, name)
            assert getattr(found, name) != before, f"{type(found).__name__}.{name}"
            setattr(found, name, before)
        assert poll(lambda: tracker.is_tracking)
    finally:
        whiteout.remove_tracker("app")
