"""The strict profile as the gate applies it: laws, marks, and what it does not touch."""

from __future__ import annotations

import copy
import datetime as dt
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.strict.instances import alike, anything

from whiteout.anonymisation import Anonymisation, Gate, PrivacyProfile, SafeProperties
from whiteout.errors import ConfigurationError
from whiteout.events.schema import SCHEMAS
from whiteout.events.self_describing import SelfDescribing
from whiteout.identifiers import IDENTIFIERS, EntityProperty, Parameter, identifying_property
from whiteout.packed import pack
from whiteout.protocol.parameters import PARAMETERS
from whiteout.protocol.self_describing import CONTEXTS, UNSTRUCT_EVENT, SelfDescribingJson
from whiteout.strict.coarsening import DROP, KEEP
from whiteout.strict.table import STRICT_TABLE
from whiteout.tracker.own_part import own_part

if TYPE_CHECKING:
    from collections.abc import Mapping

NONE, USER = Anonymisation.NONE, Anonymisation.USER
LEVELS = [Anonymisation(bits) for bits in range(Anonymisation.FULL.value + 1)]
ORDER = "iglu:com.acme/order/jsonschema/1-0-0"
SAFE = SafeProperties(
    criterion="iglu:com.acme/order", properties=("kind", "address.country", "items.category")
)
STANDARD = Gate()
STRICT = Gate(profile=PrivacyProfile.STRICT, safe_properties=(SAFE,))
NAMING = frozenset(
    row.location.name
    for row in IDENTIFIERS
    if isinstance(row.location, Parameter) and row.masked_at(USER) is not None
)
PACKED = frozenset({"ue_px", "ue_pr", "cx", "co"})

user_levels = st.sampled_from([level for level in LEVELS if USER in level])
levels = st.sampled_from(LEVELS)
schemas = st.sampled_from([*SCHEMAS, ORDER, "iglu:com.acme/unknown/jsonschema/1-0-0"])
names = st.sampled_from(
    [
        *sorted({name for schema in SCHEMAS.values() for name in schema["properties"]}),
        *("kind", "address", "items", "country", "category", "email"),
    ]
)
hostile = st.recursive(
    anything,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
    max_leaves=10,
)
entities = st.builds(SelfDescribingJson, schemas, st.dictionaries(names, hostile, max_size=8))
parameters = st.dictionaries(
    st.sampled_from([*sorted(PARAMETERS), "brand_new"]), st.text(max_size=12), max_size=12
)


def written(value: Any) -> str:  # noqa: ANN401 - any JSON
    """As text: NaN is not equal to itself, and True is equal to 1."""
    return json.dumps(value)


def passed(gate: Gate, entity: SelfDescribingJson, level: Anonymisation) -> str:
    return written([one.as_dict() for one in gate.entities([entity], level)])


@given(entities, levels)
def test_an_entity_passes_a_second_time_as_it_is(
    entity: SelfDescribingJson, level: Anonymisation
) -> None:
    once = STRICT.entities([entity], level)

    again = STRICT.entities(once, level)

    assert written([one.as_dict() for one in again]) == written([one.as_dict() for one in once])


@given(parameters, levels)
def test_parameters_pass_a_second_time_as_they_are(
    payload: dict[str, str], level: Anonymisation
) -> None:
    once = STRICT.parameters(payload, level)

    assert STRICT.parameters(once, level) == once


@given(entities, user_levels, levels)
def test_what_a_looser_level_or_profile_hides_the_strict_one_cannot_know(
    entity: SelfDescribingJson, level: Anonymisation, looser: Anonymisation
) -> None:
    """Strict after standard is strict: it never looks at what the looser gate took away."""
    strict = passed(STRICT, entity, level)

    for gate in (STANDARD, STRICT):
        loose = gate.entities([entity], looser & level)
        assert (passed(STRICT, loose[0], level) if loose else "[]") == strict


@given(parameters, user_levels, levels)
def test_a_stricter_level_or_profile_passes_no_parameter_that_a_looser_one_hides(
    payload: dict[str, str], level: Anonymisation, looser: Anonymisation
) -> None:
    strict = STRICT.parameters(payload, level)

    assert strict.keys() <= STANDARD.parameters(payload, level).keys()
    for gate in (STANDARD, STRICT):
        loose = gate.parameters(payload, looser & level)
        assert strict.keys() <= loose.keys()
        assert STRICT.parameters(loose, level) == strict


