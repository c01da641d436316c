"""JSON values as the Python values that Arrow takes for a lake type.

A value that does not fit raises `CastError`: the loader then keeps the whole event as a failed
event. Nothing is rounded, cut or silently replaced, except that text loses lone surrogates, which
no UTF-8 can hold (each becomes U+FFFD).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from whiteout.lake.types import DecimalType, LakeType, ListType, Scalar, StructType

Caster = Callable[[Any], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DATE_LENGTH = len("2026-11-23")
_INT32, _INT64 = 2**31, 2**63


class CastError(ValueError):
    """A value that its column cannot hold.

    Attributes:
        value: the JSON value.
        expected: what the column wants, in words.
    """

    def __init__(self, value: object, expected: str) -> None:
        super().__init__(f"expected {expected}")
        self.value = value
        self.expected = expected


@lru_cache(maxsize=4096)
def caster(kind: LakeType) -> Caster:
    """A function that turns a JSON value into what Arrow takes for `kind`; None stays None."""
    if isinstance(kind, ListType):
        return _list_caster(caster(kind.element))
    if isinstance(kind, StructType):
        return _struct_caster(kind)
    if isinstance(kind, DecimalType):
        return _decimal_caster(kind)
    return _SCALAR_CASTERS[kind]


def _list_caster(element: Caster) -> Caster:
    def cast(value: object) -> list[Any] | None:
        if value is None:
            return None
        if not isinstance(value, list | tuple):
            raise CastError(value, "an array")
        return [element(item) for item in value]

    return cast


def _struct_caster(kind: StructType) -> Caster:
    parts = [(part.name, part.key, caster(part.type)) for part in kind.members]
    wholes = [(name, cast) for name, key, cast in parts if key is None]
    keyed = [(name, key, cast) for name, key, cast in parts if key is not None]

    def cast(value: object) -> dict[str, Any] | None:
        if value is None:
            return None
        if wholes:
            return {name: of_whole(value) for name, of_whole in wholes}
        if not isinstance(value, dict):
            raise CastError(value, "an object")
        return {name: of_part(value[key]) for name, key, of_part in keyed if key in value}

    return cast


def _decimal_caster(kind: DecimalType) -> Caster:
    limit = Decimal(10) ** (kind.precision - kind.scale)
    step = Decimal(1).scaleb(-kind.scale)
    expected = f"a decimal({kind.precision},{kind.scale})"

    def cast(value: object) -> Decimal | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise CastError(value, expected)
        number = Decimal(str(value))
        if not number.is_finite() or abs(number) >= limit:
            raise CastError(value, expected)
        try:
            exact = number.quantize(step, context=_WIDE)
        except InvalidOperation as error:
            raise CastError(value, expected) from error
        if exact != number:
            raise CastError(value, expected)
        return exact

    return cast


def clean_text(text: str) -> str:
    """`text` without lone surrogates."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _text(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise CastError(value, "a string")
    return clean_text(value)


def _json(value: object) -> str | None:
    if value is None:
        return None
    return clean_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _boolean(value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise CastError(value, "a boolean")


def _integer_caster(limit: int) -> Caster:
    expected = f"an integer from {-limit} to {limit - 1}"

    def cast(value: object) -> int | None:
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not -limit <= value < limit:
            raise CastError(value, expected)
        return value

    return cast


def _double(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CastError(value, "a number")
    try:
        return float(value)
    except OverflowError as error:
        raise CastError(value, "a number that a double holds") from error


def _timestamp(value: object) -> int | None:
    """Microseconds since the epoch; a time without offset is taken as UTC."""
    if value is None:
        return None
    expected = "an RFC 3339 date and time"
    if not isinstance(value, str) or len(value) <= _DATE_LENGTH:
        raise CastError(value, expected)
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError as error:
        raise CastError(value, expected) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    gap = moment - _EPOCH
    return (gap.days * 86_400 + gap.seconds) * 1_000_000 + gap.microseconds


def _date(value: object) -> int | None:
    """Days since the epoch."""
    if value is None:
        return None
    if not isinstance(value, str) or len(value) != _DATE_LENGTH:
        raise CastError(value, "a date, yyyy-mm-dd")
    try:
        return date.fromisoformat(value).toordinal() - _EPOCH_DAY
    except ValueError as error:
        raise CastError(value, "a date, yyyy-mm-dd") from error


_WIDE = Context(prec=80)  # more digits than any decimal(38, n) and any double need
_SCALAR_CASTERS: dict[Scalar, Caster] = {
    Scalar.STRING: _text,
    Scalar.JSON: _json,
    Scalar.BOOLEAN: _boolean,
    Scalar.INT: _integer_caster(_INT32),
    Scalar.BIGINT: _integer_caster(_INT64),
    Scalar.DOUBLE: _double,
    Scalar.TIMESTAMP: _timestamp,
    Scalar.DATE: _date,
}
