"""Failed events, sent through enrich once more: what passes now goes where it belongs.

Invariants, which `tests/lake/test_recovery.py` attacks:

1. An event is added only where the table has none of its key (`whiteout.lake.seen`): the table
   itself is asked, not an index, and for all of its time.
2. The events are committed first, then their failed rows are deleted. A row whose events are in the
   table already (the process died in between) is only deleted.
3. A row goes only when all that came out of it has passed. What fails again stays as it is.
4. No loader, no erasure and no other recovery is at work meanwhile on this machine; a recovery on
   another one is refused by Delta Lake, as each commit carries the number of the one before.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import DeltaError

from whiteout.enrich.event import BadRow, EnrichedEvent
from whiteout.enrich.replay import NotReplayable, ReplayedIds, replay
from whiteout.errors import WhiteoutError
from whiteout.lake.batch import (
    EVENTS_SCHEMA,
    FAILED_SCHEMA,
    Row,
    atomic_failure,
    cast_parts,
    events_table,
)
from whiteout.lake.erasure import delete_rows
from whiteout.lake.failed import error_name
from whiteout.lake.families import Families
from whiteout.lake.finding import KEY_OF
from whiteout.lake.keys import KEY_COLUMNS, key_of, keys_of
from whiteout.lake.seen import lake_lock, recovery_lock
from whiteout.lake.tables import LakeTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from whiteout.enrich.event import Dropped
    from whiteout.lake.place import LakePlace
    from whiteout.protocol.iglu import SchemaKey

_SOURCE = "whiteout-recover"
_READ_ROWS = 256
_BATCH_ROWS = 5_000
_BATCH_BYTES = 32 * 1024 * 1024


class RecoveryError(WhiteoutError):
    """Failed events could not, or not all, be recovered; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which failed events; what is empty or None selects all.

    Attributes:
        types: of bad rows, such as `schema_violations`.
        schemas: patterns for the schemas that the failure is about, such as
            `iglu:com.acme/checkout/*`.
        app_ids: of the events.
        since_us: failed at this moment or later, microseconds since the epoch.
        until_us: failed before this moment.
    """

    types: Sequence[str] = ()
    schemas: Sequence[str] = ()
    app_ids: Sequence[str] = ()
    since_us: int | None = None
    until_us: int | None = None

    def filter(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        """What columns can tell, as an expression; None for all rows."""
        moment = pa.timestamp("us", tz="UTC")
        parts = []
        if self.types:
            parts.append(pc.field("type").isin(list(self.types)))
        if self.app_ids:
            parts.append(pc.field("app_id").isin(list(self.app_ids)))
        if self.since_us is not None:
            parts.append(pc.field("failure_tstamp") >= pa.scalar(self.since_us, moment))
        if self.until_us is not None:
            parts.append(pc.field("failure_tstamp") < pa.scalar(self.until_us, moment))
        whole = None
        for part in parts:
            whole = part if whole is None else whole & part
        return whole

    def takes(self, bad_row: str) -> bool:
        """Whether the failure is about one of the schemas."""
        if not self.schemas:
            return True
        try:
            failure = msgspec.json.decode(bad_row)["data"]["failure"]
        except (msgspec.MsgspecError, RecursionError, LookupError, TypeError):
            return False
        uris = set(_schemas(failure))
        return any(fnmatchcase(uri, pattern) for uri in uris for pattern in self.schemas)


def _schemas(failure: object) -> Iterator[str]:
    """What stands under `schemaKey` in a failure, two levels deep at most."""
    messages = failure.get("messages") if isinstance(failure, dict) else failure
    for message in messages if isinstance(messages, list) else ():
        inner = message.get("message") if isinstance(message, dict) else None
        for one in (message, inner):
            uri = one.get("schemaKey") if isinstance(one, dict) else None
            if isinstance(uri, str):
                yield uri


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What to recover, and how.

    Attributes:
        place: the lake.
        directory: where the lake's indexes are, the folder `lake` of the data folder.
        selection: which failed events.
        enrich: the events and bad rows of one record, as the pipeline would make them now.
        ids: that `enrich` gives to events without an id.
        lookup: the JSON Schema of a key.
        now_ms: the wall clock.
        dry_run: tell what would happen, and change nothing.
        progress: told what is being done.
    """

    place: LakePlace
    directory: Path
    selection: Selection
    enrich: Callable[[bytes], Sequence[EnrichedEvent | BadRow | Dropped]]
    ids: ReplayedIds
    lookup: Callable[[SchemaKey], Mapping[str, Any]]
    now_ms: Callable[[], int]
    dry_run: bool = False
    progress: Callable[[str], None] = lambda _: None


