"""Each public name is used in an example or on a page, all of which tests run."""

from __future__ import annotations

import ast
import inspect
from functools import cache

import pytest
from docs.public import REACHED, is_for_apps, is_settable, public_names, reached
from tests.support.pages import PAGES, REPOSITORY, blocks_of

NOT_SHOWN = {
    "EventStoreError": "raised within the tracker, never into an app",
    "ProtocolError": "raised within the pipeline; an app gets a ConfigurationError",
    "TrackerError": "the tracker makes it, of what it warns of",
    "WebViewEvent": "a WebViewBridge makes it, of what a page says",
}


@cache
def used() -> set[str]:
    """The names in all Python that is shown; those in texts and comments do not count."""
    sources = [path.read_text("utf-8") for path in (REPOSITORY / "examples").rglob("*.py")]
    for page in PAGES:
        sources += [block.source for block in blocks_of(page) if block.language == "python"]
    names: set[str] = set()
    for node in (node for source in sources for node in ast.walk(ast.parse(source))):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                names.add(name)
            case _:
                pass
    return names


def test_each_public_name_is_shown_at_work() -> None:
    assert [name for name in public_names() if name not in used() | NOT_SHOWN.keys()] == []


def test_what_is_said_not_to_be_shown_is_there_and_is_not() -> None:
    assert NOT_SHOWN.keys() <= set(public_names())
    assert NOT_SHOWN.keys() & used() == set()


@pytest.mark.parametrize("place", [place for _, _, place in REACHED])
def test_what_a_controller_can_do_is_shown_at_work(place: str) -> None:
    """All but its options: those stand in the tables of the configurations."""
    class_ = reached(place)
    members = {
        name
        for name, member in vars(class_).items()
        if is_for_apps(class_.__name__, name)
        and not is_settable(member)
        and (inspect.isfunction(member) or isinstance(member, property))
    }

    assert members - used() == set()
