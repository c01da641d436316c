"""PostgreSQL holds what the lake holds: each row once, in the same columns."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from psycopg import sql
from psycopg.rows import dict_row
from tests.support.postgres import PASSWORD, PostgresServer, missing, postgres_server

from whiteout.cli import FAILED, WRONG_USE, run
from whiteout.errors import ConfigurationError, WhiteoutError
from whiteout.lake.place import LakePlace
from whiteout.lake.postgres import PostgresError, PostgresLoader, PostgresSettings
from whiteout.lake.postgres_columns import KEY, postgres_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lake.conftest import Kitchen

_WHY = missing()
pytestmark = pytest.mark.skipif(_WHY is not None, reason=_WHY or "")

BAD = "iglu:com.snowplowanalytics.snowplow.badrows/schema_violations/jsonschema/2-0-1"
SESSION = "iglu:com.acme/session/jsonschema/1-0-0"
SESSION_2 = "iglu:com.acme/session/jsonschema/1-0-1"
LONG = f"iglu:com.acme.{'very_' * 12}long/{'name_' * 6}x/jsonschema/1-0-0"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as started:
        yield started


class Database:
    """A schema of its own in the server, and the loader that fills it from a kitchen's lake."""

    def __init__(self, server: PostgresServer, kitchen: Kitchen) -> None:
        self.server, self.kitchen = server, kitchen
        # Any text is a name for PostgreSQL, if it is quoted.
        self.schema = f'odd "name"; {uuid.uuid4()}'
        self.settings = PostgresSettings(address=server.address, schema=self.schema)

    def loader(self) -> PostgresLoader:
        return PostgresLoader(LakePlace(str(self.kitchen.lake)), self.settings)

    def load(self) -> int:
        loader = self.loader()
        try:
            return loader.load()
        finally:
            loader.close()

    def rows(self, table: str = "events") -> list[dict[str, Any]]:
        name = sql.Identifier(self.schema, table)
        with psycopg.connect(self.server.address, row_factory=dict_row) as connection:
            query = sql.SQL("SELECT * FROM {} ORDER BY load_tstamp, event_id").format(name)
            return connection.execute(query).fetchall()

    def event_ids(self) -> list[str]:
        return sorted(row["event_id"] for row in self.rows())


@pytest.fixture
def database(server: PostgresServer, kitchen: Kitchen) -> Database:
    return Database(server, kitchen)


def event(event_id: str, **columns: str) -> dict[str, Any]:
    return {"columns": {"event_id": event_id, **columns}}


def bad(event_id: str) -> dict[str, Any]:
    return {"bad": BAD, "data": {"payload": {"enriched": {"event_id": event_id}}}}


def test_a_row_has_the_columns_and_values_of_the_lake(database: Database) -> None:
    kitchen = database.kitchen
    kitchen.schema(SESSION, {"userId": {"type": "string"}, "open": {"type": "object"}})
    kitchen.send(
        event(
            "e1",
            user_id="tab\there \\N \\. 'quote' ü\U0001f600",
            page_title="",
            br_cookies="1",
            doc_width="7",
            geo_latitude="1.25",
            tr_total="19.90",
            dvce_created_tstamp="1969-02-28 01:02:03.004",
        )
        | {
            "unstruct": [SESSION, {"userId": "nul \u0000", "open": {"a": [1, None, "\\u0000"]}}],
            "contexts": [[SESSION, {"userId": "x"}], [SESSION, {"userId": "y"}]],
        }
    )
    kitchen.load_all()

    assert database.load() == 1

    (row,), (stored,) = database.rows(), kitchen.rows()
    assert set(row) == {*stored, KEY}
    for name in ("event_id", "user_id", "page_title", "br_cookies", "doc_width", "tr_total"):
        assert row[name] == stored[name], name
    for name in (
        "geo_latitude",
        "dvce_created_tstamp",
        "load_tstamp",
        "load_tstamp_date",
        "collector_tstamp",
    ):
        assert row[name] == stored[name], name
    assert row["contexts_com_acme_session_1"] == [
        {"userId": "x", "_schema_version": "1-0-0"},
        {"userId": "y", "_schema_version": "1-0-0"},
    ]
    assert row["unstruct_event_com_acme_session_1"] == {
        "userId": "nul \ufffd",
        "open": {"a": [1, None, "\\u0000"]},
    }


