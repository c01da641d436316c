"""Files in a table's place that no version of it names: a loader died before it committed them.

How old a file is, is told by the store's own clock alone: the time of the newest entry of the
table's log, held against the file's. So a wrong clock of this machine deletes nothing that another
loader has written and is about to commit.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import pyarrow.fs as pa_fs
    from deltalake import DeltaTable

_LOG = "_delta_log"


def remove_orphans(
    table: DeltaTable,
    options: Mapping[str, str] | None,
    *,
    retention_hours: int,
    older_than_s: float | None,
) -> list[str]:
    """Delete files that no version names.

    Args:
        table: its latest version; vacuumed with `retention_hours`, and its log written since.
        options: of its store.
        retention_hours: how long files of earlier versions are kept.
        older_than_s: than the newest entry of the table's log, seconds; younger ones stay, as a
            loader may be about to name them. None: nobody else is at work, and all of them go.

    Returns:
        Their paths in the table.
    """
    unnamed = table.vacuum(
        retention_hours=retention_hours,
        dry_run=True,
        enforce_retention_duration=False,
        full=True,
    )
    if not unnamed:
        return []
    import pyarrow.fs as pa_fs  # noqa: PLC0415 - 4 MB, for files that are seldom there
    from deltalake.fs import DeltaStorageHandler  # noqa: PLC0415 - as above

    handler = DeltaStorageHandler(table.table_uri, dict(options) if options else None)
    store = pa_fs.PyFileSystem(handler)
    newest = max(_times(store.get_file_info(pa_fs.FileSelector(_LOG))).values())
    removed = []
    for path, changed in _times(store.get_file_info(unnamed)).items():
        if older_than_s is None or (newest - changed).total_seconds() >= older_than_s:
            with contextlib.suppress(FileNotFoundError):  # another one cleans as well
                store.delete_file(path)
                removed.append(path)
    return removed


def _times(found: list[pa_fs.FileInfo]) -> dict[str, datetime]:
    return {info.path: info.mtime for info in found if info.is_file and info.mtime is not None}
