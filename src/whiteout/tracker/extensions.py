"""Plugins and global contexts at work: what `track()` asks, and what follows an event.

Invariants
- What an extension adds passes the gate at the event's level, as the event itself has (leak L19).
- Nothing of the app's code runs under a lock of ours.
- No extension can harm an event: what raises is counted, and what it gives is bounded in number
  and size. Only a filter that fails vetoes, which is the more private choice (promise 9).
- An event that an extension tracks is not shown again to the function that tracked it, nor to those
  further up; so chains end.
- Nothing but identifiers, kinds of functions and types of exceptions is logged (leak L28).

Any thread may call anything. What is registered is replaced as a whole, never changed, so tracking
needs no lock.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from whiteout.errors import ConfigurationError
from whiteout.identifiers import Anonymisation
from whiteout.protocol.self_describing import SelfDescribingJson
from whiteout.tracker.counters import DropReason
from whiteout.tracker.global_contexts import GlobalContext
from whiteout.tracker.hooks import Hook, answer_of
from whiteout.tracker.plugins import PluginConfiguration, check_plugin
from whiteout.tracker.serialisation import dumps, loads
from whiteout.tracker.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from whiteout.anonymisation import Gate
    from whiteout.tracker.counters import Counters
    from whiteout.tracker.global_contexts import GlobalContextsConfiguration
    from whiteout.tracker.inspectable import InspectableEvent

MAX_ENTITIES: Final = 100  # of one extension for one event
MAX_OWN_BYTES: Final = 500_000  # with what extensions add; half of what an event may have
MAX_QUEUED: Final = 1000
MAX_QUEUED_BYTES: Final = 16_000_000
_MAX_CHAIN: Final = 5  # functions inside functions; arbitrary, more is a mistake
_SHOWN: Final = 100

_Extension = PluginConfiguration | GlobalContext


@dataclass(frozen=True, slots=True)
class _Registered:
    """All extensions at one moment."""

    extensions: dict[str, _Extension]
    hooks: dict[str, tuple[Hook, ...]]
    entities: tuple[Hook, ...] = field(init=False)
    filters: tuple[Hook, ...] = field(init=False)
    after_track: tuple[Hook, ...] = field(init=False)

    def __post_init__(self) -> None:
        for attribute, kind in (
            ("entities", "entities"),
            ("filters", "filter"),
            ("after_track", "after_track"),
        ):
            found = [hook for hooks in self.hooks.values() for hook in hooks if hook.kind == kind]
            object.__setattr__(self, attribute, tuple(found))


class _Running(threading.local):
    """The app's functions that this thread is in the middle of."""

    hooks: tuple[Hook, ...] = ()


@dataclass(frozen=True, slots=True)
class _Following:
    """An event that functions have yet to be told of."""

    event: InspectableEvent
    hooks: tuple[Hook, ...]
    tracked_in: tuple[Hook, ...]


