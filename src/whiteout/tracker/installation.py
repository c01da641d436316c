"""Who this installation is: its id, the identified line's last session, the collector's cookies.

Asked only while the level lets the user be known; what is kept on disk is one file (`identity`),
and one more where trackers share who the installation is (`identity_group`).
Owner: the tracker, under the lock that lets one switch happen at a time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from whiteout.tracker.identity import Earlier, Identity, IdentityFiles
from whiteout.tracker.network import HttpConnection
from whiteout.tracker.recovery import latest_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from whiteout.tracker.counters import Counters
    from whiteout.tracker.identity_group import IdentityGroup
    from whiteout.tracker.journal import LeftBehind
    from whiteout.tracker.network import NetworkConnection
    from whiteout.tracker.session import SessionState


class Installation:
    """The identity of a namespace, made when it is first asked for.

    Args:
        files: where it is kept.
        counters: where it is reported that it cannot be kept.
        new_uuid: makes installation ids.
        connection: holds the cookies, if it is the built-in one.
        group: knows the id, where trackers share it.

    Attributes:
        earlier: who was stored, where that is not who it is now.
    """

    def __init__(
        self,
        files: IdentityFiles,
        counters: Counters,
        new_uuid: Callable[[], str],
        connection: NetworkConnection,
        group: IdentityGroup | None = None,
    ) -> None:
        self.earlier = Earlier.SAME
        self._group = group
        self._files = files
        self._counters = counters
        self._new_uuid = new_uuid
        self._identity: Identity | None = None
        self._cookies_kept: tuple[dict[str, Any], ...] = ()
        self.connection = connection

    @property
    def id(self) -> str:
        """The installation's id, made where there is none."""
        if self._identity is None:
            self._identity = self._take(self._load(), None)
        return self._identity.installation_id

    @property
    def session(self) -> SessionState | None:
        """The identified line's last session, as it was stored; None before `id` is asked for."""
        return self._identity.session if self._identity is not None else None

    def use(self, connection: NetworkConnection) -> None:
        """Go on with another connection, as a forked child does, and with the same cookies."""
        self.connection = connection
        if isinstance(connection, HttpConnection):
            connection.restore_cookies(self._cookies_kept)

    def recover(self, left: Iterable[LeftBehind]) -> SessionState | None:
        """The last session: as it was stored, or as the journal of a killed process knows it."""
        known = self._load()
        if self.earlier is not Earlier.SAME:
            left = ()  # what journals know is of the one before
        session = latest_session(
            left,
            known.session if known is not None else None,
            of=known.installation_id if known is not None and self._group is not None else None,
        )
        # A process that was killed before it wrote the file is known by its journal alone.
        identity = self._take(known, session)
        if session is not None:
            session = replace(session, user_id=identity.installation_id)
            identity = replace(identity, session=session)
            if identity != known:  # what a journal knows: it is erased as soon as it is moved
                self._files.save_identity(identity)
        self._identity = identity
        return session

    def follow(self, left: Iterable[LeftBehind]) -> None:
        """While anonymous: keep what only the journal of a killed process knows of the session.

        The journal is about to be erased; without this the identified line would count a session's
        index twice. Nothing of it is new to the disk, and no identity is made where there is none.

        Where its group was told to forget who it was, that is all there is to know.
        """
        if self._files.earlier(None) is Earlier.FORGOTTEN:
            self.earlier = Earlier.FORGOTTEN
            return
        if self._group is not None:
            self._follow_in_group(left)
            return
        known = self._files.load_identity()
        if known is None:
            return
        session = latest_session(left, known.session)
        if session is not None and session.user_id == known.installation_id:
            identity = replace(known, session=session)
            if identity != known:
                self._files.save_identity(identity)

    def settle_earlier(self) -> None:
        """What waited of who was stored before has been dealt with."""
        self.earlier = Earlier.SAME
        if self._identity is not None:
            self._files.save_identity(self._identity)
        else:
            self._files.forget()

    def keep(self, session: SessionState | None) -> bool:
        """Store the session and the cookies; whether that was needed and has worked."""
        if self._identity is None:
            return False
        shared = self._identity.shared
        if self._group is not None and shared is not None and not self._group.is_current(shared):
            return False  # forgotten by another process: it is not stored again
        cookies = self._cookies_kept
        if isinstance(self.connection, HttpConnection):
            cookies = self._cookies_kept = self.connection.cookies()
        identity = replace(self._identity, session=session, cookies=cookies)
        if identity == self._identity:
            return False
        self._identity = identity
        if not self._files.save_identity(identity):
            self._counters.warn("identity-file", "the session could not be stored")
            return False
        return True

    def has_new_cookies(self) -> bool:
        """Whether the collector has set cookies that are not stored yet."""
        connection = self.connection
        return isinstance(connection, HttpConnection) and connection.cookies() != self._cookies_kept

    def forget_cookies(self, *, writes: bool) -> None:
        """Forget the cookies of a collector that is not the tracker's any more.

        Args:
            writes: whether the level lets the file be written; else that is done once it does.
        """
        if isinstance(self.connection, HttpConnection):
            self.connection.forget_cookies()
        self._cookies_kept = ()
        if writes and self._identity is not None:
            self.keep(self._identity.session)

    def forget(self) -> bool:
        """Erase all of it but what a group shares; False: the disk refused."""
        self._identity = None
        self.earlier = Earlier.SAME
        if isinstance(self.connection, HttpConnection):
            self.connection.forget_cookies()
        return self._files.forget()

    def _load(self) -> Identity | None:
        """Who is stored, if that is who it is now; a group's id is made where there is none."""
        shared = self._group.identity(self._new_uuid) if self._group is not None else None
        self.earlier = self._files.earlier(shared)
        known = self._files.load_identity(shared)
        if shared is None or known is not None:
            return known
        if self._group is not None and not self._group.is_current(shared):
            self._counters.warn("group-file", "the id that trackers share could not be stored")
        joined = Identity(installation_id=shared.installation_id, shared=shared)
        if self.earlier is Earlier.SAME:  # else not before what waits has been dealt with
            self._files.save_identity(joined)
        return joined

    def _follow_in_group(self, left: Iterable[LeftBehind]) -> None:
        """As `follow`, without asking who the group is: by the chain, which is of one id only."""
        known = self._files.last_session_of_group()
        if known is None or known.session is None:
            return
        session = latest_session(left, known.session)
        if session is None or session == known.session:
            return
        if known.session.session_id in {session.session_id, session.previous_session_id}:
            self._files.save_session_of_group(session)

    def _take(self, known: Identity | None, session: SessionState | None) -> Identity:
        identity = known or Identity(
            installation_id=session.user_id if session is not None else self._new_uuid()
        )
        if isinstance(self.connection, HttpConnection):
            self.connection.restore_cookies(identity.cookies)
            self._cookies_kept = identity.cookies
        return identity
