"""The entities that the tracker makes itself."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout.errors import ConfigurationError
from whiteout.events.entities import Application, DesktopContext, MobileContext, SessionEntity
from whiteout.events.properties import properties_of
from whiteout.events.schema import SCHEMAS
from whiteout.events.screen import ScreenView
from whiteout.events.timing import Timing
from whiteout.identifiers import IDENTIFIERS, NULL_UUID, EntityProperty
from whiteout.protocol.iglu import parse_schema_key

SESSION: dict[str, Any] = {
    "user_id": "0b7c2f66-3c5e-4a2e-8a63-5b0e6a9d5f01",
    "session_id": "1c8d3f77-4d6f-4b3f-9b74-6c1f7bae6f12",
    "session_index": 2,
    "event_index": 3,
    "previous_session_id": "2d9e4f88-5e70-4c40-8c85-7d208cbf7023",
    "first_event_id": "3eaf5099-6f81-4d51-9d96-8e319dc08134",
    "first_event_timestamp": "2022-06-06T06:21:21.346Z",
}
DEVICE: dict[str, Any] = {
    "os_type": "android",
    "os_version": "14",
    "device_manufacturer": "Fairphone",
    "device_model": "FP5",
}


def test_a_session_says_all_that_it_knows() -> None:
    assert SessionEntity(**SESSION).self_describing().as_dict() == {
        "schema": "iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2",
        "data": {
            "userId": "0b7c2f66-3c5e-4a2e-8a63-5b0e6a9d5f01",
            "sessionId": "1c8d3f77-4d6f-4b3f-9b74-6c1f7bae6f12",
            "sessionIndex": 2,
            "storageMechanism": "LOCAL_STORAGE",
            "eventIndex": 3,
            "previousSessionId": "2d9e4f88-5e70-4c40-8c85-7d208cbf7023",
            "firstEventId": "3eaf5099-6f81-4d51-9d96-8e319dc08134",
            "firstEventTimestamp": "2022-06-06T06:21:21.346Z",
        },
    }


def test_a_session_without_a_predecessor_says_so() -> None:
    """One published version of the schema insists on the property."""
    first = SessionEntity(**SESSION | {"previous_session_id": None, "user_id": NULL_UUID})

    assert first.self_describing().data["previousSessionId"] is None


@pytest.mark.parametrize(
    ("entity_type", "values", "field", "value"),
    [
        (SessionEntity, SESSION, "user_id", "ALICE"),
        (SessionEntity, SESSION, "user_id", ""),
        (SessionEntity, SESSION, "session_id", "1"),
        (SessionEntity, SESSION, "session_index", -1),
        (SessionEntity, SESSION, "session_index", 2**31),
        (SessionEntity, SESSION, "session_index", True),
        (SessionEntity, SESSION, "event_index", 1.0),
        (SessionEntity, SESSION, "storage_mechanism", "PAPER"),
        (SessionEntity, SESSION, "first_event_timestamp", "yesterday"),
        (SessionEntity, SESSION, "first_event_timestamp", "2022-13-06T06:21:21.346Z"),
        (MobileContext, DEVICE, "os_type", None),
        (MobileContext, DEVICE, "battery_level", 101),
        (MobileContext, DEVICE, "battery_state", "empty"),
        (MobileContext, DEVICE, "low_power_mode", 1),
        (MobileContext, DEVICE, "scale", float("inf")),
        (MobileContext, DEVICE, "language", "123456789"),
        (DesktopContext, DEVICE, "os_is_64_bit", "yes"),
        (Application, {"version": "1", "build": "1"}, "version", "v" * 256),
    ],
)
def test_a_value_outside_its_limits_is_refused_by_name(
    entity_type: type, values: dict[str, Any], field: str, value: object
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{field} must be "):
        entity_type(**values | {field: value})


def test_an_entity_does_not_show_what_it_holds() -> None:
    assert repr(SessionEntity(**SESSION)) == "SessionEntity(...)"
    assert repr(MobileContext(**DEVICE)) == "MobileContext(...)"


def test_the_table_of_identifiers_speaks_of_properties_that_exist() -> None:
    """A name misspelt there would let an identifier through."""
    sent = {
        (parse_schema_key(uri).name, name)
        for uri, schema in SCHEMAS.items()
        for name in schema["properties"]
    }
    families = {name for name, _ in sent}

    named = {
        (row.location.schema_name, row.location.path[0])
        for row in IDENTIFIERS
        if isinstance(row.location, EntityProperty) and row.location.schema_name in families
    }

    assert named
    assert named <= sent


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.uuids().map(str),
    st.datetimes(timezones=st.just(None)).map(lambda moment: moment.isoformat() + "Z"),
)


@given(
    entity_type=st.sampled_from([SessionEntity, MobileContext, DesktopContext, Application]),
    drawn=st.data(),
)
def test_an_entity_that_can_be_made_satisfies_its_schema(
    entity_type: type[SessionEntity | MobileContext | DesktopContext | Application],
    drawn: st.DataObject,
) -> None:
    definitions = properties_of(entity_type)
    sensible = SESSION | DEVICE | {"version": "1", "build": "1"}
    values = {name: sensible[name] for name in definitions if name in sensible}
    values |= drawn.draw(st.dictionaries(st.sampled_from(sorted(definitions)), VALUES, max_size=4))

    try:
        entity = entity_type(**values).self_describing()
    except ConfigurationError:
        return

    schema = SCHEMAS[entity.schema]
    jsonschema_rs.validate(
        {key: value for key, value in schema.items() if key not in {"$schema", "self"}},
        entity.data,
        validate_formats=True,
    )


@pytest.mark.parametrize(
    "described",
    [ScreenView, Timing, SessionEntity, MobileContext, DesktopContext, Application],
)
def test_the_annotation_of_a_field_and_its_schema_agree(described: type) -> None:
    """A field that may be None is either not required, or filled in by the tracker."""
    python = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}

    for attribute, definition in properties_of(described).items():
        annotation = described.__annotations__[attribute]

        kind = annotation.removesuffix(" | None")
        assert kind == ("UUID | str" if kind == "UUID | str" else python[definition.type])
        if definition.required:
            assert annotation == kind or attribute == "screen_id"
        else:
            assert annotation == f"{kind} | None"


def test_importing_whiteout_generates_no_schema_and_asks_the_system_nothing() -> None:
    code = (
        "import sys; already = set(sys.modules); import whiteout\n"
        "unwanted = {'whiteout.events.schema', 'psutil', 'ctypes', 'winreg', 'jsonschema_rs'}\n"
        "print(sorted(unwanted & (set(sys.modules) - already)))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.strip() == "[]"
