"""Several loaders, several partitions: each message once, whoever loads it, whatever is killed."""

from __future__ import annotations

import base64
import json
import shutil
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

import deltalake
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lake.conftest import NOW_MS, make_event, object_schema

from whiteout.enrich.atomic import COLUMN_INDEX
from whiteout.errors import WhiteoutError
from whiteout.iglu import EmbeddedRegistry, Resolver
from whiteout.lake import tables
from whiteout.lake.settings import LoaderSettings
from whiteout.lake.stream_loader import StreamLoader
from whiteout.lake.stream_records import StreamRecord, TakenOverError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whiteout.lake.place import LakePlace

USER = "iglu:com.acme/user/jsonschema/1-0-0"
SCHEMA = object_schema(USER, {"a": {"type": "string"}})
BAD = "iglu:com.snowplowanalytics.snowplow.badrows/schema_violations/jsonschema/2-0-1"


def uuid_of(name: str) -> str:
    """An event's id that a short name stands for: readers take no other than UUIDs."""
    return str(UUID(bytes=name.encode().ljust(16, b"\0")))


def name_of(event_id: str) -> str:
    """What `uuid_of` was asked for; other texts as they are."""
    try:
        return UUID(event_id).bytes.rstrip(b"\0").decode()
    except ValueError:
        return event_id


def line(event_id: str, entity: dict[str, Any] | None = None, schema: str = USER) -> bytes:
    """An enriched event as TSV."""
    event = make_event({"event_id": uuid_of(event_id)})
    if entity is not None:
        document = {"schema": "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1"}
        data = [{"schema": schema, "data": entity}]
        event.fields[COLUMN_INDEX["contexts"]] = json.dumps({**document, "data": data})
    return event.tsv().encode()


def bad_row(event_id: str) -> bytes:
    return json.dumps({"schema": BAD, "data": {"payload": {"event_id": event_id}}}).encode()


@dataclass
class Stream:
    """Partitions in memory, the lake in a folder."""

    directory: Path
    partitions: dict[str, list[StreamRecord]] = field(default_factory=dict)
    schemas: dict[str, Any] = field(default_factory=lambda: {USER: SCHEMA})
    loaders: list[StreamLoader] = field(default_factory=list)
    now_ms: int = NOW_MS
    place: LakePlace | None = None

    def put(
        self, source: str, *values: bytes, origin: tuple[str, int] | None = None
    ) -> list[StreamRecord]:
        records = self.partitions.setdefault(source, [])
        start = len(records)
        new = [StreamRecord(source, start + n, value, origin) for n, value in enumerate(values)]
        records += new
        return new

    def loader(self) -> StreamLoader:
        loader = StreamLoader(
            self.directory,
            lookup=Resolver([EmbeddedRegistry(self.schemas)]).lookup,
            settings=LoaderSettings(durable=False),
            now_ms=lambda: self.now_ms,
            place=self.place,
        )
        self.loaders.append(loader)
        return loader

    def catch_up(self, loader: StreamLoader, *sources: str, step: int = 100) -> None:
        """Take over and load to the end, as a session with Kafka does."""
        sources = sources or tuple(self.partitions)
        offsets = loader.take_over(
            [one for one in sources if one.startswith("e")],
            [one for one in sources if one.startswith("f")],
        )
        for source, offset in offsets.items():
            records = self.partitions.get(source, [])
            for start in range(offset, len(records), step):
                self.load(loader, *records[start : start + step])

    def load(self, loader: StreamLoader, *records: StreamRecord) -> None:
        loader.load(
            [one for one in records if one.source.startswith("e")],
            [one for one in records if one.source.startswith("f")],
        )

    def close(self) -> None:
        for loader in self.loaders:
            loader.close()
        self.loaders = []

    def ids(self, table: str = "events") -> list[str]:
        found = DeltaTable(str(self.directory / table)).to_pyarrow_table()["event_id"]
        return sorted(name_of(str(one)) for one in found.to_pylist())


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[Stream]:
    made = Stream(tmp_path / "lake")
    yield made
    made.close()


def test_partitions_are_loaded_and_go_on_where_they_were(stream: Stream) -> None:
    stream.put("e0", line("a"), line("b"))
    stream.put("e1", line("c", {"a": "x"}))
    stream.put("f0", bad_row("x"))
    stream.catch_up(stream.loader())
    stream.put("e1", line("d"))
    stream.put("f0", bad_row("x"), bad_row("y"))
    stream.close()

    stream.catch_up(stream.loader())

    assert stream.ids() == ["a", "b", "c", "d"]
    assert stream.ids("failed_events") == ["x", "x", "y"]


