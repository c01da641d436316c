"""The embedded schemas say the same as Iglu Central's, where a copy of it is at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whiteout.iglu.embedded import SCHEMAS
from whiteout.iglu.validator import compile_schema
from whiteout.protocol.iglu import parse_schema_key

CENTRAL = Path(__file__).resolve().parents[3] / "shared" / "iglu-central" / "schemas"
SHARED_URIS = [uri for uri in sorted(SCHEMAS) if (CENTRAL / parse_schema_key(uri).path).is_file()]

needs_central = pytest.mark.skipif(
    not CENTRAL.is_dir(), reason="no copy of Iglu Central beside the repository"
)
# Words for people, which are ours; order and repetition, which decide nothing.
_PROSE = {"description", "$schema", "$comment"}


def rules(schema: Any) -> Any:  # noqa: ANN401 - any JSON
    """A schema without prose, its sets sorted."""
    if isinstance(schema, dict):
        plain: dict[str, Any] = {
            name: {p: rules(s) for p, s in value.items()} if name == "properties" else rules(value)
            for name, value in schema.items()
            if name not in _PROSE
        }
        for name in ("required", "enum", "type"):
            if isinstance(plain.get(name), list):
                plain[name] = sorted(plain[name], key=repr)
        if plain.get("minLength") == 0:
            del plain["minLength"]
        if plain.get("minProperties", 1) <= len(plain.get("required", ())):
            plain.pop("minProperties", None)  # follows from `required`
        if plain.get("required") == []:
            del plain["required"]
        return plain
    if isinstance(schema, list):
        return [rules(item) for item in schema]
    return schema


def central(uri: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((CENTRAL / parse_schema_key(uri).path).read_text())
    return schema


@needs_central
def test_most_embedded_schemas_are_in_iglu_central() -> None:
    assert len(SHARED_URIS) > 0.8 * len(SCHEMAS)


@needs_central
@pytest.mark.parametrize("uri", SHARED_URIS)
def test_properties_types_enums_and_limits_are_the_same(uri: str) -> None:
    assert rules(SCHEMAS[uri]) == rules(central(uri))


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([2**31 - 1, 2**31, 2**63, -(2**63), 0.5, 1e300])
    | st.text(max_size=3)
    | st.sampled_from(
        [
            "00000000-0000-0000-0000-000000000000",
            "2023-11-14T22:13:20.000Z",
            "https://a.example/b",
            "x" * 256,
            "x" * 65536,
            "iglu:com.acme/x/jsonschema/1-0-0",
        ]
    )
)


def instances(schema: dict[str, Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """Data near the schema: mostly what it asks for, with mistakes here and there."""
    if depth > 4:
        return SCALARS
    options: list[st.SearchStrategy[Any]] = [SCALARS]
    if "enum" in schema:
        options += [st.sampled_from(schema["enum"])] * 3
    if "properties" in schema:
        properties = schema["properties"]
        required = set(schema.get("required", ()))
        inner = {name: instances(value, depth + 1) for name, value in properties.items()}
        must = {name: inner[name] for name in required if name in inner}
        may = {name: value for name, value in inner.items() if name not in required}
        options += [st.fixed_dictionaries(must, optional=may)] * 4
        options.append(st.dictionaries(st.sampled_from([*inner, "other"]), SCALARS, max_size=4))
    if isinstance(schema.get("items"), dict):
        options += [st.lists(instances(schema["items"], depth + 1), max_size=3)] * 4
    return st.one_of(options)


@needs_central
@pytest.mark.parametrize("uri", SHARED_URIS)
def test_generated_data_gets_the_same_verdict(uri: str) -> None:
    key = parse_schema_key(uri)
    ours, theirs = compile_schema(key, SCHEMAS[uri]), compile_schema(key, central(uri))

    @settings(
        max_examples=40,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(instances(central(uri)))
    def compare(data: Any) -> None:  # noqa: ANN401 - any JSON
        assert ours.is_valid(data) == theirs.is_valid(data)

    compare()
