"""One life of an app on one day: what it does, and what is held against the model."""

from __future__ import annotations

import itertools
import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from tests.privacy.support import NONE, SESSION, USER, Scene, events_of
from tests.support.clock import CountedUuids
from tests.support.day.checks import (
    Accepted,
    check_bridges,
    check_order,
    check_request,
    check_sessions,
)
from tests.support.day.ears import Ears
from tests.support.day.model import (
    BACKGROUND_TIMEOUT_MS,
    FOREGROUND_TIMEOUT_MS,
    Model,
    Scoped,
)
from tests.support.day.world import (
    WEATHERS,
    DayClock,
    Weather,
    event_of_kind,
)

import whiteout
from whiteout import (
    BufferOption,
    ConfigurationError,
    DropReason,
    Pending,
    PrivacyProfile,
    SessionConfiguration,
)
from whiteout.tracker.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.support.day.model import Known

    from whiteout import Anonymisation, OutgoingRequest, Tracker

DAY_S: Final = 24 * 3600
LULLS_S: Final = (0.1, 1, 5, 30, 301, 601, 1800, 7200, 10_000)  # on average a 40th of a day
NAPS: Final = 25  # at most so many a lull: devices sleep, and threads with them
EMIT_RANGE: Final = 7
MOST_BYTES_ON_DISK: Final = 16_000_000
ENDPOINTS: Final = ("http://collector.invalid", "http://other.invalid")


