from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise, permutations
from typing import TYPE_CHECKING, Any

import deltalake
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from whiteout.enrich.event import BadRow, EnrichedEvent
from whiteout.errors import ConfigurationError, LogError, WhiteoutError
from whiteout.identifiers import NULL_UUID
from whiteout.lake.failed import GENERIC_ERROR, LOADER_IGLU_ERROR, LOADER_PARSING_ERROR, reason
from whiteout.lake.settings import parse_retention

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lake.conftest import Kitchen

USER = "iglu:com.acme/user/jsonschema/1-0-0"
USER_2 = "iglu:com.acme/user/jsonschema/1-0-1"
CLICK = "iglu:com.acme-x/linkClickURL/jsonschema/1-0-0"
BAD = "iglu:com.snowplowanalytics.snowplow.badrows/schema_violations/jsonschema/2-0-1"


def bad_item(event_id: str = "e-bad", **data: object) -> dict[str, Any]:
    payload = {"enriched": {"event_id": event_id, "app_id": "shop"}}
    failure = {"timestamp": "2026-11-23T17:00:00.123Z", "messages": []}
    return {"bad": BAD, "data": {"failure": failure, "payload": payload, **data}}


def test_atomic_columns_arrive_with_their_types(kitchen: Kitchen) -> None:
    """BM7: those that are not there are null."""
    kitchen.send(
        {
            "columns": {
                "event_id": "e1",
                "app_id": "shop",
                "dvce_created_tstamp": "2026-11-23 16:59:59.123",
                "txn_id": "-7",
                "tr_total": "12.5",
                "se_value": "1000",
                "geo_latitude": "52.5",
                "br_cookies": "1",
                "dvce_ismobile": "0",
                "page_title": "Grüße",
            }
        }
    )

    kitchen.load_all()

    (row,) = kitchen.rows()
    assert {name: row[name] for name in row if row[name] is not None} == {
        "event_id": "e1",
        "app_id": "shop",
        "collector_tstamp": datetime(2026, 11, 23, 17, tzinfo=UTC),
        "dvce_created_tstamp": datetime(2026, 11, 23, 16, 59, 59, 123_000, tzinfo=UTC),
        "v_collector": "c-1.0.0",
        "v_etl": "e-1.0.0",
        "txn_id": -7,
        "tr_total": Decimal("12.50"),
        "se_value": 1000.0,
        "geo_latitude": 52.5,
        "br_cookies": True,
        "dvce_ismobile": False,
        "page_title": "Grüße",
        "load_tstamp": datetime.fromtimestamp(kitchen.now_ms / 1000, UTC),
        "load_tstamp_date": datetime.fromtimestamp(kitchen.now_ms / 1000, UTC).date(),
    }
    assert len(row) == 128 + 2


def test_events_and_entities_have_a_column_for_each_family(kitchen: Kitchen) -> None:
    """Tracker and derived entities share the column; field names are snake_case."""
    kitchen.schema(USER, {"userId": {"type": "string"}})
    kitchen.schema(CLICK, {"targetUrl": {"type": "string"}, "n": {"type": "integer"}})
    kitchen.send(
        {
            "columns": {"event_id": "e1"},
            "unstruct": [CLICK, {"targetUrl": "http://x", "n": 3}],
            "contexts": [[USER, {"userId": "u1"}], [USER, {"userId": "u2"}]],
            "derived": [[USER, {"userId": "d"}]],
        }
    )

    kitchen.load_all()

    (row,) = kitchen.rows()
    assert row["unstruct_event_com_acme_x_link_click_url_1"] == {"n": 3, "target_url": "http://x"}
    assert row["contexts_com_acme_user_1"] == [
        {"_schema_version": "1-0-0", "user_id": "u1"},
        {"_schema_version": "1-0-0", "user_id": "u2"},
        {"_schema_version": "1-0-0", "user_id": "d"},
    ]


