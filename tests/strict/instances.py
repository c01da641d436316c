"""Hypothesis: data that a JSON Schema of ours allows, and pairs that must look the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from whiteout.strict import coarsening as coarse
from whiteout.strict.urls import URL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whiteout.strict.coarsening import Treatment

words = st.text("abcdefghijklmnopqrstuvwxyz ", min_size=1, max_size=8)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
date_times = st.builds(
    "2026-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}{}{}".format,
    st.integers(1, 12),
    st.integers(1, 28),
    st.integers(0, 23),
    st.integers(0, 59),
    st.integers(0, 59),
    st.sampled_from(["", ".1", ".346", ".123456"]),
    st.sampled_from(["Z", "+05:45", "-11:00"]),
)
_FORMATS: Mapping[str, st.SearchStrategy[str]] = {
    "uuid": st.uuids().map(str),
    "date-time": date_times,
    "uri": st.text("abc", min_size=1, max_size=8).map(
        "https://u:p@shop.example/p?gclid=1&utm_source={}#f".format
    ),
}


def data_of(schema: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects that the schema allows."""
    required = set(schema.get("required", ()))
    values = {name: _value(one) for name, one in schema["properties"].items()}
    return st.fixed_dictionaries(
        {name: value for name, value in values.items() if name in required},
        optional={name: value for name, value in values.items() if name not in required},
    )


def _value(definition: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    if "enum" in definition:
        return st.sampled_from(definition["enum"])
    kinds = definition["type"]
    kinds = kinds if isinstance(kinds, list) else [kinds]
    return st.one_of([_of_kind(kind, definition) for kind in kinds])


def _of_kind(kind: str, definition: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    least, most = definition.get("minimum", -(2**31)), definition.get("maximum", 2**31)
    if kind == "array":
        return st.lists(_value(definition["items"]), min_size=1, max_size=3)
    if kind == "object":
        return data_of(definition)
    if kind == "string":
        return _text(definition)
    return {
        "null": st.none(),
        "boolean": st.booleans(),
        "integer": st.integers(least, most),
        "number": st.integers(least, most) | st.floats(least, most),
    }[kind]


def _text(definition: Mapping[str, Any]) -> st.SearchStrategy[str]:
    if "pattern" in definition:
        return st.uuids().map(str)
    if "format" in definition:
        return _FORMATS[definition["format"]]
    return st.text(min_size=1, max_size=min(12, definition.get("maxLength", 12)))


def alike(treatment: Treatment) -> st.SearchStrategy[tuple[Any, Any]]:
    """Two values that a treatment must not let anybody tell apart."""
    if treatment in (coarse.KEEP, coarse.VERSION, coarse.VOCABULARY, coarse.CODE_NAME):
        return words.map(lambda word: (word, word))
    if treatment in _ALIKE:
        return _ALIKE[treatment]
    return st.tuples(anything, anything)  # dropped, or a constant


def _numbers(step: int) -> st.SearchStrategy[tuple[Any, Any]]:
    rest = st.integers(0, step - 1)
    return st.builds(
        lambda base, one, other: (base * step + one, base * step + other),
        st.integers(0, 99),
        rest,
        rest,
    )


def _pair(
    public: st.SearchStrategy[str], make: str, secret: st.SearchStrategy[Any]
) -> st.SearchStrategy[tuple[Any, Any]]:
    """`make` with the same public part and two secret ones."""
    return st.builds(
        lambda shown, one, other: (make.format(shown, one), make.format(shown, other)),
        public,
        secret,
        secret,
    )


_regions = st.sampled_from(["", "-GB", "_US", "-Latn-RS-x-anna"])
_ALIKE: Mapping[Treatment, st.SearchStrategy[tuple[Any, Any]]] = {
    coarse.TO_MINUTE: _pair(
        st.integers(27_000_000, 30_000_000).map(lambda minute: str(minute * 6)),
        "{0}{1:04d}",
        st.integers(0, 9999),
    ),
    coarse.TIME_TO_MINUTE: _pair(
        st.just("2026-11-23T20:15:"), "{0}{1:02d}.346Z", st.integers(0, 59)
    ),
    coarse.LANGUAGE: _pair(st.sampled_from(["en", "DE", "gsw"]), "{0}{1}", _regions),
    coarse.SIZE_CLASS: _pair(st.just("2"), "{0}0{1}x900", st.integers(10, 99)),
    coarse.OS_FAMILY: st.tuples(words.map("x{}".format), words.map("y{}".format)),
    coarse.MAJOR_VERSION: _pair(
        st.integers(0, 99).map(str), "{1} {0}.{1}", st.sampled_from(["arch", "b", "rc"])
    ),
    coarse.TENS: _numbers(10),
    coarse.HUNDREDS: _numbers(100),
    coarse.TWO_DIGITS: st.tuples(st.integers(4700, 4799), st.integers(4700, 4799)),
    URL: _pair(
        st.sampled_from(["/a?utm_source=mail&", "/?", "/a/b?utm_campaign=x&"]),
        "https://{1}@shop.example{0}q={1}#{1}",
        st.text("abc1.", max_size=12),
    ),
}
