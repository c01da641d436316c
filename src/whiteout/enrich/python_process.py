"""A process that runs a user's function, killed when it takes too long."""

from __future__ import annotations

import os
import select
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

_WORKER = Path(__file__).with_name("python_worker.py")
_MAX_ANSWER_BYTES = 4 * 1024 * 1024
_START_S = 10.0
_CHUNK_BYTES = 65_536


class ProcessError(Exception):
    """The function raised, took too long or answered nonsense; the message has nothing of it."""


class PythonProcess:
    """Runs one function of one file; started at the first call, and again after it was killed.

    Args:
        script: the file.
        function: its name there.
        config: what the function gets as its last argument.
        time_limit_s: for one call.
        monotonic_s: a clock that never steps back, seconds.
    """

    def __init__(
        self,
        script: Path,
        function: str,
        config: dict[str, Any],
        *,
        time_limit_s: float,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start_message = {"script": str(script), "function": function, "config": config}
        self._time_limit_s = time_limit_s
        self._monotonic_s = monotonic_s
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, if there is none.

        Raises:
            ConfigurationError: the file cannot be run, or has no such function.
        """
        if self._process is not None:
            return
        self._process = subprocess.Popen(  # noqa: S603 - our own file, the user's configuration
            [sys.executable, "-P", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
        try:
            answer = self._exchange(self._start_message, _START_S)
        except ProcessError as error:
            raise ConfigurationError(f"the script could not be started: {error}") from error
        if answer.get("ready") is not True:
            self.close()
            function = self._start_message["function"]
            problem = answer.get("error", f"{function!r} is not a function")
            raise ConfigurationError(f"the script cannot be used: {problem}")

    def call(self, message: dict[str, Any]) -> dict[str, Any]:
        """The answer to one message.

        Raises:
            ProcessError: there is none.
        """
        try:
            self.start()
        except ConfigurationError as error:
            raise ProcessError("the script could not be started again") from error
        return self._exchange(message, self._time_limit_s)

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        process.wait()

    def __del__(self) -> None:
        self.close()

    def _exchange(self, message: dict[str, Any], limit_s: float) -> dict[str, Any]:
        deadline = self._monotonic_s() + limit_s
        try:
            body = msgspec.json.encode(message)
            self._send(struct.pack(">I", len(body)) + body, deadline)
            answer = msgspec.json.decode(self._receive_answer(deadline))
        except TimeoutError:
            self.close()
            raise ProcessError(f"it took longer than {limit_s * 1000:.0f} ms") from None
        except (OSError, EOFError):
            self.close()
            raise ProcessError("its process has died") from None
        except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
            self.close()
            raise ProcessError("event or answer cannot be written as JSON") from None
        except ProcessError:
            self.close()
            raise
        return answer if isinstance(answer, dict) else {}

    def _send(self, data: bytes, deadline: float) -> None:
        process = self._process
        if process is None or process.stdin is None:
            raise EOFError
        descriptor = process.stdin.fileno()
        while data:
            try:
                data = data[os.write(descriptor, data) :]
            except BlockingIOError:
                self._wait(descriptor, deadline, writing=True)

    def _receive_answer(self, deadline: float) -> bytes:
        size: int = struct.unpack(">I", self._receive(4, deadline))[0]
        if size > _MAX_ANSWER_BYTES:
            raise ProcessError("its answer is too large")
        return self._receive(size, deadline)

    def _receive(self, size: int, deadline: float) -> bytes:
        process = self._process
        if process is None or process.stdout is None:
            raise EOFError
        descriptor, parts = process.stdout.fileno(), []
        while size:
            try:
                part = os.read(descriptor, min(size, _CHUNK_BYTES))
            except BlockingIOError:
                self._wait(descriptor, deadline, writing=False)
                continue
            if not part:
                raise EOFError
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _wait(self, descriptor: int, deadline: float, *, writing: bool) -> None:
        left = deadline - self._monotonic_s()
        if left > 0:
            one = [descriptor]
            found = select.select([] if writing else one, one if writing else [], [], left)
            if any(found):
                return
        raise TimeoutError
