"""Child processes that track, to be killed, forked and left alone.

A child is `support/child.py` with one of its actions. It writes the id of each event to a pipe,
with one unbuffered write, after `track()` returned it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType

_CHILD = Path(__file__).with_name("child.py")


class Child:
    """A running child. Its lines of output are collected as they come.

    Args:
        action: the name of a function in `support/child.py`.
        **arguments: what it is called with, as JSON.
    """

    def __init__(self, action: str, **arguments: Any) -> None:  # noqa: ANN401 - any JSON
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-X",
                "dev",
                "-W",
                "error",
                str(_CHILD),
                action,
                json.dumps(arguments),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self._changed = threading.Condition()
        self._lines: list[str] = []
        self._errors = b""
        self._readers = [
            threading.Thread(target=self._read_lines, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def lines(self) -> list[str]:
        """What it has written so far."""
        with self._changed:
            return list(self._lines)

    @property
    def ids(self) -> list[str]:
        """The ids of the events that it tracked, in order."""
        return [line.removeprefix("id ") for line in self.lines if line.startswith("id ")]

    @property
    def errors(self) -> str:
        """What it wrote to standard error; whole once it has ended."""
        return self._errors.decode("utf-8", "replace")

    def wait_for_line(self, line: str, timeout_s: float = 20.0) -> None:
        """Wait until it has written `line`."""
        self.wait_for_lines(line, 1, timeout_s)

    def wait_for_lines(self, prefix: str, count: int, timeout_s: float = 20.0) -> None:
        """Wait until it has written so many lines that begin with `prefix`."""

        def is_there() -> bool:
            return sum(line.startswith(prefix) for line in self._lines) >= count

        with self._changed:
            if not self._changed.wait_for(is_there, timeout_s):
                raise TimeoutError(
                    f"no {prefix!r} from the child: {self._lines[-5:]} {self.errors}"
                )

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        if self._process.stdin is not None:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()

    def join(self, timeout_s: float = 20.0) -> float:
        """Wait for its end, which must be a good one, and say how many seconds that took."""
        started = time.monotonic()
        status = self._process.wait(timeout_s)
        seconds = time.monotonic() - started
        self._finish()
        if status:
            raise AssertionError(f"the child ended with {status}: {self.errors}")
        return seconds

    def kill(self) -> None:
        """End it with SIGKILL, if it still runs, and collect what it wrote."""
        self._process.kill()
        self._process.wait()
        self._finish()

    def _finish(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        for reader in self._readers:
            reader.join(10)

    def _read_lines(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        with stream:
            for line in stream:
                with self._changed:
                    self._lines.append(line.decode().rstrip("\n"))
                    self._changed.notify_all()

    def _read_errors(self) -> None:
        if self._process.stderr is not None:
            with self._process.stderr as stream:
                self._errors = stream.read()