@dataclass(slots=True)
class Recovered:
    """What was done; with `dry_run`, what would be.

    Attributes:
        rows: failed events that were selected; the next three add up to it.
        recovered: rows that passed, and left `failed_events`, by type.
        failing: rows that failed again and stay, by type.
        unreplayable: rows that do not hold what failed and stay, by reason.
        events: added to `events`.
        repeated: events that were in the table already.
        reasons: for rows in `failing`, the schemas that they fail by now, or the type.
    """

    rows: int = 0
    recovered: Counter[str] = field(default_factory=Counter)
    failing: Counter[str] = field(default_factory=Counter)
    unreplayable: Counter[str] = field(default_factory=Counter)
    events: int = 0
    repeated: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Batch:
    """What one commit to each table will hold: events to add, keys of rows to delete."""

    rows: list[Row] = field(default_factory=list)
    done: list[pa.Table] = field(default_factory=list)
    count: int = 0
    size: int = 0


def recover(recovery: Recovery) -> Recovered:
    """Send the selected failed events through enrich again.

    Raises:
        RecoveryError: a loader, an erasure or another recovery is at work. What was recovered until
            then is, and running it again goes on.
        LogError: an index of the lake is broken.
        LakeError: the lake cannot be reached.
    """
    with ExitStack() as stack:
        if not recovery.dry_run:
            _keep_others_away(recovery, stack)
        run = _Run(recovery)
        table = recovery.place.open_table("failed_events")
        if table is None:
            return run.recovered
        batches = table.to_pyarrow_dataset().to_batches(
            columns=["type", *KEY_OF["failed_events"]],
            filter=recovery.selection.filter(),
            batch_size=_READ_ROWS,
            batch_readahead=1,
            fragment_readahead=1,
        )
        for rows in batches:
            run.take(rows)
        run.finish()
    return run.recovered


def _keep_others_away(recovery: Recovery, stack: ExitStack) -> None:
    if not stack.enter_context(recovery_lock(recovery.directory)):
        raise RecoveryError("an erasure or another recovery of this lake is at work; wait for it")
    if not stack.enter_context(lake_lock(recovery.directory)):
        raise RecoveryError(
            "a loader is at work on this lake: stop the pipeline, run this again, then start it;"
            " --dry-run works beside it"
        )


