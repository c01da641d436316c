"""A lake in an object store: over a real S3 server; the other stores up to their clients' doors."""

from __future__ import annotations

import logging
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import FileSelector, PyFileSystem
from tests.lake.test_stream_loader import Stream, line, name_of

from whiteout.errors import ConfigurationError
from whiteout.lake.batch import EVENTS_SCHEMA
from whiteout.lake.erasure import Erasure, erase
from whiteout.lake.faults import takes_bytes
from whiteout.lake.loader import Loader
from whiteout.lake.place import LakeError, LakePlace, lake_place
from whiteout.lake.reader import Lake
from whiteout.lake.settings import LoaderSettings, Source
from whiteout.lake.stream_records import TakenOverError
from whiteout.lake.subject import Subject
from whiteout.lake.tables import LakeTable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lake.conftest import Kitchen
    from tests.support.object_store import ObjectStore


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    pytest.importorskip("moto", reason="the S3 server is in the wheel moto[server]")
    from tests.support.object_store import ObjectStore  # noqa: PLC0415 - after the check

    with ObjectStore() as running:
        yield running


def loader_into(kitchen: Kitchen, place: LakePlace) -> Loader:
    loader = Loader(
        kitchen.directory / "state",
        raw=Source(log=kitchen.raw, name="raw"),
        bad=Source(log=kitchen.bad, name="bad"),
        enrich=lambda records: map(kitchen.enrich, records),
        lookup=lambda _: {},
        settings=LoaderSettings(),
        now_ms=lambda: kitchen.now_ms,
        place=place,
    )
    kitchen.open_loaders.append(loader)
    return loader


def ids_in(place: LakePlace) -> list[str]:
    found = Lake(place).query("SELECT event_id FROM events ORDER BY 1")
    return list(found["event_id"].to_pylist())


def overtake_each_other(folder: Path, place: LakePlace) -> list[str]:
    """Load four partitions by two loaders at the same time; what commits were refused with."""
    stream = Stream(folder / "state", place=place)
    for number in range(4):
        stream.put(f"e{number}", *(line(f"{number}-{n}") for n in range(12)))
    refused: list[str] = []
    are_ready = threading.Barrier(2)

    def work() -> None:
        loader = stream.loader()
        are_ready.wait()
        # Each believes that all partitions are its own, until it is told otherwise.
        for _ in range(100):
            try:
                stream.catch_up(loader, step=6)
                break
            except (TakenOverError, DeltaError) as error:
                refused.append(type(error).__name__)
        loader.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = [name_of(one) for one in ids_in(place)]
    assert sorted(found) == sorted(f"{number}-{n}" for number in range(4) for n in range(12))
    return refused


def test_a_lake_in_s3_is_loaded_tidied_read_and_erased_from(
    kitchen: Kitchen, store: ObjectStore
) -> None:
    place = lake_place(f"s3://{store.bucket}/pipeline/lake", store.environment)
    loader = loader_into(kitchen, place)
    for number in range(3):
        kitchen.send({"columns": {"event_id": f"e{number}", "user_id": f"person-{number}"}})
        kitchen.load_all(loader)
    loader.maintain(force=True)
    kitchen.load_all(loader)

    before = ids_in(place)
    who = Subject((("user_id", "person-1"),))
    erased = erase(Erasure(subject=who, place=place, data=None))

    assert before == ["e0", "e1", "e2"]
    assert erased.rows == {"events": 1, "failed_events": 0}
    assert ids_in(place) == ["e0", "e2"]


def test_a_loader_takes_up_the_offset_that_s3_has(kitchen: Kitchen, store: ObjectStore) -> None:
    place = lake_place(f"s3://{store.bucket}/resumed", store.environment)
    kitchen.send_events("e1", "e2")
    kitchen.load_all(loader_into(kitchen, place)).close()

    kitchen.send_events("e3")
    kitchen.load_all(loader_into(kitchen, place))

    assert ids_in(place) == ["e1", "e2", "e3"]


