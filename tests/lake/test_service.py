from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.enrich.conftest import JSON_TYPE, MINIMAL, post, unstruct_event
from tests.enrich.enrichments.support import ENRICHMENTS, configure
from tests.lake.conftest import make_event

from whiteout.enrich import BadRow, Enricher, EnrichSettings
from whiteout.enrich.enrichments.pseudonymise import Pseudonymise
from whiteout.errors import ConfigurationError, LogError, ProtocolError
from whiteout.lake import loader as loading
from whiteout.lake.service import (
    ServiceSettings,
    log_name,
    make_enricher,
    make_resolver,
    open_pipeline,
    registries,
    run,
)
from whiteout.lake.tables import LakeTable

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lake.conftest import Kitchen


LOAD_AND_TIDY = """
import sys
from pathlib import Path
from whiteout.lake.service import ServiceSettings, open_pipeline

folder = Path(sys.argv[1])
with open_pipeline(folder, folder, ServiceSettings()) as loader:
    loader.load()
    loader.maintain(force=True)
    print(loader.counts.events, *(name for name in sys.argv[2:] if name in sys.modules))
"""


class BrokenLake:
    """A loader whose lake cannot be written `failures` times."""

    def __init__(self, failures: int, fault: Exception | None = None) -> None:
        self.failures = failures
        self.fault = fault or OSError("no space left on device")
        self.is_behind = False
        self.settled = 0

    def load(self) -> int:
        self.failures -= 1
        if self.failures >= 0:
            raise self.fault
        return 0

    def settle(self) -> None:
        self.settled += 1

    def maintain(self) -> bool:
        return False


def stopped() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def test_a_stop_loads_what_is_in_the_log_and_tells_the_log(kitchen: Kitchen) -> None:
    kitchen.send_events(*[f"e{number}" for number in range(7)])
    loader = kitchen.loader(max_records=2)

    run(loader, stopped(), commit_interval_s=60)

    assert len(kitchen.rows()) == 7
    assert kitchen.raw.committed("lake") == 7


def test_a_loader_that_is_behind_does_not_wait_between_commits(kitchen: Kitchen) -> None:
    """Else what a second brings could be no more than a batch holds."""
    kitchen.send_events(*[f"e{number}" for number in range(7)])
    stop = threading.Event()
    loader = kitchen.loader(max_records=2)
    done: list[int] = []

    def watch() -> None:
        tick = threading.Event()
        for _ in range(2000):
            if loader.counts.events == 7:
                break
            tick.wait(0.01)
        done.append(loader.counts.events)
        stop.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    run(loader, stop, commit_interval_s=60)
    watcher.join()

    assert done == [7]
    assert not loader.is_behind


def test_it_loads_until_it_is_stopped(kitchen: Kitchen) -> None:
    stop = threading.Event()
    loader = kitchen.loader()

    def feed() -> None:
        tick = threading.Event()
        for number in range(3):
            kitchen.send_events(f"e{number}")
            for _ in range(2000):
                if loader.counts.events > number:
                    break
                tick.wait(0.01)
        stop.set()

    feeder = threading.Thread(target=feed)
    feeder.start()
    run(loader, stop, commit_interval_s=0.0)
    feeder.join()

    assert kitchen.event_ids() == ["e0", "e1", "e2"]
    assert loader.counts.commits == 3


def test_a_lake_that_cannot_be_written_for_a_while_is_tried_again() -> None:
    lake: Any = BrokenLake(failures=2)

    run(lake, stopped(), commit_interval_s=0)

    assert lake.settled == 1


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (LogError("record 7 of the log is damaged"), "record 7 of the log is damaged"),
        (OSError(28, "No space left on device", "/mnt/alice"), "No space left on device"),
        (ValueError("alice@example.org is no number"), "ValueError"),
        (ProtocolError("alice@example.org is no URI"), "ProtocolError"),
    ],
)
def test_the_log_says_why_loading_failed_and_nothing_of_the_data(
    caplog: pytest.LogCaptureFixture, fault: Exception, told: str
) -> None:
    lake: Any = BrokenLake(failures=1, fault=fault)

    run(lake, stopped(), commit_interval_s=0)

    assert caplog.messages == [f"loading failed ({told}), trying again"]


def test_the_log_names_what_a_table_could_not_be_written_for(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    loader = kitchen.loader()
    kitchen.send_events("e1")
    append = LakeTable.append

    def refuse(*_: object, **__: object) -> None:
        monkeypatch.setattr(LakeTable, "append", append)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LakeTable, "append", refuse)
    run(loader, stopped(), commit_interval_s=0)

    assert caplog.messages == ["loading failed (No space left on device), trying again"]
    assert kitchen.event_ids() == ["e1"]


def test_a_lake_that_stays_broken_ends_a_stop_with_its_error() -> None:
    lake: Any = BrokenLake(failures=1000)

    with pytest.raises(OSError, match="no space"):
        run(lake, stopped(), commit_interval_s=0)

    assert lake.settled == 0


