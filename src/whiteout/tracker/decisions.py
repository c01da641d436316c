"""What was decided about privacy, kept so that it survives this process.

Owner: the tracker, under the lock that lets one switch happen at a time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from whiteout.identifiers import Anonymisation
from whiteout.strict.profile import PrivacyProfile
from whiteout.tracker.configuration import Pending
from whiteout.tracker.identity import IdentityFiles, PrivacyRecord

if TYPE_CHECKING:
    from whiteout.tracker.configuration import EmitterConfiguration, TrackerConfiguration
    from whiteout.tracker.counters import Counters


class Minimum(NamedTuple):
    """What holds at least; nobody's decision, and never stored as one.

    Attributes:
        level: flags.
        profile: None: any.
    """

    level: Anonymisation = Anonymisation.NONE
    profile: PrivacyProfile | None = None


class Decisions:
    """The privacy record of a namespace.

    Args:
        files: where it is kept.
        counters: where it is reported that it cannot be kept.
    """

    def __init__(self, files: IdentityFiles, counters: Counters) -> None:
        self._files = files
        self._counters = counters
        self.current = files.load_privacy()

    def take_up(
        self, level: Anonymisation, profile: PrivacyProfile, *, is_identified: bool
    ) -> None:
        """A process begins at `level`; what is still to be done with waiting events stays so."""
        before = self.current
        ended = before.session_ended or not is_identified
        taken = replace(before, level=level, session_ended=ended, profile=profile)
        if taken != before:
            self._save(taken)

    def switch(
        self,
        level: Anonymisation,
        pending: Pending,
        pending_level: Anonymisation,
        *,
        crosses: bool,
    ) -> None:
        """Record a switch; what the disk has refused to settle so far stays due.

        Args:
            level: as it was decided.
            pending: what waiting events are owed.
            pending_level: what they are to hide.
            crosses: whether the session must not go on.
        """
        due = self.current
        if due.pending is not Pending.KEEP:
            pending_level |= due.pending_level
            pending = Pending.DROP if Pending.DROP in {pending, due.pending} else due.pending
        self._save(
            PrivacyRecord(
                level=level,
                session_ended=due.session_ended or crosses,
                pending=pending,
                pending_level=pending_level,
                profile=due.profile,
            )
        )

    def settle_pending(self) -> None:
        """What was due has been done with waiting events."""
        mine, recorded = self.current, self._recorded()
        if (recorded.pending, recorded.pending_level) == (mine.pending, mine.pending_level):
            self._save(replace(recorded, pending=Pending.KEEP))

    def end_session(self, *, ended: bool) -> None:
        """Whether the identified session must not go on."""
        self._save(replace(self._recorded(), session_ended=ended))

    def _recorded(self) -> PrivacyRecord:
        """The record to amend: another process of the namespace may have decided meanwhile."""
        recorded = self._files.load_privacy()
        return self.current if recorded.level is None else recorded

    def _save(self, record: PrivacyRecord) -> None:
        self.current = record
        if not self._files.save_privacy(record):
            self._counters.warn("privacy-file", "the level could not be stored for the next start")


def first_profile(said: PrivacyProfile | None, *before: PrivacyProfile | None) -> PrivacyProfile:
    """What the app says; where it says nothing, the stricter of what was (leak L34)."""
    if said is not None:
        return said
    return PrivacyProfile.STRICT if PrivacyProfile.STRICT in before else PrivacyProfile.STANDARD


def first_level(
    tracker: TrackerConfiguration,
    emitter: EmitterConfiguration,
    running: Anonymisation | None,
    stored: Anonymisation | None,
) -> Anonymisation:
    """What the app says; where it says nothing, the stricter of what was (leak L34)."""
    before = (running or Anonymisation.NONE) | (stored or Anonymisation.NONE)
    level = Anonymisation.NONE
    for flag, said in (
        (Anonymisation.USER, tracker.user_anonymisation),
        (
            Anonymisation.SESSION,
            None if tracker.session_context is None else not tracker.session_context,
        ),
        (Anonymisation.SERVER, emitter.server_anonymisation),
    ):
        if said if said is not None else flag in before:
            level |= flag
    return level
