"""How values are made coarse: named functions, each from a value to a value that tells less.

Total over any JSON value: what has another shape than it should becomes `GONE`, or the constant of
the function where a schema insists on the property. Each maps its own results to themselves.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from whiteout.identifiers import NULL_UUID

if TYPE_CHECKING:
    from collections.abc import Callable

GONE: Final = object()
"""What a function answers for a value that does not pass at all."""

WITHHELD: Final = "withheld"
"""What stands for a text that a schema insists on."""

MINUTE_MS: Final = 60_000

_UNKNOWN: Final = "unknown"
_SYSTEMS: Final = frozenset("android ios osx windows linux visionos tvos watchos".split())
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_MAX_MAJOR_DIGITS: Final = 3  # longer ones are dates of rolling releases
_DOUBLE_BITS: Final = 1023
# An address of mail, plain or escaped; a UUID's or a hash's run; a number longer than a year.
_PERSONAL: Final = re.compile("@|%40|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}|[0-9a-fA-F]{16}|[0-9]{5}")
_NUMBER: Final = re.compile("[0-9]+")
_SIZE: Final = re.compile("([0-9]{1,9})x([0-9]{1,9})")
_TAG: Final = re.compile("([A-Za-z]{2,3})(?:[-_].*)?", re.DOTALL)
_EPOCH_MS: Final = re.compile("[0-9]{1,15}")
_UTC_TIME: Final = re.compile(
    "([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}):[0-9]{2}(?:[.][0-9]{1,9})?Z"
)
_VERSION: Final = re.compile("[A-Za-z0-9 ._+-]{1,64}")
_CODE_NAME: Final = re.compile("[A-Za-z_][A-Za-z0-9_.]{0,254}")
# The longer side of a screen, up to which it counts as the size that stands beside it.
_SIZES: Final = ((1000, "360x640"), (1400, "768x1024"), (2000, "1080x1920"))
_LARGEST: Final = "1440x2560"


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done with a value.

    Attributes:
        name: in reports and in the documentation.
        function: from the value to what passes; None: it does not pass.
    """

    name: str
    function: Callable[[Any], Any] | None


