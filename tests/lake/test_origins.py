"""What the loader tells the page of requests: which record an event came from, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.enrich.conftest import MINIMAL, get, post, query_of
from tests.enrich.enrichments.support import ENRICHMENTS, SNOWPLOW, configure

from whiteout.lake.loaded import Origin
from whiteout.lake.service import ServiceSettings, open_pipeline

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lake.conftest import Kitchen

    from whiteout.lake.loaded import Loaded

HIDING: list[tuple[str, str, str, dict[str, Any]]] = [
    (SNOWPLOW, "anon_ip", "1-0-1", {"anonOctets": 1, "anonSegments": 4}),
    (
        ENRICHMENTS,
        "pii_enrichment_config",
        "2-0-1",
        {
            "pii": [{"pojo": {"field": "user_id"}}],
            "strategy": {"pseudonymize": {"hashFunction": "SHA-256", "salt": "a" * 32}},
        },
    ),
    ("whiteout", "url_scrubbing_config", "1-0-0", {"keep": []}),
    ("whiteout", "value_erasure_config", "1-0-0", {"columns": ["user_id"]}),
    ("whiteout", "python_script_config", "1-0-0", {"script": "hide.py", "timeLimitMs": 5_000}),
]


def load(kitchen: Kitchen, settings: ServiceSettings) -> Loaded:
    """Load what the log holds; what was told of the commit that has it."""
    told: list[Loaded] = []
    with open_pipeline(
        kitchen.directory, kitchen.directory, settings, observe=told.append
    ) as loader:
        kitchen.load_all(loader)
    return told[-1]


def event(number: int, **parameters: str) -> dict[str, str]:
    return {**MINIMAL, "eid": f"a2a3a4a5-0000-4000-8000-{number:012}", **parameters}


def test_each_event_comes_with_its_record_and_its_place_in_it(kitchen: Kitchen) -> None:
    """Failed events take a place too; one that was stored before has the record of this time."""
    several = post(event(1, dtm="1"), event(2, e="nonsense"), event(3, dtm="1"))
    one = get(query_of(event(1, dtm="1")))
    kitchen.raw.append([several, one])

    loaded = load(kitchen, ServiceSettings())

    assert [each["event_id"] for each in loaded.events] == [event(1)["eid"], event(3)["eid"]]
    assert loaded.origins == [Origin(several, 0), Origin(several, 2), Origin(one, 0)]
    assert loaded.origins[0].record is loaded.origins[1].record
    assert len(loaded.repeated) == 1


@pytest.mark.parametrize("configuration", HIDING, ids=[name for _, name, _, _ in HIDING])
def test_where_an_enrichment_may_hide_something_no_record_is_told_of(
    kitchen: Kitchen, tmp_path: Path, configuration: tuple[str, str, str, dict[str, Any]]
) -> None:
    folder = configure(tmp_path / "enrichments", *configuration)
    (folder / "hide.py").write_text(
        'def enrich(event, headers, config):\n    event["user_id"] = None\n'
    )
    kitchen.raw.append([post(event(1, uid="ada"))])

    loaded = load(kitchen, ServiceSettings(enrichments=folder))

    assert len(loaded.events) == 1
    assert loaded.origins == []
