"""Trackers in memory: the real one, without what a unit test cannot have."""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.trackers import CONTEXT_FREE, Wire, a_tracker

import whiteout
from whiteout import (
    Anonymisation,
    BufferOption,
    ConfigurationError,
    EmitterConfiguration,
    FocalMeterConfiguration,
    PluginConfiguration,
    ScreenView,
    SelfDescribing,
    SessionConfiguration,
    SubjectConfiguration,
    TrackerConfiguration,
)
from whiteout.testing import assert_tracked, memory_tracker

if TYPE_CHECKING:
    from pathlib import Path

    from whiteout import InspectableEvent

SECRET = SubjectConfiguration(user_id="ada", network_user_id="ada", ip_address="192.0.2.1")
VOLATILE = {"eid", "dtm", "stm"}


def test_it_starts_no_thread_opens_no_file_and_no_socket(tmp_path: Path) -> None:
    """Heard from the interpreter itself; the platform's facts are read, and nothing is written."""
    seen: list[str] = []
    is_listening = True

    def listen(event: str, arguments: tuple[Any, ...]) -> None:
        if not is_listening:
            return
        if event.startswith("socket.") or event == "_thread.start_new_thread":
            seen.append(event)
        elif event == "open" and arguments[1] not in {None, "r", "rb"}:
            seen.append(f"open {arguments}")

    with memory_tracker("warm"):  # imports are read, and compiled files written
        pass
    before = threading.active_count()
    sys.addaudithook(listen)
    try:
        with memory_tracker("app", EmitterConfiguration(storage_dir=tmp_path)) as memory:
            memory.track(ScreenView(name="Checkout"))
            assert_tracked(ScreenView, name="Checkout")
            assert threading.active_count() == before
    finally:
        is_listening = False

    assert seen == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "level", [Anonymisation(bits) for bits in range(Anonymisation.FULL.value + 1)], ids=str
)
def test_events_are_gated_exactly_as_by_a_tracker_with_a_store(
    level: Anonymisation, tmp_path: Path
) -> None:
    """The same payload, but for ids and times."""
    event = ScreenView(name="Checkout", screen_id="00000000-0000-4000-8000-000000000001")
    configurations = (
        TrackerConfiguration(
            **{
                name: getattr(CONTEXT_FREE, name)
                for name in CONTEXT_FREE.__dataclass_fields__
                if name not in {"user_anonymisation", "session_context", "before_consent"}
            },
            user_anonymisation=Anonymisation.USER in level,
            session_context=Anonymisation.SESSION not in level,
        ),
        SECRET,
    )
    server = Anonymisation.SERVER in level
    wire = Wire()
    emitter = EmitterConfiguration(storage_dir=tmp_path, server_anonymisation=server)
    with a_tracker(wire.network, tmp_path, *configurations, emitter) as tracker:
        tracker.track(event)
        assert tracker.flush(timeout=10)
    (real,) = wire.events

    with memory_tracker("app", *configurations, emitter) as memory:
        memory.track(event)
        (found,) = memory.events

    assert comparable(found.parameters) == comparable(real)
    assert found.is_server_anonymous is server
    if level:
        memory.assert_anonymous(level)


def comparable(payload: Any) -> dict[str, Any]:  # noqa: ANN401 - a payload
    kept = {name: value for name, value in payload.items() if name not in VOLATILE}
    for name in ("cx", "ue_px"):
        if name in kept:
            padded = kept[name] + "=" * (-len(kept[name]) % 4)
            kept[name] = json.loads(base64.urlsafe_b64decode(padded))
    for entity in kept.get("cx", {"data": []})["data"]:
        if "client_session" in entity["schema"]:
            entity["data"] = sorted(entity["data"])  # its ids and times are fresh
    return kept


def test_the_app_finds_the_tracker_by_its_namespace() -> None:
    with memory_tracker("shop") as memory:
        assert whiteout.get_tracker("shop") is memory.tracker

    assert whiteout.get_tracker("shop") is None


def test_a_flush_of_the_app_delivers_at_once_whatever_the_buffer() -> None:
    option = EmitterConfiguration(buffer_option=BufferOption.LARGE_GROUP)
    with memory_tracker("app", CONTEXT_FREE, option) as memory:
        memory.track(ScreenView(name="Checkout"))

        assert memory.tracker.flush(timeout=0)
        assert len(memory.events) == 1


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(min_size=1, max_size=20), max_size=30), st.integers(1, 30))
def test_every_event_arrives_once_and_in_order(names: list[str], every: int) -> None:
    with memory_tracker("app", CONTEXT_FREE) as memory:
        ids = []
        for number, name in enumerate(names):
            ids.append(memory.track(ScreenView(name=name)))
            if number % every == 0:
                memory.settle()

        assert [event.event_id for event in memory.events] == ids


def test_time_goes_on_when_it_is_told_to() -> None:
    session = SessionConfiguration(foreground_timeout=60)
    with memory_tracker("app", session) as memory:
        memory.track(ScreenView(name="A"))
        memory.advance(61)
        memory.track(ScreenView(name="B"))

        first = assert_tracked(ScreenView, name="A").entity("client_session")
        second = assert_tracked(ScreenView, name="B").entity("client_session")
    assert first is not None
    assert second is not None
    assert (first["sessionIndex"], second["sessionIndex"]) == (1, 2)


def test_sessions_and_plugins_are_told_when_the_events_are_looked_at() -> None:
    told: list[str] = []
    sessions: list[int] = []

    def after(event: InspectableEvent) -> None:
        told.append(event.key)

    with memory_tracker(
        "app",
        CONTEXT_FREE,
        PluginConfiguration(identifier="listener", after_track=after),
        SessionConfiguration(on_session_update=lambda state: sessions.append(state.session_index)),
    ) as memory:
        memory.track(ScreenView(name="A"))
        memory.settle()
        threads = {thread.name for thread in threading.enumerate()}

    assert len(told) == 1
    assert sessions == [1]
    assert "whiteout-plugins" not in threads


def test_an_event_that_breaks_its_schema_fails_as_it_would_in_the_pipeline() -> None:
    schema = "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0"
    with memory_tracker("app", CONTEXT_FREE) as memory:
        memory.track(SelfDescribing(schema=schema, data={"name": 3}))

        assert memory.events == []
        (failed,) = memory.failed_events
    assert failed.kind == "schema_violations"
    assert failed.about == schema
    assert any("$.name" in reason for reason in failed.reasons)


def test_focal_meter_is_refused_as_it_needs_the_network() -> None:
    with pytest.raises(ConfigurationError, match="FocalMeter"):
        memory_tracker("app", FocalMeterConfiguration(kantar_endpoint="https://meter.example.com"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_goes_on_without_threads() -> None:
    with memory_tracker("app", CONTEXT_FREE) as memory:
        memory.track(ScreenView(name="parent"))
        memory.settle()
        child = os.fork()
        if not child:
            status = 1
            try:
                memory.track(ScreenView(name="child"))
                names = [event.data["name"] for event in memory.events]
                status = int(names != ["parent", "child"] or threading.active_count() != 1)
            finally:
                os._exit(status)

        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert [event.data["name"] for event in memory.events] == ["parent"]