def test_minor_versions_share_one_column_that_grows(kitchen: Kitchen) -> None:
    """New fields, nested ones too, are null in older rows, before and after a restart (BS4)."""
    nested = {"type": "object", "properties": {"street": {"type": "string"}}}
    wider = {
        "type": "object",
        "properties": {"street": {"type": "string"}, "zipCode": {"type": "integer"}},
    }
    kitchen.schema(USER, {"name": {"type": "string"}, "address": nested})
    kitchen.schema(
        USER_2, {"name": {"type": "string"}, "address": wider, "age": {"type": "number"}}
    )
    first = {"name": "a", "address": {"street": "s"}}
    second = {"name": "b", "address": {"zipCode": 1}, "age": 2.5}

    kitchen.send({"columns": {"event_id": "e1"}, "contexts": [[USER, first]]})
    kitchen.load_all()
    kitchen.send({"columns": {"event_id": "e2"}, "contexts": [[USER_2, second], [USER, first]]})
    kitchen.load_all()
    kitchen.send({"columns": {"event_id": "e3"}, "contexts": [[USER, first]]})
    kitchen.load_all()

    column = [row["contexts_com_acme_user_1"] for row in kitchen.rows()]
    old = {
        "_schema_version": "1-0-0",
        "name": "a",
        "address": {"street": "s", "zip_code": None},
        "age": None,
    }
    new = {
        "_schema_version": "1-0-1",
        "name": "b",
        "address": {"street": None, "zip_code": 1},
        "age": 2.5,
    }
    assert column == [[old], [new, old], [old]]


def test_a_version_that_breaks_its_family_gets_a_column_of_its_own(kitchen: Kitchen) -> None:
    kitchen.schema(USER, {"id": {"type": "string"}})
    kitchen.schema(USER_2, {"id": {"type": "integer"}})
    kitchen.send({"columns": {"event_id": "e1"}, "contexts": [[USER, {"id": "x"}]]})
    kitchen.load_all()
    kitchen.send({"columns": {"event_id": "e2"}, "contexts": [[USER_2, {"id": 1}]]})
    kitchen.load_all()
    kitchen.send(
        {"columns": {"event_id": "e3"}, "contexts": [[USER_2, {"id": 2}], [USER, {"id": "y"}]]}
    )
    kitchen.load_all()

    rows = kitchen.rows()
    (recovered,) = [name for name in rows[0] if "_recovered_" in name]
    assert recovered.startswith("contexts_com_acme_user_1_recovered_1_0_1_")
    assert [row["contexts_com_acme_user_1"] for row in rows] == [
        [{"_schema_version": "1-0-0", "id": "x"}],
        None,
        [{"_schema_version": "1-0-0", "id": "y"}],
    ]
    assert [row[recovered] for row in rows] == [
        None,
        [{"_schema_version": "1-0-1", "id": 1}],
        [{"_schema_version": "1-0-1", "id": 2}],
    ]


@pytest.mark.parametrize("order", list(permutations(("1-0-0", "1-0-1", "1-1-0"))))
def test_which_version_has_which_column_does_not_depend_on_which_came_first(
    kitchen: Kitchen, order: Sequence[str]
) -> None:
    """As with Snowplow's loader: older versions come first, also those that no event has."""
    family = USER.removesuffix("1-0-0")
    kitchen.schema(USER, {"id": {"type": "string"}})
    kitchen.schema(USER_2, {"id": {"type": "string"}, "age": {"type": "integer"}})
    kitchen.schema(f"{family}1-1-0", {"id": {"type": "integer"}})
    for version in order:
        data = {"id": 1 if version == "1-1-0" else "x"}
        event = {"event_id": version, "app_id": version}
        kitchen.send({"columns": event, "contexts": [[family + version, data]]})
        kitchen.load_all()

    rows = {row["app_id"]: row for row in kitchen.rows()}
    (recovered,) = [name for name in rows["1-1-0"] if "_recovered_" in name]
    assert recovered.startswith("contexts_com_acme_user_1_recovered_1_1_0_")
    assert rows["1-1-0"][recovered] == [{"_schema_version": "1-1-0", "id": 1}]
    for version in ("1-0-0", "1-0-1"):
        expected = {"_schema_version": version, "age": None, "id": "x"}
        assert rows[version]["contexts_com_acme_user_1"] == [expected]


