"""Plugins, global contexts, rules and FocalMeter: what they must not give away."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.clock import ManualClock
from tests.support.collector import Collector
from tests.support.extensions import data_of, extensions, inspected, structured

from whiteout import PageView, SelfDescribing, SelfDescribingJson, Structured, identifying_property
from whiteout.anonymisation import Gate
from whiteout.errors import ConfigurationError
from whiteout.identifiers import IDENTIFIERS, Anonymisation
from whiteout.tracker.counters import Counters
from whiteout.tracker.extensions import Extensions
from whiteout.tracker.focal_meter import FocalMeter, FocalMeterConfiguration
from whiteout.tracker.global_contexts import GlobalContext
from whiteout.tracker.plugins import PluginConfiguration
from whiteout.tracker.schema_rules import SchemaRuleset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from whiteout.tracker.inspectable import InspectableEvent

NONE = Anonymisation.NONE
LEVELS = [Anonymisation(bits) for bits in range(Anonymisation.FULL.value + 1)]
CUSTOMER = "iglu:com.acme/customer/jsonschema/1-0-0"
SESSION = "iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2"
GATE = Gate((*IDENTIFIERS, identifying_property("iglu:com.acme/customer", "email")))
CANARY = "canary@mail.example"


class Customer:
    """What the serialiser takes for a mapping, though it is no dictionary."""

    def keys(self) -> list[str]:
        return ["email", "town"]

    def __getitem__(self, key: str) -> str:
        return {"email": CANARY, "town": "T"}[key]


def customer(data: object = None) -> SelfDescribingJson:
    given: Any = data or {"email": CANARY, "town": "T"}
    return SelfDescribingJson(CUSTOMER, given)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("data", [None, Customer()])
def test_L19_what_extensions_attach_passes_the_gate(level: Anonymisation, data: object) -> None:
    """Of a plugin, a generator, a static context; also where it is no plain dictionary."""
    made = extensions(
        PluginConfiguration(identifier="plugin", entities=lambda _event: [customer(data)]),
        gate=GATE,
        generator=GlobalContext(generator=lambda _event: [customer(data)]),
        static=GlobalContext(entities=[customer(data)]),
    )

    extended = made.extend(inspected(Structured(category="c", action="a"), level, GATE))

    is_masked = bool(level & Anonymisation.USER)
    whole = {"email": CANARY, "town": "T"}
    assert data_of(extended) == [{"town": "T"} if is_masked else whole] * 3
    assert extended is not None
    assert (CANARY.encode() in extended.own_part) is not is_masked


@pytest.mark.parametrize("level", LEVELS)
def test_L19_an_entity_that_the_level_hides_as_a_whole_cannot_be_attached(
    level: Anonymisation,
) -> None:
    session = SelfDescribingJson(SESSION, {"userId": CANARY, "sessionId": "s"})
    made = extensions(static=GlobalContext(entities=[session]))

    extended = made.extend(inspected(Structured(category="c", action="a"), level))

    assert len(data_of(extended)) == (0 if level & Anonymisation.SESSION else 1)


@pytest.mark.parametrize("level", [level for level in LEVELS if level & Anonymisation.USER])
def test_L19_extensions_of_an_anonymous_event_see_no_more_than_is_sent(
    level: Anonymisation,
) -> None:
    """Not in the body, the entities or the parameters; in no function; nor what others attach."""
    seen: list[str] = []

    def look(event: InspectableEvent) -> bool:
        seen.append(
            f"{event.payload} {event.parameters} {event.own_part!r} "
            f"{[(entity.schema, entity.data) for entity in event.entities]}"
        )
        return True

    def look_and_attach(event: InspectableEvent) -> list[SelfDescribingJson]:
        look(event)
        return [customer()]

    made = extensions(
        PluginConfiguration(
            identifier="x", entities=look_and_attach, filter=look, after_track=look
        ),
        gate=GATE,
        y=GlobalContext(generator=look_and_attach, filter=look),
    )
    data = {"email": CANARY, "town": "T"}
    for event in (
        SelfDescribing(schema=CUSTOMER, data=data, entities=[customer()]),
        PageView(page_url=f"https://{CANARY}@h/?gclid={CANARY}"),
    ):
        extended = made.extend(inspected(event, level, GATE))
        assert extended is not None
        made.after_track(extended)
    made.run_after_track()

    assert len(seen) == 10
    assert not [text for text in seen if CANARY in text]
    assert "'town': 'T'" in seen[0]


def test_L19_a_filter_that_fails_lets_nothing_through() -> None:
    """The app wrote it to keep something back; that it is broken must not undo that."""
    made = extensions(
        PluginConfiguration(identifier="x", filter=lambda event: event.payload["missing"])
    )

    assert made.extend(structured(CANARY)) is None
    assert made.faults() == {"x": 1}


def test_L28_what_fails_is_logged_without_what_it_failed_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(event: InspectableEvent) -> list[SelfDescribingJson]:
        raise RuntimeError(str(event.payload))

    made = extensions(
        PluginConfiguration(identifier="p", entities=fail, after_track=fail),
        g=GlobalContext(generator=lambda _event: [customer({"email": CANARY, "x": object()})]),
        h=GlobalContext(generator=lambda _event: [CANARY]),  # type: ignore[list-item] # the mistake
    )
    extended = made.extend(structured(CANARY))
    assert extended is not None
    made.after_track(extended)
    made.run_after_track()

    assert made.faults() == {"p": 2, "g": 1, "h": 1}
    assert len(caplog.records) == 3
    assert CANARY not in str([record.__dict__ for record in caplog.records])


@pytest.mark.parametrize("schemas", [["iglu:com.acme/event"], ["iglu:com.acme/*/jsonschema/*-*-*"]])
def test_L36_a_list_of_a_plugin_that_could_match_nothing_is_an_error(schemas: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="filter_schemas must hold schemas"):
        PluginConfiguration(identifier="x", filter=lambda _event: False, filter_schemas=schemas)


@pytest.mark.parametrize("field", ["allow", "deny"])
@pytest.mark.parametrize("wrong", ["iglu:com.acme/*/jsonschema/1-0", "com.acme", "iglu:com.acme.*"])
def test_L36_a_mistyped_rule_is_an_error_and_not_ignored(field: str, wrong: str) -> None:
    right = "iglu:com.acme/*/jsonschema/*-*-*"

    with pytest.raises(ConfigurationError, match=r"^rule "):
        SchemaRuleset(**{field: [right, wrong]})
    with pytest.raises(ConfigurationError, match="must be a list"):  # a text lists its letters
        SchemaRuleset(**{field: right})


def test_L36_an_allow_list_that_is_empty_allows_nothing() -> None:
    assert not SchemaRuleset(allow=[]).matches(CUSTOMER)
    assert SchemaRuleset().matches(CUSTOMER)


def test_L36_the_last_version_number_counts() -> None:
    assert not SchemaRuleset(allow=[CUSTOMER]).matches(CUSTOMER[:-1] + "1")
    assert SchemaRuleset(deny=[CUSTOMER]).matches(CUSTOMER[:-1] + "1")


# --- FocalMeter -----------------------------------------------------------------------------------


class Metered:
    """A meter behind real extensions, and a tracker's level, switched as an app would."""

    def __init__(self, endpoint: str, process_user_id: Callable[[str], str] | None = None) -> None:
        clock = ManualClock()
        counters = Counters(clock)
        self.level = NONE
        self.meter = FocalMeter(
            FocalMeterConfiguration(kantar_endpoint=endpoint, process_user_id=process_user_id),
            user_id=self.user_id,
            counters=counters,
            clock=clock,
        )
        self.extensions = Extensions(Gate(), counters, plugins=[self.meter.plugin()])

    def user_id(self) -> str | None:
        return None if self.level else CANARY

    def track(self, level: Anonymisation = NONE) -> None:
        event = inspected(Structured(category="c", action="a"), self.level | level)
        self.extensions.after_track(event)

    def settle(self) -> None:
        assert self.extensions.close(20)
        assert self.meter._worker.close(20)


