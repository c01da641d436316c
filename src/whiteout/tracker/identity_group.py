"""Trackers that share one installation id, because the app asked for it (leak L33).

`<group>.group.json` holds the id and a key. The trackers' own files name the key and not the id: so
the id is in one place, and erased there it is gone for all of them. A key that is not the group's
any more tells a tracker of a later start that the id was forgotten meanwhile. The key never leaves
the folder, and there is a fresh one for each id.

Only a tracker whose level lets the user be known asks for the id: the first one makes it.
"""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from whiteout.tracker.folder import safe_name
from whiteout.tracker.process_lock import ProcessLock
from whiteout.tracker.record_file import erase_record, is_uuid, read_record, write_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


_LOCK_S: Final = 1.0  # arbitrary; who holds it writes one small file


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedIdentity:
    """Who the installation is to the trackers of a group.

    Attributes:
        group: the group's name, as it stands in file names.
        key: which id it is, without saying it.
        installation_id: `userId` of every identified session.
    """

    group: str
    key: str = field(repr=False)
    installation_id: str = field(repr=False)


class Member(Protocol):
    """A tracker of a group."""

    def renew_identity(self) -> bool:
        """Go on as another installation; False: the disk refused."""
        ...


class IdentityGroups:
    """The groups of this process. Any thread may call.

    Attributes:
        lock: held while a group forgets, before any tracker's lock; forks and trackers that are
            being made wait for it.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._groups: dict[tuple[Path | None, str], IdentityGroup] = {}
        self._groups_lock = threading.Lock()

    def group(self, folder: Path | None, name: str | None) -> IdentityGroup | None:
        """The group of that name in that folder; None: the tracker shares nothing."""
        if name is None:
            return None
        with self._groups_lock:
            group = self._groups.get((folder, name))
            if group is None:
                group = self._groups[folder, name] = IdentityGroup(folder, name, self.lock)
        return group


class IdentityGroup:
    """One group, as one process knows it.

    Args:
        folder: where its file is; None keeps the id in memory.
        name: as the app gave it.
        forgetting: one group forgets at a time.

    Attributes:
        members: its trackers in this process.
    """

    def __init__(self, folder: Path | None, name: str, forgetting: threading.RLock) -> None:
        self.name = safe_name(name)
        self.members: weakref.WeakSet[Member] = weakref.WeakSet()
        self.forgetting = forgetting
        self._path = folder / f"{self.name}.group.json" if folder is not None else None
        self._lock = threading.Lock()  # of what follows; a leaf: nothing is called under it
        self._known: SharedIdentity | None = None

    def identity(self, new_uuid: Callable[[], str]) -> SharedIdentity:
        """Who the installation is, made where nobody was; never asked for while anonymous.

        What the file says beats what this process knows: another one may have forgotten it. Where
        the disk refuses, the trackers of this process share what they know.
        """
        with self._lock:
            stored = self._stored(new_uuid)
            if stored is not None:
                self._known = stored
            elif self._known is None:
                self._known = self._fresh(new_uuid)
            return self._known

    def is_current(self, identity: SharedIdentity) -> bool:
        """Whether that is still who the installation is, as far as can be told."""
        if self._path is None:
            with self._lock:
                return self._known == identity
        return self._read() == identity

    def forget(self) -> bool:
        """Erase the id, here and on the disk; False: the disk refused."""
        with self._lock:
            self._known = None
            if self._path is None:
                return True
            lock = self._acquire()
            try:
                return erase_record(self._path)
            finally:
                if lock is not None:
                    lock.release()

    def others(self, member: Member) -> Iterator[Member]:
        """The trackers of this process that share it, but that one."""
        return (other for other in list(self.members) if other is not member)

    def _stored(self, new_uuid: Callable[[], str]) -> SharedIdentity | None:
        """As the file says, written where there is none; None: the disk refuses."""
        if self._path is None:
            return None
        known = self._read()
        if known is not None:
            return known
        lock = self._acquire()
        if lock is None:
            return self._read()
        try:
            known = self._read()  # perhaps another process was first
            if known is not None:
                return known
            fresh = self._fresh(new_uuid)
            record = {"installation_id": fresh.installation_id, "key": fresh.key}
            return fresh if write_record(self._path, record) else None
        finally:
            lock.release()

    def _acquire(self) -> ProcessLock | None:
        """What lets one process at a time write the file; None: not within the time."""
        if self._path is None:
            return None
        try:
            return ProcessLock.wait_for(self._path.with_suffix(".lock"), _LOCK_S)
        except OSError:
            return None

    def _read(self) -> SharedIdentity | None:
        record = read_record(self._path)
        installation_id, key = record.get("installation_id"), record.get("key")
        if not is_uuid(installation_id) or not is_uuid(key):
            return None
        return SharedIdentity(group=self.name, key=key, installation_id=installation_id)

    def _fresh(self, new_uuid: Callable[[], str]) -> SharedIdentity:
        return SharedIdentity(group=self.name, key=new_uuid(), installation_id=new_uuid())
