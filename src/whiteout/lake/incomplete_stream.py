"""`incomplete_events` from streams with several partitions: each message once.

As `whiteout.lake.stream_loader` does it for bad rows: rows and the next offsets of their partitions
are one commit, and what enrich wrote twice is known by the place of its record.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from whiteout.enrich.tsv import NotEnrichedError, read_tsv
from whiteout.lake.stream_records import TakenOverError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from whiteout.enrich.event import EnrichedEvent
    from whiteout.lake.incomplete import IncompleteEvents
    from whiteout.lake.stream_records import StreamRecord

_LOGGER = logging.getLogger(__name__)


class IncompleteStream:
    """Loads the table from partitions that it is given. Used by the loader's thread.

    Args:
        table: that is loaded.
        next_load_us: the `load_tstamp` that follows another one.
    """

    def __init__(self, table: IncompleteEvents, next_load_us: Callable[[int], int]) -> None:
        self._table, self._next_load_us = table, next_load_us
        self._next: dict[str, int] = {}
        self._last_load_us = 0

    def take_over(self, sources: Iterable[str]) -> dict[str, int]:
        """Load from these partitions from now on, and from no others.

        Returns:
            The offset to read each of them from.
        """
        self._table.reload()
        self._next = {source: self._table.table.offset(source) for source in sources}
        self._last_load_us = max(self._table.table.last_load_us(), self._last_load_us)
        return dict(self._next)

    def load(self, records: Sequence[StreamRecord]) -> None:
        """Load one batch.

        Args:
            records: each partition's in order; those that are not ours, or loaded, are passed over.

        Raises:
            TakenOverError: another loader was there.
            Exception: the lake cannot be written. In any case nothing is lost or doubled: take over
                again, and read from where that says.
        """
        offsets: dict[str, int] = {}
        ranks: dict[str, int] = {}
        events: list[EnrichedEvent] = []
        for record in records:
            at = offsets.get(record.source, self._next.get(record.source))
            if at is None or record.offset < at:
                continue
            offsets[record.source] = record.offset + 1
            event = None if self._is_repetition(record, ranks) else _read(record)
            if event is not None:
                events.append(event)
        if not offsets:
            return
        for source in offsets:
            if self._table.table.offset(source) != self._next[source]:
                raise TakenOverError("another loader has loaded from a partition of this one")
        load_us = self._next_load_us(self._last_load_us)
        self._table.append(events, {**offsets, **ranks}, load_us=load_us)
        self._last_load_us = load_us
        self._next.update(offsets)

    def _is_repetition(self, record: StreamRecord, ranks: dict[str, int]) -> bool:
        """Whether enrich wrote it twice; else its place is kept in `ranks`."""
        if record.origin is None:
            return False
        source, rank = record.origin
        name = f"{record.source}<{source}"
        if rank < ranks.get(name, self._table.table.offset(name)):
            return True
        ranks[name] = rank + 1
        return False


def _read(record: StreamRecord) -> EnrichedEvent | None:
    try:
        return read_tsv(record.value.decode())
    except (UnicodeDecodeError, NotEnrichedError):
        # Its bad row is in a topic of its own, and is loaded from there.
        _LOGGER.warning("a line among what is left of failed events is no event; left out")
        return None
