"""Events that the collector answers with an error again and again, while others go on.

A proxy that always answers 502 to one body, or to every anonymous request, must not keep back all
that was tracked behind it. So rows that fail are passed by, up to a row; what still waits up to
there is tried again by itself, oldest first, with a back-off of its own, in ever smaller requests
until the one event is found that fails.
"""

from __future__ import annotations

from typing import Final

PATIENCE: Final = 3  # failures in a row before order gives way
_MOST: Final = 1 << 30


class HeldBack:
    """The failing events of one event store. Owner: the emitter's thread.

    Attributes:
        up_to: every row up to this one that still waits has failed; 0: none has.
        after: the next try begins behind this row.
        count: how many wait, as of the last look.
        not_before_s: monotonic time of the next try.
        failures: of theirs, in a row.
    """

    def __init__(self) -> None:
        self.up_to = self.after = self.count = 0
        self.not_before_s = 0.0
        self.failures = 0
        self._most = _MOST
        self._is_doubtful = False

    def most(self, limit: int) -> int:
        """How many events to try at once, at most `limit`."""
        return min(self._most, limit)

    def hold(self, row: int, failures: int, not_before_s: float) -> None:
        """Pass by what waits up to this row, and has failed so often in a row."""
        self.up_to = max(self.up_to, row)
        if not self.count:
            self.failures = failures
            self.not_before_s = not_before_s

    def went(self) -> None:
        """The tried events were taken, or refused for good: go on at once, in larger steps."""
        self.failures = 0
        self.not_before_s = 0.0
        self._most = min(2 * self._most, _MOST)
        if self._is_doubtful:
            self._is_doubtful = False
            self.after = 0

    def failed(self, rows: tuple[int, ...], not_before_s: float, *, others_go: bool) -> None:
        """They failed again: wait, and from the third time on try fewer, or those behind.

        Args:
            rows: what was tried.
            not_before_s: monotonic time of the next try.
            others_go: something was delivered meanwhile. Else the fault may not be that of the
                event: it is the next one again as soon as anything goes.
        """
        self.not_before_s = not_before_s
        if self.failures < PATIENCE:
            return
        if len(rows) > 1:
            self._most = len(rows) // 2
        else:
            self.after = rows[0]
            self._is_doubtful |= not others_go

    def turn(self) -> None:
        """Nothing waits behind `after`: begin with the oldest again, if there is any."""
        if not self.after:
            self.up_to = self.count = 0
            self._most = _MOST
        self.after = 0
