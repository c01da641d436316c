"""Running the programs of `tests/process/programs.py`, and what became of what they tracked."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.collector import Collector, closed_port
from tests.support.processes import Child

if TYPE_CHECKING:
    from collections.abc import Iterable

PROGRAMS = Path(__file__).with_name("programs.py")
ROOT = PROGRAMS.parent.parent.parent
NOWHERE = f"http://127.0.0.1:{closed_port()}"
LIMIT_S = 10.0

# A network of its own, in which every packet to 10.0.0.0/8 is lost, the resolver's as well.
_BLACK_HOLE = (
    "ip link set lo up && ip route add 10.0.0.0/8 dev lo"
    " && mount --bind {resolver} /etc/resolv.conf && exec {command}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A program that has ended.

    Attributes:
        status: its exit status; below 0 the signal that ended it.
        lines: what it wrote.
        errors: what it wrote to standard error.
        exit_s: seconds from its last line of code to its end; None where it did not get there.
    """

    status: int
    lines: list[str]
    errors: str
    exit_s: float | None

    @property
    def ids(self) -> list[str]:
        """The ids of the events that it tracked, in order."""
        ids = [line.removeprefix("id ") for line in self.lines if line.startswith("id ")]
        return [each for each in ids if each != "None"]


def run(action: str, *, resolver: Path | None = None, **arguments: Any) -> Ended:  # noqa: ANN401 - any JSON
    """Run one of the programs to its end.

    Args:
        action: the name of a function in `programs.py`.
        resolver: what to have for `/etc/resolv.conf` in a network that is a black hole; None: the
            machine's own network.
        **arguments: what it is called with, as JSON.
    """
    command = [sys.executable, "-W", "error", str(PROGRAMS), action, json.dumps(arguments)]
    if resolver is not None:
        command = in_black_hole(command, resolver)
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*filter(None, sys.path), str(ROOT)])},
    )
    try:
        out, errors = process.communicate(timeout=LIMIT_S)
        ended_s = time.monotonic()
    finally:
        process.kill()
        process.wait()
    lines = out.decode().splitlines()
    stamps = [float(line.removeprefix("end ")) for line in lines if line.startswith("end ")]
    return Ended(
        status=process.returncode,
        lines=lines,
        errors=errors.decode("utf-8", "replace"),
        exit_s=ended_s - stamps[0] if stamps else None,
    )


def in_black_hole(command: list[str], resolver: Path) -> list[str]:
    """The command in a network of its own."""
    script = _BLACK_HOLE.format(resolver=shlex.quote(str(resolver)), command=shlex.join(command))
    return ["unshare", "--map-root-user", "--mount", "--net", "sh", "-c", script]


def has_black_hole(folder: Path) -> bool:
    """Whether this machine lets us make a network of our own."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    resolver = dead_resolver(folder)
    tried = subprocess.run(in_black_hole(["true"], resolver), capture_output=True, check=False)
    return tried.returncode == 0


def dead_resolver(folder: Path) -> Path:
    """A `resolv.conf` that names a server that never answers."""
    path = folder / "resolv.conf"
    path.write_text("nameserver 10.9.9.9\n", "utf-8")
    return path


def what_the_next_start_sends(folder: Path) -> Collector:
    """A collector after a next start of the app; stopped already."""
    with Collector() as collector:
        with Child("deliver", folder=str(folder), endpoint=collector.url) as child:
            child.join(20)
            assert child.lines == ["delivered True"]
        return collector


def assert_each_is_sent_once(folder: Path, ids: Iterable[str], *earlier: Collector) -> None:
    """Of what was tracked, each arrived exactly once, at the next start or before."""
    arrived = what_the_next_start_sends(folder).accepted_ids
    for collector in earlier:
        arrived.update(collector.accepted_ids)
    wanted = list(ids)
    assert set(arrived) == set(wanted)
    assert len(set(wanted)) == len(wanted)
    assert set(arrived.values()) <= {1}
