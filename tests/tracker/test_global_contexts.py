"""Entities for many events: which events get them, and what the controller answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from tests.support.extensions import (
    FIRST,
    SECOND,
    an_entity,
    data_of,
    described,
    extensions,
    inspected,
    structured,
)

from whiteout import ScreenView, Timing
from whiteout.errors import ConfigurationError
from whiteout.tracker.extensions import MAX_ENTITIES
from whiteout.tracker.global_contexts import (
    GlobalContext,
    GlobalContextsConfiguration,
    GlobalContextsController,
)
from whiteout.tracker.plugins import PluginConfiguration
from whiteout.tracker.schema_rules import SchemaRuleset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whiteout import SelfDescribingJson
    from whiteout.tracker.inspectable import InspectableEvent

STATIC = GlobalContext(entities=[an_entity()])


class ShopOnly:
    """A generator object."""

    def filter(self, event: InspectableEvent) -> bool:
        return event.payload.get("se_ca") == "shop"

    def generate(self, event: InspectableEvent) -> list[SelfDescribingJson]:
        return [an_entity(7, of=event.name)]


def test_tags_are_listed_added_once_and_removed() -> None:
    """G1, G2."""
    made = extensions(a=STATIC, b=STATIC, c=STATIC)
    controller = GlobalContextsController(made)
    other = GlobalContext(entities=[])

    before = controller.tags
    assert controller.remove("unknown") is None
    assert controller.remove("b") is STATIC
    assert (before, controller.tags) == (("a", "b", "c"), ("a", "c"))
    assert controller.add("b", other) is True
    assert controller.add("b", STATIC) is False
    assert controller.remove("b") is other


def test_static_entities_are_attached_to_every_event() -> None:
    """G3."""
    made = extensions(a=STATIC, b=GlobalContext(entities=[an_entity(2), an_entity(3)]))

    for event in (structured(), described()):
        assert data_of(made.extend(event)) == [{"number": 1}, {"number": 2}, {"number": 3}]


def test_the_event_s_own_entities_come_first() -> None:
    event = inspected(ScreenView(name="x", entities=[an_entity(0)]))

    assert data_of(extensions(a=STATIC).extend(event)) == [{"number": 0}, {"number": 1}]


def test_static_entities_are_read_when_they_are_given() -> None:
    data: dict[str, Any] = {"number": 1}
    context = GlobalContext(entities=[type(an_entity())(an_entity().schema, data)])

    data["number"] = 2

    assert data_of(extensions(a=context).extend(structured())) == [{"number": 1}]


@pytest.mark.parametrize(("category", "count"), [("shop", 1), ("other", 0)])
def test_a_filter_decides_by_what_the_event_holds(category: str, count: int) -> None:
    """G4."""
    context = GlobalContext(
        entities=[an_entity()], filter=lambda event: event.payload["se_ca"] == "shop"
    )

    assert len(data_of(extensions(a=context).extend(structured(category)))) == count


def test_a_ruleset_decides_by_the_schema() -> None:
    """G5."""
    ruleset = SchemaRuleset(
        allow=["iglu:com.snowplowanalytics.*/*/jsonschema/*-*-*"],
        deny=["iglu:com.snowplowanalytics.mobile/*/jsonschema/*-*-*"],
    )
    made = extensions(a=GlobalContext(entities=[an_entity()], ruleset=ruleset))
    timing = inspected(Timing(category="c", variable="v", timing=1))
    view = inspected(ScreenView(name="x"))

    assert [len(data_of(made.extend(event))) for event in (structured(), view, timing)] == [0, 0, 1]


@pytest.mark.parametrize(("is_let_in", "count"), [(True, 1), (False, 0)])
def test_where_ruleset_and_filter_are_given_both_must_agree(*, is_let_in: bool, count: int) -> None:
    context = GlobalContext(
        entities=[an_entity()],
        ruleset=SchemaRuleset(allow=[FIRST]),
        filter=lambda _event: is_let_in,
    )
    made = extensions(a=context)

    assert len(data_of(made.extend(described(FIRST)))) == count
    assert data_of(made.extend(described(SECOND))) == []


def test_a_generator_function_makes_entities_for_each_event() -> None:
    """G6; a list or a Python generator."""

    def yields(event: InspectableEvent) -> Iterator[SelfDescribingJson]:
        yield an_entity(2, schema=event.schema)

    made = extensions(
        a=GlobalContext(generator=lambda event: [an_entity(1, schema=event.schema)]),
        b=GlobalContext(generator=yields),
    )

    assert data_of(made.extend(described())) == [
        {"number": 1, "schema": FIRST},
        {"number": 2, "schema": FIRST},
    ]


def test_a_generator_object_filters_and_makes() -> None:
    """G6."""
    made = extensions(a=GlobalContext(generator=ShopOnly()))

    assert data_of(made.extend(structured("shop"))) == [{"number": 7, "of": "se"}]
    assert data_of(made.extend(structured("other"))) == []


def test_generators_do_not_see_what_others_attach() -> None:
    seen: list[int] = []

    def count(event: InspectableEvent) -> list[SelfDescribingJson]:
        seen.append(len(event.entities))
        return [an_entity()]

    extensions(a=GlobalContext(generator=count), b=GlobalContext(generator=count)).extend(
        structured()
    )

    assert seen == [0, 0]


def fails(_event: InspectableEvent) -> NoReturn:
    raise RuntimeError


@pytest.mark.parametrize(
    "arguments",
    [
        {"generator": fails},
        {"generator": lambda _event: None},
        {"generator": lambda _event: "text"},
        {"generator": lambda _event: {"a": 1}},
        {"generator": lambda _event: [{"schema": FIRST}]},
        {"generator": lambda _event: [an_entity(x=object())]},
        {"entities": [an_entity(2)], "filter": fails},
        {"entities": [an_entity(2)], "filter": lambda _event: 1},
        {"entities": [an_entity(2)], "filter": lambda _event: None},
    ],
)
def test_a_context_that_fails_attaches_nothing_and_is_counted(arguments: dict[str, Any]) -> None:
    """The event and what others attach are not harmed."""
    made = extensions(bad=GlobalContext(**arguments), good=STATIC)

    assert data_of(made.extend(structured())) == [{"number": 1}]
    assert made.faults() == {"bad": 1}


def test_what_is_no_entity_is_skipped_alone() -> None:
    made = extensions(
        a=GlobalContext(generator=lambda _event: [an_entity(1), None, "x", an_entity(2)])  # type: ignore[list-item] # the mistake
    )

    assert data_of(made.extend(structured())) == [{"number": 1}, {"number": 2}]
    assert made.faults() == {"a": 2}


def test_a_generator_without_an_end_is_cut_off() -> None:
    def endless(_event: InspectableEvent) -> Iterator[SelfDescribingJson]:
        while True:
            yield an_entity()

    made = extensions(a=GlobalContext(generator=endless))

    assert len(data_of(made.extend(structured()))) == MAX_ENTITIES
    assert made.faults() == {"a": 1}


def test_an_entity_too_large_for_an_event_is_left_out() -> None:
    """Else the event itself would be dropped for its size."""
    made = extensions(
        good=STATIC, huge=GlobalContext(generator=lambda _event: [an_entity(2, text="x" * 600_000)])
    )

    assert data_of(made.extend(structured())) == [{"number": 1}]
    assert made.faults() == {"huge": 1}


class WithoutFilter:
    def generate(self, event: InspectableEvent) -> list[SelfDescribingJson]:
        return []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either entities or a generator"),
        ({"entities": [], "generator": ShopOnly()}, "either entities or a generator"),
        ({"entities": an_entity()}, "entities must be a list or tuple"),
        ({"entities": [{"schema": FIRST, "data": {}}]}, "entities must hold SelfDescribingJson"),
        ({"entities": [an_entity(x=object())]}, "must be JSON"),
        ({"generator": [an_entity()]}, "generator must be a function"),
        ({"generator": WithoutFilter()}, "filter must be a function"),
        ({"entities": [], "filter": True}, "filter must be a function"),
        ({"entities": [], "ruleset": ["iglu:com.acme/*/*/*-*-*"]}, "must be a SchemaRuleset"),
    ],
)
def test_a_context_that_is_wrong_is_an_error(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        GlobalContext(**arguments)


def test_a_configuration_that_is_wrong_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="mapping"):
        GlobalContextsConfiguration(contexts=[STATIC])  # type: ignore[arg-type] # the mistake
    with pytest.raises(ConfigurationError, match="tag"):
        GlobalContextsConfiguration(contexts={"": STATIC})
    with pytest.raises(ConfigurationError, match=r"^contexts\['a'\] must be a GlobalContext"):
        GlobalContextsConfiguration(contexts={"a": an_entity()})  # type: ignore[dict-item] # the mistake
    with pytest.raises(ConfigurationError, match=r"^context must be a GlobalContext, got list$"):
        GlobalContextsController(extensions()).add("a", [])  # type: ignore[arg-type] # the same


def test_tags_share_the_space_of_plugin_identifiers() -> None:
    """A tag does not push a plugin aside: that one may be what keeps events back."""
    made = extensions(PluginConfiguration(identifier="x", filter=lambda _event: False))

    assert GlobalContextsController(made).add("x", STATIC) is False
    assert made.extend(structured()) is None
    assert made.remove_context("x") is None
    made.add_context("y", STATIC)
    made.add_plugin(PluginConfiguration(identifier="y", entities=lambda _event: []))
    assert made.tags() == ()
    assert made.identifiers() == ("x", "y")


def test_a_closed_tracker_s_controller_is_inert() -> None:
    made = extensions(a=STATIC)
    controller = GlobalContextsController(made)
    made.close()

    assert controller.add("b", STATIC) is False
    assert controller.remove("a") is None
    assert controller.tags == ("a",)
