"""Charts as SVG: well formed whatever is in them, in proportion, and told in words."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout.web.charts import MOST_SERIES, Mark, Words, bar, ceiling, stacked_bars, strip
from whiteout.web.tables import Series, Table

WORDS = Words(id="types", title="Events by type", description="15 events: a 10, b 5")
# Anything an app may call its events, but what no XML can hold; those never pass a schema.
NAMES = st.text(st.characters(min_codepoint=32, exclude_categories=("Cs", "Cn")), max_size=20)


def parse(markup: str) -> ET.Element:
    return ET.fromstring(markup)  # noqa: S314 - made here


def table(*series: tuple[str, tuple[int, ...]]) -> Table:
    count = len(series[0][1]) if series else 3
    return Table(tuple(range(count)), 1, tuple(Series(name, values) for name, values in series))


def rectangles(svg: ET.Element) -> list[tuple[float, ...]]:
    return [
        tuple(float(rect.get(name, "0")) for name in ("x", "y", "width", "height"))
        for rect in svg.iter("rect")
    ]


@pytest.mark.parametrize(
    ("value", "top"), [(0, 2), (1, 2), (2, 2), (3, 4), (5, 10), (11, 20), (40, 40), (41, 100)]
)
def test_an_axis_ends_at_a_round_number_with_a_round_half(value: int, top: int) -> None:
    assert ceiling(value) == top


def test_bars_stand_on_each_other_in_proportion() -> None:
    svg = parse(
        stacked_bars(table(("a", (10, 0, 5)), ("b", (5, 0, 0))), WORDS, moment="bucket {}".format)
    )

    # The axis ends at 20: 10 events are half of the height.
    assert rectangles(svg) == [(0.5, 50, 9, 50), (20.5, 75, 9, 25), (0.5, 25, 9, 25)]
    assert [group.get("fill") for group in svg.iter("g")] == ["url(#types-1)", "url(#types-2)"]
    assert [title.text for title in svg.iter("title")] == [
        "Events by type",
        "bucket 0 a: 10",
        "bucket 2 a: 5",
        "bucket 0 b: 5",
    ]


def test_each_series_has_a_pattern_of_its_own() -> None:
    """They are told apart without their colours."""
    series = [(name, (1,)) for name in "abcdef"]
    svg = parse(stacked_bars(table(*series), WORDS, moment=str))

    hatches = {element.get("d") for element in svg.iter("path") if element.get("class") == "hatch"}
    assert len(hatches) == MOST_SERIES == 6
    drawn = [group.get("fill") for group in svg.iter("g")]
    assert drawn == [f"url(#{pattern.get('id')})" for pattern in svg.iter("pattern")]


def test_a_drawing_is_an_image_with_a_title_and_a_description() -> None:
    svg = parse(stacked_bars(table(("a", (1,))), WORDS, moment=str))
    assert svg.get("role") == "img"
    ids = {element.get("id"): element.text for element in svg if element.get("id")}
    assert [ids[name] for name in (svg.get("aria-labelledby") or "").split()] == [
        WORDS.title,
        WORDS.description,
    ]


def test_nothing_is_drawn_of_no_events() -> None:
    assert rectangles(parse(stacked_bars(table(), WORDS, moment=str))) == []
    assert rectangles(parse(strip([], WORDS, lanes=0))) == []


def test_a_mark_is_where_its_time_is() -> None:
    marks = [Mark(1_000, 0, "first"), Mark(1_500, 1, "second"), Mark(2_000, 0, "third")]
    svg = parse(strip(marks, WORDS, lanes=2))
    assert rectangles(svg) == [(0, 3, 6, 14), (994, 3, 6, 14), (497, 23, 6, 14)]


def test_events_of_one_moment_are_drawn() -> None:
    assert rectangles(parse(strip([Mark(5, 0, "only")], WORDS, lanes=1))) == [(0, 3, 6, 14)]


def test_a_bar_is_as_long_as_its_part_of_the_most() -> None:
    assert rectangles(parse(bar(25, 100)))[0][2] == 25
    assert rectangles(parse(bar(0, 0)))[0][2] == 0


@given(NAMES, NAMES, st.lists(st.integers(0, 10**9), min_size=1, max_size=70))
def test_markup_holds_nothing_that_the_policy_would_refuse(
    name: str, title: str, values: list[int]
) -> None:
    """Names are an app's: none becomes an element, and nothing has a style or a handler."""
    words = Words(id="x", title=title, description=name)
    chart = stacked_bars(table((name, tuple(values))), words, moment=lambda _: title)
    marks = strip([Mark(value, 0, name) for value in values], words, lanes=1)

    for svg in (parse(chart), parse(marks)):
        found = {element.tag for element in svg.iter()}
        assert found <= {"svg", "title", "desc", "path", "g", "rect", "pattern"}
        names = {attribute for element in svg.iter() for attribute in element.attrib}
        assert "style" not in names
        assert not any(attribute.startswith("on") for attribute in names)
        for x, y, width, height in rectangles(svg):
            assert -0.01 <= y <= y + height <= 100.02
            assert 0 <= x <= x + width <= max(1_000, 10 * len(values))
