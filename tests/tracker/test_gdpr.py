"""G16: the legal basis on every event, live."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.collector import entity
from tests.support.trackers import Wire, a_tracker

from whiteout import Anonymisation, Structured
from whiteout.errors import ConfigurationError
from whiteout.events.gdpr import BasisForProcessing, GdprConfiguration
from whiteout.tracker.gdpr import GdprController

if TYPE_CHECKING:
    from pathlib import Path

CONTRACT = GdprConfiguration(
    basis_for_processing=BasisForProcessing.CONTRACT, document_id="terms", document_version="2"
)
EVENT = Structured(category="a", action="b")
CONSENT = GdprConfiguration(basis_for_processing="consent")


@dataclass
class Scene:
    changes: int = 0
    is_open: bool = True
    lock: Any = field(default_factory=threading.RLock)

    def controller(self, configuration: GdprConfiguration | None = None) -> GdprController:
        return GdprController(
            configuration, lock=self.lock, on_change=self.count, is_open=lambda: self.is_open
        )

    def count(self) -> None:
        self.changes += 1


def test_without_a_configuration_there_is_nothing_until_reset() -> None:
    scene = Scene()
    controller = scene.controller()

    assert not controller.enable()
    assert (controller.is_enabled, controller.entity, controller.configuration) == (
        False,
        None,
        None,
    )
    controller.reset(CONSENT)

    assert controller.entity is not None
    assert controller.entity.as_dict() == {
        "schema": "iglu:com.snowplowanalytics.snowplow/gdpr/jsonschema/1-0-0",
        "data": {"basisForProcessing": "consent"},
    }
    assert scene.changes == 1


def test_values_are_kept_while_disabled() -> None:
    scene = Scene()
    controller = scene.controller(CONTRACT)
    before = controller.entity

    controller.disable()
    assert (controller.is_enabled, controller.entity) == (False, None)
    assert controller.configuration == CONTRACT

    assert controller.enable()
    assert controller.entity == before
    assert scene.changes == 2


def test_resetting_replaces_the_values_and_enables_them() -> None:
    controller = Scene().controller(CONTRACT)
    controller.disable()

    controller.reset(CONSENT)

    assert controller.is_enabled
    assert controller.configuration == CONSENT


def test_what_changes_nothing_is_no_change() -> None:
    """Each change builds what events share anew."""
    scene = Scene()
    controller = scene.controller(CONTRACT)

    controller.reset(CONTRACT)
    controller.enable()
    controller.disable()
    controller.disable()

    assert scene.changes == 1


def test_the_controller_of_a_closed_tracker_is_inert() -> None:
    """Leak L26."""
    scene = Scene()
    controller = scene.controller(CONTRACT)
    scene.is_open = False

    controller.reset(CONSENT)
    controller.disable()

    assert not controller.enable()
    assert controller.configuration == CONTRACT
    assert controller.is_enabled
    assert scene.changes == 0


def test_a_basis_is_a_configuration() -> None:
    with pytest.raises(ConfigurationError, match="configuration must be a GdprConfiguration, got"):
        Scene().controller().reset("consent")  # type: ignore[arg-type] # the mistake


def test_threads_never_see_an_entity_without_its_configuration() -> None:
    controller = Scene().controller(CONTRACT)
    entities = [CONTRACT.self_describing(), CONSENT.self_describing(), None]

    def act(configuration: GdprConfiguration) -> None:
        for _ in range(300):
            controller.reset(configuration)
            assert controller.entity in entities
            controller.disable()
            controller.enable()

    threads = [threading.Thread(target=act, args=(one,)) for one in (CONTRACT, CONSENT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert controller.configuration is not None
    assert controller.entity == controller.configuration.self_describing()


# --- on a tracker ----------------------------------------------------------------------------


def bases(wire: Wire) -> list[dict[str, Any] | None]:
    return [entity(event, "gdpr") for event in wire.events]


def test_a_tracker_names_the_basis_on_every_event_at_every_level(tmp_path: Path) -> None:
    """It says why data is processed, and nothing of whose it is."""
    wire = Wire()
    with a_tracker(wire.network, tmp_path, CONTRACT) as tracker:
        tracker.track(EVENT)
        tracker.track(EVENT, anonymisation=Anonymisation.FULL)
        with tracker.scope():
            tracker.track(EVENT)
        assert tracker.flush(10)

    expected = {"basisForProcessing": "contract", "documentId": "terms", "documentVersion": "2"}
    assert bases(wire) == [expected] * 3


def test_g16_each_change_acts_on_the_next_event(tmp_path: Path) -> None:
    wire = Wire()
    with a_tracker(wire.network, tmp_path) as tracker:
        tracker.track(EVENT)
        tracker.gdpr.reset(CONSENT)
        tracker.track(EVENT)
        tracker.gdpr.disable()
        tracker.track(EVENT)
        assert tracker.gdpr.configuration == CONSENT
        assert tracker.gdpr.enable()
        tracker.track(EVENT)
        assert tracker.flush(10)

    consent = {"basisForProcessing": "consent"}
    assert bases(wire) == [None, consent, None, consent]


def test_after_close_nothing_changes_the_basis(tmp_path: Path) -> None:
    with a_tracker(Wire().network, tmp_path) as tracker:
        tracker.close()
        tracker.gdpr.reset(CONSENT)

        assert tracker.gdpr.configuration is None
        assert not tracker.gdpr.is_enabled
