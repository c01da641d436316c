"""The demo: start the pipeline, play the shop and the official client, compare, print."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from whiteout.demo.arrivals import Cell, compare
from whiteout.demo.shop import Secrets, Visit, play
from whiteout.errors import WhiteoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from whiteout.lake.reader import Lake

_READY_S: Final = 60.0
_ARRIVE_S: Final = 120.0
_STOP_S: Final = 330.0
_POLL_S: Final = 0.25
_LISTENING: Final = "collector listening on "


class DemoFailedError(WhiteoutError):
    """A part of the demo did not start, or did not deliver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the demo saw.

    Attributes:
        cells: identifier, then level, then what arrived and what should have.
        official: for the official client: event name, then how many rows arrived identified, how
            many anonymous, and how many of each were sent.
        official_leaks: rows of its anonymous events with an address or a network user id.
        failed_events: failed events that arrived meanwhile.
    """

    cells: Mapping[str, Mapping[str, Cell]]
    official: Mapping[str, tuple[int, int, int]]
    official_leaks: int
    failed_events: int

    @property
    def is_right(self) -> bool:
        """Whether every cell and every count is what it should be."""
        return (
            all(cell.is_right for levels in self.cells.values() for cell in levels.values())
            and all(
                identified == anonymous == sent
                for identified, anonymous, sent in self.official.values()
            )
            and not self.official_leaks
            and not self.failed_events
        )


@contextlib.contextmanager
def pipeline(folder: Path, port: int) -> Iterator[str]:
    """`whiteout up` as a process of its own; gives the collector's address.

    Raises:
        DemoFailedError: it did not start.
    """
    command = [sys.executable, "-P", "-m", "whiteout.cli", "up", "--data", str(folder)]
    process = subprocess.Popen(  # noqa: S603 - our own command
        [*command, "--port", str(port), "--no-iglu-central"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is ours to pass on, once
    )
    try:
        yield _address(process)
    finally:
        process.terminate()  # does as Ctrl-C; and is silent where it meets a start
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run(folder: Path, endpoint: str, say: Callable[[str], None]) -> Outcome:
    """Play and compare.

    Args:
        folder: the pipeline's data folder.
        endpoint: its collector.
        say: tells whoever waits what is going on.

    Raises:
        DemoFailedError: events did not arrive in time.
    """
    from whiteout.lake.reader import Lake  # noqa: PLC0415 - 100 ms, while the pipeline starts

    lake = Lake(folder / "lake")
    failed_before = _failed_events(lake)
    name = f"demo-{uuid.uuid4().hex[:8]}"
    secrets = Secrets.fresh()
    say("a small shop is visited, once at each level …")
    try:
        visits = play(endpoint, folder / "demo-app", name, secrets)
    except TimeoutError as error:
        raise DemoFailedError(str(error)) from error
    say("the official snowplow-tracker sends its event types, identified and anonymous …")
    sent = _run_official(endpoint, name)
    say("waiting for the events in the lake …")
    return Outcome(
        cells=compare(visits, secrets, _rows(lake, visits)),
        official=_official_rows(lake, name, sent),
        official_leaks=_official_leaks(lake, name),
        failed_events=_failed_events(lake) - failed_before,
    )


def _address(process: subprocess.Popen[str]) -> str:
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in process.stdout or ():
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    deadline = time.monotonic() + _READY_S
    while (left_s := deadline - time.monotonic()) > 0:
        try:
            line = lines.get(timeout=left_s)
        except queue.Empty:
            break
        if line is None:
            raise DemoFailedError("the pipeline ended at its start; its message stands above")
        if line.startswith(_LISTENING):
            return line.removeprefix(_LISTENING).strip()
    raise DemoFailedError(f"the pipeline was not ready within {_READY_S:.0f} seconds")


def _run_official(endpoint: str, name: str) -> dict[str, dict[str, int]]:
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-P", "-m", "whiteout.demo.official", endpoint, f"{name}-official"],
        capture_output=True,
        text=True,
        check=False,
        timeout=_ARRIVE_S,
    )
    if done.returncode != 0:
        raise DemoFailedError(f"the official client failed: {done.stderr.strip()[-500:]}")
    sent: dict[str, dict[str, int]] = json.loads(done.stdout)
    return sent


def _rows(lake: Lake, visits: Mapping[str, Visit]) -> list[dict[str, object]]:
    wanted = sorted(event_id for visit in visits.values() for event_id in visit.event_ids)
    ids = ", ".join(f"'{uuid.UUID(event_id)}'" for event_id in wanted)
    sql = f"SELECT * FROM events WHERE event_id IN ({ids})"  # noqa: S608 - UUIDs, parsed as such

    def look() -> list[dict[str, object]] | None:
        rows: list[dict[str, object]] = lake.query(sql).to_pylist()
        return rows if len(rows) >= len(wanted) else None

    return _wait_for(look, "the shop's events")


def _official_rows(
    lake: Lake, name: str, sent: Mapping[str, Mapping[str, int]]
) -> dict[str, tuple[int, int, int]]:
    total = sum(sum(counts.values()) for counts in sent.values())
    official = f"{name}-official"
    sql = (
        "SELECT event_name, name_tracker, count(*) AS n FROM events "  # noqa: S608 - a name of ours
        f"WHERE name_tracker IN ('{official}', '{official}-anonymous') GROUP BY ALL"
    )

    def look() -> list[dict[str, object]] | None:
        rows: list[dict[str, object]] = lake.query(sql).to_pylist()
        return rows if sum(_number(row["n"]) for row in rows) >= total else None

    arrived = {
        (row["event_name"], row["name_tracker"]): _number(row["n"])
        for row in _wait_for(look, "the official client's events")
    }
    return {
        event: (
            arrived.get((event, official), 0),
            arrived.get((event, f"{official}-anonymous"), 0),
            count,
        )
        for event, count in sent["identified"].items()
    }


def _official_leaks(lake: Lake, name: str) -> int:
    sql = (
        "SELECT count(*) AS n FROM events "  # noqa: S608 - a name of ours
        f"WHERE name_tracker = '{name}-official-anonymous' AND (user_ipaddress IS NOT NULL "
        "OR network_userid IS DISTINCT FROM '00000000-0000-0000-0000-000000000000')"
    )
    return _number(lake.query(sql).to_pylist()[0]["n"])


def _failed_events(lake: Lake) -> int:
    return _number(lake.query("SELECT count(*) AS n FROM failed_events").to_pylist()[0]["n"])


def _wait_for(
    look: Callable[[], list[dict[str, object]] | None], what: str
) -> list[dict[str, object]]:
    deadline = time.monotonic() + _ARRIVE_S
    while time.monotonic() < deadline:
        rows = look()
        if rows is not None:
            return rows
        time.sleep(_POLL_S)  # another process writes: there is nothing here to be woken by
    raise DemoFailedError(f"{what} were not all in the lake within {_ARRIVE_S:.0f} seconds")


def _number(value: object) -> int:
    return int(str(value))
