"""How much the logs may still take, so that a lake that cannot be written does not fill the disk.

What is appended is subtracted at once; how much loaders have taken away meanwhile, and what others
do to the disk, is only seen by a look at the files, which is made now and then.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

from whiteout.errors import LogError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whiteout.log import Log


class Room:
    """The bytes that are left. Owner: the event loop; any thread may `measure`.

    Args:
        logs: that share it, and a disk.
        log_bytes: that they may keep together; None: no bound.
        free_bytes: of the disk, that they leave to others.

    Attributes:
        left: nothing may be appended where this is 0 or less. A measurement beside an append may
            miss it, until the next one.
        reason: why there is none; for a log line.
    """

    def __init__(self, logs: Sequence[Log], *, log_bytes: int | None, free_bytes: int) -> None:
        self._logs = logs
        self._log_bytes = math.inf if log_bytes is None else log_bytes
        self._free_bytes = free_bytes
        self.left = math.inf
        self.reason = ""
        if log_bytes is not None or free_bytes:
            self.measure()

    def measure(self) -> None:
        """Look at the files; what cannot be read changes nothing."""
        with contextlib.suppress(LogError):
            usages = [log.usage() for log in self._logs]
            allowed = self._log_bytes - sum(usage.kept_bytes for usage in usages)
            free = min(usage.free_bytes for usage in usages) - self._free_bytes
            self.left = allowed if self._free_bytes == 0 else min(allowed, free)
            self.reason = (
                "the lake does not take what is in the log, which has grown to limits.log_bytes"
                if self.left == allowed
                else "the disk has less room than limits.free_bytes"
            )
