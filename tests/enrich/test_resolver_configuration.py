"""Enrich with an official `iglu_resolver.json`, as operators have it, and real registries."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.enrich.conftest import MINIMAL, NEW_UUID, NOW_MS, Bench, contexts, messages, post
from tests.iglu.test_registries import reply, serve

from whiteout.enrich import Enricher
from whiteout.lake.service import ServiceSettings, make_resolver
from whiteout.protocol.iglu import parse_schema_key

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = json.dumps({"type": "object", "properties": {"a": {"type": "integer"}}}).encode()


def thing(vendor: str, **data: object) -> dict[str, Any]:
    return {"schema": f"iglu:{vendor}/thing/jsonschema/1-0-0", "data": data}


def write(folder: Path, acme: str, central: str, **data: object) -> Path:
    """The configuration that the official documentation shows, with addresses of the test's."""
    document = {
        "schema": "iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-3",
        "data": {
            "cacheSize": 500,
            "cacheTtl": None,
            "repositories": [
                {
                    "name": "Iglu Central",
                    "priority": 0,
                    "vendorPrefixes": ["com.snowplowanalytics"],
                    "connection": {"http": {"uri": central}},
                },
                {
                    "name": "Acme's Iglu Server",
                    "priority": 5,
                    "vendorPrefixes": ["com.acme"],
                    "connection": {"http": {"uri": f"{acme}/api", "apikey": "secret-key"}},
                },
                {
                    "name": "Embedded",
                    "priority": 9,
                    "vendorPrefixes": [],
                    "connection": {"embedded": {"path": "/own"}},
                },
            ],
            **data,
        },
    }
    path = folder / "iglu_resolver.json"
    path.write_text(json.dumps(document, indent=2))
    return path


def bench_with(path: Path) -> Bench:
    resolver = make_resolver(ServiceSettings(resolver=path, iglu_central=False))
    enricher = Enricher(resolver, now_ms=lambda: NOW_MS, new_uuid=lambda: NEW_UUID, enrichments=[])
    return Bench(enricher)


def test_each_registry_is_asked_in_its_turn_and_with_its_own_key(tmp_path: Path) -> None:
    own = tmp_path / "own" / "schemas" / "org.own" / "thing" / "jsonschema" / "1-0-0"
    own.parent.mkdir(parents=True)
    own.write_bytes(SCHEMA)
    with serve(reply(200, SCHEMA)) as (acme, of_acme), serve(reply(404)) as (central, of_central):
        bench = bench_with(write(tmp_path, acme, central))

        for _ in range(2):  # the second time all is at hand
            event = bench.event(
                post({**MINIMAL, "co": contexts(*(thing(v, a=1) for v in ("com.acme", "org.own")))})
            )
            assert len(event.contexts) == 2
        assert (of_acme, of_central) == (
            [("/api/schemas/com.acme/thing/jsonschema/1-0-0", "secret-key")],
            [],
        )

        event = bench.event(post({**MINIMAL, "co": contexts(thing("io.other", a=1))}))
        assert len(event.contexts) == 1
        path = "schemas/io.other/thing/jsonschema/1-0-0"
        assert of_central == [(f"/{path}", None)]
        assert of_acme[1:] == [(f"/api/{path}", "secret-key")]


def test_what_no_registry_has_names_them_in_their_order(tmp_path: Path) -> None:
    with serve(reply(404)) as (acme, _), serve(reply(404)) as (central, _):
        row = bench_with(write(tmp_path, acme, central)).bad(
            post({**MINIMAL, "co": contexts(thing("com.acme"))})
        )

    asked = [entry["repository"] for entry in messages(row)[0]["error"]["lookupHistory"]]
    assert asked[-3:] == ["Acme's Iglu Server", "Embedded", "Iglu Central"]
    assert "secret-key" not in row.json()


@pytest.mark.parametrize(("cache_ttl", "wait_s", "old_counts"), [(1, 10.0, False), (9, 1.5, True)])
def test_a_schema_is_asked_for_again_after_cache_ttl(
    cache_ttl: int,
    wait_s: float,
    old_counts: bool,  # noqa: FBT001 - the case's
    tmp_path: Path,
) -> None:
    own = tmp_path / "own" / "schemas" / "org.own" / "thing" / "jsonschema" / "1-0-0"
    own.parent.mkdir(parents=True)
    own.write_bytes(SCHEMA)
    nobody = "http://127.0.0.1:9"
    path = write(tmp_path, nobody, nobody, cacheTtl=cache_ttl)
    resolver = make_resolver(ServiceSettings(resolver=path, iglu_central=False))
    key = parse_schema_key("iglu:org.own/thing/jsonschema/1-0-0")
    assert resolver.validator(key).is_valid({"a": 1})
    own.write_text('{"type": "string"}')

    deadline = time.monotonic() + wait_s
    while (is_valid := resolver.validator(key).is_valid({"a": 1})) and time.monotonic() < deadline:
        time.sleep(0.02)

    assert is_valid is old_counts
