"""JSON lines filled from a lake: a file a table, each row once.

Invariants, which `tests/lake/test_jsonl.py` attacks:

1. The places file says how long each file is, and which loads it has up to there. It is replaced
   only when the lines are on the disk; what a file has beyond is of a writer that was killed, and
   is cut off before anything is added.
2. A load that has grown (two loaders may use the same time) is read again, and only those of its
   lines are added that stand in the file fewer times than in the lake.
3. Lines are whole, and end with a newline.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from whiteout.errors import ConfigurationError, WhiteoutError
from whiteout.lake.batch import LOAD_TSTAMP
from whiteout.lake.loads import TABLES, count_loads, new_rows
from whiteout.lake.rebuild import Rebuilder
from whiteout.log.files import lock_file, replace_file, sync_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from whiteout.lake.place import LakePlace

_PLACES = "whiteout-places.json"
_ORDER = {"events": "collector_tstamp", "failed_events": "failure_tstamp"}


class JsonlError(WhiteoutError):
    """The folder cannot be written, or holds what is not this program's; the message says what."""


@dataclass(slots=True)
class _Place:
    """Up to where one file goes.

    Attributes:
        lake: the id of the table that is copied.
        bytes: how long the file is.
        loads: those of the last while: their rows, and where their lines are in the file.
    """

    lake: str = ""
    bytes: int = 0
    loads: dict[int, tuple[int, int, int]] = field(default_factory=dict)

    @property
    def last_us(self) -> int:
        return max(self.loads, default=0)