def test_files_that_a_killed_loader_left_in_s3_go_too(
    kitchen: Kitchen, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once they are old: a loader on another machine may be about to name a younger one."""
    place = lake_place(f"s3://{store.bucket}/orphans", store.environment)
    kitchen.send({"columns": {"event_id": "e1", "user_id": "person-1"}})
    loader = loader_into(kitchen, place)
    kitchen.load_all(loader)
    files = PyFileSystem(DeltaStorageHandler(place.table("events"), place.storage_options))

    def unnamed() -> list[str]:
        found = files.get_file_info(FileSelector("", recursive=True))
        return [info.path for info in found if "orphan" in info.path]

    name = f"/{store.bucket}/orphans/events/load_tstamp_date=2026-11-18/orphan.parquet"
    assert store.put(name, b"person-1") == HTTPStatus.OK
    order = Erasure(subject=Subject((("user_id", "person-1"),)), place=place, data=None)

    young = erase(order)
    assert len(unnamed()) == 1
    monkeypatch.setattr("whiteout.lake.erasure._ORPHAN_AGE_S", -1)
    old = erase(order)

    assert unnamed() == []
    assert [name for name in old.files if "orphan" in name]
    assert young.rows == {"events": 1, "failed_events": 0}
    assert "Kafka" in young.not_reached[0]


def test_a_store_is_asked_whether_it_takes_anything(store: ObjectStore) -> None:
    place = lake_place(f"s3://{store.bucket}/asked", store.environment)
    LakeTable(place, "events", EVENTS_SCHEMA, durable=False)
    away = lake_place(
        place.url,
        {
            **store.environment,
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
            "WHITEOUT_STORAGE_MAX_RETRIES": "0",
            "WHITEOUT_STORAGE_RETRY_TIMEOUT": "1s",
        },
    )

    assert takes_bytes(place, 1_000)
    assert not takes_bytes(away, 1_000)


def test_two_loaders_on_s3_that_overtake_each_other_load_each_message_once(
    tmp_path: Path, store: ObjectStore
) -> None:
    """Both commit at the same time: S3 takes one of two commits of the same number."""
    place = lake_place(f"s3://{store.bucket}/two", store.environment)

    assert overtake_each_other(tmp_path, place)


def test_a_store_that_cannot_be_reached_is_said_without_secrets(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    place = lake_place(
        "s3://bucket/lake",
        {
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "secret-key-1",
            "WHITEOUT_STORAGE_MAX_RETRIES": "0",
            "WHITEOUT_STORAGE_RETRY_TIMEOUT": "1s",
        },
    )

    with pytest.raises(LakeError) as caught:
        place.open_table("events")

    assert str(caught.value).startswith("cannot open s3://bucket/lake/events")
    assert "secret" not in str(caught.value) + repr(place) + caplog.text


@pytest.mark.parametrize(
    ("url", "variable"),
    [
        ("s3://bucket/lake", "AWS_SECRET_ACCESS_KEY"),
        ("gs://bucket/lake", "GOOGLE_SERVICE_ACCOUNT"),
        ("abfs://container@account.dfs.core.windows.net/lake", "AZURE_STORAGE_ACCOUNT_KEY"),
        ("abfss://container@account.dfs.core.windows.net/lake", "AZURE_STORAGE_ACCOUNT_KEY"),
    ],
)
def test_each_store_gets_its_own_variables_and_those_for_whiteout(url: str, variable: str) -> None:
    environment = {
        "AWS_SECRET_ACCESS_KEY": "a",
        "GOOGLE_SERVICE_ACCOUNT": "b",
        "AZURE_STORAGE_ACCOUNT_KEY": "c",
        "HOME": "/root",
        "WHITEOUT_STORAGE_TIMEOUT": "5s",
    }

    place = lake_place(f"{url}/", environment)

    conditional = {"AWS_CONDITIONAL_PUT": "etag"} if url.startswith("s3") else {}
    assert place.options == {
        **conditional,
        variable: environment[variable],
        "TIMEOUT": "5s",
    }
    assert place.table("events") == f"{url}/events"
    assert place.folder is None


@pytest.mark.parametrize("url", ["gs://bucket/lake", "az://container/lake"])
def test_a_store_without_credentials_is_an_error_that_names_the_place(url: str) -> None:
    """Delta Lake's client is really asked: it knows the scheme, and lacks what it needs."""
    options = {
        "WHITEOUT_STORAGE_MAX_RETRIES": "0",
        "WHITEOUT_STORAGE_RETRY_TIMEOUT": "1s",
        "WHITEOUT_STORAGE_TIMEOUT": "1s",
        "GOOGLE_SERVICE_ACCOUNT": "/no/such/file.json",
        "AZURE_STORAGE_ACCOUNT_NAME": "account",
        "AZURE_STORAGE_ENDPOINT": "http://127.0.0.1:1",
        "AZURE_SKIP_SIGNATURE": "true",
        "WHITEOUT_STORAGE_ALLOW_HTTP": "true",
    }

    with pytest.raises(LakeError, match=url):
        lake_place(url, options).open_table("events")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/lake",
        "s3://",
        "s3:bucket/lake",
        "s3:/bucket/secret",
        "s3://key:secret@bucket/lake",
        "s3://bucket/lake?sig=secret",
    ],
)
def test_other_urls_are_wrong_use_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        lake_place(url)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("partition_by", [[], ["load_tstamp_date", "event_name"]])
def test_a_table_of_somebody_else_is_refused_and_left_alone(
    kitchen: Kitchen, partition_by: list[str]
) -> None:
    schema = pa.schema(
        [
            ("event_id", pa.string()),
            ("event_name", pa.string()),
            ("load_tstamp", pa.timestamp("us", tz="UTC")),
            ("load_tstamp_date", pa.date32()),
        ]
    )
    theirs = DeltaTable.create(
        kitchen.lake / "events", schema=schema, partition_by=partition_by or None
    )

    with pytest.raises(LakeError, match=r"has not made .*name another place with --lake"):
        kitchen.loader()

    theirs.update_incremental()
    assert theirs.version() == 0


def test_a_folder_is_a_lake_as_before(tmp_path: Path) -> None:
    assert lake_place(str(tmp_path)).folder == tmp_path
    assert lake_place(f"file://{tmp_path}").folder == tmp_path
    assert lake_place(tmp_path).table("events") == str(tmp_path / "events")
