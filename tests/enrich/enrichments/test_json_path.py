"""The paths that configurations name."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout.enrich.json_path import JsonPath
from whiteout.errors import ConfigurationError

SHOP: dict[str, Any] = {
    "user": {"mail": "a", "e-mail": "b", "odd'name": "c"},
    "orders": [
        {"id": 1, "to": {"mail": "d"}, "gift": True},
        {"id": 2, "to": {"mail": "e"}},
        {"id": 3, "note": "f", "gift": False},
    ],
}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("$.user.mail", ["a"]),
        ("$.['user'].['mail']", ["a"]),
        ("$['user']['mail','e-mail']", ["a", "b"]),
        ("$.['user']['e-mail', 'mail']", ["b", "a"]),
        ('$["user"]["e-mail"]', ["b"]),
        ("$.user['odd\\'name']", ["c"]),
        ("$.user.e-mail", ["b"]),
        ("$.user.*", ["a", "b", "c"]),
        ("$.user[*]", ["a", "b", "c"]),
        ("$.orders[0].id", [1]),
        ("$.orders[-1].id", [3]),
        ("$.orders[0,2].id", [1, 3]),
        ("$.orders[1:].id", [2, 3]),
        ("$.orders[:-1].id", [1, 2]),
        ("$.orders[9].id", []),
        ("$.orders[*].to.mail", ["d", "e"]),
        ("$..mail", ["a", "d", "e"]),
        ("$..to..mail", ["d", "e"]),
        ("$..orders[0].id", [1]),
        ("$..[0].id", [1]),
        ("$.orders[?(@.gift)].id", [1, 3]),
        ("$.orders[?(@.gift == true)].id", [1]),
        ("$.orders[?(!@.gift)].id", [2]),
        ("$.orders[?(@.id >= 2 && @.note)].id", [3]),
        ("$.orders[?(@.id == 1 || @.note == 'f')].id", [1, 3]),
        ("$.orders[?(@.to.mail == 'd' || (@.id > 2))].id", [1, 3]),
        ("$.orders[?(@['id'] != 2)].id", [1, 3]),
        ("$.orders[?(@.id < 'text')].id", []),
        ("$.nothing", []),
        ("$.user.mail.more", []),
    ],
)
def test_a_path_finds_what_is_there_in_order(path: str, values: list[object]) -> None:
    document = copy.deepcopy(SHOP)

    found = [container[key] for container, key in JsonPath(path).find(document)]

    assert found == values
    assert document == SHOP


@pytest.mark.parametrize(
    "path",
    [
        "",
        "name",
        "$",
        "$.",
        "$.a[",
        "$.a[?(@.b",
        "$.a.length()",
        "$.a[?(@.b =~ /x/)]",
        "$.a b",
        "$.a[(@.length-1)]",
        "$a",
        "$.a[?(@.b ==)]",
        "$.a['b'",
        "$." + "a" * 2000,
        "$..",
        "$.a..",
    ],
)
def test_what_cannot_be_read_is_refused(path: str) -> None:
    with pytest.raises(ConfigurationError, match="jsonPath"):
        JsonPath(path)


@given(st.text(alphabet="$.[]'\"*?@()ab01,:&|=<>! -", max_size=20))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        path = JsonPath("$" + text)
    except ConfigurationError:
        return
    path.find(SHOP)


def test_W7_a_path_finds_all_places_of_a_large_document() -> None:
    """What a limit leaves out would stay in clear."""
    document = {"mails": [{"to": f"{number}@a.example"} for number in range(30_000)]}

    assert len(JsonPath("$.mails[*].to").find(document)) == 30_000
    assert len(JsonPath("$..to").find(document)) == 30_000
