"""How long the text of a column may be. Nothing is shortened: a longer text is a violation.

Source: reference section 2.8.
"""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING

from whiteout.enrich.atomic import ATOMIC_COLUMNS, COLUMN_INDEX
from whiteout.enrich.failure import ColumnFault
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LENGTH_EXCEEDED = "atomic_field_length_exceeded"

Limits = tuple[int, ...]
"""The most characters of each column."""

_POSITIONS = range(len(ATOMIC_COLUMNS))
_NO_LIMIT = 2**63
NO_LIMITS: Limits = (_NO_LIMIT,) * len(ATOMIC_COLUMNS)


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
        _NO_LIMIT if column.max_length is None else overrides.get(column.name, column.max_length)
        for column in ATOMIC_COLUMNS
    )


def too_long(fields: Sequence[str | None], limits: Limits) -> list[ColumnFault]:
    """The columns whose text is longer than its limit."""
    return [
        ColumnFault(
            ATOMIC_COLUMNS[position].name,
            f"longer than {limits[position]} characters",
            LENGTH_EXCEEDED,
            text,
            (str(limits[position]),),
        )
        for position in compress(_POSITIONS, fields)  # most columns are null
        if len(text := fields[position] or "") > limits[position]
    ]
