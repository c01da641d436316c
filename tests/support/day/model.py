"""What must become of the events of a day, by the rules of the reference and of `docs/`.

The model hears of each event when it passes into the journal, and knows then on which line it is,
how anonymous, and at which place of which session. It does not ask the tracker for any of that.
"""

from __future__ import annotations

import itertools
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from whiteout import Anonymisation, Pending

if TYPE_CHECKING:
    from collections.abc import Iterable

CLIENT: Final = Anonymisation.CLIENT
FULL: Final = Anonymisation.FULL
NONE: Final = Anonymisation.NONE
SESSION: Final = Anonymisation.SESSION
FOREGROUND_TIMEOUT_MS: Final = 600_000
BACKGROUND_TIMEOUT_MS: Final = 300_000


@dataclass(frozen=True)
class Place:
    """Where an event is in the sessions of its line.

    Attributes:
        chain: the sessions that count on.
        session: which of them, from 1.
        event: which of its events, from 1; None: anonymised after the fact, so unknown.
        first: the id of the session's first event.
        user: who `userId` is, where the level lets it say so; None: nobody.
    """

    chain: str
    session: int
    event: int | None
    first: str | None
    user: str | None = None


@dataclass(frozen=True)
class Known:
    """What the model knows of an event.

    Attributes:
        number: its place in the order of tracking.
        side: the line it is on, or what became of that.
        level: that it must be sent under.
        place: in its session; None: it carries none.
        owner: the installation on whose line it is, which trackers may share; else its side.
        marker: the app's; None: an event of the tracker's own.
    """

    number: int
    side: str
    level: Anonymisation
    place: Place | None
    owner: str
    marker: str | None = None


@dataclass
class Chain:
    """The sessions of one line.

    Attributes:
        name: of the line.
        user: who the installation is on it; None: nobody has asked yet.
        group: that shares it; None: it is the namespace's own.
        session: how many there were.
        events: how many the last one has.
        first: the id of its first event.
        first_ms: when that was.
        last_ms: when the app was active last.
        must_renew: the next event begins another, unless sessions are paused.
        is_broken_off: it does so also if they are: the level has changed.
        has_ended: it does so also in another process.
        is_on_disk: a file says whose it is, not a journal alone.
        may_renew: a kill came at a moment at which either is right.
    """

    name: str
    user: str | None = None
    group: Group | None = None
    session: int = 0
    events: int = 0
    first: str | None = None
    first_ms: int = 0
    last_ms: int = 0
    must_renew: bool = True
    is_broken_off: bool = False
    has_ended: bool = False
    is_on_disk: bool = False
    may_renew: bool = False

    def is_due(self, now_ms: int, timeout_ms: int, *, checks: bool) -> bool:
        """Whether an event now begins another session."""
        has_lapsed = now_ms < self.last_ms or now_ms - self.last_ms > timeout_ms
        return self.is_broken_off or (
            checks and (self.must_renew or not self.session or has_lapsed)
        )

    def take(self, event_id: str, now_ms: int, *, begins: bool, checks: bool) -> Place | None:
        """The place of an event of now."""
        if begins:
            self.session += 1
            self.events = 0
            self.first = event_id
            self.first_ms = now_ms
            self.must_renew = self.is_broken_off = self.has_ended = False
        self.may_renew = False
        if checks:
            self.last_ms = now_ms
        if not self.session:
            return None
        self.events += 1
        return Place(self.name, self.session, self.events, self.first, self.user)

    @property
    def is_forgotten(self) -> bool:
        """Whether the group has been told meanwhile to forget who it is."""
        return self.group is not None and self.group.user != self.user


@dataclass
class Group:
    """Trackers that share who the installation is.

    Attributes:
        user: who that is; None: nobody has asked.
    """

    user: str | None = None
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def ask(self) -> str:
        """Who the installation is, from now on if it was nobody."""
        if self.user is None:
            self.user = f"user {next(self._numbers)} of the group"
        return self.user


@dataclass
class Scoped:
    """What the app says of the events that it is tracking.

    Attributes:
        level: what it adds to the tracker's.
        in_scope: whether they are in a scope of the app's.
        alone: each is on a line of its own.
    """

    level: Anonymisation = NONE
    in_scope: bool = False
    alone: bool = False


