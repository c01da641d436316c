"""A disk that is full, really: nothing is lost, doubled or called failed, and loading goes on."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from deltalake.exceptions import DeltaError
from tests.lake.conftest import make_event
from tests.lake.test_stream_loader import Stream, bad_row, line, uuid_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lake.conftest import Kitchen

DISK_BYTES = 3 * 1024 * 1024
ATTEMPTS = 8  # more than are made before a batch is divided

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it takes tmpfs")


class Disk:
    """A file system of three megabytes."""

    def __init__(self, path: Path) -> None:
        self.path, self._ballast = path, path / "ballast"

    def fill(self, *, leave: int = 0) -> None:
        """Leave so many bytes."""
        self._ballast.unlink(missing_ok=True)
        with contextlib.suppress(OSError), self._ballast.open("wb", 0) as file:
            while True:
                file.write(bytes(4096))
        os.truncate(self._ballast, self._ballast.stat().st_size - leave)

    def empty(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "lake"
    path.mkdir()
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(path)]
    if (
        mount is None
        or subprocess.run([mount, *options], capture_output=True, check=False).returncode
    ):
        pytest.skip("only root may mount")
    yield Disk(path)
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.parametrize("leave", [0, 4096, 80_000, 300_000])
def test_events_wait_until_there_is_room(disk: Disk, kitchen: Kitchen, leave: int) -> None:
    kitchen.send_events("e0")
    loader = kitchen.load_all()
    disk.fill(leave=leave)
    names = [f"e{number}" for number in range(1, 40)]
    # No text repeats, so that no compression makes it small.
    events = [
        {"columns": {"event_id": name, "page_title": os.urandom(8_000).hex()}} for name in names
    ]
    for event in events:
        kitchen.send(event)
    kitchen.send({"bad": "iglu:a/b/jsonschema/1-0-0", "data": {"payload": {}}})
    refused = 0
    for _ in range(ATTEMPTS):
        try:
            loader.load()
        except Exception:  # noqa: BLE001 - Delta Lake's, the system's or SQLite's
            refused += 1

    assert refused == ATTEMPTS
    disk.empty()
    kitchen.load_all(loader)

    assert kitchen.event_ids() == sorted(["e0", *names])
    assert len(kitchen.rows("failed_events")) == 1
    assert loader.counts.quarantined == 0
    kitchen.send(*events)  # and the index has come after the lake
    kitchen.load_all(loader)
    assert len(kitchen.rows()) == 40


@pytest.mark.parametrize("leave", [0, 80_000])
def test_a_loader_of_streams_waits_as_well(disk: Disk, leave: int) -> None:
    stream = Stream(disk.path)
    stream.put("e0", line("a"))
    loader = stream.loader()
    stream.catch_up(loader)
    disk.fill(leave=leave)
    large = [
        make_event({"event_id": uuid_of(n), "page_title": os.urandom(30_000).hex()}) for n in "12"
    ]
    stream.put("e0", *(event.tsv().encode() for event in large), b"no event")
    stream.put("f0", bad_row("x"))
    for _ in range(ATTEMPTS):
        with pytest.raises((DeltaError, OSError, sqlite3.OperationalError)):
            stream.catch_up(loader)
    disk.empty()

    stream.catch_up(loader)

    assert len(stream.ids()) == 3
    assert len(stream.ids("failed_events")) == 2
    stream.close()
