"""The collector's settings from a TOML file, the environment and the command line.

Later ones win: the table `[collector]` of the file, then variables `WHITEOUT_COLLECTOR_…`, then
assignments such as `limits.connections=100`. What nobody knows is an error that names it and what
there is.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
import typing
from typing import TYPE_CHECKING, Any

import msgspec

from whiteout.collector.settings import CollectorSettings
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TABLE = "collector"
PREFIX = "WHITEOUT_COLLECTOR_"

Tree = dict[str, Any]


def collector_settings(
    table: Mapping[str, Any], environment: Mapping[str, str], assignments: Sequence[str]
) -> CollectorSettings:
    """Make the settings.

    Args:
        table: `[collector]` of a TOML file, read.
        environment: variables; of these the ones that begin with `PREFIX` count.
        assignments: `option=value`, the options of a part after a dot. The value is a text where
            the option is one, else TOML; of a list of texts the elements may stand between commas.

    Raises:
        ConfigurationError: an option is not known, or its value is wrong.
    """
    options = dict(_options(CollectorSettings))
    tree: Tree = {}
    _take_table(tree, table, options, "")
    names = {PREFIX + option.replace(".", "_").upper(): option for option in options}
    for name, text in sorted(environment.items()):
        if name.startswith(PREFIX):
            if name not in names:
                raise _unknown(name, names)
            _set(tree, names[name], _read(text, options[names[name]], name))
    for assignment in assignments:
        option, mark, text = assignment.partition("=")
        option = option.strip()
        if not mark:
            raise ConfigurationError(f"--set must look like option=value, got {assignment!r}")
        if option not in options:
            raise _unknown(option, options)
        _set(tree, option, _read(text.strip(), options[option], option))
    try:
        return msgspec.convert(tree, CollectorSettings)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"[{TABLE}]: {error}") from error


def _options(part: type, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The names of all options, those of parts after a dot, and their types."""
    for name, hint in typing.get_type_hints(part).items():
        inner = _part(hint)
        if inner is None:
            yield prefix + name, hint
        else:
            yield from _options(inner, f"{prefix}{name}.")


def option_types() -> dict[str, type]:
    """The class that each option is an attribute of, by the option's name."""

    def found(part: type, prefix: str) -> Iterator[tuple[str, type]]:
        for name, hint in typing.get_type_hints(part).items():
            inner = _part(hint)
            if inner is None:
                yield prefix + name, part
            else:
                yield from found(inner, f"{prefix}{name}.")

    return dict(found(CollectorSettings, ""))


def _alternatives(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a type, of any kind
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if is_union else (hint,)


def _part(hint: Any) -> type | None:  # noqa: ANN401 - a type, of any kind
    found = [one for one in _alternatives(hint) if dataclasses.is_dataclass(one)]
    return typing.cast("type", found[0]) if found else None


def _take_table(
    tree: Tree, table: Mapping[str, Any], options: Mapping[str, Any], prefix: str
) -> None:
    for key, value in table.items():
        option = prefix + key
        if option in options:
            is_optional = type(None) in _alternatives(options[option])
            _set(tree, option, None if value == "" and is_optional else value)
        elif isinstance(value, dict) and any(one.startswith(f"{option}.") for one in options):
            _make(tree, option)  # an empty table asks for the part with its defaults
            _take_table(tree, value, options, f"{option}.")
        elif any(one.startswith(f"{option}.") for one in options):
            raise ConfigurationError(f"[{TABLE}]: {option} must be a table, got {value!r}")
        else:
            raise _unknown(option, options)


def _make(tree: Tree, path: str) -> Tree:
    for step in path.split("."):
        tree = tree.setdefault(step, {})
    return tree


def _set(tree: Tree, option: str, value: object) -> None:
    part, _, name = option.rpartition(".")
    (_make(tree, part) if part else tree)[name] = value


def _read(text: str, hint: Any, name: str) -> object:  # noqa: ANN401 - a type, of any kind
    """Read a value that is one line of text."""
    alternatives = _alternatives(hint)
    if not text and type(None) in alternatives:
        return None
    if any(one is str or typing.get_origin(one) is typing.Literal for one in alternatives):
        return text
    try:
        document = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        if any(typing.get_origin(one) is tuple for one in alternatives):
            return [part.strip() for part in text.split(",") if part.strip()]
        document = {}
    if document.keys() != {"value"}:
        raise ConfigurationError(f"{name} must be a TOML value such as 10 or true, got {text!r}")
    return document["value"]


def _unknown(name: str, known: Mapping[str, object]) -> ConfigurationError:
    """Names what is near: a whole name that was misspelt, or the end of one."""
    ends = [one for one in known if one.rpartition(".")[2] == name]
    near = list(dict.fromkeys([*ends, *difflib.get_close_matches(name, known, n=3)]))
    meant = f"; did you mean {' or '.join(near[:3])}?" if near else ";"
    return ConfigurationError(
        f"{name!r} is not an option of the collector{meant} whiteout settings lists them"
    )
