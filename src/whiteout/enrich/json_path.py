"""JSONPath, as far as configurations need it, in the dialect that Snowplow's users write.

`$`, `.name`, `['name','other']`, `.*`, `[*]`, `[0]`, `[0,-1]`, `[1:3]`, `..name`, `..[0]`, and
filters such as `[?(@.kind == 'mail' && @.size > 3)]`; a dot before a bracket is allowed, as in
`$.['name']`. Functions, scripts and regular expressions are refused.

Nothing is ever made or removed: `find` returns places that exist.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Place = tuple[Any, Any]
"""A list or an object, and the index or the name of what is meant in it."""

_MISSING = object()
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<number>-?\d+(?:\.\d+)?)
    |(?P<operator>&&|\|\||==|!=|<=|>=|[<>!()])
    |(?P<path>@(?:\.[A-Za-z_]\w*|\[(?:'[^']*'|"[^"]*"|-?\d+)\])*)
    |(?P<word>true|false|null)
    )\s*""",
    re.VERBOSE,
)
_NAME = re.compile(r"[^.\[\]\s'\"()*?@$,:]+")
_STRING = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""")
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MAX_LENGTH = 1_000


@dataclass(frozen=True, slots=True)
class _Step:
    places: Callable[[Any], Iterator[Place]]
    descends: bool = False


class JsonPath:
    """A path that is read once and followed often.

    Args:
        text: begins with `$`.

    Raises:
        ConfigurationError: it is not a path, or uses what is not supported.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > _MAX_LENGTH or not text.startswith("$"):
            raise ConfigurationError(
                f"jsonPath must begin with $ and have at most {_MAX_LENGTH} characters, got"
                f" {text[:60]!r}"
            )
        self._steps = _Reader(text).steps()
        names = re.fullmatch(r"\$\.([A-Za-z_]\w*)", text)
        self._only_name = names[1] if names else None  # nearly always: half the time
        if not self._steps:
            raise ConfigurationError(f"jsonPath must lead to a property, got {text!r}")

    def find(self, document: object) -> list[Place]:
        """The places in `document`, in its order, each once.

        All of them, however many: what stayed behind a limit would stay in clear. Since each is
        there once and documents are at most 50 deep, a step looks at a value 50 times at most.
        """
        if self._only_name is not None:
            is_there = isinstance(document, dict) and self._only_name in document
            return [(document, self._only_name)] if is_there else []
        values = [document]
        places: list[Place] = []
        for step in self._steps:
            places = []
            seen: set[tuple[int, Any]] = set()
            for value in values:
                for start in _below(value) if step.descends else (value,):
                    for container, key in step.places(start):
                        mark = (id(container), key)
                        if mark not in seen:
                            seen.add(mark)
                            places.append((container, key))
            values = [container[key] for container, key in places]
        return places


def _below(value: object) -> Iterator[object]:
    """A value and everything in it, level by level."""
    level = [value]
    while level:
        yield from level
        level = [inner for item in level for inner in _children(item)]


def _children(value: object) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