def test_a_partition_that_is_taken_over_goes_on_where_it_was(stream: Stream) -> None:
    for number in range(4):
        stream.put(f"e{number}", line(f"a{number}"))
    first, second = stream.loader(), stream.loader()
    stream.catch_up(first)
    for number in range(4):
        stream.put(f"e{number}", line(f"b{number}"))

    stream.catch_up(first, "e0", "e1")
    stream.catch_up(second, "e2", "e3")
    stream.catch_up(second)

    assert stream.ids() == sorted(f"{kind}{n}" for kind in "ab" for n in range(4))
    assert second.counts.duplicates == 0


def test_a_loader_that_was_overtaken_commits_nothing(stream: Stream) -> None:
    """It was asleep while its partition went to another: Delta Lake refuses its commit."""
    stream.put("e0", line("a"))
    stream.put("f0", bad_row("x"))
    sleeper, other = stream.loader(), stream.loader()
    sleeper.take_over(["e0"], ["f0"])
    stream.catch_up(other)

    for source in ("e0", "f0"):
        with pytest.raises(Exception, match="oncurrent"):
            stream.load(sleeper, *stream.partitions[source])

    assert (stream.ids(), stream.ids("failed_events")) == (["a"], ["x"])


def test_a_loader_that_was_overtaken_and_has_committed_since_is_found_out(stream: Stream) -> None:
    """Its own commit to another partition showed it the newest state of the table."""
    stream.put("e0", line("a"))
    stream.put("e1", line("b"))
    sleeper, other = stream.loader(), stream.loader()
    sleeper.take_over(["e0", "e1"], [])
    stream.catch_up(other, "e0")
    stream.load(sleeper, *stream.partitions["e1"])

    with pytest.raises(TakenOverError):
        stream.load(sleeper, *stream.partitions["e0"])

    assert stream.ids() == ["a", "b"]


def test_an_event_that_two_loaders_meet_is_loaded_once(stream: Stream) -> None:
    """Enriched twice, or sent twice: the partition is the same, its loader may not be."""
    first, second = stream.loader(), stream.loader()
    stream.put("e0", line("a"), line("a"))
    stream.put("e1", line("z"))
    stream.catch_up(first)
    stream.catch_up(second, "e1")
    stream.put("e0", line("a"), line("b"))

    stream.catch_up(second, "e0")

    assert stream.ids() == ["a", "b", "z"]


def test_what_others_loaded_while_a_loader_ran_is_known_when_it_takes_over(
    stream: Stream,
) -> None:
    """Its own later commits must not make it believe that it has seen theirs."""
    first, second = stream.loader(), stream.loader()
    first.take_over(["e0"], [])
    second.take_over(["e1"], [])
    stream.load(first, *stream.put("e0", line("a")))
    stream.load(second, *stream.put("e1", line("b")))
    stream.now_ms += 7_200_000  # more than clocks may differ
    stream.load(first, *stream.put("e0", line("c")))
    stream.put("e1", line("b"))

    stream.catch_up(first, "e1")
    stream.close()
    stream.put("e1", line("b"), line("c"))
    stream.catch_up(stream.loader())

    assert stream.ids() == ["a", "b", "c"]


def test_a_bad_row_that_enrich_wrote_twice_is_loaded_once(stream: Stream) -> None:
    """After a crash everything since the last committed offset comes once more, in order."""
    rows = [(bad_row(name), ("raw/0", rank)) for name, rank in [("x", 5), ("y", 6), ("z", 9)]]
    for value, origin in [*rows[:2], *rows, (bad_row("other"), ("raw/1", 6))]:
        stream.put("f0", value, origin=origin)
    loader = stream.loader()
    stream.catch_up(loader, step=2)
    stream.close()
    for value, origin in rows[1:]:
        stream.put("f0", value, origin=origin)

    stream.catch_up(stream.loader())

    assert stream.ids("failed_events") == ["other", "x", "y", "z"]


def test_killed_between_the_two_tables_nothing_is_lost_or_doubled(
    stream: Stream, tmp_path: Path
) -> None:
    """What cannot be stored was committed to failed events, its batch not to events."""
    stream.catch_up(stream.loader(), "e0")
    stream.close()
    shutil.copytree(stream.directory / "events", tmp_path / "kept")
    stream.put("e0", line("a"), line("b", {"a": 1}), b"no event", line("c"))
    stream.catch_up(stream.loader())
    stream.close()
    shutil.rmtree(stream.directory / "events")
    shutil.copytree(tmp_path / "kept", stream.directory / "events")
    stream.put("e0", line("d", {"a": 2}))

    stream.schemas = {USER: object_schema(USER, {"a": {"type": ["string", "integer"]}})}
    stream.catch_up(stream.loader())

    failed = Counter(stream.ids("failed_events"))
    assert Counter(stream.ids()) + failed == Counter(["a", "b", "c", "d", "None"])
    assert failed.keys() >= {"b", "None"}


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (b"not tabs", {"type": "NotTSV"}),
        (b"a\tb", {"type": "FieldNumberMismatch", "fieldCount": 2}),
        (line("a").replace(b"e-1.0.0", b""), {"type": "RowDecodingError"}),
        (b"\xff\xfe", None),
        (b"", {"type": "NotTSV"}),
    ],
)
def test_a_line_that_is_no_event_fails_alone(
    stream: Stream, value: bytes, kind: dict[str, Any] | None
) -> None:
    stream.put("e0", line("a"), value, line("b"))

    stream.catch_up(stream.loader())

    assert stream.ids() == ["a", "b"]
    rows = DeltaTable(str(stream.directory / "failed_events")).to_pyarrow_table().to_pylist()
    (row,) = rows
    assert row["type"] == ("generic_error" if kind is None else "loader_parsing_error")
    if kind is not None:
        failure = json.loads(row["bad_row"])["data"]["failure"]
        assert {name: failure[name] for name in kind} == kind


