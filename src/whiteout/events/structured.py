"""Structured events: category, action and what belongs to them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whiteout.events.event import Event, check_common, check_optional_text, check_text
from whiteout.events.properties import is_finite, wrong_value

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

_PLAIN = "-?[0-9]+([.][0-9]*[1-9])?"
_MAX_DIGITS = 307  # before and after the point: the range of a double


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Structured(Event):
    """Something that a schema would be too much for.

    Args:
        category: the group of actions, such as `basket`. Never empty.
        action: what happened, such as `add`. Never empty.
        label: what it happened to.
        property: more about it.
        value: a number that belongs to it: finite, within the range of a double.

    Raises:
        ConfigurationError: as `Event`.
    """

    category: str
    action: str
    label: str | None = None
    property: str | None = None
    value: float | Decimal | None = None

    def __post_init__(self) -> None:
        check_common(self.entities, self.true_timestamp)
        check_text("category", self.category)
        check_text("action", self.action)
        check_optional_text("label", self.label)
        check_optional_text("property", self.property)
        if self.value is not None and not _is_number(self.value):
            raise wrong_value("value", self.value, "a finite number or None")

    def parameters(self) -> dict[str, str]:
        """`e=se`, `se_ca`, `se_ac`, `se_la`, `se_pr`, `se_va`."""
        parameters = {"e": "se", "se_ca": self.category, "se_ac": self.action}
        if self.label:
            parameters["se_la"] = self.label
        if self.property:
            parameters["se_pr"] = self.property
        if self.value is not None:
            parameters["se_va"] = decimal_text(self.value)
        return parameters

    def self_describing(self, new_uuid: Callable[[], str]) -> None:
        """None: a structured event is its parameters."""


def decimal_text(value: float | Decimal) -> str:
    """The shortest decimal that reads back as exactly `value`, without an exponent.

    `0.1`, `5` (not `5.0`), `0.0000001`; the native trackers write `0.10000000000000001` or `5.0`.
    """
    text = str(value)
    if re.fullmatch(_PLAIN, text):
        return "0" if text == "-0" else text
    from decimal import Decimal  # noqa: PLC0415 - only for exponents and trailing zeros

    text = format(Decimal(text), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _is_number(value: object) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return is_finite(value)
    from decimal import Decimal  # noqa: PLC0415 - costs milliseconds at import

    return (
        isinstance(value, Decimal)
        and value.is_finite()
        and int(value.as_tuple().exponent) >= -_MAX_DIGITS
        and value.adjusted() <= _MAX_DIGITS
    )
