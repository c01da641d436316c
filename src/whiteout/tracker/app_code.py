"""The app's own code in one tracker: plugins, global contexts, FocalMeter.

Nothing of it is loaded or made before it is asked for: until then an event pays one look at an
attribute. Once the tracker is closed all of it is inert (leak L26).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whiteout.errors import ConfigurationError
from whiteout.tracker.extensions import Extensions, check_names
from whiteout.tracker.focal_meter import IDENTIFIER as METER
from whiteout.tracker.focal_meter import FocalMeter, FocalMeterConfiguration
from whiteout.tracker.global_contexts import (
    GlobalContext,
    GlobalContextsConfiguration,
    GlobalContextsController,
)
from whiteout.tracker.plugins import PluginConfiguration, PluginsController

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from whiteout.anonymisation import Gate
    from whiteout.tracker.clock import Clock
    from whiteout.tracker.counters import Counters
    from whiteout.tracker.passage import Passage

_METER_GRACE_S: Final = 0.02  # a request that hangs must not hold up an exit


class AppCode:
    """What an app has put into its tracker. Any thread may call.

    Args:
        passage: what events pass; it is told of the extensions.
        gate: what a level lets through.
        counters: for warnings, and events that a failing filter vetoes.
        clock: for the pauses of FocalMeter.
        configurations: what the app has given: plugins, and at most one of the other two.
        in_memory: plugins are told by `tell_plugins`, not on a thread of their own.

    Raises:
        ConfigurationError: an identifier or tag is there twice.
    """

    def __init__(  # noqa: PLR0913 - one argument a collaborator
        self,
        passage: Passage,
        *,
        gate: Gate,
        counters: Counters,
        clock: Clock,
        configurations: Sequence[object] = (),
        in_memory: bool = False,
    ) -> None:
        self._passage = passage
        self._clock = clock
        plugins = [one for one in configurations if isinstance(one, PluginConfiguration)]
        contexts = [one for one in configurations if isinstance(one, GlobalContextsConfiguration)]
        meters = [one for one in configurations if isinstance(one, FocalMeterConfiguration)]
        self._meter: FocalMeter | None = None
        self._meters = meters
        for configuration in meters:
            self._meter = FocalMeter(
                configuration, user_id=self._metered_id, counters=counters, clock=clock
            )
            plugins.append(self._meter.plugin())
        self._extensions = Extensions(
            gate,
            counters,
            plugins=plugins,
            contexts=contexts[0] if contexts else None,
            wake=_nobody if in_memory else None,
        )
        self.plugins = PluginsController(self._extensions)
        self.global_contexts = GlobalContextsController(self._extensions)
        passage.extensions = self._extensions

    def configurations(self) -> list[object]:
        """What another tracker is made with, so that it has the same."""
        registered = self._extensions.registered()
        found: list[object] = [
            one
            for name, one in registered.items()
            if isinstance(one, PluginConfiguration) and name != METER
        ]
        contexts = {tag: one for tag, one in registered.items() if isinstance(one, GlobalContext)}
        if contexts:
            found.append(GlobalContextsConfiguration(contexts=contexts))
        return found + (self._meters if METER in registered else [])

    def forget(self) -> None:
        """Tell no plugin of what was tracked until now, and forget who the meter was told of."""
        self.forget_queued()
        if self._meter is not None:
            self._meter.forget()

    def tell_plugins(self) -> None:
        """Tell plugins of what was tracked, on the caller's thread."""
        self._extensions.run_after_track()

    def forget_queued(self) -> None:
        """Tell no plugin of what was tracked until now."""
        self._extensions.forget()

    def close(self, timeout_s: float) -> float:
        """Tell plugins of what was tracked, within the time; then tell nobody of anything more.

        Returns:
            the seconds that it took.
        """
        started_s = self._clock.monotonic_s()
        self._extensions.close(timeout_s)
        if self._meter is not None:
            self._meter.close(_METER_GRACE_S)
        return self._clock.monotonic_s() - started_s

    def after_fork(self) -> None:
        """In a forked child: what the parent's plugins have yet to be told stays the parent's."""
        self._extensions.after_fork()
        if self._meter is not None:
            self._meter.after_fork()

    def _metered_id(self) -> str | None:
        """Whose events are tracked, while they are not anonymous and a session of ours runs."""
        passage = self._passage
        with passage.lock:
            return None if passage.closed else passage.lines.session_user_id()


def _nobody() -> None:
    """There is no thread to wake."""


def added(before: Sequence[object], said: Sequence[object]) -> list[object]:
    """What a tracker made again has: all that the one before had, and what is said now.

    Of two of one name it is what is said now, as `tracker.plugins.add` has it.

    Args:
        before: of `AppCode.configurations`.
        said: of the app.
    """
    names = {name for one in said for name in _names(one)}
    contexts: dict[str, GlobalContext] = {}
    others: list[object] = []
    for one in before:
        if isinstance(one, GlobalContextsConfiguration):
            contexts |= {tag: context for tag, context in one.contexts.items() if tag not in names}
        elif names.isdisjoint(_names(one)):
            others.append(one)
    for one in said:
        if isinstance(one, GlobalContextsConfiguration):
            contexts |= one.contexts
        else:
            others.append(one)
    return [*others, *([GlobalContextsConfiguration(contexts=contexts)] if contexts else [])]


def check_configurations(configurations: Sequence[object]) -> None:
    """Refuse what no tracker can be made with: before another one gives way to it.

    Raises:
        ConfigurationError: one is of another type, there are two of a kind of which there can be
            one, or two plugins or global contexts share a name.
    """
    kinds: set[type] = set()
    for configuration in configurations:
        kind = type(configuration)
        if kind not in _KINDS:
            raise ConfigurationError(
                "configurations must be tracker, emitter, session, subject, GDPR, plugin, global "
                f"contexts or FocalMeter configurations, got {kind.__name__}"
            )
        if kind in kinds and kind is not PluginConfiguration:
            raise ConfigurationError(f"configurations must hold one {kind.__name__}, got two")
        kinds.add(kind)
    check_names(name for configuration in configurations for name in _names(configuration))


def _names(configuration: object) -> Iterable[str]:
    if isinstance(configuration, PluginConfiguration):
        return (configuration.identifier,)
    if isinstance(configuration, GlobalContextsConfiguration):
        return configuration.contexts
    return (METER,)


_KINDS: Final = (PluginConfiguration, GlobalContextsConfiguration, FocalMeterConfiguration)