def test_a_column_that_no_table_takes_fails_alone(stream: Stream) -> None:
    poison = [
        line(name).replace(b"2026-11-23 17:00:00.000", b"2026-99-23 17:00:00.000") for name in "pq"
    ]
    stream.put("e0", line("a"), poison[0], line("b"), poison[1])

    loader = stream.loader()
    stream.catch_up(loader)

    assert stream.ids() == ["a", "b"]
    assert stream.ids("failed_events") == ["p", "q"]
    assert loader.counts.quarantined == 2


def refuse(monkeypatch: pytest.MonkeyPatch, *event_ids: str) -> None:
    """Let Delta Lake refuse commits with these events: nobody knows of such a record yet."""
    real = deltalake.write_deltalake

    def write(table: DeltaTable, rows: Any, **options: Any) -> None:  # noqa: ANN401 - passed on
        found = map(str, rows["event_id"].to_pylist())
        if "page_title" in rows.column_names and set(map(uuid_of, event_ids)) & set(found):
            raise DeltaError("Generic DeltaTable error: it does not like it")
        real(table, rows, **options)

    monkeypatch.setattr(tables, "write_deltalake", write)


def test_an_event_that_delta_lake_refuses_fails_alone(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a new session, so that no pause grows meanwhile."""
    refuse(monkeypatch, "trap-1", "trap-2")
    names = [f"a{number:02}" for number in range(20)]
    stream.put("e0", *map(line, names[:10]), line("trap-1"), *map(line, names[10:]), b"no event")
    stream.put("e1", line("b"), line("trap-2"))
    stream.put("f0", bad_row("x"))
    loader = stream.loader()
    loader.take_over(["e0", "e1"], ["f0"])

    stream.load(loader, *(one for some in stream.partitions.values() for one in some))

    assert stream.ids() == [*names, "b"]
    assert stream.ids("failed_events") == ["None", "None", "None", "x"]
    assert loader.counts.quarantined == 2
    rows = DeltaTable(str(stream.directory / "failed_events")).to_pyarrow_table()
    kept = [json.loads(row)["data"]["payload"] for row in rows["bad_row"].to_pylist()]
    assert base64.b64encode(line("trap-1")).decode() in kept
    stream.put("e0", line("last"))
    stream.catch_up(loader)
    assert stream.ids() == [*names, "b", "last"]


def test_columns_that_another_loader_has_made_grow_on(stream: Stream) -> None:
    """Each meets versions of a schema that the other has not met."""
    second, third = USER.replace("1-0-0", "1-0-1"), USER.replace("1-0-0", "1-0-2")
    properties = {"a": {"type": "string"}, "b": {"type": "integer"}}
    stream.schemas[second] = object_schema(second, properties)
    stream.schemas[third] = object_schema(third, {**properties, "c": {"type": "boolean"}})
    loaders = {"e0": stream.loader(), "e1": stream.loader()}
    for source, loader in loaders.items():
        loader.take_over([source], [])
    said: list[tuple[str, str, dict[str, Any]]] = [
        ("e0", USER, {"a": "x"}),
        ("e1", second, {"a": "y", "b": 1}),
        ("e0", third, {"b": 2, "c": True}),
        ("e1", USER, {"a": "z"}),
        ("e0", second, {"b": 3}),
    ]
    for number, (source, schema, entity) in enumerate(said):
        records = stream.put(source, line(f"{number}", entity, schema))
        try:
            stream.load(loaders[source], *records)
        except CommitFailedError:  # a new session, and what it reads again
            stream.catch_up(loaders[source], source)

    rows = DeltaTable(str(stream.directory / "events")).to_pyarrow_table().sort_by("event_id")
    found = [entities[0] for entities in rows["contexts_com_acme_user_1"].to_pylist()]
    assert found == [
        {"_schema_version": schema[-5:], "a": None, "b": None, "c": None, **entity}
        for _, schema, entity in said
    ]


def test_columns_that_others_made_while_a_commit_was_on_its_way_are_known_after_it(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit of offsets alone reads the table anew; what it finds there counts from then on."""
    text, number = "iglu:com.acme/user/jsonschema/1-0-1", "iglu:com.acme/user/jsonschema/1-0-2"
    stream.schemas[text] = object_schema(text, {"b": {"type": "string"}})
    stream.schemas[number] = object_schema(number, {"b": {"type": "integer"}})
    first, second = stream.loader(), stream.loader()
    first.take_over(["e0"], [])
    stream.catch_up(first, "e0")
    second.take_over(["e1"], [])
    real = tables.LakeTable.append

    def append(table: tables.LakeTable, rows: Any, offsets: Any, **options: Any) -> None:  # noqa: ANN401 - passed on
        real(table, rows, offsets, **options)
        if rows is None:
            monkeypatch.setattr(tables.LakeTable, "append", real)
            stream.load(second, *stream.put("e1", line("b", {"b": "text"}, text)))
            table.reload()

    second.take_over(["e1"], [])
    monkeypatch.setattr(tables.LakeTable, "append", append)
    stream.load(first, *stream.put("e0", b"no event"))
    stream.load(first, *stream.put("e0", line("c", {"b": 2}, number)))

    rows = DeltaTable(str(stream.directory / "events")).to_pyarrow_table()
    by_id = dict(zip(map(name_of, rows["event_id"].to_pylist()), rows.to_pylist(), strict=True))
    assert by_id["b"]["contexts_com_acme_user_1"][0]["b"] == "text"
    (own,) = [name for name in rows.column_names if "_recovered_" in name]
    assert by_id["c"][own][0]["b"] == 2


def test_what_was_passed_over_is_found_however_much_others_have_committed_since(
    stream: Stream, tmp_path: Path
) -> None:
    """A group gives a dead loader's partition away after 45 seconds; others go on meanwhile."""
    stream.catch_up(stream.loader(), "e0")
    stream.close()
    shutil.copytree(stream.directory / "events", tmp_path / "kept")
    stream.put("e0", line("a"), b"no event", line("b"))
    stream.catch_up(stream.loader(), "e0")
    stream.close()
    shutil.rmtree(stream.directory / "events")
    shutil.copytree(tmp_path / "kept", stream.directory / "events")
    failed = DeltaTable(str(stream.directory / "failed_events"))
    for number in range(220):
        failed.create_write_transaction(
            [],
            "append",
            failed.schema(),
            partition_by=["load_tstamp_date"],
            commit_properties=CommitProperties(app_transactions=[Transaction("f1", number)]),
        )
        failed.update_incremental()

    stream.catch_up(stream.loader(), "e0")

    assert (stream.ids(), stream.ids("failed_events")) == (["a", "b"], ["None"])


def test_messages_of_partitions_that_are_not_ours_or_come_again_are_passed_over(
    stream: Stream,
) -> None:
    """A client may hand over what it had fetched before a rebalance."""
    stream.put("e0", line("a"), line("b"))
    stream.put("e1", line("c"))
    loader = stream.loader()
    loader.take_over(["e0"], [])

    stream.load(loader, *stream.partitions["e1"], *stream.partitions["e0"] * 2)

    assert stream.ids() == ["a", "b"]
    assert loader.counts.duplicates == 0


STEPS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 15), st.integers(1, 5)), min_size=1, max_size=25
)


