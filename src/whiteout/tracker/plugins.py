"""Functions of the app's that add to events, veto them, or follow them.

Source: reference 8.7. A plugin that raises does not harm the event, with one exception: a filter
that raises vetoes, since nobody knows what it would have kept back (promise 9).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from whiteout.errors import ConfigurationError
from whiteout.tracker.attributes import NoStrayAttributes
from whiteout.tracker.hooks import Hook, check_function, check_identifier, check_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from whiteout.protocol.self_describing import SelfDescribingJson
    from whiteout.tracker.inspectable import InspectableEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginConfiguration:
    """A plugin: any of three functions, each for all events or for those that its list names.

    A list holds schemas (`iglu:com.acme/order/jsonschema/1-0-0`) and names of primitive events
    (`se`, `pv`, …); None stands for all events, an empty list for none.

    The functions are given the event as its level lets it through, without what the tracker itself
    adds to all events. They may track; of an event that it tracks itself a function is not told
    again.

    Args:
        identifier: 1 to 255 characters; the tags of global contexts share its space. It may stand
            in warnings.
        entities: gives entities to attach, at most 100. On the thread that tracks.
        filter: False vetoes the event; so do an exception, and any answer but True and False. It
            sees the entities of all plugins. On the thread that tracks.
        after_track: called once the event is safe from a kill of the process, unless it was vetoed
            or dropped. On a thread of the tracker's.
        entities_schemas: the list for `entities`.
        filter_schemas: the list for `filter`.
        after_track_schemas: the list for `after_track`.

    Raises:
        ConfigurationError: none of the three functions is given, one cannot be called or is async,
            or a list names what no event can have.
    """

    identifier: str
    entities: Callable[[InspectableEvent], Iterable[SelfDescribingJson]] | None = None
    filter: Callable[[InspectableEvent], bool] | None = None
    after_track: Callable[[InspectableEvent], object] | None = None
    entities_schemas: Collection[str] | None = None
    filter_schemas: Collection[str] | None = None
    after_track_schemas: Collection[str] | None = None

    def __post_init__(self) -> None:
        check_identifier("identifier", self.identifier)
        kinds = ("entities", "filter", "after_track")
        if all(getattr(self, kind) is None for kind in kinds):
            raise ConfigurationError("a plugin needs entities, filter or after_track")
        for kind in kinds:
            if getattr(self, kind) is not None:
                check_function(kind, getattr(self, kind))
            name = f"{kind}_schemas"
            object.__setattr__(self, name, check_keys(name, getattr(self, name)))

    def hooks(self, identifier: str) -> tuple[Hook, ...]:
        """Its functions, as they are called."""
        found = (
            ("entities", self.entities, self.entities_schemas),
            ("filter", self.filter, self.filter_schemas),
            ("after_track", self.after_track, self.after_track_schemas),
        )
        return tuple(
            Hook(identifier, kind, call, None if keys is None else frozenset(keys))
            for kind, call, keys in found
            if call is not None
        )


class _Registry(Protocol):
    """What the controller asks of the tracker's extensions."""

    def identifiers(self) -> tuple[str, ...]: ...
    def add_plugin(self, plugin: PluginConfiguration) -> None: ...
    def remove_plugin(self, identifier: str) -> bool: ...
    def faults(self) -> dict[str, int]: ...


class PluginsController(NoStrayAttributes):
    """`tracker.plugins`. Any thread may call; inert once the tracker is closed."""

    def __init__(self, registry: _Registry) -> None:
        self._registry = registry

    @property
    def identifiers(self) -> tuple[str, ...]:
        """The plugins' identifiers, in the order of their adding."""
        return self._registry.identifiers()

    @property
    def faults(self) -> dict[str, int]:
        """How often each plugin or global context failed: exceptions, answers of a wrong type."""
        return self._registry.faults()

    def add(self, plugin: PluginConfiguration) -> None:
        """Use `plugin` from the next event on, instead of what has the same identifier.

        Raises:
            ConfigurationError: it is no `PluginConfiguration`.
        """
        check_plugin(plugin)
        self._registry.add_plugin(plugin)

    def remove(self, identifier: str) -> bool:
        """Use it no more, not even for events that it has yet to be told of; False: unknown."""
        return self._registry.remove_plugin(identifier)


def check_plugin(plugin: object) -> None:
    """Refuse what is no plugin."""
    if not isinstance(plugin, PluginConfiguration):
        raise ConfigurationError(
            f"a plugin must be a PluginConfiguration, got a {type(plugin).__name__}"
        )