def scalar(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The value as it is; `GONE` for lists and objects, in which anything could hide."""
    return value if value.__class__ in _SCALARS else GONE


def vocabulary(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """A word of the app's own; `withheld` where it looks like somebody's address or number.

    A net for mistakes such as a screen named after a customer, not a promise: it cannot know names.
    """
    return WITHHELD if value.__class__ is not str or looks_personal(value) else value


def looks_personal(text: str) -> bool:
    """Tell whether a text holds what looks like an address, a UUID, a hash or a long number."""
    return _PERSONAL.search(text) is not None


def is_version(text: str) -> bool:
    """Tell whether a text can be the name and version of a tracker."""
    return _VERSION.fullmatch(text) is not None


def version(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The name and version of a tracker; `withheld` for what can be none."""
    return value if value.__class__ is str and is_version(value) else WITHHELD


def to_minute(epoch_ms: Any) -> Any:  # noqa: ANN401 - any JSON
    """Epoch milliseconds, as text, cut to the minute."""
    if epoch_ms.__class__ is not str or not _EPOCH_MS.fullmatch(epoch_ms):
        return GONE
    return str(int(epoch_ms) // MINUTE_MS * MINUTE_MS)


def time_to_minute(rfc3339: Any) -> Any:  # noqa: ANN401 - any JSON
    """A date-time, in UTC and cut to the minute: its offset would tell the time zone."""
    if rfc3339.__class__ is not str:
        return GONE
    if match := _UTC_TIME.fullmatch(rfc3339):
        return f"{match[1]}:00Z"
    import datetime as dt  # noqa: PLC0415 - only for times that are not ours

    try:
        moment = dt.datetime.fromisoformat(rfc3339)
        if moment.utcoffset() is None:
            return GONE
        return f"{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M}:00Z".rjust(20, "0")
    except (ValueError, OverflowError):
        return GONE


def language(tag: Any) -> Any:  # noqa: ANN401 - any JSON
    """The language without script, region or variant: `en` of `en-GB`."""
    match = _TAG.fullmatch(tag) if tag.__class__ is str else None
    return match[1].lower() if match else GONE


def size_class(size: Any) -> Any:  # noqa: ANN401 - any JSON
    """One of four sizes, as `WxH`, by the longer side; how it is turned is not told."""
    match = _SIZE.fullmatch(size) if size.__class__ is str else None
    if match is None:
        return GONE
    longer = max(int(match[1]), int(match[2]))
    return next((name for limit, name in _SIZES if longer <= limit), _LARGEST)


def os_family(name: Any) -> Any:  # noqa: ANN401 - any JSON
    """A system that many people have, or `unknown`."""
    return name if name.__class__ is str and name in _SYSTEMS else _UNKNOWN


def major_version(version: Any) -> Any:  # noqa: ANN401 - any JSON
    """The first number in a version: `22` of `ubuntu 22.04`; the name of a distribution goes."""
    match = _NUMBER.search(version) if version.__class__ is str else None
    if match is None or len(match[0]) > _MAX_MAJOR_DIGITS:
        return _UNKNOWN
    return match[0]


def code_name(name: Any) -> Any:  # noqa: ANN401 - any JSON
    """The name of a class or exception; anything else does not pass."""
    if name.__class__ is str and _CODE_NAME.fullmatch(name) and not looks_personal(name):
        return name
    return GONE


def tens(number: Any) -> Any:  # noqa: ANN401 - any JSON
    """A number cut to tens, towards zero; 0 for what is none."""
    return _cut(number, 10)


def hundreds(number: Any) -> Any:  # noqa: ANN401 - any JSON
    """A number cut to hundreds, towards zero; 0 for what is none."""
    return _cut(number, 100)


def two_digits(number: Any) -> Any:  # noqa: ANN401 - any JSON
    """A number with its first two digits, the others 0; 0 for what is none."""
    if number.__class__ is int:
        if number.bit_length() > _DOUBLE_BITS:
            return 0
        return _cut(number, 10 ** max(0, len(str(abs(number))) - 2))
    if number.__class__ is not float or not math.isfinite(number):
        return 0
    rounded = float(f"{number:.1e}")
    return rounded if math.isfinite(rounded) else 0


def constant(value: Any) -> Treatment:  # noqa: ANN401 - any JSON
    """Always `value`, in place of a value that the schema insists on."""
    return Treatment(f"always `{value}`", lambda _: value)


def _cut(number: Any, step: int) -> int:  # noqa: ANN401 - any JSON
    if number.__class__ is float and math.isfinite(number):
        number = int(number)  # exact, where arithmetic of large floats is not
    elif number.__class__ is not int:
        return 0
    cut: int = abs(number) // step * step
    return -cut if number < 0 else cut


KEEP: Final = Treatment("keep", scalar)
DROP: Final = Treatment("drop", None)
VOCABULARY: Final = Treatment("keep, unless it looks personal", vocabulary)
VERSION: Final = Treatment("keep, if it can be a version", version)
TO_MINUTE: Final = Treatment("cut to the minute", to_minute)
TIME_TO_MINUTE: Final = Treatment("cut to the minute, in UTC", time_to_minute)
LANGUAGE: Final = Treatment("language without region", language)
SIZE_CLASS: Final = Treatment("one of four sizes", size_class)
OS_FAMILY: Final = Treatment("system family", os_family)
MAJOR_VERSION: Final = Treatment("major version", major_version)
CODE_NAME: Final = Treatment("keep, if it is a name in code", code_name)
TENS: Final = Treatment("cut to tens", tens)
HUNDREDS: Final = Treatment("cut to hundreds", hundreds)
TWO_DIGITS: Final = Treatment("first two digits", two_digits)
NO_TEXT: Final = constant(WITHHELD)
NO_ID: Final = constant(NULL_UUID)
NO_CONTENT: Final = Treatment(
    f"always `{WITHHELD}`, title and body", lambda _: {"title": WITHHELD, "body": WITHHELD}
)
