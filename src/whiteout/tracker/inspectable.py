"""What an app's plugins and global contexts see of an event: exactly what will be stored of it.

The view is made of the event's own part, which has passed the gate at the event's level: a plugin
of an anonymous event cannot read, and so cannot pass on, what the level hides (leaks L19, L21). Of
what events share (subject, session, platform) it shows nothing at any level. Once an event has been
tracked, it shows the entities of states too, such as the screen.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from whiteout.events.event import body as json_of
from whiteout.tracker.serialisation import loads
from whiteout.tracker.template import SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from whiteout.identifiers import Anonymisation
    from whiteout.protocol.self_describing import SelfDescribingJson

_SEPARATOR: Final = SEPARATOR.encode()
_SCHEMA_HEAD: Final = b'{"schema":"'  # a schema needs no escapes: it ends at the next quote
_SELF_DESCRIBING: Final = b'"e":"ue"'


class InspectableEvent:
    """An event that cannot be changed. Reading it is safe on any thread.

    Lists are tuples, and mappings read-only, at every depth. What is read is decoded at its first
    use.

    Args:
        own_part: the event's parameters, body and entities, gated, as `own_part` writes them.
        anonymisation: the event's level.
    """

    __slots__ = ("_anonymisation", "_body", "_entities", "_own_part", "_parameters")

    def __init__(self, own_part: bytes, anonymisation: Anonymisation) -> None:
        _set(self, "_own_part", own_part)
        _set(self, "_anonymisation", anonymisation)
        _set(self, "_parameters", None)
        _set(self, "_body", None)
        _set(self, "_entities", None)

    _own_part: bytes
    _anonymisation: Anonymisation
    _parameters: Mapping[str, str] | None
    _body: SelfDescribingJson | None
    _entities: tuple[SelfDescribingJson, ...] | None

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"an event that is inspected cannot be changed: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"an event that is inspected cannot be changed: {name}")

    def __reduce__(self) -> tuple[type[InspectableEvent], tuple[bytes, Anonymisation]]:
        """Copies and pickles, for plugins that hand events to other processes."""
        return InspectableEvent, (self._own_part, self._anonymisation)

    def __repr__(self) -> str:
        """Name and schema only: what an event holds does not belong in logs."""
        return f"InspectableEvent({self.key})"

    @property
    def anonymisation(self) -> Anonymisation:
        """The event's level, which it has been masked for."""
        return self._anonymisation

    @property
    def schema(self) -> str | None:
        """The schema of a self-describing event, an Iglu URI; None for the primitive ones."""
        body = self._own_part.split(_SEPARATOR, 2)[1]
        if not body:
            return None
        return body[len(_SCHEMA_HEAD) : body.index(b'"', len(_SCHEMA_HEAD))].decode()

    @property
    def name(self) -> str:
        """The event's `e` parameter: `se`, `pv`, …; `ue` for self-describing events."""
        if self._own_part.startswith(_SELF_DESCRIBING):
            return "ue"
        return self.parameters.get("e", "")

    @property
    def key(self) -> str:
        """What lists of schemas name the event by: its schema, or its name where it has none."""
        return self.schema or self.name

    @property
    def parameters(self) -> Mapping[str, str]:
        """The event's own payload parameters, `e` among them."""
        if self._parameters is None:
            text = self._own_part.split(_SEPARATOR, 1)[0]
            _set(self, "_parameters", _frozen(loads(b"{%b}" % text)))
        return self._parameters or {}

    @property
    def payload(self) -> Mapping[str, Any]:
        """A self-describing event's data; of other events the parameters."""
        if self._body is None:
            text = self._own_part.split(_SEPARATOR, 2)[1]
            if not text:
                return self.parameters
            _set(self, "_body", _json(loads(text)))
        return self._body.data if self._body is not None else {}

    @property
    def entities(self) -> tuple[SelfDescribingJson, ...]:
        """The entities of the event itself, and in filters and `after_track` those of plugins."""
        if self._entities is None:
            text = self._own_part.split(_SEPARATOR, 2)[2]
            _set(self, "_entities", tuple(_json(item) for item in loads(b"[%b]" % text)))
        return self._entities or ()

    @property
    def own_part(self) -> bytes:
        """The event as the journal takes it."""
        return self._own_part

    def with_entities(self, fragments: Sequence[bytes]) -> InspectableEvent:
        """The event with more entities: gated ones, each as JSON."""
        if not fragments:
            return self
        mark = b"" if self._own_part.endswith(_SEPARATOR) else b","
        return InspectableEvent(self._own_part + mark + b",".join(fragments), self._anonymisation)


_set: Final = object.__setattr__


def _json(item: dict[str, Any]) -> SelfDescribingJson:
    return json_of(item["schema"], _frozen(item["data"]))


def _frozen(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """JSON that nobody can change."""
    if isinstance(value, dict):
        return MappingProxyType({key: _frozen(item) for key, item in value.items()})
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    return value
