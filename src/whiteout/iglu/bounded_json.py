"""JSON from strangers, with bounded nesting and numbers.

msgspec reads it: whole numbers stay exact up to Python's 4,300 digits; longer ones, `NaN`,
`Infinity`, numbers beyond a double and lone surrogates are refused, and its own recursion is
guarded. What is too deep for the rest of the pipeline is refused here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from whiteout.errors import ProtocolError

MAX_DEPTH = 50  # the effective default of Snowplow's enrich

_decode = msgspec.json.decode


def decode(text: str | bytes, *, max_depth: int = MAX_DEPTH) -> Any:  # noqa: ANN401 - any JSON
    """Read one JSON text.

    Args:
        text: the JSON; bytes are UTF-8.
        max_depth: the most lists and objects that may stand inside each other.

    Raises:
        ProtocolError: it is not JSON, or it is deeper; the message does not repeat the text.
    """
    try:
        value = _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as error:
        raise ProtocolError(f"not JSON: {_reason(error)}") from error
    # So few brackets cannot be too deep: nearly every text ends here.
    if _brackets(text) > max_depth and _is_deeper(value, max_depth):
        raise ProtocolError(f"JSON is nested deeper than {max_depth}")
    return value


def _brackets(text: str | bytes) -> int:
    if isinstance(text, str):
        return text.count("[") + text.count("{")
    return text.count(b"[") + text.count(b"{")


def _is_deeper(value: object, limit: int) -> bool:
    """Tell whether `value` nests deeper than `limit`; walks level by level, without recursion."""
    level = [value]
    for _ in range(limit):
        inner: list[object] = []
        for item in level:
            if type(item) is dict:
                inner += item.values()
            elif type(item) is list:
                inner += item
        if not inner:
            return False
        level = inner
    return any(type(item) in (dict, list) for item in level)


def _reason(error: Exception) -> str:
    # msgspec names positions and types, never content; other errors may quote the text.
    return str(error)[:200] if isinstance(error, msgspec.DecodeError) else type(error).__name__
