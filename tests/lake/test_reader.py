from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from whiteout.lake.reader import Lake, Position, QueryError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lake.conftest import Kitchen

USER = "iglu:com.acme/user/jsonschema/1-0-0"
FREE = "iglu:com.acme/free/jsonschema/1-0-0"
CLICK = "iglu:com.acme-x/linkClickURL/jsonschema/1-0-0"


def full_event() -> dict[str, Any]:
    return {
        "columns": {
            "event_id": "e1",
            "app_id": "shop",
            "event": "unstruct",
            "event_vendor": "com.acme-x",
            "event_name": "linkClickURL",
            "event_format": "jsonschema",
            "event_version": "1-0-0",
            "dvce_created_tstamp": "2026-11-23 16:59:59.123",
            "true_tstamp": "0000-02-29 00:00:00.001",
            "txn_id": "7",
            "tr_total": "12.50",
            "se_value": "1.5",
            "br_cookies": "1",
            "geo_latitude": "52.5",
            "geo_longitude": "13.25",
        },
        "unstruct": [CLICK, {"targetUrl": "http://x", "n": 3, "at": "2026-11-23T17:00:00.123456Z"}],
        "contexts": [
            [USER, {"userId": "u1", "tags": [{"k": [1, "a", None]}], "day": "2026-11-23"}],
            [USER, {"userId": None, "price": 12.25}],
            [FREE, {"any": {"thing": [1, {}]}}],
        ],
    }


def load_full_event(kitchen: Kitchen) -> Lake:
    kitchen.schema(
        USER,
        {
            "userId": {"type": ["string", "null"]},
            "day": {"type": "string", "format": "date"},
            "tags": {"type": "array", "items": {"type": "object"}},
            "price": {"type": "number", "minimum": 0, "maximum": 1000, "multipleOf": 0.01},
        },
        required=["userId"],
    )
    moment = {"type": "string", "format": "date-time"}
    kitchen.schema(CLICK, {"targetUrl": {"type": "string"}, "n": {"type": "integer"}, "at": moment})
    kitchen.schema(FREE, {})
    kitchen.send(full_event())
    kitchen.load_all()
    return Lake(kitchen.lake)


def test_a_row_comes_back_as_the_json_object_that_was_enriched(kitchen: Kitchen) -> None:
    lake = load_full_event(kitchen)

    (found,) = lake.json_objects(lake.rows().table)

    (event,) = kitchen.enrich(json.dumps([full_event()]).encode())
    assert found == event.json_object()  # type: ignore[union-attr]


def test_a_row_comes_back_as_the_enriched_line(kitchen: Kitchen) -> None:
    """JSON columns aside, whose keys are in the order of the lake, the text is the same."""
    lake = load_full_event(kitchen)

    (line,) = lake.tsv_lines(lake.rows().table)

    (event,) = kitchen.enrich(json.dumps([full_event()]).encode())
    fields = line.split("\t")
    assert len(fields) == 131
    assert json.loads(fields[58])["data"] == event.unstruct_event.as_dict()  # type: ignore[union-attr]
    entities = [entity.as_dict() for entity in event.contexts]  # type: ignore[union-attr]
    key = json.dumps
    assert sorted(json.loads(fields[52])["data"], key=key) == sorted(entities, key=key)
    fields[52] = fields[58] = ""
    assert fields == [text or "" for text in event.fields]  # type: ignore[union-attr]


def test_sql_sees_both_tables_and_the_fields_inside(kitchen: Kitchen) -> None:
    lake = load_full_event(kitchen)

    found = lake.query(
        "SELECT event_id, unstruct_event_com_acme_x_link_click_url_1.n AS n,"
        " contexts_com_acme_user_1[1].user_id AS u,"
        " (SELECT count(*) FROM failed_events) AS failed FROM events"
    )

    assert found.to_pylist() == [{"event_id": "e1", "n": 3, "u": "u1", "failed": 0}]


def test_a_lake_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "none")

    assert lake.query("SELECT count(*) AS n FROM events").to_pylist() == [{"n": 0}]
    assert lake.rows("failed_events").table.num_rows == 0
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '{path}/out.csv'",
        "ATTACH '{path}/other.db'",
        "CREATE TABLE t AS SELECT 1",
        "SELECT * FROM read_csv('{path}/secret.csv')",
        "SELECT * FROM '{path}/secret.csv'",
        "SELECT * FROM read_text('{path}/secret.csv')",
        "SELECT * FROM glob('{path}/*')",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access=true",
        "SET memory_limit='100GB'",
        "DROP VIEW events",
        "DELETE FROM events",
        "SELECT 1; SELECT 2",
        "SELECT * FROM lake",
        "SELEC 1",
        "",
    ],
)
def test_sql_can_do_nothing_but_read_the_lake(tmp_path: Path, sql: str) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    lake = Lake(tmp_path / "lake")

    with pytest.raises(QueryError):
        lake.query(sql.format(path=tmp_path))

    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]


@pytest.mark.parametrize(
    ("limit", "sql", "message"),
    [
        (
            {"time_limit_s": 0.2},
            "SELECT sum(a.range * b.range % 7) FROM range(1000000) a, range(1000000) b",
            "longer than",
        ),
        ({"row_limit": 10}, "SELECT * FROM range(100000)", "more than 10 rows"),
        ({"memory_limit": "64MB"}, "SELECT list(range) FROM range(100000000)", r"(?i)memory"),
    ],
)
def test_a_query_ends_at_its_limits(
    tmp_path: Path, limit: dict[str, Any], sql: str, message: str
) -> None:
    lake = Lake(tmp_path, **limit)

    with pytest.raises(QueryError, match=message):
        lake.query(sql)


def test_following_gives_every_row_once_in_the_order_of_loading(kitchen: Kitchen) -> None:
    loader = kitchen.loader()
    expected = []
    for load in range(3):
        ids = [f"e{load}{number}" for number in range(5)]
        kitchen.send_events(*reversed(ids))
        kitchen.load_all(loader)
        expected += ids
    lake = Lake(kitchen.lake)

    position, found = Position(), []
    while (rows := lake.rows(since=position, order="oldest", limit=2)).table.num_rows:
        found += rows.table["event_id"].to_pylist()
        position = rows.position

    assert found == expected
    kitchen.send_events("late")
    kitchen.load_all(loader)
    assert lake.rows(since=position).table["event_id"].to_pylist() == ["late"]


def test_newest_first_takes_the_last_rows(kitchen: Kitchen) -> None:
    loader = kitchen.loader()
    for event_id in ("e1", "e2", "e3"):
        kitchen.send_events(event_id)
        kitchen.load_all(loader)

    rows = Lake(kitchen.lake).rows(limit=2)

    assert rows.table["event_id"].to_pylist() == ["e3", "e2"]
