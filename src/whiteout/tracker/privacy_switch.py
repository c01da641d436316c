"""How a tracker's level begins, changes and is kept, and what is kept of who uses it.

Owner: `lock`, which lets one change of the level, `forget` or `close` happen at a time. The
tracker's own lock is taken for the moment in which the level changes, never across I/O.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from whiteout.identifiers import Anonymisation
from whiteout.tracker.configuration import Pending
from whiteout.tracker.counters import DropReason
from whiteout.tracker.decisions import Decisions, first_level
from whiteout.tracker.identity import Earlier
from whiteout.tracker.installation import Installation
from whiteout.tracker.pending import IdentifiedChange, PendingChange
from whiteout.tracker.session import SessionLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.anonymisation import Gate
    from whiteout.strict.profile import PrivacyProfile
    from whiteout.tracker.configuration import EmitterConfiguration, TrackerConfiguration
    from whiteout.tracker.counters import Counters
    from whiteout.tracker.identity import IdentityFiles
    from whiteout.tracker.identity_group import IdentityGroup
    from whiteout.tracker.inspectable import InspectableEvent
    from whiteout.tracker.journal import LeftBehind
    from whiteout.tracker.network import NetworkConnection
    from whiteout.tracker.passage import Passage
    from whiteout.tracker.shared_part import SharedPart

_NONE: Final = Anonymisation.NONE
_CLIENT: Final = Anonymisation.CLIENT


class PrivacySwitch:
    """Levels, and the identity that they allow to know.

    Args:
        passage: what events pass.
        shared: what they share.
        files: where decisions and identity are kept.
        counters: where faults are reported.
        gate: what a level lets through.
        new_uuid: random UUIDs.
        connection: holds the cookies.
        continues_session: whether the stored session goes on at a restart.
        minimum: what the level holds at least; nobody's decision, and not stored as one.
        decided_profile: by the app; the gate's is this and the minimum.
        group: whose trackers share the installation's id; None: it is the namespace's own.
    """

    def __init__(  # noqa: PLR0913 - one argument a collaborator
        self,
        passage: Passage,
        *,
        shared: SharedPart,
        files: IdentityFiles,
        counters: Counters,
        gate: Gate,
        new_uuid: Callable[[], bytes],
        connection: NetworkConnection,
        continues_session: bool,
        minimum: Anonymisation,
        decided_profile: PrivacyProfile,
        group: IdentityGroup | None = None,
    ) -> None:
        self._passage = passage
        self._lines = passage.lines
        self._shared = shared
        self._files = files
        self._gate = gate
        self._new_uuid = new_uuid
        self._continues_session = continues_session
        self.lock = threading.RLock()
        self.decisions = Decisions(files, counters)
        self.installation = Installation(files, counters, passage.new_id, connection, group)
        self._identity_is_due = False
        self.decided = _NONE  # by the app or the user; the level is this and the minimum
        self.decided_profile = decided_profile
        self.minimum = minimum

    def take_up(
        self,
        tracker: TrackerConfiguration,
        emitter: EmitterConfiguration,
        running: Anonymisation | None,
        left: list[LeftBehind],
        floor: Anonymisation,
    ) -> None:
        """Begin where the last process ended, as far as the level allows to know of it.

        Args:
            tracker: what the app says.
            emitter: the same.
            running: the level of the tracker that this one replaces; None: there is none.
            left: journals of processes that are gone.
            floor: what the level holds at least, whatever is said.
        """
        before = self.decisions.current
        self.decided = first_level(tracker, emitter, running, before.level) | floor
        level = self.decided | self.minimum
        is_identified = not level & _CLIENT
        line, installation_id = None, None
        if is_identified:
            stored = self.installation.recover(left)
            installation_id = self.installation.id
            if stored is not None:
                continues = (
                    self._continues_session
                    and not before.session_ended
                    and not (before.level or _NONE) & _CLIENT
                )
                line = SessionLine(installation_id, stored=stored, continues=continues)
        else:
            self.installation.follow(left)
        self._shared.refresh(with_identifiers=not level & Anonymisation.USER)
        self._lines.resume(level, installation_id, line)
        self.decisions.take_up(self.decided, self.decided_profile, is_identified=is_identified)

    def settle_what_was_due(self) -> None:
        """Do with waiting events what an earlier process has decided and not done."""
        self._settle_earlier()
        decided = self.decisions.current
        if decided.pending is not Pending.KEEP:
            self._settle_pending(decided.pending, decided.pending_level)

    def change(
        self, level: Anonymisation, pending: Pending, ended: InspectableEvent | None
    ) -> None:
        """Switch the level; see `Tracker.set_anonymisation`.

        Args:
            level: from now on.
            pending: what becomes of waiting events.
            ended: of `Passage.extended_end`; it is of the app's making, so it comes from before any
                lock.
        """
        with self.lock:
            self._change(level, pending, ended)

    def set_minimum(self, minimum: Anonymisation, ended: InspectableEvent | None) -> None:
        """What the level holds at least from now on, whatever was and will be decided.

        Args:
            minimum: flags.
            ended: as for `change`, for the level that follows.
        """
        with self.lock:
            self.minimum = minimum
            self._change(self.decided, Pending.KEEP, ended)

    def change_flags(
        self, *, add: Anonymisation, remove: Anonymisation, ended: InspectableEvent | None
    ) -> None:
        """Switch some flags on and some off, in one step; the rest stays."""
        with self.lock:
            self._change((self.decided | add) & ~remove, Pending.KEEP, ended)

    def forget(self, forget_closed: Callable[[], bool]) -> bool:
        """Erase what is stored; see `Tracker.forget`.

        Args:
            forget_closed: erases the events of a tracker that is closed.
        """
        passage = self._passage
        with self.lock:
            if passage.closed:
                erased = forget_closed()
                return self._files.forget() and erased
            return self._begin_again(
                lambda: passage.engine.forget(passage.keeping_events_out), forgets_subject=True
            )

    def renew(self) -> bool:
        """Go on as another installation: another tracker of the group has forgotten this one.

        Waiting events that name it are dropped, those of anonymous lines are not. False: the disk
        refused.
        """
        passage = self._passage
        with self.lock:
            if passage.closed:
                return True  # what it has stored is dealt with at the next start
            return self._begin_again(
                lambda: self._settle_identified(Earlier.FORGOTTEN), forgets_subject=False
            )

    def _begin_again(self, erase: Callable[[], bool], *, forgets_subject: bool) -> bool:
        passage = self._passage
        with passage.lock:
            passage.closed = True  # no event passes while it is done
        erased = erase() & self.installation.forget()
        if forgets_subject:
            self._shared.forget()
        level = self._lines.level
        installation_id = None if level & _CLIENT else self.installation.id
        with passage.lock:
            self._lines.forget()
            self._lines.resume(level, installation_id, None)
            passage.states.reset()
            passage.closed = False
        self.decisions.end_session(ended=True)
        return erased

    def keep_identity(self) -> None:
        """Store who and which session this is, while the level lets it be known."""
        with self._passage.lock:
            if not self._lines.is_identified:
                return
            state = self._lines.identified_state()
            goes_on = state is not None and state.event_index > 0 and not self._lines.has_ended
        is_kept = self.installation.keep(state)
        if is_kept and self.decisions.current.session_ended and goes_on:
            self.decisions.end_session(ended=False)

    def keep_cookies(self) -> None:
        """Store what the collector has set, on the emitter's thread."""
        if self.installation.has_new_cookies() and self._lines.is_identified:
            self._identity_is_due = True
            self.keep_identity_if_free()

    def keep_identity_if_free(self, *, is_due: bool = False) -> None:
        """For our own threads: never while the level changes, and never waiting for `close`.

        Those wait for these threads. And an identity that is written while `forget` or a switch to
        anonymity is under way would be on the disk after it.
        """
        if is_due:
            self._identity_is_due = True
        settles = self.decisions.current.pending is not Pending.KEEP
        if not (self._identity_is_due or settles) or not self.lock.acquire(blocking=False):
            return
        try:
            if self._passage.closed:
                return
            if self._identity_is_due:
                self._identity_is_due = False
                self.keep_identity()
            if settles and self._passage.engine.storage.is_ready():
                self.decisions.settle_pending()
        finally:
            self.lock.release()

    def _change(
        self, decided: Anonymisation, pending: Pending, ended: InspectableEvent | None
    ) -> None:
        old = self._lines.level
        level = decided | self.minimum
        passage = self._passage
        if passage.closed:
            return
        if level == old and pending is Pending.KEEP:
            if decided != self.decided:  # within the minimum: it acts once that is lowered
                self.decided = decided
                self.decisions.switch(decided, pending, level, crosses=False)
            return
        self.decided = decided
        crosses = bool((level ^ old) & _CLIENT)
        if crosses:
            passage.end_screen(ended)  # first, since it counts in the session that is stored now
        if self._lines.is_identified:
            # Now, since nothing identifying is written afterwards, and the journal, which knows the
            # session too, is erased.
            self.keep_identity()
        self.decisions.switch(decided, pending, level, crosses=crosses)
        if not level & Anonymisation.USER:
            self._shared.refresh(with_identifiers=True)
        installation_id = None if level & _CLIENT else self.installation.id
        if installation_id is not None:
            self._settle_earlier()
            with passage.lock:
                self._lines.recall(installation_id, self.installation.session)
        passage.switch(level, installation_id)
        if level & Anonymisation.USER:
            self._shared.refresh(with_identifiers=False)
        if level & ~old or pending is not Pending.KEEP:
            self._settle_pending(pending, level)

    def _settle_pending(self, pending: Pending, level: Anonymisation) -> None:
        change = None
        if pending is not Pending.KEEP:
            change = PendingChange(pending, level, self._gate, self._new_uuid)
        engine = self._passage.engine
        engine.apply(change, self._passage.keeping_events_out)
        if pending is not Pending.KEEP and engine.storage.is_ready():
            self.decisions.settle_pending()

    def _settle_earlier(self) -> None:
        """Keep what waits of who this was before apart from what comes; before it comes."""
        earlier = self.installation.earlier
        if earlier is not Earlier.SAME:
            self._settle_identified(earlier)
            self.installation.settle_earlier()

    def _settle_identified(self, earlier: Earlier) -> bool:
        engine = self._passage.engine
        engine.apply(
            IdentifiedChange(earlier, self._new_uuid),
            self._passage.keeping_events_out,
            DropReason.FORGOTTEN,
        )
        return engine.storage.is_ready()
