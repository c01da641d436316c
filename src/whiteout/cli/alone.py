"""The pipeline of one machine: the collector in this process, enrich and lake in a child."""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from whiteout.cli.collector import collect, forwarder_to, listening
from whiteout.cli.page_place import TOKEN, Page, missing, page_for
from whiteout.cli.progress import watching
from whiteout.errors import LogError
from whiteout.log import open_log
from whiteout.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from whiteout.cli.report import Report
    from whiteout.collector.settings import CollectorSettings
    from whiteout.log import Durability

# An arena of memory for each of the many threads of Arrow and Delta Lake, and memory that is kept
# in case it is needed again (a pool of Arrow's own holds 10 MB), would add a quarter to what the
# child takes. One arena, and none of Delta Lake's caches for each thread, would save 9 MB of 304 at
# 4,000 events a second, and 95 % of events would be in the lake after 3.8 s in place of 1.4.
LITTLE_MEMORY = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "2",
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:0,muzzy_decay_ms:0,narenas:1",
}
_DRAIN_S = 300.0  # a full log takes its time; what is not loaded then is loaded by the next `up`


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """What runs.

    Attributes:
        settings: of the collector.
        host: that it listens on.
        port: 0 takes a free one.
        folder: of data.
        lake: its folder or URL.
        durability: of the log.
        command: of the child.
        must_check: whether that command line is checked before anything listens.
        page: whether the page is asked for.
        report: says where everything is.
    """

    settings: CollectorSettings
    host: str
    port: int
    folder: Path
    lake: str
    durability: Durability
    command: Sequence[str]
    must_check: bool
    page: bool
    report: Report

    def run(self) -> None:
        """Run both until SIGINT or SIGTERM.

        Raises:
            ConfigurationError: the address cannot be bound, or an option is wrong.
            ChildFailedError: the child did not end as it should.
        """
        if self.must_check:
            # In a process of its own: what faces the network loads no more than it needs.
            checked = subprocess.run([*self.command, "--check"], check=False)  # noqa: S603 - our own command
            if checked.returncode:
                raise typer.Exit(checked.returncode)
        reason = missing() if self.page else None
        with contextlib.ExitStack() as stack:
            shown = None
            if self.page and reason is None:
                shown = stack.enter_context(page_for(self.host, os.environ))
            supervisor = self._supervisor(shown)

            def ready(bound: int) -> None:
                supervisor.start()
                self._tell(bound, shown, reason)

            forwarder = None if shown is None else forwarder_to(shown.socket, self.settings)
            collect(
                self.settings,
                self.folder,
                self.host,
                self.port,
                self.durability,
                ready=ready,
                forwarder=forwarder,
            )
            with watching("loading what was accepted: {left} records left", self._left(stack)):
                supervisor.stop(timeout_s=_DRAIN_S)

    def _supervisor(self, shown: Page | None) -> Supervisor:
        environment = {**os.environ, **LITTLE_MEMORY, "SQLITE_TMPDIR": str(self.folder)}
        environment.pop(TOKEN, None)
        command = list(self.command)
        if shown is not None:
            command += ["--page-socket", str(shown.socket)]
            environment |= shown.environment()
        return Supervisor(command, name="the enrich process", environment=environment)

    def _tell(self, bound: int, shown: Page | None, reason: str | None) -> None:
        collector = listening(self.settings, self.host, bound)
        scheme = "http" if self.settings.tls is None else "https"
        page = None if shown is None else shown.url(scheme, self.host, bound)
        log = str(self.folder / "log")
        last = reason if page is None else f"page on {page}"
        sentences = [f"collector listening on {collector}", f"lake in {self.lake}", f"log in {log}"]
        self.report.tell(
            {
                "state": "listening",
                "collector": collector,
                "lake": self.lake,
                "log": log,
                "page": page,
            },
            *sentences,
            *([] if last is None else [last]),
        )

    def _left(self, stack: contextlib.ExitStack) -> Callable[[], int]:
        """Counts what the child has not loaded yet."""
        logs = []
        for name in ("raw", "bad"):
            log = open_log(self.folder / "log" / name, writer=False)
            stack.callback(log.close)
            logs.append(log)

        def left() -> int:
            try:
                return sum(max(log.end_offset() - log.committed("lake"), 0) for log in logs)
            except LogError:
                return 0

        return left
