"""How a property of an event or entity looks on the wire: the source of its schema and its checks.

Each field of an event or entity type carries one `Property` in its metadata. The JSON Schemas
(`whiteout.events.schema`), the checks of the constructors and the limits that the platform entity
keeps are all read from there, so that they cannot disagree.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_METADATA_KEY = "property"
_Type = type  # where a field is called `type`

MAX_INT32 = 2**31 - 1
MAX_INT64 = 2**63 - 1

# Compiled when first needed, and kept by `re`: an import of the SDK needs neither.
_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
# Enrich's, who has it from the official validator.
_URI = r"(?:[a-zA-Z][a-zA-Z0-9+.-]*:|//)\S*"
_TIME = "[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})"


@functools.lru_cache(maxsize=64)
def is_uuid(text: str) -> bool:
    """Tell whether `text` is a UUID with dashes.

    Remembers the latest: the id of a screen view comes again as the next one's previous id, and to
    a caller that is cold, as after a sleep, the pattern costs 15 us, a look-up 3.
    """
    return _uuid_pattern().fullmatch(text) is not None


@functools.cache
def _uuid_pattern() -> re.Pattern[str]:
    """Compiled at its first use, not at import; `re`'s own cache costs 0.4 us a look."""
    return re.compile(_UUID)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Property:
    """One property, as its JSON Schema describes it.

    Attributes:
        name: on the wire.
        type: the JSON type: `string`, `integer`, `number`, `boolean`, `array` or `object`.
        description: in the schema.
        required: the schema insists on it. The Python field may still have a default.
        nullable: the schema allows `null` as well.
        format: `uuid`, `date-time` or `uri`.
        pattern: a regular expression, searched for as JSON Schema does.
        max_length: in characters.
        minimum: inclusive.
        maximum: inclusive.
        choices: the only texts allowed; empty for any.
        min_length: in characters.
        items: of an array: what each item is, a property or an entity type; of an object: its type.
        min_items: of an array.
        schema: of an object without such a type: its JSON Schema.
        takes_empty: of a required text: it may be empty.
    """

    name: str
    type: str
    description: str
    required: bool = False
    nullable: bool = False
    format: str | None = None
    pattern: str | None = None
    max_length: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()
    min_length: int | None = None
    items: Property | _Type | None = None
    min_items: int | None = None
    schema: Mapping[str, Any] | None = None
    takes_empty: bool = False

    def json_schema(self) -> dict[str, Any]:
        """The property's JSON Schema, draft 4."""
        if self.type == "object":
            of = self.schema if self.schema is not None else _items_schema(self.items or object)
            return {**of, "description": self.description}
        schema: dict[str, Any] = {"type": [self.type, "null"] if self.nullable else self.type}
        if self.choices:
            schema["enum"] = [*self.choices, None] if self.nullable else [*self.choices]
        limits = {
            "format": self.format,
            "pattern": self.pattern,
            "maxLength": self.max_length,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "minLength": self.min_length,
            "items": None if self.items is None else _items_schema(self.items),
            "minItems": self.min_items,
        }
        schema.update({keyword: limit for keyword, limit in limits.items() if limit is not None})
        schema["description"] = self.description
        return schema

    def allows(self, value: object) -> bool:
        """Tell whether `value`, which is not None, satisfies the schema."""
        if self.type == "string":
            return isinstance(value, str) and self._allows_text(value)
        if self.type == "boolean":
            return isinstance(value, bool)
        if self.type == "array":
            return isinstance(value, list | tuple) and self._allows_items(value)
        if self.type == "object":
            return isinstance(value, self.items if isinstance(self.items, type) else dict)
        numbers = (int,) if self.type == "integer" else (int, float)
        return (
            isinstance(value, numbers)
            and not isinstance(value, bool)
            and self._allows_number(value)
        )

    def range_text(self) -> str:
        """What is allowed, in words: the last part of an error message."""
        match self.type:
            case "string":
                return self._text_range()
            case "boolean":
                return "True or False"
            case "object":
                return f"a {getattr(self.items, '__name__', 'dict')}"
            case "array" if isinstance(self.items, Property):
                return f"a list or tuple, each {self.items.range_text()}"
            case "array":
                return f"a list or tuple of {getattr(self.items, '__name__', 'values')}"
            case _:
                return self._number_range()

    def _number_range(self) -> str:
        kind = "an integer" if self.type == "integer" else "a finite number"
        if self.minimum is not None and self.maximum is not None:
            return f"{kind} from {self.minimum} to {self.maximum}"
        return kind

    def _text_range(self) -> str:
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        names = {"uuid": "a UUID", "date-time": "a date-time", "uri": "a URI"}
        parts = [names.get(self.format or "", "text")]
        if self.pattern is not None:
            parts.append(f"matching {self.pattern}")
        if self.max_length is not None:
            parts.append(f"of at most {self.max_length} characters")
        return " ".join(parts)

    def _allows_text(self, value: str) -> bool:
        if self.choices and value not in self.choices:
            return False
        if self.max_length is not None and len(value) > self.max_length:
            return False
        if self.pattern is not None and re.search(self.pattern, value) is None:
            return False
        if self.format == "uuid" and not is_uuid(value):
            return False
        if self.format == "uri":
            return re.fullmatch(_URI, value) is not None
        return self.format != "date-time" or _is_date_time(value)

    def _allows_items(self, value: list[Any] | tuple[Any, ...]) -> bool:
        if isinstance(self.items, Property):
            item = self.items
            return all((one is None and item.nullable) or item.allows(one) for one in value)
        return self.items is None or all(isinstance(one, self.items) for one in value)

    def _allows_number(self, value: float) -> bool:
        return (
            is_finite(value)
            and (self.minimum is None or value >= self.minimum)
            and (self.maximum is None or value <= self.maximum)
        )


