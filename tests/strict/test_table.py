"""The table decides about everything, and what it lets through is still valid."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.strict.instances import data_of

from whiteout.anonymisation import Anonymisation, Gate, PrivacyProfile
from whiteout.events.schema import SCHEMAS
from whiteout.identifiers import IDENTIFIERS, Entity, EntityProperty, Parameter
from whiteout.protocol.parameters import PARAMETERS, REQUIRED_PARAMETERS
from whiteout.protocol.self_describing import SelfDescribingJson
from whiteout.strict.coarsening import DROP, KEEP, VERSION
from whiteout.strict.table import STRICT_TABLE

DOCUMENT = Path(__file__).parents[2] / "docs" / "privacy.md"
GATE = Gate(profile=PrivacyProfile.STRICT)
USER = Anonymisation.USER
DROPPED = {
    f"iglu:{row.location.vendor}/{row.location.schema_name}"
    for row in STRICT_TABLE
    if isinstance(row.location, Entity) and row.treatment is DROP
}
ROWS: dict[str, set[str]] = {}
for _row in STRICT_TABLE:
    if isinstance(_row.location, EntityProperty):
        _family = f"iglu:{_row.location.vendor}/{_row.location.schema_name}"
        ROWS.setdefault(_family, set()).add(_row.location.path[0])


def family(uri: str) -> str:
    return uri.rsplit("/", 2)[0]


OURS = [uri for uri in SCHEMAS if family(uri) not in DROPPED]


@cache
def validator(uri: str) -> Any:  # noqa: ANN401 - it has no public type
    schema = {key: one for key, one in SCHEMAS[uri].items() if key not in {"$schema", "self"}}
    return jsonschema_rs.Draft4Validator(schema, validate_formats=True)


def test_every_parameter_of_the_protocol_has_one_row() -> None:
    named = [row.location.name for row in STRICT_TABLE if isinstance(row.location, Parameter)]

    assert sorted(named) == sorted(PARAMETERS)


def test_no_place_has_two_rows_and_each_says_why() -> None:
    places = [row.location for row in STRICT_TABLE]

    assert len(places) == len(set(places))
    assert all(row.why and row.treatment.name and row.where for row in STRICT_TABLE)


def test_a_parameter_that_nobody_classified_does_not_pass() -> None:
    assert GATE.parameters({"e": "pv", "brand_new": "x"}, USER) == {"e": "pv"}


def test_what_a_payload_cannot_do_without_passes() -> None:
    kept = {row.location for row in STRICT_TABLE if row.treatment in (KEEP, VERSION)}

    assert {Parameter(name) for name in REQUIRED_PARAMETERS} <= kept


@pytest.mark.parametrize("row", [r for r in IDENTIFIERS if isinstance(r.location, Parameter)])
def test_no_identifying_parameter_passes(row: Any) -> None:  # noqa: ANN401 - Identifier
    assert GATE.parameters({row.location.name: "x"}, USER) == {}


@pytest.mark.parametrize("uri", OURS)
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=30, deadline=None)
@given(data=st.data())
def test_data_of_ours_stays_valid(uri: str, data: st.DataObject) -> None:
    """A new type with a required property has to get a row, or it would end as a failed event."""
    original = data.draw(data_of(SCHEMAS[uri]))
    assert validator(uri).is_valid(original)

    passed = GATE.body(SelfDescribingJson(uri, original), USER).data

    assert validator(uri).is_valid(passed), [
        one.message for one in validator(uri).iter_errors(passed)
    ]
    assert set(passed) <= ROWS.get(family(uri), set())


@pytest.mark.parametrize("uri", SCHEMAS)
def test_a_property_that_nobody_classified_does_not_pass(uri: str) -> None:
    entity = SelfDescribingJson(uri, {"brand_new": "CANARY", "brand": {"new": ["CANARY"]}})

    assert "CANARY" not in json.dumps([one.as_dict() for one in GATE.entities([entity], USER)])


def test_rows_that_drop_a_whole_schema_drop_it() -> None:
    for uri in SCHEMAS:
        if family(uri) in DROPPED:
            assert (
                GATE.entity(SelfDescribingJson(uri, {"latitude": 1, "longitude": 1}), USER) is None
            )


def test_the_platform_entity_is_an_allow_list_of_coarse_values() -> None:
    phone = {
        "osType": "android",
        "osVersion": "14.1.2",
        "deviceManufacturer": "Fairphone",
        "deviceModel": "FP5",
        "carrier": "Alpha",
        "networkType": "wifi",
        "physicalMemory": 8_123_456_789,
        "batteryLevel": 71,
        "availableStorage": 12_345_678,
        "resolution": "1170x2532",
        "scale": 3,
        "language": "de-CH",
        "appSetId": "8d3f6a3e-1111-4c4c-8888-000000000001",
    }
    uri = "iglu:com.snowplowanalytics.snowplow/mobile_context/jsonschema/1-0-3"

    passed = GATE.entity(SelfDescribingJson(uri, phone), USER)

    assert passed is not None
    assert passed.data == {
        "osType": "android",
        "osVersion": "14",
        "deviceManufacturer": "withheld",
        "deviceModel": "mobile",
        "language": "de",
    }


def test_the_subject_is_coarse() -> None:
    subject = {
        "uid": "anna",
        "ua": "Agent/1.2.3",
        "res": "1920x1200",
        "vp": "1511x833",
        "tz": "Asia/Kathmandu",
        "lang": "de-CH",
        "cd": "30",
    }

    assert GATE.parameters(subject, USER) == {"res": "1080x1920", "vp": "1080x1920", "lang": "de"}


def test_the_documentation_shows_the_same_table() -> None:
    section = DOCUMENT.read_text("utf-8").partition("<!-- strict -->")[2]
    section = section.partition("<!-- /strict -->")[0]
    shown = [line for line in section.splitlines() if line.startswith("| ")][2:]

    assert shown == documented()


def documented() -> list[str]:
    """Rows of one place, treatment and reason together."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for row in STRICT_TABLE:
        place, _, name = row.where.rpartition(": ")
        if isinstance(row.location, Parameter):
            place, name = "parameters", f"`{row.location.name}`"
        elif isinstance(row.location, Entity):
            place, name = row.where, "all of it"
        groups.setdefault((place, row.treatment.name, row.why), []).append(name)
    return [
        f"| {place} | {', '.join(names)} | {treatment} | {why} |"
        for (place, treatment, why), names in groups.items()
    ]
