"""One person is gone from every byte on the disk, and everybody else is still there."""

from __future__ import annotations

import base64
import json
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest

from whiteout.lake.erasure import Erasure, ErasureError, erase, without_subject
from whiteout.lake.place import LakePlace
from whiteout.lake.receipt import receipt, write_receipt
from whiteout.lake.subject import Subject, subject_hash
from whiteout.log.rewriting import is_erased
from whiteout.protocol.collector_payload import CollectorPayload, decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lake.conftest import Kitchen

ALICE, BOB = "alice-7301@example.org", "bob-2204@example.org"
ALICE_INSTALLATION = "3b1f0d8e-2a41-4c55-9a30-6f0a5b8f1c01"
SESSION = "iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2"
PROFILE = "iglu:com.acme/profile/jsonschema/1-0-0"
BAD = "iglu:com.snowplowanalytics.snowplow.badrows/schema_violations/jsonschema/2-0-1"


def subject(**identifiers: str) -> Subject:
    return Subject(tuple(identifiers.items()))


def erasure(kitchen: Kitchen, who: Subject, **settings: Any) -> Erasure:  # noqa: ANN401 - of several types
    return Erasure(
        subject=who, place=LakePlace(str(kitchen.lake)), data=kitchen.directory, **settings
    )


def files_with(folder: Path, text: str) -> Iterator[str]:
    """Files that hold a text; Parquet's pages are unpacked first, so that none hides in them."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        if path.suffix == ".parquet":
            data += str(pq.read_table(path, partitioning=None).to_pylist()).encode()
        if text.encode() in data or base64.b64encode(text.encode()) in data:
            yield str(path.relative_to(folder))


def event(event_id: str, **columns: str) -> dict[str, Any]:
    return {"columns": {"event_id": event_id, **columns}}


def bad(event_id: str, **payload: object) -> dict[str, Any]:
    return {"bad": BAD, "data": {"payload": {"enriched": {"event_id": event_id}, **payload}}}


def test_a_person_is_in_no_byte_on_the_disk_afterwards(kitchen: Kitchen) -> None:
    """Columns, entities, JSON text, bad rows in any encoding, old files of the table, the logs."""
    kitchen.schema(SESSION, {"userId": {"type": "string"}})
    kitchen.schema(PROFILE, {"anything": {"type": "object"}})
    encoded = base64.b64encode(json.dumps({"data": {"mail": ALICE}}).encode()).decode()
    kitchen.send(event("a1", user_id=ALICE), event("b1", user_id=BOB))
    kitchen.send(event("a2", user_id="x") | {"contexts": [[SESSION, {"userId": ALICE}]]})
    kitchen.send(event("a3") | {"unstruct": [PROFILE, {"anything": {"deep": [{"m": ALICE}]}}]})
    kitchen.send(event("b2") | {"contexts": [[SESSION, {"userId": BOB}]]})
    kitchen.send(bad("f1", raw={"parameters": [{"name": "uid", "value": ALICE}]}))
    kitchen.send(bad("f2", raw=f"e=ue&uid={quote(ALICE)}"), bad("f3", raw=f"ue_px={encoded}"))
    kitchen.send(bad("f4", raw=json.dumps({"uid": BOB})))
    loader = kitchen.load_all()
    loader.maintain(force=True)  # files before the compaction hold her too
    kitchen.send(event("a4", domain_userid=ALICE), event("b3"))
    kitchen.bad.append([json.dumps({"schema": BAD, "data": {"payload": ALICE}}).encode()])
    kitchen.load_all(loader)
    loader.settle()
    loader.close()
    kitchen.open_loaders.clear()
    assert list(files_with(kitchen.directory, ALICE))

    erased = erase(erasure(kitchen, subject(user_id=ALICE)))

    assert list(files_with(kitchen.directory, ALICE)) == []
    assert kitchen.event_ids() == ["b1", "b2", "b3"]
    assert [row["event_id"] for row in kitchen.rows("failed_events")] == ["f4"]
    assert erased.rows == {"events": 4, "failed_events": 4}
    assert erased.files
    assert list(files_with(kitchen.lake, BOB))


def test_events_on_their_way_lose_the_person_before_they_are_loaded(kitchen: Kitchen) -> None:
    """Nothing loads the log meanwhile; others in the same batch arrive."""
    kitchen.send_events("b0")
    loader = kitchen.load_all()
    loader.close()
    kitchen.open_loaders.clear()
    kitchen.send(event("a1", user_id=ALICE))
    kitchen.send(event("b1", user_id=BOB))

    erased = erase(erasure(kitchen, subject(user_id=ALICE)))
    kitchen.send_events("b2")
    kitchen.load_all()

    assert list(files_with(kitchen.directory, ALICE)) == []
    assert kitchen.event_ids() == ["b0", "b1", "b2"]
    assert kitchen.rows("failed_events") == []
    assert erased.records == {"raw": 1, "bad": 0}


def test_a_loader_at_work_is_waited_for_and_goes_on(kitchen: Kitchen) -> None:
    """Rows of hers that come in before the end of the log are deleted, whoever commits when."""
    is_over, is_made = threading.Event(), threading.Event()
    errors: list[str] = []
    sent: list[str] = []

    def work() -> None:
        loader = kitchen.loader(compact_after=40)
        is_made.set()
        number = 0
        while not is_over.is_set() or loader.load():
            if not is_over.is_set():
                number += 1
                sent.append(f"b{number}")
                kitchen.send(event(f"b{number}", user_id=BOB))
            try:
                loader.load()
                loader.settle()
                loader.maintain()
            except Exception as error:  # noqa: BLE001 - the service tries again, and so do we
                errors.append(type(error).__name__)
        loader.close()

    for number in range(50):
        kitchen.send(event(f"a{number}", user_id=ALICE))
    loader_thread = threading.Thread(target=work)
    loader_thread.start()
    is_made.wait()
    try:
        erased = erase(erasure(kitchen, subject(user_id=ALICE), wait_s=20))
    finally:
        is_over.set()
        loader_thread.join()
        kitchen.open_loaders.clear()

    assert erased.rows["events"] == 50
    assert list(files_with(kitchen.directory, ALICE)) == []
    assert kitchen.event_ids() == sorted(sent)
    assert len(errors) < 5


def test_a_loader_that_does_not_catch_up_is_said(kitchen: Kitchen) -> None:
    kitchen.send_events("b1")
    kitchen.loader()

    with pytest.raises(ErasureError, match="did not load"):
        erase(erasure(kitchen, subject(user_id=ALICE), wait_s=0.2))


def test_a_dry_run_counts_and_changes_nothing(kitchen: Kitchen) -> None:
    kitchen.send(event("a1", user_id=ALICE), event("b1"))
    kitchen.load_all().close()
    kitchen.open_loaders.clear()
    before = sorted(path.name for path in kitchen.lake.rglob("*.parquet"))

    erased = erase(erasure(kitchen, subject(user_id=ALICE), dry_run=True))

    assert erased.rows == {"events": 1, "failed_events": 0}
    assert erased.records == {"raw": 1, "bad": 0}
    assert erased.files == []
    assert sorted(path.name for path in kitchen.lake.rglob("*.parquet")) == before
    assert kitchen.event_ids() == ["a1", "b1"]


def test_mentions_in_longer_texts_are_told_and_go_where_asked(kitchen: Kitchen) -> None:
    kitchen.send(
        event("a1", user_id=ALICE),
        event("m1", page_url=f"https://x.example/?mail={quote(ALICE)}"),
        event("b1", page_url="https://x.example/?mail=b"),
    )
    kitchen.load_all().close()
    kitchen.open_loaders.clear()

    first = erase(erasure(kitchen, subject(user_id=ALICE)))
    second = erase(erasure(kitchen, subject(user_id=ALICE), anywhere=True))

    assert first.mentions == 1
    assert second.rows["events"] == 1
    assert kitchen.event_ids() == ["b1"]


def test_a_short_identifier_counts_only_under_the_name_of_one(kitchen: Kitchen) -> None:
    """Row 24 of somebody's users is also a colour depth."""
    kitchen.send(event("a1", user_id="24"), event("b1", br_colordepth="24"))
    kitchen.send(bad("f1", raw={"parameters": [{"name": "uid", "value": "24"}]}))
    kitchen.send(bad("f2", raw={"parameters": [{"name": "cd", "value": "24"}]}))
    kitchen.load_all().close()
    kitchen.open_loaders.clear()

    erased = erase(erasure(kitchen, subject(user_id="24")))

    assert erased.rows == {"events": 1, "failed_events": 1}
    assert kitchen.event_ids() == ["b1"]


