"""Extensions without a tracker around them: events as the tracker shows them, and a scene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whiteout import Anonymisation, SelfDescribing, SelfDescribingJson, Structured
from whiteout.anonymisation import Gate
from whiteout.tracker.counters import Counters
from whiteout.tracker.extensions import Extensions
from whiteout.tracker.inspectable import InspectableEvent
from whiteout.tracker.own_part import own_part

from .clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout import Event
    from whiteout.tracker.global_contexts import GlobalContext
    from whiteout.tracker.plugins import PluginConfiguration

UUID = "11111111-2222-4333-8444-555555555555"
FIRST = "iglu:com.acme/first/jsonschema/1-0-0"
SECOND = "iglu:com.acme/second/jsonschema/1-0-0"


def an_entity(number: int = 1, **data: Any) -> SelfDescribingJson:  # noqa: ANN401 - any JSON
    """An entity that can be told from others."""
    return SelfDescribingJson("iglu:com.acme/entity/jsonschema/1-0-0", {"number": number, **data})


def inspected(
    event: Event, level: Anonymisation = Anonymisation.NONE, gate: Gate | None = None
) -> InspectableEvent:
    """The event as extensions see it."""
    return InspectableEvent(own_part(event, level, gate or Gate(), lambda: UUID), level)


def structured(category: str = "shop") -> InspectableEvent:
    """A primitive event."""
    return inspected(Structured(category=category, action="look"))


def described(schema: str = FIRST) -> InspectableEvent:
    """A self-describing event."""
    return inspected(SelfDescribing(schema=schema, data={"x": 1}))


def data_of(event: InspectableEvent | None) -> list[dict[str, Any]]:
    """The entities' data."""
    assert event is not None
    return [dict(entity.data) for entity in event.entities]


def extensions(
    *plugins: PluginConfiguration,
    gate: Gate | None = None,
    wake: Callable[[], None] | None = lambda: None,
    **contexts: GlobalContext,
) -> Extensions:
    """Extensions whose `run_after_track` the test calls."""
    made = Extensions(gate or Gate(), Counters(ManualClock()), plugins=plugins, wake=wake)
    for tag, context in contexts.items():
        assert made.add_context(tag, context)
    return made
