"""The pictures of the documentation: readable in light and dark, and told to those who see none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from docs.pictures import PICTURES as SHOTS
from docs.pictures import page_of
from tests.support.contrast import contrast
from tests.support.pages import PAGES, REPOSITORY, page_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PICTURES = sorted(REPOSITORY.glob("docs/images/*.svg"))
_NAME = "{http://www.w3.org/2000/svg}"
_AA = 4.5  # WCAG 2.2, 1.4.3
_SURFACES = (".paper", ".box", ".guard", ".known")
_DARK = "@media (prefers-color-scheme: dark)"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_each_picture_of_a_page_is_told_in_words(page: Path) -> None:
    texts = re.findall(r"!\[([^\]]*)\]\(", page.read_text("utf-8"))

    assert [text for text in texts if len(text.split()) < 3] == []


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_a_picture_names_and_describes_itself(picture: Path) -> None:
    root = ET.parse(picture).getroot()  # noqa: S314 - a file of the repository

    title, description = root.find(f"{_NAME}title"), root.find(f"{_NAME}desc")

    assert root.get("role") == "img"
    assert title is not None
    assert description is not None
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert title.text
    assert description.text


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_a_picture_takes_nothing_from_elsewhere(picture: Path) -> None:
    text = picture.read_text("utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")

    assert re.findall(r"https?:|href|@import|<script|<image", text) == []


def test_the_pictures_of_the_page_are_told_in_words_and_stand_on_a_page_of_the_site() -> None:
    text = page_of(SHOTS)

    told = re.findall(r"!\[([^\]]*)\]\(pictures/(\w+)\.png\)", text)
    assert [name for _, name in told] == [picture.name for picture in SHOTS]
    assert [words for words, _ in told if len(words.split()) < 3] == []
    assert "make docs" in page_of(())


def fills(rules: str) -> dict[str, str]:
    """The colours of a style sheet, by selector."""
    found = re.findall(r"([\w.]+) \{[^}]*?fill: (#[0-9a-f]{6})", rules)
    return dict(found)


def too_faint(picture: str) -> Iterator[tuple[str, str]]:
    """The classes of text that cannot be read on a surface, in light or dark."""
    light, _, dark = picture.partition(_DARK)
    assert dark
    for colours in (fills(light), {**fills(light), **fills(dark)}):
        for text in ("text", ".small", ".bad", ".good"):
            for surface in _SURFACES:
                if contrast(colours[text], colours[surface]) < _AA:
                    yield text, surface


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_text_can_be_read_in_light_and_in_dark(picture: Path) -> None:
    assert list(too_faint(picture.read_text("utf-8"))) == []


def test_faint_text_is_noticed() -> None:
    """The check itself can fail."""
    faint = PICTURES[0].read_text("utf-8").replace("#b4bbc8", "#5b6270")

    assert (".small", ".box") in list(too_faint(faint))
