"""The contrast of each use of a colour on the page, in light and in dark."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest
from tests.support.contrast import contrast

ASSETS = files("whiteout.web") / "assets"
SHEETS = {name: (ASSETS / name).read_text("utf-8") for name in ("page.css", "charts.css")}
RULES = "".join(SHEETS.values())
COLOURS = {
    name: {"light": light, "dark": dark}
    for name, light, dark in re.findall(
        r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", SHEETS["page.css"]
    )
}
SERIES = [name for name in COLOURS if name.startswith("series-")]
SURFACES = ("ground", "raised")
BADGES = ("badge", "full", "bare")
TEXTS = ("text", "quiet", "link", "failed", "warn", "good")
AA_TEXT, AA_PARTS = 4.5, 3.0  # WCAG 2.2, 1.4.3 and 1.4.11


def used(*properties: str) -> set[str]:
    """The colours that properties of any rule have."""
    names = "|".join(properties)
    values = re.findall(rf"[{{;\s](?:{names}): ([^;}}]*)[;}}]", RULES)
    return {name for value in values for name in re.findall(r"var\(--([a-z0-9-]+)\)", value)}


def test_each_use_of_a_colour_is_one_of_those_below() -> None:
    """A new one has to be judged."""
    assert used("color") <= {*TEXTS}
    assert used("background") == {*SURFACES, *BADGES, *SERIES}
    assert used("fill") == {*SERIES}
    assert used("border", "border-bottom", "border-left", "stroke", "outline") == {
        *("line", "edge", "link", "ground")
    }
    assert re.findall(r"#[0-9a-f]{3,8}\b", RULES.partition("}")[2]) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("text", TEXTS)
def test_text_can_be_read_wherever_it_stands(theme: str, surface: str, text: str) -> None:
    assert contrast(COLOURS[text][theme], COLOURS[surface][theme]) >= AA_TEXT


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("badge", BADGES)
def test_badges_can_be_read(theme: str, badge: str) -> None:
    assert contrast(COLOURS["text"][theme], COLOURS[badge][theme]) >= AA_TEXT


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("part", ["edge", "link"])
def test_edges_of_fields_and_the_focus_can_be_seen(theme: str, part: str) -> None:
    for surface in SURFACES:
        assert contrast(COLOURS[part][theme], COLOURS[surface][theme]) >= AA_PARTS


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("one", SERIES)
def test_a_series_stands_out_from_the_ground_and_from_its_own_pattern(theme: str, one: str) -> None:
    """Lines of a pattern, and those between bars, have the colour of the ground."""
    assert contrast(COLOURS[one][theme], COLOURS["ground"][theme]) >= AA_PARTS
