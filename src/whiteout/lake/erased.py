"""The mark that an erasure leaves, for those who hold events in memory: it says that there was one.

A file beside the index of seen events, without content: nobody can read from it whom it was about.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NAME = "erased"


def leave_mark(directory: Path) -> None:
    """Say that something was erased.

    Args:
        directory: of the lake's indexes; nothing is left where it does not exist.
    """
    if directory.is_dir():
        (directory / _NAME).unlink(missing_ok=True)  # a file made anew is another one
        (directory / _NAME).touch(mode=0o600)


class Erasures:
    """Tells of erasures since it was made, or last asked. Used by one thread.

    Args:
        directory: as of `leave_mark`.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / _NAME
        self._seen = self._look()

    def is_new(self) -> bool:
        """Whether there was one."""
        found = self._look()
        is_new = found not in (None, self._seen)
        self._seen = found or self._seen
        return is_new

    def _look(self) -> tuple[int, int] | None:
        with contextlib.suppress(OSError):
            status = self._path.stat()
            return status.st_ino, status.st_mtime_ns
        return None