def wire(**definition: Any) -> dict[str, Property]:  # noqa: ANN401 - the arguments of Property
    """Field metadata that says how the field looks on the wire; see `Property`."""
    return {_METADATA_KEY: Property(**definition)}


def properties_of(described: type) -> Mapping[str, Property]:
    """The properties of an event or entity type, by attribute, in the order of its fields."""
    return _properties_of(described)


@functools.cache
def _properties_of(described: type) -> Mapping[str, Property]:
    return MappingProxyType(
        {
            field.name: field.metadata[_METADATA_KEY]
            for field in dataclasses.fields(described)
            if _METADATA_KEY in field.metadata
        }
    )


def check_properties(described: Any) -> None:  # noqa: ANN401 - an event or entity
    """Refuse wrong values, and required texts that are empty; None passes where it may be absent.

    Raises:
        ConfigurationError: naming the field, the value and what is allowed. Texts are not
            repeated: they may be personal, and messages end up in logs.
    """
    for attribute, definition in properties_of(type(described)).items():
        value = getattr(described, attribute)
        if definition.required:
            fits = (value != "" or definition.takes_empty) and definition.allows(value)
        else:
            fits = is_absent(value) or definition.allows(value)
        if not fits:
            raise wrong_value(attribute, value, definition.range_text())


def wire_data(described: Any) -> dict[str, Any]:  # noqa: ANN401 - an event or entity
    """The values that are present, by their name on the wire; a fresh dictionary."""
    return {
        definition.name: value if definition.items is None else _item_data(value)
        for attribute, definition in properties_of(type(described)).items()
        if not is_absent(value := getattr(described, attribute))
        or (definition.takes_empty and value == "")
    }


def _item_data(values: Any) -> Any:  # noqa: ANN401 - as the property has it
    if dataclasses.is_dataclass(values):
        return wire_data(values)
    return [wire_data(value) if dataclasses.is_dataclass(value) else value for value in values]


def _items_schema(items: Property | type) -> dict[str, Any]:
    if isinstance(items, Property):
        return items.json_schema()
    definitions = properties_of(items).values()
    return {
        "type": "object",
        "properties": {definition.name: definition.json_schema() for definition in definitions},
        "required": [definition.name for definition in definitions if definition.required],
        "additionalProperties": False,
        "description": items.DESCRIPTION,  # type: ignore[attr-defined] # an entity type
    }


def is_absent(value: object) -> bool:
    """Tell whether an optional value is left out: None, and empty text and lists."""
    return value is None or (isinstance(value, str | list | tuple) and not value)


def wrong_value(field: str, value: object, allowed: str) -> ConfigurationError:
    """The error for a wrong argument; shows numbers, but of a text only its length."""
    if isinstance(value, str):
        shown = f"a text of {len(value)} characters" if value else "an empty text"
    elif value is None or isinstance(value, int | float):
        # Python refuses to write integers of more than 4300 digits.
        shown = "an integer out of range" if is_huge(value) else repr(value)
    else:
        shown = f"a value of type {type(value).__name__}"
    return ConfigurationError(f"{field} must be {allowed}, got {shown}")


def is_finite(value: float) -> bool:
    """Tell whether `value` is a number that a double can hold: not NaN, infinite or too large."""
    return not is_huge(value) and math.isfinite(value)


def is_huge(value: object) -> bool:
    """Tell whether `value` is an integer beyond the range of a double."""
    return isinstance(value, int) and value.bit_length() > 1023  # noqa: PLR2004 - of a double


def _is_date_time(text: str) -> bool:
    if re.fullmatch(f"{_DATE}[Tt]{_TIME}", text) is None:
        return False
    from datetime import datetime  # noqa: PLC0415 - rarely needed, and costs milliseconds

    try:
        datetime.fromisoformat(text.upper())
    except ValueError:
        return False
    return True
