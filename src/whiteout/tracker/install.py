"""The first run: one install event for an installation and namespace.

The mark is a file of a few bytes. It says that the app ran here, never who runs it: it is the same
for everybody, and stays when `forget()` erases who this was.

The event is at least once, and twice only where the process is killed within the microseconds
between tracking it and marking it as tracked: a count of installations that misses some cannot be
mended, one that has a few twice can, and they are rare. It is never sent where the mark cannot be
written, since every start would be the first then. Of several processes that start together one
tracks it: the mark is locked meanwhile, by a lock that the system frees when its holder dies.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from typing import TYPE_CHECKING, Final

from whiteout.events.install import Install
from whiteout.protocol.self_describing import SelfDescribingJson
from whiteout.tracker.process_lock import ProcessLock
from whiteout.tracker.serialisation import dumps

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from whiteout.events.event import Event

# Of one length, so that the second is written where the disk is full.
_PENDING: Final = b"pending"
_TRACKED: Final = b"tracked"
_KIND: Final = "install-referrer"


def track_install(  # noqa: PLR0913 - one argument a collaborator
    folder: Path | None,
    name: str,
    track: Callable[[Event], object],
    *,
    referrer: Callable[[], SelfDescribingJson | None] | None = None,
    started_at_ms: int | None = None,
    warn: Callable[[str, str], object] = lambda _kind, _text: None,
) -> bool:
    """Track the install event if this is the first run; whether it was.

    To be called at each start, with `install_autotracking` on, after the tracker can track and not
    under its lock. Takes 0.6 ms the first time, 11 us afterwards. With the option off nothing is
    read or written, so that switching it on later counts as the first run.

    Args:
        folder: the storage folder; None: there is none, and so no first run that could be told.
        name: of the namespace, as in file names.
        track: the tracker's; when it returns, the event survives the end of the process.
        referrer: gives the entity of `InstallReferrer`, where the app knows one. Called only for
            the event; what it raises, or has no JSON form, means none.
        warn: told where the referrer is of no use: its kind, and a sentence.
        started_at_ms: when the run began, in Unix epoch milliseconds; None: now. It is cut to the
            second, as other events of that moment may be of another level.

    Raises:
        Exception: what `track` raises; the next start tries again.
    """
    if folder is None:
        return False
    path = folder / f"{name}.install"
    if _is_tracked(path):
        return False
    try:
        lock = ProcessLock.acquire_shared_name(folder / f"{name}.install.lock")
    except OSError:
        return False
    if lock is None:  # another process is at it
        return False
    try:
        if _is_tracked(path) or not _mark(path, _PENDING):
            return False
        began = None if started_at_ms is None else started_at_ms // 1000
        moment = None if began is None else dt.datetime.fromtimestamp(began, dt.UTC)
        track(Install(entities=_entities(referrer, warn), true_timestamp=moment))
        _mark(path, _TRACKED)
        return True
    finally:
        lock.release(unlink=sys.platform != "win32" and _is_tracked(path))


def _entities(
    referrer: Callable[[], SelfDescribingJson | None] | None,
    warn: Callable[[str, str], object],
) -> tuple[SelfDescribingJson, ...]:
    if referrer is None:
        return ()
    try:
        entity = referrer()
        if isinstance(entity, SelfDescribingJson):
            dumps(entity.as_dict())
            return (entity,)
    except Exception as error:  # noqa: BLE001 - the app's code; the event is worth more than where it is from
        warn(_KIND, f"install_referrer raised {type(error).__name__}")
        return ()
    if entity is not None:
        warn(_KIND, f"install_referrer gave {type(entity).__name__}, not a SelfDescribingJson")
    return ()


def _is_tracked(path: Path) -> bool:
    """What cannot be read counts as tracked: rather one event too few than one at each start."""
    try:
        return path.read_bytes() not in {b"", _PENDING}
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _mark(path: Path, text: bytes) -> bool:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            return os.write(descriptor, text) == len(text)
        finally:
            os.close(descriptor)
    except OSError:
        return False
