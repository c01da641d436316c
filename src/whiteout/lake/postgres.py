"""PostgreSQL filled from a lake, with the same tables and columns, each row once.

Invariants, which `tests/lake/test_postgres.py` attacks:

1. Rows and the place in the lake up to which they go (`load_tstamp`) are one transaction.
2. A row that comes again has the same key, and is passed over. So it does no harm to look at the
   last loads again: of several loaders of a lake, one may commit after another with a later time.
3. Nothing that is raised or logged here holds a password, a value or a row.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pyarrow as pa

from whiteout.errors import ConfigurationError, WhiteoutError
from whiteout.lake.keys import keys_of
from whiteout.lake.loads import TABLES, count_loads, new_rows
from whiteout.lake.postgres_columns import KEY, columns_of, failed_keys, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection

    from whiteout.lake.place import LakePlace
    from whiteout.lake.postgres_columns import PostgresColumn

_PLACES = "whiteout_places"
_STAGING = "whiteout_staging"
_CONNECT_S = 10


class PostgresError(WhiteoutError):
    """PostgreSQL refused or did not answer; the message says what it calls that."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PostgresSettings:
    """Where rows go, and how.

    Attributes:
        address: as libpq reads it: `postgresql://user@host:5432/database`. May hold a password.
        schema: of the tables; made where it is not there.
        overlap_s: how far back loads are looked at again, for lakes with several loaders.
    """

    address: str
    schema: str = "atomic"
    overlap_s: float = 600.0


@dataclass(slots=True)
class _Table:
    """What is known of one table of the lake."""

    version: int = -1
    columns: frozenset[str] = frozenset()
    loads: Counter[int] = field(default_factory=Counter)


