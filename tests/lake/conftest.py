"""A lake in a folder, fed from a real log by records that spell out their events."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from deltalake import DeltaTable

from whiteout.enrich.atomic import ATOMIC_COLUMNS, COLUMN_INDEX
from whiteout.enrich.event import BadRow, EnrichedEvent
from whiteout.iglu import EmbeddedRegistry, Resolver
from whiteout.lake.loader import Loader
from whiteout.lake.settings import LoaderSettings, Source
from whiteout.log import Log, open_log
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOW_MS = 1_795_000_000_000

REQUIRED = {
    "collector_tstamp": "2026-11-23 17:00:00.000",
    "v_collector": "c-1.0.0",
    "v_etl": "e-1.0.0",
}


def make_event(
    columns: dict[str, str],
    *,
    unstruct: tuple[str, Any] | None = None,
    contexts: list[tuple[str, Any]] | None = None,
    derived: list[tuple[str, Any]] | None = None,
) -> EnrichedEvent:
    fields: list[str | None] = [None] * len(ATOMIC_COLUMNS)
    for name, text in {**REQUIRED, **columns}.items():
        fields[COLUMN_INDEX[name]] = text
    return EnrichedEvent(
        fields=fields,
        unstruct_event=None if unstruct is None else SelfDescribingJson(*unstruct),
        contexts=[SelfDescribingJson(*entity) for entity in contexts or []],
        derived_contexts=[SelfDescribingJson(*entity) for entity in derived or []],
    )


def enrich(record: bytes) -> list[EnrichedEvent | BadRow]:
    """A record is a JSON list of events (`make_event`'s arguments) and bad rows (`{"bad": …}`)."""
    if record == b"poison":
        raise ZeroDivisionError
    results: list[EnrichedEvent | BadRow] = []
    for item in json.loads(record):
        if "bad" in item:
            rest = item.get("rest")
            incomplete = None if rest is None else make_event(rest.pop("columns"), **rest)
            results.append(BadRow(item["bad"], item["data"], incomplete))
        else:
            results.append(make_event(item.pop("columns"), **item))
    return results


def object_schema(uri: str, properties: dict[str, Any], **extra: object) -> dict[str, Any]:
    vendor, name, format_, version = uri.removeprefix("iglu:").split("/")
    own = {"vendor": vendor, "name": name, "format": format_, "version": version}
    return {"self": own, "type": "object", "properties": properties, **extra}


@dataclass
class Kitchen:
    """Everything that a loader needs, on real files."""

    directory: Path
    raw: Log
    bad: Log
    schemas: dict[str, dict[str, Any]] = field(default_factory=dict)
    now_ms: int = NOW_MS
    incomplete: bool = False
    enrich: Callable[[bytes], list[EnrichedEvent | BadRow]] = enrich
    open_loaders: list[Loader] = field(default_factory=list)

    @property
    def lake(self) -> Path:
        return self.directory / "lake"

    def schema(self, uri: str, properties: dict[str, Any], **extra: object) -> str:
        self.schemas[uri] = object_schema(uri, properties, **extra)
        return uri

    def loader(self, *, raw_name: str = "raw", **settings: Any) -> Loader:  # noqa: ANN401 - of several types
        """A new loader; earlier ones are closed first, as there is one a lake."""
        for old in self.open_loaders:
            old.close()
        loader = Loader(
            self.lake,
            raw=Source(log=self.raw, name=raw_name),
            bad=Source(log=self.bad, name="bad"),
            enrich=lambda records: map(self.enrich, records),
            lookup=Resolver([EmbeddedRegistry(self.schemas)]).lookup,
            settings=LoaderSettings(**settings),
            now_ms=lambda: self.now_ms,
            incomplete=self.incomplete,
        )
        self.open_loaders = [loader]
        return loader

    def send(self, *items: dict[str, Any]) -> None:
        """Append one record with these events and bad rows."""
        self.raw.append([json.dumps(items).encode()])

    def send_events(self, *event_ids: str) -> None:
        for event_id in event_ids:
            self.send({"columns": {"event_id": event_id}})

    def load_all(self, loader: Loader | None = None) -> Loader:
        loader = loader or self.loader()
        while loader.load():
            pass
        return loader

    def rows(self, table: str = "events") -> list[dict[str, Any]]:
        rows = DeltaTable(str(self.lake / table)).to_pyarrow_table().to_pylist()
        return sorted(rows, key=lambda row: (row["load_tstamp"], row["event_id"] or ""))

    def event_ids(self) -> list[str]:
        return sorted(row["event_id"] for row in self.rows())


@contextmanager
def open_kitchen(directory: Path) -> Iterator[Kitchen]:
    raw = open_log(directory / "log" / "raw", writer=True, durability="process")
    bad = open_log(directory / "log" / "bad", writer=True, durability="process")
    made = Kitchen(directory, raw, bad)
    yield made
    for loader in made.open_loaders:
        loader.close()
    raw.close()
    bad.close()


@pytest.fixture
def kitchen(tmp_path: Path) -> Iterator[Kitchen]:
    with open_kitchen(tmp_path) as made:
        yield made