@settings(max_examples=15, deadline=None)
@given(steps=STEPS)
def test_whatever_the_order_of_take_overs_each_message_is_loaded_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, int]]
) -> None:
    """Two loaders, four partitions; partitions move, and either may believe they are its own."""
    stream = Stream(tmp_path_factory.mktemp("lake") / "lake")
    for number in range(4):
        stream.put(f"e{number}", *(line(f"{number}-{n}") for n in range(12)))
    loaders = [stream.loader(), stream.loader()]
    positions: list[dict[str, int]] = [{}, {}]
    for who, which, count in steps:
        loader, at = loaders[who], positions[who]
        mine = [f"e{number}" for number in range(4) if which >> number & 1]
        try:
            if set(mine) != at.keys():  # Kafka says: these, from where the lake says
                at.clear()
                at.update(loader.take_over(mine, []))
            records = [stream.partitions[one][at[one] : at[one] + count] for one in mine]
            stream.load(loader, *(record for some in records for record in some))
            for one, some in zip(mine, records, strict=True):
                at[one] += len(some)
        except (WhiteoutError, OSError, Exception):  # noqa: BLE001 - the session ends; another begins
            at.clear()
    stream.catch_up(loaders[0])
    expected = sorted(f"{number}-{n}" for number in range(4) for n in range(12))

    assert stream.ids() == expected
    stream.close()