class _Run:
    """One recovery as it goes on. Used by one thread."""

    def __init__(self, recovery: Recovery) -> None:
        self.recovered = Recovered()
        self._recovery = recovery
        self._batch = _Batch()
        self._added: set[bytes] = set()
        table = recovery.place.open_table("events")
        fields = EVENTS_SCHEMA if table is None else pa.schema(table.schema().to_arrow())
        self._families = Families(recovery.lookup, list(fields))

    def take(self, rows: pa.RecordBatch) -> None:
        """Send failed rows through enrich; commit when there are many."""
        columns = [rows[name].to_pylist() for name in ("type", "bad_row")]
        for number, (kind, bad_row) in enumerate(zip(*columns, strict=True)):
            if bad_row is None or not self._recovery.selection.takes(bad_row):
                continue
            self.recovered.rows += 1
            self._batch.count += 1
            self._batch.size += len(bad_row)
            if self._replay(kind or "unknown", bad_row):
                keys = rows.slice(number, 1).select(list(KEY_OF["failed_events"]))
                self._batch.done.append(pa.Table.from_batches([keys]))
        if self._batch.count >= _BATCH_ROWS or self._batch.size >= _BATCH_BYTES:
            self.finish()

    def _replay(self, kind: str, bad_row: str) -> bool:
        """Try one row; whether all of it has passed."""
        recovered = self.recovered
        self._recovery.ids.begin(bad_row)
        source = replay(bad_row)
        if isinstance(source, NotReplayable):
            recovered.unreplayable[source.reason] += 1
            return False
        results = [source] if isinstance(source, EnrichedEvent) else self._recovery.enrich(source)
        failures = 0
        for result in results:
            if isinstance(result, EnrichedEvent):
                reason = self._add(result)
            elif isinstance(result, BadRow):
                reason = _reason(result)
            else:
                continue  # a function of the user's has let it vanish
            if reason is not None:
                failures += 1
                recovered.reasons[reason] += 1
        (recovered.failing if failures else recovered.recovered)[kind] += 1
        return not failures

    def _add(self, event: EnrichedEvent) -> str | None:
        """Put an event into the batch; why not, where the table cannot hold it."""
        row = Row(event, key_of(event), (0, 0))
        failed = cast_parts(row, self._families, now_ms=self._recovery.now_ms())
        failed = failed or atomic_failure(row)
        if failed is not None:
            return failed.type
        self._batch.rows.append(row)
        return None

    def finish(self) -> None:
        """Commit what was gathered."""
        batch, self._batch = self._batch, _Batch()
        recovery = self._recovery
        new = self._new_rows(batch.rows)
        self.recovered.events += len(new)
        self.recovered.repeated += len(batch.rows) - len(new)
        if recovery.dry_run:
            return
        if new:
            recovery.progress(f"adding {len(new)} events")
            self._commit(new)
        if batch.done:
            recovery.progress(f"deleting {len(batch.done)} failed events that were recovered")
            self._delete(pa.concat_tables(batch.done))

    def _new_rows(self, rows: Sequence[Row]) -> list[Row]:
        known = self._added | self._stored(rows)
        new = []
        for row in rows:
            if row.key not in known:
                known.add(row.key)
                self._added.add(row.key)
                new.append(row)
        return new

    def _stored(self, rows: Sequence[Row]) -> set[bytes]:
        """The keys in the table of events with the ids of these."""
        table = self._recovery.place.open_table("events")
        if table is None or not rows:
            return set()
        self._recovery.progress(f"looking for {len(rows)} events in the lake")
        ids = pc.field("event_id")
        same = ids.isin([row.event["event_id"] for row in rows if row.event["event_id"]])
        if any(row.event["event_id"] is None for row in rows):
            same |= ids.is_null()
        batches = table.to_pyarrow_dataset().to_batches(columns=list(KEY_COLUMNS), filter=same)
        return {key for batch in batches for key in keys_of(batch)}

    def _commit(self, rows: list[Row]) -> None:
        place = self._recovery.place
        events = LakeTable(place, "events", EVENTS_SCHEMA, durable=True)
        failed = LakeTable(place, "failed_events", FAILED_SCHEMA, durable=True)
        last_us = max(events.last_load_us(), failed.last_load_us())
        # Rising, so that an index of a loader takes in what is added here when it is opened.
        load_us = max(self._recovery.now_ms() * 1000, last_us + 1_000)
        table = events_table(rows, self._families, load_us=load_us)
        try:
            events.append(table, {_SOURCE: events.offset(_SOURCE) + 1})
        except DeltaError as error:
            raise RecoveryError(_busy("events", error)) from error

    def _delete(self, keys: pa.Table) -> None:
        table = self._recovery.place.open_table("failed_events")
        if table is None:
            return
        try:
            delete_rows(table, "failed_events", keys)
        except DeltaError as error:
            raise RecoveryError(_busy("failed_events", error)) from error


def _busy(name: str, error: Exception) -> str:
    return (
        f"{name} could not be written ({error_name(error)}): stop loaders on other machines, then"
        " run this again; nothing is lost or doubled"
    )


def _reason(row: BadRow) -> str:
    """The schema that an event fails by, or the type of its bad row."""
    kind = row.schema.split("/")[1]
    uri = next(_schemas(row.data["failure"]), None)
    return kind if uri is None else f"{kind} {uri}"