def test_a_registry_that_has_no_older_version_or_fails_for_it_holds_nothing_up(
    kitchen: Kitchen,
) -> None:
    late = USER.removesuffix("1-0-0") + "1-3-2"
    kitchen.schema(late, {"id": {"type": "string"}})
    kitchen.send({"columns": {"event_id": "e1"}, "contexts": [[late, {"id": "x"}]]})
    kitchen.load_all()

    (row,) = kitchen.rows()
    assert row["contexts_com_acme_user_1"] == [{"_schema_version": "1-3-2", "id": "x"}]


def test_a_value_that_does_not_fit_makes_a_failed_event_with_all_that_was_sent(
    kitchen: Kitchen,
) -> None:
    kitchen.schema(USER, {"at": {"type": "string", "format": "date-time"}})
    kitchen.send(
        {"columns": {"event_id": "e1", "app_id": "shop"}, "contexts": [[USER, {"at": "soon"}]]},
        {"columns": {"event_id": "e2"}, "contexts": [[USER, {"at": "2026-11-23T17:00:00Z"}]]},
    )

    kitchen.load_all()

    assert kitchen.event_ids() == ["e2"]
    (failed,) = kitchen.rows("failed_events")
    assert (failed["schema"], failed["type"]) == (LOADER_IGLU_ERROR, "loader_iglu_error")
    assert (failed["event_id"], failed["app_id"]) == ("e1", "shop")
    data = json.loads(failed["bad_row"])["data"]
    expected = {"schemaKey": USER, "value": "soon", "expected": "an RFC 3339 date and time"}
    assert data["failure"] == [expected]
    assert data["payload"]["event_id"] == "e1"
    assert data["payload"]["contexts"]["data"] == [{"schema": USER, "data": {"at": "soon"}}]


def test_a_schema_that_nobody_has_makes_a_failed_event(kitchen: Kitchen) -> None:
    kitchen.send({"columns": {"event_id": "e1"}, "unstruct": [CLICK, {"a": 1}]})

    kitchen.load_all()

    assert kitchen.rows() == []
    (failed,) = kitchen.rows("failed_events")
    failure = json.loads(failed["bad_row"])["data"]["failure"]
    assert failure[0]["schemaKey"] == CLICK
    assert failure[0]["error"]["error"] == "ResolutionError"


def test_an_atomic_column_that_does_not_fit_makes_a_failed_event(kitchen: Kitchen) -> None:
    """BS1 and BM7: one error each, all of them listed."""
    wrong = {
        "etl_tstamp": "yesterday",
        "txn_id": "x",
        "br_cookies": "yes",
        "tr_total": "1e30",
        "geo_latitude": "north",
    }
    kitchen.send({"columns": {"event_id": "e1", **wrong}})

    kitchen.load_all()

    (failed,) = kitchen.rows("failed_events")
    assert (failed["schema"], failed["event_id"]) == (LOADER_PARSING_ERROR, "e1")
    errors = json.loads(failed["bad_row"])["data"]["failure"]["errors"]
    assert {error["key"]: error["value"] for error in errors} == wrong


def test_bad_rows_of_enrich_and_of_the_collector_are_kept_word_for_word(kitchen: Kitchen) -> None:
    kitchen.send(bad_item("e9"))
    from_collector = {
        "schema": "iglu:com.snowplowanalytics.snowplow.badrows/size_violation/jsonschema/1-0-0",
        "data": {"failure": {"timestamp": "2026-11-23T17:00:01.000Z"}, "payload": "x"},
    }
    kitchen.bad.append([json.dumps(from_collector).encode(), b"\xff not json"])

    kitchen.load_all()

    rows = {row["type"]: row for row in kitchen.rows("failed_events")}
    assert set(rows) == {"schema_violations", "size_violation", "generic_error"}
    violation = rows["schema_violations"]
    assert json.loads(violation["bad_row"])["data"] == bad_item("e9")["data"]
    assert (violation["event_id"], violation["app_id"]) == ("e9", "shop")
    assert violation["failure_tstamp"] == datetime(2026, 11, 23, 17, 0, 0, 123_000, tzinfo=UTC)
    assert json.loads(rows["size_violation"]["bad_row"]) == from_collector