@dataclass
class Model:
    """See the module.

    Attributes:
        name: the namespace's.
        group: that its tracker is in now.
        lifetime_ms: of anonymous lines that have sessions; None: without end.
        decided: the level, by the app and the user.
        minimum: of it, that a remote configuration asks for.
        floor: of it, that the user's answer asks for.
        known: all events, by the id that they were tracked with.
        renamed: the same by the ids that anonymising gave them.
        waiting: those that are neither delivered nor dropped.
        taken: those that the collector has taken, in the order in which they came first.
        excused: of those, the ones that may come again.
        failed: those that were answered with an error that asks for another try.
        refused: how many were, for good, or for want of another try.
        rejected: those, each once.
        withdrawn: how many were dropped because the app wanted it.
        exceeding: how many were because there was no room.
    """

    name: str = ""
    group: Group | None = None
    lifetime_ms: int | None = None
    decided: Anonymisation = NONE
    minimum: Anonymisation = NONE
    floor: Anonymisation = NONE
    known: dict[str, Known] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    taken: dict[str, Known] = field(default_factory=dict)
    excused: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    refused: int = 0
    rejected: set[str] = field(default_factory=set)
    withdrawn: int = 0
    exceeding: int = 0
    is_in_background: bool = False
    checks_sessions: bool = True
    continues: bool = False
    tracking: Scoped = field(default_factory=Scoped)
    last: str = ""
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _chain: Chain = field(default_factory=lambda: Chain("nobody's"))
    _end_is_on_disk: bool = False  # that the identified session must not go on

    def __post_init__(self) -> None:
        self._identified = self._new_chain("identified")

    @property
    def level(self) -> Anonymisation:
        """Of the tracker's next event."""
        return self.decided | self.minimum

    @property
    def side(self) -> str:
        """The line that runs."""
        return self._chain.name

    def knows(self, event_id: str) -> bool:
        """Whether an event is this tracker's."""
        return event_id in self.known or event_id in self.renamed

    def original(self, event_id: str) -> str:
        """The id that an event was tracked with."""
        while event_id in self.renamed:
            event_id = self.renamed[event_id]
        return event_id

    # --- events -------------------------------------------------------------------------------

    def passes(
        self, event_id: str, now_ms: int, before_ms: int, session_index: int | None
    ) -> Known:
        """An event passes into the journal.

        Args:
            event_id: its own.
            now_ms: when.
            before_ms: a moment before, at which it is judged whether its line is over.
            session_index: as it says; asked only where either is right.
        """
        extra = self.tracking
        level = self.level | extra.level
        crosses = bool((level ^ self.level) & CLIENT)
        if not (extra.in_scope or extra.alone or crosses) and self._is_over(before_ms):
            self._begin_line()
            self._chain.is_broken_off = True
        side, place = self.side, None
        if extra.alone:
            side = f"alone {event_id}"
        elif extra.in_scope:
            side = f"scopes at {level & CLIENT!r} beside {self.side}" if crosses else side
        elif crosses:
            side = f"single {event_id}"
            place = None if level & SESSION else Place(side, 1, 1, event_id)
        elif not level & SESSION:
            place = self._pass_session(event_id, now_ms, session_index)
        assert event_id not in self.known
        owner = side if side != self._identified.name else self._identified.user or side
        known = self.known[event_id] = Known(next(self._numbers), side, level, place, owner)
        self.waiting.add(event_id)
        self.last = event_id
        return known

    def _pass_session(self, event_id: str, now_ms: int, session_index: int | None) -> Place | None:
        chain, checks = self._chain, self.checks_sessions
        begins = chain.is_due(now_ms, self._timeout_ms, checks=checks)
        if chain.may_renew and session_index == chain.session + 1:
            begins = True
        return chain.take(event_id, now_ms, begins=begins, checks=checks)

    def _is_over(self, now_ms: int) -> bool:
        """Whether the lifetime of the anonymous line is."""
        level, chain = self.level, self._chain
        if self.lifetime_ms is None or level & SESSION or not level & CLIENT or not chain.session:
            return False
        is_too_old = not 0 <= now_ms - chain.first_ms < self.lifetime_ms
        return is_too_old or chain.is_due(now_ms, self._timeout_ms, checks=self.checks_sessions)

    @property
    def _timeout_ms(self) -> int:
        return BACKGROUND_TIMEOUT_MS if self.is_in_background else FOREGROUND_TIMEOUT_MS

    def is_marked(self, event_id: str, marker: str) -> None:
        """The app knows an event again."""
        self.known[event_id] = replace(self.known[event_id], marker=marker)

    def is_stored(self, event_id: str) -> None:
        """An event comes into the event store: perhaps once more, after a kill."""
        key = self.original(event_id)
        if key not in self.waiting:
            assert key in self.excused, "an event waits that was dealt with"
            self.waiting.add(key)

    def refuses(self, keys: Iterable[str]) -> None:
        """The collector does not take these, and they are not tried again."""
        refused = list(keys)
        self.refused += len(refused)
        self.rejected.update(refused)
        self.waiting.difference_update(refused)
        self.excused.difference_update(refused)

    def is_killed(self) -> None:
        """Where something waits, what was sent behind it may come again."""
        known, waiting = self.known, self.waiting
        oldest = min((known[key].number for key in waiting), default=sys.maxsize)
        dealt_with = {*self.taken, *self.rejected}
        self.excused |= {key for key in dealt_with if known[key].number > oldest}

    # --- the app ------------------------------------------------------------------------------

    def live_for(self, lifetime_s: float | None) -> None:
        """`anonymous_session_lifetime`."""
        self.lifetime_ms = None if lifetime_s is None else int(lifetime_s * 1000)

    def renew(self) -> None:
        """`session.start_new_session`."""
        self._chain.must_renew = True

    def moves(self, now_ms: int, *, is_visible: bool, is_told: bool) -> None:
        """The app comes, or goes.

        Args:
            now_ms: when.
            is_visible: it comes.
            is_told: an event says so; else the move itself counts as activity.
        """
        chain = self._chain
        if not is_told and chain.session and self.checks_sessions and not self.level & SESSION:
            chain.must_renew |= chain.is_due(now_ms, self._timeout_ms, checks=True)
            chain.last_ms = now_ms
        self.is_in_background = not is_visible

    def enters(self, level: Anonymisation, minimum: Anonymisation | None = None) -> None:
        """The level changes."""
        before = self.level
        if not before & CLIENT:
            self._store()
        self.decided = level
        self.minimum = self.minimum if minimum is None else minimum
        if (before ^ self.level) & CLIENT:
            self._begin_line()
            self._chain.is_broken_off = True
            self._end_session_if(crosses=True)

    def starts(self, level: Anonymisation | None, *, was_killed: bool) -> None:
        """A process begins.

        Args:
            level: that the app says; None: nothing.
            was_killed: the one before, which is the only way to end one without telling.
        """
        if was_killed:
            self.minimum = NONE
        before = self.decided
        self.decided = (before if level is None else level) | self.floor
        if self._identified.is_forgotten:
            self._drop_identified()
            self._identified = self._new_chain("identified")
        if not self.level & CLIENT:
            self._know()
            self._store()
        elif was_killed and not self._identified.is_on_disk:  # and while anonymous none is made
            self._identified = self._new_chain("identified")
        chain = self._identified
        goes_on = bool(chain.session) and self.continues and not chain.has_ended
        is_frozen = was_killed and not self.checks_sessions
        chain.may_renew = goes_on and (is_frozen or (was_killed and self._end_is_on_disk))
        chain.must_renew = not goes_on
        chain.is_broken_off = False
        self.is_in_background = False
        self.checks_sessions = True
        self._begin_line()
        self._end_session_if(crosses=bool(self.level & CLIENT))

    def is_kept(self) -> None:
        """What is to be known of the session at the next start is on the disk."""
        if self._chain is self._identified:
            self._store()
        if not self._identified.has_ended:
            self._end_is_on_disk = False

    def _end_session_if(self, *, crosses: bool) -> None:
        """The identified session does not go on in any case."""
        self._identified.has_ended |= crosses
        self._end_is_on_disk |= crosses

    def forgets(self) -> None:
        """`tracker.forget`."""
        self.removes()
        if self.group is not None:
            self.group.user = None
        self.renews()

    def renews(self) -> None:
        """Another tracker of the group forgets, or this one: it is another installation now."""
        self._drop_identified()
        self._identified = self._new_chain("identified")
        self._begin_line()
        self._end_session_if(crosses=True)

    def _store(self) -> None:
        """The tracker stores who the installation is, once there is a session of it."""
        chain = self._identified
        chain.is_on_disk |= chain.session > 0 or chain.group is not None

    def _drop_identified(self) -> None:
        """What waits and names an installation that is forgotten."""
        line = self._identified.name
        dropped = {key for key in self.waiting if self.known[key].side == line}
        self.withdrawn += len(dropped)
        self.waiting -= dropped

    def _know(self) -> None:
        """The tracker asks who the installation is: of its group, or by itself."""
        chain, group = self._identified, self.group
        if chain.user is not None and chain.group is not group:
            chain = self._identified = self._new_chain("identified")
        if chain.user is None:
            chain.group = group
            chain.user = group.ask() if group is not None else chain.name

    def removes(self) -> None:
        """All that waits is dropped."""
        self.withdrawn += len(self.waiting)
        self.waiting.clear()

    def exceeds(self, event_id: str) -> None:
        """The store is full, and drops this one."""
        self.waiting.discard(self.original(event_id))
        self.exceeding += 1

    def _begin_line(self) -> None:
        if self.level & CLIENT:
            self._chain = self._new_chain("anonymous")
        else:
            self._know()
            self._chain = self._identified

    def _new_chain(self, kind: str) -> Chain:
        return Chain(f"{self.name}: {kind} {next(self._numbers)}")

    def settles(self, pending: Pending) -> None:
        """What waits is kept, anonymised or dropped, as of the level that holds now."""
        if pending is Pending.KEEP:
            return
        change = next(self._numbers)
        for event_id in list(self.waiting):
            known = self.known[event_id]
            level = known.level | self.level
            if level == known.level:
                continue
            if pending is Pending.DROP:
                self.waiting.remove(event_id)
                self.withdrawn += 1
                continue
            side, place = known.side, None if level & SESSION else known.place
            owner = known.owner
            if (level ^ known.level) & CLIENT:
                side = owner = f"{side}, anonymised {change}"
                place = place and Place(f"{place.session} of {place.chain}, {side}", 1, None, None)
            self.known[event_id] = replace(known, side=side, level=level, place=place, owner=owner)
