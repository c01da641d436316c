"""Remote files for tests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from whiteout.tracker.remote.document import Document, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = (
    "http://iglucentral.com/schemas/com.snowplowanalytics.mobile/remote_config/jsonschema/1-0-0"
)
NETWORK = {"endpoint": "https://collector.example.com", "method": "post"}


def a_bundle(namespace: object = "shop", **sections: object) -> dict[str, Any]:
    """A bundle as it stands in the file: `tracker={...}` is its `trackerConfiguration`."""
    sections.setdefault("network", NETWORK)
    named = {
        f"{name}Configuration": values for name, values in sections.items() if name != "disabled"
    }
    bundle: dict[str, Any] = {
        "namespace": namespace,
        **{k: v for k, v in named.items() if v is not None},
    }
    if "disabled" in sections:
        bundle["disabled"] = sections["disabled"]
    return bundle


def a_file(*bundles: Mapping[str, Any], version: object = 1, schema: object = SCHEMA) -> bytes:
    """A remote file."""
    record = {
        "$schema": schema,
        "configurationVersion": version,
        "configurationBundle": list(bundles),
    }
    return json.dumps(record).encode()


def a_document(*bundles: Mapping[str, Any], version: int = 1) -> Document:
    """The same, read."""
    return parse(a_file(*bundles, version=version), lambda where, what: None)
