"""The tracker: `track(event)` and the switches of anonymity.

Owners: `_lock` guards what an event passes through (`_lines`, the end of the journal, the subject);
it is held for microseconds, never across I/O or the app's code. `_switching` lets one change of the
level, `forget` or `close` happen at a time. What is behind the journal is the engine's.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final, Self

from whiteout.anonymisation import Gate
from whiteout.errors import ConfigurationError
from whiteout.identifiers import IDENTIFIERS, Anonymisation
from whiteout.tracker.configuration import Pending
from whiteout.tracker.controllers import EmitterController, SessionController
from whiteout.tracker.counters import Counters, DropReason
from whiteout.tracker.decisions import Decisions, first_level
from whiteout.tracker.engine import Engine, forget_stored
from whiteout.tracker.folder import open_folder, safe_name
from whiteout.tracker.identity import IdentityFiles
from whiteout.tracker.installation import Installation
from whiteout.tracker.journal import left_behind
from whiteout.tracker.lines import Lines
from whiteout.tracker.network import HttpConnection
from whiteout.tracker.own_part import own_part
from whiteout.tracker.pending import PendingChange
from whiteout.tracker.records import EVENT_HEADER
from whiteout.tracker.session import SessionLine
from whiteout.tracker.shared_part import SharedPart

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from whiteout.events.event import Event
    from whiteout.tracker.configuration import (
        EmitterConfiguration,
        NetworkConfiguration,
        SessionConfiguration,
        SubjectConfiguration,
        TrackerConfiguration,
    )
    from whiteout.tracker.environment import Environment
    from whiteout.tracker.journal import LeftBehind
    from whiteout.tracker.subject import Subject

_NONE: Final = Anonymisation.NONE
_CLIENT: Final = Anonymisation.CLIENT
_Passing = tuple["Event", Anonymisation, int, bytes, tuple[bytes, str]]


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
    ) -> None:
        self._namespace = namespace
        self._network = network
        self._emitter_configuration = emitter
        self._session_configuration = session
        self._environment = environment
        self._new_uuid = environment.new_uuid
        self._new_pair = environment.new_pair()
        self._now_ms = environment.clock.now_ms
        self._counters = Counters(environment.clock)
        self._lock = threading.RLock()  # a signal handler may track while its thread does
        self._is_passing = False
        self._interrupting: deque[_Passing] = deque()
        self._switching = threading.RLock()
        self._closed = self._paused = self._forked = False
        self._fork_locks = ExitStack()
        self._gate = Gate((*IDENTIFIERS, *tracker.identifying_properties))
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
        )
        self._lines = Lines(
            self._gate,
            new_uuid=self._new_uuid,
            base64=tracker.base64_encoding,
            parameters=self._shared.parameters,
            entities=self._shared.entities,
            shared=self._shared,
            foreground_timeout_ms=int(session.foreground_timeout * 1000),
            background_timeout_ms=int(session.background_timeout * 1000),
        )
        self._connection = network.network_connection or HttpConnection()
        self._decisions = Decisions(self._files, self._counters)
        self._installation = Installation(self._files, self._counters, self._uuid, self._connection)
        self._identity_is_due = False
        left = left_behind(self._folder, self._name) if self._folder is not None else []
        decided = self._decisions.current
        self._take_up(first_level(tracker, emitter, level, decided.level), left)
        self._engine = self._new_engine(left)
        if decided.pending is not Pending.KEEP:
            self._settle_pending(decided.pending, decided.pending_level)
        self._engine.start()
        self._session_controller = SessionController(self._lines, self._lock, self._now_ms)
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
        bits = self._lines.bits
        if anonymisation is not _NONE:
            bits |= anonymisation.value
        own = own_part(event, Anonymisation(bits) if bits else _NONE, self._gate, self._uuid)
        event_id = self._new_pair()
        with self._lock:
            if self._closed or self._paused:
                return None
            if self._is_passing:  # a signal handler or a finaliser, in the middle of this
                self._interrupting.append((event, anonymisation, bits, own, event_id))
                return event_id[1]
            self._is_passing = True
            try:
                self._pass(event, anonymisation, bits, own, event_id)
            finally:
                self._is_passing = False
                if self._interrupting:
                    self._let_in()
        writer = self._engine.writer
        if not writer.is_awake:
            writer.wake()
        return event_id[1]

    def pause(self) -> None:
        """Track nothing until `resume`: events are lost, `track` gives None."""
        self._paused = True

    def resume(self) -> None:
        """Track again."""
        self._paused = False

    def flush(self, timeout: float = 10.0) -> bool:
        """Send what waits, now; True when all that was tracked before is delivered or dropped.

        Args:
            timeout: seconds.
        """
        self._check_process()
        if self._closed:
            return True
        return self._engine.flush(timeout)

    def close(self, timeout: float = 5.0) -> bool:
        """Stop. What is not delivered within `timeout` seconds is stored and sent next time.

        Returns:
            whether everything was delivered.
        """
        self._check_process()
        with self._switching:
            with self._lock:
                if self._closed:
                    return True
                self._closed = True
            delivered = self._engine.close(timeout)
            self._keep_identity()
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
        return not (self._closed or self._paused)

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
    def drops(self) -> Mapping[DropReason, int]:
        """How many events were dropped since the tracker was made, by reason."""
        return self._counters.drops()

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
        self._switch(Anonymisation.USER, on=value)

    @property
    def session_context(self) -> bool:
        """Whether events carry the session entity."""
        return Anonymisation.SESSION not in self._lines.level

    @session_context.setter
    def session_context(self, value: bool) -> None:
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
        with self._switching:
            self._change(level, _pending(pending))

    def forget(self) -> bool:
        """Erase what is stored of the user: identifiers, session, cookies, waiting events.

        The subject's four identifiers are cleared too, and the next event begins a new line with a
        new installation id, or none while anonymous. The level stays.

        Returns:
            False where the disk refused; then call it again.
        """
        self._check_process()
        with self._switching:
            if self._closed:
                erased = self._folder is None or forget_stored(self._folder, self._name)
                return self._files.forget() and erased
            with self._lock:
                self._closed = True  # no event passes while it is done
            erased = self._engine.forget(self._keeping_events_out) & self._installation.forget()
            self._shared.forget()
            level = self._lines.level
            installation_id = None if level & _CLIENT else self._installation.id
            with self._lock:
                self._lines.forget()
                self._lines.resume(level, installation_id, None)
                self._closed = False
            self._decisions.end_session(ended=True)
            return erased

    def change_level(self, *, add: Anonymisation, remove: Anonymisation) -> None:
        """Switch some flags on and some off, in one step; the rest stays."""
        self._check_process()
        with self._switching:
            self._change((self._lines.level | add) & ~remove, Pending.KEEP)

    # --- what the controllers ask for -----------------------------------------------------------

    def set_sending(self, *, sends: bool) -> None:
        """Pause or resume the emitter."""
        self._check_process()
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
        locks.enter_context(self._switching)
        locks.enter_context(self._engine.writer.lock)
        locks.enter_context(self._lock)
        locks.enter_context(self._engine.storage.held())

    def after_fork(self, *, in_child: bool) -> None:
        """Go on; a child starts an engine of its own at its first call."""
        self._fork_locks.close()
        if in_child and not self._closed:
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
        with self._switching, self._lock:
            if not self._forked:
                return
            if self._network.network_connection is None:
                self._connection = HttpConnection()
                self._installation.use(self._connection)
            self._engine = self._new_engine([])
            self._lines.invalidate()
            self._lines.renew_session()  # parent and child must not count in the same session
            self._engine.start()
            self._forked = False

    # --- inside ---------------------------------------------------------------------------------

    def _pass(
        self,
        event: Event,
        anonymisation: Anonymisation,
        bits: int,
        own: bytes,
        event_id: tuple[bytes, str],
    ) -> None:
        """Let a prepared event pass: into its session, and into the journal. Under the lock."""
        wanted = self._lines.bits | anonymisation.value if anonymisation else self._lines.bits
        if bits != wanted:  # switched since it was prepared: the event is of the new level
            bits = wanted
            own = own_part(event, Anonymisation(bits), self._gate, self._uuid)
        now_ms = self._now_ms()  # here, so that it never steps back from one event to the next
        template, index = self._lines.next_event(bits, event_id[0], now_ms)
        header = EVENT_HEADER.pack(template.id, now_ms, index, event_id[1].encode())
        refused = self._engine.append(template, header, own)
        if refused is not None:
            self._counters.drop(refused)

    def _let_in(self) -> None:
        """Let events pass that were tracked in the middle of another's passing. Under the lock."""
        while self._interrupting:
            self._pass(*self._interrupting.popleft())

    @contextmanager
    def _keeping_events_out(self) -> Iterator[None]:
        """Hold the lock, against signal handlers and finalisers of the own thread as well."""
        with self._lock:
            self._is_passing = True
            try:
                yield
            finally:
                self._is_passing = False
                self._let_in()

    def _uuid(self) -> str:
        return self._new_pair()[1]

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
            on_delivered=self._keep_cookies,
            left=left,
        )

    def _take_up(self, level: Anonymisation, left: list[LeftBehind]) -> None:
        """Begin where the last process ended, as far as the level allows to know of it."""
        before = self._decisions.current
        is_identified = not level & _CLIENT
        line, installation_id = None, None
        if is_identified:
            stored = self._installation.recover(left)
            installation_id = self._installation.id
            if stored is not None:
                continues = (
                    self._session_configuration.continue_session_on_restart
                    and not before.session_ended
                    and not (before.level or _NONE) & _CLIENT
                )
                line = SessionLine(installation_id, stored=stored, continues=continues)
        self._shared.refresh(with_identifiers=not level & Anonymisation.USER)
        self._lines.resume(level, installation_id, line)
        self._decisions.take_up(level, is_identified=is_identified)

    def _switch(self, flag: Anonymisation, *, on: bool) -> None:
        self.change_level(add=flag if on else _NONE, remove=_NONE if on else flag)

    def _change(self, level: Anonymisation, pending: Pending) -> None:
        """Switch; the caller holds `_switching`."""
        old = self._lines.level
        if self._closed or (level == old and pending is Pending.KEEP):
            return
        crosses = bool((level ^ old) & _CLIENT)
        if self._lines.is_identified:
            # Now, since nothing identifying is written afterwards, and the journal, which knows the
            # session too, is erased.
            self._keep_identity()
        self._decisions.switch(level, pending, crosses=crosses)
        if not level & Anonymisation.USER:
            self._shared.refresh(with_identifiers=True)
        installation_id = None if level & _CLIENT else self._installation.id
        with self._lock:
            self._lines.enter(level, installation_id)
        if level & Anonymisation.USER:
            self._shared.refresh(with_identifiers=False)
        if level & ~old or pending is not Pending.KEEP:
            self._settle_pending(pending, level)

    def _settle_pending(self, pending: Pending, level: Anonymisation) -> None:
        change = None
        if pending is not Pending.KEEP:
            change = PendingChange(pending, level, self._gate, self._new_uuid)
        self._engine.apply(change, self._keeping_events_out)
        if pending is not Pending.KEEP and self._engine.storage.is_ready():
            self._decisions.settle_pending()

    def _keep_identity(self) -> None:
        """Store who and which session this is, while the level lets it be known."""
        with self._lock:
            if not self._lines.is_identified:
                return
            state = self._lines.identified_state()
        is_kept = self._installation.keep(state)
        if is_kept and self._decisions.current.session_ended and state and state.event_index:
            self._decisions.end_session(ended=False)

    def _keep_cookies(self) -> None:
        if self._installation.has_new_cookies() and self._lines.is_identified:
            self._identity_is_due = True
            self._keep_identity_if_free()

    def _keep_identity_if_free(self) -> None:
        """For our own threads: never while the level changes, and never waiting for `close`.

        Those wait for these threads. And an identity that is written while `forget` or a switch to
        anonymity is under way would be on the disk after it.
        """
        settles = self._decisions.current.pending is not Pending.KEEP
        if not (self._identity_is_due or settles) or not self._switching.acquire(blocking=False):
            return
        try:
            if self._closed:
                return
            if self._identity_is_due:
                self._identity_is_due = False
                self._keep_identity()
            if settles and self._engine.storage.is_ready():
                self._decisions.settle_pending()
        finally:
            self._switching.release()

    def _keep_house(self) -> None:
        """On the writer's thread: read the platform again, store the session, tell of new ones."""
        with self._lock:
            started, self._lines.started = self._lines.started, []
        self._shared.refresh(with_identifiers=None)
        self._environment.prepare()
        if started or self._session_configuration.continue_session_on_restart:
            self._identity_is_due = True
        self._keep_identity_if_free()
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
