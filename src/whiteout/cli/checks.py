"""What `whiteout doctor` looks at: each check gives findings, and each fault says its cure.

Nothing of a data folder's content, and no address but those that were given, is told.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import importlib.metadata
import json
import platform
import socket
import sys
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from whiteout.iglu.registries import Registry

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
    "starlette": "the page and its API",
    "jinja2": "the page",
    "confluent-kafka": "Apache Kafka between the stages",
    "pytest": "the testing kit's fixtures",
}
_SKEW_NOTED_S: Final = 5.0
_SKEW_BROKEN_S: Final = 60.0
_ANSWER_S: Final = 3.0
_LONG_AGO_S: Final = 1_735_689_600  # 2025-01-01: before this program was written
_SET_CLOCK: Final = "set the clocks by NTP (timedatectl set-ntp true)"
_ASK_AGAIN: Final = "check the address, the network and the proxy"
_SOME_SCHEMA: Final = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"


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
    if problem == errno.EADDRINUSE and ask(f"http://{host}:{number}/health")[0] == 200:  # noqa: PLR2004 - OK
        yield Finding(check=check, state="ok", found="a collector answers there already")
        return
    why = "another program listens there" if problem == errno.EADDRINUSE else "cannot be bound"
    yield Finding(
        check=check,
        state="broken",
        found=why,
        cure="choose another --port, or --port 0 for a free one",
    )


def registries(
    places: Iterable[str], *, iglu_central: str | None, resolver: Path | None = None
) -> Iterator[Finding]:
    """Whether the schema registries can be asked.

    Args:
        places: those that are needed: folders or HTTP addresses.
        iglu_central: its address, which one can do without; None: it is not asked.
        resolver: a resolver configuration, all of whose registries are needed.
    """
    yield Finding(check="registry embedded", state="ok", found="comes with this package")
    for place in places:
        is_url = place.startswith(("http://", "https://"))
        yield _of_server(place) if is_url else _folder(Path(place))
    if resolver is not None:
        yield from _of_resolver(resolver)
    if iglu_central is not None:
        is_there = ask(iglu_central)[0] is not None
        yield Finding(
            check="registry Iglu Central",
            state="ok" if is_there else "note",
            found="answers" if is_there else "does not answer",
            cure="" if is_there else "needed for schemas of others only; else --no-iglu-central",
        )


def _folder(folder: Path) -> Finding:
    """A folder of schemas, each of which is read."""
    check = f"registry {folder}"
    if not (folder / "schemas").is_dir():
        return Finding(
            check=check,
            state="broken",
            found="has no folder `schemas`",
            cure="put schemas at schemas/VENDOR/NAME/jsonschema/VERSION",
        )
    files = [file for file in (folder / "schemas").glob("*/*/jsonschema/*") if file.is_file()]
    for file in files:
        try:
            document = json.loads(file.read_bytes())
        except (OSError, ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            return Finding(
                check=check,
                state="broken",
                found=f"{file.relative_to(folder)} is no JSON object",
                cure="mend that file, or take it away",
            )
    return Finding(check=check, state="ok", found=f"a folder of {len(files)} schemas")


def _of_resolver(path: Path) -> Iterator[Finding]:
    from whiteout.iglu.configuration import read_resolver  # noqa: PLC0415 - when it runs

    try:
        configuration = read_resolver(path)
    except ConfigurationError as error:
        cure = "mend the file, or leave --resolver out"
        yield Finding(check="resolver", state="broken", found=str(error), cure=cure)
        return
    for ranked in configuration.registries:
        yield _of_registry(ranked.registry)


def _of_server(url: str) -> Finding:
    from whiteout.iglu.http import HttpRegistry  # noqa: PLC0415 - when it runs

    try:
        return _of_registry(HttpRegistry(url, timeout_s=_ANSWER_S))
    except ConfigurationError as error:
        return Finding(
            check=f"registry {url}", state="broken", found=str(error), cure="mend that --iglu"
        )


def _of_registry(registry: Registry) -> Finding:
    """Whether it can be asked for a schema, one that it need not have."""
    from whiteout.iglu.errors import LookupProblem  # noqa: PLC0415 - when it runs
    from whiteout.protocol.iglu import parse_schema_key  # noqa: PLC0415 - the same

    answer = registry.lookup(parse_schema_key(_SOME_SCHEMA))
    is_there = not isinstance(answer, LookupProblem) or answer.kind == "NotFound"
    why = answer.message if isinstance(answer, LookupProblem) else ""
    return Finding(
        check=f"registry {registry.name}",
        state="ok" if is_there else "broken",
        found="answers" if is_there else f"does not answer ({why})",
        cure="" if is_there else _ASK_AGAIN,
    )


def collector(url: str) -> Finding:
    """Whether a collector answers."""
    status = ask(f"{url.rstrip('/')}/health")[0]
    if status is None:
        return Finding(
            check="collector",
            state="broken",
            found="does not answer",
            cure="start it with `whiteout up`, or check the address given with --collector",
        )
    if status != http.client.OK:
        return Finding(
            check="collector",
            state="broken",
            found=f"answers {status}: it stops, or cannot write its log",
            cure="see what it says on standard error, and `whiteout doctor` on its machine",
        )
    return Finding(check="collector", state="ok", found="answers 200")


def clock(others: Mapping[str, str], now_s: Callable[[], float] = time.time) -> Iterator[Finding]:
    """Whether this machine and others agree on the time.

    Args:
        others: whom to ask, such as `the collector`, and their URLs; the first that says its time
            is compared.
        now_s: this machine's clock, seconds since 1970.
    """
    if now_s() < _LONG_AGO_S:
        yield Finding(check="time", state="broken", found="before 2025", cure=_SET_CLOCK)
        return
    for name, url in others.items():
        date = ask(url)[1]
        with contextlib.suppress(ValueError):
            if date is not None:
                yield skew(now_s() - parsedate_to_datetime(date).timestamp(), name)
                return
    yield Finding(
        check="time",
        state="note",
        found="not compared: nobody was there who says the time",
        cure="--collector URL asks a collector on another machine",
    )


def skew(seconds: float, other: str) -> Finding:
    """How far this machine's clock is ahead of another's, whose answer has whole seconds."""
    distance = abs(seconds)
    state: State = "ok"
    if distance >= _SKEW_NOTED_S:
        state = "broken" if distance >= _SKEW_BROKEN_S else "note"
    where = "ahead of" if seconds > 0 else "behind"
    return Finding(
        check="time",
        state=state,
        found=f"as that of {other}" if state == "ok" else f"{distance:.0f} s {where} {other}",
        cure="" if state == "ok" else _SET_CLOCK,
    )


def ask(url: str) -> tuple[int | None, str | None]:
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
