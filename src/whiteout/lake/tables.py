"""One Delta table, as the loader uses it: append with offsets, grow, tidy up, reach the disk.

Exactly once rests on two facts of Delta Lake: a commit is one atomic file, and a commit may carry
application transactions, so that the rows and the offset behind them become visible together.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake

from whiteout.errors import WhiteoutError
from whiteout.lake.batch import LOAD_DATE, LOAD_TSTAMP
from whiteout.lake.faults import are_rows_at_fault
from whiteout.lake.orphans import remove_orphans
from whiteout.lake.place import LakeError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from pathlib import Path

    from whiteout.lake.place import LakePlace

_LOG = "_delta_log"
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_HISTORY = 200  # commits to look back at first
_OWN = frozenset({LOAD_TSTAMP, LOAD_DATE, "event_id"})  # columns that every table of ours has

_ROW_GROUP_ROWS = 1024  # for memory, not for bytes
"""A merge to 1 MiB adds 17 MiB, with 8192 rows 28; to 4 MiB 28 and 85. Bytes a row: 178 and 144."""

_WORTH_COMPACTING = 2  # files

_CONFIGURATION: Mapping[str, str | None] = {
    "delta.checkpointInterval": "50",
    "delta.logRetentionDuration": "interval 1 days",
    # Statistics of the columns that readers filter by; of all 130 they would cost more than data.
    "delta.dataSkippingStatsColumns": LOAD_TSTAMP,
}


class RefusedRowsError(WhiteoutError):
    """Rows that no table takes; the message names the kind of failure."""


class LakeTable:
    """A Delta table partitioned by the date of loading. Used by one thread, the loader's.

    Args:
        place: of the lake.
        name: of the table; made when it is not there.
        schema: the columns of a new table.
        durable: whether a commit is on the disk, not only with the operating system, when
            `append` returns. What an object store has answered is durable in any case.

    Raises:
        LakeError: the lake cannot be reached, or somebody else's table is there.
    """

    def __init__(self, place: LakePlace, name: str, schema: pa.Schema, *, durable: bool) -> None:
        self._place, self._name = place, name
        # None where there is nothing to bring to the disk.
        self._folder = place.folder / name if place.folder is not None else None
        self._durable = durable
        if self._folder is not None:
            _set_broken_commits_aside(self._folder / _LOG)
            self._folder.mkdir(parents=True, exist_ok=True)
        self._table = place.open_table(name) or self._create(schema)
        self._check_origin()
        self._synced = self._table.version() if durable else 0

    def _create(self, schema: pa.Schema) -> DeltaTable:
        DeltaTable.create(
            self._place.table(self._name),
            schema=schema,
            mode="ignore",
            partition_by=[LOAD_DATE],
            configuration=_CONFIGURATION,
            storage_options=self._place.storage_options,
        )
        return self._open()

    def _check_origin(self) -> None:
        """Rows of ours in somebody else's table would spoil both."""
        names = {field.name for field in self._table.schema().fields}
        partitions = list(self._table.metadata().partition_columns)
        if not names >= _OWN or partitions != [LOAD_DATE]:
            raise LakeError(
                f"{self._place.table(self._name)} is a Delta table that whiteout has not made"
                f" (partitioned by {', '.join(partitions) or 'nothing'}, not by {LOAD_DATE}):"
                " name another place with --lake, or move that table away"
            )

    def _open(self) -> DeltaTable:
        table = self._place.open_table(self._name)
        if table is None:
            raise LakeError(f"the table {self._name} has gone")
        return table

    @property
    def table_id(self) -> str:
        """The identity that Delta gave the table when it was made."""
        return str(self._table.metadata().id)

    @property
    def version(self) -> int:
        """The number of the last commit that is known here."""
        return int(self._table.version())

    def reload(self) -> None:
        """Forget what is in memory and read the table's state again."""
        self._table = self._open()

    def fields(self) -> list[pa.Field]:
        """The columns, as Arrow fields with their metadata."""
        return list(pa.schema(self._table.schema().to_arrow()))

    def offset(self, source: str) -> int:
        """The next offset of `source` to load: what the last commit that named it said, else 0."""
        return self._table.transaction_version(source) or 0

    def append(
        self,
        rows: pa.Table | None,
        offsets: Mapping[str, int],
        *,
        notes: Mapping[str, str] | None = None,
    ) -> None:
        """Commit rows and the offsets behind them, together or not at all.

        Args:
            rows: None commits offsets alone.
            offsets: of each source, the next one to load.
            notes: kept with the commit; see `last_note`.

        Raises:
            RefusedRowsError: it is the rows that cannot be stored, whatever the store.
            Exception: another commit came in between, or the store does not take it now.
        """
        properties = CommitProperties(
            custom_metadata=dict(notes or {}),
            app_transactions=[Transaction(source, offset) for source, offset in offsets.items()],
        )
        if rows is None or rows.num_rows == 0:
            self._table.create_write_transaction(
                [],
                "append",
                self._table.schema(),
                partition_by=[LOAD_DATE],
                commit_properties=properties,
            )
            self._table.update_incremental()
        else:
            try:
                _write(self._table, rows, properties)
            except Exception as error:
                if are_rows_at_fault(self._place, error, rows.nbytes, partial(self._try, rows)):
                    raise RefusedRowsError(type(error).__name__) from error
                raise
        self._sync()

    def _try(self, rows: pa.Table, folder: str) -> None:
        """Write rows to a table in a folder that is like this one."""
        table = DeltaTable.create(folder, self._table.schema(), partition_by=[LOAD_DATE])
        _write(table, rows, None)

    def last_note(self, name: str) -> str | None:
        """The latest note of that name; of the last commits first, as it is nearly always there."""
        for limit in (_HISTORY, None):
            for commit in self._table.history(limit):
                if name in commit:
                    return str(commit[name])
        return None

    def last_load_us(self) -> int:
        """The greatest `load_tstamp` in the table, microseconds since the epoch; 0 when empty."""
        actions = pa.table(self._table.get_add_actions(flatten=True))
        name = f"max.{LOAD_TSTAMP}"
        if name not in actions.column_names:
            return 0
        moments = [moment for moment in actions[name].to_pylist() if moment is not None]
        return (max(moments) - _EPOCH) // _MICROSECOND if moments else 0

    def last_commit_us(self) -> int:
        """When the last commit was made, by the clock of who made it; 0 where nobody said."""
        return int(self._table.history(1)[0].get("timestamp", 0)) * 1_000

    def file_count(self) -> int:
        """How many data files the table has."""
        return len(self._table.file_uris())

    def dataset(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        """The table as a `pyarrow.dataset.Dataset`."""
        return self._table.to_pyarrow_dataset()

    def compact(self, merged_bytes: int) -> None:
        """Merge small files within each load date. Rows, their order and offsets stay.

        Args:
            merged_bytes: the size up to which they are merged; larger ones are left, so that no
                byte is copied often.
        """
        self._table.update_incremental()  # files may be gone: somebody was erased
        if self.file_count() < _WORTH_COMPACTING:
            return
        self._table.optimize.compact(
            target_size=merged_bytes,
            max_concurrent_tasks=1,  # the loader shares the machine with the collector
            writer_properties=WriterProperties(max_row_group_size=_ROW_GROUP_ROWS),
        )
        self._sync()

    def drop_before(self, day: date) -> None:
        """Delete what was loaded before `day` (UTC): whole partitions, so no row is read."""
        earlier = [text for text in self._load_dates() if text < day.isoformat()]
        if earlier:
            days = ", ".join(f"'{text}'" for text in earlier)
            self._table.delete(f"{LOAD_DATE} IN ({days})")
            self._sync()

    def _load_dates(self) -> set[str]:
        partitions = self._table.partitions()
        return {str(partition[LOAD_DATE]) for partition in partitions}

    def clean(self, *, retention_hours: int, orphan_s: float) -> None:
        """Delete files that no version needs, and old log entries.

        Args:
            retention_hours: how long files are kept for readers of earlier versions.
            orphan_s: how long files are kept that no version has named yet, seconds.
        """
        self._table.vacuum(
            retention_hours=retention_hours, dry_run=False, enforce_retention_duration=False
        )
        self._table.create_checkpoint()
        self._table.cleanup_metadata()
        self._sync()
        remove_orphans(
            self._table,
            self._place.storage_options,
            retention_hours=retention_hours,
            older_than_s=orphan_s,
        )

    def _sync(self) -> None:
        """Bring the commits since the last call to the disk: data first, then the log entry."""
        directory = self._folder
        if not self._durable or directory is None:
            return
        version = self._table.version()
        log = directory / _LOG
        folders = {log}
        for number in range(self._synced + 1, version + 1):
            entry = log / f"{number:020}.json"
            for path in _added_paths(entry):
                _sync_path(directory / path)
                folders.add((directory / path).parent)
            _sync_path(entry)
        for folder in folders:
            _sync_path(folder)
        self._synced = version


def _write(table: DeltaTable, rows: pa.Table, properties: CommitProperties | None) -> None:
    write_deltalake(table, rows, mode="append", schema_mode="merge", commit_properties=properties)


def _added_paths(entry: Path) -> list[str]:
    actions = [json.loads(line) for line in entry.read_text("utf-8").splitlines()]
    return [unquote(action["add"]["path"]) for action in actions if "add" in action]


def _sync_path(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # compacted away, and vacuumed since
        return
    except PermissionError:  # a folder on Windows, which has nothing to sync
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _set_broken_commits_aside(log: Path) -> None:
    """Rename the last log entries while they are not whole.

    A power failure may leave the entry of the very last commit empty. That commit was not yet
    reported to anybody (`append` had not returned), so its rows are still in the log.
    """
    for entry in sorted(log.glob("[0-9]*.json"), reverse=True):
        try:
            lines = entry.read_text("utf-8").splitlines()
            whole = bool(lines) and all(isinstance(json.loads(line), dict) for line in lines)
        except ValueError:
            whole = False
        if whole:
            return
        entry.rename(entry.with_suffix(".broken"))
