"""The durable log between the pipeline's stages: one small interface, engines behind it.

A log is a list of records (bytes) that only grows at its end and is cut off at its start once
every consumer has said that it needs no more. Offsets are the numbers of the records, 0, 1, 2, …;
one that was given to a record is never given to another, whatever is trimmed, restarted or lost.
Numbers may be left out (after a power loss), so a reader goes on with the last offset it was given
plus one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, get_args

from whiteout.errors import ConfigurationError
from whiteout.log.segment_log import SegmentLog

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from whiteout.log.usage import Usage

Durability = Literal["disk", "process"]
"""What an append survives once it returned: a power loss, or `kill -9` of the process."""


class Log(Protocol):
    """A durable list of records. One process appends; any number of processes read and commit.

    All methods may be called from any thread. All raise `LogError` where the disk fails.
    """

    def append(self, records: Sequence[bytes]) -> int:
        """Add `records` at the end, all or none; durable when it returns.

        Returns:
            The offset of the first one (of the next one ever, if there are none).

        Raises:
            LogError: nothing was added; a later append may succeed.
        """
        ...

    def read(self, offset: int, *, max_records: int, max_bytes: int) -> list[tuple[int, bytes]]:
        """Return records from `offset` on, in order, each with its own offset.

        Starts at the first record kept where `offset` has been trimmed. Never waits: the list is
        empty at the end of the log.

        Args:
            offset: of the first record wanted.
            max_records: at least 1.
            max_bytes: of all records together; a first record that is larger comes alone.

        Raises:
            LogError: a record is damaged.
        """
        ...

    def end_offset(self) -> int:
        """Return the offset that the next record will have; 0 for a log never written."""
        ...

    def usage(self) -> Usage:
        """Return how much of the disk the log takes, and how much is left there."""
        ...

    def commit(self, consumer: str, offset: int) -> None:
        """Say that `consumer` needs nothing before `offset`, the next one it will read."""
        ...

    def committed(self, consumer: str) -> int:
        """Return what `consumer` committed last; 0 for a new one."""
        ...

    def trim(self) -> None:
        """Drop what every consumer has committed, where there is at least one."""
        ...

    def close(self) -> None:
        """Release files and the writer's lock. May be called twice."""
        ...


def open_log(directory: Path, *, writer: bool, durability: Durability = "disk") -> Log:
    """Open the embedded log in `directory`, making it where it does not exist.

    Args:
        directory: the log's own; readable by its owner only.
        writer: whether this one may append. There is one writer at a time.
        durability: `disk` (synced before `append` returns) or `process` (handed to the
            operating system: safe from a crash of the process, not of the machine).

    Raises:
        ConfigurationError: `durability` is another word.
        LogError: another process writes to the log, or the files cannot be read.
    """
    if durability not in get_args(Durability):
        raise ConfigurationError(f"durability must be 'disk' or 'process', got {durability!r}")
    return SegmentLog(directory, writer=writer, sync=durability == "disk")
