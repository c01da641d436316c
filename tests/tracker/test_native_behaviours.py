"""What the native trackers' own suites verify is verified here too, or differs on purpose.

Each of their behaviours has an id, which tests carry in their name (`test_s4_…`) or docstring.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.trackers import Wire, a_tracker

from whiteout import Structured

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parent.parent
DIFFERENCES = TESTS.parent / "docs" / "tracker" / "differences.md"
BEHAVIOURS = {
    "S": 24,  # sessions
    "A": 14,  # anonymisation
    "E": 38,  # emitter, requests, store
    "P": 12,  # platform entity
    "G": 17,  # global contexts, plugins, state machines
    "R": 9,  # remote configuration
    "M": 4,  # instances, links, web views
}
IDS = {f"{kind}{number}" for kind, count in BEHAVIOURS.items() for number in range(1, count + 1)}
IN_NAME = re.compile(r"(?<=_)([saepgrm]\d{1,2})(?=_)", re.IGNORECASE)
IN_DOCSTRING = re.compile(r"\b([SAEPGRM]\d{1,2})\b")
DIFFERENT = {
    "S17": "Without lifecycle tracking",
    "S22": "Turning the session context off and on again",
    "A5": "`appSetId`",
    "A9": "An anonymous event goes by GET",
    "A13": "FocalMeter",
    "E3": "A change of `bufferOption`",
    "E29": "Legacy files",
    "E30": "all namespaces but some",
    "E33": "made lazily",
    "G13": "State machines of the app's own",
    "M1": "the default tracker",
    "M2": "controller of a removed tracker",
}
"""Behaviours that are not wholly copied, and the words by which the documentation says so."""
WITHOUT_A_TEST = {"E30", "E33"}
"""There is nothing here that could behave so or otherwise."""


def ids_of_tests() -> Iterator[str]:
    for folder in ("tracker", "privacy"):
        for path in (TESTS / folder).rglob("test_*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                    yield from (found.upper() for found in IN_NAME.findall(node.name))
                    yield from IN_DOCSTRING.findall(ast.get_docstring(node) or "")


def test_each_behaviour_has_a_test_that_names_it() -> None:
    assert IDS - set(ids_of_tests()) == WITHOUT_A_TEST


def test_what_differs_on_purpose_is_documented() -> None:
    page = DIFFERENCES.read_text("utf-8")

    assert [words for words in DIFFERENT.values() if words not in page] == []
    assert DIFFERENT.keys() >= WITHOUT_A_TEST


def test_e24_a_sender_of_the_apps_own_is_the_one_used(tmp_path: Path) -> None:
    wire = Wire()
    with a_tracker(wire.network, tmp_path) as tracker:
        event_id = tracker.track(Structured(category="a", action="b"))

        assert tracker.flush(10)
    assert [event["eid"] for event in wire.events] == [event_id]
