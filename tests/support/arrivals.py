"""What other trackers' events become, from a real collector's record to the row of a lake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from deltalake import DeltaTable
from tests.enrich.conftest import NOW_MS, make_bench

from whiteout.enrich.event import EnrichedEvent
from whiteout.identifiers import IDENTIFIERS, NULL_UUID, Anonymisation, Masked, UrlQuery
from whiteout.iglu import EmbeddedRegistry, Resolver
from whiteout.lake.loader import Loader
from whiteout.lake.settings import LoaderSettings, Source

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from tests.support.real_collector import RealCollector

    from whiteout.identifiers import Identifier
    from whiteout.iglu import FolderRegistry

HIDDEN_BY_SERVER = {
    identifier.name
    for identifier in IDENTIFIERS
    if identifier.column and Anonymisation.SERVER in identifier.masks
}
"""What server-side anonymisation keeps out of the lake, whoever sends it."""

# The collector masks what the client hides: in such a column either may have been at work.
_STAND_INS = {"network_userid": (None, NULL_UUID)}


class Arrivals:
    """What enrich makes of all that a collector takes from now on; it must be good.

    Args:
        collector: whose.
        folder: an empty one, for the lake.
        *registries: besides the embedded one.
    """

    def __init__(self, collector: RealCollector, folder: Path, *registries: FolderRegistry) -> None:
        self._collector = collector
        self._folder = folder
        collector.new_records()
        self._resolver = Resolver([EmbeddedRegistry(), *registries])
        self._bench = make_bench(self._resolver, ())
        self.records: list[bytes] = []
        self.events: list[EnrichedEvent] = []

    def refresh(self) -> list[EnrichedEvent]:
        """All events so far."""
        for record in self._collector.new_records():
            self.records.append(record)
            for one in self._bench.all(record):
                assert isinstance(one, EnrichedEvent), one.data["failure"]
                self.events.append(one)
        return self.events

    def names(self) -> set[str | None]:
        """The names of all events so far."""
        return {event["event_name"] for event in self.refresh()}

    def rows(self) -> list[dict[str, Any]]:
        """All of it, loaded into a lake and read from there."""
        log = self._collector.open_log()
        loader = Loader(
            self._folder,
            raw=Source(log=log, name="raw"),
            bad=None,
            enrich=lambda records: map(self._bench.all, records),
            lookup=self._resolver.lookup,
            settings=LoaderSettings(durable=False),
            now_ms=lambda: NOW_MS,
        )
        try:
            while loader.load():
                pass
        finally:
            loader.close()
            log.close()
        ours = {event["event_id"] for event in self.events}
        rows = DeltaTable(self._folder / "events").to_pyarrow_table().to_pylist()
        return [row for row in rows if str(row["event_id"]) in ours]

    def search(self, canaries: Collection[str], level: Anonymisation) -> tuple[set[str], set[str]]:
        """Look through all that is stored: records, enriched events (Base64 opened), and rows.

        Returns:
            The canaries that are anywhere, and the names of identifiers that `level` hides and
            whose columns hold something all the same.
        """
        self.refresh()
        rows = self.rows()
        raw = b"".join(self.records).decode("utf-8", "replace")
        text = "\n".join([raw, *(event.tsv() for event in self.events), *map(repr, rows)])
        return {canary for canary in canaries if canary in text}, _given_away(rows, level)


def _given_away(rows: Sequence[dict[str, Any]], level: Anonymisation) -> set[str]:
    return {
        identifier.name
        for identifier in IDENTIFIERS
        if identifier.column and (mask := identifier.masked_at(level)) is not None
        for row in rows
        for value in _values(row, identifier)
        if value not in _allowed(identifier, mask)
    }


def _values(row: dict[str, Any], identifier: Identifier) -> Iterator[Any]:
    column, _, field = identifier.column.partition(".")
    value = row.get(column)
    if field:
        for entity in value or ():
            yield entity.get(field)
    elif isinstance(identifier.location, UrlQuery) and column == "page_urlquery":
        names = {name for name, _ in parse_qsl(value or "", keep_blank_values=True)}
        yield from names.intersection(identifier.location.keys)
    else:
        yield value


def _allowed(identifier: Identifier, mask: Masked) -> tuple[str | None, ...]:
    own = (NULL_UUID if mask is Masked.NULL_UUID else None,)
    return _STAND_INS.get(identifier.column, own)