def test_files_that_a_killed_loader_left_go_too(kitchen: Kitchen) -> None:
    kitchen.send(event("a1", user_id=ALICE))
    kitchen.load_all().close()
    kitchen.open_loaders.clear()
    (data,) = (path for path in (kitchen.lake / "events").rglob("*.parquet"))
    orphan = data.with_name("part-00000-orphan.parquet")
    orphan.write_bytes(data.read_bytes())

    erased = erase(erasure(kitchen, subject(user_id=ALICE)))

    assert not orphan.exists()
    assert any("orphan" in name for name in erased.files)


def test_a_record_keeps_its_length_and_the_events_of_others() -> None:
    body = {
        "schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4",
        "data": [{"e": "pv", "uid": ALICE}, {"e": "pv", "uid": BOB, "n": "é"}],
    }
    payload = CollectorPayload(
        ip_address="unknown", timestamp=1, collector="c", body=json.dumps(body, indent=1)
    )
    record = encode(payload)

    changed = without_subject(record, subject(user_id=ALICE))

    assert changed is not None
    assert len(changed) == len(record)
    kept = decode(changed)
    assert json.loads(kept.body or "")["data"] == body["data"][1:]
    assert without_subject(changed, subject(user_id=ALICE)) is None


@pytest.mark.parametrize(
    "parts",
    [
        {"querystring": f"e=pv&uid={quote(ALICE)}"},
        {"headers": (f"Cookie: sp={ALICE}",)},
        {"body": "{" + ALICE},
        {"body": json.dumps({"schema": "iglu:a", "data": [{"uid": ALICE}]})},
    ],
)
def test_a_record_of_one_person_alone_is_blanked(parts: dict[str, Any]) -> None:
    record = encode(CollectorPayload(ip_address="unknown", timestamp=1, collector="c", **parts))

    changed = without_subject(record, subject(user_id=ALICE))

    assert changed == bytes(len(record))
    assert is_erased(changed)


def test_a_receipt_names_the_person_only_to_who_knows_them(tmp_path: Path) -> None:
    place = LakePlace(str(tmp_path / "lake"))
    order = Erasure(subject=subject(user_id=ALICE), place=place, data=tmp_path)
    erased = erase(order)
    path = tmp_path / "receipts" / "receipt.json"

    write_receipt(receipt(order, erased, started_ms=0, ended_ms=1000, salt=b"0" * 16), path)

    text = path.read_text()
    (named,) = json.loads(text)["subject"]
    assert ALICE not in text
    assert named["scrypt"] == subject_hash(ALICE, bytes.fromhex(named["salt"]))
    assert path.stat().st_mode & 0o077 == 0
