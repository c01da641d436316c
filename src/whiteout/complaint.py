"""What is wrong with a setting, in words: its name, its value and what it must be."""

from __future__ import annotations

import difflib
import re
from typing import Any

import msgspec
from msgspec import inspect

_ERROR = re.compile(r"(?P<text>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_FIELD = re.compile(r"Object (?P<problem>missing required|contains unknown) field `(?P<name>.*)`")
_MISFIT = re.compile(r"Expected `|Invalid enum value |Invalid value ")
_STEP = re.compile(r"\[(?P<index>\d+)\]|(?P<any>\[\.\.\.\])|\.?(?P<name>[^.\[]+)")
_WORDS: dict[type[inspect.Type], tuple[str, str]] = {
    inspect.BoolType: ("true or false", "truth values"),
    inspect.IntType: ("a whole number", "whole numbers"),
    inspect.FloatType: ("a number", "numbers"),
    inspect.StrType: ("a text", "texts"),
}


def complaint(error: msgspec.ValidationError, document: object, kind: object) -> str:
    """Say what a conversion has refused.

    Args:
        error: what `msgspec.convert` has raised.
        document: what it was given.
        kind: the type that was wanted.
    """
    match = _ERROR.fullmatch(str(error))
    text, path = (match["text"], match["path"] or "") if match else (str(error), "")
    wanted, value, name = _follow(path, document, inspect.type_info(kind))
    field = _FIELD.fullmatch(text)
    if field is not None:
        inner = f"{name}.{field['name']}" if name else field["name"]
        known = _fields(wanted)
        if field["problem"] == "missing required":
            return f"{inner} is missing; it must be {_words(known[field['name']])}"
        near = difflib.get_close_matches(field["name"], known, n=1)
        meant = f"did you mean {near[0]}? There" if near else "there"
        return f"{inner} is not known; {meant} may be {', '.join(known) or 'nothing'}"
    if _MISFIT.match(text):
        return f"{name or 'it'} must be {_words(wanted)}, got {value!r}"
    return text if not name or text.startswith(name) else f"{name}.{text}"


def _follow(
    path: str,
    document: Any,  # noqa: ANN401 - of any type
    wanted: inspect.Type,
) -> tuple[inspect.Type, Any, str]:
    """What is wanted at a path, what is there, and the path as far as it can be named."""
    name = ""
    for step in _STEP.finditer(path):
        found = _inner(wanted, step["name"])
        if found is None or step["any"]:  # which of its values is not said
            break
        wanted = found
        key: Any = step["name"] if step["index"] is None else int(step["index"])
        name += step.group()
        document = document[key]
    return wanted, document, name


def _inner(wanted: inspect.Type, name: str | None) -> inspect.Type | None:
    """The type of a field or, without a name, of an element."""
    for one in _alternatives(wanted):
        if name is not None and name in _fields(one):
            return _fields(one)[name]
        if name is None and isinstance(one, inspect.CollectionType):
            return one.item_type
    return None


def _fields(wanted: inspect.Type) -> dict[str, inspect.Type]:
    return {
        field.encode_name: field.type
        for one in _alternatives(wanted)
        if isinstance(one, inspect.StructType | inspect.DataclassType)
        for field in one.fields
    }


def _alternatives(wanted: inspect.Type) -> tuple[inspect.Type, ...]:
    return wanted.types if isinstance(wanted, inspect.UnionType) else (wanted,)


def _words(wanted: inspect.Type) -> str:
    found = [_word(one) for one in _alternatives(wanted) if not isinstance(one, inspect.NoneType)]
    return " or ".join(found)


def _word(one: inspect.Type) -> str:
    if isinstance(one, inspect.LiteralType):
        *others, last = map(repr, one.values)
        return f"{', '.join(others)} or {last}" if others else last
    if isinstance(one, inspect.CollectionType):
        return f"a list of {_plural(one.item_type)}"
    if isinstance(one, inspect.TupleType):
        return f"a list of {len(one.item_types)} {_plural(one.item_types[0])}"
    if isinstance(one, inspect.DictType):
        return f"a mapping of names to {_plural(one.value_type)}"
    return _WORDS.get(type(one), ("a mapping of names to values", ""))[0]


def _plural(one: inspect.Type) -> str:
    is_any = isinstance(one, inspect.AnyType)
    return _WORDS.get(type(one), ("", "values" if is_any else "mappings"))[1]
