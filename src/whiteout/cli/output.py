"""Tables, JSON lines and text, for terminals and for programs."""

from __future__ import annotations

import csv
import json
import sys
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_WIDE = 10_000  # columns, where the output is no terminal and nothing must be cut

# What a terminal would obey instead of showing: control characters, and those that turn the
# direction of text. Events come from strangers.
_UNSAFE = {code: f"\\x{code:02x}" for code in [*range(0x20), *range(0x7F, 0xA0)]} | {
    code: f"\\u{code:04x}" for code in [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
}


def json_line(value: object) -> str:
    """Compact JSON in one line, safe for a terminal."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_json_default)
    return text.translate(_UNSAFE).replace("\\x", "\\u00")


def _json_default(value: object) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, datetime):
        return iso_time(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


def iso_time(moment: datetime) -> str:
    """`2026-11-23T17:00:00.000Z`, with microseconds where there are any."""
    precision = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def cell(value: object) -> str:
    """A value as text in one line."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.translate(_UNSAFE)
    if isinstance(value, datetime):
        return iso_time(value)
    if isinstance(value, bool | dict | list):
        return json_line(value)
    return str(value)


def print_line(text: str) -> None:
    """One line on standard output."""
    sys.stdout.write(text + "\n")


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    style_of: Callable[[Sequence[object]], str | None] = lambda _: None,
) -> None:
    """A table for people; as wide as the terminal, or as it needs to be where there is none.

    Args:
        columns: their names.
        rows: one value for each column.
        style_of: a row's style on terminals, in rich's words.
    """
    from rich.console import Console  # noqa: PLC0415 - only for tables
    from rich.table import Table  # noqa: PLC0415 - only for tables
    from rich.text import Text  # noqa: PLC0415 - only for tables

    is_terminal = sys.stdout.isatty()
    console = Console(width=None if is_terminal else _WIDE, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(Text(cell(column)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell(value)) for value in row), style=style_of(row))
    if is_terminal:
        console.print(table)
        return
    with console.capture() as drawn:  # padded on the right, which nobody wants in a file
        console.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in drawn.get().splitlines())


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """CSV with a header; nested values as JSON."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in rows)
