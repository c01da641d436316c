"""The 128 atomic columns: their Arrow types, and TSV text to typed columns and back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from whiteout.enrich.atomic import ATOMIC_COLUMNS, Column
from whiteout.lake.arrow import TIMESTAMP
from whiteout.lake.casting import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from whiteout.enrich.event import EnrichedEvent

MONEY = pa.decimal128(18, 2)
_CENT = Decimal("0.01")
_MONEY_LIMIT = Decimal(10) ** 16
_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)
_INT32 = 2**31
_DAY_US = 86_400_000_000
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DAYS_400_YEARS = 146_097
_TIME = "a time must look like 2026-11-23 17:00:00.000"

COLUMNS: tuple[tuple[int, Column], ...] = tuple(
    (position, column) for position, column in enumerate(ATOMIC_COLUMNS) if column.type != "json"
)
"""The columns of the enriched event that are columns of the lake, with their TSV positions."""


@dataclass(frozen=True, slots=True)
class AtomicFault:
    """A column whose text does not fit its type.

    Attributes:
        column: its name.
        text: what stood there.
        expected: what would fit, in words.
    """

    column: str
    text: str
    expected: str


def _arrow(column: Column) -> pa.DataType:
    if column.type == "decimal":
        # Source: the Lake Loader keeps money as decimal(18,2), and `se_value` as a double.
        return pa.float64() if column.name == "se_value" else MONEY
    return {
        "string": pa.string(),
        "timestamp": TIMESTAMP,
        "integer": pa.int32(),
        "double": pa.float64(),
        "boolean": pa.bool_(),
    }[column.type]


FIELDS: tuple[pa.Field, ...] = tuple(pa.field(column.name, _arrow(column)) for _, column in COLUMNS)
"""The Arrow fields of `COLUMNS`, in the same order."""


def text_to_microseconds(text: str) -> int:
    """Microseconds since the epoch of `yyyy-MM-dd HH:mm:ss.SSS` in UTC; years 0000 to 9999.

    Raises:
        ValueError: it is not such a time.
    """
    if text[19:20] not in (".", ""):
        raise ValueError(_TIME)
    return _second_us(text[:19]) + int(text[20:26].ljust(6, "0"))


# The events of a commit share seconds: half the time. Arrow's cast would be faster still, but it is
# of its compute library, which takes 9 MB.
@lru_cache(maxsize=4096)
def _second_us(text: str) -> int:
    if text[10:11] not in (" ", "T"):
        raise ValueError(_TIME)
    clock = (int(text[11:13]) * 60 + int(text[14:16])) * 60 + int(text[17:19])
    return _days(text[:10]) * _DAY_US + clock * 1_000_000


@lru_cache(maxsize=64)
def _days(text: str) -> int:
    if text.startswith("0000-"):  # a year that trackers can send and Python's calendar lacks
        return date.fromisoformat(f"0400{text[4:]}").toordinal() - _DAYS_400_YEARS - _EPOCH_DAY
    return date.fromisoformat(text).toordinal() - _EPOCH_DAY


def microseconds_to_text(value: int) -> str:
    """The inverse of `text_to_microseconds`, to the millisecond."""
    days, rest = divmod(value, _DAY_US)
    milliseconds = rest // 1000
    seconds, milliseconds = divmod(milliseconds, 1000)
    return (
        f"{_day_text(days)} {seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        f".{milliseconds:03}"
    )


@lru_cache(maxsize=64)
def _day_text(days: int) -> str:
    ordinal = days + _EPOCH_DAY
    if ordinal < 1:
        later = date.fromordinal(ordinal + _DAYS_400_YEARS)
        return f"{later.year - 400:04}-{later.month:02}-{later.day:02}"
    return date.fromordinal(ordinal).isoformat()


def _money(text: str) -> Decimal:
    number = Decimal(text)
    if not number.is_finite() or abs(number) >= _MONEY_LIMIT:
        raise ValueError("not a decimal(18,2)")
    return number.quantize(_CENT, context=_WIDE)


def _integer(text: str) -> int:
    value = int(text)
    if not -_INT32 <= value < _INT32:
        raise ValueError("not a 32-bit integer")
    return value


def _boolean(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError("not 0 or 1")
    return text == "1"


def _reader(column: Column) -> Callable[[str], Any] | None:
    """From TSV text to what Arrow takes; None where that is the text itself."""
    readers: dict[str, Callable[[str], Any]] = {
        "timestamp": text_to_microseconds,
        "integer": _integer,
        "double": float,
        "decimal": float if column.name == "se_value" else _money,
        "boolean": _boolean,
    }
    return readers.get(column.type)


_READERS: tuple[tuple[int, str, Callable[[str], Any] | None, str], ...] = tuple(
    (position, column.name, _reader(column), str(field.type))
    for (position, column), field in zip(COLUMNS, FIELDS, strict=True)
)
_TYPED = tuple((position, name, read, kind) for position, name, read, kind in _READERS if read)


def faults_of(event: EnrichedEvent) -> list[AtomicFault]:
    """The columns of `event` that do not fit their types; empty for all that enrich lets pass."""
    faults = []
    for position, name, read, expected in _TYPED:
        text = event.fields[position]
        if text is None:
            continue
        try:
            read(text)
        except (ValueError, ArithmeticError):
            faults.append(AtomicFault(name, text, expected))
    return faults


def arrays(events: Sequence[EnrichedEvent]) -> list[pa.Array]:
    """One Arrow array for each of `FIELDS`.

    Raises:
        ValueError or ArithmeticError: an event has a column that does not fit (`faults_of`).
    """
    columns = list(zip(*[event.fields for event in events], strict=True))
    return [
        _array(columns[position], read, field.type)
        for (position, _, read, _), field in zip(_READERS, FIELDS, strict=True)
    ]


def _array(
    texts: Sequence[str | None], read: Callable[[str], Any] | None, kind: pa.DataType
) -> pa.Array:
    if texts.count(None) == len(texts):  # most columns of most batches
        return pa.nulls(len(texts), kind)
    if read is None:
        try:
            return pa.array(texts, kind)
        except UnicodeEncodeError:
            return pa.array([text and clean_text(text) for text in texts], kind)
    return pa.array([None if text is None else read(text) for text in texts], kind)


def text_of(value: Any, column: Column) -> str | None:  # noqa: ANN401 - a value of any column
    """The TSV text of a typed value, as `arrays` read it; timestamps come in microseconds.

    Money has two decimals, whatever the tracker sent, and doubles Python's shortest form.
    """
    if value is None:
        return None
    if column.type == "timestamp":
        return microseconds_to_text(value)
    if column.type == "boolean":
        return "1" if value else "0"
    return str(value)
