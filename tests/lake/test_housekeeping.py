"""Retention and dead files: in time, without a commit to wait for, and whatever a clock says."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from deltalake import DeltaTable
from tests.lake.conftest import NOW_MS

from whiteout.lake.clock import ClockError
from whiteout.lake.orphans import remove_orphans
from whiteout.lake.service import run

if TYPE_CHECKING:
    from tests.lake.conftest import Kitchen

    from whiteout.lake.loader import Loader

BAD = "iglu:com.snowplowanalytics.snowplow.badrows/schema_violations/jsonschema/2-0-1"
DAY_MS = 86_400_000
HOUR_MS = 3_600_000


def load(kitchen: Kitchen, loader: Loader, event_id: str) -> None:
    kitchen.send({"columns": {"event_id": event_id}}, {"bad": BAD, "data": {"payload": {}}})
    kitchen.load_all(loader)


def files(kitchen: Kitchen, table: str = "events") -> list[str]:
    return sorted(path.name for path in (kitchen.lake / table).glob("load_tstamp_date=*/*.parquet"))


def tend(loader: Loader) -> bool:
    """What the loop does; with what it began on its thread done at the end."""
    is_due = loader.maintain()
    loader._housekeeper.close()
    return is_due


def test_rows_of_a_table_are_kept_as_many_days_as_it_is_told(kitchen: Kitchen) -> None:
    """Whole load dates go, and their files; a table that is not named keeps all."""
    loader = kitchen.loader(retention_days={"events": 30}, retention_hours=0)
    for age in (32, 31, 30, 1):
        kitchen.now_ms = NOW_MS - age * DAY_MS
        load(kitchen, loader, f"e{age}")
    kitchen.now_ms = NOW_MS

    assert tend(loader)

    assert kitchen.event_ids() == ["e1", "e30"]
    assert len(kitchen.rows("failed_events")) == 4
    assert len(files(kitchen)) == 2


def test_an_idle_lake_loses_its_old_days_and_their_files(kitchen: Kitchen) -> None:
    """No event comes, no process starts: the clock alone makes it time."""
    loader = kitchen.loader(retention_days={"events": 2}, retention_hours=0)
    load(kitchen, loader, "e1")
    kept = []
    for _ in range(8):
        kitchen.now_ms += 12 * HOUR_MS
        tend(loader)
        kept.append(len(files(kitchen)))

    # Loaded at eleven, kept two whole days: it goes when the third one is over.
    assert kept == [1, 1, 1, 1, 1, 0, 0, 0]
    assert kitchen.event_ids() == []
    assert len(kitchen.rows("failed_events")) == 1


def test_it_is_done_once_at_each_start(kitchen: Kitchen) -> None:
    """A pipeline that is started anew each day never makes sixty commits."""
    load(kitchen, kitchen.loader(), "e1")
    kitchen.now_ms += DAY_MS
    kitchen.loader(retention_days={"events": 1}).maintain()
    kitchen.now_ms += DAY_MS

    loader = kitchen.loader(retention_days={"events": 1})

    assert [tend(loader), tend(loader)] == [True, False]
    assert kitchen.event_ids() == []


def test_the_command_s_option_lets_old_days_go_soon_after_the_start(kitchen: Kitchen) -> None:
    now_ms = time.time_ns() // 1_000_000
    loader = kitchen.loader()
    for age in (40, 0):
        kitchen.now_ms = now_ms - age * DAY_MS
        load(kitchen, loader, f"e{age}")
    loader.close()
    kitchen.open_loaders.clear()
    (kitchen.lake / "seen.sqlite3").unlink()  # its last word would be of forty days ago
    command = [sys.executable, "-P", "-m", "whiteout.cli", "enrich", "--no-iglu-central"]
    places = ["--from", f"spool://{kitchen.directory / 'none'}", "--to", str(kitchen.directory)]
    process = subprocess.Popen([*command, *places, "--retention", "events=30d"])
    try:
        deadline = time.monotonic() + 30
        while kitchen.event_ids() != ["e0"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        process.terminate()
        process.wait(30)

    assert len(kitchen.rows("failed_events")) == 2


def test_a_new_day_is_a_reason(kitchen: Kitchen) -> None:
    loader = kitchen.loader(tidy_after_s=1e9)
    load(kitchen, loader, "e1")
    midnight = -(-kitchen.now_ms // DAY_MS) * DAY_MS

    due = []
    for now_ms in (midnight - 60_000, midnight - 1, midnight, midnight + 60_000):
        kitchen.now_ms = now_ms
        due.append(tend(loader))

    assert due == [True, False, True, False]


def test_the_loop_sees_to_it_while_loading_fails(kitchen: Kitchen) -> None:
    """Where the disk is full, what is too old is what makes room."""
    load(kitchen, kitchen.loader(), "e1")
    kitchen.now_ms += DAY_MS
    load(kitchen, kitchen.loader(), "e2")
    kitchen.now_ms += DAY_MS
    loader = kitchen.loader(retention_days={"events": 1}, retention_hours=0)
    stop = threading.Event()

    calls = []

    def fail() -> int:
        calls.append(1)
        if len(calls) > 1:
            stop.set()
        raise OSError("no space left on device")

    loader.load = fail  # type: ignore[method-assign] # the disk is not full here
    with pytest.raises(OSError, match="no space"):
        run(loader, stop, commit_interval_s=0)

    assert kitchen.event_ids() == ["e2"]


def test_a_clock_that_leaps_ahead_deletes_nothing(
    kitchen: Kitchen, caplog: pytest.LogCaptureFixture
) -> None:
    loader = kitchen.loader(retention_days={"events": 30, "failed_events": 30}, seen_days=30)
    load(kitchen, loader, "e1")
    tend(loader)
    caplog.set_level(logging.WARNING, "whiteout.lake")
    kitchen.now_ms += 40 * DAY_MS
    loader._housekeeper.tend({}, force=True)  # through all of the index
    loader._housekeeper.tend({}, force=True)
    for _ in range(23):
        kitchen.now_ms += HOUR_MS
        tend(loader)
    kitchen.loader(retention_days={"events": 30}).maintain(force=True)  # nor does a start
    kitchen.now_ms = NOW_MS + HOUR_MS
    loader = kitchen.loader(retention_days={"events": 30})
    tend(loader)
    load(kitchen, loader, "e1")

    assert kitchen.event_ids() == ["e1"]
    assert loader.counts.duplicates == 1
    assert "retention waits until it has said so for a day" in caplog.text
    assert caplog.text.count("the clock says") == 1


def test_a_clock_that_has_stood_by_its_leap_for_a_day_is_believed(kitchen: Kitchen) -> None:
    """Else a pipeline that was off for long would keep for ever what it has."""
    load(kitchen, kitchen.loader(), "e1")
    tend(kitchen.open_loaders[0])
    kitchen.now_ms += 40 * DAY_MS
    tend(kitchen.loader(retention_days={"events": 30}))
    kitchen.now_ms += DAY_MS

    tend(kitchen.loader(retention_days={"events": 30}))

    assert kitchen.event_ids() == []


def test_a_clock_that_leaps_back_deletes_nothing_and_is_believed_after_a_day(
    kitchen: Kitchen,
) -> None:
    loader = kitchen.loader(retention_days={"events": 30}, seen_days=30)
    load(kitchen, loader, "e1")
    tend(loader)
    kitchen.now_ms -= 3000 * DAY_MS
    load(kitchen, loader, "e2")
    tend(loader)
    kitchen.now_ms = NOW_MS + DAY_MS
    load(kitchen, loader, "e1")
    load(kitchen, loader, "e2")

    assert kitchen.event_ids() == ["e1", "e2"]
    days = {row["load_tstamp_date"] for row in kitchen.rows()}
    assert days == {datetime.fromtimestamp(NOW_MS / 1000, UTC).date()}


def test_nothing_is_loaded_while_the_clock_is_more_than_a_year_ahead(kitchen: Kitchen) -> None:
    """Its rows would be dated so far ahead that retention would not reach them."""
    loader = kitchen.loader()
    load(kitchen, loader, "e1")
    kitchen.now_ms += 73 * 366 * DAY_MS
    kitchen.send_events("e2")
    with pytest.raises(ClockError, match="set it right"):
        loader.load()
    with pytest.raises(ClockError):
        kitchen.loader().load()
    kitchen.now_ms = NOW_MS + 1_000

    kitchen.load_all(loader := kitchen.loader())

    assert kitchen.event_ids() == ["e1", "e2"]
    assert max(row["load_tstamp"] for row in kitchen.rows()).year == 2026
    assert loader.counts.events == 1


def test_a_year_of_rest_costs_a_day(kitchen: Kitchen) -> None:
    load(kitchen, kitchen.loader(), "e1")
    kitchen.now_ms += 400 * DAY_MS
    kitchen.send_events("e2")
    with pytest.raises(ClockError):
        kitchen.loader().load()
    kitchen.now_ms += DAY_MS

    kitchen.load_all()

    assert kitchen.event_ids() == ["e1", "e2"]


def test_a_clock_that_was_never_set_proves_nothing(kitchen: Kitchen) -> None:
    """A small computer without a battery starts in 1970, and asks the network a minute later."""
    kitchen.now_ms = 60_000
    loader = kitchen.loader()
    load(kitchen, loader, "e1")
    kitchen.now_ms = NOW_MS

    load(kitchen, loader, "e2")

    assert kitchen.event_ids() == ["e1", "e2"]


def test_a_file_that_a_loader_is_about_to_commit_stays_whatever_this_machine_s_clock_says(
    kitchen: Kitchen,
) -> None:
    """Its age is told by the store's own clock, which is days behind here."""
    load(kitchen, kitchen.loader(), "e1")
    table = DeltaTable(kitchen.lake / "events")
    store_s = time.time() - 100 * 3600
    for path in (kitchen.lake / "events" / "_delta_log").iterdir():
        os.utime(path, (store_s, store_s))
    folder = next((kitchen.lake / "events").glob("load_tstamp_date=*"))
    young, old = folder / "young.parquet", folder / "old.parquet"
    for path, age_s in ((young, 23 * 3600), (old, 25 * 3600)):
        path.write_bytes(b"a row group")
        os.utime(path, (store_s - age_s, store_s - age_s))

    removed = remove_orphans(table, None, retention_hours=1, older_than_s=24 * 3600)

    assert [name.rpartition("/")[2] for name in removed] == ["old.parquet"]
    assert young.exists()
    assert not old.exists()
    assert kitchen.event_ids() == ["e1"]


def test_what_a_killed_loader_left_behind_goes_after_a_day(kitchen: Kitchen) -> None:
    loader = kitchen.loader()
    load(kitchen, loader, "e1")
    orphan = next((kitchen.lake / "events").glob("load_tstamp_date=*")) / "orphan.parquet"
    orphan.write_bytes(b"a row group")

    tend(loader)
    assert orphan.exists()
    os.utime(orphan, (time.time() - 25 * 3600,) * 2)
    kitchen.now_ms += HOUR_MS
    tend(loader)

    assert not orphan.exists()
