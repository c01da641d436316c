"""JSON as the tracker writes it: compact UTF-8, `orjson` where it is installed.

What an app puts into an event is written at once, on the caller's thread: later changes to the
app's objects change nothing.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import math
import uuid
from typing import Any, Final

from whiteout.errors import ConfigurationError

try:
    import orjson
except ImportError:  # the SDK runs on the standard library alone
    orjson = None  # type: ignore[assignment, unused-ignore]

_MAX_DEPTH: Final = 40  # enrich refuses JSON that is nested deeper (reference, pipeline 2.8)


def dumps(value: Any) -> bytes:  # noqa: ANN401 - any JSON
    """`value` as compact JSON.

    Dates become RFC 3339 text, `Decimal` a number, `UUID` and enumerations their value; NaN and
    infinity become null, text that is not Unicode has its broken characters replaced.

    Raises:
        ConfigurationError: a value of a type that has no JSON form, or nested too deeply.
    """
    if orjson is not None:
        try:
            return orjson.dumps(value, _plain)
        except TypeError:
            pass  # a 70-bit integer, a key that is no text, half a surrogate: the slow way copes
    cleaned = _clean(value, 0)
    try:
        text = json.dumps(cleaned, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError as error:  # an integer of more digits than Python cares to write
        raise ConfigurationError("an event's data holds an integer of too many digits") from error
    return text.encode()


def loads(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON
    """The value of a JSON text."""
    return json.loads(text) if orjson is None else orjson.loads(text)


def _plain(value: object) -> Any:  # noqa: ANN401 - any JSON
    """The JSON value for a type that JSON does not have."""
    match value:
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case decimal.Decimal():
            return _number(float(value))
        case uuid.UUID():
            return str(value)
        case enum.Enum():
            return value.value
        case set() | frozenset() | tuple():
            return list(value)
        case _ if hasattr(value, "keys") and hasattr(value, "__getitem__"):
            return {key: value[key] for key in value.keys()}  # noqa: SIM118 - any mapping
    message = (
        f"an event's data must be JSON (text, numbers, lists, mappings with text keys), "
        f"got a value of type {type(value).__name__}"
    )
    raise ConfigurationError(message)


def _clean(value: Any, depth: int) -> Any:  # noqa: ANN401, PLR0911 - any JSON, a case a type
    if depth > _MAX_DEPTH:
        raise ConfigurationError(f"an event's data must not be nested more than {_MAX_DEPTH} deep")
    match value:
        case enum.Enum():
            return _clean(_plain(value), depth)
        case None | bool() | int():
            return value
        case str():
            return value.encode("utf-8", "replace").decode()
        case float():
            return _number(value)
        case dict():
            return {
                (key if isinstance(key, str) else str(key))
                .encode("utf-8", "replace")
                .decode(): _clean(item, depth + 1)
                for key, item in value.items()
            }
        case list():
            return [_clean(item, depth + 1) for item in value]
        case _:
            return _clean(_plain(value), depth + 1)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
