"""JSON from strangers."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout.errors import ProtocolError
from whiteout.iglu import bounded_json

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_what_python_writes_is_read_back(value: Any) -> None:  # noqa: ANN401 - any JSON
    assert bounded_json.decode(json.dumps(value, ensure_ascii=False)) == value


@given(st.text() | st.binary())
def test_anything_else_is_refused_and_never_raises_another_error(text: str | bytes) -> None:
    with contextlib.suppress(ProtocolError):
        bounded_json.decode(text)


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        '"\\ud800"',
        "1" * 10_000,
        "",
        "{",
        b'"\xff"',
        "\x00",
    ],
)
def test_what_no_later_step_could_write_again_is_refused(text: str | bytes) -> None:
    with pytest.raises(ProtocolError, match="not JSON"):
        bounded_json.decode(text)


def test_fifty_levels_pass_and_fifty_one_do_not() -> None:
    assert bounded_json.decode("[" * 50 + "]" * 50)
    with pytest.raises(ProtocolError, match="deeper than 50"):
        bounded_json.decode("[" * 51 + "]" * 51)
    with pytest.raises(ProtocolError, match="deeper than 50"):
        bounded_json.decode('{"a":' * 51 + "1" + "}" * 51)


def test_many_brackets_side_by_side_or_in_texts_are_not_deep() -> None:
    assert len(bounded_json.decode("[" + ",".join(["[]"] * 1000) + "]")) == 1000
    assert bounded_json.decode(json.dumps("[" * 1000)) == "[" * 1000


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
def test_a_million_levels_are_refused_at_once(opening: str) -> None:
    with pytest.raises(ProtocolError):
        bounded_json.decode(opening * 1_000_000)


def test_large_whole_numbers_stay_exact() -> None:
    assert bounded_json.decode("18446744073709551617") == 2**64 + 1