@pytest.fixture
def server() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.mark.parametrize("level", LEVELS[1:])
def test_L21_no_third_party_is_called_while_anonymous(
    server: Collector, level: Anonymisation
) -> None:
    """Not with the null UUID either: the call itself tells of an address and a time."""
    metered = Metered(server.url)
    metered.level = level
    for _ in range(20):
        metered.track()
    metered.settle()

    assert server.requests == []
    assert metered.meter.failures == 0


def test_L21_an_event_tracked_more_anonymously_than_the_tracker_is_calls_nobody(
    server: Collector,
) -> None:
    metered = Metered(server.url)
    for level in LEVELS[1:]:
        metered.track(level)
    metered.settle()

    assert server.requests == []


def test_L21_switching_calls_nobody_and_only_an_identified_event_does(server: Collector) -> None:
    """A13, without its first request."""
    metered = Metered(server.url)
    metered.level = Anonymisation.USER
    metered.track()
    metered.level = NONE
    metered.extensions.run_after_track()
    assert not server.wait_for_requests(1, timeout_s=0.2)

    metered.track()
    assert server.wait_for_requests(1)
    metered.track()
    metered.settle()

    assert len(server.requests) == 1


def test_L21_an_identified_event_calls_nobody_once_the_tracker_is_anonymous(
    server: Collector,
) -> None:
    """The request would leave after the switch."""
    metered = Metered(server.url)
    event = inspected(Structured(category="c", action="a"))
    metered.level = Anonymisation.FULL
    metered.extensions.after_track(event)
    metered.settle()

    assert server.requests == []


def test_L21_a_switch_while_the_app_s_function_runs_stops_the_request(server: Collector) -> None:
    def slow(user_id: str) -> str:
        metered.level = Anonymisation.USER
        return user_id

    metered = Metered(server.url, process_user_id=slow)
    metered.track()
    metered.settle()

    assert server.requests == []


def test_L21_switching_back_and_forth_names_nobody_while_anonymous(server: Collector) -> None:
    """No request says when anonymity began or ended: the id was told before."""
    metered = Metered(server.url)
    metered.track()
    assert server.wait_for_requests(1)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        is_over = threading.Event()

        def switch() -> None:
            while not is_over.is_set():
                metered.level = Anonymisation.USER
                metered.level = NONE

        thread = threading.Thread(target=switch)
        thread.start()
        for _ in range(500):
            metered.track()
        is_over.set()
        thread.join(20)
    finally:
        sys.setswitchinterval(before)
    metered.settle()

    assert len(server.requests) == 1
