"""The platform entity: its values, when they are read, and what is never in it.

Names like P1, L16 refer to the behaviours that the native trackers' own tests verify, and to the
leaks of the native trackers.
"""

from __future__ import annotations

import json
import os
import threading
import uuid
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout.errors import ConfigurationError
from whiteout.events.entities import DesktopContext, MobileContext
from whiteout.events.properties import properties_of
from whiteout.events.schema import SCHEMAS
from whiteout.identifiers import NULL_UUID
from whiteout.tracker.platform import (
    PlatformContext,
    PlatformContextRetriever,
    PlatformProperty,
    SystemPlatformReader,
    entity_type_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from whiteout.tracker.platform import PlatformEntityType
    from whiteout.tracker.platform_reader import Value

BASICS = {
    "os_type": "android",
    "os_version": "14",
    "device_manufacturer": "Fairphone",
    "device_model": "FP5",
}
BASICS_SENT = {
    "osType": "android",
    "osVersion": "14",
    "deviceManufacturer": "Fairphone",
    "deviceModel": "FP5",
}
IDENTIFIERS = {
    "open_idfa": "2c1f2a52-0000-4000-8000-00000000000a",
    "apple_idfa": "2c1f2a52-0000-4000-8000-00000000000b",
    "apple_idfv": "2c1f2a52-0000-4000-8000-00000000000c",
    "android_idfa": "2c1f2a52-0000-4000-8000-00000000000d",
    "app_set_id": "2c1f2a52-0000-4000-8000-00000000000e",
    "app_set_id_scope": "developer",
}
IDENTIFIERS_SENT = {
    "openIdfa": "2c1f2a52-0000-4000-8000-00000000000a",
    "appleIdfa": "2c1f2a52-0000-4000-8000-00000000000b",
    "appleIdfv": "2c1f2a52-0000-4000-8000-00000000000c",
    "androidIdfa": "2c1f2a52-0000-4000-8000-00000000000d",
    "appSetId": "2c1f2a52-0000-4000-8000-00000000000e",
    "appSetIdScope": "developer",
}
REST = {
    "carrier": "Vodafone",
    "network_type": "mobile",
    "network_technology": "LTE",
    "physical_memory": 8_000_000_000,
    "system_available_memory": 3_000_000_000,
    "app_available_memory": 1_000_000_000,
    "battery_level": 80,
    "battery_state": "charging",
    "low_power_mode": False,
    "available_storage": 50_000_000_000,
    "total_storage": 128_000_000_000,
    "is_portrait": True,
    "resolution": "1224x2700",
    "scale": 2.75,
    "language": "de-AT",
}
REST_SENT = {
    "carrier": "Vodafone",
    "networkType": "mobile",
    "networkTechnology": "LTE",
    "physicalMemory": 8_000_000_000,
    "systemAvailableMemory": 3_000_000_000,
    "appAvailableMemory": 1_000_000_000,
    "batteryLevel": 80,
    "batteryState": "charging",
    "lowPowerMode": False,
    "availableStorage": 50_000_000_000,
    "totalStorage": 128_000_000_000,
    "isPortrait": True,
    "resolution": "1224x2700",
    "scale": 2.75,
    "language": "de-AT",
}
FAST = [
    "system_available_memory",
    "app_available_memory",
    "battery_level",
    "battery_state",
    "low_power_mode",
    "available_storage",
    "is_portrait",
]
NETWORK = ["network_type", "network_technology"]
EVERYTHING: dict[str, Any] = BASICS | REST | IDENTIFIERS


class FakeReader:
    """A device whose values a test sets, and that remembers what it was asked."""

    def __init__(self, **values: object) -> None:
        self.values: dict[str, Any] = dict(values)
        self.asked: list[str] = []

    def read(self, name: str) -> Value:
        self.asked.append(name)
        value: Value = self.values.get(name)
        return value


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def never(name: str, error: Exception) -> None:
    pytest.fail(f"reading {name} failed: {error!r}")


def make(
    reader: FakeReader | SystemPlatformReader,
    *,
    clock: Clock | None = None,
    entity_type: PlatformEntityType = MobileContext,
    **arguments: Any,  # noqa: ANN401 - those of PlatformContext
) -> PlatformContext:
    return PlatformContext(
        entity_type=entity_type,
        reader=reader,
        monotonic_s=clock or Clock(),
        on_error=arguments.pop("on_error", never),
        **arguments,
    )


def data(context: PlatformContext, *, with_identifiers: bool = True) -> dict[str, Any]:
    entity = context.entity(with_identifiers=with_identifiers)
    assert entity is not None
    return dict(entity.data)


def read_data(
    reader: FakeReader,
    *,
    with_identifiers: bool = True,
    **arguments: Any,  # noqa: ANN401 - those of PlatformContext
) -> dict[str, Any]:
    context = make(reader, **arguments)
    context.refresh(with_identifiers=with_identifiers)
    return data(context, with_identifiers=with_identifiers)


def retriever_of(values: dict[str, Any]) -> PlatformContextRetriever:
    """A retriever with a callback for each of the values."""
    names = {"device_manufacturer": "device_vendor"}
    return PlatformContextRetriever(
        **{names.get(name, name): lambda value=value: value for name, value in values.items()}
    )


def test_p1_every_property_of_the_device_is_mapped_to_its_name_and_type() -> None:
    assert read_data(FakeReader(**EVERYTHING)) == BASICS_SENT | REST_SENT | IDENTIFIERS_SENT


def test_the_entity_names_its_schema() -> None:
    context = make(FakeReader(**BASICS))
    context.refresh(with_identifiers=False)

    entity = context.entity(with_identifiers=False)

    assert entity is not None
    assert entity.schema == "iglu:com.snowplowanalytics.snowplow/mobile_context/jsonschema/1-0-3"


@pytest.mark.parametrize("name", FAST)
def test_p2_memory_and_battery_are_read_again_after_a_second(name: str) -> None:
    reader, clock = FakeReader(**EVERYTHING), Clock()
    context = make(reader, clock=clock)

    context.refresh(with_identifiers=True)
    clock.now_s += 0.999
    context.refresh(with_identifiers=True)
    assert reader.asked.count(name) == 1

    clock.now_s += 0.001
    context.refresh(with_identifiers=True)
    assert reader.asked.count(name) == 2


def test_p2_an_interval_of_zero_reads_every_time() -> None:
    reader = FakeReader(**EVERYTHING)
    context = make(reader, fast_interval_s=0, network_interval_s=0)

    context.refresh(with_identifiers=True)
    context.refresh(with_identifiers=True)

    read_twice = {name for name in EVERYTHING if reader.asked.count(name) == 2}
    assert read_twice == {*FAST, *NETWORK, *IDENTIFIERS}


@pytest.mark.parametrize("name", NETWORK)
def test_p3_the_network_is_read_again_after_ten_seconds(name: str) -> None:
    reader, clock = FakeReader(**EVERYTHING), Clock()
    context = make(reader, clock=clock)

    context.refresh(with_identifiers=True)
    clock.now_s += 9.999
    context.refresh(with_identifiers=True)
    assert reader.asked.count(name) == 1

    clock.now_s += 0.001
    context.refresh(with_identifiers=True)
    assert reader.asked.count(name) == 2


@pytest.mark.parametrize(
    "name", ["os_type", "total_storage", "carrier", "physical_memory", "resolution", "language"]
)
@pytest.mark.parametrize("known", [True, False])
def test_p4_what_cannot_change_is_read_once_even_when_it_is_unknown(
    name: str,
    known: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    reader = FakeReader(**(EVERYTHING if known else {}))
    context = make(reader, fast_interval_s=0, network_interval_s=0)

    context.refresh(with_identifiers=True)
    context.refresh(with_identifiers=True)

    assert reader.asked.count(name) == 1


def test_p5_nothing_is_read_before_the_first_refresh() -> None:
    reader = FakeReader(**EVERYTHING)
    context = make(reader, retriever=retriever_of(IDENTIFIERS))

    assert context.entity(with_identifiers=True) is None
    assert reader.asked == []


@pytest.mark.parametrize("name", IDENTIFIERS)
def test_p6_an_identifier_is_asked_for_once_and_kept_for_ten_seconds(name: str) -> None:
    reader, clock = FakeReader(**EVERYTHING), Clock()
    context = make(reader, clock=clock)

    context.refresh(with_identifiers=True)
    reader.values[name] = "app" if name == "app_set_id_scope" else str(uuid.uuid4())
    clock.now_s += 9.999
    context.refresh(with_identifiers=True)

    assert data(context) == BASICS_SENT | REST_SENT | IDENTIFIERS_SENT
    assert reader.asked.count(name) == 1


@pytest.mark.parametrize("absent", [None, NULL_UUID])
@pytest.mark.parametrize("name", ["apple_idfa", "apple_idfv", "android_idfa", "app_set_id"])
def test_l23_an_identifier_is_dropped_within_ten_seconds_of_a_permission_taken_back(
    name: str, absent: str | None
) -> None:
    """The native trackers keep it until the app is started again."""
    reader, clock = FakeReader(**EVERYTHING), Clock()
    context = make(reader, clock=clock)
    context.refresh(with_identifiers=True)

    reader.values[name] = absent
    clock.now_s += 10
    context.refresh()  # housekeeping

    assert properties_of(MobileContext)[name].name not in data(context)
    assert IDENTIFIERS[name] not in repr(vars(context))


def test_l23_an_identifier_whose_callback_fails_from_now_on_is_dropped() -> None:
    answers = [IDENTIFIERS["apple_idfa"]]  # the next time there is none to pop
    retriever = PlatformContextRetriever(apple_idfa=answers.pop)
    clock = Clock()
    context = make(FakeReader(**BASICS), clock=clock, retriever=retriever, on_error=lambda *_: None)
    context.refresh(with_identifiers=True)
    assert data(context) == BASICS_SENT | {"appleIdfa": IDENTIFIERS["apple_idfa"]}

    clock.now_s += 10
    context.refresh()

    assert data(context) == BASICS_SENT


def test_l23_what_a_strict_profile_withholds_is_not_read_more_often_for_that() -> None:
    reader, clock = FakeReader(**EVERYTHING), Clock()
    context = make(reader, clock=clock, withholds=lambda _schema, name: name == "carrier")
    context.refresh(with_identifiers=True)

    clock.now_s += 10
    context.refresh()

    assert (reader.asked.count("carrier"), reader.asked.count("apple_idfa")) == (1, 2)


@pytest.mark.parametrize("absent", [None, "", "  ", NULL_UUID])
@pytest.mark.parametrize("name", ["apple_idfa", "apple_idfv", "android_idfa", "app_set_id"])
def test_p6_an_identifier_that_is_absent_is_asked_for_again(name: str, absent: str | None) -> None:
    """The null UUID is what Apple gives where tracking is not allowed: no identifier."""
    reader = FakeReader(**EVERYTHING | {name: absent})
    context = make(reader)
    sent = properties_of(MobileContext)[name].name

    context.refresh(with_identifiers=True)
    assert sent not in data(context)

    reader.values[name] = IDENTIFIERS[name]
    context.refresh(with_identifiers=True)
    assert data(context)[sent] == IDENTIFIERS[name]


def test_p7_of_an_opt_in_list_only_those_and_the_basics_are_sent_and_read() -> None:
    reader = FakeReader(**EVERYTHING)

    sent = read_data(
        reader, properties=[PlatformProperty.NETWORK_TYPE, PlatformProperty.BATTERY_LEVEL]
    )

    assert sent == BASICS_SENT | {"networkType": "mobile", "batteryLevel": 80}
    assert sorted(reader.asked) == sorted([*BASICS, "network_type", "battery_level"])


def test_p7_an_empty_opt_in_list_leaves_the_basics() -> None:
    assert read_data(FakeReader(**EVERYTHING), properties=[]) == BASICS_SENT


@pytest.mark.parametrize("properties", [["battery"], ["os_type"], 3, [None]])
def test_an_opt_in_list_with_an_unknown_property_is_refused(properties: object) -> None:
    with pytest.raises(ConfigurationError, match="battery_level, battery_state"):
        make(FakeReader(), properties=properties)


@pytest.mark.parametrize(
    ("language", "sent"),
    [("1234567890", "12345678"), ("zh-Hant-TW", "zh-Hant"), ("de", "de")],
)
def test_p8_a_language_is_cut_to_eight_characters(language: str, sent: str) -> None:
    assert read_data(FakeReader(**BASICS, language=language))["language"] == sent


def test_p9_a_retriever_for_every_property_overrides_them_all() -> None:
    reader = FakeReader()

    sent = read_data(reader, retriever=retriever_of(EVERYTHING))

    assert sent == BASICS_SENT | REST_SENT | IDENTIFIERS_SENT
    assert reader.asked == []


@pytest.mark.parametrize("name", [name for name in EVERYTHING if name not in BASICS])
def test_p9_a_retriever_that_has_no_value_is_not_second_guessed(name: str) -> None:
    sent = read_data(FakeReader(**EVERYTHING), retriever=retriever_of({name: None}))

    assert properties_of(MobileContext)[name].name not in sent
    assert len(sent) == len(EVERYTHING) - 1


def test_p10_an_empty_app_set_id_is_left_out_and_its_scope_stays() -> None:
    sent = read_data(FakeReader(**EVERYTHING | {"app_set_id": ""}))

    assert "appSetId" not in sent
    assert sent["appSetIdScope"] == "developer"


@pytest.mark.parametrize("name", ["battery_level", "available_storage", "total_storage"])
@pytest.mark.parametrize("from_app", [True, False])
def test_p10_a_negative_value_is_left_out_and_the_others_stay(
    name: str,
    from_app: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    reader = FakeReader(**EVERYTHING | ({} if from_app else {name: -1}))

    sent = read_data(reader, retriever=retriever_of({name: -1} if from_app else {}))

    assert properties_of(MobileContext)[name].name not in sent
    assert len(sent) == len(EVERYTHING) - 1


@pytest.mark.parametrize("missing", BASICS)
def test_without_one_of_the_four_basics_a_device_sends_nothing(missing: str) -> None:
    context = make(FakeReader(**EVERYTHING | {missing: None}))

    context.refresh(with_identifiers=True)

    assert context.entity(with_identifiers=True) is None
    assert context.entity(with_identifiers=False) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("network_type", "ethernet"),
        ("battery_state", "discharging"),
        ("battery_level", 101),
        ("battery_level", True),
        ("battery_level", 0.8),
        ("physical_memory", 2**63),
        ("low_power_mode", 1),
        ("is_portrait", "yes"),
        ("resolution", "123456789x123456789012"),
        ("resolution", "wide"),
        ("scale", 1001),
        ("scale", float("nan")),
        ("carrier", 5),
        ("carrier", "x" * 256),
        ("carrier", "half a surrogate: \ud800"),
        ("app_set_id", "not a UUID"),
        ("app_set_id_scope", "world"),
        ("language", object()),
    ],
)
def test_what_the_schema_forbids_is_left_out(name: str, value: object) -> None:
    sent = read_data(FakeReader(**EVERYTHING), retriever=retriever_of({name: value}))

    assert properties_of(MobileContext)[name].name not in sent
    assert len(sent) == len(EVERYTHING) - 1


@pytest.mark.parametrize("name", [*FAST, *NETWORK])
def test_a_reading_that_is_gone_is_removed(name: str) -> None:
    reader = FakeReader(**EVERYTHING)
    context = make(reader, fast_interval_s=0, network_interval_s=0)
    context.refresh(with_identifiers=True)

    reader.values[name] = None
    context.refresh(with_identifiers=True)

    assert properties_of(MobileContext)[name].name not in data(context)


def test_a_retriever_that_raises_counts_as_no_value_and_is_reported() -> None:
    reported: list[tuple[str, str]] = []

    def broken() -> str:
        message = "no radio"
        raise OSError(message)

    sent = read_data(
        FakeReader(**EVERYTHING),
        retriever=PlatformContextRetriever(carrier=broken),
        on_error=lambda name, error: reported.append((name, str(error))),
    )

    assert "carrier" not in sent
    assert len(sent) == len(EVERYTHING) - 1
    assert reported == [("carrier", "no radio")]


def test_a_retriever_takes_callbacks_only() -> None:
    with pytest.raises(ConfigurationError, match="carrier must be a callback or None, got str"):
        PlatformContextRetriever(carrier="Vodafone")  # type: ignore[arg-type]  # the mistake


# Identifiers


def test_a3_a4_a5_l16_no_identifier_is_in_the_entity_of_an_anonymous_event() -> None:
    """The native Android tracker leaves `appSetId` and its scope in: A5, asserted the safe way."""
    context = make(FakeReader(**EVERYTHING))
    context.refresh(with_identifiers=True)

    assert data(context, with_identifiers=False) == BASICS_SENT | REST_SENT


def test_l23_identifiers_are_not_asked_for_while_they_are_not_wanted() -> None:
    asked: list[str] = []

    def callback(name: str) -> Callable[[], str]:
        def ask() -> str:
            asked.append(name)
            return IDENTIFIERS[name]

        return ask

    reader = FakeReader(**EVERYTHING)
    retriever = PlatformContextRetriever(**{name: callback(name) for name in IDENTIFIERS})  # type: ignore[arg-type]  # all of them are texts
    context = make(reader, retriever=retriever)

    context.refresh(with_identifiers=False)
    assert asked == []
    assert not set(reader.asked) & set(IDENTIFIERS)
    assert data(context, with_identifiers=True) == BASICS_SENT | REST_SENT

    context.refresh(with_identifiers=True)
    assert sorted(asked) == sorted(IDENTIFIERS)
    assert data(context, with_identifiers=True) == BASICS_SENT | REST_SENT | IDENTIFIERS_SENT


@pytest.mark.parametrize("how", ["refresh", "forget"])
def test_l23_identifiers_are_forgotten_when_the_user_becomes_anonymous(how: str) -> None:
    context = make(FakeReader(**EVERYTHING))
    context.refresh(with_identifiers=True)

    if how == "refresh":
        context.refresh(with_identifiers=False)
    else:
        context.forget_identifiers()

    assert data(context, with_identifiers=True) == BASICS_SENT | REST_SENT
    kept = repr(vars(context))
    assert "FP5" in kept
    assert "2c1f2a52" not in kept


def test_l23_identifiers_that_were_being_read_meanwhile_are_not_kept() -> None:
    """The user becomes anonymous while a callback is running in another thread."""
    context: PlatformContext
    asked: list[str] = []

    def slow() -> str:
        asked.append("apple_idfa")
        context.forget_identifiers()
        return IDENTIFIERS["apple_idfa"]

    def later() -> str:
        asked.append("apple_idfv")
        return IDENTIFIERS["apple_idfv"]

    retriever = PlatformContextRetriever(apple_idfa=slow, apple_idfv=later)
    context = make(FakeReader(**BASICS), retriever=retriever)

    context.refresh(with_identifiers=True)

    assert data(context, with_identifiers=True) == BASICS_SENT
    assert asked == ["apple_idfa"]


def test_l23_housekeeping_asks_for_identifiers_only_while_they_are_wanted() -> None:
    """It need not know, and so cannot be late in knowing."""
    reader = FakeReader(**EVERYTHING)
    context = make(reader)

    context.refresh()
    assert not set(reader.asked) & set(IDENTIFIERS)

    context.refresh(with_identifiers=True)
    context.forget_identifiers()
    context.refresh()
    assert data(context) == BASICS_SENT | REST_SENT | IDENTIFIERS_SENT

    context.refresh(with_identifiers=False)
    reader.asked.clear()
    context.refresh()
    assert not set(reader.asked) & set(IDENTIFIERS)
    assert data(context) == BASICS_SENT | REST_SENT


def test_identifiers_asked_for_again_may_be_others() -> None:
    """Whoever was reset on the device while the user was anonymous is somebody new."""
    reader = FakeReader(**EVERYTHING)
    context = make(reader)
    context.refresh(with_identifiers=True)
    context.refresh(with_identifiers=False)

    reader.values["apple_idfa"] = fresh = str(uuid.uuid4())
    context.refresh(with_identifiers=True)

    assert data(context)["appleIdfa"] == fresh


# Freshness, copies, threads


def test_an_entity_is_a_copy_of_its_own() -> None:
    context = make(FakeReader(**EVERYTHING))
    context.refresh(with_identifiers=True)

    first = context.entity(with_identifiers=True)
    assert first is not None
    first.data.clear()  # type: ignore[attr-defined]  # what an app's plugin might do

    assert data(context) == BASICS_SENT | REST_SENT | IDENTIFIERS_SENT


def test_the_version_changes_only_with_the_entity() -> None:
    reader = FakeReader(**EVERYTHING)
    context = make(reader, fast_interval_s=0, network_interval_s=0)
    versions = [context.version]

    def refresh(*, with_identifiers: bool = True) -> None:
        context.refresh(with_identifiers=with_identifiers)
        versions.append(context.version)

    refresh()
    refresh()  # nothing new
    reader.values["battery_level"] = 79
    refresh()
    refresh(with_identifiers=False)
    refresh(with_identifiers=False)  # nothing more to forget

    steps = [later - earlier for earlier, later in pairwise(versions)]
    assert steps == [1, 0, 1, 1, 0]


def test_entity_reads_nothing() -> None:
    reader, clock = FakeReader(**EVERYTHING), Clock()
    context = make(reader, clock=clock)
    context.refresh(with_identifiers=True)
    reader.asked.clear()

    clock.now_s += 60
    context.entity(with_identifiers=True)

    assert reader.asked == []


def test_a_refresh_beside_another_returns_at_once_and_reads_nothing() -> None:
    entered, leave = threading.Event(), threading.Event()
    asked: list[str] = []

    def slow() -> str:
        asked.append("carrier")
        entered.set()
        assert leave.wait(10)
        return "Vodafone"

    context = make(FakeReader(**BASICS), retriever=PlatformContextRetriever(carrier=slow))
    thread = threading.Thread(target=context.refresh, kwargs={"with_identifiers": True})
    thread.start()
    assert entered.wait(10)

    context.refresh(with_identifiers=True)
    assert context.entity(with_identifiers=True) is None

    leave.set()
    thread.join(10)
    assert data(context) == BASICS_SENT | {"carrier": "Vodafone"}
    assert asked == ["carrier"]


def test_a_callback_may_ask_the_context_itself() -> None:
    """No lock is held while the app's code runs."""
    context: PlatformContext

    def curious() -> str:
        context.refresh(with_identifiers=False)
        context.forget_identifiers()
        assert context.entity(with_identifiers=True) is None
        return "Vodafone"

    retriever = PlatformContextRetriever(carrier=curious)
    context = make(FakeReader(**BASICS), retriever=retriever)

    context.refresh(with_identifiers=True)

    assert data(context) == BASICS_SENT | {"carrier": "Vodafone"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_child_process_reads_for_itself_although_the_fork_came_in_the_middle_of_a_refresh() -> (
    None
):
    context: PlatformContext
    receiver, sender = os.pipe()

    def fork() -> str:
        if os.fork() == 0:
            try:
                # Still inside the parent's refresh: its lock is taken, and nobody will release it.
                context.reset_after_fork()
                context.refresh(with_identifiers=True)
                os.write(sender, json.dumps(data(context)).encode())
            finally:
                os._exit(0)
        os.wait()
        return "Vodafone"

    answers = iter((fork, lambda: "Orange"))

    def carrier() -> str:
        return next(answers)()

    retriever = PlatformContextRetriever(carrier=carrier)
    context = make(FakeReader(**BASICS), retriever=retriever)

    context.refresh(with_identifiers=True)

    os.close(sender)
    with os.fdopen(receiver) as from_child:
        assert json.load(from_child) == BASICS_SENT | {"carrier": "Orange"}
    assert data(context) == BASICS_SENT | {"carrier": "Vodafone"}


# Desktop


def test_a_desktop_computer_sends_the_four_basics_and_reads_nothing_else() -> None:
    reader = FakeReader(**EVERYTHING)

    sent = read_data(reader, entity_type=DesktopContext)

    assert sent == BASICS_SENT
    assert sorted(reader.asked) == sorted(BASICS)


def test_a_desktop_computer_without_a_name_still_sends_its_system() -> None:
    reader = FakeReader(os_type="linux", os_version="debian 12")

    sent = read_data(reader, entity_type=DesktopContext)

    assert sent == {"osType": "linux", "osVersion": "debian 12"}


@pytest.mark.parametrize(
    ("os_type", "entity_type"),
    [
        ("android", MobileContext),
        ("ios", MobileContext),
        ("osx", DesktopContext),
        ("windows", DesktopContext),
        ("linux", DesktopContext),
        ("freebsd", DesktopContext),
    ],
)
def test_phones_send_the_mobile_entity_and_computers_the_desktop_one(
    os_type: str, entity_type: PlatformEntityType
) -> None:
    assert entity_type_of(os_type) is entity_type


# Laws

ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=300),
    st.sampled_from(list(EVERYTHING.values())),
    st.binary(max_size=3),
    st.lists(st.integers(), max_size=2),
)
READINGS = st.fixed_dictionaries(
    {name: st.one_of(st.just(value), ANYTHING) for name, value in BASICS.items()},
    optional=dict.fromkeys(REST | IDENTIFIERS, ANYTHING),
)
VALIDATORS = {
    uri: jsonschema_rs.Draft4Validator(
        {key: value for key, value in schema.items() if key not in {"$schema", "self"}},
        validate_formats=True,
    )
    for uri, schema in SCHEMAS.items()
}


