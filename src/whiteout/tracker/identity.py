"""What is remembered between runs, in two small files a namespace.

`<namespace>.identity.json` holds identifiers: the installation id, the identified line's last
session, the collector's cookies. It is written only while the user is identified; an app that is
anonymous from its first run never makes one (promise 3, leaks L3, L24, L33: each namespace has an
identity of its own).

`<namespace>.privacy.json` holds the level and whether the identified session was ended by a switch:
nothing that identifies. It makes a choice for more privacy survive a restart (leaks L4, L34).
"""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard

from whiteout.identifiers import Anonymisation
from whiteout.strict.profile import PrivacyProfile
from whiteout.tracker.configuration import Pending
from whiteout.tracker.session import SessionState

if TYPE_CHECKING:
    from pathlib import Path

_UUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
_MAX_FILE_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who this installation is.

    Attributes:
        installation_id: `userId` of every identified session.
        session: the identified line's last session.
        cookies: what the collector set on identified requests, as `http.cookiejar` attributes.
    """

    installation_id: str = field(repr=False)
    session: SessionState | None = None
    cookies: tuple[dict[str, Any], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyRecord:
    """What was decided last.

    Attributes:
        level: None where nothing was decided yet.
        session_ended: the identified session was ended by a switch and must not go on.
        pending: what the app wants done with events that waited at the switch, until it is done.
        pending_level: what they are to become; not `level`, which a restart may have changed.
        profile: how much an event of an anonymous user may tell.
    """

    level: Anonymisation | None = None
    session_ended: bool = False
    pending: Pending = Pending.KEEP
    pending_level: Anonymisation = Anonymisation.FULL
    profile: PrivacyProfile = PrivacyProfile.STANDARD


@dataclass(slots=True)
class IdentityFiles:
    """The two files of one namespace. A folder of None keeps nothing.

    Writing replaces the file in one step; reading tolerates anything. Both answer whether they
    succeeded instead of raising: what cannot be remembered is no reason to hurt the app.
    """

    folder: Path | None
    name: str
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def after_fork(self) -> None:
        """In a forked child: a lock that another thread held would never be freed."""
        self._lock = threading.Lock()

    def load_identity(self) -> Identity | None:
        """The stored identity; None where there is none that can be read."""
        record = self._read("identity")
        installation_id = record.get("installation_id")
        if not isinstance(installation_id, str) or not _UUID.fullmatch(installation_id):
            return None
        cookies = record.get("cookies")
        return Identity(
            installation_id=installation_id,
            session=_session(record.get("session"), installation_id),
            cookies=tuple(c for c in cookies if isinstance(c, dict))
            if isinstance(cookies, list)
            else (),
        )

    def save_identity(self, identity: Identity) -> bool:
        """Store who this installation is. Only for the identified line."""
        session = identity.session
        record = {
            "installation_id": identity.installation_id,
            "session": asdict(session) if session else None,
            "cookies": list(identity.cookies),
        }
        return self._write("identity", record)

    def forget(self) -> bool:
        """Erase the identity, and what a process that was killed while it wrote one has left."""
        if self.folder is None:
            return True
        try:
            for path in (self._path("identity"), *self.folder.glob(f"{self.name}.identity.*.tmp")):
                path.unlink(missing_ok=True)
        except OSError:
            return False
        return True

    def load_privacy(self) -> PrivacyRecord:
        """What was decided last. A file that cannot be understood counts as: everything hidden."""
        if self.folder is None:
            return PrivacyRecord()
        try:
            if not self._path("privacy").exists():
                return PrivacyRecord()
        except OSError:
            return PrivacyRecord()
        record = self._read("privacy")
        level = _level(record.get("level"))
        if level is None:
            return PrivacyRecord(
                level=Anonymisation.FULL, session_ended=True, profile=PrivacyProfile.STRICT
            )
        pending_level = _level(record.get("pending_level"))
        return PrivacyRecord(
            level=level,
            session_ended=record.get("session_ended") is not False,
            pending=_pending(record.get("pending")),
            pending_level=Anonymisation.FULL if pending_level is None else pending_level,
            profile=_profile(record.get("profile", PrivacyProfile.STANDARD.value)),
        )

    def save_privacy(self, record: PrivacyRecord) -> bool:
        """Store what was decided."""
        level = record.level.value if record.level is not None else 0
        return self._write(
            "privacy",
            {
                "level": level,
                "session_ended": record.session_ended,
                "pending": record.pending.value,
                "pending_level": record.pending_level.value,
                "profile": record.profile.value,
            },
        )

    def _path(self, kind: str) -> Path:
        if self.folder is None:
            raise ValueError(kind)
        return self.folder / f"{self.name}.{kind}.json"

    def _read(self, kind: str) -> dict[str, Any]:
        if self.folder is None:
            return {}
        try:
            with self._path(kind).open("rb") as file:
                record = json.loads(file.read(_MAX_FILE_BYTES))
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def _write(self, kind: str, record: dict[str, Any]) -> bool:
        if self.folder is None:
            return True
        path = self._path(kind)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        with self._lock:
            try:
                with open(temporary, "w", encoding="utf-8", opener=_private_opener) as file:
                    json.dump(record, file)
                temporary.replace(path)
            except OSError:
                return False
        return True


def _private_opener(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _session(record: object, user_id: str) -> SessionState | None:
    """As lenient as the iOS tracker: id and index are enough (reference 4.2)."""
    if not isinstance(record, dict):
        return None
    session_id, index = record.get("session_id"), record.get("session_index")
    if not isinstance(session_id, str) or not _UUID.fullmatch(session_id):
        return None
    if not _is_count(index):
        return None

    def number(name: str) -> int:
        value = record.get(name)
        return value if _is_count(value) else 0

    def text(name: str) -> str | None:
        value = record.get(name)
        return value if isinstance(value, str) and _UUID.fullmatch(value) else None

    return SessionState(
        user_id=user_id,
        session_id=session_id,
        previous_session_id=text("previous_session_id"),
        session_index=index,
        event_index=number("event_index"),
        first_event_id=text("first_event_id") or session_id,
        first_event_at_ms=number("first_event_at_ms"),
        last_event_at_ms=number("last_event_at_ms"),
    )


def _profile(value: object) -> PrivacyProfile:
    try:
        return PrivacyProfile(value)
    except ValueError:
        return PrivacyProfile.STRICT  # what cannot be understood counts as the more private


def _pending(value: object) -> Pending:
    """What cannot be understood drops: the more private choice."""
    try:
        return Pending(value)
    except ValueError:
        return Pending.DROP


def _level(value: object) -> Anonymisation | None:
    if not _is_count(value) or value > Anonymisation.FULL.value:
        return None
    return Anonymisation(value)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
