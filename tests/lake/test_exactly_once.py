"""What a kill leaves behind, put together from copies of the lake's folders."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from whiteout.errors import LogError
from whiteout.log import open_log

if TYPE_CHECKING:
    from tests.lake.conftest import Kitchen

USER = "iglu:com.acme/user/jsonschema/1-0-0"
BAD = "iglu:com.snowplowanalytics.snowplow.badrows/schema_violations/jsonschema/2-0-1"


def bad_item(event_id: str) -> dict[str, Any]:
    return {"bad": BAD, "data": {"payload": {"event_id": event_id}}}


def put_back(kitchen: Kitchen, name: str) -> None:
    """Put the part of the lake back as it was when `keep` was called."""
    target = kitchen.lake / name
    if target.is_dir():
        shutil.rmtree(target)
        shutil.copytree(kitchen.directory / "kept" / name, target)
    else:
        shutil.copy(kitchen.directory / "kept" / name, target)


def keep(kitchen: Kitchen) -> None:
    for loader in kitchen.open_loaders:
        loader.close()
    shutil.rmtree(kitchen.directory / "kept", ignore_errors=True)
    shutil.copytree(kitchen.lake, kitchen.directory / "kept")


def failed_ids(kitchen: Kitchen) -> list[str]:
    return sorted(row["event_id"] for row in kitchen.rows("failed_events"))


def test_killed_between_the_two_tables_nothing_is_lost_or_doubled(kitchen: Kitchen) -> None:
    """Failed events were committed, events were not."""
    kitchen.send_events("e1")
    kitchen.load_all()
    keep(kitchen)
    kitchen.send({"columns": {"event_id": "e2"}}, bad_item("b1"), {"columns": {"event_id": "e3"}})
    kitchen.send(bad_item("b2"))
    kitchen.load_all()
    put_back(kitchen, "events")
    put_back(kitchen, "seen.sqlite3")

    kitchen.send({"columns": {"event_id": "e4"}}, bad_item("b3"))
    kitchen.load_all()

    assert kitchen.event_ids() == ["e1", "e2", "e3", "e4"]
    assert failed_ids(kitchen) == ["b1", "b2", "b3"]


def test_killed_twice_with_small_batches_in_between(kitchen: Kitchen) -> None:
    kitchen.load_all()
    keep(kitchen)
    for number in range(6):
        kitchen.send({"columns": {"event_id": f"e{number}"}}, bad_item(f"b{number}"))
    kitchen.load_all()
    put_back(kitchen, "events")
    kitchen.loader(max_records=2).load()
    keep(kitchen)
    kitchen.load_all()
    put_back(kitchen, "events")

    kitchen.load_all()

    assert kitchen.event_ids() == [f"e{number}" for number in range(6)]
    assert failed_ids(kitchen) == [f"b{number}" for number in range(6)]


def test_a_new_failure_on_the_way_back_does_not_hide_the_ones_stored_before(
    kitchen: Kitchen,
) -> None:
    """Killed, restarted with a registry that is down, killed again after the first small batch."""
    known = {USER: {"type": "object", "properties": {"a": {"type": "string"}}}}
    kitchen.schemas = known
    kitchen.load_all()
    keep(kitchen)
    kitchen.send({"columns": {"event_id": "e1"}, "contexts": [[USER, {"a": "x"}]]})
    kitchen.send(bad_item("b1"))
    kitchen.send(bad_item("b2"), {"columns": {"event_id": "e2"}})
    kitchen.load_all()
    put_back(kitchen, "events")

    kitchen.schemas = {}
    kitchen.loader(max_records=1).load()
    kitchen.load_all()

    assert kitchen.event_ids() == ["e2"]
    assert failed_ids(kitchen) == ["b1", "b2", "e1"]


@pytest.mark.parametrize("before", [True, False])
def test_a_registry_that_changes_its_mind_during_a_kill_neither_loses_nor_doubles(
    kitchen: Kitchen, *, before: bool
) -> None:
    """What failed stays failed, what did not may fail now: each event is in one table."""
    known = {USER: {"type": "object", "properties": {"a": {"type": "string"}}}}
    kitchen.load_all()
    keep(kitchen)
    kitchen.send({"columns": {"event_id": "e1"}, "contexts": [[USER, {"a": "x"}]]}, bad_item("b1"))
    kitchen.schemas = known if before else {}
    kitchen.load_all()
    put_back(kitchen, "events")

    kitchen.schemas = {} if before else known
    kitchen.load_all()

    assert sorted(kitchen.event_ids() + failed_ids(kitchen)) == ["b1", "e1"]


def test_killed_before_the_index_was_written_a_repeated_event_is_still_known(
    kitchen: Kitchen,
) -> None:
    kitchen.send_events("e1")
    kitchen.load_all()
    keep(kitchen)
    kitchen.send_events("e2")
    kitchen.load_all()
    put_back(kitchen, "seen.sqlite3")

    kitchen.send_events("e2", "e1", "e3")
    kitchen.load_all()

    assert kitchen.event_ids() == ["e1", "e2", "e3"]


@pytest.mark.parametrize("damage", ["lost", "garbage", "empty"])
def test_the_index_is_made_anew_from_the_lake(kitchen: Kitchen, damage: str) -> None:
    columns = {
        "event_id": "e1",
        "app_id": "shop",
        "dvce_created_tstamp": "2026-11-23 16:59:59.123",
        "event_name": "page_view",
        "name_tracker": "t",
    }
    kitchen.send({"columns": columns})
    kitchen.load_all().close()
    index = kitchen.lake / "seen.sqlite3"
    if damage == "lost":
        index.unlink()
    else:
        index.write_bytes(b"" if damage == "empty" else b"no database " * 1000)

    kitchen.send({"columns": columns})
    loader = kitchen.load_all()

    assert kitchen.event_ids() == ["e1"]
    assert loader.counts.duplicates == 1


def test_an_older_lake_put_back_is_loaded_again(kitchen: Kitchen) -> None:
    """The index knows more than the lake then, and must not pass over what is missing."""
    kitchen.send_events("e1")
    kitchen.load_all()
    keep(kitchen)
    kitchen.send_events("e2")
    kitchen.load_all()
    put_back(kitchen, "events")

    kitchen.load_all()

    assert kitchen.event_ids() == ["e1", "e2"]


def test_a_delivery_that_is_repeated_is_loaded_once(kitchen: Kitchen) -> None:
    """In one record, in one batch, across batches, across restarts; and it is counted."""
    loader = kitchen.loader()
    kitchen.send({"columns": {"event_id": "e1"}}, {"columns": {"event_id": "e1"}})
    kitchen.send_events("e1")
    kitchen.load_all(loader)
    kitchen.send_events("e1", "e2")
    kitchen.load_all(loader)

    assert loader.counts.duplicates == 3
    kitchen.send_events("e2", "e1")
    assert kitchen.load_all().counts.duplicates == 2
    assert kitchen.event_ids() == ["e1", "e2"]


def test_the_same_event_id_with_other_content_is_kept(kitchen: Kitchen) -> None:
    for column, text in [
        ("app_id", "a"),
        ("name_tracker", "a"),
        ("event_name", "a"),
        ("dvce_created_tstamp", "2026-11-23 17:00:00.000"),
        ("dvce_created_tstamp", "2026-11-23 17:00:00.001"),
    ]:
        kitchen.send({"columns": {"event_id": "e1", column: text}})

    kitchen.load_all()

    assert len(kitchen.rows()) == 5


def test_an_id_without_a_time_is_the_same_event_only_if_it_says_the_same(kitchen: Kitchen) -> None:
    """Pixels, links and webhooks may carry an id, and no time that the tracker made."""
    link = "iglu:com.acme/link/jsonschema/1-0-0"
    kitchen.schema(link, {"to": {"type": "string"}})
    said: list[dict[str, Any]] = [
        {"columns": {"event_id": "e1", "page_url": "https://shop.example/a"}},
        {"columns": {"event_id": "e1", "page_url": "https://shop.example/b"}},
        {"columns": {"event_id": "e1"}, "unstruct": [link, {"to": "a"}]},
        {"columns": {"event_id": "e1"}, "unstruct": [link, {"to": "b"}]},
        {"columns": {"event_id": "e1"}, "contexts": [[link, {"to": "\ud800"}]]},
    ]
    of_the_way = {
        "collector_tstamp": "2026-11-24 09:00:00.000",
        "etl_tstamp": "2026-11-24 09:00:01.000",
        "dvce_sent_tstamp": "2026-11-24 08:00:01.000",
        "derived_tstamp": "2026-11-24 09:00:00.000",
        "user_ipaddress": "192.0.2.1",
        "network_userid": "5b4e6a46-5d4f-4b7a-9d0f-5f8e6a3a6a44",
        "useragent": "another",
        "geo_country": "DE",
    }
    kitchen.send(*said)
    kitchen.load_all()
    again = [{**one, "columns": one["columns"] | of_the_way} for one in said]
    kitchen.send(*again)
    kitchen.load_all()
    (kitchen.lake / "seen.sqlite3").unlink()  # what is made anew from the lake knows the same
    kitchen.send(*again)

    loader = kitchen.load_all(kitchen.loader())

    assert len(kitchen.rows()) == 5
    assert loader.counts.duplicates == 5
    assert len({row["event_fingerprint"] for row in kitchen.rows()}) == 5


def test_an_event_that_was_anonymised_before_it_came_again_is_the_same(kitchen: Kitchen) -> None:
    """The answer to its first delivery was lost, and the user has withdrawn consent since."""
    session = "iglu:com.acme/session/jsonschema/1-0-0"
    kitchen.schema(session, {"userId": {"type": "string"}})
    created = {"event_id": "e1", "dvce_created_tstamp": "2026-11-23 17:00:00.000"}
    kitchen.send(
        {"columns": {**created, "user_id": "alice"}, "contexts": [[session, {"userId": "a"}]]}
    )
    kitchen.load_all()
    kitchen.send({"columns": created})

    kitchen.load_all()

    (row,) = kitchen.rows()
    assert row["event_fingerprint"] is None


def test_a_fingerprint_that_enrich_made_counts(kitchen: Kitchen) -> None:
    created = {"event_id": "e1", "dvce_created_tstamp": "2026-11-23 17:00:00.000"}
    for fingerprint in ("f1", "f2", "f1"):
        kitchen.send({"columns": {**created, "event_fingerprint": fingerprint}})

    kitchen.load_all()

    assert sorted(row["event_fingerprint"] for row in kitchen.rows()) == ["f1", "f2"]


def test_the_index_forgets_what_is_too_old(kitchen: Kitchen) -> None:
    kitchen.send_events("e1")
    loader = kitchen.loader(seen_days=1)
    kitchen.load_all(loader)
    for _ in range(3):
        kitchen.now_ms += 86_400_000
        loader.maintain(force=True)
    loader._housekeeper.tend({}, force=True)

    kitchen.send_events("e1")
    kitchen.load_all(loader)

    assert kitchen.event_ids() == ["e1", "e1"]


def test_a_log_that_was_made_anew_is_read_from_its_start(kitchen: Kitchen) -> None:
    kitchen.send_events("e1", "e2", "e3")
    kitchen.load_all()
    with_new_name = open_log(kitchen.directory / "new", writer=True, durability="process")
    kitchen.raw.close()
    kitchen.raw = with_new_name
    kitchen.send_events("e4")
    loader = kitchen.loader(raw_name="another")

    kitchen.load_all(loader)

    assert kitchen.event_ids() == ["e1", "e2", "e3", "e4"]


def test_a_loader_that_cannot_begin_leaves_the_lake_to_the_next(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whiteout.lake.seen._LOCK_TIMEOUT_S", 0.1)
    with monkeypatch.context() as patch:
        patch.setattr("whiteout.lake.loader.LakeClock", lambda *_, **__: 1 // 0)
        with pytest.raises(ZeroDivisionError) as failed:
            kitchen.loader()
    kitchen.send_events("e1")

    kitchen.load_all()

    assert kitchen.event_ids() == ["e1"]
    assert failed.tb is not None  # it keeps alive whoever failed


def test_only_one_loader_works_on_a_lake(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whiteout.lake.seen._LOCK_TIMEOUT_S", 0.1)
    first = kitchen.loader()
    kitchen.open_loaders = []

    with pytest.raises(LogError, match="another loader"):
        kitchen.loader()

    first.close()
