"""One namespace of an app: its tracker, through all restarts, its network, and a model of both."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.privacy.support import NONE, events_of
from tests.support.day.checks import Accepted, check_order, check_request
from tests.support.day.model import (
    BACKGROUND_TIMEOUT_MS,
    FOREGROUND_TIMEOUT_MS,
    Model,
    Scoped,
)
from tests.support.day.world import TOO_LARGE, Weather, event_of_kind

import whiteout
from whiteout import BufferOption, DropReason, HttpMethod, SessionConfiguration
from whiteout.tracker.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.privacy.support import Scene
    from tests.support.clock import CountedUuids
    from tests.support.day.model import Known
    from tests.support.day.world import DayClock

    from whiteout import Anonymisation, OutgoingRequest, PrivacyProfile, Tracker

EMIT_RANGE: Final = 7
GROUP: Final = "house"


@dataclass(frozen=True)
class Said:
    """What the app says at each start of a tracker.

    Attributes:
        buffer: how many events it waits for before it sends.
        store_limit: how many it keeps at most.
        lifetime_s: of anonymous sessions; None: without end.
        continues: whether a session goes on at a restart.
    """

    buffer: BufferOption = BufferOption.SINGLE
    store_limit: int = 100
    lifetime_s: float | None = None
    continues: bool = True


class Namespace:
    """A tracker, which collects what becomes of its events.

    Args:
        name: its namespace.
        said: by the app, at each start.
        scene: where trackers are made.
        clock: of the day.
        uuids: of all trackers.
        markers: by which the app knows its events again.
    """

    tracker: Tracker

    def __init__(  # noqa: PLR0913, PLR0917 - one argument a collaborator
        self,
        name: str,
        said: Said,
        scene: Scene,
        clock: DayClock,
        uuids: CountedUuids,
        markers: Iterator[int],
    ) -> None:
        self.name = name
        self.said = said
        self.weather = Weather(self, clock)
        self.model = Model(name=name, continues=said.continues)
        self.accepted: list[Accepted] = []
        self._scene = scene
        self._clock = clock
        self._uuids = uuids
        self._markers = markers
        self._dropped: dict[DropReason, int] = {}  # by trackers that are gone
        self._events: list[dict[str, str]] = []  # of the request that has left
        self._left: dict[str, Known] = {}  # and what was known of them then
        self._is_tried_once = False

    # --- what the app does --------------------------------------------------------------------

    def begin(
        self, level: Anonymisation | None, profile: PrivacyProfile | None, *, was_killed: bool
    ) -> None:
        """Make the tracker, in the group that the model says."""
        said, model = self.said, self.model
        self.tracker = self._scene.tracker(
            level,
            namespace=self.name,
            network={"network_connection": self.weather},
            tracker={
                "screen_context": True,
                "screen_engagement_autotracking": True,
                "lifecycle_autotracking": True,
                "deep_link_context": True,
                "privacy_profile": profile,
                "anonymous_session_lifetime": said.lifetime_s,
            },
            emitter={
                "max_event_store_size": said.store_limit,
                "emit_range": EMIT_RANGE,
                "buffer_option": said.buffer,
            },
            session=SessionConfiguration(
                foreground_timeout=FOREGROUND_TIMEOUT_MS / 1000,
                background_timeout=BACKGROUND_TIMEOUT_MS / 1000,
                continue_session_on_restart=said.continues,
                identity_group=GROUP if model.group is not None else None,
            ),
            environment=Environment(
                clock=self._clock, generator=random.Random(0), new_uuid=self._uuids
            ),
        )
        if was_killed or said.lifetime_s is not None:  # else a process keeps what it had
            model.live_for(said.lifetime_s)
        model.starts(level, was_killed=was_killed)
        assert self.tracker.anonymisation is model.level

    def use(self) -> None:
        self.track_all(["screen", "structured", "timing"], Scoped())

    def track_all(self, kinds: Sequence[str], scoped: Scoped) -> None:
        extra = NONE if scoped.in_scope else scoped.level
        for kind in kinds:
            marker = f"marker-{next(self._markers)}"
            self.model.tracking = scoped
            event_id = self.tracker.track(event_of_kind(kind, marker), anonymisation=extra)
            self.model.tracking = Scoped()
            assert (event_id is not None) is self.tracker.is_tracking
            if event_id is not None:
                assert self.model.last == event_id
                self.model.is_marked(event_id, marker)

    def flush(self, live_on: Callable[[float], None]) -> None:
        """Have all sent that waits, in fair weather."""
        emitter = self.tracker._engine.emitter
        emitter._flushes += 1  # as while `flush` waits
        live_on(1)
        emitter._flushes -= 1
        assert self.tracker.emitter.db_count == 0
        self.model.excused.clear()

    def close(self) -> None:
        """End the tracker as an app does that has no time."""
        self.tracker.close(0.0)
        self.tracker._engine.emitter._release()  # as its thread does when it ends
        self._count_drops()
        self.model.is_kept()

    def kill(self) -> None:
        """End it as a kill would: nothing is moved, written or deleted any more."""
        self.model.is_killed()
        self._count_drops()
        engine = self.tracker._engine
        self.tracker._passage.closed = True
        engine.emitter._release()
        engine.writer.abandon()
        engine.journal.abandon()
        engine.storage.close()
        whiteout.remove_tracker(self.name)

    # --- its threads --------------------------------------------------------------------------

    def work(self) -> float:
        """Let them do what is due; seconds until more could be."""
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

    # --- the collector ------------------------------------------------------------------------

    def leaves(self, request: OutgoingRequest) -> None:
        """All that is in a request waits, and is what its level lets it be."""
        assert request.url.startswith(self.tracker.network.endpoint)
        self._events = events_of(request)
        keys = [self.model.original(event["eid"]) for event in self._events]
        assert len(set(keys)) == len(keys)
        assert self.model.waiting.issuperset(keys), "an event is sent that was dealt with"
        self._left = {key: self.model.known[key] for key in keys}
        check_request(request, self._events, list(self._left.values()))
        self._is_tried_once = self._is_too_large(request)
        self._is_tried_once |= not self.tracker.emitter.retry_failed_requests

    def _is_too_large(self, request: OutgoingRequest) -> bool:
        """Whether it is an event beyond the limit of bytes; several are never beyond it."""
        emitter = self.tracker.emitter
        by_get = self.tracker.network.method is HttpMethod.GET and not request.is_anonymous
        if len(self._events) > 1:
            assert not by_get
            assert request.body is not None
            assert len(request.body) <= emitter.byte_limit_post
            return False
        limit = emitter.byte_limit_get if by_get else emitter.byte_limit_post
        return len(json.dumps(self._events[0], separators=(",", ":"))) > limit

    def fails(self, status: int | None) -> None:
        """They are not taken: the end of them, or to be tried again."""
        if self._is_tried_once:
            self.refuses()
        elif status not in {None, TOO_LARGE}:
            self.model.failed.update(self._left)

    def refuses(self) -> None:
        """They are not taken, for good."""
        self.model.refuses(self._left)

    def receives(self, *, is_answered: bool) -> None:
        """They are taken."""
        model = self.model
        for key, event in zip(self._left, self._events, strict=True):
            if key in model.taken:
                assert key in model.excused, "an event came twice, and nothing excuses it"
            else:
                model.taken[key] = self._left[key]
                self.accepted.append(Accepted(key, self._left[key], event))
            if is_answered:
                model.waiting.discard(key)
                model.excused.discard(key)
            else:
                model.excused.add(key)
        if not is_answered and self._is_tried_once:
            self.refuses()

    # --- the end of it ------------------------------------------------------------------------

    def check(self) -> None:
        """Each event is accepted or counted as dropped, in order."""
        self._count_drops()
        model, dropped = self.model, self._dropped
        assert dropped.pop(DropReason.REJECTED, 0) == model.refused
        # What waits is not in the store any more: it was dropped for its age, and counted.
        expected = model.withdrawn + model.exceeding + len(model.waiting)
        assert sum(dropped.values()) == expected, "an event was lost, or counted twice"
        assert len(model.waiting) <= dropped.get(DropReason.STORE_LIMIT, 0)
        check_order(self.accepted, model.failed)

    def _count_drops(self) -> None:
        for reason, events in self.tracker.drops.items():
            self._dropped[reason] = self._dropped.get(reason, 0) + events