@given(entities, parameters)
def test_without_any_flag_both_profiles_are_the_same(
    entity: SelfDescribingJson, payload: dict[str, str]
) -> None:
    assert passed(STRICT, entity, NONE) == passed(STANDARD, entity, NONE)
    assert STRICT.parameters(payload, NONE) == STANDARD.parameters(payload, NONE)


@given(parameters, st.sampled_from([level for level in LEVELS if level and USER not in level]))
def test_where_the_user_is_not_hidden_all_but_who_it_is_is_as_coarse(
    payload: dict[str, str], level: Anonymisation
) -> None:
    """An app may name nobody: a rare device would single somebody out all the same."""
    strict, hidden = STRICT.parameters(payload, level), STRICT.parameters(payload, level | USER)

    named = {name: value for name, value in strict.items() if name in NAMING}
    packed = PACKED & strict.keys()
    assert named == {
        name: value for name, value in STANDARD.parameters(payload, level).items() if name in NAMING
    }
    assert {name: strict[name] for name in strict.keys() - NAMING - packed} == {
        name: hidden[name] for name in hidden.keys() - packed
    }


@pytest.mark.parametrize("level", [Anonymisation.SESSION, Anonymisation.SERVER])
def test_where_the_user_is_not_hidden_entities_tell_who_it_is_and_the_rest_coarsely(
    level: Anonymisation,
) -> None:
    device = "iglu:com.snowplowanalytics.snowplow/mobile_context/jsonschema/1-0-3"
    data = {"osType": "ios", "osVersion": "18.1.2", "deviceModel": "iPhone17,1", "scale": 3.0}

    strict = STRICT.entity(
        SelfDescribingJson(device, {**data, "deviceManufacturer": "Apple", "appleIdfa": "ID"}),
        level,
    )

    assert strict is not None
    assert strict.data == {
        "osType": "ios",
        "osVersion": "18",
        "deviceManufacturer": "withheld",
        "deviceModel": "mobile",
        "appleIdfa": "ID",
    }
    place = "iglu:com.snowplowanalytics.snowplow/geolocation_context/jsonschema/1-1-0"
    assert (
        STRICT.entities([SelfDescribingJson(place, {"latitude": 1, "longitude": 2})], level) == []
    )


@given(entities, parameters, levels)
def test_the_app_s_objects_stay_as_they_are(
    entity: SelfDescribingJson, payload: dict[str, str], level: Anonymisation
) -> None:
    before = written(copy.deepcopy([entity.as_dict(), payload]))

    STRICT.entities([entity], level)
    STRICT.body(entity, level)
    STRICT.parameters(payload, level)

    assert written([entity.as_dict(), payload]) == before


class Two(NamedTuple):
    """Two runs that differ only in secrets."""

    one: dict[str, Any]
    other: dict[str, Any]


@st.composite
def two_runs(draw: st.DrawFn, uri: str) -> Two:
    """Data of a schema; every secret differs: what is dropped, what is made coarse, what is new."""
    runs = Two({}, {})
    vendor, name = uri.removeprefix("iglu:").split("/")[:2]
    for row in STRICT_TABLE:
        match row.location:
            case EntityProperty(of, schema, path) if (of, schema) == (vendor, name):
                if row.treatment is DROP or draw(st.booleans()):
                    runs.one[path[0]], runs.other[path[0]] = draw(alike(row.treatment))
    for run in runs:
        run[draw(st.sampled_from(["brand_new", "email"]))] = draw(anything)
    return runs


@pytest.mark.parametrize("uri", SCHEMAS)
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=15, deadline=None)
@given(data=st.data())
def test_two_runs_that_differ_only_in_secrets_give_the_same_bytes(
    uri: str, data: st.DataObject
) -> None:
    runs = data.draw(two_runs(uri))
    level = data.draw(user_levels)

    bodies = [written(STRICT.body(SelfDescribingJson(uri, run), level).as_dict()) for run in runs]
    whole = [passed(STRICT, SelfDescribingJson(uri, run), level) for run in runs]

    assert bodies[0] == bodies[1]
    assert whole[0] == whole[1]


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=15, deadline=None)
@given(st.data())
def test_two_payloads_that_differ_only_in_secrets_give_the_same_bytes(data: st.DataObject) -> None:
    runs = Two({}, {})
    for row in STRICT_TABLE:
        if isinstance(row.location, Parameter) and row.location.name not in PACKED:
            one, other = data.draw(alike(row.treatment))
            if isinstance(one, str) and isinstance(other, str):
                runs.one[row.location.name], runs.other[row.location.name] = one, other

    first, second = (STRICT.parameters(run, USER) for run in runs)

    assert written(first) == written(second)


