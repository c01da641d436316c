"""Settings of a stage from a TOML file, the environment and the command line.

Later ones win: the stage's table of the file, then variables such as `WHITEOUT_COLLECTOR_…`, then
assignments such as `limits.connections=100`. What nobody knows is an error that names it and what
there is.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Tree = dict[str, Any]
_Settings = TypeVar("_Settings")


@dataclass(frozen=True, slots=True)
class Stage(Generic[_Settings]):
    """A stage whose settings can be given.

    Attributes:
        kind: the class of its settings, a dataclass.
        table: of the file, that holds them; a word, such as `collector`.
        name: what messages call it.
        hidden: attributes of `kind` that are given otherwise.
        prefix: of its options on the command line.
    """

    kind: type[_Settings]
    table: str
    name: str
    hidden: frozenset[str] = frozenset()
    prefix: str = ""

    @property
    def variables(self) -> str:
        """What the names of its variables begin with."""
        return f"WHITEOUT_{self.table.upper()}_"

    def variable(self, option: str) -> str:
        """The variable of the environment that sets an option, as `read` names it."""
        return self.variables + option.replace(".", "_").upper()

    def options(self) -> dict[str, type]:
        """The class that each option is an attribute of, by the option's name."""
        found = _classes(self.kind, "")
        return {name: part for name, part in found if name not in self.hidden}

    def read(
        self,
        table: Mapping[str, Any],
        environment: Mapping[str, str],
        assignments: Sequence[str],
    ) -> _Settings:
        """Make the settings.

        Args:
            table: the stage's of a TOML file, read.
            environment: variables; of these the stage's count.
            assignments: `option=value`, the options of a part after a dot. The value is a text
                where the option is one, else TOML; of a list of texts the elements may stand
                between commas.

        Raises:
            ConfigurationError: an option is not known, or its value is wrong.
        """
        options = {name: hint for name, hint in _options(self.kind) if name not in self.hidden}
        tree: Tree = {}
        self._take_table(tree, table, options, "")
        names = {self.variable(option): option for option in options}
        for name, text in sorted(environment.items()):
            if name.startswith(self.variables):
                if name not in names:
                    raise self._unknown(name, names)
                _set(tree, names[name], _read(text, options[names[name]], name))
        for assignment in assignments:
            option, mark, text = assignment.partition("=")
            option = option.strip()
            if not mark:
                raise ConfigurationError(
                    f"--set must look like {self.prefix}option=value,"
                    f" got {self.prefix + assignment!r}"
                )
            if option not in options:
                known = {self.prefix + one: None for one in options}
                raise self._unknown(self.prefix + option, known)
            _set(tree, option, _read(text.strip(), options[option], option))
        try:
            return msgspec.convert(tree, self.kind)
        except msgspec.ValidationError as error:
            from whiteout.complaint import complaint  # noqa: PLC0415 - where something is wrong

            raise ConfigurationError(
                f"[{self.table}]: {complaint(error, tree, self.kind)}"
            ) from error

    def _take_table(
        self, tree: Tree, table: Mapping[str, Any], options: Mapping[str, Any], prefix: str
    ) -> None:
        for key, value in table.items():
            option = prefix + key
            if option in options:
                is_optional = type(None) in _alternatives(options[option])
                _set(tree, option, None if value == "" and is_optional else value)
            elif isinstance(value, dict) and any(one.startswith(f"{option}.") for one in options):
                _make(tree, option)  # an empty table asks for the part with its defaults
                self._take_table(tree, value, options, f"{option}.")
            elif any(one.startswith(f"{option}.") for one in options):
                raise ConfigurationError(f"[{self.table}]: {option} must be a table, got {value!r}")
            else:
                raise self._unknown(option, options)

    def _unknown(self, name: str, known: Mapping[str, object]) -> ConfigurationError:
        """Names what is near: a whole name that was misspelt, or the end of one."""
        ends = [one for one in known if one.rpartition(".")[2] == name]
        near = list(dict.fromkeys([*ends, *difflib.get_close_matches(name, known, n=3)]))
        meant = f"; did you mean {' or '.join(near[:3])}?" if near else ";"
        return ConfigurationError(
            f"{name!r} is not an option of {self.name}{meant} whiteout settings lists them"
        )


def _options(part: type, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The names of all options, those of parts after a dot, and their types."""
    for name, hint in typing.get_type_hints(part).items():
        inner = _part(hint)
        if inner is None:
            yield prefix + name, hint
        else:
            yield from _options(inner, f"{prefix}{name}.")


def _classes(part: type, prefix: str) -> Iterator[tuple[str, type]]:
    for name, hint in typing.get_type_hints(part).items():
        inner = _part(hint)
        if inner is None:
            yield prefix + name, part
        else:
            yield from _classes(inner, f"{prefix}{name}.")


def _alternatives(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a type, of any kind
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if is_union else (hint,)


def _part(hint: Any) -> type | None:  # noqa: ANN401 - a type, of any kind
    found = [one for one in _alternatives(hint) if dataclasses.is_dataclass(one)]
    return typing.cast("type", found[0]) if found else None


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
