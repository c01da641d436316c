"""A real PostgreSQL server for tests: the programs that Debian, or whoever, has installed."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import psycopg
from tests.support.broker import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "pass-77f1-word"  # noqa: S105 - of a server that lives for a test
_DEADLINE_S = 30.0
_USER = "postgres"


def programs() -> Path | None:
    """The folder of `initdb` and `postgres`; None where there is no server."""
    found = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if found is not None:
        folders.insert(0, Path(found).resolve().parent)
    return next((folder for folder in folders if (folder / "postgres").is_file()), None)


def missing() -> str | None:
    """Why there can be no server here; None where there can."""
    if programs() is None:
        return "needs the programs of a PostgreSQL server (Debian: postgresql)"
    if os.geteuid() == 0 and (shutil.which("setpriv") is None or _account() is None):
        return "PostgreSQL does not run as root, and there is no user postgres to become"
    return None


def _account() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(_USER)
    except KeyError:
        return None


def _as_somebody(command: list[str]) -> list[str]:
    account = _account()
    if os.geteuid() != 0 or account is None:
        return command
    who = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    return ["setpriv", *who, *command]


class PostgresServer:
    """One server, on a free port of loopback.

    Attributes:
        address: with the password.
    """

    def __init__(self, folder: Path) -> None:
        self._programs = programs()
        assert self._programs is not None
        self._folder, self._port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] = (folder / "output").open("wb")
        self.address = f"postgresql://tester:{PASSWORD}@127.0.0.1:{self._port}/postgres"
        password = folder / "password"
        password.write_text(PASSWORD)
        account = _account()
        if os.geteuid() == 0 and account is not None:
            for path in (folder, password):
                os.chown(path, account.pw_uid, account.pw_gid)
        command = [str(self._programs / "initdb"), "-D", str(folder / "data"), "-U", "tester"]
        command += ["-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "--locale=C"]
        command += ["--no-sync"]
        subprocess.run(
            _as_somebody(command), check=True, stdout=self._output, stderr=self._output, cwd=folder
        )

    def start(self) -> None:
        """Start, and wait until it answers."""
        assert self._programs is not None
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "16MB",
        }
        command = [str(self._programs / "postgres"), "-D", str(self._folder / "data")]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            _as_somebody(command), stdout=self._output, stderr=self._output, cwd=self._folder
        )
        deadline = time.monotonic() + _DEADLINE_S
        while True:
            try:
                psycopg.connect(self.address, connect_timeout=2).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, "the server ended"
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Stop at once: connections are cut, and the next start recovers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(_DEADLINE_S)
            self._process = None

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        self._output.close()


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server in a folder of its own, whose parents anybody may enter; both end with the block."""
    with tempfile.TemporaryDirectory(prefix="whiteout-postgres-") as folder:
        server = PostgresServer(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.close()
