"""`whiteout up --kafka`: each stage as processes of its own, on this machine, with Kafka between.

The collectors share one port: the system shares out connections among them. Each process is
started again when it dies, and ends when this one does. In the end the collectors stop first, then
the enrich workers, then the loaders, so that each takes what the ones before it left; what Kafka
still holds then, the next start takes. The page, where it is asked for, is one more process, behind
the collectors.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whiteout.cli.collector import cannot_listen, listening
from whiteout.cli.page import offsets_text
from whiteout.cli.page_place import TOKEN, Page, missing, page_for
from whiteout.cli.progress import progress
from whiteout.errors import ConfigurationError, WhiteoutError
from whiteout.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from whiteout.cli.report import Report
    from whiteout.collector.settings import CollectorSettings
    from whiteout.kafka.settings import KafkaSettings

STAGES = ("collector", "enrich", "loader", "page")
_READY_S = 60.0
_DRAIN_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """What runs.

    Attributes:
        settings: of the collectors.
        host: that they listen on.
        port: that they share; 0 takes a free one.
        lake: its folder or URL.
        address: of Kafka, as on the command line.
        kafka: its settings.
        counts: of processes, by stage.
        options: of the commands, by stage; without the address.
        environment: of all of them.
        page: whether the page is asked for.
        report: says where everything is.
    """

    settings: CollectorSettings
    host: str
    port: int
    lake: str
    address: str
    kafka: KafkaSettings
    counts: Mapping[str, int]
    options: Mapping[str, Sequence[str]]
    environment: Mapping[str, str]
    page: bool
    report: Report

    def run(self) -> None:
        """Run all of it until SIGINT or SIGTERM.

        Raises:
            ConfigurationError: the port cannot be had.
            LogError: the topics cannot be used.
            ChildFailedError: a process did not end as it should; what it had not done is in Kafka.
            KeyboardInterrupt: a second signal came; the processes were killed.
        """
        from whiteout.kafka.topics import ensure_topics, wait_for_brokers  # noqa: PLC0415 - only where Kafka is

        stop = threading.Event()
        started: list[Supervisor] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: _ask(stop, started))
        if not wait_for_brokers(self.kafka, stop):
            return
        ensure_topics(self.kafka, self.kafka.topics)
        reason = missing() if self.page else None
        with contextlib.ExitStack() as stack:
            held = stack.enter_context(contextlib.closing(_hold_port(self.host, self.port)))
            port = int(held.getsockname()[1])
            shown = None
            if self.page and reason is None:
                shown = stack.enter_context(page_for(self.host, os.environ))
            stages = self._stages(port, shown)
            for supervisors in stages.values():
                for one in supervisors:
                    one.start()
                    started.append(one)
            try:
                self._tell(port, shown, reason, stop)
                stop.wait()
            finally:
                with progress("stopping") as tell:
                    for done, stage in enumerate(STAGES):
                        tell(f"stopping: {stage}", done=done, total=len(STAGES))
                        _stop(stages[stage])

    def _stages(self, port: int, shown: Page | None) -> dict[str, list[Supervisor]]:
        counts = {**self.counts, "page": 0 if shown is None else 1}
        commands = {stage: self._command(stage, port) for stage in STAGES}
        # The token is for the page alone; and not for a command line, which all can see.
        environment = {**self.environment}
        environment.pop(TOKEN, None)
        environments = dict.fromkeys(STAGES, environment)
        if shown is not None:
            from whiteout.kafka.ends import SHOWN, Ends  # noqa: PLC0415 - only where Kafka is

            where = ["--page-socket", str(shown.socket)]
            commands["collector"] += where
            begin = offsets_text(Ends(self.kafka, SHOWN).latest(*SHOWN))
            commands["page"] += [*where, "--begin", begin]
            environments["page"] = {**environment, **shown.environment()}
        return {
            stage: [
                Supervisor(
                    commands[stage], name=f"the {stage} process", environment=environments[stage]
                )
                for _ in range(counts[stage])
            ]
            for stage in STAGES
        }

    def _command(self, stage: str, port: int) -> list[str]:
        way = "--to" if stage == "collector" else "--from"
        command = [sys.executable, "-P", "-m", "whiteout.cli", stage, way, self.address]
        command += ["--until-eof", *self.options[stage]]
        if stage == "collector":
            command += ["--host", self.host, "--port", str(port), "--reuse-port"]
        return command

    def _tell(
        self, port: int, shown: Page | None, reason: str | None, stop: threading.Event
    ) -> None:
        """Say where everything is, once somebody answers there."""
        deadline = time.monotonic() + _READY_S
        while not stop.is_set() and not self._answers(port):
            if time.monotonic() >= deadline:
                raise WhiteoutError("no collector has come up; its own messages say why")
            stop.wait(0.05)
        if stop.is_set():
            return
        collector = listening(self.settings, self.host, port)
        kafka = {"prefix": self.kafka.prefix, "servers": self.kafka.servers}
        scheme = collector.partition("://")[0]
        page = None if shown is None else shown.url(scheme, self.host, port)
        facts = {"state": "listening", "collector": collector, "lake": self.lake, "kafka": kafka}
        last = reason if page is None else f"page on {page}"
        self.report.tell(
            {**facts, "page": page},
            f"collector listening on {collector}",
            f"lake in {self.lake}",
            f"topics {self.kafka.prefix}-… on {self.kafka.servers}",
            *([] if last is None else [last]),
        )

    def _answers(self, port: int) -> bool:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared
        try:
            if self.settings.tls is not None:
                socket.create_connection((host, port), timeout=2).close()
                return True
            connection = http.client.HTTPConnection(host, port, timeout=2)
            with contextlib.closing(connection):
                connection.request("GET", "/health")
                return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False


def _hold_port(host: str, port: int) -> socket.socket:
    """A socket that keeps the port for the collectors, and takes no connection itself.

    Raises:
        ConfigurationError: somebody else has it, or this system shares no ports.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise ConfigurationError("--kafka needs a system on which processes can share a port")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    held = socket.socket(family)
    try:
        if port:  # without sharing: is it another's?
            with socket.socket(family) as alone:
                alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                alone.bind((host, port))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((host, port))
    except OSError as error:
        held.close()
        raise cannot_listen(host, port, error) from error
    return held


def _ask(stop: threading.Event, started: Sequence[Supervisor]) -> None:
    """What a signal does: the first asks all to stop, the next ends them."""
    if stop.is_set():
        for one in started:
            one.give_up()
        raise KeyboardInterrupt
    stop.set()


def _stop(supervisors: Sequence[Supervisor]) -> None:
    """Stop them at the same time.

    Raises:
        ChildFailedError: one did not end as it should.
    """
    with ThreadPoolExecutor(max(len(supervisors), 1)) as pool:
        for done in [pool.submit(one.stop, timeout_s=_DRAIN_S) for one in supervisors]:
            done.result()
