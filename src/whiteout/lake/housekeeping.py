"""What a lake's tables need now and then: retention, fewer and larger files, no dead ones."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from whiteout.lake.batch import SCHEMAS
from whiteout.lake.clock import DAY_US
from whiteout.lake.incomplete import NAME as INCOMPLETE
from whiteout.lake.tables import LakeTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whiteout.lake.clock import LakeClock
    from whiteout.lake.place import LakePlace
    from whiteout.lake.seen import SeenEvents
    from whiteout.lake.settings import LoaderSettings

_LOGGER = logging.getLogger(__name__)


def tidy(table: LakeTable, kept_days: int | None, settings: LoaderSettings, today_us: int) -> None:
    """Drop days that are too old, merge small files, delete files that no version needs.

    Args:
        table: which.
        kept_days: how many days its rows are kept; None for ever.
        settings: `merged_bytes`, `retention_hours` and `orphan_hours` count here.
        today_us: any moment of today, microseconds since the epoch; 0 drops no day.
    """
    if kept_days is not None and today_us:
        today = datetime.fromtimestamp(today_us // 1_000_000, UTC).date()
        table.drop_before(today - timedelta(days=kept_days))
    table.compact(settings.merged_bytes)
    table.clean(retention_hours=settings.retention_hours, orphan_s=settings.orphan_hours * 3600)


class Housekeeper:
    """Tidies when it is time to: at the start, after so many commits, each hour, on a new day.

    Beside the loading, which goes on, on a thread of its own: Delta lets both commit, and who comes
    second looks at what the first has done. Used by the loader's thread.

    Args:
        place: of the lake; the thread opens its tables for itself.
        settings: of the loader.
        clock: for what is too old.
        seen: forgets what is too old.
    """

    def __init__(
        self, place: LakePlace, settings: LoaderSettings, clock: LakeClock, seen: SeenEvents
    ) -> None:
        self._place, self._settings, self._clock, self._seen = place, settings, clock, seen
        self._thread: threading.Thread | None = None
        self._commits = 0
        self._last_us: int | None = None

    def committed(self) -> None:
        """Take note of a commit, which has added a file."""
        self._commits += 1

    def tend(self, tables: Mapping[str, LakeTable], *, force: bool) -> bool:
        """Tidy if it is time to; True where it was.

        Args:
            tables: those of the loader, by name.
            force: now, and be done with it on return; else it goes on beside the loading, where
                files are kept long enough for readers that they outlive what is being written.
        """
        now_us = self._clock.now_us()
        if not force and not self._is_due(now_us):
            return False
        self._commits, self._last_us = 0, now_us
        believed_us = self._clock.believed_us()
        if force or self._settings.retention_hours == 0:
            self.close()
            for name, table in tables.items():
                kept_days = self._settings.retention_days.get(name)
                tidy(table, kept_days, self._settings, believed_us or 0)
        elif self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(
                target=self._run,
                args=(believed_us or 0,),
                name="whiteout-housekeeping",
                daemon=True,
            )
            self._thread.start()
        if believed_us is not None:
            self._seen.forget_before(believed_us - self._settings.seen_days * DAY_US)
        return True

    def _is_due(self, now_us: int) -> bool:
        if self._last_us is None or self._commits >= self._settings.compact_after:
            return True
        if now_us // DAY_US != self._last_us // DAY_US:
            return True
        return abs(now_us - self._last_us) >= self._settings.tidy_after_s * 1_000_000

    def close(self) -> None:
        """Wait until it is over."""
        if self._thread is not None:
            self._thread.join()

    def _run(self, today_us: int) -> None:
        for name, schema in SCHEMAS.items():
            try:
                if name == INCOMPLETE and self._place.open_table(name) is None:
                    continue  # nobody has asked for it
                table = LakeTable(self._place, name, schema, durable=self._settings.durable)
                tidy(table, self._settings.retention_days.get(name), self._settings, today_us)
            except Exception as error:  # noqa: BLE001 - whatever the store says; the next hour tries again
                _LOGGER.warning("tidying %s failed (%s)", name, type(error).__name__)
