"""The tracker: the front of all that is behind `track(event)`.

Owners: `_lock` guards what an event passes through (`_passage`: lines, states, the end of the
journal; the subject); it is held for microseconds, never across I/O or the app's code. The lock of
`_privacy` lets one change of the level, `forget` or `close` happen at a time, and that of
`consent`, which is taken before it, one answer of the user. What is behind the journal is the
engine's. All of it is put together in `core`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from whiteout.errors import ConfigurationError
from whiteout.identifiers import Anonymisation
from whiteout.tracker.checks import check_flag, check_tracked
from whiteout.tracker.configuration import Pending
from whiteout.tracker.core import Core
from whiteout.tracker.decisions import Minimum
from whiteout.tracker.inside import Inside
from whiteout.tracker.live_options import LiveOptions, Pauses
from whiteout.tracker.scope import level_here, scoped
from whiteout.tracker.shared_part import TRACKER_VERSION
from whiteout.tracker.states.states import DEEP_LINK, LIFECYCLE, SCREEN, SUMMARY

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from whiteout.events.event import Event
    from whiteout.events.gdpr import GdprConfiguration
    from whiteout.strict.profile import PrivacyProfile
    from whiteout.tracker.configuration import (
        EmitterConfiguration,
        NetworkConfiguration,
        SessionConfiguration,
        SubjectConfiguration,
        TrackerConfiguration,
    )
    from whiteout.tracker.consent import Consent
    from whiteout.tracker.consent_record import ConsentRecord
    from whiteout.tracker.controllers import SessionController
    from whiteout.tracker.counters import DropReason
    from whiteout.tracker.emitter_controller import EmitterController
    from whiteout.tracker.engine import Engine
    from whiteout.tracker.environment import Environment
    from whiteout.tracker.gdpr import GdprController
    from whiteout.tracker.global_contexts import GlobalContextsController
    from whiteout.tracker.identity_group import IdentityGroups
    from whiteout.tracker.link_decoration import CrossDeviceParameterConfiguration
    from whiteout.tracker.network import NetworkConnection
    from whiteout.tracker.network_controller import NetworkController
    from whiteout.tracker.plugins import PluginsController
    from whiteout.tracker.subject import Subject

_NONE: Final = Anonymisation.NONE
_NO_MINIMUM: Final = Minimum()


class Tracker(LiveOptions):
    """Tracks events for one namespace. Made by `whiteout.create_tracker`.

    Any thread may call anything. After `close` every method is inert: `track` gives None, setters
    do nothing.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - one argument a configuration
        self,
        namespace: str,
        network: NetworkConfiguration,
        tracker: TrackerConfiguration,
        emitter: EmitterConfiguration,
        session: SessionConfiguration,
        subject: SubjectConfiguration,
        *,
        environment: Environment,
        process_lock: AbstractContextManager[object],
        level: Anonymisation | None = None,
        profile: PrivacyProfile | None = None,
        gdpr: GdprConfiguration | None = None,
        consent: ConsentRecord | None = None,
        extensions: Sequence[object] = (),
        pauses: Pauses | None = None,
        minimum: Minimum = _NO_MINIMUM,
        groups: IdentityGroups,
        running: Callable[[], Tracker | None],
    ) -> None:
        self._namespace = namespace
        self._core = Core(
            namespace,
            network,
            tracker,
            emitter,
            session,
            subject,
            environment=environment,
            process_lock=process_lock,
            level=level,
            profile=profile,
            gdpr=gdpr,
            consent=consent,
            extensions=extensions,
            pauses=pauses,
            minimum=minimum,
            groups=groups,
            running=running,
        )
        self._lock = self._core.lock
        self._counters = self._core.counters
        self._shared = self._core.shared
        self._passage = self._core.passage
        self._lines = self._core.lines
        self._live = self._core.live
        self._inside = Inside(self, self._core)
        self._changes = self._inside.changes

    # --- tracking -----------------------------------------------------------------------------

    def track(self, event: Event, *, anonymisation: Anonymisation = _NONE) -> str | None:
        """Track an event, and return its id; None where the tracker is paused or closed.

        When it returns, the event survives a kill of the process. It waits for neither disk nor
        network, and never raises for their faults: what cannot be kept is counted in `drops`.

        Args:
            event: read at once; later changes to what it was made from change nothing.
            anonymisation: makes this event more anonymous than the tracker is, never less.

        Raises:
            ConfigurationError: the event holds something that has no JSON form, or an argument is
                of another type.
        """
        if self._core.is_forked:
            self._core.revive()
        try:
            return self._passage.track(event, anonymisation)
        except (AttributeError, TypeError):  # looked into only now: asking first costs each event
            check_tracked(event, anonymisation)
            raise

    def scope(
        self,
        *,
        subject: SubjectConfiguration | None = None,
        anonymisation: Anonymisation = _NONE,
    ) -> AbstractContextManager[None]:
        """Track for one of many: for a server, while it answers one visitor's request.

        Events tracked inside, also in coroutines that are awaited there, and in tasks and threads
        that are made there and take the context along, are of that subject and at least as
        anonymous as said. They carry no session and no screen, lifecycle or deep link of the
        tracker's: those are the app's, not its visitors'. Other tasks and threads, and other
        trackers, do not notice. A scope inside another adds to the other's level.

        A task that goes on when the scope is over stays as anonymous, but tracks for nobody: of no
        subject, unless it enters a scope that names one.

        Args:
            subject: stands for the tracker's whole subject; None: the tracker's own, or that of the
                scope around this one.
            anonymisation: flags to add to the tracker's.

        Raises:
            ConfigurationError: when it is entered; an argument is of another type.
        """
        return scoped(self._passage.owner, subject, anonymisation)

    def decorate_link(
        self, uri: str, configuration: CrossDeviceParameterConfiguration | None = None
    ) -> str | None:
        """A link to another site or app that tells it who followed: with `_sp` as last parameter.

        While the user is hidden, from the app (USER) or from the collector (SERVER), it tells
        nothing: the answer is the link without any `_sp`, also without one that it came with.

        Args:
            uri: absolute or relative; all of it but `_sp` stays letter for letter.
            configuration: what the link tells besides the installation's id and the time; None:
                `CrossDeviceParameterConfiguration()`.

        Returns:
            None where there is nobody to tell of: without sessions, in a scope, and once closed.

        Raises:
            ConfigurationError: an argument is of another type.
        """
        # Not before it is needed: it loads urllib.parse.
        from whiteout.tracker.links import decorated_link  # noqa: PLC0415 - see above

        self._core.check_process()
        return decorated_link(self._passage, self._shared, uri, configuration)

    def enter_background(self) -> str | None:
        """The app went to the background: from now on `background_timeout` counts.

        With `lifecycle_autotracking` this tracks a `Background` event with its index.

        Returns:
            the event's id; None where the app was there already, or no event was tracked.
        """
        return self._inside.move_app(is_visible=False)

    def enter_foreground(self) -> str | None:
        """The app came back; its first event is still judged by `background_timeout`.

        With `lifecycle_autotracking` that is a `Foreground` event with its index.

        Returns:
            the event's id; None where the app was there already, or no event was tracked.
        """
        return self._inside.move_app(is_visible=True)

    def pause(self) -> None:
        """Track nothing until `resume`: events are lost, `track` gives None.

        A tracker made again for the namespace stays paused.
        """
        self._passage.paused = True

    def resume(self) -> None:
        """Track again."""
        self._passage.paused = False

    async def flush_async(self, timeout: float = 10.0) -> bool:  # noqa: ASYNC109 - as `flush`
        """As `flush`, without blocking the event loop; a wait that is cancelled ends at once.

        Args:
            timeout: seconds.
        """
        # asyncio takes 30 ms that a program without it does not pay.
        from whiteout.tracker.asynchronous import flush_async  # noqa: PLC0415 - see above

        return await flush_async(self, timeout)

    def flush(self, timeout: float = 10.0) -> bool:
        """Send what waits, now; True when all that was tracked before is delivered or dropped.

        Args:
            timeout: seconds.
        """
        return self._inside.flush(timeout)

    def close(self, timeout: float = 5.0) -> bool:
        """Stop. What is not delivered within `timeout` seconds is stored and sent next time.

        Plugins are told first of what was tracked, within half of the time, or 50 ms.

        Returns:
            whether everything was delivered.
        """
        self._core.check_process()
        return self._core.close(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # --- what it is ---------------------------------------------------------------------------

    @property
    def namespace(self) -> str:
        """`tna` on the wire, and the name of the event store."""
        return self._namespace

    @property
    def version(self) -> str:
        """`tv` on the wire, without the suffix."""
        return TRACKER_VERSION

    @property
    def is_tracking(self) -> bool:
        """Whether `track` tracks."""
        return not (self._passage.closed or self._passage.paused)

    @property
    def subject(self) -> Subject:
        """What the app says of its user and device, changeable at any time."""
        return self._shared.subject

    @property
    def session(self) -> SessionController | None:
        """The running session; None while `session_context` is off."""
        return self._inside.session if self._lines.has_session else None

    @property
    def emitter(self) -> EmitterController:
        """Sending."""
        return self._inside.emitter

    @property
    def gdpr(self) -> GdprController:
        """The legal basis that events name."""
        return self._shared.gdpr

    @property
    def plugins(self) -> PluginsController:
        """The app's functions that add to events, veto or follow them; changeable at any time."""
        return self._core.app_code().plugins

    @property
    def global_contexts(self) -> GlobalContextsController:
        """Entities that the app attaches to many events; changeable at any time."""
        return self._core.app_code().global_contexts

    @property
    def network(self) -> NetworkController:
        """Where events go."""
        return self._inside.network

    @property
    def drops(self) -> Mapping[DropReason, int]:
        """How many events were dropped since the tracker was made, by reason."""
        return self._counters.drops()

    # --- states ---------------------------------------------------------------------------------

    @property
    def screen_context(self) -> bool:
        """Whether events carry the last screen view's screen. Switching it off forgets that."""
        return self._passage.states.is_on(SCREEN)

    @screen_context.setter
    def screen_context(self, value: bool) -> None:
        self._switch_feature(SCREEN, on=value)

    @property
    def screen_engagement_autotracking(self) -> bool:
        """Whether screens are ended and summed up. Switching it off forgets the summary."""
        return self._passage.states.is_on(SUMMARY)

    @screen_engagement_autotracking.setter
    def screen_engagement_autotracking(self, value: bool) -> None:
        self._switch_feature(SUMMARY, on=value)

    @property
    def lifecycle_autotracking(self) -> bool:
        """Whether events say that the app is visible, and its moves are tracked."""
        return self._passage.states.is_on(LIFECYCLE)

    @lifecycle_autotracking.setter
    def lifecycle_autotracking(self, value: bool) -> None:
        self._switch_feature(LIFECYCLE, on=value)

    @property
    def deep_link_context(self) -> bool:
        """Whether the screen view after a deep link carries it. Switching it off forgets it."""
        return self._passage.states.is_on(DEEP_LINK)

    @deep_link_context.setter
    def deep_link_context(self, value: bool) -> None:
        self._switch_feature(DEEP_LINK, on=value)

    @property
    def geo_location_context(self) -> bool:
        """Whether events carry the place that the subject names, while the user is known."""
        return self._shared.sends_geolocation

    @geo_location_context.setter
    def geo_location_context(self, value: bool) -> None:
        check_flag("geo_location_context", value)
        self._shared.switch_geolocation(on=value)

    # --- errors ---------------------------------------------------------------------------------

    @property
    def exception_autotracking(self) -> bool:
        """Whether exceptions that nobody catches are tracked."""
        return self._core.errors.tracks_exceptions

    @exception_autotracking.setter
    def exception_autotracking(self, value: bool) -> None:
        check_flag("exception_autotracking", value)
        self._core.errors.switch_exceptions(on=value)

    def track_exceptions_of(self, loop: AbstractEventLoop) -> None:
        """Track what nobody catches in an event loop that has an exception handler of its own.

        Loops of asyncio's kind without one need no call. To be called on the loop's thread, after
        the app has set its handler, which is called afterwards, as before; again where it sets
        another. It holds for all trackers of the process that track exceptions, and does nothing
        where this one does not.

        Args:
            loop: such as `asyncio.get_running_loop()`.
        """
        self._core.errors.reach(loop)

    @property
    def diagnostic_autotracking(self) -> bool:
        """Whether the tracker's own warnings are tracked."""
        return self._core.errors.tracks_diagnostics

    @diagnostic_autotracking.setter
    def diagnostic_autotracking(self, value: bool) -> None:
        check_flag("diagnostic_autotracking", value)
        self._core.errors.switch_diagnostics(on=value)

    # --- anonymity ----------------------------------------------------------------------------

    @property
    def consent(self) -> Consent:
        """What the user allows; where that was asked, the level stays within the answer."""
        return self._core.consent

    @property
    def anonymisation(self) -> Anonymisation:
        """The level of the next event. Setting it switches all three groups in one step."""
        return self._lines.level

    @anonymisation.setter
    def anonymisation(self, level: Anonymisation) -> None:
        self.set_anonymisation(level)

    @property
    def effective_anonymisation(self) -> Anonymisation:
        """The level of an event that is tracked here and now: with what scopes around it add.

        In no `scope` it is `anonymisation`. An event may still be more anonymous, by the argument
        of `track`.
        """
        return level_here(self._passage.owner, self._lines.bits)

    @property
    def user_anonymisation(self) -> bool:
        """Whether the user is hidden. A change starts a new session."""
        return Anonymisation.USER in self._lines.level

    @user_anonymisation.setter
    def user_anonymisation(self, value: bool) -> None:
        check_flag("user_anonymisation", value)
        self._switch(Anonymisation.USER, on=value)

    @property
    def session_context(self) -> bool:
        """Whether events carry the session entity."""
        return Anonymisation.SESSION not in self._lines.level

    @session_context.setter
    def session_context(self, value: bool) -> None:
        check_flag("session_context", value)
        self._switch(Anonymisation.SESSION, on=not value)

    @property
    def privacy_profile(self) -> PrivacyProfile:
        """How much an anonymous event may tell; another one needs another tracker."""
        return self._core.gate.profile

    def set_anonymisation(
        self, level: Anonymisation, *, pending: Pending | str = Pending.KEEP
    ) -> None:
        """Switch the level, for every event from the next one on, in one step.

        When it returns, the level is stored, and what waits has been dealt with. Calling it again
        with the same level deals with `pending` again.

        Args:
            level: from now on; a choice that survives a restart.
            pending: what happens to waiting events that are less anonymous: `keep` sends them as
                they were tracked, `anonymise` sends them as the new level asks (with fresh ids, so
                that nothing links them to what was sent before), `drop` does not send them.

        Raises:
            ConfigurationError: `level` is no `Anonymisation`, or `pending` none of the three; or
                `level` lacks a flag that holds until the user consents (see `consent`), or that a
                remote configuration asks for (see `whiteout.setup_remote`). For both the setters of
                single flags raise, too.
        """
        if not isinstance(level, Anonymisation):
            raise ConfigurationError(
                f"level must be an Anonymisation such as Anonymisation.FULL, got {level!r}"
            )
        self._inside.set_level(level, _pending(pending))

    def forget(self) -> bool:
        """Erase what is stored of the user: identifiers, session, cookies, waiting events.

        The subject's four identifiers and its place are cleared too, and the next event begins a
        new line with a new installation id, or none while anonymous. The level stays, and of
        consent what was answered: not when, nor to which documents.

        Other trackers of its `identity_group` get another installation id, session and cookies with
        it, and their waiting events that name the old one are erased: those of this process before
        this returns, others at their next start. What the app told them of its user is theirs.

        Returns:
            False where the disk refused; then call it again.
        """
        self._core.check_process()
        return self._core.forget()

    # --- inside ---------------------------------------------------------------------------------

    @property
    def _engine(self) -> Engine:
        return self._core.engine

    @property
    def _connection(self) -> NetworkConnection:
        return self._core.connection

    def _switch_feature(self, feature: str, *, on: bool) -> None:
        check_flag(feature, on)
        with self._lock:
            if not self._passage.closed:
                self._passage.states.switch(feature, on=on)

    def _switch(self, flag: Anonymisation, *, on: bool) -> None:
        self._inside.change_level(add=flag if on else _NONE, remove=_NONE if on else flag)


def _pending(value: Pending | str) -> Pending:
    try:
        return Pending(value)
    except ValueError:
        raise ConfigurationError(
            f"pending must be 'keep', 'anonymise' or 'drop', got {value!r}"
        ) from None
