"""What a tracker is made of: put together once, taken through forks, kept in order on the way.

Owner of the engine and the connection, which a forked child makes anew; everything else stays the
same object for the tracker's whole life. What opens something opens it here.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from whiteout.identifiers import Anonymisation
from whiteout.tracker.configuration import Pending
from whiteout.tracker.consent import Consent
from whiteout.tracker.consent_record import ConsentFile, ConsentRecord, ConsentState
from whiteout.tracker.counters import Counters
from whiteout.tracker.decisions import Minimum, first_profile
from whiteout.tracker.engine import Engine, forget_stored
from whiteout.tracker.error_tracking import ErrorTracking
from whiteout.tracker.folder import open_folder, safe_name
from whiteout.tracker.identity import IdentityFiles
from whiteout.tracker.inside import inside_of
from whiteout.tracker.install import track_install
from whiteout.tracker.journal import left_behind
from whiteout.tracker.lines import Lines
from whiteout.tracker.live import Live, LiveConfigurations
from whiteout.tracker.live_options import Pauses
from whiteout.tracker.network import HttpConnection
from whiteout.tracker.passage import Passage
from whiteout.tracker.privacy_switch import PrivacySwitch
from whiteout.tracker.scope import back_in_scope, level_here, scoped
from whiteout.tracker.shared_part import SharedPart
from whiteout.tracker.states.states import FEATURES, States
from whiteout.tracker.tracker_gate import gate_of
from whiteout.tracker.unsaid import settled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from whiteout.events.event import Event
    from whiteout.events.gdpr import GdprConfiguration
    from whiteout.protocol.self_describing import SelfDescribingJson
    from whiteout.strict.profile import PrivacyProfile
    from whiteout.tracker.app_code import AppCode
    from whiteout.tracker.configuration import (
        EmitterConfiguration,
        NetworkConfiguration,
        SessionConfiguration,
        SubjectConfiguration,
        TrackerConfiguration,
    )
    from whiteout.tracker.environment import Environment
    from whiteout.tracker.identity_group import IdentityGroups
    from whiteout.tracker.inspectable import InspectableEvent
    from whiteout.tracker.journal import LeftBehind
    from whiteout.tracker.network import NetworkConnection
    from whiteout.tracker.tracker import Tracker

PLUGINS_S: Final = 0.05  # arbitrary: what an exit may take for plugins that have yet to be told


class Core:
    """The parts of one tracker; the arguments are those of `Tracker`."""

    engine: Engine

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
        level: Anonymisation | None,
        profile: PrivacyProfile | None,
        gdpr: GdprConfiguration | None,
        consent: ConsentRecord | None,
        extensions: Sequence[object],
        pauses: Pauses | None,
        minimum: Minimum,
        groups: IdentityGroups,
        running: Callable[[], Tracker | None],
    ) -> None:
        tracker = settled(tracker, None)
        self.live = LiveConfigurations(Live(tracker), Live(network), Live(emitter), Live(session))
        self._environment = environment
        self._made_at_ms = environment.clock.now_ms()
        self.counters = Counters(environment.clock)
        self.lock = threading.RLock()  # a signal handler may track while its thread does
        self.is_forked = False  # and has no engine of its own yet
        self.is_closed = False  # for good; changes under the lock of `consent`
        self._running = running
        self._fork_locks = ExitStack()
        self._app_code: AppCode | None = None
        self._folder = (
            None if environment.in_memory else open_folder(emitter.storage_dir, self.counters)
        )
        self._name = safe_name(namespace)
        self._files = IdentityFiles(self._folder, self._name)
        self._group = groups.group(self._folder, session.identity_group)
        stored = self._files.load_privacy().profile
        self.minimum_profile = minimum.profile
        decided_profile = first_profile(tracker.privacy_profile, profile, stored)
        self.gate = gate = gate_of(
            tracker,
            first_profile(None, decided_profile, minimum.profile),
            keeps_messages=tracker.error_messages_while_anonymous,
        )
        self.shared = SharedPart(
            namespace,
            tracker,
            subject,
            environment=environment,
            lock=self.lock,
            counters=self.counters,
            gate=gate,
            gdpr=gdpr,
        )
        self.passage = self._new_passage(tracker, session)
        self.lines = self.passage.lines
        self.connection: NetworkConnection = network.network_connection or HttpConnection()
        self.privacy = PrivacySwitch(
            self.passage,
            shared=self.shared,
            files=self._files,
            counters=self.counters,
            gate=gate,
            new_uuid=environment.new_uuid,
            connection=self.connection,
            continues_session=session.continue_session_on_restart,
            minimum=minimum.level,
            decided_profile=decided_profile,
            group=self._group,
        )
        self.errors = ErrorTracking(
            self._track_raised,
            self.passage.track_service,
            level_of=self._level_of,
            counters=self.counters,
            clock=environment.clock,
            process_lock=process_lock,
        )
        self.consent = self._new_consent(tracker.before_consent, consent)
        if extensions:
            self.app_code(extensions)
        left = left_behind(self._folder, self._name) if self._folder is not None else []
        self.privacy.take_up(tracker, emitter, level, left, self.consent.floor)
        self._use_new_engine(left)
        self.privacy.settle_what_was_due()
        self.consent.take_up()
        self._stay_paused(pauses or Pauses())
        self.engine.start()
        self.errors.switch_diagnostics(on=tracker.diagnostic_autotracking)
        self.errors.switch_exceptions(on=tracker.exception_autotracking is not False)
        if self._group is not None:
            self._group.members.add(self)

    def begin(self, tracker: TrackerConfiguration, *, is_late: bool = False) -> None:
        """Track what the start itself is worth; under no lock, since the app is asked.

        Args:
            tracker: says whether.
            is_late: the tracker has run meanwhile; what is tracked happened when it was made.
        """
        tracks = tracker.install_autotracking is not False
        if tracks and not self.passage.paused:
            track_install(
                self._folder,
                self._name,
                self.track,
                referrer=tracker.install_referrer,
                started_at_ms=self._made_at_ms if is_late else None,
                warn=self.counters.warn,
            )

    def close(self, timeout_s: float) -> bool:
        """Stop, once; True: everything was delivered."""
        self.errors.close()
        if self._app_code is not None:  # before any lock: its functions may call the tracker
            timeout_s -= self._app_code.close(max(PLUGINS_S, timeout_s / 2))
        with self.consent.lock, self.privacy.lock:
            if not self._stop_tracking():
                return True
            delivered = self.engine.close(timeout_s)
            self._let_go()
            return delivered

    def prepare_exit(self, left_s: Callable[[], float]) -> None:
        """Before `close_at_exit`: let the threads end, and tell plugins of what was tracked.

        Args:
            left_s: seconds for the plugins.
        """
        self.engine.stop()
        self.errors.close()
        if self._app_code is not None:
            self._app_code.close(left_s())

    def close_at_exit(self, left_s: Callable[[], float]) -> None:
        """As `close` at the end of the process, where nothing may take longer than is left.

        Args:
            left_s: seconds until then.
        """
        with ExitStack() as held:
            for lock in (self.consent.lock, self.privacy.lock):
                if not lock.acquire(timeout=left_s()):
                    return
                held.callback(lock.release)
            if self._stop_tracking():
                self.engine.close_at_exit(left_s)
                self._let_go()

    def _stop_tracking(self) -> bool:
        with self.lock:
            if self.passage.closed:
                return False
            self.passage.closed = self.is_closed = True
        self.shared.close()
        return True

    def _let_go(self) -> None:
        self.privacy.keep_identity()
        self.connection.close()

    def app_code(self, configurations: Sequence[object] = ()) -> AppCode:
        """What runs the app's functions, made when it is first asked for."""
        if self._app_code is None:
            from whiteout.tracker.app_code import AppCode  # noqa: PLC0415 - few apps have any

            with self.lock:
                if self._app_code is None:
                    self._app_code = AppCode(
                        self.passage,
                        gate=self.gate,
                        counters=self.counters,
                        clock=self._environment.clock,
                        configurations=configurations,
                        in_memory=self._environment.in_memory,
                    )
                    if self.passage.closed:
                        self._app_code.close(0)
        return self._app_code

    def extensions(self, said: Sequence[object]) -> Sequence[object]:
        """What the app has put into this tracker, for one made again, with what it says now."""
        if self._app_code is None:
            return said
        from whiteout.tracker.app_code import added  # noqa: PLC0415 - it is loaded already

        return added(self._app_code.configurations(), said)

    @property
    def place(self) -> tuple[Path | None, str]:
        """The folder of its files, and how their names begin."""
        return self._folder, self._name

    def forget_queued(self) -> None:
        """Tell no plugin of what was tracked until now."""
        if self._app_code is not None:
            self._app_code.forget_queued()

    def forget(self) -> bool:
        """Erase what is stored; see `Tracker.forget`."""
        if self.is_closed:
            running = self._running_core()
            if running is not None and running is not self:  # it remembers what is erased
                is_forgotten = running.forget()
                return (
                    is_forgotten if running.place == self.place else is_forgotten & self._forget()
                )
        if self._group is None:
            return self._forget()
        with self._group.forgetting:
            is_forgotten = self._group.forget()
            is_forgotten &= self._forget()
            for other in self._group.others(self):
                is_forgotten &= other.renew_identity()
            return is_forgotten

    def renew_identity(self) -> bool:
        """Go on as another installation: another tracker of the group has forgotten this one."""
        self.check_process()
        if self._app_code is not None and not self.passage.closed:
            self._app_code.forget()
        return self.privacy.renew()

    def _forget(self) -> bool:
        if self._app_code is not None:
            self._app_code.forget()
        with self.consent.lock:
            is_forgotten = self.consent.forget()
            return is_forgotten & self.privacy.forget(
                lambda: self._folder is None or forget_stored(self._folder, self._name)
            )

    # --- what consent asks for --------------------------------------------------------------------

    @property
    def anonymisation(self) -> Anonymisation:
        """The level, as it was decided."""
        return self.privacy.decided

    def prepare_switch(self, level: Anonymisation) -> InspectableEvent | None:
        """Have the app see what a switch to `level` ends; before any lock."""
        return None if self.is_closed else self.passage.extended_end(level)

    def switch_level(
        self, level: Anonymisation, pending: Pending, ended: InspectableEvent | None
    ) -> None:
        """Switch as the user has answered."""
        self.check_process()
        if pending is not Pending.KEEP:
            self.forget_queued()
        self.privacy.change(level, pending, ended)

    def track(self, event: Event) -> str | None:
        """As `Tracker.track`."""
        self.check_process()
        return self.passage.track(event, Anonymisation.NONE)

    def track_alone(self, event: Event, anonymisation: Anonymisation) -> str | None:
        """Track an event that shares no session, line or request with any other."""
        with scoped(self.passage.owner, None, anonymisation, is_alone=True):
            return self.track(event)

    def pauses(self) -> Pauses:
        """What is paused; of a tracker that is closed nothing."""
        if self.passage.closed:
            return Pauses()
        return Pauses(
            tracking=self.passage.paused,
            sending=self.engine.emitter.is_paused,
            sessions=not self.lines.checks,
        )

    # --- forks ----------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Let no thread be in the middle of anything when the process is copied."""
        locks = self._fork_locks = ExitStack()
        locks.enter_context(self.consent.lock)
        locks.enter_context(self.privacy.lock)
        locks.enter_context(self.engine.writer.lock)
        locks.enter_context(self.lock)
        locks.enter_context(self.engine.storage.held())

    def after_fork(self, *, in_child: bool) -> None:
        """Go on; a child starts an engine of its own at its first call."""
        self._fork_locks.close()
        if in_child and not self.passage.closed:
            self.is_forked = True
            self.counters.after_fork()
            self.shared.after_fork()
            self._files.after_fork()
            self._environment.after_fork()
            self.engine.abandon()
            if self._app_code is not None:
                self._app_code.after_fork()

    def revive(self) -> None:
        """In a forked child, at its first call: go on with threads and files of its own."""
        with self.privacy.lock, self.lock:
            if not self.is_forked:
                return
            if self.live.network.current.network_connection is None:
                self.connection = HttpConnection()
                self.privacy.installation.use(self.connection)
            pauses = self.pauses()
            self._use_new_engine([])
            self._stay_paused(pauses)
            self.lines.invalidate()
            self.passage.states.reset()  # nor be on the same screen
            self.lines.renew_session()  # parent and child must not count in the same session
            self.engine.start()
            self.is_forked = False

    def check_process(self) -> None:
        """In a forked child, at its first call: `revive`."""
        if self.is_forked:
            self.revive()

    # --- inside ---------------------------------------------------------------------------------

    def _new_consent(
        self, before_consent: Anonymisation | None, running: ConsentRecord | None
    ) -> Consent:
        """The user's answer as it was stored.

        Args:
            before_consent: the level before any answer.
            running: the answer that the tracker knew which this one replaces; a withdrawal counts
                also where the disk has refused to keep it.
        """
        is_withdrawn = running is not None and running.state is ConsentState.WITHDRAWN
        return Consent(
            self,
            ConsentFile(self._folder, self._name),
            now_ms=self._environment.clock.now_ms,
            before_consent=before_consent,
            warn=self.counters.warn,
            record=running if is_withdrawn else None,
            running=self._running_consent,
        )

    def _running_core(self) -> Core | None:
        tracker = self._running()
        return None if tracker is None else inside_of(tracker).core

    def _running_consent(self) -> Consent | None:
        core = self._running_core()
        return None if core is None else core.consent

    def _new_passage(self, tracker: TrackerConfiguration, session: SessionConfiguration) -> Passage:
        gate = self.gate
        lines = Lines(
            gate,
            new_uuid=self._environment.new_uuid,
            base64=tracker.base64_encoding,
            shared=self.shared,
            foreground_timeout_ms=int(session.foreground_timeout * 1000),
            background_timeout_ms=int(session.background_timeout * 1000),
        )
        lines.limit_anonymous(tracker.anonymous_session_lifetime)
        lines.listener = session.on_session_update
        states = States(
            gate,
            share_lifecycle=self._share_lifecycle,
            features=[feature for feature in FEATURES if getattr(tracker, feature)],
        )
        return Passage(
            gate,
            gate_of(tracker, gate.profile, keeps_messages=True),
            lines=lines,
            states=states,
            environment=self._environment,
            counters=self.counters,
            lock=self.lock,
        )

    def _stay_paused(self, pauses: Pauses) -> None:
        self.passage.paused = pauses.tracking
        self.lines.checks = not pauses.sessions
        if pauses.sending:
            self.engine.emitter.pause()

    def _track_raised(
        self, event: Event, exception: BaseException, anonymisation: Anonymisation
    ) -> None:
        """Track an exception as of the scope that it came out of."""
        if self.is_forked:
            self.revive()
        with back_in_scope(self.passage.owner, exception):
            self.passage.track(event, anonymisation)

    def _level_of(self, exception: BaseException) -> Anonymisation:
        """The level of an exception, as of the scope that it came out of."""
        with back_in_scope(self.passage.owner, exception):
            return level_here(self.passage.owner, self.lines.bits)

    def _share_lifecycle(self, entity: SelfDescribingJson | None) -> None:
        self.shared.share("lifecycle", entity, is_of_line=True)

    def _use_new_engine(self, left: list[LeftBehind]) -> None:
        self.engine = self.passage.engine = Engine(
            self._folder,
            self._name,
            network=self.live.network,
            emitter=self.live.emitter,
            connection=self.connection,
            environment=self._environment,
            counters=self.counters,
            housekeeping=self._keep_house,
            on_delivered=self.privacy.keep_cookies,
            time_steps_ms=self.gate.time_steps_ms,
            left=left,
        )

    def _keep_house(self) -> None:
        """On the writer's thread: read the platform again, store the session, tell of new ones."""
        with self.lock:
            started, self.lines.started = self.lines.started, []
        self.shared.refresh(with_identifiers=None)
        self._environment.prepare()
        self.errors.drain()
        if self._environment.in_memory and self._app_code is not None:
            self._app_code.tell_plugins()
        is_due = bool(started) or self.live.session.current.continue_session_on_restart
        self.privacy.keep_identity_if_free(is_due=is_due)
        self.consent.take_up(waits=False)
        for state, callback in started:
            if callback is None:
                continue
            try:
                callback(state)
            except Exception as error:  # noqa: BLE001 - the app's code
                self.counters.warn("callback", f"on_session_update raised {type(error).__name__}")
