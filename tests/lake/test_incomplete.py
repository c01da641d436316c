"""What is left of failed events is a table of its own, each row once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from deltalake import DeltaTable
from tests.lake.conftest import NOW_MS
from tests.lake.test_erasure import ALICE, BOB, erasure, files_with, subject
from tests.lake.test_exactly_once import keep, put_back
from tests.lake.test_stream_loader import Stream, line, name_of

from whiteout.lake.erasure import erase
from whiteout.lake.reader import Lake
from whiteout.lake.settings import LoaderSettings
from whiteout.lake.stream_loader import StreamLoader
from whiteout.lake.stream_records import TakenOverError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lake.conftest import Kitchen

    from whiteout.lake.incomplete_stream import IncompleteStream

BAD = "iglu:com.snowplowanalytics.snowplow.badrows/schema_violations/jsonschema/2-0-1"
FAILURE = "iglu:com.snowplowanalytics.snowplow/failure/jsonschema/1-0-0"
DAY_MS = 86_400_000


def failing(event_id: str, **columns: str) -> dict[str, Any]:
    """A failed event of which something is left."""
    return {
        "bad": BAD,
        "data": {"payload": {"event_id": event_id}},
        "rest": {
            "columns": {"event_id": event_id, **columns},
            "derived": [[FAILURE, {"failureType": "NotJSON", "data": {"co": "no json"}}]],
        },
    }


@pytest.fixture
def kept(kitchen: Kitchen) -> Kitchen:
    """A lake whose loader keeps them."""
    kitchen.schema(FAILURE, {"failureType": {"type": "string"}, "data": {"type": "object"}})
    kitchen.incomplete = True
    return kitchen


def ids(kitchen: Kitchen, table: str = "incomplete_events") -> list[str]:
    return [row["event_id"] for row in kitchen.rows(table)]


def test_they_have_the_columns_of_events_and_what_went_wrong(kept: Kitchen) -> None:
    kept.send({"columns": {"event_id": "good"}}, failing("bad", app_id="shop"))
    kept.load_all()

    lake = Lake(kept.lake)
    (found,) = lake.json_objects(lake.rows("incomplete_events").table, "incomplete_events")
    assert (found["event_id"], found["app_id"]) == ("bad", "shop")
    (failure,) = found["contexts_com_snowplowanalytics_snowplow_failure_1"]
    assert failure["failureType"] == "NotJSON"
    assert (ids(kept, "events"), ids(kept, "failed_events")) == (["good"], ["bad"])
    asked = "SELECT count(*) AS n FROM incomplete_events JOIN failed_events USING (event_id)"
    assert lake.query(asked)["n"].to_pylist() == [1]


def test_without_being_asked_there_is_no_such_table(kitchen: Kitchen) -> None:
    kitchen.send(failing("bad"))
    kitchen.load_all()

    assert not (kitchen.lake / "incomplete_events").exists()
    assert Lake(kitchen.lake).rows("incomplete_events").table.num_rows == 0


@pytest.mark.parametrize("killed_before", ["incomplete_events", "events"])
def test_killed_between_two_tables_none_is_lost_or_doubled(
    kept: Kitchen, killed_before: str
) -> None:
    kept.send(failing("f0"))
    kept.load_all()
    keep(kept)
    kept.send({"columns": {"event_id": "e1"}}, failing("f1"))
    kept.send(failing("f2"))
    kept.load_all()
    put_back(kept, "events")
    if killed_before == "incomplete_events":
        put_back(kept, "incomplete_events")
    put_back(kept, "seen.sqlite3")

    kept.send(failing("f3"))
    kept.loader(max_records=1).load()
    kept.load_all()

    assert ids(kept) == ids(kept, "failed_events") == ["f0", "f1", "f2", "f3"]
    assert ids(kept, "events") == ["e1"]


def test_what_fails_otherwise_on_the_way_back_is_not_there_twice(kept: Kitchen) -> None:
    """Killed twice, with a small batch in between."""
    kept.load_all()
    keep(kept)
    for number in range(4):
        kept.send(failing(f"f{number}"))
    kept.load_all()
    put_back(kept, "events")
    kept.loader(max_records=2).load()
    keep(kept)
    kept.load_all()
    put_back(kept, "events")

    kept.load_all()

    assert ids(kept) == [f"f{number}" for number in range(4)]


def test_what_no_column_takes_is_in_failed_events_alone(kept: Kitchen) -> None:
    odd = failing("odd", page_urlport="no number")
    unknown = failing("unknown")
    unknown["rest"]["derived"] = [["iglu:com.acme/none/jsonschema/1-0-0", {}]]
    kept.send(odd, unknown, failing("good"))
    kept.load_all()

    assert ids(kept) == ["good"]
    assert ids(kept, "failed_events") == ["good", "odd", "unknown"]


def test_files_are_merged_and_days_dropped_as_of_the_other_tables(kept: Kitchen) -> None:
    loader = kept.loader(retention_days={"incomplete_events": 1})
    for day in range(4):
        kept.now_ms = NOW_MS + day * DAY_MS
        for number in range(2):
            kept.send(failing(f"f{day}{number}"))
            kept.load_all(loader)

    loader.maintain(force=True)

    assert ids(kept) == ["f20", "f21", "f30", "f31"]
    assert len(ids(kept, "failed_events")) == 8
    assert len(DeltaTable(str(kept.lake / "incomplete_events")).file_uris()) == 2


def test_who_is_erased_is_in_none_of_them(kept: Kitchen) -> None:
    """Nor where a failure repeats what could not be read."""
    said = failing("said")
    said["rest"]["derived"][0][1]["data"] = {"co": f"no json: {ALICE}"}
    kept.send(failing("a", user_id=ALICE), failing("b", user_id=BOB), said)
    kept.load_all().settle()

    erased = erase(erasure(kept, subject(user_id=ALICE)))

    assert erased.rows["incomplete_events"] == 2
    assert ids(kept) == ["b"]
    assert list(files_with(kept.lake / "incomplete_events", ALICE)) == []


# --- several loaders -------------------------------------------------------------------------


class Streams(Stream):
    """Partitions named `i…` hold what is left of failed events."""

    def parts(self) -> IncompleteStream:
        """What is theirs of a new loader."""
        loader = StreamLoader(
            self.directory,
            lookup=dict[Any, Any]().__getitem__,
            settings=LoaderSettings(durable=False),
            now_ms=lambda: self.now_ms,
            incomplete=True,
        )
        self.loaders.append(loader)
        assert loader.incomplete is not None
        return loader.incomplete

    def catch_up_all(self, *, step: int = 100) -> None:
        """A new loader takes everything over and loads to the end."""
        loader = self.parts()
        for source, offset in loader.take_over(self.partitions).items():
            records = self.partitions[source]
            for start in range(offset, len(records), step):
                loader.load(records[start : start + step])
        self.close()

    def left(self) -> list[str]:
        found = Lake(self.directory).rows("incomplete_events").table["event_id"].to_pylist()
        return sorted(map(name_of, found))


@pytest.fixture
def streams(tmp_path: Path) -> Iterator[Streams]:
    made = Streams(tmp_path / "lake")
    yield made
    made.close()


def test_their_partitions_are_loaded_and_go_on_where_they_were(streams: Streams) -> None:
    streams.put("i0", line("a"), line("b"))
    streams.catch_up_all()
    streams.put("i0", line("c"))
    streams.put("i1", line("d"))

    streams.catch_up_all()

    assert streams.left() == ["a", "b", "c", "d"]


def test_one_that_enrich_wrote_twice_is_loaded_once(streams: Streams) -> None:
    rows = [(line(name), ("raw/0", rank)) for name, rank in [("x", 5), ("y", 6), ("z", 9)]]
    for value, origin in [*rows[:2], *rows]:
        streams.put("i0", value, origin=origin)
    streams.catch_up_all(step=2)
    for value, origin in rows:
        streams.put("i0", value, origin=origin)

    streams.catch_up_all()

    assert streams.left() == ["x", "y", "z"]


def test_who_was_overtaken_on_one_of_their_partitions_commits_nothing_of_it(
    streams: Streams,
) -> None:
    streams.put("i0", line("a"))
    streams.put("i1", line("b"))
    sleeper, other = streams.parts(), streams.parts()
    sleeper.take_over(["i0", "i1"])
    other.take_over(["i0"])
    other.load(streams.partitions["i0"])
    with pytest.raises(Exception, match="oncurrent"):
        sleeper.load(streams.partitions["i0"])
    sleeper.take_over(["i0", "i1"])
    other.load(streams.put("i0", line("c")))
    sleeper.load(streams.partitions["i1"])

    with pytest.raises(TakenOverError):
        sleeper.load(streams.partitions["i0"])

    assert streams.left() == ["a", "b", "c"]


def test_messages_of_partitions_that_are_not_ours_or_come_again_are_passed_over(
    streams: Streams,
) -> None:
    loader = streams.parts()
    loader.take_over(["i0"])

    loader.load([*streams.put("i1", line("b")), *streams.put("i0", line("a")) * 2])
    loader.load(streams.partitions["i0"])

    assert streams.left() == ["a"]


def test_a_line_that_is_no_event_stands_in_nobody_s_way(streams: Streams) -> None:
    streams.put("i0", b"nonsense", b"\xff", line("a"))

    streams.catch_up_all()

    assert streams.left() == ["a"]
