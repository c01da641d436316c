"""Charts as SVG: pure functions from numbers to markup, without styles or scripts of their own.

Colours are classes of the style sheet (`series-1` to `series-6`). A drawing stretches to the width
it is given, so letters are no part of it: names, axes and the numbers as a table stand beside it in
the page. Whoever cannot see it has its title and its description.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from whiteout.web.tables import Table

MOST_SERIES = 6  # colours that can be told apart
_SLOT, _HEIGHT = 10, 100  # of a bucket and of the whole, in units of the drawing
_STRIP_WIDTH, _LANE, _MARK = 1_000, 20, 6
_FRACTIONS = (0, 0.5, 1)  # where lines go across

_DRAWING = Markup(
    '<svg class="{}" role="img" aria-labelledby="{id}-title {id}-desc" viewBox="0 0 {} {}"'
    ' preserveAspectRatio="none" focusable="false"><title id="{id}-title">{}</title>'
    '<desc id="{id}-desc">{}</desc>{}</svg>'
)
_RECTANGLE = Markup('<rect x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>')
_GROUP = Markup('<g class="{}">{}</g>')
_BARS = Markup('<g fill="url(#{})">{}</g>')
# Series can be told apart without their colours; legends fill their swatches with these, too.
_PATTERN = Markup(
    '<pattern id="{}" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<path class="series-{}" d="M0 0H6V6H0Z"/><path class="hatch" d="{}"/></pattern>'
)
_HATCHES = (
    "",
    "M0 3H6",
    "M-1 1L1 -1M0 6L6 0M5 7L7 5",
    "M3 0V6",
    "M3 1V5M1 3H5",
    "M-1 5L1 7M0 0L6 6M5 -1L7 1",
)
_LINE = Markup('<path class="grid" d="{}"/>')


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a drawing says to those who do not see it.

    Attributes:
        id: of the drawing, alone in its page; letters, digits and dashes.
        title: what it is.
        description: what is to be seen.
    """

    id: str
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class Mark:
    """One event in a strip.

    Attributes:
        at_ms: when, from any origin.
        lane: its row, from 0.
        name: what it is.
    """

    at_ms: int
    lane: int
    name: str


def ceiling(value: int) -> int:
    """The least of 1, 2, 5, 10, 20, … that is not smaller: the top of an axis.

    The middle of an axis is shown as well, so that 1 and 5 are passed over: 2, 4, 10, 20, 40, …
    """
    magnitude = 1
    while True:
        for step in (2, 4, 10):
            if step * magnitude >= value:
                return step * magnitude
        magnitude *= 10


def stacked_bars(table: Table, words: Words, *, moment: Callable[[int], str]) -> Markup:
    """A bar for each bucket, one series on the other, the first lowest.

    Args:
        table: of at most six series.
        words: see there.
        moment: how the beginning of a bucket is written.
    """
    scale = _HEIGHT / ceiling(max(table.sums(), default=0))
    below = [0] * len(table.starts_ms)
    groups, patterns = [], Markup()
    for number, one in enumerate(table.series, 1):
        bars = Markup()
        for index, value in enumerate(one.values):
            if value:
                below[index] += value
                bars += _RECTANGLE.format(
                    _short(index * _SLOT + 0.5),
                    _short(_HEIGHT - below[index] * scale),
                    _SLOT - 1,
                    _short(value * scale),
                    f"{moment(table.starts_ms[index])} {one.name}: {value}",
                )
        name = f"{words.id}-{number}"
        patterns += _PATTERN.format(name, number, _HATCHES[number - 1])
        groups.append(_BARS.format(name, bars))
    width = _SLOT * len(table.starts_ms)
    lines = "".join(f"M0 {_short(_HEIGHT * part)}H{width}" for part in _FRACTIONS)
    drawn = patterns + _LINE.format(lines) + Markup().join(groups)
    return _DRAWING.format(
        "chart", width, _HEIGHT, words.title, words.description, drawn, id=words.id
    )


def bar(value: int, most: int) -> Markup:
    """A bar that lies, as long as `value` is of `most`; its number stands beside it."""
    length = _short(_HEIGHT * value / max(most, 1))
    return Markup(
        '<svg class="length" aria-hidden="true" viewBox="0 0 {} 10" preserveAspectRatio="none"'
        ' focusable="false"><g class="series-1"><rect width="{}" height="10"/></g></svg>'
    ).format(_HEIGHT, length)


def strip(marks: Sequence[Mark], words: Words, *, lanes: int) -> Markup:
    """Events as marks along a line of time, in lanes from the top.

    Args:
        marks: in any order.
        words: see there.
        lanes: how many rows there are.
    """
    first = min((mark.at_ms for mark in marks), default=0)
    length = max((mark.at_ms for mark in marks), default=0) - first
    room = _STRIP_WIDTH - _MARK
    groups = []
    for lane in range(lanes):
        drawn = Markup()
        for mark in marks:
            if mark.lane == lane:
                place = room * (mark.at_ms - first) / length if length else 0
                drawn += _RECTANGLE.format(
                    _short(place), lane * _LANE + 3, _MARK, _LANE - 6, mark.name
                )
        groups.append(_GROUP.format(f"series-{lane % MOST_SERIES + 1}", drawn))
    lines = "".join(f"M0 {lane * _LANE + _LANE // 2}H{_STRIP_WIDTH}" for lane in range(lanes))
    return _DRAWING.format(
        "strip",
        _STRIP_WIDTH,
        max(lanes, 1) * _LANE,
        words.title,
        words.description,
        _LINE.format(lines) + Markup().join(groups),
        id=words.id,
    )


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
