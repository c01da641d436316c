"""Reading the lake: SQL over Arrow in DuckDB, rows as events, following what is loaded.

SQL comes from whoever sits at the machine, or from a local page: it sees the tables and nothing
else. DuckDB runs in memory, without files, network, extensions or Python variables, with a limit on
memory, time and rows. Each query reads one version of each table, and blocks nobody.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import duckdb
import pyarrow as pa

from whiteout.errors import WhiteoutError
from whiteout.lake.batch import SCHEMAS
from whiteout.lake.place import LakePlace
from whiteout.lake.rebuild import Rebuilder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from deltalake import DeltaTable

Table = Literal["events", "failed_events", "incomplete_events"]
Order = Literal["newest", "oldest"]

TABLES: tuple[Table, ...] = get_args(Table)
_OF_EVENTS = "collector_tstamp, event_id, dvce_created_tstamp, event_name"
_TIE_BREAKERS = {
    "events": _OF_EVENTS,
    "failed_events": "failure_tstamp, type, event_id, bad_row",
    "incomplete_events": _OF_EVENTS,
}
_READING = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
_BATCH_ROWS = 2_048
_INTERRUPT_EVERY_S = 0.05  # DuckDB forgets an interrupt that comes before its query


class QueryError(WhiteoutError):
    """A query that DuckDB refuses or that goes over a limit; the message says why."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the order of loading, from which reading goes on.

    Attributes:
        load_us: `load_tstamp`, microseconds since the epoch.
        seen: how many rows of that load have been read.
    """

    load_us: int = 0
    seen: int = 0


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table, and where to go on.

    Attributes:
        table: all columns, in the order asked for.
        position: after the row loaded last; what `since` takes.
    """

    table: pa.Table
    position: Position

    def reversed(self) -> pa.Table:
        """The rows in the opposite order."""
        count = self.table.num_rows
        return self.table.take(pa.array(range(count - 1, -1, -1), pa.int64()))


