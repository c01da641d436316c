"""Configurations as operators write them, and a bench that has them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.enrich.conftest import NEW_UUID, NOW_MS, Bench

from whiteout.enrich import Enricher, EnrichSettings, read_folder

if TYPE_CHECKING:
    from pathlib import Path

    from whiteout.iglu import Resolver
    from whiteout.protocol.self_describing import SelfDescribingJson

SNOWPLOW = "com.snowplowanalytics.snowplow"
ENRICHMENTS = "com.snowplowanalytics.snowplow.enrichments"


def configure(  # noqa: PLR0913 - the parts of a configuration
    folder: Path,
    vendor: str,
    name: str,
    version: str,
    parameters: dict[str, Any] | None = None,
    *,
    file: str | None = None,
    **data: Any,  # noqa: ANN401 - of different types
) -> Path:
    """Write an official configuration into a folder, and say which folder it was."""
    document = {
        "schema": f"iglu:{vendor}/{name}/jsonschema/{version}",
        "data": {
            "vendor": vendor,
            "name": name,
            "enabled": True,
            **({} if parameters is None else {"parameters": parameters}),
            **data,
        },
    }
    folder.mkdir(exist_ok=True)
    (folder / (file or f"{name}.json")).write_text(json.dumps(document))
    return folder


def bench_of(folder: Path, resolver: Resolver, **settings: Any) -> Bench:  # noqa: ANN401 - passed
    """An enricher with what a folder configures."""
    configured = read_folder(folder)
    keeps = configured.anonymity.keep_tracker_identifiers
    enricher = Enricher(
        resolver,
        EnrichSettings(keep_tracker_identifiers=keeps, **settings),
        now_ms=lambda: NOW_MS,
        new_uuid=lambda: NEW_UUID,
        enrichments=configured.enrichments,
    )
    return Bench(enricher)


def as_pairs(entities: list[SelfDescribingJson]) -> list[tuple[str, Any]]:
    """Entities as the name of their schema and their data."""
    return [(entity.key.name, entity.data) for entity in entities]
