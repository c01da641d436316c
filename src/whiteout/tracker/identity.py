"""What is remembered between runs, in two small files a namespace.

`<namespace>.identity.json` holds identifiers: the installation id, the identified line's last
session, the collector's cookies. It is written only while the user is identified; an app that is
anonymous from its first run never makes one (promise 3, leaks L3, L24, L33: each namespace has an
identity of its own).

In a group (`identity_group`) it names the group and the key of its id, and not the id.

`<namespace>.privacy.json` holds the level and whether the identified session was ended by a switch:
nothing that identifies. It makes a choice for more privacy survive a restart (leaks L4, L34).
"""

from __future__ import annotations

import enum
import threading
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard

from whiteout.identifiers import NULL_UUID, Anonymisation
from whiteout.strict.profile import PrivacyProfile
from whiteout.tracker.configuration import Pending
from whiteout.tracker.record_file import erase_record, is_uuid, read_record, write_record
from whiteout.tracker.session import SessionState

if TYPE_CHECKING:
    from pathlib import Path

    from whiteout.tracker.identity_group import SharedIdentity


class Earlier(enum.Enum):
    """Who the namespace was, by its file, to who it is now."""

    SAME = enum.auto()
    """The same installation, or nobody yet."""
    OTHER = enum.auto()
    """Another one: the tracker has joined a group since, or left one."""
    FORGOTTEN = enum.auto()
    """One that its group was told to forget, whether it is in that group now or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who this installation is.

    Attributes:
        installation_id: `userId` of every identified session.
        session: the identified line's last session.
        cookies: what the collector set on identified requests, as `http.cookiejar` attributes.
        shared: whose id it is, where trackers share it.
    """

    installation_id: str = field(repr=False)
    session: SessionState | None = None
    cookies: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    shared: SharedIdentity | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyRecord:
    """What was decided last.

    Attributes:
        level: None where nothing was decided yet.
        session_ended: the identified session was ended by a switch and must not go on.
        pending: what the app wants done with events that waited at the switch, until it is done.
        pending_level: what they are to become; not `level`, which a restart may have changed.
        profile: how much an anonymous event may tell.
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

    def load_identity(self, shared: SharedIdentity | None = None) -> Identity | None:
        """The stored identity; None where there is none that can be read, or it is another's.

        Args:
            shared: who the installation is to the tracker's group, where it is in one.
        """
        record = self._read("identity")
        installation_id = record.get("installation_id")
        if shared is not None:
            is_same = (record.get("group"), record.get("key")) == (shared.group, shared.key)
            installation_id = shared.installation_id if is_same else None
        if not is_uuid(installation_id):
            return None
        cookies = record.get("cookies")
        return Identity(
            installation_id=installation_id,
            session=_session(record.get("session"), installation_id),
            cookies=tuple(c for c in cookies if isinstance(c, dict))
            if isinstance(cookies, list)
            else (),
            shared=shared,
        )

    def earlier(self, shared: SharedIdentity | None) -> Earlier:
        """Who the namespace was before, where that is somebody else.

        Args:
            shared: who it is to its group; None: it is in none, or not to be known.
        """
        record = self._read("identity")
        group, key = record.get("group"), record.get("key")
        if shared is not None and group == shared.group:
            return Earlier.SAME if key == shared.key else Earlier.FORGOTTEN
        if isinstance(group, str) and self._read("group", group).get("key") != key:
            return Earlier.FORGOTTEN
        if shared is None:
            return Earlier.SAME if group is None else Earlier.OTHER
        return Earlier.OTHER if record else Earlier.SAME

    def last_session_of_group(self) -> Identity | None:
        """What a tracker of a group may know of its session while it is anonymous.

        Everything but whose it is: the installation's id is the null UUID.
        """
        record = self._read("identity")
        if not isinstance(record.get("group"), str):
            return None
        return Identity(
            installation_id=NULL_UUID, session=_session(record.get("session"), NULL_UUID)
        )

    def save_session_of_group(self, session: SessionState) -> bool:
        """Store a later session of the same identity, whosever that is."""
        return self._write("identity", self._read("identity") | {"session": _anonymous(session)})

    def save_identity(self, identity: Identity) -> bool:
        """Store who this installation is. Only for the identified line."""
        session, shared = identity.session, identity.shared
        record: dict[str, Any] = {"cookies": list(identity.cookies)}
        if shared is None:
            record |= {
                "installation_id": identity.installation_id,
                "session": asdict(session) if session else None,
            }
        else:
            record |= {
                "group": shared.group,
                "key": shared.key,
                "session": _anonymous(session) if session else None,
            }
        return self._write("identity", record)

    def forget(self) -> bool:
        """Erase the identity, and what a process that was killed while it wrote one has left."""
        return self.folder is None or erase_record(self._path("identity"))

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

    def _path(self, kind: str, name: str | None = None) -> Path:
        if self.folder is None:
            raise ValueError(kind)
        return self.folder / f"{name or self.name}.{kind}.json"

    def _read(self, kind: str, name: str | None = None) -> dict[str, Any]:
        """A record; `name`: of what, where not of the namespace."""
        return read_record(self._path(kind, name)) if self.folder is not None else {}

    def _write(self, kind: str, record: dict[str, Any]) -> bool:
        if self.folder is None:
            return True
        with self._lock:
            return write_record(self._path(kind), record)


def _anonymous(session: SessionState) -> dict[str, Any]:
    record = asdict(session)
    del record["user_id"]
    return record


def _session(record: object, user_id: str) -> SessionState | None:
    """As lenient as the iOS tracker: id and index are enough (reference 4.2)."""
    if not isinstance(record, dict):
        return None
    session_id, index = record.get("session_id"), record.get("session_index")
    if not is_uuid(session_id):
        return None
    if not _is_count(index):
        return None

    def number(name: str) -> int:
        value = record.get(name)
        return value if _is_count(value) else 0

    def text(name: str) -> str | None:
        value = record.get(name)
        return value if is_uuid(value) else None

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