class Lake:
    """The tables of a lake, for reading. May be used by several threads.

    Args:
        place: with the tables, a folder or a `LakePlace`; those that are not there are empty.
        memory_limit: of one query, as DuckDB writes it.
        time_limit_s: of one query.
        row_limit: of one query's result.
    """

    def __init__(
        self,
        place: Path | LakePlace,
        *,
        memory_limit: str = "512MB",
        time_limit_s: float = 60.0,
        row_limit: int = 1_000_000,
    ) -> None:
        self._place = place if isinstance(place, LakePlace) else LakePlace(str(place))
        self._memory_limit = memory_limit
        self._time_limit_s = time_limit_s
        self._row_limit = row_limit

    def query(self, sql: str) -> pa.Table:
        """Run one SELECT over the tables.

        Raises:
            QueryError: it is not one reading statement, it is wrong, or it goes over a limit.
        """
        with self._connection() as connection:
            return self._run(connection, sql)

    def schema(self, table: Table = "events") -> pa.Schema:
        """The columns of a table, as Arrow fields with their metadata."""
        opened = self._open(table)
        return SCHEMAS[table] if opened is None else pa.schema(opened.schema().to_arrow())

    def version(self, table: Table = "events") -> int | None:
        """The version of a table, which every commit raises; None where there is none yet."""
        opened = self._open(table)
        return None if opened is None else opened.version()

    def rows(
        self,
        table: Table = "events",
        *,
        since: Position | None = None,
        order: Order = "newest",
        limit: int = 100,
    ) -> Rows:
        """Rows in the order of loading.

        Args:
            table: which.
            since: only rows after this position.
            order: `newest` first takes the last `limit` rows, `oldest` first the first ones.
            limit: at most that many.
        """
        after = since or Position()
        direction = "DESC" if order == "newest" else "ASC"
        ties = ", ".join(f"{name} {direction}" for name in _TIE_BREAKERS[table].split(", "))
        # The rows of one load have no order of their own; `seen` counts them in a fixed one.
        unread = (
            f"epoch_us(load_tstamp) > {after.load_us:d} OR row_number() OVER ("
            f"PARTITION BY load_tstamp ORDER BY {_TIE_BREAKERS[table]}) > {after.seen:d}"
        )
        with self._connection() as connection:
            low, high = self._load_times(connection, table, after, direction, limit)
            found = self._run(
                connection,
                f"SELECT * FROM {table} WHERE load_tstamp BETWEEN make_timestamptz({low:d}) "  # noqa: S608 - of literals and integers
                f"AND make_timestamptz({high:d}) QUALIFY {unread} "
                f"ORDER BY load_tstamp {direction}, {ties} LIMIT {limit:d}",
            )
        return Rows(found, _position_after(found, after))

    def _load_times(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: Table,
        after: Position,
        direction: str,
        limit: int,
    ) -> tuple[int, int]:
        """The loads that hold the rows wanted: one column tells, so that few files are read."""
        times = self._run(
            connection,
            f"SELECT coalesce(min(us), 0) AS low, coalesce(max(us), 0) AS high FROM "  # noqa: S608 - of literals and integers
            f"(SELECT epoch_us(load_tstamp) AS us FROM {table} "
            f"WHERE load_tstamp >= make_timestamptz({after.load_us:d}) "
            f"ORDER BY load_tstamp {direction} LIMIT {limit + after.seen:d})",
        )
        (row,) = times.to_pylist()
        return row["low"], row["high"]

    def json_objects(self, rows: pa.Table, table: Table = "events") -> Iterator[dict[str, Any]]:
        """Rows of events as the official analytics SDKs' JSON objects; see `rebuild`.

        Args:
            rows: with all columns.
            table: they are of; not `failed_events`.
        """
        return Rebuilder(self.schema(table)).json_objects(rows)

    def tsv_lines(self, rows: pa.Table, table: Table = "events") -> Iterator[str]:
        """Rows of events as enriched TSV lines of 131 columns; `rows` and `table` as above."""
        return Rebuilder(self.schema(table)).tsv_lines(rows)

    def _open(self, table: Table) -> DeltaTable | None:
        return self._place.open_table(table)

    @contextmanager
    def _connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        connection = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": self._memory_limit,
                "temp_directory": "",
                "python_enable_replacements": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        try:
            connection.execute("SET TimeZone='UTC'")
            for table in TABLES:
                opened = self._open(table)
                data = (
                    SCHEMAS[table].empty_table() if opened is None else opened.to_pyarrow_dataset()
                )
                connection.register(table, data)
            connection.execute("SET enable_external_access=false")
            connection.execute("SET lock_configuration=true")
            yield connection
        finally:
            connection.close()

    def _run(self, connection: duckdb.DuckDBPyConnection, sql: str) -> pa.Table:
        """Run it in another thread: DuckDB misses Ctrl-C or fails by it; this one hears it."""
        with ThreadPoolExecutor(1) as executor:
            answer = executor.submit(self._answer, connection, sql)
            try:
                wait((answer,), self._time_limit_s)
            finally:
                while not answer.done():
                    connection.interrupt()
                    wait((answer,), _INTERRUPT_EVERY_S)
        try:
            return answer.result()
        except duckdb.InterruptException as error:
            raise QueryError(f"the query took longer than {self._time_limit_s:g} s") from error
        except duckdb.Error as error:
            raise QueryError(str(error)) from error

    def _answer(self, connection: duckdb.DuckDBPyConnection, sql: str) -> pa.Table:
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type not in _READING:
            raise QueryError("write one SELECT; the lake is only read here")
        return self._collect(connection.sql(sql))

    def _collect(self, result: duckdb.DuckDBPyRelation) -> pa.Table:
        reader = result.to_arrow_reader(_BATCH_ROWS)
        batches, count = [], 0
        for batch in reader:
            batches.append(batch)
            count += batch.num_rows
            if count > self._row_limit:
                raise QueryError(f"the query gives more than {self._row_limit} rows; add LIMIT")
        return pa.Table.from_batches(batches, reader.schema)


def _position_after(rows: pa.Table, before: Position) -> Position:
    if not rows.num_rows:
        return before
    times = rows["load_tstamp"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist()
    last = max(times)
    seen = times.count(last) + (before.seen if last == before.load_us else 0)
    return Position(last, seen)