def test_the_name_of_a_log_goes_with_its_folder(tmp_path: Path) -> None:
    first = log_name(tmp_path / "log")

    assert log_name(tmp_path / "log") == first
    assert log_name(tmp_path / "another") != first


def test_registries_are_asked_in_the_order_of_the_documentation(tmp_path: Path) -> None:
    found = registries([str(tmp_path), "https://iglu.example.com"], iglu_central=True)

    names = [registry.name for registry in found]
    assert names[1:] == [str(tmp_path), "https://iglu.example.com", "Iglu Central"]
    assert len(registries([], iglu_central=False)) == 1
    with pytest.raises(ConfigurationError):
        registries([str(tmp_path / "none")], iglu_central=False)


def test_the_settings_of_enrich_hold_with_and_without_enrichments(tmp_path: Path) -> None:
    """A folder of enrichments says no more than what is done with anonymous events."""
    told = EnrichSettings(atomic_limits={"page_title": 3}, incomplete_events=True)
    for folder in (None, tmp_path):
        settings = ServiceSettings(iglu_central=False, enrichments=folder, enrich=told)
        with contextlib.ExitStack() as stack:
            enricher = make_enricher(settings, make_resolver(settings), stack)
            (row,) = enricher.enrich(post({**MINIMAL, "page": "four"}))

        assert isinstance(row, BadRow)
        assert row.incomplete is not None
        assert row.incomplete["page_title"] is None


def test_two_workers_that_write_what_undoes_pseudonyms_write_whole_lines(tmp_path: Path) -> None:
    """Also lines longer than a buffer."""
    configure(
        tmp_path,
        ENRICHMENTS,
        "pii_enrichment_config",
        "2-0-1",
        {
            "pii": [{"pojo": {"field": "se_label"}}],
            "strategy": {"pseudonymize": {"hashFunction": "SHA-256", "salt": "pepper123"}},
        },
        emitEvent=True,
    )
    vault = tmp_path / "vault.tsv"
    settings = ServiceSettings(iglu_central=False, enrichments=tmp_path, pii_events=vault)

    def work(name: str) -> None:
        with contextlib.ExitStack() as stack:
            (one,) = make_enricher(settings, make_resolver(settings), stack)._enrichments
            assert isinstance(one, Pseudonymise)
            assert one.emit is not None
            event = make_event({"se_label": name * 30_000})
            for _ in range(1_000):
                one.emit(event)

    workers = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    sizes = {len(line) for line in vault.read_text().splitlines()}
    assert len(sizes) == 1


def test_a_log_that_fails_is_not_taken_for_an_empty_one(kitchen: Kitchen) -> None:
    kitchen.send_events("e1")
    loader = kitchen.loader()

    class Failing:
        def read(self, *_: object, **__: object) -> list[tuple[int, bytes]]:
            raise LogError("record 0 of the log is damaged")

    loader._raw = type(loader._raw)(log=Failing(), name="raw")  # type: ignore[arg-type]
    with pytest.raises(LogError):
        run(loader, stopped(), commit_interval_s=0)


def test_loading_does_without_the_modules_that_take_much_memory(kitchen: Kitchen) -> None:
    """15 MB in all; none is needed where schemas are embedded and no file was left behind."""
    focus = "iglu:com.snowplowanalytics.snowplow/application_foreground/jsonschema/1-0-0"
    sent = unstruct_event({"schema": focus, "data": {"foregroundIndex": 1}})
    kitchen.raw.append(
        [post({**MINIMAL, "dtm": "1700000000000"}, {**MINIMAL, "e": "ue", "ue_pr": sent})]
    )
    heavy = ["pyarrow.compute", "pyarrow.dataset", "pyarrow.fs", "urllib3"]

    result = subprocess.run(
        [sys.executable, "-P", "-c", LOAD_AND_TIDY, str(kitchen.directory), *heavy],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )

    assert result.stdout.split() == ["2"]


@pytest.mark.parametrize("fault", ["enrich", "table"])
def test_a_record_set_aside_is_as_clean_as_any_failed_event(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    record = post(
        {**MINIMAL, "ip": "203.0.113.77"},
        ip_address="203.0.113.77",
        headers=("SP-Anonymous: *", "X-Forwarded-For: 203.0.113.77", JSON_TYPE),
    )
    kitchen.raw.append([record])

    def faulty(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    place = Enricher if fault == "enrich" else loading
    monkeypatch.setattr(place, "enrich_all" if fault == "enrich" else "events_table", faulty)
    with open_pipeline(kitchen.directory, kitchen.directory, ServiceSettings()) as loader:
        kitchen.load_all(loader)

    (row,) = kitchen.rows("failed_events")
    data = json.loads(row["bad_row"])["data"]
    assert data["failure"]["errors"] == ["ZeroDivisionError"]
    kept = base64.b64decode(data["payload"])
    assert b"SP-Anonymous: *" in kept
    assert b"203.0.113" not in kept