# --- marks of the app ---------------------------------------------------------------------------


def test_of_an_app_s_own_schema_only_what_is_marked_as_safe_passes() -> None:
    data = {
        "kind": "gift",
        "customer": "anna",
        "address": {"country": "DE", "street": "Elm 1"},
        "items": [{"category": "tea", "name": "for Anna"}, "no object"],
    }

    strict = STRICT.entity(SelfDescribingJson(ORDER, data), USER)

    assert strict is not None
    assert strict.data == {
        "kind": "gift",
        "address": {"country": "DE"},
        "items": [{"category": "tea"}],
    }


def test_a_property_that_is_marked_as_safe_passes_with_all_that_is_below_it() -> None:
    marks = (SafeProperties(criterion="iglu:com.acme/order", properties=("items.size", "items")),)
    gate = Gate(profile=PrivacyProfile.STRICT, safe_properties=marks)
    data = {"items": [{"size": 1, "name": "tea"}]}

    strict = gate.entity(SelfDescribingJson(ORDER, data), USER)

    assert strict is not None
    assert strict.data == data


def test_entities_without_a_safe_property_go_and_events_lose_their_data() -> None:
    unknown = SelfDescribingJson("iglu:com.acme/unknown/jsonschema/1-0-0", {"kind": "gift"})

    assert STRICT.entities([unknown], USER) == []
    assert STRICT.body(unknown, USER).data == {}
    assert not STRICT.lets_in(unknown.schema, USER)
    assert not STRICT.lets_in(unknown.schema, Anonymisation.SERVER)
    assert STRICT.lets_in(unknown.schema, NONE)
    assert STRICT.lets_in(ORDER, USER)


def test_an_entity_may_be_declared_safe_without_any_data() -> None:
    mark = SafeProperties(criterion="iglu:com.acme/beta", properties=())
    gate = Gate(profile=PrivacyProfile.STRICT, safe_properties=(mark,))

    strict = gate.entity(
        SelfDescribingJson("iglu:com.acme/beta/jsonschema/1-0-0", {"a": "CANARY"}), USER
    )

    assert strict is not None
    assert strict.data == {}


def test_what_is_marked_as_identifying_goes_although_it_is_marked_as_safe() -> None:
    marks = (*IDENTIFIERS, identifying_property("iglu:com.acme/order", "kind"))
    gate = Gate(marks, profile=PrivacyProfile.STRICT, safe_properties=(SAFE,))

    strict = gate.entity(SelfDescribingJson(ORDER, {"kind": "gift"}), USER)

    assert strict is not None
    assert strict.data == {}


def test_the_app_cannot_loosen_what_the_table_decides() -> None:
    for row in STRICT_TABLE:
        if not isinstance(row.location, Parameter):
            vendor, name = row.location.vendor, row.location.schema_name
            mark = SafeProperties(criterion=f"iglu:{vendor}/{name}", properties=("carrier",))
            with pytest.raises(ConfigurationError, match="safe_properties"):
                Gate(profile=PrivacyProfile.STRICT, safe_properties=(mark,))


@pytest.mark.parametrize(
    ("criterion", "properties"),
    [
        ("com.acme/order", ("kind",)),
        ("iglu:com.acme/order/jsonschema/1-0-0", ("kind",)),
        ("iglu:com.acme", ()),
        ("iglu:com.acme/order", ("",)),
        ("iglu:com.acme/order", "kind"),
        ("iglu:com.acme/order", (1,)),
    ],
)
def test_a_mark_that_could_match_nothing_is_refused(criterion: str, properties: Any) -> None:  # noqa: ANN401 - wrong on purpose
    with pytest.raises(ConfigurationError):
        SafeProperties(criterion=criterion, properties=properties)


def test_a_safe_property_is_written_as_the_serialiser_would_write_it() -> None:
    event = SelfDescribing(schema=ORDER, data={"kind": dt.date(2026, 11, 23), "customer": "CANARY"})

    own = own_part(event, USER, STRICT, lambda: "id")

    assert b'"kind":"2026-11-23"' in own
    assert b"CANARY" not in own


# --- times, URLs, packed parameters ---------------------------------------------------------------


