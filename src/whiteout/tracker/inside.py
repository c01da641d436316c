"""What the other parts of the SDK ask of a tracker, and apps do not.

An app that could reach it could undo what a remote configuration asks for, so none of it is an
attribute of `Tracker`: `inside_of` gets at it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whiteout.errors import ConfigurationError
from whiteout.tracker.configuration import Pending
from whiteout.tracker.controllers import SessionController
from whiteout.tracker.decisions import Minimum
from whiteout.tracker.emitter_controller import EmitterController
from whiteout.tracker.live import LiveChanges
from whiteout.tracker.network_controller import NetworkController

if TYPE_CHECKING:
    from whiteout.identifiers import Anonymisation
    from whiteout.strict.profile import PrivacyProfile
    from whiteout.tracker.core import Core
    from whiteout.tracker.live import Watch
    from whiteout.tracker.live_options import LiveOptions
    from whiteout.tracker.tracker import Tracker


class Inside:
    """Level, sending and options of one tracker; the controllers that change them.

    Args:
        tracker: has the live options of the section `tracker`.
        core: does what is asked for.
    """

    def __init__(self, tracker: LiveOptions, core: Core) -> None:
        self._tracker = tracker
        self.core = core
        self._privacy = core.privacy
        self._passage = core.passage
        self.changes = LiveChanges(
            core.live,
            core.passage,
            shared=core.shared,
            privacy=core.privacy,
            check_process=core.check_process,
        )
        core.shared.subject.belong_to(self.changes)
        self.session = SessionController(
            core.passage, self.move_app, core.live.session, self.changes
        )
        self.emitter = EmitterController(self, core.live.emitter, self.changes)
        self.network = NetworkController(core.live.network, self.changes)

    # --- the level ------------------------------------------------------------------------------

    @property
    def anonymisation(self) -> Anonymisation:
        """The level of the next event."""
        return self.core.lines.level

    @property
    def decided(self) -> Anonymisation:
        """The level as app and user have decided, whatever the minimum is."""
        return self._privacy.decided

    @property
    def decided_profile(self) -> PrivacyProfile:
        """The privacy profile as the app has decided."""
        return self._privacy.decided_profile

    @property
    def minimum(self) -> Minimum:
        """What level and profile are at least."""
        return Minimum(self._privacy.minimum, self.core.minimum_profile)

    def set_level(self, level: Anonymisation, pending: Pending) -> None:
        """As `Tracker.set_anonymisation`."""
        self.core.check_process()
        if self._passage.closed:
            return
        self._check_minimum(level)
        with self.core.consent.permitting(level) as ended:
            if pending is not Pending.KEEP:
                self.core.forget_queued()
            self._privacy.change(level, pending, ended)

    def change_level(self, *, add: Anonymisation, remove: Anonymisation) -> None:
        """Switch some flags on and some off, in one step; the rest stays."""
        self.core.check_process()
        if self._passage.closed:
            return
        self._check_minimum(~remove)
        level = (self.core.lines.level | add) & ~remove
        with self.core.consent.permitting(level, removed=remove) as ended:
            self._privacy.change_flags(add=add, remove=remove, ended=ended)

    def set_minimum(self, minimum: Anonymisation) -> None:
        """Let the level hold these flags at least; what was decided stays, and acts beyond them."""
        self.core.check_process()
        if self._passage.closed or minimum == self._privacy.minimum:
            return
        ended = self._passage.extended_end(self._privacy.decided | minimum)
        self._privacy.set_minimum(minimum, ended)

    def _check_minimum(self, level: Anonymisation) -> None:
        lacking = self._privacy.minimum & ~level
        if lacking:
            names = " | ".join(f"Anonymisation.{flag.name}" for flag in lacking)
            raise ConfigurationError(
                f"the level must hold {names}: the remote configuration asks for it, or is not "
                "known yet"
            )

    # --- options --------------------------------------------------------------------------------

    def watch(self, watch: Watch) -> None:
        """Let `watch` hear of each option that the app sets."""
        self.changes.watch = watch

    def owner_of(self, section: str) -> object:
        """What has the live options of a section of the configuration."""
        owners = {
            "network": self.network,
            "emitter": self.emitter,
            "session": self.session,
            "subject": self.core.shared.subject,
        }
        return owners.get(section, self._tracker)

    # --- what the controllers ask for -----------------------------------------------------------

    def move_app(self, *, is_visible: bool) -> str | None:
        """As `Tracker.enter_foreground` and `enter_background`."""
        self.core.check_process()
        return self._passage.become(is_visible=is_visible)

    def set_sending(self, *, sends: bool) -> None:
        """Pause or resume the emitter."""
        self.core.check_process()
        if self._passage.closed:
            return
        if sends:
            self.core.engine.resume()
        else:
            self.core.engine.emitter.pause()

    def waiting_events(self) -> int:
        """How many events wait in the event store."""
        return self.core.engine.waiting

    def remove_waiting_events(self) -> bool:
        """Delete every waiting event; False: the disk refused."""
        self.core.check_process()
        passage = self._passage
        if passage.closed:
            return True
        with self._privacy.lock:
            if passage.closed:
                return True
            self._privacy.keep_identity()  # the journal, which knows the session too, is erased
            return self.core.engine.forget(passage.keeping_events_out)

    def is_sending(self) -> bool:
        """Whether a request is under way."""
        return self.core.engine.emitter.is_sending

    def survives_kill(self) -> bool:
        """Whether all that waits is on the disk."""
        return self.core.engine.fresh.survives_kill

    def flush(self, timeout: float) -> bool:
        """As `Tracker.flush`."""
        self.core.check_process()
        if self._passage.closed:
            return True
        return self.core.engine.flush(timeout)


def inside_of(tracker: Tracker) -> Inside:
    """What is inside of a tracker."""
    return tracker._inside  # noqa: SLF001 - the one way in
