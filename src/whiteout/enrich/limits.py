"""How long the text of a column may be. Nothing is shortened: a longer text is a violation.

Source: reference section 2.8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whiteout.enrich.atomic import ATOMIC_COLUMNS, COLUMN_INDEX
from whiteout.enrich.failure import ColumnFault
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LENGTH_EXCEEDED = "atomic_field_length_exceeded"

Limits = tuple[tuple[int, int], ...]
"""The limited columns: position and most characters."""


def atomic_limits(overrides: Mapping[str, int]) -> Limits:
    """The limits of all text columns.

    Args:
        overrides: other limits for some columns, by name.

    Raises:
        ConfigurationError: a name is not that of a text column, or a limit is below 1.
    """
    for name, limit in overrides.items():
        if name not in COLUMN_INDEX or ATOMIC_COLUMNS[COLUMN_INDEX[name]].type != "string":
            raise ConfigurationError(f"atomic_limits: {name!r} is not a text column")
        if limit < 1:
            raise ConfigurationError(f"atomic_limits: {name} must be at least 1, got {limit!r}")
    return tuple(
        (position, overrides.get(column.name, column.max_length))
        for position, column in enumerate(ATOMIC_COLUMNS)
        if column.max_length is not None
    )


def too_long(fields: Sequence[str | None], limits: Limits) -> list[ColumnFault]:
    """The columns whose text is longer than its limit."""
    return [
        ColumnFault(
            ATOMIC_COLUMNS[position].name,
            f"longer than {limit} characters",
            LENGTH_EXCEEDED,
            text,
            (str(limit),),
        )
        for position, limit in limits
        if (text := fields[position]) is not None and len(text) > limit
    ]