class _Reader:
    """Reads one path from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 1

    def steps(self) -> list[_Step]:
        steps = []
        while self._at < len(self._text):
            descends = self._take("..")
            if not descends and not self._take(".") and self._text[self._at] != "[":
                self._refuse()
            steps.append(_Step(self._selector(), descends))
        return steps

    def _selector(self) -> Callable[[Any], Iterator[Place]]:
        if self._take("["):
            return self._brackets()
        if self._take("*"):
            return _everything
        match = _NAME.match(self._text, self._at)
        if match is None:
            self._refuse()
        self._at = match.end()
        return _named([match[0]])

    def _brackets(self) -> Callable[[Any], Iterator[Place]]:
        self._blank()
        if self._take("?"):
            return self._filter()
        if self._take("*"):
            self._close()
            return _everything
        if self._text[self._at : self._at + 1] in ("'", '"'):
            names = [self._string()]
            while self._take(","):
                self._blank()
                names.append(self._string())
            self._close()
            return _named(names)
        end = self._text.find("]", self._at)
        inner = self._text[self._at : end] if end > 0 else ""
        self._at = end + 1
        if re.fullmatch(r"\s*-?\d{1,9}(?:\s*,\s*-?\d{1,9})*\s*", inner):
            return _indexed([int(number) for number in inner.split(",")])
        if re.fullmatch(r"\s*(?:-?\d{1,9})?:(?:-?\d{1,9})?\s*", inner):
            first, _, last = inner.partition(":")
            return _sliced(slice(_number(first), _number(last)))
        return self._refuse()

    def _string(self) -> str:
        match = _STRING.match(self._text, self._at)
        if match is None:
            self._refuse()
        self._at = match.end()
        self._blank()
        return _unescape(match[1] if match[1] is not None else match[2])

    def _filter(self) -> Callable[[Any], Iterator[Place]]:
        if not self._take("("):
            self._refuse()
        tokens: list[tuple[str, str]] = []
        depth = 1
        while depth:
            match = _TOKEN.match(self._text, self._at)
            kind = match.lastgroup if match is not None else None
            if match is None or kind is None:
                self._refuse()
            self._at = match.end()
            text = match[kind]
            depth += (text == "(") - (text == ")") if kind == "operator" else 0
            tokens.append((kind, text))
        self._close()
        predicate = _Filter(tokens[:-1], self._refuse).read()

        def places(value: object) -> Iterator[Place]:
            for container, key in _everything(value):
                if predicate(container[key]):
                    yield container, key

        return places

    def _take(self, text: str) -> bool:
        if self._text.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def _blank(self) -> None:
        while self._text[self._at : self._at + 1] == " ":
            self._at += 1

    def _close(self) -> None:
        self._blank()
        if not self._take("]"):
            self._refuse()

    def _refuse(self) -> NoReturn:
        raise ConfigurationError(
            f"jsonPath {self._text!r} cannot be read at character {self._at + 1}; names, indexes,"
            " slices, wildcards, .. and simple filters are supported"
        )


class _Filter:
    """A filter: `||` over `&&` over comparisons."""

    def __init__(self, tokens: list[tuple[str, str]], refuse: Callable[[], NoReturn]) -> None:
        self._tokens = tokens
        self._refuse = refuse

    def read(self) -> Callable[[Any], bool]:
        predicate = self._either()
        if self._tokens:
            self._refuse()
        return predicate

    def _either(self) -> Callable[[Any], bool]:
        parts = [self._both()]
        while self._next("||"):
            parts.append(self._both())
        return lambda value: any(part(value) for part in parts)

    def _both(self) -> Callable[[Any], bool]:
        parts = [self._one()]
        while self._next("&&"):
            parts.append(self._one())
        return lambda value: all(part(value) for part in parts)

    def _one(self) -> Callable[[Any], bool]:
        if self._next("!"):
            inner = self._one()
            return lambda value: not inner(value)
        if self._next("("):
            inner = self._either()
            if not self._next(")"):
                self._refuse()
            return inner
        left = self._operand()
        if self._tokens and self._tokens[0][1] in _COMPARISONS:
            name = self._tokens.pop(0)[1]
            return _comparison(_COMPARISONS[name], left, self._operand())
        return lambda value: left(value) is not _MISSING

    def _operand(self) -> Callable[[Any], Any]:
        kind, text = self._tokens.pop(0) if self._tokens else ("", "")
        if kind == "path":
            keys = [
                _unescape(name or quoted or other) if not index else int(index)
                for name, quoted, other, index in re.findall(
                    r"""\.([A-Za-z_]\w*)|\['([^']*)'\]|\["([^"]*)"\]|\[(-?\d+)\]""", text
                )
            ]
            return lambda value: _follow(value, keys)
        constant: Any
        if kind == "string":
            constant = _unescape(text[1:-1])
        elif kind == "number":
            constant = float(text) if "." in text else int(text)
        elif kind == "word":
            constant = {"true": True, "false": False, "null": None}[text]
        else:
            self._refuse()
        return lambda _: constant

    def _next(self, text: str) -> bool:
        if self._tokens and self._tokens[0] == ("operator", text):
            del self._tokens[0]
            return True
        return False


def _comparison(
    compare: Callable[[Any, Any], bool], left: Callable[[Any], Any], right: Callable[[Any], Any]
) -> Callable[[Any], bool]:
    def predicate(value: object) -> bool:
        try:
            return compare(left(value), right(value))
        except TypeError:  # values that have no order
            return False

    return predicate


def _follow(value: Any, keys: list[str | int]) -> Any:  # noqa: ANN401 - any JSON
    for key in keys:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return _MISSING
    return value


def _everything(value: object) -> Iterator[Place]:
    if isinstance(value, dict):
        yield from ((value, name) for name in list(value))
    elif isinstance(value, list):
        yield from ((value, index) for index in range(len(value)))


def _named(names: list[str]) -> Callable[[Any], Iterator[Place]]:
    def places(value: object) -> Iterator[Place]:
        if isinstance(value, dict):
            yield from ((value, name) for name in names if name in value)

    return places


def _indexed(indexes: list[int]) -> Callable[[Any], Iterator[Place]]:
    def places(value: object) -> Iterator[Place]:
        if isinstance(value, list):
            length = len(value)
            yield from ((value, index % length) for index in indexes if -length <= index < length)

    return places


def _sliced(part: slice) -> Callable[[Any], Iterator[Place]]:
    def places(value: object) -> Iterator[Place]:
        if isinstance(value, list):
            yield from ((value, index) for index in range(len(value))[part])

    return places


def _number(text: str) -> int | None:
    return int(text) if text.strip() else None


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