def test_a_year_that_python_does_not_have_arrives_too(database: Database) -> None:
    """What the protocol calls 0000, PostgreSQL calls the first year before Christ."""
    database.kitchen.send(event("e1", dvce_created_tstamp="0000-02-29 01:02:03.004"))
    database.kitchen.load_all()
    database.load()

    query = sql.SQL(
        "SELECT to_char(dvce_created_tstamp AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS BC')"
        " FROM {}"
    ).format(sql.Identifier(database.schema, "events"))
    with psycopg.connect(database.server.address) as connection:
        assert connection.execute(query).fetchall() == [("0001-02-29 01:02:03.004 BC",)]


def test_each_row_is_there_once_however_often_it_is_loaded(database: Database) -> None:
    """Failed events too, also two that are equal to the letter."""
    kitchen = database.kitchen
    kitchen.send(event("e1"), bad("f1"), bad("f1"))
    loader = kitchen.load_all()
    assert database.load() == 3
    kitchen.now_ms += 60_000
    kitchen.send(event("e2"), bad("f1"))
    kitchen.load_all(loader)
    loader.maintain(force=True)  # the same rows in other files

    assert database.load() == 2
    assert database.load() == 0
    assert database.event_ids() == ["e1", "e2"]
    assert [row["event_id"] for row in database.rows("failed_events")] == ["f1"] * 3


def test_a_load_that_comes_late_is_not_passed_over(database: Database) -> None:
    """Of several loaders of one lake, one commits with an earlier time than the other had."""
    kitchen = database.kitchen
    kitchen.send_events("e1")
    kitchen.load_all()
    loader = database.loader()
    assert loader.load() == 1
    table = LakePlace(str(kitchen.lake)).open_table("events")
    assert table is not None

    rows = table.to_pyarrow_table()
    earlier = rows["load_tstamp"].cast("int64").to_pylist()[0] - 5_000_000
    late = rows.set_column(
        rows.schema.get_field_index("event_id"), rows.schema.field("event_id"), [["late"]]
    )
    at = late.schema.get_field_index("load_tstamp")
    moment = pa.array([earlier], pa.int64()).cast(late.schema.field(at).type)
    write_deltalake(table, late.set_column(at, late.schema.field(at), moment), mode="append")

    assert loader.load() == 1
    loader.close()
    assert database.event_ids() == ["e1", "late"]


def test_both_tables_are_there_before_they_have_a_row(database: Database) -> None:
    """A query for failed events answers that there are none."""
    database.kitchen.send_events("e1")
    database.kitchen.load_all()

    database.load()

    assert database.rows("failed_events") == []


def test_a_server_that_is_not_there_is_told_with_its_place_and_what_to_look_at(
    kitchen: Kitchen,
) -> None:
    settings = PostgresSettings(address=f"postgresql://me:{PASSWORD}@127.0.0.1:1/shop")

    with pytest.raises(PostgresError, match=r"127\.0\.0\.1:1, database shop .*; see"):
        PostgresLoader(LakePlace(str(kitchen.lake)), settings)


def test_columns_come_with_new_schemas(database: Database) -> None:
    """While a loader runs; a name that PostgreSQL would cut keeps the whole one as a comment."""
    kitchen = database.kitchen
    kitchen.schema(SESSION, {"userId": {"type": "string"}})
    kitchen.schema(SESSION_2, {"userId": {"type": "string"}, "more": {"type": "integer"}})
    kitchen.schema(LONG, {"a": {"type": "integer"}})
    kitchen.send_events("e0")
    lake_loader = kitchen.load_all()
    loader = database.loader()
    loader.load()
    for number, (uri, data) in enumerate(
        ((SESSION, {"userId": "x"}), (SESSION_2, {"more": 3}), (LONG, {"a": 4}))
    ):
        kitchen.now_ms += 1_000
        kitchen.send(event(f"e{number + 1}") | {"contexts": [[uri, data]]})
        kitchen.load_all(lake_loader)
        assert loader.load() == 1
    loader.close()

    rows = database.rows()
    assert [row["contexts_com_acme_session_1"] for row in rows] == [
        None,
        [{"userId": "x", "_schema_version": "1-0-0"}],
        [{"more": 3, "_schema_version": "1-0-1"}],
        None,
    ]
    (long,) = (name for name in kitchen.rows()[0] if "very" in name)
    assert len(long.encode()) > 63
    assert rows[3][postgres_name(long)] == [{"a": 4, "_schema_version": "1-0-0"}]


