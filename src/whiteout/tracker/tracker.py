"""The tracker: the front of all that is behind `track(event)`.

Owners: `_lock` guards what an event passes through (`_passage`: lines, states, the end of the
journal; the subject); it is held for microseconds, never across I/O or the app's code. The lock of
`_privacy` lets one change of the level, `forget` or `close` happen at a time. What is behind the
journal is the engine's.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Self

from whiteout.anonymisation import Gate
from whiteout.errors import ConfigurationError
from whiteout.identifiers import IDENTIFIERS, Anonymisation
from whiteout.tracker.configuration import Pending, check_flag
from whiteout.tracker.controllers import EmitterController, SessionController
from whiteout.tracker.counters import Counters, DropReason
from whiteout.tracker.engine import Engine, forget_stored
from whiteout.tracker.folder import open_folder, safe_name
from whiteout.tracker.identity import IdentityFiles
from whiteout.tracker.journal import left_behind
from whiteout.tracker.lines import Lines
from whiteout.tracker.network import HttpConnection
from whiteout.tracker.passage import Passage
from whiteout.tracker.privacy_switch import PrivacySwitch
from whiteout.tracker.scope import scoped
from whiteout.tracker.shared_part import SharedPart
from whiteout.tracker.states.states import (
    DEEP_LINK,
    FEATURES,
    LIFECYCLE,
    SCREEN,
    SUMMARY,
    States,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from types import TracebackType

    from whiteout.events.event import Event
    from whiteout.events.gdpr import GdprConfiguration
    from whiteout.protocol.self_describing import SelfDescribingJson
    from whiteout.tracker.configuration import (
        EmitterConfiguration,
        NetworkConfiguration,
        SessionConfiguration,
        SubjectConfiguration,
        TrackerConfiguration,
    )
    from whiteout.tracker.environment import Environment
    from whiteout.tracker.gdpr import GdprController
    from whiteout.tracker.journal import LeftBehind
    from whiteout.tracker.subject import Subject

_NONE: Final = Anonymisation.NONE


class Tracker:
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
        level: Anonymisation | None = None,
        gdpr: GdprConfiguration | None = None,
    ) -> None:
        self._namespace = namespace
        self._network = network
        self._emitter_configuration = emitter
        self._session_configuration = session
        self._environment = environment
        self._counters = Counters(environment.clock)
        self._lock = threading.RLock()  # a signal handler may track while its thread does
        self._forked = False
        self._fork_locks = ExitStack()
        gate = Gate((*IDENTIFIERS, *tracker.identifying_properties))
        self._folder = open_folder(emitter.storage_dir, self._counters)
        self._name = safe_name(namespace)
        self._files = IdentityFiles(self._folder, self._name)
        self._shared = SharedPart(
            namespace,
            tracker,
            subject,
            environment=environment,
            lock=self._lock,
            counters=self._counters,
            gdpr=gdpr,
        )
        self._lines = Lines(
            gate,
            new_uuid=environment.new_uuid,
            base64=tracker.base64_encoding,
            shared=self._shared,
            foreground_timeout_ms=int(session.foreground_timeout * 1000),
            background_timeout_ms=int(session.background_timeout * 1000),
        )
        self._passage = Passage(
            gate,
            lines=self._lines,
            states=States(
                gate,
                share_lifecycle=self._share_lifecycle,
                features=[feature for feature in FEATURES if getattr(tracker, feature)],
            ),
            environment=environment,
            counters=self._counters,
            lock=self._lock,
        )
        self._connection = network.network_connection or HttpConnection()
        self._privacy = PrivacySwitch(
            self._passage,
            shared=self._shared,
            files=self._files,
            counters=self._counters,
            gate=gate,
            new_uuid=environment.new_uuid,
            connection=self._connection,
            continues_session=session.continue_session_on_restart,
        )
        left = left_behind(self._folder, self._name) if self._folder is not None else []
        self._privacy.take_up(tracker, emitter, level, left)
        self._use_engine(self._new_engine(left))
        self._privacy.settle_what_was_due()
        self._engine.start()
        self._session_controller = SessionController(self._passage, self._move_app)
        self._emitter_controller = EmitterController(self)

    # --- tracking -----------------------------------------------------------------------------

    def track(self, event: Event, *, anonymisation: Anonymisation = _NONE) -> str | None:
        """Track an event, and return its id; None where the tracker is paused or closed.

        When it returns, the event survives a kill of the process. It waits for neither disk nor
        network, and never raises for their faults: what cannot be kept is counted in `drops`.

        Args:
            event: read at once; later changes to what it was made from change nothing.
            anonymisation: makes this event more anonymous than the tracker is, never less.

        Raises:
            ConfigurationError: the event holds something that has no JSON form.
        """
        if self._forked:
            self._revive()
        return self._passage.track(event, anonymisation)

    def scope(
        self,
        *,
        subject: SubjectConfiguration | None = None,
        anonymisation: Anonymisation = _NONE,
    ) -> AbstractContextManager[None]:
        """Track for one of many: for a server, while it answers one visitor's request.

        Events tracked inside, also in coroutines that are awaited there, are of that subject and at
        least as anonymous as said. They carry no session and no screen, lifecycle or deep link of
        the tracker's: those are the app's, not its visitors'. Other tasks and threads, and other
        trackers, do not notice. A scope inside another adds to the other's level.

        Args:
            subject: stands for the tracker's whole subject; None: the tracker's own, or that of the
                scope around this one.
            anonymisation: flags to add to the tracker's.

        Raises:
            ConfigurationError: when it is entered; an argument is of another type.
        """
        return scoped(self._passage.owner, subject, anonymisation)

    def enter_background(self) -> str | None:
        """The app went to the background: from now on `background_timeout` counts.

        With `lifecycle_autotracking` this tracks a `Background` event with its index.

        Returns:
            the event's id; None where the app was there already, or no event was tracked.
        """
        return self._move_app(is_visible=False)

    def enter_foreground(self) -> str | None:
        """The app came back; its first event is still judged by `background_timeout`.

        With `lifecycle_autotracking` that is a `Foreground` event with its index.

        Returns:
            the event's id; None where the app was there already, or no event was tracked.
        """
        return self._move_app(is_visible=True)

    def pause(self) -> None:
        """Track nothing until `resume`: events are lost, `track` gives None."""
        self._passage.paused = True

    def resume(self) -> None:
        """Track again."""
        self._passage.paused = False

    def flush(self, timeout: float = 10.0) -> bool:
        """Send what waits, now; True when all that was tracked before is delivered or dropped.

        Args:
            timeout: seconds.
        """
        self._check_process()
        if self._passage.closed:
            return True
        return self._engine.flush(timeout)

    def close(self, timeout: float = 5.0) -> bool:
        """Stop. What is not delivered within `timeout` seconds is stored and sent next time.

        Returns:
            whether everything was delivered.
        """
        self._check_process()
        with self._privacy.lock:
            with self._lock:
                if self._passage.closed:
                    return True
                self._passage.closed = True
            self._shared.close()
            delivered = self._engine.close(timeout)
            self._privacy.keep_identity()
            self._connection.close()
            return delivered

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
        return self._session_controller if self._lines.has_session else None

    @property
    def emitter(self) -> EmitterController:
        """Sending."""
        return self._emitter_controller

    @property
    def gdpr(self) -> GdprController:
        """The legal basis that events name."""
        return self._shared.gdpr

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

    # --- anonymity ----------------------------------------------------------------------------

    @property
    def anonymisation(self) -> Anonymisation:
        """The level of the next event. Setting it switches all three groups in one step."""
        return self._lines.level

    @anonymisation.setter
    def anonymisation(self, level: Anonymisation) -> None:
        self.set_anonymisation(level)

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
            ConfigurationError: `level` is no `Anonymisation`, or `pending` none of the three.
        """
        if not isinstance(level, Anonymisation):
            raise ConfigurationError(
                f"level must be an Anonymisation such as Anonymisation.FULL, got {level!r}"
            )
        self._check_process()
        self._privacy.change(level, _pending(pending))

    def forget(self) -> bool:
        """Erase what is stored of the user: identifiers, session, cookies, waiting events.

        The subject's four identifiers and its place are cleared too, and the next event begins a
        new line with a new installation id, or none while anonymous. The level stays.

        Returns:
            False where the disk refused; then call it again.
        """
        self._check_process()
        return self._privacy.forget(self._forget_closed)

    def change_level(self, *, add: Anonymisation, remove: Anonymisation) -> None:
        """Switch some flags on and some off, in one step; the rest stays."""
        self._check_process()
        self._privacy.change_flags(add=add, remove=remove)

    # --- what the controllers ask for -----------------------------------------------------------

    def set_sending(self, *, sends: bool) -> None:
        """Pause or resume the emitter."""
        self._check_process()
        if self._passage.closed:
            return
        if sends:
            self._engine.resume()
        else:
            self._engine.emitter.pause()

    def waiting_events(self) -> int:
        """How many events wait in the event store."""
        return self._engine.waiting

    def is_sending(self) -> bool:
        """Whether a request is under way."""
        return self._engine.emitter.is_sending

    # --- forks ----------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Let no thread be in the middle of anything when the process is copied."""
        locks = self._fork_locks = ExitStack()
        locks.enter_context(self._privacy.lock)
        locks.enter_context(self._engine.writer.lock)
        locks.enter_context(self._lock)
        locks.enter_context(self._engine.storage.held())

    def after_fork(self, *, in_child: bool) -> None:
        """Go on; a child starts an engine of its own at its first call."""
        self._fork_locks.close()
        if in_child and not self._passage.closed:
            self._forked = True
            self._counters.after_fork()
            self._shared.after_fork()
            self._files.after_fork()
            self._environment.after_fork()
            self._engine.abandon()

    def _check_process(self) -> None:
        if self._forked:
            self._revive()

    def _revive(self) -> None:
        with self._privacy.lock, self._lock:
            if not self._forked:
                return
            if self._network.network_connection is None:
                self._connection = HttpConnection()
                self._privacy.installation.use(self._connection)
            self._use_engine(self._new_engine([]))
            self._lines.invalidate()
            self._passage.states.reset()  # nor on the same screen
            self._lines.renew_session()  # parent and child must not count in the same session
            self._engine.start()
            self._forked = False

    # --- inside ---------------------------------------------------------------------------------

    def _move_app(self, *, is_visible: bool) -> str | None:
        self._check_process()
        return self._passage.become(is_visible=is_visible)

    def _share_lifecycle(self, entity: SelfDescribingJson | None) -> None:
        self._shared.share("lifecycle", entity, is_of_line=True)

    def _switch_feature(self, feature: str, *, on: bool) -> None:
        check_flag(feature, on)
        with self._lock:
            if not self._passage.closed:
                self._passage.states.switch(feature, on=on)

    def _forget_closed(self) -> bool:
        return self._folder is None or forget_stored(self._folder, self._name)

    def _use_engine(self, engine: Engine) -> None:
        self._engine = self._passage.engine = engine

    def _new_engine(self, left: list[LeftBehind]) -> Engine:
        return Engine(
            self._folder,
            self._name,
            network=self._network,
            emitter=self._emitter_configuration,
            connection=self._connection,
            environment=self._environment,
            counters=self._counters,
            housekeeping=self._keep_house,
            on_delivered=self._privacy.keep_cookies,
            left=left,
        )

    def _switch(self, flag: Anonymisation, *, on: bool) -> None:
        self.change_level(add=flag if on else _NONE, remove=_NONE if on else flag)

    def _keep_house(self) -> None:
        """On the writer's thread: read the platform again, store the session, tell of new ones."""
        with self._lock:
            started, self._lines.started = self._lines.started, []
        self._shared.refresh(with_identifiers=None)
        self._environment.prepare()
        is_due = bool(started) or self._session_configuration.continue_session_on_restart
        self._privacy.keep_identity_if_free(is_due=is_due)
        callback = self._session_configuration.on_session_update
        for state in started if callback is not None else ():
            try:
                callback(state)  # type: ignore[misc] # not None: see the line above
            except Exception as error:  # noqa: BLE001 - the app's code
                self._counters.warn("callback", f"on_session_update raised {type(error).__name__}")


def _pending(value: Pending | str) -> Pending:
    try:
        return Pending(value)
    except ValueError:
        raise ConfigurationError(
            f"pending must be 'keep', 'anonymise' or 'drop', got {value!r}"
        ) from None
