"""The schema browser's pure part: families, and the properties of whatever a registry gives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout.iglu import EmbeddedRegistry
from whiteout.protocol.iglu import SchemaKey, parse_schema_key
from whiteout.web.schema_listing import (
    MOST_PROPERTIES,
    Property,
    description_of,
    families,
    properties_of,
)

KEY = parse_schema_key("iglu:com.acme/order/jsonschema/1-0-0")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["string", "array", "#/a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["properties", "items", "type", "required", "enum", "description", "minimum", "a"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


def keys(*paths: str) -> list[SchemaKey]:
    return [parse_schema_key(f"iglu:{path}") for path in paths]


def test_versions_of_a_schema_are_one_family_the_newest_first() -> None:
    found = families(
        keys(
            "com.acme/order/jsonschema/1-0-9",
            "com.acme/order/jsonschema/1-0-10",
            "com.acme/order/jsonschema/2-0-0",
            "com.acme/cart/jsonschema/1-0-0",
            "com.acme/cart/jsonschema/1-0-0",  # another registry has it as well
        )
    )
    assert [(one.name, [key.version for key in one.keys]) for one in found] == [
        ("cart", ["1-0-0"]),
        ("order", ["2-0-0", "1-0-10", "1-0-9"]),
    ]


@pytest.mark.parametrize(
    ("text", "names"), [("CART", ["cart"]), ("acme", ["cart", "order"]), ("?", [])]
)
def test_families_are_found_by_vendor_or_name(text: str, names: list[str]) -> None:
    found = families(
        keys("com.acme/order/jsonschema/1-0-0", "com.acme/cart/jsonschema/1-0-0"), text
    )
    assert [one.name for one in found] == names


def test_properties_are_told_with_their_rules() -> None:
    schema: dict[str, Any] = {
        "description": "An order",
        "required": ["id", "lines"],
        "properties": {
            "id": {"type": "string", "format": "uuid", "description": "Its number"},
            "state": {"type": ["string", "null"], "enum": ["open", None]},
            "lines": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["price"],
                    "properties": {"price": {"type": "number", "minimum": 0, "maximum": 1e6}},
                },
            },
        },
    }

    assert description_of(schema) == "An order"
    assert properties_of(KEY, schema) == [
        Property("id", "string", True, ("uuid",), "Its number", ()),
        Property("state", "string or null", False, ('one of "open", null',), "", ()),
        Property("lines", "array of object", True, ("at least 1 items",), "", ()),
        Property("lines[].price", "number", True, ("at least 0", "at most 1000000.0"), "", ()),
    ]


def test_what_identifies_is_told_with_what_hides_it() -> None:
    """From the one table of identifiers, for each version of the schema."""
    registry = EmbeddedRegistry()
    (session,) = [
        key
        for key in registry.keys()  # noqa: SIM118 - a registry is no dictionary
        if key.name == "client_session" and key.version == "1-0-2"
    ]
    schema = registry.lookup(session)
    assert isinstance(schema, dict)

    hidden = {one.path: one.hidden_by for one in properties_of(session, schema)}

    assert hidden["userId"] == ("user", "session")
    assert hidden["sessionId"] == ("session",)


def test_a_schema_of_thousands_of_properties_is_cut() -> None:
    schema = {"properties": {f"p{number}": {"type": "string"} for number in range(2_000)}}
    assert len(properties_of(KEY, schema)) == MOST_PROPERTIES


def test_long_values_are_cut() -> None:
    schema = {"properties": {"p": {"description": "x" * 1_000, "enum": list(range(100))}}}
    (one,) = properties_of(KEY, schema)
    assert len(one.description) == 300
    assert one.rules == ("one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …",)


@pytest.mark.parametrize("key", tuple(EmbeddedRegistry().keys()), ids=lambda key: str(key.uri))
def test_every_embedded_schema_can_be_told(key: SchemaKey) -> None:
    schema = EmbeddedRegistry().lookup(key)
    assert isinstance(schema, dict)
    told = {one.path for one in properties_of(key, schema) if "." not in one.path}
    assert told >= set(schema.get("properties", {}))


@given(st.dictionaries(st.sampled_from(["properties", "items", "description"]), JSON))
def test_whatever_a_registry_gives_can_be_told(schema: dict[str, Any]) -> None:
    for one in properties_of(KEY, schema):
        assert len(one.path) <= 300
        assert all(len(rule) <= 300 for rule in one.rules)
