"""`tracker.consent`: what the user allows, in one step: level, waiting events, record, event.

An answer counts from the moment that its record is on the disk, which is before `give` and
`withdraw` return. Whatever interrupts them, the next start is at least as anonymous as the answer
that counts:

- `give` switches first and records then. In between the old record still counts.
- `withdraw` records first, with what waiting events are owed, and switches then. In between the
  next start is anonymous already, and owes the same.

The event comes last in both, so it may be lost in a crash and is never sent for an answer that does
not count.

Under which level the event is tracked:

- `ConsentGranted` under the new one. The app may know the user now, and consent is to be shown for
  somebody. Nothing of the anonymous time is in it, and it is the first event of its line.
- `ConsentWithdrawn` under all three flags, whatever was withdrawn. An identified event would be the
  processing that the user has just forbidden; one with a session would say of an anonymous session
  who began it. It is on a line of its own, so that no other event is sent in one request with it.
  It names no document but those that the app passes to `withdraw`: what was stored
  when consent was given stays on that side. Where a law wants to know whose consent it was, the app
  tells its own server, or tracks a `ConsentWithdrawn` of its own before.

The answer is a floor under the tracker's level, not at its start alone: below it, setters raise.
A tracker whose app asks nobody has no floor.

A tracker that is closed takes no consent, whatever an app still holds of it (leak L26). It takes a
withdrawal: what waits is owed what was asked for, and the tracker that has the namespace now, if
there is one, is withdrawn from as well.

Locks: this one first, then that of privacy, then the tracker's.
"""

from __future__ import annotations

import datetime as dt
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from whiteout.errors import ConfigurationError
from whiteout.events.consent import ConsentDocument, ConsentGranted, ConsentWithdrawn
from whiteout.events.properties import wrong_value
from whiteout.identifiers import Anonymisation
from whiteout.tracker.attributes import NoStrayAttributes
from whiteout.tracker.configuration import Pending
from whiteout.tracker.consent_record import ConsentRecord, ConsentState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from whiteout.events.event import Event
    from whiteout.tracker.consent_record import ConsentFile
    from whiteout.tracker.inspectable import InspectableEvent

_NONE: Final = Anonymisation.NONE
_FULL: Final = Anonymisation.FULL
_MAX_DOCUMENTS: Final = 100  # arbitrary; the record is one small file


class _Tracker(Protocol):
    """What consent asks of its tracker."""

    @property
    def anonymisation(self) -> Anonymisation: ...
    @property
    def is_closed(self) -> bool: ...
    def prepare_switch(self, level: Anonymisation) -> InspectableEvent | None: ...
    def switch_level(
        self, level: Anonymisation, pending: Pending, ended: InspectableEvent | None
    ) -> None: ...
    def track(self, event: Event) -> str | None: ...
    def track_alone(self, event: Event, anonymisation: Anonymisation) -> str | None: ...


