"""What every event has: its own parameters, its body, its entities, its true timestamp."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from whiteout.errors import ConfigurationError
from whiteout.events.properties import wrong_value
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

_new = object.__new__
_set_schema = SelfDescribingJson.__dict__["schema"].__set__
_set_data = SelfDescribingJson.__dict__["data"].__set__


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Event(ABC):
    """Something that happened. The tracker adds the id, the time, the subject and more entities.

    Args:
        entities: what the app attaches to this event.
        true_timestamp: when it really happened, as a datetime with a time zone; becomes `ttm`,
            in milliseconds.

    Raises:
        ConfigurationError: a required text is empty, a number is not finite, a value has the wrong
            type, an entity is not a `SelfDescribingJson`, or `true_timestamp` has no time zone.
    """

    TIME_PARAMETER: ClassVar[str] = "ttm"  # what `true_timestamp` becomes

    entities: Sequence[SelfDescribingJson] = ()
    true_timestamp: datetime | None = None

    def __post_init__(self) -> None:
        if self.entities or self.true_timestamp is not None:
            check_common(self.entities, self.true_timestamp)

    def __repr__(self) -> str:
        """The name of the type only: what an event holds does not belong in logs."""
        return f"{type(self).__name__}(...)"

    def parameters(self) -> dict[str, str]:
        """The payload parameters of the event itself, `e` among them; a fresh dictionary."""
        return {"e": "ue"}

    @abstractmethod
    def self_describing(self, new_uuid: Callable[[], str]) -> SelfDescribingJson | None:
        """The body of a self-describing event; None for the primitive ones.

        Args:
            new_uuid: makes the ids that the app left to the tracker.
        """


def body(schema: str, data: Mapping[str, Any]) -> SelfDescribingJson:
    """A `SelfDescribingJson` whose schema is a constant of ours, without parsing it again.

    Saves a sixth of the time that a `ScreenView` costs. A test checks every such constant.
    """
    json = _new(SelfDescribingJson)
    _set_schema(json, schema)
    _set_data(json, data)
    return json


def check_common(entities: object, true_timestamp: object) -> None:
    """Refuse entities and true timestamps that are not what they should be."""
    if not isinstance(entities, list | tuple):
        raise wrong_value("entities", entities, "a list or tuple of SelfDescribingJson")
    for entity in entities:
        if not isinstance(entity, SelfDescribingJson):
            raise wrong_value("entities", entity, "a list or tuple of SelfDescribingJson")
    if true_timestamp is not None:
        from datetime import datetime  # noqa: PLC0415 - keeps the import of the SDK cheap

        if not isinstance(true_timestamp, datetime):
            raise wrong_value("true_timestamp", true_timestamp, "a datetime with a time zone")
        if true_timestamp.utcoffset() is None:
            raise ConfigurationError(
                f"true_timestamp must be a datetime with a time zone, got {true_timestamp!r}"
            )


def check_text(field: str, value: object) -> None:
    """Refuse what is not text, or empty."""
    if not isinstance(value, str) or not value:
        raise wrong_value(field, value, "text that is not empty")


def check_optional_text(field: str, value: object) -> None:
    """Refuse what is neither None nor text. An empty text counts as None: it is left out."""
    if value is not None and not isinstance(value, str):
        raise wrong_value(field, value, "text or None")
