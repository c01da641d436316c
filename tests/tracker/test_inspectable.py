"""What extensions see: the event as it will be stored, and nothing that they could change."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from tests.support.extensions import FIRST, an_entity, described, inspected, structured

from whiteout import PageView, SelfDescribing, Structured
from whiteout.identifiers import Anonymisation

DATA = {"text": 'ä"\x1e{}[],', "list": [1, {"deep": [True, None]}], "empty": {}}


def test_a_self_describing_event_shows_its_data() -> None:
    event = inspected(SelfDescribing(schema=FIRST, data=DATA, entities=[an_entity(5)]))

    assert (event.name, event.schema, event.key) == ("ue", FIRST, FIRST)
    assert event.payload["text"] == DATA["text"]
    assert event.payload["list"][1]["deep"] == (True, None)
    assert [(entity.schema, dict(entity.data)) for entity in event.entities] == [
        ("iglu:com.acme/entity/jsonschema/1-0-0", {"number": 5})
    ]


def test_a_primitive_event_shows_its_parameters() -> None:
    event = inspected(Structured(category="c\x1e", action="a", value=2))

    assert (event.name, event.schema, event.key) == ("se", None, "se")
    assert dict(event.payload) == {"e": "se", "se_ca": "c\x1e", "se_ac": "a", "se_va": "2"}
    assert event.parameters == event.payload
    assert event.entities == ()


def test_the_level_is_shown_and_has_been_applied() -> None:
    link = "https://h/?gclid=canary&a=1"

    event = inspected(PageView(page_url=link), Anonymisation.USER)

    assert event.anonymisation is Anonymisation.USER
    assert event.payload["url"] == "https://h/?a=1"
    assert b"canary" not in event.own_part


def test_nothing_of_it_can_be_changed() -> None:
    event: Any = inspected(SelfDescribing(schema=FIRST, data=DATA, entities=[an_entity()]))
    before = event.own_part

    for change in (
        lambda: setattr(event, "schema", "x"),
        lambda: setattr(event, "_own_part", b""),
        lambda: delattr(event, "_own_part"),
        lambda: event.payload.__setitem__("text", "x"),
        lambda: event.payload["list"].append(1),
        lambda: event.payload["list"][1].__setitem__("deep", 1),
        lambda: event.parameters.__setitem__("e", "se"),
        lambda: event.entities[0].data.__setitem__("number", 2),
        lambda: event.entities.append(an_entity()),
    ):
        with pytest.raises((AttributeError, TypeError)):
            change()
    assert event.own_part == before
    assert event.payload["text"] == DATA["text"]


def test_what_the_app_does_to_its_data_afterwards_is_not_seen() -> None:
    data = {"x": [1]}
    event = inspected(SelfDescribing(schema=FIRST, data=data))

    data["x"].append(2)

    assert event.payload["x"] == (1,)


def test_it_can_be_copied_and_pickled_for_other_processes() -> None:
    event = described()

    for twin in (copy.copy(event), copy.deepcopy(event), pickle.loads(pickle.dumps(event))):  # noqa: S301 - our own bytes
        assert twin.payload == event.payload
        assert twin.anonymisation is event.anonymisation


def test_its_repr_shows_no_content() -> None:
    assert repr(structured("canary")) == "InspectableEvent(se)"
    assert repr(described()) == f"InspectableEvent({FIRST})"
