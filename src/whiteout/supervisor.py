"""A child process that is kept alive, ends with its parent, and is asked to finish its work.

The child has a pipe for its standard input and takes the end of it as the request to finish. The
pipe ends when the parent asks, and also when the parent dies, however it dies.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

from whiteout.errors import WhiteoutError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LOGGER = logging.getLogger(__name__)
_FIRST_DELAY_S, _LAST_DELAY_S = 0.1, 10.0
_HEALTHY_AFTER_S = 10.0  # a child that lived so long starts again without delay
_ATTEMPTS_WHEN_STOPPING = 3


class ChildFailedError(WhiteoutError):
    """The child did not finish its work; what it was to do is still in the log."""


class Supervisor:
    """Runs one command, again and again, until it is stopped.

    Any thread: `stop`, `give_up`, `pid`. The rest belongs to the thread that `start` makes.

    Args:
        command: program and arguments.
        name: of the child, for messages.
        environment: of the child; the parent's where None.
        first_delay_s: before a child that died is started again; doubles up to ten seconds.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        name: str = "the child process",
        environment: Mapping[str, str] | None = None,
        first_delay_s: float = _FIRST_DELAY_S,
    ) -> None:
        self._command = list(command)
        self._name = name
        self._environment = None if environment is None else dict(environment)
        self._first_delay_s = first_delay_s
        self._stopping = threading.Event()
        self._changing = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._status: int | None = None
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="whiteout-supervisor", daemon=True)

    @property
    def pid(self) -> int | None:
        """The process id of the child that runs now; None between two."""
        child = self._child
        return None if child is None or child.poll() is not None else child.pid

    def start(self) -> None:
        """Start the child."""
        self._thread.start()

    def stop(self, *, timeout_s: float) -> None:
        """Ask the child to finish its work and wait for it; it is started again if it dies.

        Raises:
            ChildFailedError: it did not finish within `timeout_s`, or failed again and again.
        """
        self._stopping.set()
        self._ask_to_finish()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            self._given_up.set()
            while self._thread.is_alive():  # a new child may be on its way already
                self._kill()
                self._thread.join(0.1)
            raise ChildFailedError(f"{self._name} took longer than {timeout_s:g} s to finish")
        if self._status != 0:
            raise ChildFailedError(f"{self._name} ended with status {self._status}")

    def give_up(self) -> None:
        """Kill the child that `stop` waits for; what it had not done is in the log."""
        self._given_up.set()
        self._stopping.set()
        self._kill()

    def _kill(self) -> None:
        with self._changing:
            if self._child is not None:
                self._child.kill()

    def _ask_to_finish(self) -> None:
        with self._changing:
            if self._child is not None and self._child.stdin is not None:
                self._child.stdin.close()

    def _run(self) -> None:
        delay_s, last_attempts = self._first_delay_s, 0
        while True:
            started_at = time.monotonic()
            self._launch()
            self._status = self._wait()
            if self._stopping.is_set():
                last_attempts += 1
                if self._status == 0 or self._given_up.is_set():
                    return
                if last_attempts >= _ATTEMPTS_WHEN_STOPPING:
                    return
                continue
            _LOGGER.warning("%s ended with status %s, starting again", self._name, self._status)
            if time.monotonic() - started_at >= _HEALTHY_AFTER_S:
                delay_s = self._first_delay_s
            self._stopping.wait(delay_s)
            delay_s = min(delay_s * 2, _LAST_DELAY_S)

    def _launch(self) -> None:
        # Its own process group: Ctrl-C in the terminal is for the parent, which asks the child.
        group = 0 if sys.platform != "win32" else None
        flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
        with self._changing:
            self._child = subprocess.Popen(  # noqa: S603 - our own command
                self._command,
                stdin=subprocess.PIPE,
                env=self._environment,
                process_group=group,
                creationflags=flags,
            )
        if self._stopping.is_set():
            self._ask_to_finish()

    def _wait(self) -> int:
        child = self._child
        assert child is not None  # noqa: S101 - `_launch` made it
        status = child.wait()
        with self._changing:
            if child.stdin is not None:
                child.stdin.close()
        return status
