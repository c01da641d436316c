"""The table `incomplete_events`: what is left of failed events, in the columns of `events`.

`failed_events` is what counts: each failed event has its row there, and one here only where
something was left of it. What of that no column takes is left out.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from whiteout.lake.batch import EVENTS_SCHEMA, Row, any_place, cast_parts, events_table
from whiteout.lake.families import Families
from whiteout.lake.tables import LakeTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    import pyarrow as pa

    from whiteout.enrich.event import EnrichedEvent
    from whiteout.lake.place import LakePlace
    from whiteout.protocol.iglu import SchemaKey

NAME = "incomplete_events"
_LOGGER = logging.getLogger(__name__)


class IncompleteEvents:
    """That table, as loaders write it. Used by the loader's thread.

    Args:
        place: of the lake.
        lookup: the JSON Schema of a key.
        durable: whether commits are brought to the disk.
        now_ms: the wall clock.

    Attributes:
        table: the table itself.

    Raises:
        LakeError: the lake cannot be reached.
    """

    def __init__(
        self,
        place: LakePlace,
        lookup: Callable[[SchemaKey], Mapping[str, Any]],
        now_ms: Callable[[], int],
        *,
        durable: bool,
    ) -> None:
        self._lookup, self._now_ms = lookup, now_ms
        self.table = LakeTable(place, NAME, EVENTS_SCHEMA, durable=durable)
        self._families = Families(lookup, self.table.fields())

    def reload(self) -> None:
        """Take up the state that the table holds."""
        self.table.reload()
        self._families = Families(self._lookup, self.table.fields())

    def append(
        self,
        events: Sequence[EnrichedEvent],
        offsets: Mapping[str, int],
        *,
        load_us: int,
        notes: Mapping[str, str] | None = None,
    ) -> None:
        """Commit events and offsets together, or not at all.

        Raises:
            Exception: the lake cannot be written.
        """
        self.table.append(self._rows(events, load_us), offsets, notes=notes)

    def _rows(self, events: Sequence[EnrichedEvent], load_us: int) -> pa.Table | None:
        now_ms = self._now_ms()
        rows = [Row(event, any_place(event.tsv()), (0, 0)) for event in events]
        sound = [row for row in rows if cast_parts(row, self._families, now_ms=now_ms) is None]
        try:
            table = self._made(sound, load_us)
        except Exception:  # noqa: BLE001 - whatever it is, one row must not stop the others
            sound = [row for row in sound if self._is_sound(row, load_us)]
            table = self._made(sound, load_us)
        if len(sound) < len(rows):
            _LOGGER.warning(
                "%d failed events are in failed_events alone: no column takes what is left of them",
                len(rows) - len(sound),
            )
        return table

    def _is_sound(self, row: Row, load_us: int) -> bool:
        try:
            self._made([row], load_us)
        except Exception:  # noqa: BLE001 - as above
            return False
        return True

    def _made(self, rows: Sequence[Row], load_us: int) -> pa.Table | None:
        return events_table(rows, self._families, load_us=load_us) if rows else None