class Extensions:
    """The plugins and global contexts of one tracker.

    Args:
        gate: what a level lets through.
        counters: for warnings, and events that a failing filter vetoes.
        plugins: to begin with.
        contexts: to begin with.
        wake: called when there is something to do for `run_after_track`, from any thread; must not
            block. None: a thread of its own does it.

    Raises:
        ConfigurationError: an identifier or tag is there twice.
    """

    def __init__(
        self,
        gate: Gate,
        counters: Counters,
        *,
        plugins: Sequence[PluginConfiguration] = (),
        contexts: GlobalContextsConfiguration | None = None,
        wake: Callable[[], None] | None = None,
    ) -> None:
        self._gate = gate
        self._counters = counters
        self._worker = Worker("whiteout-plugins", self.run_after_track)
        self._wake = wake or self._worker.wake
        self._running = _Running()
        self._is_closed = False
        self._reset()
        self._faults: dict[str, int] = {}
        self.is_empty = True
        self._registered = _Registered({}, {})
        for plugin in plugins:
            check_plugin(plugin)
        tagged = contexts.contexts if contexts is not None else {}
        check_names([*(plugin.identifier for plugin in plugins), *tagged])
        self._register({**{plugin.identifier: plugin for plugin in plugins}, **tagged})

    def _reset(self) -> None:
        self._lock = threading.RLock()  # for microseconds; a signal handler may come back to it
        self._following: deque[_Following] = deque()
        self._following_bytes = 0

    # --- while an event is tracked ------------------------------------------------------------

    def extend(self, event: InspectableEvent) -> InspectableEvent | None:
        """The event with the entities of all extensions; None: a filter vetoed it."""
        if len(self._running.hooks) >= _MAX_CHAIN:
            self._counters.drop(DropReason.FILTER_FAILED)
            return None
        extended = event.with_entities([text for _, text in self._gather(event)])
        return extended if self.lets_pass(extended) else None

    def entities(self, event: InspectableEvent) -> list[SelfDescribingJson]:
        """What extensions attach to the event, as its level lets it through."""
        return [entity for entity, _ in self._gather(event)]

    def lets_pass(self, event: InspectableEvent) -> bool:
        """Whether no filter vetoes; the first veto decides."""
        running = self._running.hooks
        for hook in self._registered.filters:
            if hook in running or not hook.wants(event):
                continue
            try:
                passes = answer_of(self._call(hook, event))
            except Exception as error:  # noqa: BLE001 - the app's code
                self._count(hook, error)
                self._counters.drop(DropReason.FILTER_FAILED)
                return False
            if not passes:
                return False
        return True

    def after_track(self, event: InspectableEvent) -> None:
        """Queue the event for those that want to be told of it; call it once it is journalled."""
        hooks = self._registered.after_track
        if not hooks:
            return
        running = self._running.hooks
        wanting = tuple(hook for hook in hooks if hook not in running and hook.wants(event))
        if not wanting:
            return
        with self._lock:
            is_full = (
                len(self._following) >= MAX_QUEUED or self._following_bytes >= MAX_QUEUED_BYTES
            )
            if not is_full and not self._is_closed:
                self._following.append(_Following(event, wanting, running))
                self._following_bytes += len(event.own_part)
        if is_full:
            for hook in wanting:
                self._fault(hook, "was not told of an event: it takes longer than events come")
        else:
            self._wake()

    # --- after it -----------------------------------------------------------------------------

    def run_after_track(self) -> int:
        """Tell of what is queued. On a background thread; returns how many events it was."""
        count = 0
        while (following := self._next_following()) is not None:
            count += 1
            running, self._running.hooks = self._running.hooks, following.tracked_in
            try:
                for hook in following.hooks:
                    if hook in self._registered.after_track:  # else it was removed meanwhile
                        self._tell(hook, following.event)
            finally:
                self._running.hooks = running
        return count

    def _next_following(self) -> _Following | None:
        with self._lock:
            if not self._following:
                return None
            following = self._following.popleft()
            self._following_bytes -= len(following.event.own_part)
            return following

    def _tell(self, hook: Hook, event: InspectableEvent) -> None:
        try:
            self._call(hook, event)
        except Exception as error:  # noqa: BLE001 - the app's code
            self._count(hook, error)

    # --- what is registered -------------------------------------------------------------------

    def identifiers(self) -> tuple[str, ...]:
        """Those of plugins."""
        return self._names(PluginConfiguration)

    def tags(self) -> tuple[str, ...]:
        """Those of global contexts."""
        return self._names(GlobalContext)

    def registered(self) -> Mapping[str, PluginConfiguration | GlobalContext]:
        """All of them, by identifier or tag, in the order of their adding."""
        return self._registered.extensions

    def faults(self) -> dict[str, int]:
        """How often each failed, by identifier or tag."""
        with self._lock:
            return dict(self._faults)

    def add_plugin(self, plugin: PluginConfiguration) -> None:
        """Add it, at the end; what has its identifier, plugin or global context, goes."""
        with self._lock:
            if self._is_closed:
                return
            others = self._others(plugin.identifier)
            self._register({**others, plugin.identifier: plugin})

    def remove_plugin(self, identifier: str) -> bool:
        """Remove it; False: there is no plugin of that identifier."""
        return self._remove(identifier, PluginConfiguration) is not None

    def add_context(self, tag: str, context: GlobalContext) -> bool:
        """Add it, at the end; False: the tag is taken."""
        with self._lock:
            if self._is_closed or tag in self._registered.extensions:
                return False
            self._register({**self._registered.extensions, tag: context})
            return True

    def remove_context(self, tag: str) -> GlobalContext | None:
        """Remove it, and say what it was."""
        removed = self._remove(tag, GlobalContext)
        return removed if isinstance(removed, GlobalContext) else None

    # --- the tracker's life -------------------------------------------------------------------

    def forget(self) -> None:
        """Tell nobody of the events that are queued."""
        with self._lock:
            self._following.clear()
            self._following_bytes = 0

    def close(self, timeout_s: float = 1.0) -> bool:
        """Tell of what is queued within the time, then do nothing more; False: not in time."""
        with self._lock:
            if self._is_closed:
                return True
            self._is_closed = True
        if self._following:
            self._wake()
        is_done = self._worker.close(timeout_s) and not self._following
        self.forget()
        return is_done

    def after_fork(self) -> None:
        """In a forked child: what is queued is the parent's to tell of."""
        self._reset()
        self._worker.after_fork()

    # --- inside -------------------------------------------------------------------------------

    def _names(self, kind: type[_Extension]) -> tuple[str, ...]:
        items = self._registered.extensions.items()
        return tuple(identifier for identifier, item in items if isinstance(item, kind))

    def _others(self, identifier: str) -> dict[str, _Extension]:
        items = self._registered.extensions.items()
        return {name: item for name, item in items if name != identifier}

    def _remove(self, identifier: str, kind: type[_Extension]) -> _Extension | None:
        with self._lock:
            found = self._registered.extensions.get(identifier)
            if self._is_closed or not isinstance(found, kind):
                return None
            self._register(self._others(identifier))
            return found

    def _register(self, extensions: dict[str, _Extension]) -> None:
        """Replace what is registered; the hooks of extensions that stay, stay."""
        before = self._registered
        hooks: dict[str, tuple[Hook, ...]] = {}
        for identifier, extension in extensions.items():
            stays = before.extensions.get(identifier) is extension
            hooks[identifier] = before.hooks[identifier] if stays else extension.hooks(identifier)
        self._registered = _Registered(extensions, hooks)
        self.is_empty = not extensions

    def _gather(self, event: InspectableEvent) -> list[tuple[SelfDescribingJson, bytes]]:
        """The entities of all extensions, gated, and each as JSON."""
        running = self._running.hooks
        gathered: list[tuple[SelfDescribingJson, bytes]] = []
        left = MAX_OWN_BYTES - len(event.own_part)
        for hook in self._registered.entities:
            if hook in running or not hook.wants(event):
                continue
            for entity in self._ask(hook, event):
                try:
                    passed = self._gated(entity, event.anonymisation)
                except Exception as error:  # noqa: BLE001 - the app's data: anything at all
                    self._count(hook, error)
                    continue
                if passed is None:
                    continue
                left -= len(passed[1])
                if left < 0:
                    self._fault(hook, "gave more than an event can carry")
                    return gathered
                gathered.append(passed)
        return gathered

    def _ask(self, hook: Hook, event: InspectableEvent) -> list[SelfDescribingJson]:
        try:
            given = self._call(hook, event, taking=MAX_ENTITIES + 1)
        except Exception as error:  # noqa: BLE001 - the app's code
            self._count(hook, error)
            return []
        if len(given) > MAX_ENTITIES:
            self._fault(hook, f"gave more than {MAX_ENTITIES} entities")
            given.pop()
        entities = [entity for entity in given if isinstance(entity, SelfDescribingJson)]
        for _ in range(len(given) - len(entities)):
            self._fault(hook, "gave an entity that is no SelfDescribingJson")
        return entities

    def _gated(
        self, entity: SelfDescribingJson, level: Anonymisation
    ) -> tuple[SelfDescribingJson, bytes] | None:
        """The entity and its JSON as `level` lets it through; None: not at all."""
        text = dumps(entity.as_dict())
        if level is Anonymisation.NONE:
            return entity, text
        # As it will be written: the serialiser takes more types than the gate looks into.
        passed = self._gate.entity(SelfDescribingJson(entity.schema, loads(text)["data"]), level)
        return None if passed is None else (passed, dumps(passed.as_dict()))

    def _call(self, hook: Hook, event: InspectableEvent, taking: int = 0) -> Any:  # noqa: ANN401 - the app's
        """Call the app's function; with `taking`, and take at most so many of what it yields."""
        running = self._running.hooks
        self._running.hooks = (*running, hook)
        try:
            result = hook.call(event)
            return list(islice(_iterable(result), taking)) if taking else result
        finally:
            self._running.hooks = running

    def _count(self, hook: Hook, error: Exception) -> None:
        self._fault(hook, f"failed: {type(error).__name__}")

    def _fault(self, hook: Hook, what: str) -> None:
        with self._lock:
            self._faults[hook.identifier] = self._faults.get(hook.identifier, 0) + 1
        name = hook.identifier[:_SHOWN]
        self._counters.warn(f"plugin {name}", f"plugin {name!r}: {hook.kind} {what}")


def _iterable(result: Any) -> Iterable[Any]:  # noqa: ANN401 - the app's
    """What an extension gave; texts and mappings are iterable too, and meant otherwise."""
    if isinstance(result, str | bytes) or hasattr(result, "keys"):
        raise TypeError
    return result  # type: ignore[no-any-return] # `islice` says when it is none


def check_names(names: Iterable[str]) -> None:
    """Refuse identifiers and tags that are there twice."""
    known = set()
    for name in names:
        if name in known:
            raise ConfigurationError(
                "identifiers of plugins and tags of global contexts must differ, "
                f"got {name[:_SHOWN]!r} twice"
            )
        known.add(name)