@pytest.mark.parametrize("length", [63, 64, 200])
def test_names_fit_and_stay_apart(length: int) -> None:
    names = [postgres_name("ü" * (length // 2) + end) for end in ("a", "b")]
    assert len(set(names)) == 2
    assert all(len(name.encode()) <= 63 for name in names)


def test_two_loaders_at_the_same_time_double_nothing(database: Database) -> None:
    kitchen = database.kitchen
    for number in range(40):
        kitchen.now_ms += 1_000
        kitchen.send_events(f"e{number}")
        kitchen.load_all(kitchen.open_loaders[0] if kitchen.open_loaders else None)
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(database.load())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sum(counts) == 40
    assert len(database.event_ids()) == 40


def test_a_transaction_that_fails_leaves_neither_rows_nor_place(database: Database) -> None:
    """A table of somebody else's is in the way; once it is not, everything comes."""
    kitchen = database.kitchen
    kitchen.send(event("e1", user_id="secret-value"), bad("f1"))
    kitchen.load_all()
    loader = database.loader()
    name = sql.Identifier(database.schema, "events")
    with psycopg.connect(database.server.address) as connection:
        connection.execute(sql.SQL("CREATE TABLE {} (other text NOT NULL)").format(name))

    with pytest.raises(PostgresError, match="UndefinedColumn 42703") as raised:
        loader.load()
    loader.close()
    assert "secret" not in str(raised.value)
    with psycopg.connect(database.server.address) as connection:
        connection.execute(sql.SQL("DROP TABLE {}").format(name))

    assert database.load() == 2
    assert database.event_ids() == ["e1"]


def test_a_server_that_is_killed_loses_and_doubles_nothing(kitchen: Kitchen) -> None:
    """Its connection is cut between two loads; the next loader goes on."""
    with postgres_server() as server:
        database = Database(server, kitchen)
        kitchen.send_events("e1")
        loader = kitchen.load_all()
        filling = database.loader()
        filling.load()
        kitchen.now_ms += 1_000
        kitchen.send_events("e2")
        kitchen.load_all(loader)
        server.stop()
        with pytest.raises(PostgresError):
            filling.load()
        filling.close()
        with pytest.raises(PostgresError, match="no connection"):
            database.loader()
        server.start()

        assert database.load() == 1
        assert database.event_ids() == ["e1", "e2"]


def test_it_follows_the_lake_until_it_is_told_to_stop(database: Database) -> None:
    """As a process; the address is in no command line."""
    kitchen = database.kitchen
    kitchen.send_events("e1")
    loader = kitchen.load_all()
    options = ["--data", str(kitchen.directory), "--schema", database.schema, "--follow"]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "whiteout.cli", "load", *options, "--commit-interval", "0.1"],
        env={**os.environ, "WHITEOUT_POSTGRES": database.server.address},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"loading {kitchen.lake} into PostgreSQL\n"
        kitchen.now_ms += 1_000
        kitchen.send_events("e2")
        kitchen.load_all(loader)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with suppress(psycopg.errors.UndefinedTable):
                if database.event_ids() == ["e1", "e2"]:
                    break
            time.sleep(0.05)
        process.terminate()
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
        process.communicate()

    assert (process.returncode, errors) == (0, "")
    assert database.event_ids() == ["e1", "e2"]


@pytest.mark.parametrize(
    "wrong",
    [
        "postgresql://tester:{}@127.0.0.1:1/postgres",
        "postgresql://tester:{}@127.0.0.1:port/x",
        "host=127.0.0.1 password={} nonsense",
        "{}",
    ],
)
def test_no_message_holds_the_password(
    wrong: str, kitchen: Kitchen, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor any part of an address that cannot be read: it may be the password."""
    caplog.set_level(logging.DEBUG)
    settings = PostgresSettings(address=wrong.format(PASSWORD))

    with pytest.raises((PostgresError, ConfigurationError)) as raised:
        PostgresLoader(LakePlace(str(kitchen.lake)), settings)

    error: BaseException | None = raised.value
    while error is not None:
        assert PASSWORD not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__
    assert PASSWORD not in caplog.text + repr(settings)
    assert isinstance(raised.value, WhiteoutError)


def test_the_command_fills_a_database(
    database: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kitchen = database.kitchen
    kitchen.send(event("e1"), bad("f1"))
    kitchen.load_all()
    data = ["load", "--data", str(kitchen.directory), "--schema", database.schema]

    assert run([*data, "--postgres", database.server.address, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"rows": {"events": 1, "failed_events": 1}}
    monkeypatch.setenv("WHITEOUT_POSTGRES", database.server.address)
    assert run(data) == 0
    assert capsys.readouterr().out == "events: 0 rows added\nfailed_events: 0 rows added\n"
    monkeypatch.setenv("WHITEOUT_POSTGRES", f"postgresql://tester:{PASSWORD}@127.0.0.1:1/none")
    assert run(data) == FAILED
    assert PASSWORD not in capsys.readouterr().err
    monkeypatch.delenv("WHITEOUT_POSTGRES")
    assert run(data) == WRONG_USE
