"""The schemas that are generated from the types say what Iglu Central's say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from whiteout.events.schema import META_SCHEMA, SCHEMAS
from whiteout.protocol.iglu import parse_schema_key

IGLU_CENTRAL = Path(__file__).parents[3] / "shared" / "iglu-central" / "schemas"

needs_iglu_central = pytest.mark.skipif(
    not IGLU_CENTRAL.is_dir(), reason="a copy of Iglu Central is not beside the repository"
)


def comparable(schema: dict[str, Any]) -> dict[str, Any]:
    """What decides about validity: everything but texts, and the order of lists."""
    return {
        "self": schema["self"],
        "$schema": schema["$schema"],
        "type": schema["type"],
        "required": sorted(schema.get("required", [])),
        "additionalProperties": schema["additionalProperties"],
        "properties": {name: _deciding(one) for name, one in schema["properties"].items()},
    }


def _deciding(definition: dict[str, Any]) -> dict[str, Any]:
    deciding: dict[str, Any] = {}
    for keyword, value in definition.items():
        if isinstance(value, list):
            deciding[keyword] = sorted(value, key=str)
        elif keyword == "properties":
            deciding[keyword] = {name: _deciding(one) for name, one in value.items()}
        elif keyword != "description":
            deciding[keyword] = _deciding(value) if isinstance(value, dict) else value
    return deciding


@needs_iglu_central
@pytest.mark.parametrize("uri", SCHEMAS)
def test_a_generated_schema_demands_what_the_published_one_demands(uri: str) -> None:
    published = json.loads((IGLU_CENTRAL / parse_schema_key(uri).path).read_text("utf-8"))

    generated = SCHEMAS[uri]

    assert comparable(generated) == comparable(published)
    # One keyword of the published schemas is left out, as the required properties imply it.
    assert published.get("minProperties", 0) <= len(published.get("required", []))
    known = {"$schema", "description", "self", "type", "properties", "required"}
    assert set(published) <= known | {"additionalProperties", "minProperties"}


@needs_iglu_central
@pytest.mark.parametrize("uri", SCHEMAS)
def test_descriptions_are_our_own_words(uri: str) -> None:
    published = json.loads((IGLU_CENTRAL / parse_schema_key(uri).path).read_text("utf-8"))
    theirs = {part.get("description") for part in (published, *published["properties"].values())}

    ours = {part["description"] for part in (SCHEMAS[uri], *SCHEMAS[uri]["properties"].values())}

    assert not ours & theirs


@pytest.mark.parametrize("uri", SCHEMAS)
def test_a_schema_names_itself_and_compiles(uri: str) -> None:
    schema = SCHEMAS[uri]

    named = "iglu:{vendor}/{name}/{format}/{version}".format(**schema["self"])

    assert named == uri
    assert schema["$schema"] == META_SCHEMA
    bare = {key: value for key, value in schema.items() if key not in {"$schema", "self"}}
    assert jsonschema_rs.Draft4Validator(bare) is not None


def test_there_is_a_schema_for_all_that_the_tracker_sends_by_itself() -> None:
    assert sorted(SCHEMAS) == [
        "iglu:com.android.installreferrer.api/referrer_details/jsonschema/1-0-0",
        "iglu:com.apple/notification_event/jsonschema/1-0-1",
        "iglu:com.snowplowanalytics.mobile/application/jsonschema/1-0-0",
        "iglu:com.snowplowanalytics.mobile/application_install/jsonschema/1-0-0",
        "iglu:com.snowplowanalytics.mobile/application_lifecycle/jsonschema/1-0-0",
        "iglu:com.snowplowanalytics.mobile/deep_link/jsonschema/1-0-0",
        "iglu:com.snowplowanalytics.mobile/deep_link_received/jsonschema/1-0-0",
        "iglu:com.snowplowanalytics.mobile/list_item_view/jsonschema/1-0-0",
        "iglu:com.snowplowanalytics.mobile/message_notification/jsonschema/1-0-0",
        "iglu:com.snowplowanalytics.mobile/screen/jsonschema/1-0-0",
        "iglu:com.snowplowanalytics.mobile/screen_end/jsonschema/1-0-0",
        "iglu:com.snowplowanalytics.mobile/screen_summary/jsonschema/1-0-0",
        "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0",
        "iglu:com.snowplowanalytics.mobile/scroll_changed/jsonschema/1-0-0",
        "iglu:com.snowplowanalytics.snowplow/application_background/jsonschema/1-0-0",
        "iglu:com.snowplowanalytics.snowplow/application_error/jsonschema/1-0-2",
        "iglu:com.snowplowanalytics.snowplow/application_foreground/jsonschema/1-0-0",
        "iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2",
        "iglu:com.snowplowanalytics.snowplow/consent_document/jsonschema/1-0-0",
        "iglu:com.snowplowanalytics.snowplow/consent_granted/jsonschema/1-0-0",
        "iglu:com.snowplowanalytics.snowplow/consent_withdrawn/jsonschema/1-0-0",
        "iglu:com.snowplowanalytics.snowplow/desktop_context/jsonschema/1-0-0",
        "iglu:com.snowplowanalytics.snowplow/diagnostic_error/jsonschema/1-0-0",
        "iglu:com.snowplowanalytics.snowplow/gdpr/jsonschema/1-0-0",
        "iglu:com.snowplowanalytics.snowplow/geolocation_context/jsonschema/1-1-0",
        "iglu:com.snowplowanalytics.snowplow/mobile_context/jsonschema/1-0-3",
        "iglu:com.snowplowanalytics.snowplow/timing/jsonschema/1-0-0",
    ]


def test_schemas_survive_json_unchanged() -> None:
    """They are plain JSON values: a registry can serve them as they are."""
    assert json.loads(json.dumps(dict(SCHEMAS))) == SCHEMAS