class PostgresLoader:
    """Copies what is new in a lake. Used by one thread.

    Args:
        place: the lake.
        settings: see there.
        progress: told how many rows were added to which table.

    Raises:
        ConfigurationError: the library is not installed.
        PostgresError: there is no connection.
    """

    def __init__(
        self,
        place: LakePlace,
        settings: PostgresSettings,
        *,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._place, self._settings, self._progress = place, settings, progress
        self._tables: dict[str, _Table] = {name: _Table() for name in TABLES}
        self.rows: Counter[str] = Counter()
        self._connection = _connect(settings.address)
        try:
            self._run(self._prepare)
        except BaseException:
            self.close()
            raise

    def load(self) -> int:
        """Copy what the lake has and PostgreSQL has not; how many rows that were.

        Raises:
            PostgresError: a statement failed. Nothing is lost or doubled: make another loader.
            LakeError: the lake cannot be read.
        """
        return sum(self._run(self._load_table, name) for name in TABLES)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _run(self, work: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 - what `work` gives
        from psycopg import Error  # noqa: PLC0415 - an extra of its own

        try:
            return work(*arguments)
        except Error as error:
            # Only its class and code: a message may repeat a row, or what stands in the address.
            what = f"{type(error).__name__} {error.sqlstate or ''}".strip()
        raise PostgresError(f"PostgreSQL says {what}")

    def _prepare(self) -> None:
        from psycopg import sql  # noqa: PLC0415 - an extra of its own

        schema = self._settings.schema
        with self._connection.transaction(), self._connection.cursor() as cursor:
            # Two that make the same table at the same time would fail.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('whiteout'))")
            cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,))
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
            cursor.execute(
                sql.SQL(
                    "CREATE TABLE IF NOT EXISTS {}"
                    " (source text PRIMARY KEY, load_us bigint NOT NULL)"
                ).format(self._name(_PLACES))
            )

    def _name(self, table: str) -> Any:  # noqa: ANN401 - of an extra
        from psycopg import sql  # noqa: PLC0415 - an extra of its own

        return sql.Identifier(self._settings.schema, table)

    def _load_table(self, name: str) -> int:
        opened, known = self._place.open_table(name), self._tables[name]
        if opened is None or opened.version() == known.version:
            return 0
        source = f"{name}:{opened.metadata().id}"
        dataset = opened.to_pyarrow_dataset()
        columns = columns_of(pa.schema(opened.schema().to_arrow()))
        with self._connection.transaction(), self._connection.cursor() as cursor:
            self._grow(cursor, name, columns)  # queries find it, though it may have no row yet
        loads = count_loads(dataset, self._place_of(source) - int(self._settings.overlap_s * 1e6))
        rows = 0
        for times, table in new_rows(dataset, loads, known.loads):
            rows += self._copy(name, source, table, columns, times[-1])
        # Only now: had it failed, all of it would be looked at again.
        known.loads, known.version = loads, opened.version()
        return rows

    def _place_of(self, source: str) -> int:
        from psycopg import sql  # noqa: PLC0415 - an extra of its own

        query = sql.SQL("SELECT load_us FROM {} WHERE source = %s").format(self._name(_PLACES))
        with self._connection.transaction(), self._connection.cursor() as cursor:
            row = cursor.execute(query, (source,)).fetchone()
        return 0 if row is None else int(row[0])

    def _copy(
        self,
        name: str,
        source: str,
        table: pa.Table,
        columns: list[PostgresColumn],
        load_us: int,
    ) -> int:
        """Add rows, and say up to where they go, in one transaction."""
        from psycopg import sql  # noqa: PLC0415 - an extra of its own

        names = [KEY, *(column.name for column in columns)]
        parts = {
            "table": self._name(name),
            "staging": sql.Identifier(_STAGING),
            "key": sql.Identifier(KEY),
            "columns": sql.SQL(", ").join(map(sql.Identifier, names)),
            "places": self._name(_PLACES),
        }

        def statement(text: str) -> sql.Composed:
            return sql.SQL(text).format(**parts)

        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute(statement("CREATE TEMP TABLE {staging} (LIKE {table}) ON COMMIT DROP"))
            keys = _keys(name, table)
            with cursor.copy(statement("COPY {staging} ({columns}) FROM STDIN")) as copy:
                for key, row in zip(keys, rows_of(table, columns), strict=True):
                    copy.write_row([str(key), *row])
            cursor.execute(
                statement(
                    "INSERT INTO {table} ({columns}) SELECT {columns} FROM {staging}"
                    " ON CONFLICT ({key}) DO NOTHING"
                )
            )
            added = max(cursor.rowcount, 0)
            cursor.execute(
                statement(
                    "INSERT INTO {places} AS old VALUES (%s, %s) ON CONFLICT (source)"
                    " DO UPDATE SET load_us = greatest(old.load_us, excluded.load_us)"
                ),
                (source, load_us),
            )
        self.rows[name] += added
        self._progress(f"{self.rows[name]} rows added to {name}")
        return added

    def _grow(self, cursor: Any, name: str, columns: list[PostgresColumn]) -> None:  # noqa: ANN401 - of an extra
        """Make the table, or the columns that it has not yet."""
        from psycopg import sql  # noqa: PLC0415 - an extra of its own

        known = self._tables[name]
        wanted = frozenset(column.name for column in columns)
        if wanted <= known.columns:
            return
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('whiteout'))")
        table = self._name(name)
        cursor.execute(
            sql.SQL("CREATE TABLE IF NOT EXISTS {} ({} uuid PRIMARY KEY)").format(
                table, sql.Identifier(KEY)
            )
        )
        additions = [
            sql.SQL("ADD COLUMN IF NOT EXISTS {} {}").format(
                sql.Identifier(column.name),
                sql.SQL(column.type),
            )
            for column in columns
            if column.name not in known.columns
        ]
        cursor.execute(sql.SQL("ALTER TABLE {} {}").format(table, sql.SQL(", ").join(additions)))
        for column in columns:
            if column.name not in known.columns and column.name != column.lake_name:
                comment = sql.SQL("COMMENT ON COLUMN {} IS {}").format(
                    sql.Identifier(self._settings.schema, name, column.name),
                    sql.Literal(column.lake_name),
                )
                cursor.execute(comment)
        # Were this rolled back, the loader would be done with: whoever made it makes another.
        known.columns = wanted


def _connect(address: str) -> Connection:
    try:
        import psycopg  # noqa: PLC0415 - an extra of its own
    except ImportError as error:
        raise ConfigurationError(
            "--postgres needs more: pip install 'whiteout[postgres]'"
        ) from error
    # Raised outside of the handlers, so that no trace leads to a message with the address in it.
    failure: WhiteoutError
    try:
        return psycopg.connect(address, autocommit=True, connect_timeout=_CONNECT_S)
    except psycopg.ProgrammingError:
        failure = ConfigurationError(
            "--postgres must look like postgresql://user@host:5432/database"
        )
    except psycopg.Error as error:
        what = f"{type(error).__name__} {error.sqlstate or ''}".strip()
        failure = PostgresError(
            f"there is no connection to PostgreSQL at {_place(address)} ({what});"
            " see that it runs there, and that user and password are right"
        )
    raise failure


def _place(address: str) -> str:
    """Where a server is, and nothing of who may come in."""
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - an extra of its own

    parts = conninfo_to_dict(address)
    host, port = parts.get("host") or "the local socket", parts.get("port") or 5432
    return f"{host}:{port}, database {parts.get('dbname') or 'of the user'}"


def _keys(name: str, table: pa.Table) -> list[UUID]:
    if name == "failed_events":
        return failed_keys(table)
    return [UUID(bytes=key) for batch in table.to_batches() for key in keys_of(batch)]
