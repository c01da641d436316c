"""Files of JSON lines hold what the lake holds: each row once, whatever was killed when."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lake.conftest import open_kitchen

from whiteout.cli import WRONG_USE, run
from whiteout.errors import LogError
from whiteout.lake import jsonl
from whiteout.lake.jsonl import JsonlError, JsonlLoader
from whiteout.lake.place import LakePlace
from whiteout.log.files import replace_file

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lake.conftest import Kitchen

BAD = "iglu:com.snowplowanalytics.snowplow.badrows/schema_violations/jsonschema/2-0-1"
SESSION = "iglu:com.acme/session/jsonschema/1-0-0"


def load(kitchen: Kitchen, folder: Path) -> int:
    loader = JsonlLoader(LakePlace(str(kitchen.lake)), folder)
    try:
        return loader.load()
    finally:
        loader.close()


def lines(folder: Path, name: str = "events") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_bytes().splitlines()]


def ids(folder: Path) -> list[str]:
    return [line["event_id"] for line in lines(folder)]


def test_an_event_is_the_json_of_the_analytics_sdks(kitchen: Kitchen, tmp_path: Path) -> None:
    kitchen.schema(SESSION, {"userId": {"type": "string"}})
    columns = {"event_id": "e1", "page_title": "tab\there\u2028ü", "doc_width": "7"}
    kitchen.send({"columns": columns, "contexts": [[SESSION, {"userId": "x"}]]})
    kitchen.send({"bad": BAD, "data": {"payload": {"enriched": {"event_id": "b1"}}}})
    kitchen.load_all()

    assert load(kitchen, tmp_path / "out") == 2

    (event,) = lines(tmp_path / "out")
    assert event["page_title"] == "tab\there\u2028ü"
    assert event["doc_width"] == 7
    assert event["contexts_com_acme_session_1"] == [{"userId": "x", "_schema_version": "1-0-0"}]
    (failed,) = lines(tmp_path / "out", "failed_events")
    assert failed["schema"] == BAD


def test_what_is_new_is_added_and_nothing_twice(kitchen: Kitchen, tmp_path: Path) -> None:
    loader = kitchen.loader()
    for event_id in ("a", "b", "c"):
        kitchen.send_events(event_id)
        kitchen.load_all(loader)
        assert load(kitchen, tmp_path / "out") == 1
        assert load(kitchen, tmp_path / "out") == 0
    assert ids(tmp_path / "out") == ["a", "b", "c"]


def test_a_load_that_grew_has_each_row_once(kitchen: Kitchen, tmp_path: Path) -> None:
    kitchen.send_events("a", "b")
    kitchen.load_all()
    assert load(kitchen, tmp_path / "out") == 2

    table = DeltaTable(str(kitchen.lake / "events"))
    rows = table.to_pyarrow_table()
    at = rows.column_names.index("event_id")
    other = rows.slice(0, 1).set_column(at, rows.schema.field(at), [["z"]])
    write_deltalake(table, other, mode="append")  # another loader, at the same moment

    assert load(kitchen, tmp_path / "out") == 1
    assert sorted(ids(tmp_path / "out")) == ["a", "b", "z"]


class Killed(BaseException):
    """The process is gone."""


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_writer_killed_anywhere_loses_and_doubles_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("jsonl")
    with open_kitchen(folder) as kitchen, pytest.MonkeyPatch.context() as patch:
        loader, sent = kitchen.loader(), 0

        def dying(path: Path, content: bytes) -> None:
            if data.draw(st.booleans(), label="killed before"):
                raise Killed
            replace(path, content)
            if data.draw(st.booleans(), label="killed behind"):
                raise Killed

        replace = replace_file
        patch.setattr(jsonl, "replace_file", dying)
        for _ in range(data.draw(st.integers(1, 4), label="rounds")):
            count = data.draw(st.integers(0, 3), label="events")
            kitchen.send_events(*(f"e{sent + number}" for number in range(count)))
            sent += count
            kitchen.load_all(loader)
            try:
                load(kitchen, folder / "out")
            except Killed:
                if (folder / "out" / "whiteout-places.json").exists():
                    with (folder / "out" / "events.jsonl").open("ab") as file:
                        file.write(b'{"event_id": "torn')
        patch.undo()
        load(kitchen, folder / "out")
        assert (ids(folder / "out") if sent else []) == [f"e{number}" for number in range(sent)]


def test_two_do_not_write_to_one_folder(kitchen: Kitchen, tmp_path: Path) -> None:
    first = JsonlLoader(LakePlace(str(kitchen.lake)), tmp_path / "out")
    with pytest.raises(LogError, match="already has a writer"):
        JsonlLoader(LakePlace(str(kitchen.lake)), tmp_path / "out")
    first.close()


def test_files_that_are_not_its_own_are_left_alone(kitchen: Kitchen, tmp_path: Path) -> None:
    kitchen.send_events("a")
    kitchen.load_all()
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "events.jsonl").write_text("somebody else's\n")
    with pytest.raises(JsonlError, match=r"no whiteout-places\.json beside it"):
        load(kitchen, folder)
    assert (folder / "events.jsonl").read_text() == "somebody else's\n"

    (folder / "events.jsonl").unlink()
    load(kitchen, folder)
    (folder / "events.jsonl").unlink()  # as a tool that rotates logs would
    with pytest.raises(JsonlError, match="it was cut or moved away"):
        load(kitchen, folder)


def test_the_command_says_how_many_rows_it_added(
    kitchen: Kitchen, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kitchen.send_events("a", "b")
    kitchen.load_all()
    command = ["load", "--lake", str(kitchen.lake), "--jsonl", str(tmp_path / "out")]
    assert run(command) == 0
    assert capsys.readouterr().out == "events: 2 rows added\nfailed_events: 0 rows added\n"
    assert run([*command[:-1], "-"]) == WRONG_USE
    assert "--follow --format json" in capsys.readouterr().err