class Life:
    """A tracker, its world, and a model of both: what the rules of a day are made of."""

    def __init__(self) -> None:
        super().__init__()
        self._patches = pytest.MonkeyPatch()
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)
        self.scene = Scene(self.folder, ENDPOINTS[0])
        self.clock = DayClock()
        self.weather = Weather(self, self.clock)
        self.uuids = CountedUuids()
        self.model = Model()
        self.ears = Ears(self._patches, self.model, self.clock)
        self.markers = itertools.count(1)
        self.accepted: list[Accepted] = []
        self.dropped: dict[DropReason, int] = {}  # by trackers that are gone
        self.events: list[dict[str, str]] = []  # of the request that has left
        self.left: dict[str, Known] = {}  # and what was known of them then
        self.tracker: Tracker
        self.buffer = BufferOption.SINGLE
        self.store_limit = 100
        self.rest = random.Random(0)

    # --- how it is done -----------------------------------------------------------------------

    def begin(
        self, level: Anonymisation | None, profile: PrivacyProfile | None, *, was_killed: bool
    ) -> None:
        self.tracker = self.scene.tracker(
            level,
            network={"network_connection": self.weather},
            tracker={
                "screen_context": True,
                "screen_engagement_autotracking": True,
                "lifecycle_autotracking": True,
                "deep_link_context": True,
                "privacy_profile": profile,
            },
            emitter={
                "max_event_store_size": self.store_limit,
                "emit_range": EMIT_RANGE,
                "buffer_option": self.buffer,
            },
            session=SessionConfiguration(
                foreground_timeout=FOREGROUND_TIMEOUT_MS / 1000,
                background_timeout=BACKGROUND_TIMEOUT_MS / 1000,
                continue_session_on_restart=self.model.continues,
            ),
            environment=Environment(
                clock=self.clock, generator=random.Random(0), new_uuid=self.uuids
            ),
        )
        self.model.starts(level, was_killed=was_killed)
        assert self.tracker.anonymisation is self.model.level

    def use(self) -> None:
        self.track_all(["screen", "structured", "timing"], Scoped())

    def track_all(self, kinds: Sequence[str], scoped: Scoped) -> None:
        extra = NONE if scoped.in_scope else scoped.level
        for kind in kinds:
            marker = f"marker-{next(self.markers)}"
            self.model.tracking = scoped
            event_id = self.tracker.track(event_of_kind(kind, marker), anonymisation=extra)
            self.model.tracking = Scoped()
            assert (event_id is not None) is self.tracker.is_tracking
            if event_id is not None:
                assert self.model.last == event_id
                self.model.is_marked(event_id, marker)

    def forget_all(self) -> None:
        assert self.tracker.forget()
        self.model.forgets()

    def remove_all(self) -> None:
        assert self.tracker.emitter.remove_all_events()
        self.model.removes()

    def switch_to(self, level: Anonymisation, pending: Pending) -> None:
        def switch() -> None:
            self.tracker.set_anonymisation(level, pending=pending)

        if (self.model.floor | self.model.minimum) & ~level:
            with pytest.raises(ConfigurationError):
                switch()
            return
        self.enter(level, switch)
        self.model.settles(pending)

    def set_flag(self, flag: Anonymisation, *, on: bool) -> None:
        if flag is USER:
            self.tracker.user_anonymisation = on
        elif flag is SESSION:
            self.tracker.session_context = not on
        else:
            self.tracker.emitter.server_anonymisation = on

    def enter(
        self,
        level: Anonymisation,
        switch: Callable[[], object],
        minimum: Anonymisation | None = None,
    ) -> None:
        """Let the model enter a level in the same moment as the tracker."""
        self.ears.entering = [lambda: self.model.enters(level, minimum)]
        switch()
        self.ears.have_entered()
        assert self.tracker.anonymisation is self.model.level

    def in_a_slow_request(self, act: Callable[[], None]) -> None:
        self.weather.kind = "fair"
        self.live_on(1)
        self.use()
        self.weather.kind = "slow"
        self.weather.meanwhile = [act]
        self.live_on(1)
        self.weather.meanwhile = []

    def flush(self) -> None:
        self.tracker._engine.emitter._flushes += 1  # as while `flush` waits
        self.live_on(1)
        self.tracker._engine.emitter._flushes -= 1
        assert self.tracker.emitter.db_count == 0
        self.model.excused.clear()

    def count_drops(self) -> None:
        for reason, events in self.tracker.drops.items():
            self.dropped[reason] = self.dropped.get(reason, 0) + events

    # --- the collector ------------------------------------------------------------------------

    def leaves(self, request: OutgoingRequest) -> None:
        """All that is in a request waits, and is what its level lets it be."""
        assert request.url.startswith(self.tracker.network.endpoint)
        self.events = events_of(request)
        keys = [self.model.original(event["eid"]) for event in self.events]
        assert len(set(keys)) == len(keys)
        assert self.model.waiting.issuperset(keys), "an event is sent that was dealt with"
        self.left = {key: self.model.known[key] for key in keys}
        check_request(request, self.events, list(self.left.values()))

    def fails(self) -> None:
        """They are answered with an error that asks for another try."""
        self.model.failed.update(self.left)

    def refuses(self) -> None:
        """They are answered with an error, for good."""
        self.model.refused += len(self.left)
        self.model.waiting.difference_update(self.left)

    def receives(self, *, is_answered: bool) -> None:
        """They are taken."""
        model = self.model
        for key, event in zip(self.left, self.events, strict=True):
            if key in model.taken:
                assert key in model.excused, "an event came twice, and nothing excuses it"
            else:
                model.taken[key] = self.left[key]
                self.accepted.append(Accepted(key, self.left[key], event))
            if is_answered:
                model.waiting.discard(key)
                model.excused.discard(key)
            else:
                model.excused.add(key)

    # --- time ---------------------------------------------------------------------------------

    def live_on(self, seconds: float) -> None:
        """Let time pass, and the tracker's threads do what they do in it."""
        end = self.clock.passed_s + seconds
        while True:
            wait_s = self._work()
            left = end - self.clock.passed_s
            if left <= 0:
                break
            self.clock.advance(min(left, max(min(wait_s, 60.0), 0.05, seconds / NAPS)))
        # Here, since what killed processes leave is taken over when time passes.
        on_disk = sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file())
        assert on_disk < MOST_BYTES_ON_DISK

    def _work(self) -> float:
        engine = self.tracker._engine
        engine.writer.work(has_news=engine.writer.take_news())
        self.model.is_kept()
        for _ in range(3000):  # more than there are events
            wait_s = engine.emitter.work()
            if self.weather.broken is not None:
                raise self.weather.broken
            if wait_s > 0:
                return wait_s
        raise AssertionError("the emitter goes round and round")

    # --- the end of it ------------------------------------------------------------------------

    def live_to_the_end(self) -> None:
        """The rest of 24 hours, in any weather; then all that waits goes out."""
        self.weather.meanwhile = []
        self.tracker.resume()
        self.tracker.emitter.resume()
        while self.clock.passed_s < DAY_S:
            self.weather.kind = self.rest.choice(WEATHERS)
            self.use()
            self.live_on(self.rest.choice(LULLS_S))
        self.weather.kind = "fair"
        self.tracker.emitter.resume()
        self.live_on(100)  # for as long as the collector may have asked to wait
        self.flush()
        self.count_drops()

    def check(self) -> None:
        model, dropped = self.model, dict(self.dropped)
        assert dropped.pop(DropReason.REJECTED, 0) == model.refused
        # What waits is not in the store any more: it was dropped for its age, and counted.
        expected = model.withdrawn + model.exceeding + len(model.waiting)
        assert sum(dropped.values()) == expected, "an event was lost, or counted twice"
        assert len(model.waiting) <= dropped.get(DropReason.STORE_LIMIT, 0)
        check_order(self.accepted, model.failed)
        check_bridges(self.accepted)
        check_sessions(self.accepted)

    def end(self) -> None:
        """Nothing is left of it."""
        self.scene.close()
        self._patches.undo()
        self._folder.cleanup()


def kill(tracker: Tracker) -> None:
    """End a tracker as a kill would: nothing is moved, written or deleted any more."""
    engine = tracker._engine
    tracker._passage.closed = True
    engine.emitter._release()
    engine.writer.abandon()
    engine.journal.abandon()
    engine.storage.close()
    whiteout.remove_tracker(tracker.namespace)
