"""Checks that plugins and global contexts share, and the hook that both become."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from whiteout.errors import ConfigurationError, ProtocolError
from whiteout.protocol.iglu import parse_schema_key
from whiteout.tracker.checks import check_plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.tracker.inspectable import InspectableEvent

EVENT_NAMES: Final = frozenset("pv pp se tr ti ad".split())
"""What primitive events are called on the wire (`e`); the others are named by their schema."""

_MAX_IDENTIFIER: Final = 255


@dataclass(frozen=True, slots=True, eq=False)
class Hook:
    """One function of the app's, and the events that it is asked about.

    Attributes:
        identifier: the plugin's, or the tag of the global context.
        kind: `entities`, `filter` or `after_track`; in warnings.
        call: the function.
        keys: schemas and names of events; None: all.
    """

    identifier: str
    kind: str
    call: Callable[[InspectableEvent], Any]
    keys: frozenset[str] | None = None

    def wants(self, event: InspectableEvent) -> bool:
        """Whether the function is asked about this event."""
        return self.keys is None or event.key in self.keys


def answer_of(answer: object) -> bool:
    """The answer of a filter.

    Raises:
        TypeError: it is neither True nor False; a `return` that was forgotten must not decide.
    """
    if isinstance(answer, bool):
        return answer
    raise TypeError


def check_identifier(field: str, value: object) -> None:
    """Refuse what is no text of 1 to 255 characters."""
    if not isinstance(value, str) or not 1 <= len(value) <= _MAX_IDENTIFIER:
        shown = f"{len(value)} characters" if isinstance(value, str) else type(value).__name__
        raise ConfigurationError(
            f"{field} must be a text of 1 to {_MAX_IDENTIFIER} characters, got {shown}"
        )


def check_function(field: str, value: object) -> None:
    """Refuse what cannot be called, or would answer with a coroutine that nobody awaits."""
    if not callable(value):
        raise ConfigurationError(f"{field} must be a function, got a {type(value).__name__}")
    check_plain(field, value)


def check_keys(field: str, keys: object) -> frozenset[str] | None:
    """The schemas and event names of a list; None: all events.

    Raises:
        ConfigurationError: it is no list, or one of them could never be met (leak L36).
    """
    if keys is None:
        return None
    if not isinstance(keys, list | tuple | set | frozenset):
        raise ConfigurationError(
            f"{field} must be a list of schemas and event names, got a {type(keys).__name__}"
        )
    for key in keys:
        if not _is_key(key):
            shown = repr(key[:200]) if isinstance(key, str) else f"a {type(key).__name__}"
            raise ConfigurationError(
                f"{field} must hold schemas such as iglu:com.acme/event/jsonschema/1-0-0, without "
                f"wildcards, or event names ({', '.join(sorted(EVENT_NAMES))}), got {shown}"
            )
    return frozenset(keys)


def _is_key(key: object) -> bool:
    if not isinstance(key, str):
        return False
    if key in EVENT_NAMES:
        return True
    try:
        parse_schema_key(key)
    except ProtocolError:
        return False
    return True