class JsonlLoader:
    """Copies what is new in a lake to `events.jsonl` and `failed_events.jsonl`.

    Used by one thread; one a folder. An event is the official analytics SDKs' JSON object, a failed
    event its bad row.

    Args:
        place: the lake.
        folder: made where it is not there, for its owner alone.
        overlap_s: how far back loads are looked at again, for lakes with several loaders.
        progress: told how many rows were added to which file.

    Raises:
        JsonlError: the folder cannot be written.
        LogError: another process writes there.
    """

    def __init__(
        self,
        place: LakePlace,
        folder: Path,
        *,
        overlap_s: float = 600.0,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._lake, self._folder, self._progress = place, folder, progress
        self._overlap_us = int(overlap_s * 1e6)
        self._versions: dict[str, int] = {}
        self.rows: Counter[str] = Counter()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = lock_file(folder / ".lock")
        except OSError as error:
            raise JsonlError(f"{folder} cannot be written: {error.strerror}") from error
        try:
            self._places = self._read_places()
            for name in TABLES:
                self._heal(name)
            self._write_places()  # before the first line, so that none is taken for another's
        except BaseException:
            self.close()
            raise

    def load(self) -> int:
        """Copy what the lake has and the files have not; how many rows that were.

        Raises:
            JsonlError: a file cannot be written. Nothing is lost or doubled: make another loader.
            LakeError: the lake cannot be read.
        """
        return sum(self._load_table(name) for name in TABLES)

    def close(self) -> None:
        """Let others write."""
        os.close(self._lock)

    def _load_table(self, name: str) -> int:
        opened = self._lake.open_table(name)
        if opened is None or opened.version() == self._versions.get(name):
            return 0
        lake, place = str(opened.metadata().id), self._places[name]
        if place.lake != lake:  # another lake: all of it is new
            place.lake, place.loads = lake, {}
        dataset = opened.to_pyarrow_dataset()
        loads = count_loads(dataset, place.last_us - self._overlap_us)
        known = {us: rows for us, (rows, _, _) in place.loads.items()}
        rebuilder = Rebuilder(pa.schema(opened.schema().to_arrow()))
        added = 0
        for times, table in new_rows(dataset, loads, known):
            rows = table.sort_by([(LOAD_TSTAMP, "ascending"), (_ORDER[name], "ascending")])
            added += self._add(name, times, _lines(name, rows, rebuilder), loads)
        self._versions[name] = opened.version()
        return added

    def _add(
        self, name: str, times: list[int], lines: dict[int, list[bytes]], loads: Counter[int]
    ) -> int:
        """Add the lines of some loads, bring them to the disk, and say so."""
        place = self._places[name]
        added = 0
        try:
            with self._path(name).open("ab") as file:
                for us in times:
                    missing = self._missing(name, us, lines[us])
                    data = b"".join(missing)
                    file.write(data)
                    place.loads[us] = (loads[us], place.bytes, len(data))
                    place.bytes += len(data)
                    added += len(missing)
                file.flush()
                sync_data(file.fileno())
            oldest = place.last_us - self._overlap_us
            place.loads = {us: load for us, load in place.loads.items() if us >= oldest}
            self._write_places()
        except OSError as error:
            raise JsonlError(f"{self._folder} cannot be written: {error.strerror}") from error
        self.rows[name] += added
        self._progress(f"{self.rows[name]} rows added to {name}")
        return added

    def _missing(self, name: str, us: int, lines: list[bytes]) -> list[bytes]:
        """Those of a load's lines that the file has not yet; nearly always all of them."""
        if us not in self._places[name].loads:
            return lines
        _, start, length = self._places[name].loads[us]
        with self._path(name).open("rb") as file:
            file.seek(start)
            there = Counter(file.read(length).splitlines(keepends=True))
        missing = []
        for line in lines:
            if there[line]:
                there[line] -= 1
            else:
                missing.append(line)
        return missing

    def _heal(self, name: str) -> None:
        """Cut off what a writer that was killed had not told of."""
        path, length = self._path(name), self._places[name].bytes
        size = path.stat().st_size if path.exists() else 0
        if size < length:
            raise JsonlError(
                f"{path} has {size} bytes, and {_PLACES} says that it has {length}: it was cut or"
                " moved away. Choose another folder, or remove both to begin anew"
            )
        if size > length:
            os.truncate(path, length)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.jsonl"

    def _read_places(self) -> dict[str, _Place]:
        path = self._folder / _PLACES
        try:
            found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
            places = {
                name: _Place(
                    str(one["lake"]),
                    int(one["bytes"]),
                    {int(us): (rows, at, size) for us, (rows, at, size) in one["loads"].items()},
                )
                for name, one in found.items()
            }
        except (ValueError, LookupError, TypeError, AttributeError, OSError) as error:
            raise JsonlError(f"{path} is not readable as places: choose another folder") from error
        if not found:
            for name in TABLES:
                if self._path(name).exists() and self._path(name).stat().st_size:
                    raise JsonlError(
                        f"{self._path(name)} is there, and no {_PLACES} beside it: choose a folder"
                        " that this command has made"
                    )
        return {name: places.get(name, _Place()) for name in TABLES}

    def _write_places(self) -> None:
        found = {name: asdict(place) for name, place in self._places.items()}
        replace_file(self._folder / _PLACES, json.dumps(found).encode())


def folder_of(text: str) -> str:
    """Check what names the folder.

    Raises:
        ConfigurationError: it is empty, or the mark of standard output.
    """
    if text in ("", "-"):
        raise ConfigurationError(
            f"--jsonl must name a folder, got {text!r}; on standard output events are shown by"
            " whiteout events --limit 0 --follow --format json"
        )
    return text


def _lines(name: str, rows: pa.Table, rebuilder: Rebuilder) -> dict[int, list[bytes]]:
    """The lines of each load, by its time."""
    moments = rows[LOAD_TSTAMP].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist()
    found: dict[int, list[bytes]] = {}
    for us, text in zip(moments, _texts(name, rows, rebuilder), strict=True):
        found.setdefault(us, []).append(text.encode("utf-8", "backslashreplace") + b"\n")
    return found


def _texts(name: str, rows: pa.Table, rebuilder: Rebuilder) -> Iterable[str]:
    if name == "failed_events":
        # Between the parts of somebody else's JSON there may be ends of lines.
        return (re.sub(r"[\r\n]", " ", str(text)) for text in rows["bad_row"].to_pylist())
    return (
        json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        for event in rebuilder.json_objects(rows)
    )
