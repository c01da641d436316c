"""From a parameter's text to a column's text, for each type of column.

Every value comes from strangers: what is parsed is matched first, by patterns that are linear and
that bound its length.

Source: reference section 2.4.
"""

from __future__ import annotations

import re
import socket
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from whiteout.enrich import timestamps

if TYPE_CHECKING:
    from collections.abc import Mapping

_INT32 = 2**31
_INT64 = 2**63
_MAX_EXPONENT = 308  # of a double: readers of the JSON form and of the lake have no more

# C0, DEL and C1 controls; lone surrogates are no characters and cannot be written as UTF-8.
_REMOVED = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UUID = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}", re.ASCII
)
_INTEGER = re.compile(r"([+-]?)0*([0-9]{1,19})")
_DECIMAL = re.compile(
    r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?"
)
_DIMENSIONS = re.compile(r"([0-9]+)x([0-9]+)")
_ADDRESS_END = re.compile(r"[,| ]")

EVENT_TYPES: Mapping[str, str] = {
    "se": "struct",
    "ev": "struct",
    "ue": "unstruct",
    "pv": "page_view",
    "pp": "page_ping",
    "tr": "transaction",
    "ti": "transaction_item",
    "ad": "ad_impression",
}
PLATFORMS = frozenset({"web", "iot", "app", "mob", "pc", "cnsl", "tv", "srv", "headset"})


class ConversionError(ValueError):
    """A text is not what its column holds; the message says what was expected, never the text."""


def text(value: str) -> str | None:
    """Tabs become four spaces, other control characters go, nothing left is null."""
    if value.isprintable():
        return value or None
    return _REMOVED.sub("", value.replace("\t", "    ")) or None


def event_type(value: str) -> str:
    """The long name of an event type."""
    try:
        return EVENT_TYPES[value]
    except KeyError:
        raise ConversionError("not a valid event type") from None


def platform(value: str) -> str:
    """One of the platforms of the protocol."""
    if value not in PLATFORMS:
        raise ConversionError("not a valid platform")
    return value


def is_uuid(value: str) -> bool:
    """Whether a text is a UUID, in its canonical form but for the case."""
    return _UUID.fullmatch(value) is not None


def uuid(value: str) -> str:
    """A UUID in its canonical form, lower case."""
    if not is_uuid(value):
        raise ConversionError("not a valid UUID")
    return value.lower()


def integer(value: str) -> str | None:
    """A whole number of 32 bits; `null` is null."""
    if value.lower() == "null":
        return None
    return str(_bounded(value, _INT32, "not a 32-bit integer"))


def decimal(value: str) -> str | None:
    """A decimal number, written like Java's BigDecimal without negative scale; `null` is null."""
    if value.lower() == "null":
        return None
    if _DECIMAL.fullmatch(value) is None:
        raise ConversionError("not a decimal number")
    number = Decimal(value)
    if number and not -_MAX_EXPONENT <= number.adjusted() <= _MAX_EXPONENT:
        raise ConversionError(f"exponent is not between -{_MAX_EXPONENT} and {_MAX_EXPONENT}")
    if number.is_zero():
        number = number.copy_abs()
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent > 0:
        return "0" if number.is_zero() else f"{number:f}"
    return str(number)


def boolean(value: str) -> str:
    """`0` or `1`."""
    if value not in ("0", "1"):
        raise ConversionError("not 0 or 1")
    return value


def dimensions(value: str) -> tuple[str, str]:
    """Width and height, from a text such as `1200x800`."""
    # Screens repeat; only short texts may stay in memory.
    return _short_dimensions(value) if len(value) <= 12 else _dimensions(value)  # noqa: PLR2004 - 100000x99999


def _dimensions(value: str) -> tuple[str, str]:
    match = _DIMENSIONS.fullmatch(value)
    if match is None:
        raise ConversionError(f"does not match regular expression {_DIMENSIONS.pattern}")
    width, height = match.groups()
    expectation = "width or height is not a 32-bit integer"
    return (
        str(_bounded(width, _INT32, expectation)),
        str(_bounded(height, _INT32, expectation)),
    )


_short_dimensions = lru_cache(maxsize=1024)(_dimensions)


def epoch_ms(value: str) -> int:
    """Milliseconds since 1970 whose year has at most four digits."""
    if len(value) == 13 and value.isascii() and value.isdigit():  # noqa: PLR2004 - until 2286
        return int(value)
    number = _bounded(value, _INT64, "not milliseconds since epoch")
    if not timestamps.is_writable(number):
        raise ConversionError("not a timestamp between the years 1 and 9999")
    return number


def ip_address(value: str) -> str | None:
    """An IPv4 or IPv6 address in its canonical form; anything else is null.

    Strict, so that what masks addresses later cannot be handed half of one (weakness W9), and no
    name is ever looked up (W8). Of a list, only the first element counts.
    """
    family = socket.AF_INET6 if ":" in value else socket.AF_INET
    if family == socket.AF_INET and "." not in value:  # the `unknown` of anonymous requests
        return None
    try:  # nearly always
        return socket.inet_ntop(family, socket.inet_pton(family, value))
    except (OSError, ValueError):
        return _unusual_address(value)


def _unusual_address(value: str) -> str | None:
    first = _ADDRESS_END.split(value, maxsplit=1)[0]
    if first.startswith("[") and first.endswith("]"):
        first = first[1:-1]
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_ntop(family, socket.inet_pton(family, first))
        except (OSError, ValueError):
            continue
    return None


def _bounded(value: str, limit: int, expectation: str) -> int:
    if len(value) < 16 and value.isascii() and value.isdigit():  # noqa: PLR2004 - nearly always
        number = int(value)
        if number < limit:
            return number
    # The pattern bounds the digits: the time int() takes grows with the square of their number.
    match = _INTEGER.fullmatch(value)
    if match is None:
        raise ConversionError(expectation)
    number = int(match[1] + match[2])
    if not -limit <= number < limit:
        raise ConversionError(expectation)
    return number
