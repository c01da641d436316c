"""Records as a collector writes them, and an enricher whose clock and ids are the test's."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from whiteout.enrich import BadRow, Dropped, EnrichedEvent, Enricher
from whiteout.enrich.enrichments.parse_user_agent import ParseUserAgent
from whiteout.iglu import EmbeddedRegistry, FolderRegistry, Resolver
from whiteout.protocol.collector_payload import CollectorPayload, encode
from whiteout.protocol.self_describing import CONTEXTS, PAYLOAD_DATA, UNSTRUCT_EVENT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NOW_MS = 1_700_000_003_000  # 2023-11-14 22:13:23
COLLECTED_MS = 1_700_000_002_000
NEW_UUID = UUID("11111111-2222-4333-8444-555555555555")
COOKIE = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
TP2 = "/com.snowplowanalytics.snowplow/tp2"
JSON_TYPE = "application/json; charset=utf-8"
MINIMAL = {"e": "pv", "p": "web", "tv": "test-1"}
THING = "iglu:com.acme/thing/jsonschema/1-0-0"

ACME_SCHEMAS: dict[str, dict[str, Any]] = {
    "thing": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "maybe": {"type": ["string", "null"]}},
        "required": ["name"],
        "additionalProperties": False,
    },
    "nullable": {
        "type": "object",
        "properties": {"maybe": {"type": ["string", "null"]}},
        "required": ["maybe"],
    },
    "broken": {"type": "no such type"},
}


def encode_base64(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def thing(**data: object) -> dict[str, Any]:
    return {"schema": THING, "data": data}


def contexts(*entities: object, schema: str = CONTEXTS) -> str:
    return json.dumps({"schema": schema, "data": list(entities)})


def unstruct_event(event: object, schema: str = UNSTRUCT_EVENT) -> str:
    return json.dumps({"schema": schema, "data": event})


def body_of(*events: object, schema: str = PAYLOAD_DATA) -> str:
    return json.dumps({"schema": schema, "data": list(events)})


def payload(**fields: Any) -> CollectorPayload:  # noqa: ANN401 - of different types
    defaults: dict[str, Any] = {
        "ip_address": "192.0.2.7",
        "timestamp": COLLECTED_MS,
        "collector": "whiteout-0.1.0",
        "path": TP2,
        "network_user_id": COOKIE,
    }
    return CollectorPayload(**{**defaults, **fields})


def post(*events: object, **fields: Any) -> bytes:  # noqa: ANN401 - of different types
    return encode(payload(**{"body": body_of(*events), "content_type": JSON_TYPE, **fields}))


def get(query: str, **fields: Any) -> bytes:  # noqa: ANN401 - of different types
    return encode(payload(**{"path": "/i", "querystring": query, **fields}))


class Bench:
    """An enricher, and short ways to ask it."""

    def __init__(self, enricher: Enricher) -> None:
        self.enricher = enricher

    def all(self, record: bytes) -> list[EnrichedEvent | BadRow]:
        return [one for one in self.enricher.enrich(record) if not isinstance(one, Dropped)]

    def event(self, record: bytes) -> EnrichedEvent:
        (result,) = self.all(record)
        assert isinstance(result, EnrichedEvent), result.json()
        return result

    def bad(self, record: bytes) -> BadRow:
        (result,) = self.all(record)
        assert isinstance(result, BadRow), result.tsv()
        return result

    def mapped(self, **parameters: str) -> EnrichedEvent:
        """The event that a minimal one with these parameters becomes, sent by GET."""
        return self.event(get(query_of({**MINIMAL, **parameters})))

    def rejected(self, **parameters: str) -> list[dict[str, Any]]:
        """The messages of the bad row that such an event becomes."""
        return messages(self.bad(get(query_of({**MINIMAL, **parameters}))))


def query_of(parameters: dict[str, str]) -> str:
    from urllib.parse import urlencode  # noqa: PLC0415 - only here

    return urlencode(parameters)


def messages(row: BadRow) -> list[dict[str, Any]]:
    failure = row.data["failure"]
    found: list[dict[str, Any]] = failure.get("messages") or [failure["message"]]
    return found


def kind(row: BadRow) -> str:
    return row.schema.split("/")[1]


@pytest.fixture(scope="session")
def user_agents() -> ParseUserAgent:
    return ParseUserAgent()


@pytest.fixture(scope="session")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with the schemas of an imagined company."""
    folder = tmp_path_factory.mktemp("iglu")
    for name, schema in ACME_SCHEMAS.items():
        file = folder / "schemas" / "com.acme" / name / "jsonschema" / "1-0-0"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(schema))
    return folder


@pytest.fixture(scope="session")
def resolver(acme: Path) -> Resolver:
    return Resolver([EmbeddedRegistry(), FolderRegistry(acme, name="acme")])


@pytest.fixture(scope="session")
def bench(resolver: Resolver, user_agents: ParseUserAgent) -> Bench:
    return make_bench(resolver, [user_agents])


def make_bench(resolver: Resolver, enrichments: Sequence[Any]) -> Bench:
    return Bench(
        Enricher(
            resolver, now_ms=lambda: NOW_MS, new_uuid=lambda: NEW_UUID, enrichments=enrichments
        )
    )
