"""What the model hears of the inside of a tracker, at the moment at which it happens."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.support.day.model import FULL, Scoped

from whiteout.tracker.emitter import Emitter
from whiteout.tracker.engine import Engine
from whiteout.tracker.event_store import EventStore
from whiteout.tracker.lines import Lines
from whiteout.tracker.pending import PendingChange
from whiteout.tracker.records import EVENT_RECORD
from whiteout.tracker.serialisation import loads
from whiteout.tracker.storage import Storage
from whiteout.tracker.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pytest
    from tests.support.day.model import Model
    from tests.support.day.world import DayClock

    from whiteout import Anonymisation, DropReason
    from whiteout.tracker.event_rows import NewEvent, StoredEvent
    from whiteout.tracker.storage import Placed
    from whiteout.tracker.template import Template


class Ears:
    """Tells the models. No thread of a tracker starts meanwhile.

    Args:
        patches: undone at the end of the day.
        models: by the namespace, as it stands in file names; more may come.
        clock: of the day.

    Attributes:
        entering: what the model does once the tracker enters the next level.
    """

    def __init__(
        self, patches: pytest.MonkeyPatch, models: Mapping[str, Model], clock: DayClock
    ) -> None:
        self.entering: list[Callable[[], None]] = []
        self._models = models
        self._clock = clock
        for threaded in (Writer, Emitter):
            patches.setattr(threaded, "start", lambda _: None)
        hearing: tuple[tuple[type, str, Callable[..., object]], ...] = (
            (Engine, "append", self._append),
            (Storage, "add", self._add),
            (Lines, "enter", self._enter),
            (EventStore, "drop_beyond", self._drop_beyond),
            (PendingChange, "__call__", self._change),
        )
        for owner, name, hear in hearing:
            patches.setattr(owner, name, _method(hear, getattr(owner, name)))

    def _append(
        self,
        append: Callable[[Engine, Template, bytes], DropReason | None],
        engine: Engine,
        template: Template,
        record: bytes,
    ) -> DropReason | None:
        refused = append(engine, template, record)
        assert refused is None
        model = self._models[engine._name]
        if b"/consent_withdrawn/" in record:  # it is in no request with any other
            model.tracking = Scoped(level=FULL, alone=True)
        event_id = EVENT_RECORD.unpack_from(record)[-1].decode()
        clock = self._clock
        known = model.passes(event_id, clock.wall_ms, clock.before_ms, _session_index(template))
        if model.tracking.alone:
            model.tracking = Scoped()
        assert template.level is known.level
        return refused

    def _add(
        self,
        add: Callable[..., Placed],
        storage: Storage,
        events: Sequence[NewEvent],
        templates: Mapping[int, str],
        *,
        moved: tuple[str, int] | None = None,
    ) -> Placed:
        for event in events:
            self._model_of(event.event_id).is_stored(event.event_id)
        return add(storage, events, templates, moved=moved)

    def _enter(
        self,
        enter: Callable[[Lines, Anonymisation, str | None], None],
        lines: Lines,
        level: Anonymisation,
        installation_id: str | None,
    ) -> None:
        enter(lines, level, installation_id)
        self.have_entered()

    def have_entered(self) -> None:
        """The tracker has entered the level, or was at it already."""
        while self.entering:
            self.entering.pop()()

    def _drop_beyond(
        self, drop_beyond: Callable[[EventStore, int], int], store: EventStore, max_events: int
    ) -> int:
        before = [row.event_id for row in store.oldest(sys.maxsize)]
        dropped = drop_beyond(store, max_events)
        after = [row.event_id for row in store.oldest(sys.maxsize)]
        assert after == before[-max_events:], "others than the oldest were dropped"
        for event_id in before[: len(before) - len(after)]:
            self._model_of(event_id).exceeds(event_id)
        return dropped

    def _change(
        self,
        change: Callable[[PendingChange, StoredEvent, str], tuple[NewEvent, str] | None],
        decision: PendingChange,
        stored: StoredEvent,
        text: str,
    ) -> tuple[NewEvent, str] | None:
        changed = change(decision, stored, text)
        if changed is not None and changed[0].event_id != stored.event_id:
            self._model_of(stored.event_id).renamed[changed[0].event_id] = stored.event_id
        return changed

    def _model_of(self, event_id: str) -> Model:
        (model,) = [model for model in self._models.values() if model.knows(event_id)]
        return model


def _method(hear: Callable[..., object], original: object) -> Callable[..., object]:
    def heard(*arguments: object, **named: object) -> object:
        return hear(original, *arguments, **named)

    return heard


def _session_index(template: Template) -> int | None:
    if not template.session:
        return None
    index: int = loads(template.session + "0}}")["data"]["sessionIndex"]
    return index
