"""A lock between processes that ends with its holder, however that ends."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


_HELD: Final = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES}
_ASK_EVERY_S: Final = 0.002


class ProcessLock:
    """A locked file. The operating system frees it when the holder closes it or dies.

    A forked child shares the lock's descriptor with its parent: it must `abandon` it, which closes
    its copy and leaves the parent's lock as it is.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, path: Path, *, create: bool) -> ProcessLock | None:
        """Lock `path` without waiting; None: somebody holds it, or it is not there.

        Args:
            path: the file to lock.
            create: True makes the file, and gives None where it exists already; False takes the
                file as it is.

        Raises:
            OSError: the file can be neither made nor opened, or its file system has no locks.
        """
        if create:
            return cls._created(path)
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return None
        return cls._locked(path, descriptor)

    @classmethod
    def _created(cls, path: Path) -> ProcessLock | None:
        """Make the file, locked from the moment that it can be seen.

        Between making and locking it, somebody who looks for files that nobody holds would take it.
        """
        if path.exists():
            return None
        # Windows does not rename a file that is open: there it has its name from the start.
        first = path if sys.platform == "win32" else path.with_name(f"{path.name}.new")
        try:
            descriptor = os.open(first, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return None
        lock: ProcessLock | None = None
        try:
            lock = cls._locked(path, descriptor)
            if lock is not None and first != path:
                first.rename(path)
        except OSError:
            if lock is not None:
                lock.abandon()
            first.unlink(missing_ok=True)
            raise
        return lock

    @classmethod
    def acquire_shared_name(cls, path: Path) -> ProcessLock | None:
        """Lock `path`, made if need be, that several processes compete for; None: it is held.

        Raises:
            OSError: as of `acquire`.
        """
        return cls._locked(path, os.open(path, os.O_RDWR | os.O_CREAT, 0o600))

    @classmethod
    def wait_for(cls, path: Path, timeout_s: float) -> ProcessLock | None:
        """The same, asking for so many seconds; None: it was held all the time.

        Raises:
            OSError: as of `acquire`.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            lock = cls.acquire_shared_name(path)
            if lock is not None or time.monotonic() >= deadline_s:
                return lock
            time.sleep(_ASK_EVERY_S)

    @classmethod
    def _locked(cls, path: Path, descriptor: int) -> ProcessLock | None:
        try:
            _lock(descriptor)
        except OSError as error:
            os.close(descriptor)
            if error.errno in _HELD:
                return None
            raise  # no locks here, as on many network file systems: nobody holds it
        return cls(path, descriptor)

    def release(self, *, unlink: bool = False) -> None:
        """Let go, and remove the file if told to."""
        if self._descriptor is None:
            return
        if unlink:
            with contextlib.suppress(OSError):
                self.path.unlink()
        self.abandon()

    def abandon(self) -> None:
        """Close this process's copy of the descriptor."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
