"""What `whiteout doctor` looks at: each check gives findings, and each fault says its cure.

Nothing of a data folder's content, and no address but those that were given, is told.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import importlib.metadata
import os
import platform
import shutil
import socket
import stat
import sys
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

State = Literal["ok", "note", "broken"]

PYTHON: Final = (3, 11)
NEEDED: Final = tuple(
    "deltalake duckdb httptools jsonschema-rs maxminddb msgspec orjson pyarrow rich typer "
    "ua-parser uvicorn".split()
)
OPTIONAL: Final = {
    "uvloop": "a faster event loop",
    "psutil": "more facts in the platform entity",
    "snowplow-tracker": "the demo's second client",
    "confluent-kafka": "Apache Kafka between the stages",
    "pytest": "the testing kit's fixtures",
}
_LITTLE_BYTES: Final = 1_000_000_000
_TOO_LITTLE_BYTES: Final = 100_000_000
_SKEW_NOTED_S: Final = 5.0
_SKEW_BROKEN_S: Final = 60.0
_ANSWER_S: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found.

    Attributes:
        check: what was looked at.
        state: `note` is worth knowing, and nothing is broken by it.
        found: in words.
        cure: what to do; empty where nothing is to be done.
    """

    check: str
    state: State
    found: str
    cure: str = ""


def python() -> Iterator[Finding]:
    """The interpreter."""
    is_right = sys.version_info >= PYTHON
    yield Finding(
        check="python",
        state="ok" if is_right else "broken",
        found=f"{platform.python_implementation()} {platform.python_version()}",
        cure="" if is_right else "install Python 3.11 or newer",
    )


def packages(version_of: Callable[[str], str] = importlib.metadata.version) -> Iterator[Finding]:
    """What the pipeline needs, and what it makes use of."""
    for name in NEEDED:
        found = _version(name, version_of)
        yield Finding(
            check=f"package {name}",
            state="ok" if found else "broken",
            found=found or "missing",
            cure="" if found else "pip install 'whiteout[pipeline]'",
        )
    for name, use in OPTIONAL.items():
        found = _version(name, version_of)
        yield Finding(
            check=f"package {name}",
            state="ok" if found else "note",
            found=found or f"not installed; it brings {use}",
            cure="" if found else f"pip install {name}, if you want that",
        )


def _version(name: str, version_of: Callable[[str], str]) -> str:
    try:
        return version_of(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def data_folder(folder: Path) -> Iterator[Finding]:
    """Whether the store can be written, by its owner alone, and has room."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
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
    yield _room(shutil.disk_usage(there).free)


def _room(free: int) -> Finding:
    state: State = "ok"
    if free < _LITTLE_BYTES:
        state = "broken" if free < _TOO_LITTLE_BYTES else "note"
    return Finding(
        check="disk space",
        state=state,
        found=f"{free / 1e9:.1f} GB free",
        cure="" if state == "ok" else "make room, or choose another disk with --data",
    )


def lake(folder: Path) -> Iterator[Finding]:
    """Whether the lake can be read."""
    if not (folder / "lake").exists():
        yield Finding(check="lake", state="ok", found="empty: nothing was loaded yet")
        return
    from whiteout.lake.reader import Lake  # noqa: PLC0415 - heavy: only where there is a lake

    try:
        rows = Lake(folder / "lake").query("SELECT count(*) AS n FROM events").to_pylist()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        yield Finding(
            check="lake",
            state="broken",
            found=f"cannot be read ({type(error).__name__})",
            cure="upgrade whiteout if a newer one wrote it; else restore it from a backup",
        )
        return
    yield Finding(check="lake", state="ok", found=f"{rows[0]['n']} events")


def port(host: str, number: int) -> Iterator[Finding]:
    """Whether `whiteout up` could listen there, or already does."""
    check = f"port {number}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, number))
        except (OSError, OverflowError) as error:
            problem = getattr(error, "errno", None)
        else:
            yield Finding(check=check, state="ok", found="free")
            return
    if problem == errno.EADDRINUSE and _ask(f"http://{host}:{number}/health")[0] == 200:  # noqa: PLR2004 - OK
        yield Finding(check=check, state="ok", found="a collector answers there already")
        return
    why = "another program listens there" if problem == errno.EADDRINUSE else "cannot be bound"
    yield Finding(
        check=check,
        state="broken",
        found=why,
        cure="choose another --port, or --port 0 for a free one",
    )


def registries(places: Iterable[str], *, iglu_central: str | None) -> Iterator[Finding]:
    """Whether the schema registries can be asked.

    Args:
        places: those that are needed: folders or HTTP addresses.
        iglu_central: its address, which one can do without; None: it is not asked.
    """
    yield Finding(check="registry embedded", state="ok", found="comes with this package")
    for place in places:
        if not place.startswith(("http://", "https://")):
            is_there = (Path(place) / "schemas").is_dir()
            yield Finding(
                check=f"registry {place}",
                state="ok" if is_there else "broken",
                found="a folder of schemas" if is_there else "has no folder `schemas`",
                cure="" if is_there else "put schemas at schemas/VENDOR/NAME/jsonschema/VERSION",
            )
            continue
        is_there = _ask(place)[0] is not None
        yield Finding(
            check=f"registry {place}",
            state="ok" if is_there else "broken",
            found="answers" if is_there else "does not answer",
            cure="" if is_there else "check the address, the network and the proxy",
        )
    if iglu_central is not None:
        is_there = _ask(iglu_central)[0] is not None
        yield Finding(
            check="registry Iglu Central",
            state="ok" if is_there else "note",
            found="answers" if is_there else "does not answer",
            cure="" if is_there else "needed for schemas of others only; else --no-iglu-central",
        )


def clock(collector: str, now_s: Callable[[], float] = time.time) -> Iterator[Finding]:
    """Whether this machine and a collector's agree on the time."""
    status, date = _ask(f"{collector.rstrip('/')}/health")
    if status is None:
        yield Finding(
            check="collector",
            state="broken",
            found="does not answer",
            cure="start it with `whiteout up`, or check the address given with --collector",
        )
        return
    yield Finding(check="collector", state="ok", found=f"answers {status}")
    moment = None
    if date is not None:
        with contextlib.suppress(ValueError):
            moment = parsedate_to_datetime(date).timestamp()
    if moment is None:
        yield Finding(check="time", state="note", found="the collector does not say its time")
        return
    yield skew(now_s() - moment)


def skew(seconds: float) -> Finding:
    """How far this machine's clock is ahead of the collector's, whose answer has whole seconds."""
    distance = abs(seconds)
    state: State = "ok"
    if distance >= _SKEW_NOTED_S:
        state = "broken" if distance >= _SKEW_BROKEN_S else "note"
    where = "ahead of" if seconds > 0 else "behind"
    return Finding(
        check="time",
        state=state,
        found="as the collector's" if state == "ok" else f"{distance:.0f} s {where} the collector",
        cure="" if state == "ok" else "set both clocks by NTP (timedatectl set-ntp true)",
    )


def _ask(url: str) -> tuple[int | None, str | None]:
    """Status and `Date` of an answer; None: there is none. Follows no redirect, uses no proxy."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=_ANSWER_S)
        with contextlib.closing(connection):
            connection.request("GET", parts.path or "/")
            answer = connection.getresponse()
            return answer.status, answer.getheader("Date")
    except (OSError, ValueError, http.client.HTTPException):
        return None, None