class Consent(NoStrayAttributes):
    """The user's answer, and what follows from it. Any thread may call anything.

    Args:
        tracker: whose level it decides. Its own locks are never held when it is called. It is
            closed under the lock of this, and never opened again.
        file: where the answer is kept.
        now_ms: wall time.
        before_consent: the level before any answer; None: the tracker's own.
        warn: told a kind and a sentence where the disk refuses.
        record: the answer that was loaded at the start; None: load it.
        running: the consent of the tracker that has the namespace now; asked under no lock.
    """

    def __init__(  # noqa: PLR0913 - one argument a collaborator
        self,
        tracker: _Tracker,
        file: ConsentFile,
        *,
        now_ms: Callable[[], int],
        before_consent: Anonymisation | None = None,
        warn: Callable[[str, str], object] = lambda _kind, _text: None,
        record: ConsentRecord | None = None,
        running: Callable[[], Consent | None] = lambda: None,
    ) -> None:
        self._tracker = tracker
        self._file = file
        self._now_ms = now_ms
        self._before_consent = before_consent
        self._warn = warn
        self._record = file.load() if record is None else record
        self._running = running
        self._lock = threading.RLock()

    @property
    def lock(self) -> threading.RLock:
        """Held while an answer changes."""
        return self._lock

    @property
    def record(self) -> ConsentRecord:
        """The answer, for a tracker that takes the place of this one."""
        return self._record

    @property
    def state(self) -> ConsentState:
        """What the user has answered; UNKNOWN as well after consent has expired."""
        return self._current().state

    @property
    def decided_at(self) -> dt.datetime | None:
        """When the user answered, in UTC; None: not yet, or it has expired.

        After a restart, to the hour where the user is hidden.
        """
        at_ms = self._current().decided_at_ms
        return None if at_ms is None else dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)

    @property
    def documents(self) -> tuple[tuple[str, str], ...]:
        """Id and version of each document that consent was given to."""
        return self._current().documents

    @property
    def floor(self) -> Anonymisation:
        """What the tracker's level holds at least, until the user answers otherwise."""
        return self._current().floor(self._before_consent)

    def give(
        self,
        level: Anonymisation = _NONE,
        *,
        documents: Sequence[ConsentDocument] = (),
        expiry: dt.datetime | None = None,
    ) -> None:
        """The user consents: switch to `level`, remember it, track a `ConsentGranted`.

        Of a closed tracker it does nothing.

        Args:
            level: what stays hidden all the same; NONE: nothing.
            documents: what the user consents to, at most 100.
            expiry: when it ends, as a datetime with a time zone. The level is then that of before
                any answer, and `FULL` where there is no `before_consent`.

        Raises:
            ConfigurationError: an argument is wrong, or `expiry` has passed; then nothing has
                changed.
        """
        _check_level(level)
        if isinstance(expiry, str):  # which an event takes
            raise wrong_value("expiry", expiry, "a datetime with a time zone")
        event = ConsentGranted(documents=documents, expiry=expiry)
        ids = _ids(documents)
        now_ms = self._now_ms()
        expires_at_ms = None if expiry is None else _epoch_ms(expiry)
        if expires_at_ms is not None and expires_at_ms <= now_ms:
            raise ConfigurationError("expiry must be in the future, got a moment that has passed")
        self.take_up()
        ended = self._tracker.prepare_switch(level)
        with self._lock:
            if self._tracker.is_closed:  # what it does not do must not be on record
                return
            if self._is_due():  # an answer was broken off meanwhile
                self._take_up(None)
            self._tracker.switch_level(level, Pending.KEEP, ended)
            self._save(
                ConsentRecord(
                    state=ConsentState.GIVEN,
                    level=level,
                    decided_at_ms=now_ms,
                    expires_at_ms=expires_at_ms,
                    documents=ids,
                )
            )
        self._tracker.track(event)

    def withdraw(
        self,
        level: Anonymisation = _FULL,
        *,
        pending: Pending | str = Pending.ANONYMISE,
        documents: Sequence[ConsentDocument] = (),
        all: bool = True,  # noqa: A002 - the property's name
    ) -> None:
        """The user consents no more: switch to `level`, remember it, track a `ConsentWithdrawn`.

        A tracker that is more anonymous already stays so. When this returns, what waits has been
        dealt with. Of a closed tracker it is recorded and owed to what waits there, and withdraws
        from the tracker that has the namespace now.

        Args:
            level: what is hidden from now on.
            pending: what happens to waiting events that are less anonymous; as in
                `Tracker.set_anonymisation`, where the default is to keep them.
            documents: what the user withdraws from; sent as they are (see `ConsentDocument`).
            all: everything is withdrawn, not only what `documents` are about.

        Raises:
            ConfigurationError: an argument is wrong; then nothing has changed.
        """
        _check_level(level)
        event = ConsentWithdrawn(all=all, documents=documents)
        owed = _pending(pending)
        ended = self._tracker.prepare_switch(level | self._tracker.anonymisation)
        with self._lock:
            level |= self._tracker.anonymisation
            record = ConsentRecord(
                state=ConsentState.WITHDRAWN,
                level=level,
                decided_at_ms=self._now_ms(),
                pending=owed,
            )
            self._save(record)
            is_closed = self._tracker.is_closed
            if not is_closed:
                self._tracker.switch_level(level, owed, ended)
                if owed is not Pending.KEEP:
                    self._save(replace(record, pending=Pending.KEEP))
        if not is_closed:
            self._tracker.track_alone(event, _FULL)
            return
        running = self._running()
        if running is not None and running is not self:
            running.withdraw(level, pending=owed, documents=documents, all=all)

    @contextmanager
    def permitting(
        self, level: Anonymisation, *, removed: Anonymisation | None = None
    ) -> Iterator[InspectableEvent | None]:
        """Hold the lock while the app itself switches the level.

        Args:
            level: that it switches to.
            removed: the flags that it takes off; None: all that `level` lacks.

        Yields:
            what the switch ends, as the app has seen it (see `Passage.extended_end`).

        Raises:
            ConfigurationError: the user has to be asked first.
        """
        self.take_up()
        ended = self._tracker.prepare_switch(level)
        with self._lock:
            held = self.floor & (~level if removed is None else removed)
            if held:
                names = " | ".join(f"Anonymisation.{flag.name}" for flag in held)
                raise ConfigurationError(
                    f"the level must hold {names} until the user consents: see tracker.consent.give"
                )
            yield ended

    def take_up(self, *, waits: bool = True) -> None:
        """Do what an interrupted `withdraw` still owes, and end consent that has expired.

        For the tracker: once at its start, before anything is sent, and now and then afterwards,
        on a thread of its own and under none of its locks. Takes 1 us where nothing is due.

        Args:
            waits: False for the tracker's threads, which others wait for while they hold the lock:
                it is done next time then.
        """
        if not self._is_due():
            return
        ended = self._tracker.prepare_switch(self._tracker.anonymisation | self.floor)
        if not self._lock.acquire(blocking=waits):
            return
        try:
            if self._is_due() and not self._tracker.is_closed:
                self._take_up(ended)
        finally:
            self._lock.release()

    def _is_due(self) -> bool:
        record = self._record
        return record.pending is not Pending.KEEP or record.has_expired(self._now_ms())

    def _take_up(self, ended: InspectableEvent | None) -> None:
        before, self._record = self._record, self._latest()
        record = self._current()
        level = self._tracker.anonymisation | record.floor(self._before_consent)
        if record is not before:
            self._save(record)
        self._tracker.switch_level(level, record.pending, ended)
        if record.pending is not Pending.KEEP:
            self._save(replace(record, pending=Pending.KEEP))

    def forget(self) -> bool:
        """Forget when the answer was given and to which documents; the answer itself stays.

        For `Tracker.forget`.

        Returns:
            False where the disk refused.
        """
        with self._lock:
            # Of a namespace whose tracker is another one the answer may be another one, too.
            record = self._file.load() if self._tracker.is_closed else self._latest()
            if record.decided_at_ms is None and not record.documents:
                return True
            return self._save(replace(record, decided_at_ms=None, documents=()))

    def _current(self) -> ConsentRecord:
        return self._record.current(self._before_consent, self._now_ms())

    def _latest(self) -> ConsentRecord:
        """The record to amend: in another process of the namespace, consent may be withdrawn."""
        stored = self._file.load()
        return stored if stored.state is ConsentState.WITHDRAWN else self._record

    def _save(self, record: ConsentRecord) -> bool:
        self._record = record
        is_stored = self._file.save(record)
        if not is_stored:
            self._warn("consent-file", "the consent could not be stored for the next start")
        return is_stored


def _check_level(level: object) -> None:
    if not isinstance(level, Anonymisation):
        raise ConfigurationError(
            f"level must be an Anonymisation such as Anonymisation.FULL, got {level!r}"
        )


def _pending(value: Pending | str) -> Pending:
    try:
        return Pending(value)
    except ValueError:
        raise ConfigurationError(
            f"pending must be 'keep', 'anonymise' or 'drop', got {value!r}"
        ) from None


def _ids(documents: Sequence[ConsentDocument]) -> tuple[tuple[str, str], ...]:
    if len(documents) > _MAX_DOCUMENTS:
        raise ConfigurationError(
            f"documents must be at most {_MAX_DOCUMENTS}, got {len(documents)}"
        )
    return tuple((one.document_id, one.document_version) for one in documents)


def _epoch_ms(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(milliseconds=1)