def test_a_record_that_makes_enrich_raise_becomes_a_failed_event(kitchen: Kitchen) -> None:
    kitchen.send_events("e1")
    kitchen.raw.append([b"poison"])
    kitchen.send_events("e2")

    loader = kitchen.load_all()

    assert kitchen.event_ids() == ["e1", "e2"]
    (failed,) = kitchen.rows("failed_events")
    assert failed["schema"] == GENERIC_ERROR
    data = json.loads(failed["bad_row"])["data"]
    assert (data["failure"]["errors"], data["payload"]) == (["ZeroDivisionError"], "")
    assert loader.load() == 0


def test_a_record_that_breaks_the_batch_is_found_and_set_aside(kitchen: Kitchen) -> None:
    """Whatever fails between enrich and the tables, one record pays for it, not the others."""
    kitchen.send_events("e1", "e2", "e3")
    kitchen.send({"columns": {"event_id": "trap"}})
    kitchen.send_events("e4", "e5")
    plain = kitchen.enrich

    def trap(record: bytes) -> list[EnrichedEvent | BadRow]:
        results = plain(record)
        if b"trap" in record:
            (event,) = results
            assert isinstance(event, EnrichedEvent)
            event.fields = event.fields[:10]
        return results

    kitchen.enrich = trap
    loader = kitchen.load_all()

    assert kitchen.event_ids() == ["e1", "e2", "e3", "e4", "e5"]
    (failed,) = kitchen.rows("failed_events")
    assert failed["type"] == "generic_error"
    assert loader.counts.quarantined == 1