@given(
    read=READINGS,
    retrieved=st.dictionaries(st.sampled_from(sorted(EVERYTHING)), ANYTHING, max_size=8),
    properties=st.none() | st.sets(st.sampled_from(PlatformProperty)),
    entity_type=st.sampled_from([MobileContext, DesktopContext]),
    with_identifiers=st.booleans(),
)
def test_whatever_is_read_an_entity_satisfies_its_schema(
    read: dict[str, Any],
    retrieved: dict[str, Any],
    properties: Collection[PlatformProperty] | None,
    entity_type: PlatformEntityType,
    with_identifiers: bool,  # noqa: FBT001 - drawn
) -> None:
    context = make(
        FakeReader(**read),
        entity_type=entity_type,
        retriever=retriever_of(retrieved),
        properties=properties,
    )
    context.refresh(with_identifiers=with_identifiers)

    for wanted in (True, False):
        entity = context.entity(with_identifiers=wanted)
        if entity is not None:
            VALIDATORS[entity.schema].validate(entity.data)
            if not (wanted and with_identifiers):
                assert not entity.data.keys() & IDENTIFIERS_SENT.keys()


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["refresh", "refresh without", "forget"]),
            st.floats(min_value=0, max_value=12),
        ),
        max_size=12,
    )
)
def test_identifiers_are_kept_only_since_the_last_refresh_that_wanted_them(
    steps: list[tuple[str, float]],
) -> None:
    clock = Clock()
    context = make(FakeReader(**EVERYTHING), clock=clock)
    expected: set[str] = set()

    for step, wait_s in steps:
        clock.now_s += wait_s
        if step == "forget":
            context.forget_identifiers()
        else:
            context.refresh(with_identifiers=step == "refresh")
        expected = set(IDENTIFIERS_SENT) if step == "refresh" else set()
        entity = context.entity(with_identifiers=True)
        sent = set(entity.data) if entity else set()
        assert sent & IDENTIFIERS_SENT.keys() == expected
