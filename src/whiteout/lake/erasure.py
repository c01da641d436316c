"""Erasing one person from a lake and from the logs before it, with a receipt.

In this order, so that nothing on its way slips through:

1. What the collector accepted so far must reach the lake: while a loader is at work it is waited
   for; while none is, none may start, and records that wait lose the person where they lie.
2. Records of the logs that were loaded, and are only still on the disk, are blanked.
3. Rows are deleted from all tables. A Delta delete writes new files without them; a loader may
   append meanwhile, and where its tidying gets in between, the delete is tried again.
4. The old files are deleted, and files that no version of a table names.
5. A page that runs beside the lake is told, and forgets what it shows.

What the transaction log says of a delete names no row and no identifier.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import CommitFailedError, DeltaError
from msgspec.structs import replace

from whiteout.errors import ProtocolError, WhiteoutError
from whiteout.lake.batch import LOAD_TSTAMP
from whiteout.lake.erased import leave_mark
from whiteout.lake.finding import KEY_OF, find_rows
from whiteout.lake.incomplete import NAME as INCOMPLETE
from whiteout.lake.orphans import remove_orphans
from whiteout.lake.seen import lake_lock, recovery_lock
from whiteout.log import open_log
from whiteout.log.rewriting import count, rewrite
from whiteout.protocol import collector_payload

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from deltalake import DeltaTable

    from whiteout.lake.place import LakePlace
    from whiteout.lake.subject import Subject

TABLES = tuple(KEY_OF)
LOGS = ("raw", "bad")

TOPICS = (
    "topics of Kafka, or logs elsewhere: there is no log in the data folder. What they still hold"
    " of the person is loaded after this; erase again when it is, or shorten their retention.ms."
    " A page that shows them keeps the latest events until it is reset or started again"
)
"""Said where nothing of what is on its way could be searched."""

_ATTEMPTS = 20
_POLL_S = 0.1
_ORPHAN_AGE_S = 600.0  # a file that a loader is about to commit is younger
_CONSUMER = "lake"


class ErasureError(WhiteoutError):
    """The person is not, or not wholly, erased; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What to erase, and where.

    Attributes:
        subject: who.
        place: the lake.
        data: the data folder, whose `log` is searched; None where the logs are elsewhere.
        anywhere: whether events that only mention an identifier in a longer text go too.
        dry_run: count, and change nothing.
        wait_s: for a loader to load what was accepted.
        progress: told what is being done.
    """

    subject: Subject
    place: LakePlace
    data: Path | None
    anywhere: bool = False
    dry_run: bool = False
    wait_s: float = 120.0
    progress: Callable[[str], None] = lambda _: None


@dataclass(slots=True)
class Erased:
    """What was done; with `dry_run`, what would be.

    Attributes:
        rows: deleted, for each table.
        records: blanked or shortened, for each log.
        files: that were removed, as the lake names them.
        mentions: rows of `events` that are left and mention an identifier in a longer text.
        not_reached: where the person may still be, and come from again.
    """

    rows: dict[str, int] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    mentions: int = 0
    not_reached: list[str] = field(default_factory=list)


def erase(erasure: Erasure) -> Erased:
    """Erase a person.

    Raises:
        ErasureError: a loader did not catch up, or the lake is too busy; call again.
        LogError: a log cannot be read or written.
    """
    erased = Erased()
    with contextlib.ExitStack() as stack:
        is_alone = False
        if erasure.data is not None:
            if not stack.enter_context(recovery_lock(erasure.data / "lake")):
                # It may hold in memory what would be deleted here, and add it afterwards.
                raise ErasureError("whiteout recover is at work; run this again when it is done")
            is_alone = stack.enter_context(lake_lock(erasure.data / "lake"))
            for name in LOGS:
                directory = erasure.data / "log" / name
                erased.records[name] = _erase_from_log(erasure, directory, is_alone=is_alone)
        for name in TABLES:
            if name == INCOMPLETE and erasure.place.open_table(name) is None:
                continue  # nobody has asked for it
            erased.rows[name] = _erase_from_table(erasure, name)
            if not erasure.dry_run:
                erased.files += _remove_files(erasure.place, name, is_alone=is_alone)
        _tell_page(erasure)
        if not erasure.anywhere:
            erased.mentions = _mentions(erasure)
    if not _is_log_here(erasure):
        erased.not_reached.append(TOPICS)
    if erasure.dry_run:
        erased.mentions = max(erased.mentions - erased.rows["events"], 0)
    return erased


def _is_log_here(erasure: Erasure) -> bool:
    return erasure.data is not None and (erasure.data / "log" / "raw").is_dir()


def _erase_from_log(erasure: Erasure, directory: Path, *, is_alone: bool) -> int:
    if not directory.is_dir():
        return 0
    log = open_log(directory, writer=False)
    try:
        end = log.end_offset()
        if not is_alone and not erasure.dry_run:
            erasure.progress(f"waiting until log {directory.name} is loaded")
            _wait_for(lambda: log.committed(_CONSUMER) >= end, erasure.wait_s, directory.name)
    finally:
        log.close()
    erasure.progress(f"searching log {directory.name}")

    def change(record: bytes) -> bytes | None:
        return without_subject(record, erasure.subject)

    if erasure.dry_run:
        return count(directory, change, until=end)
    return rewrite(directory, change, until=end)


def _wait_for(is_done: Callable[[], bool], wait_s: float, name: str) -> None:
    deadline = time.monotonic() + wait_s
    while not is_done():
        if time.monotonic() > deadline:
            raise ErasureError(
                f"the loader did not load log {name} within {wait_s:g} s; nothing was erased yet:"
                " run this again when it has caught up, or stop the pipeline first"
            )
        time.sleep(_POLL_S)


def without_subject(record: bytes, subject: Subject) -> bytes | None:
    """The record without the person, as long as it was; None where it does not speak of them.

    Events of others in the same request stay.
    """
    if not subject.is_in(record.decode("utf-8", "replace")):
        return None
    try:
        payload = collector_payload.decode(record)
        document = msgspec.json.decode(payload.body or "", type=_PayloadData)
    except (ProtocolError, msgspec.MsgspecError):
        return bytes(len(record))
    about_request = [
        *payload.headers,
        *(getattr(payload, name) or "" for name in _REQUEST_TEXTS),
    ]
    if any(subject.is_in(text) for text in about_request):
        return bytes(len(record))
    others = [raw for raw in document.data if not subject.is_in(bytes(raw).decode())]
    if not others:
        return bytes(len(record))
    body = msgspec.json.encode(_PayloadData(document.schema, others)).decode()
    short = collector_payload.encode(replace(payload, body=body))
    missing = len(record) - len(short)
    if missing < 0:
        return bytes(len(record))
    # Spaces after JSON mean nothing, and keep every other record where it is.
    padded = body + " " * missing
    return collector_payload.encode(replace(payload, body=padded))


class _PayloadData(msgspec.Struct):
    schema: str
    data: list[msgspec.Raw]


_REQUEST_TEXTS = ("ip_address", "user_agent", "referer_uri", "querystring", "network_user_id")


def _erase_from_table(erasure: Erasure, name: str) -> int:
    table = erasure.place.open_table(name)
    if table is None:
        return 0
    erasure.progress(f"searching {name}")
    rows = 0
    for attempt in range(_ATTEMPTS):
        keys = list(find_rows(table, name, erasure.subject, anywhere=erasure.anywhere))
        if not keys:
            return rows
        found = pa.concat_tables(keys)
        if erasure.dry_run:
            return int(found.num_rows)
        erasure.progress(f"deleting {found.num_rows} rows of {name}")
        try:
            rows += delete_rows(table, name, found)
        except (CommitFailedError, DeltaError) as error:
            if attempt + 1 == _ATTEMPTS:
                raise ErasureError(
                    f"{name} is written too often ({type(error).__name__}); stop the loader and"
                    " run this again"
                ) from error
            time.sleep(_POLL_S)
        # Once more over the latest version: nothing may be left, whatever came in between.
        table.update_incremental()
    raise ErasureError(f"rows of {name} kept coming back; run this again")


def delete_rows(table: DeltaTable, name: str, keys: pa.Table) -> int:
    """Delete rows by their `KEY_OF` columns. A merge, because its log entry repeats none of them.

    Raises:
        DeltaError: the table was written meanwhile; try again with its latest version.
    """
    # That bound tells what a loader appends meanwhile from what is read here: no conflict.
    last = pc.max(keys[LOAD_TSTAMP]).as_py()
    bound = f"arrow_cast('{last:%Y-%m-%dT%H:%M:%S.%f}Z', 'Timestamp(Microsecond, Some(\"UTC\"))')"
    same = " AND ".join(
        (
            *(f"target.{column} = source.{column}" for column in KEY_OF[name]),
            f"target.{LOAD_TSTAMP} <= {bound}",
        )
    )
    done = (
        table.merge(
            pa.table(keys.group_by(list(KEY_OF[name])).aggregate([])),
            same,
            source_alias="source",
            target_alias="target",
        )
        .when_matched_delete()
        .execute()
    )
    return int(done["num_target_rows_deleted"])


def _remove_files(place: LakePlace, name: str, *, is_alone: bool) -> list[str]:
    table = place.open_table(name)
    if table is None:
        return []
    removed = table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    # The newest file of the log: files' ages are told by it.
    table.create_checkpoint()
    removed += remove_orphans(
        table,
        place.storage_options,
        retention_hours=0,
        older_than_s=None if is_alone and place.folder is not None else _ORPHAN_AGE_S,
    )
    return [f"{name}/{path}" for path in removed]


def _tell_page(erasure: Erasure) -> None:
    if not erasure.dry_run and erasure.data is not None:
        leave_mark(erasure.data / "lake")


def _mentions(erasure: Erasure) -> int:
    table = erasure.place.open_table("events")
    if table is None:
        return 0
    erasure.progress("searching events for mentions")
    found = find_rows(table, "events", erasure.subject, anywhere=True)
    return sum(keys.num_rows for keys in found)
