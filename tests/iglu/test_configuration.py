"""An official resolver configuration, read as it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from whiteout.errors import ConfigurationError
from whiteout.iglu import EmbeddedRegistry, Resolver, read_resolver
from whiteout.protocol.iglu import parse_schema_key

if TYPE_CHECKING:
    from pathlib import Path


def http(name: str, priority: float, *prefixes: str, **connection: str) -> dict[str, Any]:
    uri = {"uri": f"http://{name}.example", **connection}
    return {
        "name": name,
        "priority": priority,
        "vendorPrefixes": list(prefixes),
        "connection": {"http": uri},
    }


def write(folder: Path, *repositories: dict[str, Any], version: str = "1-0-1", **data: Any) -> Path:  # noqa: ANN401 - of different types
    document = {
        "schema": f"iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/{version}",
        "data": {"cacheSize": 500, "repositories": list(repositories), **data},
    }
    path = folder / "iglu_resolver.json"
    path.write_text(json.dumps(document))
    return path


def order(path: Path, vendor: str) -> list[str]:
    key = parse_schema_key(f"iglu:{vendor}/thing/jsonschema/1-0-0")
    first = [EmbeddedRegistry(name="ours")]
    return [registry.name for registry in read_resolver(path).order(first, key)]


def test_the_sample_that_everybody_copies_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {
            "name": "Iglu Central",
            "priority": 0,
            "vendorPrefixes": ["com.snowplowanalytics"],
            "connection": {"http": {"uri": "http://iglucentral.com"}},
        },
        cacheTtl=600,
    )

    configuration = read_resolver(path)

    assert (configuration.cache_size, configuration.cache_ttl_s) == (500, 600)
    assert order(path, "com.snowplowanalytics") == ["ours", "Iglu Central"]


def test_prefixes_come_first_then_the_kind_then_the_priority(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    embedded = {
        "name": "local",
        "priority": 9,
        "vendorPrefixes": [],
        "connection": {"embedded": {"path": "/schemas"}},
    }
    path = write(
        tmp_path, http("b", 2), http("a", 1), http("acme", 5, "com.acme"), embedded, version="1-0-3"
    )

    assert order(path, "com.acme.shop") == ["ours", "acme", "local", "a", "b"]
    assert order(path, "org.other") == ["ours", "local", "a", "b", "acme"]


def test_an_embedded_folder_beside_the_file_is_asked(tmp_path: Path) -> None:
    schema = tmp_path / "own" / "schemas" / "com.acme" / "thing" / "jsonschema" / "1-0-0"
    schema.parent.mkdir(parents=True)
    schema.write_text('{"type": "object"}')
    embedded = {
        "name": "own",
        "priority": 0,
        "vendorPrefixes": ["com.acme"],
        "connection": {"embedded": {"path": "own"}},
    }
    configuration = read_resolver(write(tmp_path, embedded))
    resolver = Resolver((), order=lambda key: configuration.order((), key))

    found = resolver.lookup(parse_schema_key("iglu:com.acme/thing/jsonschema/1-0-0"))

    assert found == {"type": "object"}


@pytest.mark.parametrize(
    ("repositories", "data", "problem"),
    [
        ([http("a", 1), http("a", 2)], {}, "unique, got twice: a"),
        ([http("a", 1)], {"cacheSize": 0}, "cacheSize must be at least 1"),
        ([http("a", 1)], {"cacheTtl": -4}, "cacheTtl must be seconds, 0 or more, got -4"),
        ([http("a", 1)], {"surprise": 0}, "data.surprise is not known; there may be cacheSize, "),
        ([http("a", 1)], {"cacheSize": "5"}, "data.cacheSize must be a whole number, got '5'"),
        ([http("a", 1)], {"version": "2-0-0"}, "schema must be"),
        ([{**http("a", 1), "connection": {}}], {}, "either http or embedded"),
        ([{**http("a", 1), "connection": {"http": {"uri": "ftp://a"}}}], {}, "a: uri must look"),
    ],
)
def test_what_cannot_be_used_names_the_file_and_the_cure(
    repositories: list[dict[str, Any]], data: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=rf"iglu_resolver\.json: .*{problem}"):
        read_resolver(write(tmp_path, *repositories, **data))


def test_a_file_that_is_not_there_or_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="must be a file that exists"):
        read_resolver(tmp_path / "nowhere.json")
    path = tmp_path / "x.json"
    path.write_text("{")
    with pytest.raises(ConfigurationError, match="not a resolver configuration"):
        read_resolver(path)
