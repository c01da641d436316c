"""What a lake's tables need now and then: retention, fewer and larger files, no dead ones."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from whiteout.lake.batch import EVENTS_SCHEMA, FAILED_SCHEMA
from whiteout.lake.tables import LakeTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from whiteout.lake.place import LakePlace
    from whiteout.lake.settings import LoaderSettings

_LOGGER = logging.getLogger(__name__)


def tidy(tables: Mapping[str, LakeTable], settings: LoaderSettings, *, now_ms: int) -> None:
    """Drop days that are too old, merge small files, delete files that no version needs.

    Args:
        tables: by name.
        settings: `retention_days` and `retention_hours` count here.
        now_ms: the wall clock.
    """
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    for name, table in tables.items():
        kept = settings.retention_days.get(name)
        if kept is not None:
            table.drop_before(today - timedelta(days=kept))
        table.compact()
        table.clean(retention_hours=settings.retention_hours)


class Housekeeper:
    """Tidies beside the loading, which goes on: on a thread of its own, one time after the other.

    Delta lets both commit: who comes second looks at what the first has done.

    Args:
        place: of the lake; the thread opens its tables for itself.
        settings: of the loader.
        now_ms: the wall clock.
    """

    def __init__(
        self,
        place: LakePlace,
        settings: LoaderSettings,
        now_ms: Callable[[], int],
    ) -> None:
        self._place = place
        self._settings = settings
        self._now_ms = now_ms
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, unless the last time is not over yet."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._thread = threading.Thread(target=self._run, name="whiteout-housekeeping", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait until it is over."""
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            durable = self._settings.durable
            tables = {
                "events": LakeTable(self._place, "events", EVENTS_SCHEMA, durable=durable),
                "failed_events": LakeTable(
                    self._place, "failed_events", FAILED_SCHEMA, durable=durable
                ),
            }
            tidy(tables, self._settings, now_ms=self._now_ms())
        except Exception as error:  # noqa: BLE001 - whatever the store says; it is tried again later
            _LOGGER.warning("tidying the lake failed (%s)", type(error).__name__)