def test_an_event_that_delta_lake_refuses_is_found_and_set_aside(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows of such an event yet: here Delta Lake's client says so of one."""
    real = deltalake.write_deltalake

    def write(table: DeltaTable, rows: Any, **options: Any) -> None:  # noqa: ANN401 - passed on
        if "page_title" in rows.column_names and "trap" in rows["event_id"].to_pylist():
            raise DeltaError("Generic DeltaTable error: it does not like it")
        real(table, rows, **options)

    monkeypatch.setattr("whiteout.lake.tables.write_deltalake", write)
    kitchen.send_events("e1", "e2", "trap", "e3")
    loader = kitchen.loader()
    refused = 0
    while loader.counts.records < 3:
        try:
            loader.load()
        except WhiteoutError:
            refused += 1

    kitchen.load_all(loader)

    assert kitchen.event_ids() == ["e1", "e2", "e3"]
    assert len(kitchen.rows("failed_events")) == loader.counts.quarantined == 1
    assert refused  # it is tried again before anybody is blamed


def test_W23_the_places_of_anonymous_rows_do_not_tell_what_came_together(  # noqa: N802 - its id
    kitchen: Kitchen,
) -> None:
    """Behind all others, in an order that has nothing to do with that of their arrival."""
    for number in range(40):
        columns = {"event_id": f"a{number:02}", "network_userid": NULL_UUID}
        kitchen.send({"columns": columns}, {"columns": {"event_id": f"i{number:02}"}})

    kitchen.load_all()

    rows = DeltaTable(str(kitchen.lake / "events")).to_pyarrow_table().to_pylist()
    identified, anonymous = (
        [row["event_id"] for row in rows if row["event_id"].startswith(kind)] for kind in "ia"
    )
    assert [row["event_id"] for row in rows] == identified + anonymous
    assert identified == sorted(identified)
    neighbours = sum(int(b[1:]) - int(a[1:]) == 1 for a, b in pairwise(anonymous))
    assert neighbours < 10


def test_W23_the_places_of_failed_events_do_not_tell_what_came_together(  # noqa: N802 - its id
    kitchen: Kitchen,
) -> None:
    """Nor do those of what is left of them."""
    kitchen.incomplete = True
    for number in range(40):
        bad = bad_item(f"a{number:02}")
        rest = {"columns": {"event_id": f"a{number:02}", "network_userid": NULL_UUID}}
        kitchen.send({**bad, "rest": rest})

    kitchen.load_all()

    for table in ("failed_events", "incomplete_events"):
        rows = DeltaTable(str(kitchen.lake / table)).to_pyarrow_table().to_pylist()
        ids = [row["event_id"] for row in rows]
        assert len(ids) == 40
        assert sum(int(b[1:]) - int(a[1:]) == 1 for a, b in pairwise(ids)) < 10


def test_offsets_are_stored_with_the_rows_and_loading_goes_on_there(kitchen: Kitchen) -> None:
    kitchen.send_events("e1", "e2")
    kitchen.load_all()
    kitchen.send_events("e3")

    kitchen.load_all()

    assert kitchen.event_ids() == ["e1", "e2", "e3"]
    loader = kitchen.loader()
    assert loader.load() == 0
    loader.settle()
    assert kitchen.raw.committed("lake") == 3


def test_a_batch_without_rows_still_moves_the_offset(kitchen: Kitchen) -> None:
    kitchen.send(bad_item())
    kitchen.load_all()
    kitchen.raw.append([b"[]"])
    kitchen.load_all()

    loader = kitchen.loader()

    assert loader.load() == 0
    assert len(kitchen.rows("failed_events")) == 1


def test_load_times_rise_even_if_the_clock_stands_still_or_steps_back(kitchen: Kitchen) -> None:
    loader = kitchen.loader()
    for event_id in ("e1", "e2", "e3"):
        kitchen.send_events(event_id)
        kitchen.load_all(loader)
        kitchen.now_ms -= 5_000
    kitchen.send_events("e4")
    kitchen.load_all(kitchen.loader())

    times = [row["load_tstamp"] for row in sorted(kitchen.rows(), key=lambda r: r["event_id"])]
    assert times == sorted(set(times))
    assert len(times) == 4


def test_small_files_are_merged_and_no_row_or_offset_is_lost(kitchen: Kitchen) -> None:
    loader = kitchen.loader(compact_after=5, retention_hours=0)
    for number in range(12):
        kitchen.send({"columns": {"event_id": f"e{number:02}"}}, bad_item(f"b{number:02}"))
        kitchen.load_all(loader)
        loader.maintain()

    assert loader.maintain(force=True)

    files = list((kitchen.lake / "events").glob("load_tstamp_date=*/*.parquet"))
    assert len(files) == 1
    assert kitchen.event_ids() == [f"e{number:02}" for number in range(12)]
    assert len(kitchen.rows("failed_events")) == 12
    kitchen.send_events("e12")
    restarted = kitchen.load_all()
    assert restarted.counts.events == 1
    assert len(kitchen.rows()) == 13


def test_files_are_merged_beside_the_loading_which_goes_on(kitchen: Kitchen) -> None:
    loader = kitchen.loader(compact_after=5)
    for number in range(40):
        kitchen.send_events(f"e{number:02}")
        kitchen.load_all(loader)
        loader.maintain()
    loader.close()
    kitchen.open_loaders.clear()

    merges = [
        one
        for one in DeltaTable(kitchen.lake / "events").history()
        if one["operation"] == "OPTIMIZE"
    ]
    assert merges
    assert kitchen.event_ids() == [f"e{number:02}" for number in range(40)]
    kitchen.send_events("e40")
    assert kitchen.load_all().counts.events == 1


def test_a_retention_reads_as_table_and_days() -> None:
    assert parse_retention(["events=30d", "failed_events=7d"]) == {"events": 30, "failed_events": 7}
    for wrong in (["events"], ["events=30"], ["people=3d"], ["events=0d"], ["events=1d"] * 2):
        with pytest.raises(ConfigurationError, match="events=30d"):
            parse_retention(wrong)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("ada@example.com is no number"), "ValueError"),
        (ConfigurationError("user_id must be short, got 'ada@example.com'"), "ConfigurationError"),
        (DeltaError("cannot cast ada@example.com"), "DeltaError"),
        (
            FileNotFoundError(2, "No such file or directory", "/home/ada"),
            "No such file or directory",
        ),
        (LogError("another loader is at work"), "another loader is at work"),
    ],
)
def test_what_the_log_says_of_a_failure_repeats_nothing_of_the_data(
    error: Exception, told: str
) -> None:
    assert reason(error) == told