@given(st.integers(0, 2**45), levels)
def test_times_are_cut_to_the_minute_under_strict_anonymity_alone(
    now_ms: int, level: Anonymisation
) -> None:
    cut = STRICT.time_ms(now_ms, level)

    assert STANDARD.time_ms(now_ms, level) == now_ms
    assert cut == (now_ms // 60_000 * 60_000 if level else now_ms)
    assert STRICT.time_ms(cut, level) == cut
    assert STRICT.time_steps_ms[level.value] == (60_000 if level else 1)


def test_the_app_chooses_the_query_keys_that_urls_keep() -> None:
    gate = Gate(profile=PrivacyProfile.STRICT, url_parameters=("tab",))
    link = {"url": "https://h/a?tab=new&utm_source=mail&_sp=x#f"}

    assert gate.parameters(link, USER) == {"url": "https://h/a?tab=new"}
    assert STRICT.parameters(link, USER) == {"url": "https://h/a?utm_source=mail"}


SCREEN = {
    "schema": "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0",
    "data": {"name": "Home", "id": "8d3f6a3e-1111-4c4c-8888-000000000001", "x": "CANARY"},
}
USER_ENTITY = {
    "schema": "iglu:com.snowplowanalytics.snowplow.ecommerce/user/jsonschema/1-0-0",
    "data": {"id": "CANARY", "email": "CANARY"},
}


@pytest.mark.parametrize("gate", [STANDARD, STRICT])
@pytest.mark.parametrize("is_base64", [True, False])
def test_what_an_event_packs_into_parameters_passes_the_gate_too(
    gate: Gate, *, is_base64: bool
) -> None:
    """Leak L32: an event type of the app's own that writes its own `cx` or `ue_pr`."""
    body, attached = ("ue_px", "cx") if is_base64 else ("ue_pr", "co")
    payload = {
        body: pack({"schema": UNSTRUCT_EVENT, "data": USER_ENTITY}, is_base64=is_base64),
        attached: pack({"schema": CONTEXTS, "data": [USER_ENTITY]}, is_base64=is_base64),
    }

    assert gate.parameters(payload, USER) == {
        body: pack(
            {"schema": UNSTRUCT_EVENT, "data": {**USER_ENTITY, "data": {}}}, is_base64=is_base64
        ),
        attached: pack({"schema": CONTEXTS, "data": []}, is_base64=is_base64),
    }
    assert gate.parameters(payload, Anonymisation.NONE) == payload


def test_packed_data_is_made_coarse_as_well() -> None:
    payload = {"ue_pr": pack({"schema": UNSTRUCT_EVENT, "data": SCREEN}, is_base64=False)}

    opened = json.loads(STRICT.parameters(payload, USER)["ue_pr"])

    assert opened["data"]["data"] == {"name": "Home", "id": "00000000-0000-0000-0000-000000000000"}


@given(st.dictionaries(st.sampled_from(sorted(PARAMETERS)), hostile, max_size=6), levels)
def test_values_of_any_type_do_no_harm(payload: dict[str, Any], level: Anonymisation) -> None:
    for gate in (STANDARD, STRICT):
        once = gate.parameters(payload, level)

        assert written(gate.parameters(once, level)) == written(once)
    assert USER not in level or not any(isinstance(one, list | dict) for one in once.values())


@pytest.mark.parametrize(
    "packed",
    ["", "no JSON", "{}", "[1]", '{"schema":"x","data":{}}', "[" * 200_000, '"a"', "nul", "é"],
)
@pytest.mark.parametrize("name", sorted(PACKED))
def test_what_cannot_be_read_cannot_be_judged_and_goes(name: str, packed: str) -> None:
    for gate in (STANDARD, STRICT):
        assert gate.parameters({name: packed}, USER) == {}


@given(parameters, st.lists(entities, max_size=3), user_levels)
def test_a_finished_payload_is_what_the_gate_makes_of_it(
    payload: dict[str, str], attached: list[SelfDescribingJson], level: Anonymisation
) -> None:
    """Masks come last (leak L32): gating the finished payload changes nothing."""
    gated = [entity.as_dict() for entity in STRICT.entities(attached, level)]
    finished: Mapping[str, str] = {
        **STRICT.parameters(payload, level),
        "cx": pack({"schema": CONTEXTS, "data": gated}, is_base64=True),
    }

    assert STRICT.parameters(finished, level) == finished


def test_the_packed_parameters_are_kept_because_the_gate_opens_them() -> None:
    kept = {
        row.location.name: row.treatment
        for row in STRICT_TABLE
        if isinstance(row.location, Parameter)
    }

    assert all(kept[name] is KEEP for name in PACKED)
