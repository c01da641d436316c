"""Entities that an app attaches to many events at once.

Source: reference 8.6. As in the native trackers a global context runs as a plugin whose identifier
is its tag, so tags and plugin identifiers share one space of names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from whiteout.errors import ConfigurationError
from whiteout.protocol.self_describing import SelfDescribingJson
from whiteout.tracker.attributes import NoStrayAttributes
from whiteout.tracker.hooks import Hook, answer_of, check_function, check_identifier
from whiteout.tracker.schema_rules import SchemaRuleset
from whiteout.tracker.serialisation import dumps, loads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from whiteout.tracker.inspectable import InspectableEvent

    _Generate = Callable[[InspectableEvent], Iterable[SelfDescribingJson]]
    _Filter = Callable[[InspectableEvent], bool]


class ContextGenerator(Protocol):
    """An object that decides and makes in two steps."""

    def filter(self, event: InspectableEvent) -> bool:
        """Whether `generate` shall be asked."""
        ...

    def generate(self, event: InspectableEvent) -> Iterable[SelfDescribingJson]:
        """The entities for this event."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalContext:
    """Entities, and the events that they belong to: all where nothing else is said.

    What fails attaches nothing: an exception, a filter that answers neither True nor False.

    Args:
        entities: the same for every event; read once, here.
        generator: makes them for each event: a function, or an object with the methods `filter`
            and `generate` (`ContextGenerator`). Exactly one of `entities` and `generator` is given.
        filter: tells for each event whether it gets them.
        ruleset: tells by the event's schema; events without one get nothing. Where both are given,
            both must agree.

    Raises:
        ConfigurationError: both or neither of `entities` and `generator` are given, one of them is
            something else, or an entity has no JSON form.
    """

    entities: Sequence[SelfDescribingJson] | None = field(default=None, repr=False)
    generator: _Generate | ContextGenerator | None = None
    filter: _Filter | None = None
    ruleset: SchemaRuleset | None = None
    _generate: _Generate | None = field(init=False, repr=False, compare=False, default=None)
    _filters: tuple[_Filter, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        if (self.entities is None) == (self.generator is None):
            raise ConfigurationError("a GlobalContext takes either entities or a generator")
        if self.entities is not None:
            object.__setattr__(self, "entities", _copied(self.entities))
        generator: Any = self.generator
        generate = generator
        filters: list[Any] = [] if self.filter is None else [self.filter]
        if hasattr(generator, "generate"):
            generate = generator.generate
            filters.append(getattr(generator, "filter", None))
        if generator is not None:
            check_function("generator", generate)
        for function in filters:
            check_function("filter", function)
        object.__setattr__(self, "_generate", generate)
        object.__setattr__(self, "_filters", tuple(filters))
        if self.ruleset is not None and not isinstance(self.ruleset, SchemaRuleset):
            raise ConfigurationError(
                f"ruleset must be a SchemaRuleset, got a {type(self.ruleset).__name__}"
            )

    def entities_of(self, event: InspectableEvent) -> Iterable[SelfDescribingJson]:
        """What the event gets. Raises whatever the app's functions raise."""
        if self.ruleset is not None and not self.ruleset.matches(event.schema):
            return ()
        if not all(answer_of(function(event)) for function in self._filters):
            return ()
        return self._generate(event) if self._generate is not None else self.entities or ()

    def hooks(self, identifier: str) -> tuple[Hook, ...]:
        """What is called: one function, whose identifier is the tag."""
        return (Hook(identifier, "entities", self.entities_of),)


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalContextsConfiguration:
    """The global contexts that a tracker begins with.

    Args:
        contexts: by tag.

    Raises:
        ConfigurationError: it is no mapping from tags to `GlobalContext`.
    """

    contexts: Mapping[str, GlobalContext] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not hasattr(self.contexts, "items"):
            raise ConfigurationError(
                "contexts must be a mapping from tags to GlobalContext, "
                f"got a {type(self.contexts).__name__}"
            )
        for tag, context in self.contexts.items():
            check_identifier("tag", tag)
            check_context(f"contexts[{tag!r}]", context)
        object.__setattr__(self, "contexts", MappingProxyType(dict(self.contexts)))


class _Registry(Protocol):
    """What the controller asks of the tracker's extensions."""

    def tags(self) -> tuple[str, ...]: ...
    def add_context(self, tag: str, context: GlobalContext) -> bool: ...
    def remove_context(self, tag: str) -> GlobalContext | None: ...


class GlobalContextsController(NoStrayAttributes):
    """`tracker.global_contexts`. Any thread may call; inert once the tracker is closed."""

    def __init__(self, registry: _Registry) -> None:
        self._registry = registry

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags, in the order of their adding."""
        return self._registry.tags()

    def add(self, tag: str, context: GlobalContext) -> bool:
        """Attach `context` from the next event on.

        Returns:
            False, and nothing has changed, where the tag is taken, by a plugin or by another.

        Raises:
            ConfigurationError: `tag` is no text of 1 to 255 characters, `context` no
                `GlobalContext`.
        """
        check_identifier("tag", tag)
        check_context("context", context)
        return self._registry.add_context(tag, context)

    def remove(self, tag: str) -> GlobalContext | None:
        """Detach it from the next event on; the context that had the tag, or None."""
        return self._registry.remove_context(tag)


def check_context(field: str, context: object) -> None:
    """Refuse what is no global context."""
    if not isinstance(context, GlobalContext):
        raise ConfigurationError(f"{field} must be a GlobalContext, got {type(context).__name__}")


def _copied(entities: object) -> tuple[SelfDescribingJson, ...]:
    """The entities with data of our own, which must have a JSON form."""
    if not isinstance(entities, list | tuple):
        raise ConfigurationError(
            f"entities must be a list or tuple of SelfDescribingJson, "
            f"got a {type(entities).__name__}"
        )
    for entity in entities:
        if not isinstance(entity, SelfDescribingJson):
            raise ConfigurationError(
                f"entities must hold SelfDescribingJson, got a {type(entity).__name__}"
            )
    return tuple(
        SelfDescribingJson(entity.schema, loads(dumps(entity.data))) for entity in entities
    )
