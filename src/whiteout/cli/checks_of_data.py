"""What `whiteout doctor` finds where events are kept: the data folder, the log, the lake, Kafka."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from typing import TYPE_CHECKING, Final

from whiteout.cli.checks import Finding, State
from whiteout.errors import ConfigurationError, LogError, WhiteoutError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from whiteout.collector.settings import Limits
    from whiteout.kafka.settings import KafkaSettings

_LITTLE_BYTES: Final = 1_000_000_000
_MUCH: Final = 0.5  # of what the log may hold


def data_folder(folder: Path) -> Iterator[Finding]:
    """Whether the store can be written, by its owner alone."""
    there = _nearest(folder)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        yield Finding(
            check="data folder",
            state="broken",
            found=f"{folder} cannot be written",
            cure="choose another with --data or WHITEOUT_DATA, or make it yours (chown)",
        )
        return
    found = str(folder) if folder.exists() else f"{folder} will be made at the first start"
    open_to = stat.S_IMODE(folder.stat().st_mode) & 0o077 if folder.exists() else 0
    if open_to and os.name != "nt":
        yield Finding(
            check="data folder",
            state="broken",
            found=f"{folder} is open to other users of this machine",
            cure=f"chmod 700 {folder}",
        )
    else:
        yield Finding(check="data folder", state="ok", found=found)


def disk_space(folder: Path, limits: Limits, free: int | None = None) -> Iterator[Finding]:
    """Whether there is room for more events.

    Args:
        folder: of data; it need not be there yet.
        limits: of the collector, which refuses events below `free_bytes`.
        free: bytes of the disk; None asks the system.
    """
    if free is None:
        free = shutil.disk_usage(_nearest(folder)).free
    state: State = "ok"
    if free < _LITTLE_BYTES + limits.free_bytes:
        state = "broken" if free < limits.free_bytes else "note"
    refused = ", less than limits.free_bytes: events are refused" if state == "broken" else ""
    yield Finding(
        check="disk space",
        state=state,
        found=f"{free / 1e9:.1f} GB free{refused}",
        cure="" if state == "ok" else "make room, or choose another disk with --data",
    )


def log(folder: Path, limits: Limits) -> Iterator[Finding]:
    """Whether what was accepted is being loaded."""
    if not (folder / "log" / "raw").is_dir():  # a look makes nothing
        yield Finding(check="log", state="ok", found="empty: nothing was collected yet")
        return
    from whiteout.log import open_log  # noqa: PLC0415 - when it runs

    try:
        with contextlib.closing(open_log(folder / "log" / "raw", writer=False)) as opened:
            end, loaded = opened.end_offset(), opened.committed("lake")
            kept = opened.usage().kept_bytes
            if loaded < end:
                opened.read(loaded, max_records=1, max_bytes=1)
    except LogError as error:
        yield Finding(
            check="log",
            state="broken",
            found=str(error),
            cure="start whiteout up, which repairs what can be; else restore it from a backup",
        )
        return
    waiting, most = max(end - loaded, 0), limits.log_bytes
    state: State = "ok"
    if waiting and most is not None and kept >= most * _MUCH:
        state = "broken" if kept >= most else "note"
    yield Finding(
        check="log",
        state=state,
        found=f"{waiting} records wait for the lake; {kept / 1e6:.1f} MB",
        cure="" if state == "ok" else "see that whiteout up or enrich runs, and can write the lake",
    )


def lake(address: str, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the lake can be read."""
    from whiteout.lake.place import LakeError, lake_place  # noqa: PLC0415 - heavy
    from whiteout.lake.reader import Lake  # noqa: PLC0415 - heavy

    try:
        place = lake_place(address, environment)
        if place.open_table("events") is None:
            yield Finding(check="lake", state="ok", found="empty: nothing was loaded yet")
            return
        rows = Lake(place).query("SELECT count(*) AS n FROM events").to_pylist()
    except ConfigurationError as error:
        cure = "write --lake or WHITEOUT_LAKE like that"
        yield Finding(check="lake", state="broken", found=str(error), cure=cure)
        return
    except LakeError as error:
        yield Finding(
            check="lake",
            state="broken",
            found=str(error),
            cure="check the address, the network, and the credentials in the environment",
        )
        return
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        yield Finding(
            check="lake",
            state="broken",
            found=f"cannot be read ({type(error).__name__})",
            cure="upgrade whiteout if a newer one wrote it; else restore it from a backup",
        )
        return
    yield Finding(check="lake", state="ok", found=f"{rows[0]['n']} events")


def kafka(settings: KafkaSettings, *, patience_s: float = 5.0) -> Iterator[Finding]:
    """Whether the brokers answer, and have the topics."""
    from whiteout.kafka.topics import topics_of  # noqa: PLC0415 - only where Kafka is

    try:
        there = topics_of(settings, timeout_s=patience_s)
    except WhiteoutError as error:
        yield Finding(
            check="kafka",
            state="broken",
            found=str(error).partition("; ")[0],
            cure="check the address, that Kafka runs there, and the options of client.…",
        )
        return
    missing = [
        settings.topic(name) for name in settings.topics if settings.topic(name) not in there
    ]
    found = (
        f"answers; topics that will be made: {', '.join(missing)}" if missing else "has all topics"
    )
    yield Finding(check="kafka", state="ok", found=found)


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())
