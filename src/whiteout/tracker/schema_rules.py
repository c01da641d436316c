"""Which schemas a rule means: `iglu:com.acme.*/*/jsonschema/*-*-*`.

Source: reference 8.6. Two differences from the native trackers, both leak L36: a rule that is wrong
is an error instead of being dropped (an allow list of typing errors would allow everything), and
all three version numbers count (Android leaves the last one out). An allow list that is given and
empty allows nothing.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

_ANY: Final = "*"
_PREFIX: Final = "iglu:"
_SHAPE: Final = "iglu:com.acme/event/jsonschema/1-0-0, with * for what may differ"
_SHOWN: Final = 200  # characters of a wrong rule in its error
_REMEMBERED: Final = 1024  # schemas with their answer: more than any app has types of events
_MIN_VENDOR_PARTS: Final = 2
_PARTS: Final = 4
_NUMBERS: Final = 3

_WORD: Final = "[a-zA-Z0-9_-]+"
_NUMBER: Final = "0|[1-9][0-9]*"


@functools.cache
def _pattern(expression: str) -> re.Pattern[str]:
    """Compiled at first use: an import of the SDK needs none of these."""
    return re.compile(expression)


def _is(expression: str, text: str) -> bool:
    # Not `match` with `$`, which would let a newline at the end pass.
    return _pattern(expression).fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class SchemaRule:
    """One rule: `iglu:<vendor>/<name>/<format>/<model>-<revision>-<addition>`.

    The vendor has at least two parts, of which the first two are words; behind a `*` there are only
    more of them, and each stands for exactly one part: `com.acme.*` is not `com.acme.a.b`. Name and
    format are a word or `*`, each of the three numbers a number or `*`.

    Args:
        rule: the text; all of it counts, a newline at the end too.

    Raises:
        ConfigurationError: it has another shape. The message names the rule and its wrong part.
    """

    rule: str
    _vendor: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _others: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.rule, str):
            raise ConfigurationError(
                f"a rule must be a text such as {_SHAPE}, got a {type(self.rule).__name__}"
            )
        parts = self.rule.removeprefix(_PREFIX).split("/")
        if not self.rule.startswith(_PREFIX) or len(parts) != _PARTS:
            raise self._wrong("it", f"must look like {_SHAPE}")
        vendor, name, format_, version = parts
        numbers = version.split("-")
        self._check_vendor(vendor.split("."))
        self._check_words(name=name, format=format_)
        self._check_numbers(version, numbers)
        object.__setattr__(self, "_vendor", tuple(vendor.split(".")))
        object.__setattr__(self, "_others", (name, format_, *numbers))

    def matches(self, schema: str) -> bool:
        """Tell whether the rule means `schema`; never where that is no schema of an event."""
        event = _event_parts(schema)
        return event is not None and self.matches_parts(*event)

    def matches_parts(self, vendor: tuple[str, ...], others: tuple[str, ...]) -> bool:
        """As `matches`, for a schema that has been taken apart."""
        return len(vendor) == len(self._vendor) and all(
            wanted in (_ANY, found)
            for wanted, found in zip(
                (*self._vendor, *self._others), (*vendor, *others), strict=True
            )
        )

    def _check_vendor(self, parts: list[str]) -> None:
        cure = "must be two or more words with dots between, such as com.acme or com.acme.*"
        if len(parts) < _MIN_VENDOR_PARTS or not all(
            part == _ANY or _is(_WORD, part) for part in parts
        ):
            raise self._wrong("the vendor", cure)
        if _ANY in parts[:_MIN_VENDOR_PARTS]:
            raise self._wrong("the vendor", "must begin with two words, such as com.acme.*")
        if _ANY in parts and set(parts[parts.index(_ANY) :]) != {_ANY}:
            raise self._wrong("the vendor", "must have nothing but * behind a *")

    def _check_words(self, **words: str) -> None:
        for what, word in words.items():
            if word != _ANY and not _is("[a-zA-Z0-9_.-]+", word):
                raise self._wrong(
                    f"the {what}", "must be letters, digits, dashes, underscores and dots, or *"
                )

    def _check_numbers(self, version: str, numbers: list[str]) -> None:
        model = numbers[0]
        if len(numbers) != _NUMBERS or not all(
            number == _ANY or _is(_NUMBER, number) for number in numbers
        ):
            raise self._wrong("the version", "must be three numbers or *, such as 1-0-0 or 1-*-*")
        if model == "0":
            raise self._wrong("the version", f"must begin with 1 or more, not {version[:_SHOWN]!r}")

    def _wrong(self, part: str, cure: str) -> ConfigurationError:
        return ConfigurationError(f"rule {self.rule[:_SHOWN]!r}: {part} {cure}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaRuleset:
    """Rules that allow schemas, and rules that deny them; what denies is stronger.

    Args:
        allow: what is let through. Not given: all that `deny` leaves; an empty list: nothing.
        deny: what is not.

    Raises:
        ConfigurationError: a rule is wrong (see `SchemaRule`), or an argument no list or tuple.
    """

    allow: Sequence[str] | None = None
    deny: Sequence[str] = ()
    _allowing: tuple[SchemaRule, ...] | None = field(init=False, repr=False, compare=False)
    _denying: tuple[SchemaRule, ...] = field(init=False, repr=False, compare=False)
    _answers: dict[str, bool] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        allowing = None if self.allow is None else _rules("allow", self.allow)
        denying = _rules("deny", self.deny)
        object.__setattr__(self, "_allowing", allowing)
        object.__setattr__(self, "_denying", denying)
        # Copies: what the app does to its lists afterwards changes nothing.
        object.__setattr__(self, "allow", None if allowing is None else tuple(self.allow or ()))
        object.__setattr__(self, "deny", tuple(self.deny))

    def matches(self, schema: str | None) -> bool:
        """Tell whether an event of that schema is let through; None: it has no schema, so no.

        Any thread may call. Costs 0.1 us for a schema that was asked for before.
        """
        if schema is None:
            return False
        answer = self._answers.get(schema)
        if answer is None:
            answer = self._decide(schema)
            if len(self._answers) >= _REMEMBERED:
                self._answers.clear()
            self._answers[schema] = answer
        return answer

    def _decide(self, schema: str) -> bool:
        event = _event_parts(schema)
        if event is None:
            return self._allowing is None
        if any(rule.matches_parts(*event) for rule in self._denying):
            return False
        return self._allowing is None or any(rule.matches_parts(*event) for rule in self._allowing)


def _rules(name: str, rules: object) -> tuple[SchemaRule, ...]:
    if not isinstance(rules, list | tuple):
        raise ConfigurationError(
            f"{name} must be a list or tuple of rules, got a {type(rules).__name__}"
        )
    return tuple(SchemaRule(rule) for rule in rules)


def _event_parts(schema: str) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The vendor's parts; name, format and the three numbers. None: no schema of an event.

    An event's schema has the shape of a rule, without `*`, and without dots in name and format.
    """
    found = _pattern(
        rf"iglu:({_WORD}(?:\.{_WORD})+)/({_WORD})/({_WORD})"
        rf"/([1-9][0-9]*)-({_NUMBER})-({_NUMBER})"
    ).fullmatch(schema)
    if found is None:
        return None
    vendor, *others = found.groups()
    return tuple(vendor.split(".")), tuple(others)
