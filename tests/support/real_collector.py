"""The product's own collector, as the command starts it, on a free port of loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

from whiteout.log import open_log
from whiteout.protocol.collector_payload import decode

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from whiteout.log import Log

_STOP_S = 30


class RealCollector:
    """`whiteout collector`, to be used as a context manager.

    Args:
        folder: an empty one, for its log.
        *options: more of the command line.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        command = ["collector", "--to", f"spool://{folder}", "--port", "0"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "whiteout.cli", *command, "--durability", "process", *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().split()[-1]
        self._offset = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.communicate(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def open_log(self) -> Log:
        """Its log of what it accepted, for a reader."""
        return open_log(self._folder / "log" / "raw", writer=False)

    def new_records(self) -> list[bytes]:
        """The records of the requests that it accepted since the last call."""
        log = self.open_log()
        try:
            records = log.read(self._offset, max_records=100_000, max_bytes=1_000_000_000)
        finally:
            log.close()
        if records:
            self._offset = records[-1][0] + 1
        return [record for _, record in records]

    def new_events(self) -> list[dict[str, Any]]:
        """The same, as the events that trackers have put into them."""
        events = []
        for record in self.new_records():
            events += json.loads(decode(record).body or b'{"data": []}')["data"]
        return events
