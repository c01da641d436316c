"""What a lake's tables need now and then: retention, fewer and larger files, no dead ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whiteout.lake.settings import LoaderSettings
    from whiteout.lake.tables import LakeTable


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
